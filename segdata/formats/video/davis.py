"""DAVIS and YouTube-VOS: videos of palette PNG masks whose index is an object, the same in all frames.

Index 0 is background, 255 void; in DAVIS 2016, whose masks hold 0 and 255 alone, 255 is the one object. Specification:
davisvideochallenge/davis2017-evaluation davis2017/davis.py, davisvideochallenge/davis-matlab db_util/db_read_annot.m
(2016).

Read: `Annotations/<size>/<sequence>/<frame>.png` and `Annotations_unsupervised` with `JPEGImages` and `ImageSets` (the
splits); YouTube-VOS without sizes, with the categories of `meta.json`, also as `train/` and `valid/`; folders of
sequences alone, as results are. Without `meta.json` there are no categories: all is `object`. Scribbles are no masks.
Which year's meaning 255 has is told by ImageSets or meta.json, else by the values in some sequences; where these
contradict each other the option has to. Frames without a mask are not annotated.

Written: as DAVIS 2017, with `meta.json` where there are categories, `images.csv` and `taxonomy.yaml`. A sequence has at
most 254 tracks. What is in no split is listed in `train.txt`: the official loader reads nothing that is not listed.
`--copy-images` puts images in `JPEGImages/<size>/<sequence>`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.format import FileProbe, FormatMatch, LossCounter, LossKind, ReadRequest
from segdata.core.profile import Profile
from segdata.formats.shared.declared_losses import TRACK_MASK_LOSSES
from segdata.formats.video.layouts import DAVIS_META, DAVIS_SIZES, PALETTE, frame_names, png_kinds

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.shared.per_image import PerImageSource


LOSSES: frozenset[LossKind] = TRACK_MASK_LOSSES
CHECKED = ("davis2017-evaluation's decoding, value by value",)
READ_OPTIONS = {
    "masks": "the folder of the masks where there are several, Annotations/480p",
    "year": "2016: 255 is the object; 2017: 255 is void; default: by ImageSets, else by the values",
}
WRITE_OPTIONS = {"size": f"the folder in Annotations that masks go to: {', '.join(DAVIS_SIZES)}; default: 480p"}
_BY_SIZE = r"^([^/]+/)?Annotations(_unsupervised)?/(480p|1080p|Full-Resolution)/(?P<sequence>[^/]+)/\d{5}\.png$"
_PLAIN = r"^([^/]+/)?Annotations/(?P<sequence>[^/]+)/\d{5}\.png$"
_BARE = r"^(?P<sequence>[^/]+)/\d{5}\.png$"


def image_of(mask: str) -> str:
    """`Annotations/<size>/<sequence>/<frame>.png` -> `JPEGImages/<size>/<sequence>/<frame>`."""
    return mask.replace("Annotations/", "JPEGImages/", 1).removesuffix(".png")


def detect(seen: FileProbe) -> FormatMatch | None:
    """Frames of five digits in `Annotations`, with DAVIS' sizes or JPEGImages beside; or sequences of palette PNGs."""
    by_size = frame_names(seen, _BY_SIZE)
    if by_size:
        return FormatMatch(1.0, f"{by_size[0]} is a frame in the folder of a size")
    plain = frame_names(seen, _PLAIN)
    if plain and (seen.matching(r"(^|/)JPEGImages/") or seen.heads(rf"(^|/){DAVIS_META}$", rb'"objects"\s*:')):
        return FormatMatch(0.95, f"{plain[0]} is a frame, with JPEGImages or {DAVIS_META}")
    bare = frame_names(seen, _BARE)
    if bare and {colour for _, colour in png_kinds(seen, bare)} == {PALETTE}:
        return FormatMatch(0.8, f"{bare[0]} is a palette PNG named as a frame, in the folder of a sequence")
    return None


def read(request: ReadRequest) -> "PerImageSource":
    """Open a dataset; raises UnreadableError where there are no frames, several folders of them, or 255 is unclear."""
    from segdata.formats.video.davis_masks import open_davis

    return open_davis(request)


def write(
    profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter, *, size: str = "480p"
) -> None:
    """Write a dataset; raises SegdataError where a sequence has more tracks or frames than the format holds."""
    from segdata.formats.video.davis_masks import write_davis

    write_davis(profile, batches, target, losses, LOSSES, size=size)
