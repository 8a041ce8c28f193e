"""`segdata filter`: some images and segments of a dataset."""

from pathlib import Path

import click

from segdata.cli.options import DATA, DataOptions, data_options, example

_COLUMNS = """\b
Columns of
  images       image_id width height split group sequence frame camera
               timestamp metadata["…"] image_findings
  annotations  annotator source stage reviewer created seconds n_segments
  segments     category kind segment_id track_id crowd score segment_source
               area x y box_width box_height attributes["…"] findings

"""


@click.command(
    name="filter",
    epilog=_COLUMNS
    + example(
        "segdata filter street cars --category car --min-area 100",
        'segdata filter street night --where \'metadata["time"] == "night"\'',
        "segdata filter street flagged --finding SEG106 --findings report.json",
        "segdata filter street clean --findings report.json --where 'findings == 0'",
    ),
)
@DATA
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--category", metavar="NAME", multiple=True, help="Segments of this category, or of those below it.")
@click.option("--annotator", metavar="NAME", multiple=True, help="What this annotator drew.")
@click.option("--min-area", metavar="PX", type=click.IntRange(min=0), help="Segments of so many pixels or more.")
@click.option("--max-area", metavar="PX", type=click.IntRange(min=0), help="Segments of so many pixels or fewer.")
@click.option("--finding", metavar="CODE", multiple=True, help="Images with such a finding in the report --findings.")
@click.option(
    "--findings",
    metavar="JSON",
    type=click.Path(path_type=Path),
    help="A report of segdata validate --format json.",
)
@click.option("--where", metavar="EXPR", multiple=True, help="A condition over columns, see above.")
@click.option("--keep-images", is_flag=True, help="Keep images that lose all that was drawn on them.")
@click.option("--copy-images", is_flag=True, help="Copy the image files too. Else OUT refers to them.")
@data_options
def command(
    data: Path,
    out: Path,
    category: tuple[str, ...],
    annotator: tuple[str, ...],
    min_area: int | None,
    max_area: int | None,
    finding: tuple[str, ...],
    findings: Path | None,
    where: tuple[str, ...],
    keep_images: bool,
    copy_images: bool,
    opening: DataOptions,
) -> int:
    """Write what meets all conditions to OUT, and say what was dropped.

    A condition on segments drops the others, and images that have none left;
    what is said of the images that stay is kept. A category or annotator
    given several times means any of them.

    EXPR compares columns: 'area > 500 and not crowd', 'split in ["val"]',
    'seconds / n_segments > 60', 'attributes["truncated"] == True',
    'matches(image_id, "^night/")', 'stage == None'.
    """
    from segdata.api.filter import filter
    from segdata.cli.output import emit, make_console, report_written
    from segdata.cli.process import progress_bar
    from segdata.core.errors import count_noun

    dataset = opening.read(data)
    with progress_bar("filter", len(dataset)) as done:
        found = filter(
            dataset,
            out,
            category=category,
            drawn_by=annotator,
            min_area=min_area,
            max_area=max_area,
            finding=finding,
            findings=() if findings is None else findings,
            where=where,
            keep_images=keep_images,
            copy_images=copy_images,
            jobs=opening.jobs,
            progress=done,
        )
    dropped = [count_noun(found.images, "image"), count_noun(found.annotations, "annotation")]
    dropped.append(f"{count_noun(found.segments, 'segment')} ({found.pixels:,} px)")
    kept = f"kept where {' and '.join(found.conditions)}" if found.conditions else "kept everything"
    emit("\n".join([*make_console().wrap(kept), *make_console().wrap(f"dropped {', '.join(dropped)}")]))
    return report_written(found.written, data, opening)
