"""`segdata scorecard`: what each annotator did, how well, how fast, and how that changes."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from segdata.cli.options import (
    PAIR,
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

_PATH = click.Path(path_type=Path)


@click.command(
    name="scorecard",
    epilog=example(
        "segdata scorecard street --gold expert --format csv -o scorecard.csv",
        "segdata scorecard street@r0002 --before street@r0001",
    ),
)
@click.argument("data", nargs=-1, required=True, metavar="[NAME=]DATA...")
@click.option("--gold", metavar="NAME", help="The reference; default: that in segdata.yaml, or else the others.")
@click.option("--before", metavar="DATA", type=_PATH, help="The same work before a review: what passed as it was.")
@click.option(
    "--metric",
    type=click.Choice([each for each in get_args(Metric) if each not in DISTANCES]),
    default="iou",
    help="Of the scores; default: iou.",
)
@click.option("--worst", metavar="N", type=click.IntRange(min=0), default=3, help="Examples of each; default: 3.")
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
    opening: DataOptions,
) -> int:
    """Say what each annotator did, how well, how fast, and how that changes.

    Images and segments, seconds of work, the share of the work that passed
    its review as it was, the score against the reference or the others, its
    trend by month, mix of images left out of account, and the worst examples
    with what the guideline says. DATA as for `segdata agreement`.
    """
    from segdata.api.scorecard import score_annotators
    from segdata.cli.agreement import parse_named_dataset
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.cli.process import progress_bar
    from segdata.report.scorecard import to_csv, to_text
    from segdata.report.scorecard_json import to_json

    every = [parse_named_dataset(each) for each in data]
    protect_inputs(output, opening.inputs(*(path for _, path in every), *([] if before is None else [before])))
    opened = [(name, opening.read(path)) for name, path in every]
    with progress_bar("scorecard", max(len(each) for _, each in opened)) as done:
        scored = score_annotators(
            opened,
            gold=gold,
            before=None if before is None else opening.read(before),
            metric=metric,
            worst=worst,
            tolerance=tolerance,
            tolerance_mm=tolerance_mm,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            jobs=opening.jobs,
            progress=done,
        )
    forms = {
        "text": lambda: to_text(scored.scorecard, make_console(output)),
        "html": lambda: _html(scored, ["scorecard", *map(shlex.quote, data), *opening.words], opening.jobs),
        "json": lambda: to_json(scored.scorecard),
        "csv": lambda: to_csv(scored.scorecard),
    }
    emit(forms[report](), output)
    return 0


def _html(scored: "ScorecardRun", typed: list[str], jobs: int) -> str:
    """The report as one HTML file, with pictures of the worst examples."""
    from segdata.formats.shared.images import image_limits
    from segdata.report.html.agreement_pictures import example_pictures
    from segdata.report.html.cards import to_html

    with image_limits():
        drawn = example_pictures(scored.dataset, scored.opposed, scored.scorecard.cards, jobs)
    return to_html(scored.scorecard, scored.opposed.annotators, drawn, typed)
