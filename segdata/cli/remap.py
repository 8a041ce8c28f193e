"""`segdata remap`: categories renamed, joined and dropped."""

from pathlib import Path

import click

from segdata.cli.options import DATA, DataOptions, data_options, example


@click.command(
    name="remap",
    epilog=example(
        "segdata remap street coarse --rename car=vehicle --rename bus=vehicle",
        "segdata remap street no_people --drop person",
        "segdata remap old new --map old_to_new.yaml",
    ),
)
@DATA
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--rename", metavar="OLD=NEW", multiple=True, help="Of two that get one name the segments are joined.")
@click.option("--drop", metavar="NAME", multiple=True, help="Drop the segments of this category.")
@click.option(
    "--map",
    "file",
    metavar="MAP",
    type=click.Path(path_type=Path),
    help="A file that says so; segdata taxonomy diff writes one.",
)
@click.option("--copy-images", is_flag=True, help="Copy the image files too. Else OUT refers to them.")
@data_options
def command(
    data: Path,
    out: Path,
    rename: tuple[str, ...],
    drop: tuple[str, ...],
    file: Path | None,
    copy_images: bool,
    opening: DataOptions,
) -> int:
    """Rename, join and drop categories.

    In semantic data, and of stuff, segments that get one category are joined
    in each annotation; instances stay apart. What is dropped and joined is
    counted.
    """
    from segdata.api.remap import remap
    from segdata.cli.output import emit, report_written
    from segdata.cli.process import progress_bar

    if (file is None) == (not rename and not drop):
        raise click.UsageError("give --rename and --drop, or --map MAP")
    dataset = opening.read(data)
    with progress_bar("remap", len(dataset)) as done:
        found = remap(
            dataset, out, file or parse_renames(rename, drop), copy_images=copy_images, jobs=opening.jobs, progress=done
        )
    for loss in found.losses:
        emit(str(loss))
    return report_written(found, data, opening)


def parse_renames(rename: tuple[str, ...], drop: tuple[str, ...]) -> dict[str, str | None]:
    """OLD=NEW and dropped names as a map.

    >>> renamed(("car=vehicle",), ("person",))
    {'car': 'vehicle', 'person': None}
    """
    found: dict[str, str | None] = {}
    for each in rename:
        old, mark, new = each.partition("=")
        if not (old and mark and new):
            raise click.UsageError(f"--rename {each!r} is not OLD=NEW")
        found[old] = new
    return found | dict.fromkeys(drop)
