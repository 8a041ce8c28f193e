"""`segdata report`: everything that is known of a dataset's quality, on one page."""

import shlex
from pathlib import Path

import click

from segdata.cli.options import DATA, DataOptions, data_options, example, report_options


@click.command(
    name="report",
    epilog=example(
        "segdata report street --format html --output report.html",
        "segdata report street --flagged flag.json --format html --output report.html",
    ),
)
@DATA
@click.option(
    "--flagged",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The JSON report of segdata flag; without it nothing is said of noise.",
)
@click.option("--no-agreement", is_flag=True, help="Do not hold annotators against each other.")
@report_options("text", "json", "html")
@data_options
def command(
    data: Path, flagged: Path | None, no_agreement: bool, report: str, output: Path | None, opening: DataOptions
) -> None:
    """Say what is known of a dataset's quality, and what it cost.

    Findings of the rules, balance, agreement where there are several
    annotators, suspected labels, how far the review is, and the hours and
    cost of annotation and quality assurance (`cost` in segdata.yaml).
    """
    from segdata.api.report import overview
    from segdata.api.source_cache import cache_folder
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.cli.process import progress_bar

    protect_inputs(output, [*opening.inputs(data), flagged])
    dataset = opening.read(data, cache=cache_folder())
    with progress_bar("report", len(dataset)) as done:
        found = overview(dataset, flagged=flagged, agreement=not no_agreement, jobs=opening.jobs, progress=done)
    if report == "json":
        from segdata.report.dataset_report import dataset_report_json

        emit(dataset_report_json(found), output)
    elif report == "html":
        from segdata.report.html.dataset_report import to_html

        emit(to_html(found, opening.typed(data)), output)
    else:
        from segdata.report.dataset_report import dataset_report_text

        more = ["--no-agreement"] * no_agreement + (["--flagged", shlex.quote(str(flagged))] if flagged else [])
        emit(dataset_report_text(found, ["report", *opening.typed(data), *more], make_console(output)), output)
