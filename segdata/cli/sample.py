"""`segdata sample`: draw images for a gold set or a pilot."""

from pathlib import Path
from typing import Any

import click

from segdata.cli.options import COPY_IMAGES, DATA, PATH, DataOptions, data_options, example, report_options


@click.command(
    name="sample",
    epilog=example(
        "segdata sample street gold 60 --for gold --copy-images",
        "segdata sample images/ pilot 50 --for pilot --stratify camera",
        "segdata convert gold gold.json --to coco-instances",
    ),
)
@DATA
@click.argument("out", type=PATH)
@click.argument("n", metavar="N", type=click.IntRange(min=1))
@click.option(
    "--for",
    "purpose",
    type=click.Choice(("gold", "pilot")),
    default="gold",
    help="gold: cover the categories, rare ones first (default); pilot: at random.",
)
@click.option(
    "--instances",
    metavar="M",
    type=click.IntRange(min=1),
    default=30,
    help="Segments of each category in a gold set; default: 30.",
)
@click.option("--stratify", metavar="COLUMN", help="Draw each camera, folder, split, … in proportion to its images.")
@click.option("--seed", metavar="N", default=0, help="Random seed; default: 0.")
@COPY_IMAGES
@report_options("text", "json")
@data_options
def command(
    data: Path, out: Path, n: int, report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `draw_sample` takes them
    """Draw N images of DATA, and write them to OUT with their labels.

    A gold set aims at 30 segments of each category (--instances), as far as
    they exist and fit into N images: it adds the image that contributes most
    to what is missing, one after another. The images of a pilot are drawn at
    random, so that `segdata pilot` can generalize from them.
    """
    from segdata.api.split import draw_sample
    from segdata.cli.output import emit, make_console, protect_inputs, report_written
    from segdata.report.edits import sample_json, sample_text

    protect_inputs(output, options.inputs(data))
    dataset = options.read(data)
    with options.working("sample", n) as work:
        result = draw_sample(dataset, out, n, **given, **work)
    assert result.written is not None
    if report == "json":
        emit(sample_json(result.draw, target=str(result.written.target)), output)
        return 0
    emit(sample_text(result.draw, make_console(output)), output)
    return report_written(result.written, data, options)
