"""Fix of SEG104: of segments with the same pixels and category the first stays."""

from collections.abc import Sequence

import numpy as np

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.core.twins import first_twins
from segdata.fixes.fix import fix, rows_of


@fix("SEG104")
def duplicate_segment(annotation: Annotation, findings: Sequence[Evidence], profile: Profile) -> Batch:
    """Leave out those of the named segments that repeat an earlier one."""
    batch = annotation.batch
    twin = first_twins(batch.runs, batch.segment_annotation, batch.n_segments)
    said = batch.segments.select(["category_id", "iscrowd", "track_id"]).to_pylist()
    again = [row for row in rows_of(findings).tolist() if twin[row] != row and said[row] == said[int(twin[row])]]
    return batch.take_segments(np.setdiff1d(np.arange(batch.n_segments), again))
