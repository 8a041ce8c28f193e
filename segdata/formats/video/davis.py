"""DAVIS and YouTube-VOS: videos of palette PNG masks whose index is an object, the same in all frames.

Index 0 is background and 255 void; in DAVIS 2016, whose masks hold only 0 and 255, 255 is the one object.
Specification:
davisvideochallenge/davis2017-evaluation davis2017/davis.py, davisvideochallenge/davis-matlab db_util/db_read_annot.m
(2016).

Read: `Annotations/<size>/<sequence>/<frame>.png` and `Annotations_unsupervised` with `JPEGImages` and `ImageSets` (the
splits); YouTube-VOS without sizes, with the categories of `meta.json`, also as `train/` and `valid/`; and folders of
sequences alone, such as results. Without `meta.json` there are no categories: everything is `object`. Scribbles are not
masks. ImageSets or meta.json tell which year's meaning 255 has, else the values in some sequences do; if these
contradict each other, set the option `year`. Frames for which you have no mask are not annotated.

Written: as DAVIS 2017, with `meta.json` if there are categories, `images.csv` and `taxonomy.yaml`. A sequence has at
most 254 tracks. You find sequences without a split in `train.txt`: the official loader reads only listed sequences.
With `--copy-images` you get the images in `JPEGImages/<size>/<sequence>`.
"""

from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import TRACK_MASK_LOSSES
from segdata.formats.video import DAVIS_META, DAVIS_SIZES, PALETTE, frame_names, png_kinds

ALIASES = ("davis2016", "davis2017")
NAMES = NameLimits(separator="_")
LOSSES: frozenset[LossKind] = TRACK_MASK_LOSSES
CHECKED = ("davis2017-evaluation's decoding, value by value",)
READ_OPTIONS = {
    "masks": "mask folder, if there are several, Annotations/480p",
    "year": "2016: 255 is the object; 2017: 255 is void; default: by ImageSets, else by the values",
}
WRITE_OPTIONS = {"size": f"mask folder in Annotations: {', '.join(DAVIS_SIZES)}; default: 480p"}
_BY_SIZE = r"^([^/]+/)?Annotations(_unsupervised)?/(480p|1080p|Full-Resolution)/(?P<sequence>[^/]+)/\d{5}\.png$"
_PLAIN = r"^([^/]+/)?Annotations/(?P<sequence>[^/]+)/\d{5}\.png$"
_BARE = r"^(?P<sequence>[^/]+)/\d{5}\.png$"


def image_of(mask: str) -> str:
    """`Annotations/<size>/<sequence>/<frame>.png` -> `JPEGImages/<size>/<sequence>/<frame>`."""
    return mask.replace("Annotations/", "JPEGImages/", 1).removesuffix(".png")


def detect(probe: FileProbe) -> FormatMatch | None:
    """Frames of five digits in `Annotations`, with DAVIS' sizes or JPEGImages beside; or sequences of palette PNGs."""
    by_size = frame_names(probe, _BY_SIZE)
    if by_size:
        return FormatMatch(1.0, f"{by_size[0]} is a frame in the folder of a size")
    plain = frame_names(probe, _PLAIN)
    if plain and (probe.matching(r"(^|/)JPEGImages/") or probe.heads(rf"(^|/){DAVIS_META}$", rb'"objects"\s*:')):
        return FormatMatch(0.95, f"{plain[0]} is a frame, with JPEGImages or {DAVIS_META}")
    bare = frame_names(probe, _BARE)
    if bare and {colour for _, colour in png_kinds(probe, bare)} == {PALETTE}:
        return FormatMatch(0.8, f"{bare[0]} is a palette PNG named as a frame, in the folder of a sequence")
    return None


read = ImportedOnCall("segdata.formats.video.davis_masks:open_davis")


write = ImportedOnCall("segdata.formats.video.davis_masks:write_davis")
