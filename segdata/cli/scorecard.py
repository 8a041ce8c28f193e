"""`segdata scorecard`: quantity, quality, speed and trend of each annotator's work."""

from pathlib import Path
from typing import Any, get_args

import click

from segdata.cli.options import (
    PAIR,
    PATH,
    TAXONOMY_MAP,
    TOLERANCE,
    TOLERANCE_MM,
    DataOptions,
    data_options,
    example,
    report_options,
)
from segdata.core.config import DISTANCES, Metric
from segdata.core.safe_text import shell_word


@click.command(
    name="scorecard",
    epilog=example(
        "segdata scorecard street --gold expert --format csv -o scorecard.csv",
        "segdata scorecard street@r0002 --before street@r0001",
    ),
)
@click.argument("data", nargs=-1, required=True, metavar="[NAME=]DATA...")
@click.option("--gold", metavar="NAME", help="Reference; default: the one in segdata.yaml, else the other annotators.")
@click.option(
    "--before", metavar="DATA", type=PATH, help="The same labels before review, to measure how many passed unchanged."
)
@click.option(
    "--metric",
    type=click.Choice([name for name in get_args(Metric) if name not in DISTANCES]),
    default="iou",
    help="Metric of the scores; default: iou.",
)
@click.option(
    "--worst", metavar="N", type=click.IntRange(min=0), default=3, help="Worst examples per annotator; default: 3."
)
@TOLERANCE
@TOLERANCE_MM
@PAIR
@TAXONOMY_MAP
@report_options("text", "html", "json", "csv")
@data_options
def command(
    data: tuple[str, ...], before: Path | None, report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `scorecard` takes them
    """Report each annotator's quantity, quality, speed and trend.

    The scorecard has images and segments, seconds of work, the share that
    passed review unchanged, the score against the reference or the other
    annotators, its monthly trend adjusted for the mix of images, and the
    worst examples with the guideline. DATA is as for `segdata agreement`.
    """
    from segdata.api.scorecard import scorecard
    from segdata.cli.agreement import parse_named_dataset
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.scorecard import scorecard_csv, scorecard_text

    members = [parse_named_dataset(text) for text in data]
    protect_inputs(output, options.inputs(*(path for _, path in members), *([] if before is None else [before])))
    datasets = [(name, options.read(path)) for name, path in members]
    with options.working("scorecard", max(len(dataset) for _, dataset in datasets)) as work:
        result = scorecard(datasets, before=None if before is None else options.read(before), **given, **work)
    if report == "text":
        text = scorecard_text(result, make_console(output))
    elif report == "html":
        typed = ["scorecard", *map(shell_word, data), *options.words]
        text = result.to_html(jobs=options.jobs, typed=typed)
    else:
        text = result.to_json() if report == "json" else scorecard_csv(result)
    emit(text, output)
    return 0
