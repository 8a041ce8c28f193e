"""`segdata tile` and `segdata crop`: images and labels in tiles and windows."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import DATA, PATH, DataOptions, data_options, example

if TYPE_CHECKING:
    from segdata.store.stitching import Match


def parse_size(text: str) -> tuple[int, int]:
    """A size as width and height.

    >>> parse_size("512"), parse_size("1024x512")
    ((512, 512), (1024, 512))
    """
    width, _, height = text.lower().partition("x")
    try:
        result = int(width), int(height or width)
    except ValueError:
        raise click.UsageError(f"--size {text!r} is not N or WIDTHxHEIGHT") from None
    if min(result) < 1:
        raise click.UsageError(f"--size {text!r}: a tile needs at least one pixel")
    return result


@click.command(
    name="tile",
    epilog=example(
        "segdata tile street tiles --size 512 --overlap 64",
        "segdata tile tiles whole --back",
        "segdata tile predictions whole --back --tiles tiles --match overlap",
    ),
)
@DATA
@click.argument("out", type=PATH)
@click.option("--size", metavar="N", default="512", help="Size of a tile in pixels: N or WIDTHxHEIGHT; default: 512.")
@click.option(
    "--overlap",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Pixels that neighbouring tiles share; default: 0.",
)
@click.option("--no-images", is_flag=True, help="Write the labels only.")
@click.option("--back", is_flag=True, help="Reassemble the tiles in DATA.")
@click.option(
    "--tiles",
    metavar="TILES",
    type=PATH,
    help="With --back: the output of segdata tile, if DATA has only the tile names.",
)
@click.option(
    "--match",
    type=click.Choice(("id", "overlap")),
    default="id",
    help="With --back: join segments of several tiles by equal ids (default), or if they share half of their pixels in "
    "the overlap, for predicted instances.",
)
@data_options
def tile_command(
    data: Path,
    out: Path,
    size: str,
    overlap: int,
    no_images: bool,
    back: bool,
    tiles: Path | None,
    match: "Match",
    options: DataOptions,
) -> int:
    """Cut images and labels into tiles, or reassemble them.

    All tiles have the full size if the image is large enough; the last ones
    overlap more. Images are written to OUT/images as PNG, or as TIFF if they
    are TIFF. Cut segments keep their ids, and --back restores the same
    pixels; if predictions on two tiles differ, each counts up to the middle
    of the overlap.
    """
    from segdata.api.edits import tile, untile
    from segdata.cli.output import report_written

    if tiles is not None and not back:
        raise click.UsageError("--tiles needs --back")
    dataset = options.read(data)
    with options.working("tile", len(dataset)) as work:
        if back:
            result = untile(dataset, out, tiles=tiles, match=match, **work)
        else:
            result = tile(dataset, out, parse_size(size), overlap=overlap, crop_images=not no_images, **work)
    return report_written(result, data, options)


@click.command(
    name="crop",
    epilog=example(
        "segdata crop street lower --box 0,300,2048,724", "segdata crop street cars --around car --margin 16"
    ),
)
@DATA
@click.argument("out", type=PATH)
@click.option("--box", metavar="X,Y,W,H", help="Window of each image, in pixels.")
@click.option(
    "--around",
    metavar="CATEGORY",
    multiple=True,
    help="Cut a window around each segment of CATEGORY; * for all categories.",
)
@click.option(
    "--margin", metavar="N", type=click.IntRange(min=0), default=0, help="Margin around each segment in pixels."
)
@click.option("--no-images", is_flag=True, help="Write the labels only.")
@data_options
def crop_command(
    data: Path, out: Path, box: str | None, around: tuple[str, ...], margin: int, no_images: bool, options: DataOptions
) -> int:
    """Cut a window out of images and labels.

    Images are written to OUT/images as PNG, or as TIFF if they are TIFF.
    Segments outside the windows are left out; cut segments keep their ids.
    """
    from segdata.api.edits import crop
    from segdata.cli.output import report_written

    if (box is None) == (not around):
        raise click.UsageError("give either --box X,Y,W,H or --around CATEGORY")
    window = None if box is None else parse_box(box)
    dataset = options.read(data)
    categories = None if "*" in around else around
    with options.working("crop", len(dataset)) as work:
        result = crop(dataset, out, box=window, around=categories, margin=margin, crop_images=not no_images, **work)
    return report_written(result, data, options)


def parse_box(text: str) -> tuple[int, int, int, int]:
    """X,Y,W,H as numbers.

    >>> parse_box("0,300,2048,724")
    (0, 300, 2048, 724)
    """
    try:
        x, y, width, height = map(int, text.split(","))
    except ValueError:
        raise click.UsageError(f"--box {text!r} is not X,Y,W,H in pixels, as in 0,300,2048,724") from None
    return x, y, width, height
