"""`segdata crop`: a window of each image, or one around each segment."""

from pathlib import Path

import click

from segdata.cli.options import DATA, Opening, data_options, example


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
def command(
    data: Path,
    out: Path,
    box: str | None,
    around: tuple[str, ...],
    margin: int,
    no_images: bool,
    opening: Opening,
) -> int:
    """Cut a window out of images and labels.

    Pictures are written to OUT/images as PNG, or TIFF where they are. What
    lies outside the windows is not in OUT; segments that are cut keep their
    ids.
    """
    from segdata.api.tile import crop
    from segdata.cli.outcome import tell
    from segdata.cli.progress import progress

    if (box is None) == (not around):
        raise click.UsageError("give either --box X,Y,W,H or --around CATEGORY")
    window = None if box is None else corners(box)
    dataset = opening.read(data)
    with progress("crop", len(dataset)) as done:
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
    return tell(found, data, opening)


def corners(text: str) -> tuple[int, int, int, int]:
    """X,Y,W,H as numbers.

    >>> corners("0,300,2048,724")
    (0, 300, 2048, 724)
    """
    try:
        x, y, width, height = (int(each) for each in text.split(","))
    except ValueError:
        raise click.UsageError(f"--box {text!r} is not X,Y,W,H in pixels, as in 0,300,2048,724") from None
    return x, y, width, height
