"""`segdata filter`: some images and segments of a dataset."""

from pathlib import Path
from typing import Any

import click

from segdata.cli.options import COPY_IMAGES, DATA, PATH, RULE, DataOptions, data_options, example

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
@click.argument("out", type=PATH)
@click.option("--category", metavar="NAME", multiple=True, help="Keep segments of this category or its subcategories.")
@click.option("--annotator", "drawn_by", metavar="NAME", multiple=True, help="Keep annotations of this annotator.")
@click.option("--min-area", metavar="PX", type=click.IntRange(min=0), help="Keep segments of at least PX pixels.")
@click.option("--max-area", metavar="PX", type=click.IntRange(min=0), help="Keep segments of at most PX pixels.")
@click.option(
    "--finding",
    metavar="CODE",
    type=RULE,
    multiple=True,
    help="Keep images that have this finding in the report of --findings.",
)
@click.option("--findings", metavar="JSON", type=PATH, help="Report of segdata validate --format json.")
@click.option("--where", metavar="EXPR", multiple=True, help="Keep what meets this condition over columns, see above.")
@click.option("--keep-images", is_flag=True, help="Keep images that lose all their segments.")
@COPY_IMAGES
@data_options
def command(
    data: Path, out: Path, findings: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `filter` takes them
    """Write images and segments that meet all conditions to OUT.

    A condition on segments drops all other segments, and images without
    segments; the attributes of the remaining images stay. If you repeat
    --category or --annotator, any of the values matches. The command reports
    what it dropped.

    EXPR compares columns: 'area > 500 and not crowd', 'split in ["val"]',
    'seconds / n_segments > 60', 'attributes["truncated"] == True',
    'matches(image_id, "^night/")', 'stage == None'.
    """
    from segdata.api.edits import filter
    from segdata.cli.output import emit, make_console, report_written
    from segdata.core.errors import count_noun

    dataset = options.read(data)
    with options.working("filter", len(dataset)) as work:
        result = filter(dataset, out, findings=findings or (), **given, **work)
    dropped = [count_noun(result.images, "image"), count_noun(result.annotations, "annotation")]
    dropped.append(f"{count_noun(result.segments, 'segment')} ({result.pixels:,} px)")
    kept = f"kept where {' and '.join(result.conditions)}" if result.conditions else "kept everything"
    emit("\n".join([*make_console().wrap(kept), *make_console().wrap(f"dropped {', '.join(dropped)}")]))
    return report_written(result.written, data, options)
