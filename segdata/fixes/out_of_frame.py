"""Fix of SEG115: a polygon that leaves the frame is replaced by its pixels."""

from collections.abc import Sequence
from dataclasses import replace

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.core.redraw import undeclared
from segdata.fixes.fix import fix, rows_of


@fix("SEG115")
def out_of_frame(annotation: Annotation, findings: Sequence[Evidence], profile: Profile) -> Batch:
    """Forget the polygons; the pixels within the frame stay, and polygons of them can be written again."""
    rows = rows_of(findings)
    return replace(annotation.batch, segments=undeclared(annotation.batch.segments, rows, "rings"))
