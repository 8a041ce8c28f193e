"""`segdata rework`: how much of the work a reviewer corrected."""

from pathlib import Path

import click

from segdata.cli.options import PAIR, TAXONOMY_MAP, TOLERANCE_MM, DataOptions, data_options, example, report_options

_PATH = click.Path(path_type=Path)
_AMOUNT = click.FloatRange(min=0, min_open=True)


@click.command(
    name="rework",
    epilog=example(
        "segdata rework street@r0001 street@r0002",
        "segdata rework drawn.json reviewed.json --format csv -o rework.csv",
    ),
)
@click.argument("before", type=_PATH)
@click.argument("after", type=_PATH)
@click.option("--tolerance", metavar="PX", type=_AMOUNT, help="Boundaries moved by less were not; default: 2 px.")
@TOLERANCE_MM
@PAIR
@TAXONOMY_MAP
@click.option("--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, help="Of intervals; default: 0.95.")
@report_options("text", "json", "csv")
@data_options
def command(
    before: Path,
    after: Path,
    tolerance: float | None,
    tolerance_mm: float | None,
    pair_by: str | None,
    taxonomy_map: Path | None,
    confidence: float,
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> int:
    """Say how much of the work BEFORE a review was changed AFTER it.

    By annotator and category: segments that were deleted, added, given
    another category, or whose boundary was moved; the share of pixels that
    changed; and the share of annotations that passed as they were. BEFORE and
    AFTER are two datasets, or two revisions of one (DATA@r0001). What options
    say about reading holds for both.
    """
    from segdata.api.scorecard import rework
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.cli.process import progress_bar
    from segdata.report.rework import to_csv, to_text
    from segdata.report.rework_json import to_json

    protect_inputs(output, opening.inputs(before, after))
    opened = opening.read(before), opening.read(after)
    with progress_bar("rework", len(opened[0])) as done:
        found = rework(
            *opened,
            tolerance=tolerance,
            tolerance_mm=tolerance_mm,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            confidence=confidence,
            jobs=opening.jobs,
            progress=done,
        )
    emit(
        {"json": to_json, "csv": to_csv}[report](found) if report != "text" else to_text(found, make_console(output)),
        output,
    )
    return 0
