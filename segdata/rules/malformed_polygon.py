"""SEG006 malformed-polygon: a ring is no polygon."""

import msgspec
import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import defect_keys, reader_findings


@rule("SEG006", "malformed-polygon", severity="error", needs=("outlines",), fix="safe", habit="image", per_image=True)
def malformed_polygon(tables: Tables) -> Findings:
    """A polygon ring has under 3 points, an odd number of coordinates, NaN, no area, or each point twice.

    Example:
        /annotations/5/segmentation/0 has 4 numbers: a box passed off as a polygon?
        /annotations/6/segmentation/1 has 7 numbers: x and y must come in pairs
        each point of 1 ring is there twice in a row (a warning)

    Not flagged: rings that cross themselves (SEG114) or leave the frame (SEG115). The good rings of the same segment
    are kept.

    Why: pycocotools fails on such a ring, ignores it, reads it as a box, or does not return, depending on where it
    stands. Points that are there twice change no pixel; but half of the edges have no length and no direction, and
    whoever counts points counts too many.

    Remedy: draw the segment again, or delete the ring. The fix deletes a segment that has no pixels.
    """
    findings = list(reader_findings(tables, "SEG006"))
    empty = set(defect_keys(tables, np.flatnonzero(tables.segments["area"] == 0))) if findings else set()
    for finding in findings:
        is_empty = bool(finding.ids) and {(finding.image_id, id_) for id_ in finding.ids} <= empty
        yield msgspec.structs.replace(finding, is_fixable=is_empty)
    outlines = tables.outlines
    for segment, n in outlines.take(outlines["stuttering"] > 0).lines("segment", "stuttering"):
        message = f"each point of {count_noun(n, 'ring')} is there twice in a row"
        yield RowFinding(message, segments=(segment,), severity="warning", is_fixable=False)
