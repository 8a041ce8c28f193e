"""KITTI-STEP and MOTChallenge-STEP: RGB panoptic maps of videos, the class in red, the track in green and blue.

R is the class, G * 256 + B the number of the track in its class; class 255 is void, number 0 means no track. The
classes of KITTI-STEP are Cityscapes' train ids 0 to 18, MOTChallenge-STEP has 7 others; person and car have tracks.
Specification: google-research/deeplab2 g3doc/setup/kitti_step.md, data/utils/create_step_panoptic_maps.py.

Read: `panoptic_maps/<split>/<sequence>/<frame>.png`, also without the split, with images in `images/`. If your things
have regions without a track, these are crowds. The id of a segment, and of a track, is R * 65536 + G * 256 + B, because
numbers start again in every class.

Written: the same layout with `images.csv`, `taxonomy.yaml` and `segdata.yaml`, which names the class table for you.
Images without a split go to `train`. Every pixel has a class: unlabelled pixels become void, or, if the taxonomy has no
void category, its 255 is declared unlabelled. Stuff and crowds have no track; other segments without one get one of
their own. Numbers go up to 65 535, but deeplab2 packs them by 1000: tracks get small numbers if they do not come from
this format.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.format import FileProbe, FormatMatch, LossCounter, LossKind, NameLimits, ReadRequest
from segdata.core.profile import Profile
from segdata.formats.shared import TRACK_MASK_LOSSES
from segdata.formats.video import COLOUR, png_kinds

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.shared.per_image import PerImageSource


NAMES = NameLimits(separator="_")
LOSSES: frozenset[LossKind] = TRACK_MASK_LOSSES | {"unlabelled"}
CHECKED = ("the specification's decoding, pixel by pixel", "deeplab2's label tables")
_LABELS = "kitti, motchallenge or taxonomy (the classes are the ids of the taxonomy)"
READ_OPTIONS = {"labels": f"{_LABELS}; default: by the classes that occur"}
WRITE_OPTIONS = {"labels": f"{_LABELS}; default: kitti where it has all names, else taxonomy"}
_FRAMES = r"^panoptic_maps/([^/]+/){1,2}[^/]+\.png$"


def detect(probe: FileProbe) -> FormatMatch | None:
    """RGB frames below `panoptic_maps`."""
    names = probe.matching(_FRAMES)
    names = names or (probe.matching(r"^([^/]+/){1,2}\d{6}\.png$") if probe.root.name == "panoptic_maps" else [])
    if names and png_kinds(probe, names) == {(8, COLOUR)}:
        return FormatMatch(1.0, f"{names[0]} is an RGB frame of panoptic maps")
    return None


def read(request: ReadRequest) -> "PerImageSource":
    """Open a dataset; raises UnreadableError if there are no maps, or the meaning of their classes is unknown."""
    from segdata.formats.video.kitti_step_maps import open_step

    return open_step(request)


def write(
    profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter, *, labels: str | None = None
) -> None:
    """Write a dataset; raises SegdataError for classes, tracks or frames beyond what the format holds."""
    from segdata.formats.video.kitti_step_maps import write_step

    write_step(profile, batches, target, losses, LOSSES, labels=labels)
