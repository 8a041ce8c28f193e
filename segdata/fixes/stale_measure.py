"""Fix of SEG013: the area and the box are measured again."""

from collections.abc import Sequence
from dataclasses import replace

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.core.redraw import undeclared
from segdata.fixes.fix import fix, rows_of


@fix("SEG013")
def stale_measure(annotation: Annotation, findings: Sequence[Evidence], profile: Profile) -> Batch:
    """Forget what the file declares of the segments: area and box are written as the pixels have them."""
    return replace(annotation.batch, segments=undeclared(annotation.batch.segments, rows_of(findings)))
