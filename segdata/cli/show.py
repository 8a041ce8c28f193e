"""`segdata show`: pictures of images with their segments and findings."""

from pathlib import Path

import click

from segdata.cli.options import DATA, PATH, DataOptions, data_options, example
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
@click.option("--findings", is_flag=True, help="Also draw the findings of the rules on these images.")
@click.option(
    "--output",
    "-o",
    type=PATH,
    default=Path("segdata-pictures"),
    help="Folder, or PNG file for a single image; default: segdata-pictures.",
)
@data_options
def command(data: Path, names: tuple[str, ...], findings: bool, output: Path, options: DataOptions) -> None:
    """Draw images with their segments as PNG files.

    IMAGE is the id of an image (its path below the folder of images), or the
    end of one. The command prints the files that it writes.
    """
    from segdata.api.validate import validate
    from segdata.cli.output import emit, protect_inputs
    from segdata.formats.shared.images import image_limits
    from segdata.report.pictures.overlays import draw_image, find_image

    dataset = options.read(data)
    chosen = [find_image(dataset, name) for name in names]
    one_file = output.suffix.lower() == ".png"
    protect_inputs(output, options.inputs(data))
    if one_file and len(chosen) > 1:
        raise SegdataError(f"{output} is a single file, but {len(chosen)} images were named; name a folder instead")
    result = validate(options.read(data, only=chosen), one_by_one=True, jobs=options.jobs).findings if findings else ()
    written = []
    for image_id in chosen:
        with image_limits():
            files = draw_image(dataset, image_id, result, output.parent if one_file else output)
        if not files:
            say(f"{image_id}: cannot be drawn, since its size is unknown")
        written += files
    if one_file and len(written) == 1:
        written = [written[0].replace(output)]
    if written:
        emit("\n".join(map(str, written)))
