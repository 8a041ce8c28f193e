"""SEG105 empty-segment: a segment has no pixels."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


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

    Why: your losses and metrics divide by its area, and augmentation that crops to its box fails. It is the trace of a
    slipped click, of a polygon outside the frame, or of an object that others cover completely.

    Remedy: delete it, or draw it again.
    """
    for row in np.flatnonzero(tables.segments["area"] == 0):
        yield RowFinding("the segment has no pixels inside the frame", segments=(int(row),), pixels=0)
