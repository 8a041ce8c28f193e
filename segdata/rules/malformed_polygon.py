"""SEG006 malformed-polygon: a ring is no polygon."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG006", "malformed-polygon", severity="error", needs=(), habit="image", per_image=True)
def malformed_polygon(tables: Tables) -> Findings:
    """A polygon ring has under 3 points, an odd number of coordinates, NaN, or no area.

    Example:
        /annotations/5/segmentation/0 has 4 numbers: a box passed off as a polygon?
        /annotations/6/segmentation/1 has 7 numbers: x and y must come in pairs

    Not flagged: rings that cross themselves (SEG114) or leave the frame (SEG115). The good rings of the same segment
    are kept.

    Why: pycocotools fails on such a ring, ignores it, reads it as a box, or does not return, depending on where it
    stands.

    Remedy: draw the segment again, or delete the ring.
    """
    yield from reader_findings(tables, "SEG006")
