"""`segdata evaluate`: models against a reference."""

from pathlib import Path
from typing import Any

import click

from segdata.cli.options import (
    CONFIDENCE,
    PAIR,
    PATH,
    RESAMPLES,
    SEED,
    TAXONOMY_MAP,
    DataOptions,
    data_options,
    example,
    report_options,
)


@click.command(
    name="evaluate",
    epilog=example(
        "segdata evaluate results.json --gold instances_val.json",
        "segdata evaluate old=model_1/ new=model_2/ --gold masks/ --format json",
    ),
)
@click.argument("predictions", nargs=-1, required=True, metavar="[NAME=]PREDICTIONS...")
@click.option("--gold", metavar="GOLD", type=PATH, required=True, help="Reference: a dataset with trusted labels.")
@PAIR
@TAXONOMY_MAP
@CONFIDENCE
@RESAMPLES
@SEED
@report_options("text", "json", "csv")
@data_options
def command(
    predictions: tuple[str, ...], gold: Path, report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `evaluate` takes them
    """Evaluate models against a reference: mIoU, Dice, PQ, mask AP.

    PREDICTIONS have any format; GOLD supplies the images and categories of a
    list of COCO results. PQ is computed as in panopticapi, AP as in
    pycocotools. The options for reading apply to GOLD and PREDICTIONS.
    """
    from segdata.api.evaluate import evaluate
    from segdata.cli.agreement import parse_named_dataset
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.quality import evaluation_csv, evaluation_json, evaluation_text

    members = [parse_named_dataset(text) for text in predictions]
    protect_inputs(output, options.inputs(gold, *(path for _, path in members)))
    reference = options.read(gold)
    with options.working("evaluate", len(reference)) as work:
        result = evaluate(members, reference, **given, **work, **options.given)
    emit(
        {"json": evaluation_json, "csv": evaluation_csv}[report](result)
        if report != "text"
        else evaluation_text(result, make_console(output)),
        output,
    )
    return 0
