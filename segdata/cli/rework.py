"""`segdata rework`: how many labels a review corrected."""

from pathlib import Path
from typing import Any

import click

from segdata.cli.options import (
    CONFIDENCE,
    PAIR,
    PATH,
    POSITIVE,
    TAXONOMY_MAP,
    TOLERANCE_MM,
    DataOptions,
    data_options,
    example,
    report_options,
)


@click.command(
    name="rework",
    epilog=example(
        "segdata rework street@r0001 street@r0002", "segdata rework drawn.json reviewed.json --format csv -o rework.csv"
    ),
)
@click.argument("before", type=PATH)
@click.argument("after", type=PATH)
@click.option("--tolerance", metavar="PX", type=POSITIVE, help="Ignore boundaries that moved by less; default: 2 px.")
@TOLERANCE_MM
@PAIR
@TAXONOMY_MAP
@CONFIDENCE
@report_options("text", "json", "csv")
@data_options
def command(
    before: Path, after: Path, report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `rework` takes them
    """Measure how many labels a review changed.

    The report lists, by annotator and category, segments that were deleted,
    added, given another category, or whose boundary moved, the share of
    pixels that changed, and the share of annotations that passed unchanged.
    BEFORE and AFTER are two datasets, or two revisions of one (DATA@r0001).
    The options for reading apply to both.
    """
    from segdata.api.scorecard import rework
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.quality import rework_csv, rework_json, rework_text

    protect_inputs(output, options.inputs(before, after))
    datasets = options.read(before), options.read(after)
    with options.working("rework", len(datasets[0])) as work:
        result = rework(*datasets, **given, **work)
    emit(
        {"json": rework_json, "csv": rework_csv}[report](result)
        if report != "text"
        else rework_text(result, make_console(output)),
        output,
    )
    return 0
