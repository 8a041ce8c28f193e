"""`segdata draft`: labels by machine for images that nobody annotated."""

from pathlib import Path

import click

from segdata.cli.exits import say
from segdata.cli.options import example, pairs


@click.command(
    name="draft",
    epilog=example(
        "segdata draft photos drafted --method watershed --category nucleus",
        "segdata draft photos drafted --method kmeans --option regions=3",
    ),
)
@click.argument("images", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--method",
    metavar="METHOD",
    default="watershed",
    help="threshold, watershed, superpixels or kmeans; default: watershed.",
)
@click.option("--option", "options", metavar="NAME=VALUE", multiple=True, help="An option of the method.")
@click.option("--category", metavar="NAME", help="What the segments are; default: the only one, else object.")
@click.option("--taxonomy", metavar="FILE", type=click.Path(path_type=Path), help="The categories.")
@click.option("--list", "listed", is_flag=True, help="List the options of the method, and do nothing.")
@click.option("--jobs", metavar="N", type=click.IntRange(min=0), default=0, help="Threads; default: one per core.")
def command(
    images: Path,
    out: Path,
    method: str,
    options: tuple[str, ...],
    category: str | None,
    taxonomy: Path | None,
    listed: bool,
    jobs: int,
) -> int:
    """Draft labels for IMAGES, for people to correct.

    IMAGES is a folder of image files, or a dataset: then those of its images
    that nobody annotated. OUT is a new canonical dataset, whose annotations
    are from the source "model" and at the stage "drafted".
    """
    from segdata.api import draft
    from segdata.cli.progress import progress
    from segdata.drafting.method import options_of

    if listed:
        for name, value in options_of(method).items():
            click.echo(f"{name}={value}")
        return 0
    with progress("draft", None) as done:
        found = draft(
            images,
            out,
            method=method,
            category=category,
            taxonomy=taxonomy,
            options=pairs(options),
            jobs=jobs,
            progress=done,
        )
    n_images, n_segments = found.written.n_images, found.written.n_segments
    click.echo(f"{n_segments:,} segments drafted on {n_images:,} images: {out}")
    for remark in found.remarks:
        say(remark)
    for defect in found.written.defects[:10]:
        say(f"{defect.code} {defect.image}: {defect.message}")
    click.echo(f"Look at them: segdata browse {out}")
    return 1 if found.written.n_errors else 0
