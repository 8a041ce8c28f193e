"""SEG114 self-intersection: a polygon ring crosses itself."""

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule("SEG114", "self-intersection", severity="warning", needs=("outlines",), habit="image", per_image=True)
def self_intersection(tables: Tables) -> Findings:
    """A polygon ring crosses itself.

    Flagged:
        .a....a.
        .aa..aa.
        .aa..aa.
        .a....a.

        a: car (polygon 1 0 7 4 7 0 1 4)

    Fine:
        .aaaaaa.
        .aaaaaa.
        .aaaaaa.
        .aaaaaa.

        a: car (polygon 1 0 7 0 7 4 1 4)

    Why: inside and outside trade places at a crossing, and tools disagree on which is which: COCO's raster, OpenCV and
    shapely each give other pixels and another area.

    Remedy: draw the ring again. If the pixels are as you want them, store the segment as RLE, which keeps them.
    """
    crossed = tables.outlines.take(tables.outlines["crossings"] > 0)
    for segment, crossings, x, y in crossed.lines("segment", "crossings", "cross_x", "cross_y"):
        where = f"at x={x:.1f}, y={y:.1f}"
        times = f"once, {where}" if crossings == 1 else f"{crossings:,} times, first {where}"
        message = f"the outline crosses itself {times}"
        yield RowFinding(message, segments=(segment,))
