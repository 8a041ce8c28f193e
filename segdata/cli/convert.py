"""`segdata convert`: write a dataset in another format, and say what was lost."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.exits import FOUND, say
from segdata.cli.options import Opening, data_options, example

if TYPE_CHECKING:
    from segdata.api.converting import OnLoss


@click.command(
    name="convert",
    epilog=example(
        "segdata convert masks/ street --verify", "segdata convert street coco.json --to coco-instances --on-loss error"
    ),
)
@click.argument("src", type=click.Path(path_type=Path))
@click.argument("dst", type=click.Path(path_type=Path))
@click.option("--to", metavar="FORMAT", default="canonical", help="The format of DST; default: canonical.")
@click.option(
    "--roi",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Masks of the regions of interest, named as the images: outside nothing is expected.",
)
@click.option("--annotator", metavar="NAME", help="Who drew what has no annotator in SRC.")
@click.option(
    "--on-loss",
    type=click.Choice(("warn", "error", "allow")),
    default="warn",
    help="What DST cannot hold: say so (warn, the default), write nothing and exit with 1 (error), be quiet (allow).",
)
@click.option("--verify", is_flag=True, help="Read DST again and compare it with SRC, pixel for pixel.")
@click.option(
    "--copy-images", is_flag=True, help="Copy the image files too. Else DST refers to them; COCO only has their names."
)
@data_options
def command(
    src: Path,
    dst: Path,
    to: str,
    annotator: str | None,
    roi: Path | None,
    on_loss: "OnLoss",
    verify: bool,
    copy_images: bool,
    opening: Opening,
) -> int:
    """Write SRC in another format to DST, which must not exist.

    Every loss is counted: what DST cannot hold, and what could not be read.
    DST is there whole or not at all. Exits with 1 when a loss is not allowed,
    or when SRC has defects that `segdata validate` calls errors; with
    --on-loss warn or allow everything else is written nevertheless.
    """
    from segdata.api import convert
    from segdata.cli.output import emit, paper
    from segdata.cli.progress import progress
    from segdata.core.errors import LossError
    from segdata.formats.imagefiles import folder_of_images
    from segdata.report.losses import refused, with_images, written

    more = {"annotator": annotator, "roi": roi}
    dataset = opening.read(src, **{name: value for name, value in more.items() if value is not None})
    try:
        with progress("convert", len(dataset)) as done:
            result = convert(
                dataset,
                dst,
                to=to,
                on_loss=on_loss,
                verify=verify,
                copy_images=copy_images,
                jobs=opening.jobs,
                progress=done,
            )
    except LossError as error:
        emit(refused(str(dst), error.losses, paper()))
        return FOUND
    emit(written(result, opening.typed(src), paper(), quiet=on_loss == "allow"))
    # COCO files name images and do not say where they are; the other formats refer to them.
    if to.startswith("coco-") and not copy_images and (images := folder_of_images(dataset)) is not None:
        emit("\n".join(["", "its images are not copied; to read it with them:", *with_images(dst, images, paper())]))
    if result.verified is not None and result.verified < result.n_segments and not result.losses:
        say(f"error: {result.n_segments - result.verified:,} segments came back changed; please report it")
        return FOUND
    return FOUND if result.n_errors else 0
