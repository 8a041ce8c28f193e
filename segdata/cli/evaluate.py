"""`segdata evaluate`: models against a reference."""

from pathlib import Path

import click

from segdata.cli.options import PAIR, TAXONOMY_MAP, DataOptions, data_options, example, report_options

_PATH = click.Path(path_type=Path)


@click.command(
    name="evaluate",
    epilog=example(
        "segdata evaluate results.json --gold instances_val.json",
        "segdata evaluate old=model_1/ new=model_2/ --gold masks/ --format json",
    ),
)
@click.argument("predictions", nargs=-1, required=True, metavar="[NAME=]PREDICTIONS...")
@click.option("--gold", metavar="GOLD", type=_PATH, required=True, help="The reference, a dataset.")
@PAIR
@TAXONOMY_MAP
@click.option("--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, help="Of intervals; default: 0.95.")
@click.option("--resamples", type=click.IntRange(min=100), default=2000, help="For intervals; default: 2000.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the resamples; default: 0.")
@report_options("text", "json", "csv")
@data_options
def command(
    predictions: tuple[str, ...],
    gold: Path,
    pair_by: str | None,
    taxonomy_map: Path | None,
    confidence: float,
    resamples: int,
    seed: int,
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> int:
    """Hold models against a reference: mIoU, Dice, PQ, and mask AP.

    PREDICTIONS are of any format; of a list of COCO results GOLD says which
    images and categories it speaks of. PQ is panopticapi's, AP pycocotools'.
    What options say about reading holds for GOLD and PREDICTIONS.
    """
    from segdata.api.evaluate import evaluate
    from segdata.cli.agreement import parse_named_dataset
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.cli.process import progress_bar
    from segdata.report.evaluation import to_csv, to_text
    from segdata.report.evaluation_json import to_json

    every = [parse_named_dataset(each) for each in predictions]
    protect_inputs(output, opening.inputs(gold, *(path for _, path in every)))
    reference = opening.read(gold)
    with progress_bar("evaluate", len(reference)) as done:
        found = evaluate(
            every,
            reference,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            jobs=opening.jobs,
            progress=done,
            **opening.given,
        )
    emit(
        {"json": to_json, "csv": to_csv}[report](found) if report != "text" else to_text(found, make_console(output)),
        output,
    )
    return 0
