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

from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import TRACK_MASK_LOSSES
from segdata.formats.video import COLOUR, png_kinds

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


read = ImportedOnCall("segdata.formats.video.kitti_step_maps:open_step")


write = ImportedOnCall("segdata.formats.video.kitti_step_maps:write_step")
