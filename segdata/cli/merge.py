"""`segdata merge`: several datasets as one."""

from pathlib import Path

import click

from segdata.cli.options import COPY_IMAGES, PATH, DataOptions, data_options, example


@click.command(
    name="merge",
    epilog=example(
        "segdata merge batch1 batch2 street",
        "segdata merge anna.json bob.json both --images images/",
        "segdata merge new old all --taxonomy-map old=old_to_new.yaml",
    ),
)
@click.argument("data", nargs=-1, required=True, type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--taxonomy-map",
    "maps",
    metavar="DATA=MAP",
    multiple=True,
    help="Rename the categories of one DATA as MAP says; `segdata taxonomy diff` writes one.",
)
@click.option("--apart", is_flag=True, help="Keep images of equal names apart, in a folder for each dataset.")
@COPY_IMAGES
@data_options
def command(
    data: tuple[Path, ...], out: Path, maps: tuple[str, ...], apart: bool, copy_images: bool, options: DataOptions
) -> int:
    """Merge several datasets into one, OUT.

    Categories with the same name or alias become one; if they do not fit (a
    thing here, stuff there), the command fails and names both files.

    Images with the same name become one image with the annotations of all
    datasets; two different annotations of it both stay. If their sizes or
    files differ, they stay two images, and the later one moves to a folder
    named after its dataset. The command reports what it renamed, and what
    ids, names and parents of categories contradict.

    Files and folders that are called as splits (train.json, val.json) give
    their images that split. Images of two splits stay two images.
    """
    from segdata.api.edits import merge
    from segdata.cli.output import emit, report_written
    from segdata.core.errors import count_noun

    datasets = [options.read(path) for path in data]
    chosen = parse_taxonomy_maps(data, maps)
    with options.working("merge", sum(map(len, datasets))) as work:
        result = merge(datasets, out, taxonomy_maps=chosen, apart=apart, copy_images=copy_images, **work)
    for remark in result.remarks:
        emit(remark)
    if result.n_shared:
        emit(f"{count_noun(result.n_shared, 'image')} merged with those of another dataset")
    return report_written(result.written, data[0], options)


def parse_taxonomy_maps(data: tuple[Path, ...], maps: tuple[str, ...]) -> dict[int, Path]:
    """DATA=MAP by the place of DATA."""
    result = {}
    for text in maps:
        name, mark, path = text.rpartition("=")
        if not mark or Path(name) not in data:
            listed = ", ".join(map(str, data))
            raise click.UsageError(f"--taxonomy-map {text!r} is not DATA=MAP, where DATA is one of {listed}")
        result[data.index(Path(name))] = Path(path)
    return result
