"""`segdata show`: an image with its segments and findings, as a picture."""

from pathlib import Path

import click

from segdata.cli.options import DATA, DataOptions, data_options, example
from segdata.cli.process import say
from segdata.core.errors import SegdataError


@click.command(
    name="show",
    epilog=example(
        "segdata show street/ street001.jpg --findings", "segdata show coco.json 000000142238.jpg --output picture.png"
    ),
)
@DATA
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--findings", is_flag=True, help="Also draw what the rules find on these images.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("segdata-pictures"),
    help="A folder, or for one image a PNG file; default: segdata-pictures.",
)
@data_options
def command(data: Path, names: tuple[str, ...], findings: bool, output: Path, opening: DataOptions) -> None:
    """Draw images with their segments as PNG, and say where they are.

    IMAGE is the id of an image (its path below the folder of images), or the
    end of one. Prints the files written.
    """
    from segdata.api.validate import validate
    from segdata.cli.output import emit, protect_inputs
    from segdata.formats.shared.images import image_limits
    from segdata.report.pictures.overlays import draw_image, find_image

    dataset = opening.read(data)
    chosen = [find_image(dataset, name) for name in names]
    one_file = output.suffix.lower() == ".png"
    protect_inputs(output, opening.inputs(data))
    if one_file and len(chosen) > 1:
        raise SegdataError(f"{output} is one file, {len(chosen)} images are to be drawn: name a folder")
    found = validate(opening.read(data, only=chosen), jobs=opening.jobs).findings if findings else ()
    written = []
    for image_id in chosen:
        with image_limits():
            files = draw_image(dataset, image_id, found, output.parent if one_file else output)
        if not files:
            say(f"{image_id}: its size is unknown, so there is nothing to draw")
        written += files
    if one_file and len(written) == 1:
        written = [written[0].replace(output)]
    if written:
        emit("\n".join(map(str, written)))
