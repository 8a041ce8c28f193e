"""`segdata remap`: rename, merge and drop categories."""

from pathlib import Path

import click

from segdata.cli.options import COPY_IMAGES, DATA, PATH, DataOptions, data_options, example


@click.command(
    name="remap",
    epilog=example(
        "segdata remap street coarse --rename car=vehicle --rename bus=vehicle",
        "segdata remap street no_people --drop person",
        "segdata remap old new --map old_to_new.yaml",
    ),
)
@DATA
@click.argument("out", type=PATH)
@click.option(
    "--rename", metavar="OLD=NEW", multiple=True, help="Rename a category; two with the same new name are merged."
)
@click.option("--drop", metavar="NAME", multiple=True, help="Drop the segments of this category.")
@click.option(
    "--map",
    "file",
    metavar="MAP",
    type=PATH,
    help="Rename and drop as this file says; `segdata taxonomy diff` writes one.",
)
@COPY_IMAGES
@data_options
def command(
    data: Path,
    out: Path,
    rename: tuple[str, ...],
    drop: tuple[str, ...],
    file: Path | None,
    copy_images: bool,
    options: DataOptions,
) -> int:
    """Rename, merge and drop categories.

    Segments of stuff, and all segments of semantic data, that get the same
    category are merged within each annotation; instances stay separate. The
    command counts what it dropped and merged.
    """
    from segdata.api.edits import remap
    from segdata.cli.output import emit, report_written

    if (file is None) == (not rename and not drop):
        raise click.UsageError("give --rename or --drop, or --map MAP")
    dataset = options.read(data)
    with options.working("remap", len(dataset)) as work:
        result = remap(dataset, out, file or parse_renames(rename, drop), copy_images=copy_images, **work)
    for loss in result.losses:
        emit(str(loss))
    return report_written(result, data, options)


def parse_renames(rename: tuple[str, ...], drop: tuple[str, ...]) -> dict[str, str | None]:
    """OLD=NEW and dropped names as a map.

    >>> parse_renames(("car=vehicle",), ("person",))
    {'car': 'vehicle', 'person': None}
    """
    result: dict[str, str | None] = {}
    for text in rename:
        old, mark, new = text.partition("=")
        if not (old and mark and new):
            raise click.UsageError(f"--rename {text!r} is not OLD=NEW")
        result[old] = new
    return result | dict.fromkeys(drop)
