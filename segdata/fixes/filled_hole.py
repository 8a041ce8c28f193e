"""Fix of SEG018: a ring within a ring becomes the hole that it probably meant."""

from collections.abc import Sequence

import numpy as np

from segdata.core import kernels
from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.core.redraw import Picture, dense
from segdata.core.runs import Runs
from segdata.fixes.fix import fix, rows_of
from segdata.fixes.pixels import picture_of, redraw


@fix("SEG018")
def filled_hole(annotation: Annotation, findings: Sequence[Evidence], profile: Profile) -> Batch:
    """Take the pixels of rings that lie within another of their polygon from the segment; the polygon goes."""
    batch, size = annotation.batch, annotation.size
    drawn = {}
    for row in rows_of(findings).tolist():
        rings = _rings(annotation, row)
        holes = [ring for ring in rings if _is_within(ring, rings)]
        if holes:
            drawn[row] = picture_of(batch, row, size) & ~np.logical_or.reduce(holes)
    return redraw(batch, drawn)


def _rings(annotation: Annotation, row: int) -> list[Picture]:
    """The pixels of each ring of a segment's polygon, by COCO's rule."""
    found, (height, width) = [], annotation.size
    for ring in annotation.rings(np.array([row])):
        ends, one = np.array([0, ring.size]), np.array([0, 1])
        runs = Runs(*kernels.rasterise(ring.ravel(), ends, one, np.array([height]), np.array([width])))
        found.append(dense(runs, height, width))
    return found


def _is_within(ring: Picture, rings: list[Picture]) -> bool:
    """Whether a ring has fewer pixels than another which has all of them."""
    return any(other.sum() > ring.sum() and not (ring & ~other).any() for other in rings)
