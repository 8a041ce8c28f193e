"""`segdata pilot`: whether a taxonomy is ready for full-scale annotation."""

from pathlib import Path
from typing import Any

import click

from segdata.cli.options import DATA, POSITIVE, DataOptions, data_options, example, report_options, split_codes
from segdata.cli.process import FOUND, say

_COUNT = click.IntRange(min=1)


@click.command(
    name="pilot",
    epilog=example(
        "segdata pilot pilot_labels/ --campaign 20000 --min-instances 500",
        "segdata pilot pilot.json --campaign 20000 --minutes-per-segment 0.8",
        "segdata pilot pilot.json --ignore no-definition --format json",
    ),
)
@DATA
@click.option("--campaign", metavar="N", type=_COUNT, help="Number of images in the full campaign.")
@click.option(
    "--min-instances",
    metavar="N",
    type=_COUNT,
    help="Segments needed of each category; default: as in rule SEG302 (too-few).",
)
@click.option(
    "--minutes-per-image", metavar="M", type=POSITIVE, help="Minutes of work per image; default: from the annotations."
)
@click.option(
    "--minutes-per-segment",
    metavar="M",
    type=POSITIVE,
    help="Minutes of work per segment, if the time depends on segments.",
)
@click.option("--rate", metavar="COST", type=POSITIVE, help="Cost of an hour of work.")
@click.option("--ignore", metavar="KINDS", multiple=True, help="Kinds of reasons to ignore, as the report names them.")
@report_options("text", "json")
@data_options
def command(
    data: Path, ignore: tuple[str, ...], report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `pilot` takes them
    """Check with a small pilot whether a taxonomy is ready.

    DATA is the pilot: 20 to 100 annotated images, drawn at random from the
    images of the campaign. The report predicts how often each category will
    occur in the campaign and what the campaign will cost, with 95 % prediction
    intervals, and lists what to change in the taxonomy first.

    Exits with 0 if the taxonomy is ready, else with 1.
    """
    from segdata.api.pilot import pilot
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.pilot import pilot_json, pilot_text

    protect_inputs(output, options.inputs(data))
    dataset = options.read(data)
    with options.working("pilot", len(dataset)) as work:
        result = pilot(dataset, ignore=split_codes(ignore), **given, **work)
    emit(pilot_json(result) if report == "json" else pilot_text(result, make_console(output)), output)
    if output is not None:
        say(f"{'ready' if result.ready else 'not ready'}, see {output}")
    return 0 if result.ready else FOUND
