"""`segdata report`: everything known about the quality of a dataset, on one page."""

from pathlib import Path

import click

from segdata.cli.options import DATA, PATH, DataOptions, data_options, example, report_options
from segdata.core.safe_text import shell_word


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
    type=PATH,
    help="JSON report of `segdata flag`; without it, the report leaves out label noise.",
)
@click.option("--no-agreement", is_flag=True, help="Do not compare annotators with each other.")
@report_options("text", "json", "html")
@data_options
def command(
    data: Path, flagged: Path | None, no_agreement: bool, report: str, output: Path | None, options: DataOptions
) -> None:
    """Summarize the quality of a dataset, and what it cost.

    The report covers the findings of the rules, the balance of categories,
    the agreement of annotators if there are several, suspected labels, the
    progress of the review, and the hours and cost of annotation and quality
    assurance (`cost` in segdata.yaml).
    """
    from segdata.api.report import overview
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.measure.source_cache import cache_folder

    protect_inputs(output, [*options.inputs(data), flagged])
    dataset = options.read(data, cache=cache_folder())
    with options.working("report", len(dataset)) as work:
        result = overview(dataset, flagged=flagged, agreement=not no_agreement, **work)
    if report == "json":
        from segdata.report.dataset_report import dataset_report_json

        emit(dataset_report_json(result), output)
    elif report == "html":
        from segdata.report.dataset_report import dataset_report_html

        emit(dataset_report_html(result, options.typed(data)), output)
    else:
        from segdata.report.dataset_report import dataset_report_text

        more = ["--no-agreement"] * no_agreement + (["--flagged", shell_word(flagged)] if flagged else [])
        emit(dataset_report_text(result, ["report", *options.typed(data), *more], make_console(output)), output)
