"""YouTube-VIS and OVIS: one JSON of videos and tracks, each track with a segmentation for every frame.

Specification: youtubevos/cocoapi PythonAPI/pycocotools/ytvos.py; OVIS' list `occlusion` as its users read it.

Read: `segmentations` as in COCO instances, null (and an empty list) where the track is not in a frame; `areas`,
`bboxes`, `iscrowd`, `score`; OVIS' `occlusion` and other keys as attributes. A video's folder is its sequence, else its
id; the frame is the number in a file's name. In documents without annotations, such as test sets, no video is
annotated. If you have a list of results, name the ground truth that lists the videos with the option `truth`; the
annotations come from a model.

Written: a document with `width`, `height` and `length` of videos and the lists of tracks. Keys that other tools ignore
keep what the format has no place for: `track_id` if it is not the track's `id`, `scores` and `attributes` that differ
from frame to frame, and in each video `segdata`, with its sequence, frame numbers, split, and the frames that are not
annotated. Segments without a track are tracks of one frame, an image outside any sequence is a video of its own. The
format has no void: void segments are left out, and counted.
"""

from pathlib import Path

from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.coco import POLYGONS_OPTION
from segdata.formats.shared import COCO_LOSSES

ALIASES = ("ytvis", "youtubevis2019", "youtubevis2021")
NAMES = DOCUMENT_NAMES
LOSSES: frozenset[LossKind] = COCO_LOSSES | {"secondary-categories"}
CHECKED = ("ytvos.py's decoding through pycocotools",)
READ_OPTIONS = {"truth": "FILE: for a list of results the JSON of the ground truth, which lists videos and categories"}
WRITE_OPTIONS = POLYGONS_OPTION
FILE_SUFFIXES = (".json",)
_JSON = r"\.json$"
_VIDEOS = rb'"file_names"\s*:|"segmentations"\s*:|"videos"\s*:\s*\[\s*\]'


def detect(probe: FileProbe) -> FormatMatch | None:
    """A JSON file whose videos have file names, or whose annotations have segmentations."""
    names = find_documents(probe)
    return FormatMatch(1.0, f"{names[0]} has videos with file names, or tracks with segmentations") if names else None


def list_documents(root: Path) -> list[Path]:
    """The documents in a folder: ``train.json`` and ``valid.json`` are one dataset."""
    return [root / name for name in find_documents(FileProbe(root))]


read = ImportedOnCall("segdata.formats.video.youtube_vis_reader:open_document")


write = ImportedOnCall("segdata.formats.video.youtube_vis_writer:write_document")


def find_documents(probe: FileProbe) -> list[str]:
    """The names of the documents."""
    return probe.heads(_JSON, _VIDEOS, most=16)
