"""SEG018 filled-hole: a ring lies inside another, whose hole the raster fills, or is there twice."""

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG018", "filled-hole", severity="warning", needs=("outlines",), fix="unsafe", habit="image", per_image=True)
def filled_hole(tables: Tables, *, min_pixels: int = 1) -> Findings:
    """A ring lies wholly inside another of the same segment, and their union fills the hole; or a ring is there twice.

    Flagged:
        .aaaaaa.
        .aaaaaa.
        .aaaaaa.
        .aaaaaa.
        .aaaaaa.
        .aaaaaa.

        a: window (polygon 1 0 7 0 7 6 1 6 | 3 2 5 2 5 4 3 4)

    Fine:
        aaa..aaa
        aaa..aaa

        a: window (polygon 0 0 3 0 3 2 0 2 | 5 0 8 0 8 2 5 2)

    Flagged, a ring is there twice:
        aaa
        aaa

        a: window (polygon 0 0 3 0 3 2 0 2 | 0 0 3 0 3 2 0 2)

    Why: COCO's polygons cannot express a *hole*. A ring within a ring probably means one, and the pixels show the
    opposite. A ring that is there twice is empty by the even-odd rule, as in OpenCV's `fillPoly`, and full in COCO's.

    Remedy: if you want the hole, store the segment as RLE, which can hold it. Delete the inner ring if it is a
    leftover, and the second one of two that are the same.

    Options: `min_pixels`: inner rings of fewer pixels in total are not flagged.
    Defaults: any ring counts. None of 152 multi-part polygons of COCO (50 images) and TACO holds another.
    """
    yield from reader_findings(tables, "SEG018")
    outlines = tables.outlines
    filled = outlines.take((outlines["filled"] > 0) & (outlines["filled_pixels"] >= min_pixels))
    box = (f"filled_{side}" for side in ("x", "y", "width", "height"))
    for segment, n, pixels, x, y, width, height in filled.lines("segment", "filled", "filled_pixels", *box):
        message = f"{count_noun(n, 'ring')} inside another; the union fills {pixels:,} px; is a hole intended?"
        yield RowFinding(message, segments=(segment,), bbox=(x, y, width, height), pixels=pixels)
    for segment, n in outlines.take(outlines["repeated"] > 0).lines("segment", "repeated"):
        message = f"{count_noun(n, 'ring')} there twice: the union is the same, and empty by the even-odd rule"
        yield RowFinding(message, segments=(segment,), is_fixable=False)
