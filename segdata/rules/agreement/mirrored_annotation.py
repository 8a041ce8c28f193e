"""SEG413 mirrored-annotation: labels fit the others only when they are mirrored, turned, moved or scaled."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG413", "mirrored-annotation", severity="warning", needs=("agreement",))
def mirrored_annotation(tables: Tables) -> Findings:
    """Labels fit the others only when they are mirrored, turned, moved or scaled, or have x and y exchanged.

    Example:
        seg_2 agrees with seg_1 at IoU 0.05, mirrored left to right and top to bottom at 0.60
        anna agrees with ben in 12 of 12 images only when the labels are shifted by -6 px across and +0 px down:
            outlines lie on each other 61 instead of 9 standard deviations above chance

    Two annotators are compared in up to 12 images if fewer than 0.8 of their boundaries are within the tolerance. The
    outlines of one are placed on those of the other, both reduced to 256 pixels: shifted, scaled from the upper left
    corner, mirrored, turned, with x and y exchanged. After one and the same change they must score 8 or more, and 1.5
    times as much as they do as they are (1.3 times if they are shifted), in 0.8 of the images. The annotator who is
    misplaced against most of the others is named.

    Why: the tool that wrote the file used another orientation, origin or size of image. Every label is in the wrong
    place, and no annotator is to blame.

    Remedy: change the labels as the finding says, or correct the header (NIfTI: qform, sform), and compare again.
    """
    yield from reader_findings(tables, "SEG413")
