"""Fix of SEG101: unlabelled pixels go to the segments around them."""

from collections.abc import Sequence

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.evidence import Evidence
from segdata.core.profile import Profile
from segdata.core.redraw import dense
from segdata.fixes.fix import fix
from segdata.fixes.pixels import to_the_nearest


@fix("SEG101")
def gap(annotation: Annotation, findings: Sequence[Evidence], profile: Profile) -> Batch:
    """Give every unlabelled pixel to the nearest segment that is neither void nor a crowd."""
    return to_the_nearest(annotation, dense(annotation.unlabelled(), *annotation.size), profile)
