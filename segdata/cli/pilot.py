"""`segdata pilot`: whether a taxonomy is ready for full-scale annotation."""

from pathlib import Path

import click

from segdata.cli.options import DATA, DataOptions, data_options, example, report_options
from segdata.cli.process import FOUND, say

_COUNT = click.IntRange(min=1)
_AMOUNT = click.FloatRange(min=0, min_open=True)


@click.command(
    name="pilot",
    epilog=example(
        "segdata pilot pilot_labels/ --campaign 20000 --min-instances 500",
        "segdata pilot pilot.json --campaign 20000 --minutes-per-segment 0.8",
        "segdata pilot pilot.json --ignore no-definition --format json",
    ),
)
@DATA
@click.option("--campaign", metavar="N", type=_COUNT, help="How many images the full campaign has.")
@click.option(
    "--min-instances",
    metavar="N",
    type=_COUNT,
    help="Wanted of each category; default: what rule SEG302 (too-few) asks for.",
)
@click.option("--minutes-per-image", metavar="M", type=_AMOUNT, help="Work; default: as the annotations say, if so.")
@click.option("--minutes-per-segment", metavar="M", type=_AMOUNT, help="Work, where segments are what takes time.")
@click.option("--rate", metavar="COST", type=_AMOUNT, help="What an hour of work costs.")
@click.option(
    "--ignore", metavar="KINDS", multiple=True, help="Kinds of reasons that do not count, as the report calls them."
)
@report_options("text", "json")
@data_options
def command(
    data: Path,
    campaign: int | None,
    min_instances: int | None,
    minutes_per_image: float | None,
    minutes_per_segment: float | None,
    rate: float | None,
    ignore: tuple[str, ...],
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> int:
    """Say from a small pilot whether a taxonomy is ready.

    DATA is the pilot: 20 to 100 images, drawn at random from those of the
    campaign, and annotated. From it: how often each category will occur in
    the whole campaign and what that costs, with ranges that are right in 19
    of 20 campaigns, and what to change in the taxonomy first.

    Exits with 0 when it is ready, with 1 when not.
    """
    from segdata.api.pilot import pilot
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.cli.process import progress_bar
    from segdata.cli.validate import split_codes
    from segdata.report.pilot import to_text
    from segdata.report.pilot_json import to_json

    protect_inputs(output, opening.inputs(data))
    dataset = opening.read(data)
    with progress_bar("pilot", len(dataset)) as done:
        found = pilot(
            dataset,
            campaign=campaign,
            min_instances=min_instances,
            minutes_per_image=minutes_per_image,
            minutes_per_segment=minutes_per_segment,
            rate=rate,
            ignore=split_codes(ignore),
            jobs=opening.jobs,
            progress=done,
        )
    emit(to_json(found) if report == "json" else to_text(found, make_console(output)), output)
    if output is not None:
        say(f"{'ready' if found.ready else 'not ready'}, see {output}")
    return 0 if found.ready else FOUND
