"""`segdata sample`: a few images for a gold set or a pilot."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import DATA, DataOptions, data_options, example, report_options

if TYPE_CHECKING:
    from segdata.store.sample import Purpose


@click.command(
    name="sample",
    epilog=example(
        "segdata sample street gold 60 --for gold --copy-images",
        "segdata sample images/ pilot 50 --for pilot --stratify camera",
        "segdata convert gold gold.json --to coco-instances",
    ),
)
@DATA
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("n", metavar="N", type=click.IntRange(min=1))
@click.option(
    "--for",
    "purpose",
    type=click.Choice(("gold", "pilot")),
    default="gold",
    help="gold: cover the categories, rare ones first (default); pilot: at random.",
)
@click.option(
    "--instances", "wanted", metavar="M", type=click.IntRange(min=1), default=30, help="Of each category in a gold set."
)
@click.option("--stratify", metavar="COLUMN", help="Each camera, folder, split, … gives its share of the images.")
@click.option("--seed", metavar="N", default=0, help="Another seed, another draw; default: 0.")
@click.option("--copy-images", is_flag=True, help="Copy the image files too. Else OUT refers to them.")
@report_options("text", "json")
@data_options
def command(
    data: Path,
    out: Path,
    n: int,
    purpose: "Purpose",
    wanted: int,
    stratify: str | None,
    seed: int,
    copy_images: bool,
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> int:
    """Draw N images of DATA, and write them to OUT with their labels.

    A gold set is chosen so that each category has 30 segments in it
    (--instances), as far as there are so many and N images can hold them:
    image after image, the one that adds most to what is missing. The images
    of a pilot are drawn at random, so that `segdata pilot` may conclude from
    them on the whole.
    """
    from segdata.api.sample import draw_sample
    from segdata.cli.output import emit, make_console, protect_inputs, report_written
    from segdata.cli.process import progress_bar
    from segdata.report.edits import sample_json, sample_text

    protect_inputs(output, opening.inputs(data))
    dataset = opening.read(data)
    with progress_bar("sample", n) as done:
        found = draw_sample(
            dataset,
            out,
            n,
            purpose=purpose,
            stratify=stratify,
            wanted=wanted,
            seed=seed,
            copy_images=copy_images,
            jobs=opening.jobs,
            progress=done,
        )
    assert found.written is not None
    if report == "json":
        emit(sample_json(found.draw, target=str(found.written.target)), output)
        return 0
    emit(sample_text(found.draw, make_console(output)), output)
    return report_written(found.written, data, opening)
