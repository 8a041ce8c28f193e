"""Fix of SEG111: slivers along borders are closed, or no longer claimed twice."""

from collections.abc import Sequence

import numpy as np

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.core.redraw import Picture, dense
from segdata.fixes.fix import fix
from segdata.fixes.pixels import picture_of, redraw, to_the_nearest


@fix("SEG111")
def hairline(annotation: Annotation, findings: Sequence[Evidence], profile: Profile) -> Batch:
    """Give unlabelled slivers to what is around them; leave those claimed twice with the smallest segment there."""
    batch, size = annotation.batch, annotation.size
    slivers = [dense(each.runs, *size) for each in findings]
    bare = dense(annotation.unlabelled(), *size)
    twice = [pixels for pixels in slivers if (pixels & ~bare).any()]
    if twice:
        batch = redraw(batch, _claimed_once(batch, np.logical_or.reduce(twice)))
    gaps = [pixels for pixels in slivers if not (pixels & ~bare).any()]
    return to_the_nearest(Annotation(batch), np.logical_or.reduce(gaps), profile) if gaps else batch


def _claimed_once(batch: Batch, pixels: Picture) -> dict[int, Picture]:
    """Row -> pixels of the segments that lose some of these, because a smaller one claims them."""
    free, found = pixels.copy(), {}
    for row in np.argsort(batch.runs.areas(batch.n_segments), kind="stable").tolist():
        own = picture_of(batch, row, pixels.shape)
        if (own & pixels & ~free).any():
            found[row] = own & ~(pixels & ~free)
        free &= ~own
    return found
