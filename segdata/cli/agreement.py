"""`segdata agreement`: how much annotators agree."""

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import (
    GROUP_BY,
    PAIR,
    TAXONOMY_MAP,
    TOLERANCE,
    TOLERANCE_MM,
    DataOptions,
    data_options,
    example,
    report_options,
    rule_options,
)
from segdata.cli.process import FOUND, say
from segdata.core.errors import SegdataError
from segdata.core.validation import FailOn

if TYPE_CHECKING:
    from segdata.api.agreement import AgreementRun
    from segdata.report.console import Console


@click.command(
    name="agreement",
    epilog=example(
        "segdata agreement anna=labels_anna.json ben=labels_ben.json",
        "segdata agreement labels/ --gold expert --format html -o agreement.html",
        "segdata agreement anna=first/ anna=second/ ben=masks/ --by site",
    ),
)
@click.argument("data", nargs=-1, required=True, metavar="[NAME=]DATA...")
@click.option("--gold", metavar="NAME", help="The reference: everyone is held against it.")
@GROUP_BY
@click.option(
    "--plan",
    metavar="WIDTH",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="How many images must be labelled twice for intervals of plus and minus this, such as 0.02.",
)
@click.option(
    "--contrasts", is_flag=True, help="Also test who agrees better with the reference; without one, which two."
)
@click.option(
    "--model", "models", metavar="NAME", multiple=True, help="A model: how much of everybody's work is its, unchanged."
)
@PAIR
@TAXONOMY_MAP
@TOLERANCE
@TOLERANCE_MM
@click.option("--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, help="Of intervals; default: 0.95.")
@click.option("--resamples", type=click.IntRange(min=100), default=2000, help="For intervals; default: 2000.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the resamples; default: 0.")
@click.option("--anonymise", is_flag=True, help="Call the annotators A, B, C in the report.")
@rule_options
@report_options("text", "json", "html", "csv")
@data_options
def command(
    data: tuple[str, ...],
    gold: str | None,
    by: str | None,
    plan: float | None,
    contrasts: bool,
    models: tuple[str, ...],
    pair_by: str | None,
    taxonomy_map: Path | None,
    tolerance: float | None,
    tolerance_mm: float | None,
    confidence: float,
    resamples: int,
    seed: int,
    anonymise: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    no_review: bool,
    fail_on: FailOn,
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> int:
    """Say how much annotators agree, on what, and who differs.

    DATA is one dataset in which annotations name their annotators, or several
    datasets of the same images, of any formats. NAME= says whose work one is;
    a name given twice is a second pass over the same images. What options say
    about reading holds for all of them.

    Exits with 1 where an annotator is below the bar of the gold standard, or
    for any finding at or above --fail-on.
    """
    from segdata.api.agreement import compare_annotators
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.cli.process import progress_bar
    from segdata.cli.validate import split_codes
    from segdata.core.errors import count_noun

    every = [parse_named_dataset(each) for each in data]
    protect_inputs(output, [path for _, path in every] + opening.inputs())
    opened = [(name, opening.read(path)) for name, path in every]
    with progress_bar("agreement", max(len(each) for _, each in opened)) as done:
        found = compare_annotators(
            opened,
            gold=gold,
            by=by,
            plan=plan,
            contrasts=contrasts,
            models=models,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            tolerance=tolerance,
            tolerance_mm=tolerance_mm,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            anonymise=anonymise,
            select=split_codes(select),
            ignore=split_codes(ignore),
            review=not no_review,
            jobs=opening.jobs,
            progress=done,
        )
    typed = ["agreement", *map(shlex.quote, data), *opening.words]
    emit(_report(report, found, typed, make_console(output), fail_on, opening.jobs), output)
    if found.decided:
        say(f"{count_noun(found.decided, 'finding')} decided by reviewers; --no-review counts them, too")
    if output is not None:
        say(f"agreement of {len(found.agreement.annotators)} annotators, see {output}")
    return FOUND if found.agreement.fails(fail_on) else 0


def _report(form: str, found: "AgreementRun", typed: list[str], paper: "Console", fail_on: FailOn, jobs: int) -> str:
    """The report in one of the forms of `--format`."""
    if form == "json":
        from segdata.report.agreement_json import to_json

        return to_json(found.agreement)
    if form == "csv":
        from segdata.report.agreement.spreadsheet import to_csv

        return to_csv(found.agreement)
    if form == "html":
        return _html(found, typed, fail_on, jobs)
    from segdata.report.agreement.text import to_text

    return to_text(found.agreement, found.tables, typed, paper, fail_on)


def _html(found: "AgreementRun", typed: list[str], fail_on: FailOn, jobs: int) -> str:
    """The report as one HTML file, with pictures of the worst images and findings."""
    from segdata.api.scorecard import scorecard_of_agreement
    from segdata.formats.shared.images import image_limits
    from segdata.report.html.agreement import draw_pictures, to_html

    scored = scorecard_of_agreement(found)
    with image_limits():
        drawn = draw_pictures(found.dataset, found.tables, found.agreement.findings, jobs, scored.cards)
    return to_html(found.agreement, found.tables, drawn, typed, fail_on, scored)


def parse_named_dataset(text: str) -> tuple[str | None, Path]:
    """NAME=DATA, or DATA; a path that exists is one, whatever it holds."""
    name, mark, path = text.partition("=")
    if not mark or Path(text).exists():
        return None, Path(text)
    if not re.search(r"\S", name) or not path:
        raise SegdataError(f"{text!r} is neither a dataset nor NAME=DATA")
    return name.strip(), Path(path)
