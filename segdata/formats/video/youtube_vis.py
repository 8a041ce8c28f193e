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

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.errors import UnreadableError
from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch, LossCounter, LossKind, ReadRequest
from segdata.core.profile import Profile
from segdata.formats.coco import POLYGONS_OPTION
from segdata.formats.shared import COCO_LOSSES

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.shared.derived_sources import AlteredSource


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
    names = _documents(probe)
    return FormatMatch(1.0, f"{names[0]} has videos with file names, or tracks with segmentations") if names else None


def list_documents(root: Path) -> list[Path]:
    """The documents in a folder: ``train.json`` and ``valid.json`` are one dataset."""
    return [root / name for name in _documents(FileProbe(root))]


def read(request: ReadRequest) -> "AlteredSource":
    """Open a document; raises SegdataError if there is none, or several, or results without ground truth."""
    from segdata.formats.video.youtube_vis_reader import open_document

    root = request.root
    if root.is_file():
        return open_document(request, root, root.name)
    names = _documents(FileProbe(root))
    if len(names) != 1:
        problem = f"{len(names)} YouTube-VIS documents; name one of them: {', '.join(names[:5])}"
        raise UnreadableError(f"{root}: {problem if names else 'no YouTube-VIS document in this folder'}")
    return open_document(request, root / names[0], names[0])


def write(
    profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter, *, polygons: str = "source"
) -> None:
    """Write one document: `target` itself where it ends in .json, else instances.json in that folder."""
    from segdata.formats.video.youtube_vis_writer import write_document

    path = target if target.suffix.lower() == ".json" else target / "instances.json"
    write_document(profile, batches, path, losses, LOSSES, polygons)


def _documents(probe: FileProbe) -> list[str]:
    return probe.heads(_JSON, _VIDEOS, most=16)
