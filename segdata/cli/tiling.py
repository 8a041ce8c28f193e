"""`segdata tile` and `segdata crop`: images and labels in tiles and windows."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import DATA, DataOptions, data_options, example

if TYPE_CHECKING:
    from segdata.api.tile import Match


def parse_size(text: str) -> tuple[int, int]:
    """A size as width and height.

    >>> pixels("512"), pixels("1024x512")
    ((512, 512), (1024, 512))
    """
    width, _, height = text.lower().partition("x")
    try:
        found = int(width), int(height or width)
    except ValueError:
        raise click.UsageError(f"--size {text!r} is not N or WIDTHxHEIGHT") from None
    if min(found) < 1:
        raise click.UsageError(f"--size {text!r}: a tile has a pixel or more")
    return found


@click.command(
    name="tile",
    epilog=example(
        "segdata tile street tiles --size 512 --overlap 64",
        "segdata tile tiles whole --back",
        "segdata tile predictions whole --back --tiles tiles --match overlap",
    ),
)
@DATA
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--size", metavar="N", default="512", help="Of a tile in pixels, or WIDTHxHEIGHT; default: 512.")
@click.option(
    "--overlap", metavar="N", type=click.IntRange(min=0), default=0, help="Pixels that neighbours share; default: 0."
)
@click.option("--no-images", is_flag=True, help="Cut the labels only.")
@click.option("--back", is_flag=True, help="Put the tiles in DATA together again.")
@click.option(
    "--tiles",
    metavar="TILES",
    type=click.Path(path_type=Path),
    help="With --back: what segdata tile wrote, where DATA has its names only.",
)
@click.option(
    "--match",
    type=click.Choice(("id", "overlap")),
    default="id",
    help="With --back: segments of several tiles are one if their ids are the same (default), or if they share half of "
    "what they have where the tiles overlap, as for predicted instances.",
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
    opening: DataOptions,
) -> int:
    """Cut images and labels into tiles, or put tiles together.

    All tiles have the full size where the image has; the last ones overlap
    more. Pictures are written to OUT/images as PNG, or TIFF where they are.
    Segments that are cut keep their ids, and --back gives the same pixels
    again; where predictions on two tiles differ, each is right up to the
    middle of what they share.
    """
    from segdata.api.tile import tile, untile
    from segdata.cli.output import report_written
    from segdata.cli.process import progress_bar

    if tiles is not None and not back:
        raise click.UsageError("--tiles is for --back")
    dataset = opening.read(data)
    with progress_bar("tile", len(dataset)) as done:
        if back:
            found = untile(dataset, out, tiles=tiles, match=match, jobs=opening.jobs, progress=done)
        else:
            found = tile(
                dataset,
                out,
                parse_size(size),
                overlap=overlap,
                crop_images=not no_images,
                jobs=opening.jobs,
                progress=done,
            )
    return report_written(found, data, opening)


@click.command(
    name="crop",
    epilog=example(
        "segdata crop street lower --box 0,300,2048,724", "segdata crop street cars --around car --margin 16"
    ),
)
@DATA
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--box", metavar="X,Y,W,H", help="The window of each image, in pixels.")
@click.option(
    "--around", metavar="CATEGORY", multiple=True, help="A window around each segment of it; * for all categories."
)
@click.option("--margin", metavar="N", type=click.IntRange(min=0), default=0, help="Pixels around each segment.")
@click.option("--no-images", is_flag=True, help="Cut the labels only.")
@data_options
def crop_command(
    data: Path,
    out: Path,
    box: str | None,
    around: tuple[str, ...],
    margin: int,
    no_images: bool,
    opening: DataOptions,
) -> int:
    """Cut a window out of images and labels.

    Pictures are written to OUT/images as PNG, or TIFF where they are. What
    lies outside the windows is not in OUT; segments that are cut keep their
    ids.
    """
    from segdata.api.tile import crop
    from segdata.cli.output import report_written
    from segdata.cli.process import progress_bar

    if (box is None) == (not around):
        raise click.UsageError("give either --box X,Y,W,H or --around CATEGORY")
    window = None if box is None else parse_box(box)
    dataset = opening.read(data)
    with progress_bar("crop", len(dataset)) as done:
        found = crop(
            dataset,
            out,
            window=window,
            category=None if "*" in around else around,
            margin=margin,
            crop_images=not no_images,
            jobs=opening.jobs,
            progress=done,
        )
    return report_written(found, data, opening)


def parse_box(text: str) -> tuple[int, int, int, int]:
    """X,Y,W,H as numbers.

    >>> corners("0,300,2048,724")
    (0, 300, 2048, 724)
    """
    try:
        x, y, width, height = (int(each) for each in text.split(","))
    except ValueError:
        raise click.UsageError(f"--box {text!r} is not X,Y,W,H in pixels, as in 0,300,2048,724") from None
    return x, y, width, height
