"""SEG105 empty-segment: a segment has no pixels."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.reductions import leading, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.rules.shared import has_defect

_MIN_BOXES, _MIN_BOX_SHARE = 5, 0.1  # of segments: boxes of detection, and no outlines that somebody forgot


@rule("SEG105", "empty-segment", severity="error", needs=(), fix="safe", habit="image", by_part=True)
def empty_segment(tables: Tables) -> Findings:
    """A segment has no pixels.

    Flagged, nothing drawn:
        aa...
        aa...

        b: car (empty)

    Flagged, the polygon misses every pixel's centre:
        aa.....
        aa.....

        b: car (polygon 3.1 0.1 3.3 0.1 3.3 0.3 3.1 0.3)

    Fine, one pixel:
        aa.b.
        aa...

    Not flagged: a segment whose ring SEG006 names already.

    If a tenth of all segments, five at least, have a box and no outline, you get one warning for the dataset in place
    of an error for each: somebody labelled them for detection.

    Why: your losses and metrics divide by its area, and augmentation that crops to its box fails. It is the trace of a
    slipped click, of a polygon outside the frame, or of an object that others cover completely.

    Remedy: delete it, or draw it again.
    """
    segments = tables.segments
    empty = np.flatnonzero(segments["area"] == 0)
    empty = empty[~has_defect(tables, "SEG006", empty)]
    is_box = _are_boxes(tables, empty)
    n = total(tables, boxes=int(is_box.sum()), all=len(segments))
    if n["boxes"] >= max(_MIN_BOXES, _MIN_BOX_SHARE * n["all"]):
        if leading(tables) is not None:
            yield RowFinding(
                f"{n['boxes']:,} of {n['all']:,} segments have a box and no outline (in COCO an empty `segmentation`): "
                "they were labelled for detection; where you train masks, draw their outlines or leave them out",
                pixels=0,
                severity="warning",
            )
        empty, is_box = empty[~is_box], is_box[~is_box]
    sizes = segments.take(empty).lines("declared_width", "declared_height")
    for row, box, (width, height) in zip(empty.tolist(), is_box.tolist(), sizes, strict=True):
        message = "the segment has no pixels inside the frame"
        if box:
            message = (
                f"no pixels, but a box of {width:.0f} x {height:.0f} px: the outline is missing (in COCO an empty "
                "`segmentation`), or its rings cancel, as one that goes around twice does; draw its outline, or leave "
                "it out where masks are trained"
            )
        yield RowFinding(message, segments=(row,), pixels=0)


def _are_boxes(tables: Tables, rows: Ints) -> Flags:
    """(n,) which of these segments declare a box of 2 px or more, within the frame up to a pixel."""
    segments, images = tables.segments.take(rows), tables.images
    x, y, width, height = (segments[f"declared_{side}"] for side in ("x", "y", "width", "height"))  # NaN: not declared
    is_inside = np.minimum(x, y) >= -1
    is_inside &= x + width <= images["width"][segments["image"]] + 1
    is_inside &= y + height <= images["height"][segments["image"]] + 1
    result: Flags = is_inside & (np.minimum(width, height) >= 2)
    return result
