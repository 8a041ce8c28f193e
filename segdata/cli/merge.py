"""`segdata merge`: several datasets as one."""

from pathlib import Path

import click

from segdata.cli.options import DataOptions, data_options, example


@click.command(
    name="merge",
    epilog=example(
        "segdata merge batch1 batch2 street",
        "segdata merge anna.json bob.json both --images images/",
        "segdata merge new old all --taxonomy-map old=old_to_new.yaml",
    ),
)
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--taxonomy-map",
    "maps",
    metavar="DATA=MAP",
    multiple=True,
    help="Rename the categories of one DATA as MAP says; segdata taxonomy diff writes one.",
)
@click.option("--apart", is_flag=True, help="Images are never the same: put each below a folder of its dataset.")
@click.option("--copy-images", is_flag=True, help="Copy the image files too. Else OUT refers to them.")
@data_options
def command(
    data: tuple[Path, ...], out: Path, maps: tuple[str, ...], apart: bool, copy_images: bool, opening: DataOptions
) -> int:
    """Write several datasets as one to OUT.

    Categories of one name, or an alias of it, become one; those that cannot
    (a thing here, stuff there) are an error that names both files.

    Images of one name are one image, with the annotations of all: where two
    annotators drew on it, or the same in two ways, both stay. Images of one
    name whose sizes or files differ are two, the later one below a folder with
    the name of its dataset. What was renamed is said.
    """
    from segdata.api.merge import merge
    from segdata.cli.output import emit, report_written
    from segdata.cli.process import progress_bar
    from segdata.core.errors import count_noun

    datasets = [opening.read(each) for each in data]
    chosen = parse_taxonomy_maps(data, maps)
    with progress_bar("merge", sum(map(len, datasets))) as done:
        found = merge(
            datasets,
            out,
            taxonomy_maps=chosen,
            apart=apart,
            copy_images=copy_images,
            jobs=opening.jobs,
            progress=done,
        )
    for remark in found.remarks:
        emit(remark)
    if found.n_shared:
        emit(f"{count_noun(found.n_shared, 'image')} joined with those of another dataset")
    return report_written(found.written, data[0], opening)


def parse_taxonomy_maps(data: tuple[Path, ...], maps: tuple[str, ...]) -> dict[int, Path]:
    """DATA=MAP by the place of DATA."""
    found = {}
    for each in maps:
        name, mark, path = each.rpartition("=")
        if not mark or Path(name) not in data:
            listed = ", ".join(map(str, data))
            raise click.UsageError(f"--taxonomy-map {each!r} is not DATA=MAP with one of {listed}")
        found[data.index(Path(name))] = Path(path)
    return found
