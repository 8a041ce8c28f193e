"""MOTS: multi-object tracking and segmentation, 16-bit PNG or TXT, as in KITTI MOTS and MOTSChallenge.

A value, and in TXT the id, is class * 1000 + number: class 1 is car, 2 pedestrian, 10 the regions to ignore (10000); 0
is background. The value is the track, the same in all frames of a sequence. Specification:
https://www.vision.rwth-aachen.de/page/mots, and VisualComputingInstitute/mots_tools mots_common/io.py.

Read, PNG: `instances/<sequence>/<frame>.png`, folders of such sequences alone, and `<split>/instances/` as Datumaro and
CVAT write it, with their `labels.txt` (line k is class k). Read, TXT (`frame id class height width rle` per line):
`instances_txt/<sequence>.txt`, a folder of such files, one of them, and `<sequence>/gt/gt.txt` of MOTSChallenge. In TXT
every frame of a sequence is annotated. Images are looked up in `training/image_02`, `image_02`, `images` and
`<sequence>/img1`.

Written: PNG, or TXT if you choose it, with `images.csv` and `taxonomy.yaml` beside it. Categories other than car and
pedestrian go into `labels.txt`: Datumaro and CVAT read it, mots_tools knows no such classes. Segments without a track
get one of their own. If you write an image outside any sequence, it becomes a video of one frame.
"""

from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats import video
from segdata.formats.shared import TRACK_MASK_LOSSES
from segdata.formats.video import GREY, frame_names, png_kinds

ALIASES = ("kitti-mots", "motschallenge", "mots-png")
NAMES = NameLimits(separator="_")
LOSSES: frozenset[LossKind] = TRACK_MASK_LOSSES
CHECKED = ("the specification's decoding, value by value", "pycocotools", "Datumaro's MOTS fixture")
READ_OPTIONS = {"layout": "png or txt; default: png where both are there"}
WRITE_OPTIONS = {"layout": "png (default): instances/<sequence>/<frame>.png; txt: instances_txt/<sequence>.txt"}
_FRAMES = r"^([^/]+/)?instances/(?P<sequence>[^/]+)/\d{6}\.png$"
_BARE_FRAMES = r"^(?P<sequence>[^/]+)/\d{6}\.png$"
_LABELLED = r"^([^/]+/)?instances/.+\.png$"


def detect(probe: FileProbe) -> FormatMatch | None:
    """Frames of 16-bit grey PNG in the folders of sequences, or lines of the TXT layout."""
    inside = video.MOTS_TEXT_NAME if probe.root.parent.name == video.MOTS_TEXT_FOLDER else video.MOTS_NAME_IN_FOLDER
    lines = probe.heads(video.MOTS_TEXT_NAME, video.MOTS_LINE) or probe.heads(inside, video.MOTS_ANY_LINE)
    if lines:
        return FormatMatch(1.0, f"{lines[0]} has lines of frame, id, class, height, width and RLE")
    labelled = probe.matching(_LABELLED) if probe.matching(r"^([^/]+/)?instances/labels\.txt$") else []
    for names, score in ((labelled or frame_names(probe, _FRAMES), 1.0), (frame_names(probe, _BARE_FRAMES), 0.95)):
        if names and png_kinds(probe, names) == {(16, GREY)}:
            return FormatMatch(score, f"{names[0]} is a frame of 16-bit grey PNG in the folder of a sequence")
    return None


read = ImportedOnCall("segdata.formats.video.mots_files:open_mots")


write = ImportedOnCall("segdata.formats.video.mots_files:write_mots")
