"""`segdata agreement`: how much annotators agree."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segdata.cli.options import (
    CONFIDENCE,
    GROUP_BY,
    PAIR,
    RESAMPLES,
    SCHEDULER,
    SEED,
    TAXONOMY_MAP,
    TOLERANCE,
    TOLERANCE_MM,
    DataOptions,
    data_options,
    example,
    report_options,
    rule_options,
    split_codes,
)
from segdata.cli.process import FOUND, say
from segdata.core.errors import SegdataError
from segdata.core.safe_text import shell_word
from segdata.core.validation import FailOn

if TYPE_CHECKING:
    from segdata.api.agreement import AgreementResult
    from segdata.report.console import Console


@click.command(
    name="agreement",
    epilog=example(
        "segdata agreement anna=labels_anna.json ben=labels_ben.json",
        "segdata agreement labels/ --gold expert --format html -o agreement.html",
        "segdata agreement anna=first/ anna=second/ ben=masks/ --group-by site",
    ),
)
@click.argument("data", nargs=-1, required=True, metavar="[NAME=]DATA...")
@click.option("--gold", metavar="NAME", help="Annotator that is the reference for all others.")
@GROUP_BY
@click.option(
    "--plan",
    metavar="WIDTH",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Plan how many images to label twice for intervals of ± WIDTH, such as 0.02.",
)
@click.option(
    "--contrasts", is_flag=True, help="Also test who agrees better with the reference, or which pairs agree better."
)
@click.option(
    "--model",
    "models",
    metavar="NAME",
    multiple=True,
    help="Name of a model; report how many of its labels annotators kept unchanged.",
)
@PAIR
@TAXONOMY_MAP
@TOLERANCE
@TOLERANCE_MM
@CONFIDENCE
@RESAMPLES
@SEED
@click.option("--anonymise", is_flag=True, help="Replace annotator names with A, B, C in the report.")
@rule_options
@report_options("text", "json", "html", "csv")
@SCHEDULER
@data_options
def command(
    data: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: FailOn,
    report: str,
    output: Path | None,
    scheduler: str | None,
    options: DataOptions,
    **given: Any,  # Any: as `agree` takes them
) -> int:
    """Measure how much annotators agree, where, and who differs.

    DATA is one dataset whose annotations name their annotators, or several
    datasets of the same images, in any formats. NAME= names the annotator of
    a dataset; a name given twice is a second pass over the same images. The
    options for reading apply to all of them.

    Exits with 1 if an annotator is below the bar of the gold standard, or for
    any finding at or above --fail-on.
    """
    from segdata.api.agreement import agree
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.core.errors import count_noun

    members = [parse_named_dataset(text) for text in data]
    sheets = _sheet_paths(report, output)
    for written in (output, *sheets):
        protect_inputs(written, [path for _, path in members] + options.inputs())
    datasets = [(name, options.read(path)) for name, path in members]
    with options.working("agreement", max(len(dataset) for _, dataset in datasets)) as work:
        result = agree(
            datasets, select=split_codes(select), ignore=split_codes(ignore), client=scheduler, **given, **work
        )
    typed = ["agreement", *map(shell_word, data), *options.words]
    beside = [path.name for path in sheets]
    emit(_report(report, result, typed, make_console(output), fail_on, options.jobs, beside), output)
    if sheets:
        from segdata.report.agreement.spreadsheets import annotators_csv, images_csv

        tables = result.run.tables
        assert tables.annotator_pairs is not None
        emit(images_csv(result, tables.annotator_pairs), sheets[0])
        emit(annotators_csv(result, tables), sheets[1])
    if result.run.decided:
        decided = count_noun(result.run.decided, "finding")
        say(f"{decided} decided by reviewers left out; --include-reviewed includes them")
    if output is not None:
        tables_too = f", with {' and '.join(beside)} beside it" if beside else ""
        say(f"agreement of {count_noun(len(result.annotators), 'annotator')}, see {output}{tables_too}")
    return FOUND if result.fails(fail_on) else 0


def _sheet_paths(form: str, output: Path | None) -> tuple[Path, ...]:
    """The spreadsheets that are written beside a page; none without a page, or where it goes to a device or a pipe."""
    if form != "html" or output is None or (output.exists() and not output.is_file()):
        return ()
    from segdata.report.agreement.spreadsheets import spreadsheet_paths

    return spreadsheet_paths(output)


def _report(
    form: str,
    result: "AgreementResult",
    typed: list[str],
    paper: "Console",
    fail_on: FailOn,
    jobs: int,
    beside: list[str],
) -> str:
    """The report in the format that `--format` names."""
    if form == "json":
        return result.to_json()
    if form == "html":
        return result.to_html(jobs=jobs, typed=typed, fail_on=fail_on, beside=beside)
    if form == "csv":
        from segdata.report.agreement.tables import agreement_csv

        return agreement_csv(result)
    from segdata.report.agreement.text import agreement_text

    return agreement_text(result, result.run.tables, typed, paper, fail_on)


def parse_named_dataset(text: str) -> tuple[str | None, Path]:
    """NAME=DATA, or DATA; an existing path is DATA, whatever characters it contains."""
    name, mark, path = text.partition("=")
    if not mark or Path(text).exists():
        return None, Path(text)
    if not re.search(r"\S", name) or not path:
        raise SegdataError(f"{text!r} is neither an existing dataset nor NAME=DATA")
    return name.strip(), Path(path)
