"""Fix of SEG106: stray parts are erased, and where every pixel must be labelled given to what surrounds them."""

from collections.abc import Sequence

import numpy as np

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.core.redraw import dense
from segdata.fixes.fix import fix
from segdata.fixes.pixels import named, picture_of, redraw, to_the_nearest


@fix("SEG106")
def speck(annotation: Annotation, findings: Sequence[Evidence], profile: Profile) -> Batch:
    """Erase the parts that the findings name."""
    stray = named(annotation, findings)
    size = annotation.size
    erased = redraw(
        annotation.batch, {row: picture_of(annotation.batch, row, size) & ~pixels for row, pixels in stray.items()}
    )
    if not stray or not profile.is_exhaustive:
        return erased
    left = Annotation(erased)
    bare = np.logical_or.reduce(list(stray.values())) & dense(left.unlabelled(), *size)
    return to_the_nearest(left, bare, profile)
