"""Fix of SEG105: a segment without pixels goes."""

from collections.abc import Sequence

import numpy as np

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.fixes.fix import fix, rows_of


@fix("SEG105")
def empty_segment(annotation: Annotation, findings: Sequence[Evidence], profile: Profile) -> Batch:
    """Leave the segments out."""
    batch, rows = annotation.batch, rows_of(findings)
    empty = rows[batch.runs.areas(batch.n_segments)[rows] == 0]
    return batch.take_segments(np.setdiff1d(np.arange(batch.n_segments), empty))
