"""`segdata scorecard`: quantity, quality, speed and trend of each annotator's work."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, get_args

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

if TYPE_CHECKING:
    from segdata.api.scorecard import ScorecardRun


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
    data: tuple[str, ...],
    gold: str | None,
    before: Path | None,
    metric: Metric,
    worst: int,
    tolerance: float | None,
    tolerance_mm: float | None,
    pair_by: str | None,
    taxonomy_map: Path | None,
    report: str,
    output: Path | None,
    options: DataOptions,
) -> int:
    """Report each annotator's quantity, quality, speed and trend.

    The scorecard has images and segments, seconds of work, the share that
    passed review unchanged, the score against the reference or the other
    annotators, its monthly trend adjusted for the mix of images, and the
    worst examples with the guideline. DATA is as for `segdata agreement`.
    """
    from segdata.api.scorecard import score_annotators
    from segdata.cli.agreement import parse_named_dataset
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.cli.process import progress_bar
    from segdata.report.scorecard import scorecard_csv, scorecard_json, scorecard_text

    members = [parse_named_dataset(text) for text in data]
    protect_inputs(output, options.inputs(*(path for _, path in members), *([] if before is None else [before])))
    datasets = [(name, options.read(path)) for name, path in members]
    with progress_bar("scorecard", max(len(dataset) for _, dataset in datasets)) as advance:
        scored = score_annotators(
            datasets,
            gold=gold,
            before=None if before is None else options.read(before),
            metric=metric,
            worst=worst,
            tolerance=tolerance,
            tolerance_mm=tolerance_mm,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            jobs=options.jobs,
            progress=advance,
        )
    forms = {
        "text": lambda: scorecard_text(scored.scorecard, make_console(output)),
        "html": lambda: _html(scored, ["scorecard", *map(shlex.quote, data), *options.words], options.jobs),
        "json": lambda: scorecard_json(scored.scorecard),
        "csv": lambda: scorecard_csv(scored.scorecard),
    }
    emit(forms[report](), output)
    return 0


def _html(scored: "ScorecardRun", typed: list[str], jobs: int) -> str:
    """The report as one HTML file, with pictures of the worst examples."""
    from segdata.formats.shared.images import image_limits
    from segdata.report.scorecard import scorecard_html

    with image_limits():
        return scorecard_html(scored.scorecard, scored.dataset, scored.opposed, typed, jobs)
