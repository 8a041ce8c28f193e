"""Fix of SEG107: holes of a few pixels are filled."""

from collections.abc import Sequence

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.fixes.fix import fix
from segdata.fixes.pixels import named, picture_of, redraw


@fix("SEG107")
def pinhole(annotation: Annotation, findings: Sequence[Evidence], profile: Profile) -> Batch:
    """Give the pixels of the holes that the findings name to their segments."""
    batch, holes = annotation.batch, named(annotation, findings)
    return redraw(batch, {row: picture_of(batch, row, annotation.size) | pixels for row, pixels in holes.items()})
