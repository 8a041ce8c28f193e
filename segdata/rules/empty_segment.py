"""SEG105 empty-segment: a segment has no pixels."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import has_defect


@rule("SEG105", "empty-segment", severity="error", needs=(), fix="safe", habit="image", per_image=True)
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

    Why: your losses and metrics divide by its area, and augmentation that crops to its box fails. It is the trace of a
    slipped click, of a polygon outside the frame, or of an object that others cover completely.

    Remedy: delete it, or draw it again.
    """
    segments = tables.segments
    empty = np.flatnonzero(segments["area"] == 0)
    empty = empty[~has_defect(tables, "SEG006", empty)]
    columns = segments.take(empty).lines("image", *(f"declared_{side}" for side in ("x", "y", "width", "height")))
    sizes = tables.images
    for row, (image, x, y, width, height) in zip(empty.tolist(), columns, strict=True):
        message = "the segment has no pixels inside the frame"
        inside = -1 <= x <= sizes["width"][image] - width + 1 and -1 <= y <= sizes["height"][image] - height + 1
        if inside and min(width, height) >= 2:  # not where nothing is declared, which is NaN
            message = (
                f"no pixels, but a box of {width:.0f} x {height:.0f} px: the outline is missing (in COCO an empty "
                "`segmentation`), or its rings cancel, as one that goes around twice does; draw its outline, or leave "
                "it out where masks are trained"
            )
        yield RowFinding(message, segments=(row,), pixels=0)
