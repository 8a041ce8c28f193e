"""`segdata acceptance`: how many images of a delivery to inspect, and whether it is accepted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from segdata.cli.options import (
    PATH,
    TAXONOMY_MAP,
    TOLERANCE,
    TOLERANCE_MM,
    DataOptions,
    data_options,
    example,
    report_options,
)
from segdata.cli.process import FOUND
from segdata.core.config import Metric

F = TypeVar("F", bound=Callable[..., object])
_SHARE = click.FloatRange(0, 1)
_RISK = click.FloatRange(0, 1, min_open=True, max_open=True)
_QUALITY = (
    click.option("--lot", metavar="N", type=click.IntRange(min=1), help="Number of images in the delivery."),
    click.option("--aql", type=_SHARE, default=0.01, help="Acceptable share of defective images; default: 0.01."),
    click.option("--limit", type=_SHARE, default=0.05, help="Unacceptable share of defective images; default: 0.05."),
    click.option("--producer-risk", type=_RISK, default=0.05, help="Risk of rejecting a good delivery; default: 0.05."),
    click.option("--consumer-risk", type=_RISK, default=0.1, help="Risk of accepting a bad delivery; default: 0.1."),
)


def quality_options(command: F) -> F:
    """Add the options that define an acceptable delivery."""
    for option in reversed(_QUALITY):
        command = option(command)
    return command


@click.group(
    name="acceptance",
    epilog=example("segdata acceptance plan --lot 5000", "segdata acceptance judge delivery/ --gold gold/ --bar 0.8"),
)
def command() -> None:
    """Accept or reject a delivery by the gold images hidden in it."""


@command.command(name="plan", epilog=example("segdata acceptance plan --lot 5000 --aql 0.01 --limit 0.05"))
@quality_options
@report_options("text", "json")
def plan(
    lot: int | None,
    aql: float,
    limit: float,
    producer_risk: float,
    consumer_risk: float,
    report: str,
    output: Path | None,
) -> int:
    """Plan how many images to inspect, and how many may be defective.

    The plan is the smallest sample that keeps both risks. Its operating curve
    shows how often a delivery is accepted for each share of defective images,
    and how many defects remain if rejected deliveries are corrected.
    """
    from segdata.api.evaluate import DeliveryQuality
    from segdata.cli.output import emit, make_console
    from segdata.report.quality import plan_json, plan_text

    quality = DeliveryQuality(aql, limit, producer_risk, consumer_risk)
    result = quality.plan(lot)
    emit(plan_json(result, quality) if report == "json" else plan_text(result, quality, make_console(output)), output)
    return 0


@command.command(
    name="judge",
    epilog=example(
        "segdata acceptance judge delivery/ --gold gold/ --bar 0.8",
        "segdata acceptance judge work.json --gold gold.json --pair content",
    ),
)
@click.argument("delivery", type=PATH)
@click.option("--gold", metavar="GOLD", type=PATH, required=True, help="Gold standard: a dataset with trusted labels.")
@quality_options
@click.option("--metric", type=click.Choice(get_args(Metric)), help="Default: the one in segdata.yaml, else iou.")
@click.option("--bar", metavar="VALUE", type=click.FloatRange(min=0), help="Score that each image must reach.")
@TOLERANCE
@TOLERANCE_MM
@click.option(
    "--pair",
    "pair_by",
    type=click.Choice(("id", "stem", "name", "varying", "content")),
    help="How gold images are result; default: by id, or else by equal image files.",
)
@TAXONOMY_MAP
@report_options("text", "json")
@data_options
def judge(
    delivery: Path,
    gold: Path,
    lot: int | None,
    aql: float,
    limit: float,
    producer_risk: float,
    consumer_risk: float,
    report: str,
    output: Path | None,
    options: DataOptions,
    **given: Any,  # Any: as `acceptance` takes them
) -> int:
    """Accept or reject DELIVERY by the images of GOLD that are in it.

    An image is defective if its labels score below the bar, over all
    categories (--bar, or `gold:` in segdata.yaml) or in one of them. The gold
    images must be a random sample of all tasks, and the annotators must not
    know which they are.

    Exits with 1 if the delivery is rejected.
    """
    from segdata.api.evaluate import DeliveryQuality, acceptance
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.quality import inspection_json, inspection_text

    protect_inputs(output, options.inputs(delivery, gold))
    quality = DeliveryQuality(aql, limit, producer_risk, consumer_risk)
    datasets = options.read(delivery), options.read(gold)
    with options.working("acceptance", len(datasets[1])) as work:
        result = acceptance(*datasets, quality=quality, lot=lot, **given, **work)
    emit(
        inspection_json(result) if report == "json" else inspection_text(result, quality, make_console(output)), output
    )
    return 0 if result.accepted else FOUND
