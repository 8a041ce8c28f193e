"""YouTube-VIS and OVIS: one JSON of videos and tracks, each track with a segmentation for every frame.

Specification: youtubevos/cocoapi PythonAPI/pycocotools/ytvos.py; OVIS' list `occlusion` as its users read it.

Read: `segmentations` as in COCO instances, null (and an empty list) where the track is not in a frame; `areas`,
`bboxes`, `iscrowd`, `score`; OVIS' `occlusion` and other keys as attributes. A video's folder is its sequence, else its
id; the frame is the number in a file's name. Documents without annotations, as of test sets, are of videos that nobody
annotated. A list of results needs the videos of the ground truth (the option `truth`); it is from a model.

Written: a document with `width`, `height` and `length` of videos and the lists of tracks. What the format has no place
for but tools leave alone is kept all the same: `track_id` where it is not the track's `id`, `scores` and `attributes`
that differ from frame to frame, and in each video `segdata`, with its sequence, frame numbers, split, and the frames
that nobody annotated. Segments without a track are tracks of one frame, an image that is in no sequence is a video of
its own. There is no kind for void: such segments are left out, and counted.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.errors import UnreadableError
from segdata.core.format import FileProbe, FormatMatch, LossCounter, LossKind, ReadRequest
from segdata.core.profile import Profile
from segdata.formats.coco.probe import POLYGONS_OPTION
from segdata.formats.shared.declared_losses import COCO_LOSSES

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.shared.derived_sources import AlteredSource


LOSSES: frozenset[LossKind] = COCO_LOSSES | {"secondary-categories"}
CHECKED = ("ytvos.py's decoding through pycocotools",)
READ_OPTIONS = {"truth": "FILE: for a list of results the JSON of the ground truth, which lists videos and categories"}
WRITE_OPTIONS = POLYGONS_OPTION
FILE_SUFFIXES = (".json",)
_JSON = r"\.json$"
_VIDEOS = rb'"file_names"\s*:|"segmentations"\s*:|"videos"\s*:\s*\[\s*\]'


def detect(seen: FileProbe) -> FormatMatch | None:
    """A JSON file whose videos have file names, or whose annotations have segmentations."""
    found = _documents(seen)
    return FormatMatch(1.0, f"{found[0]} has videos with file names, or tracks with segmentations") if found else None


def read(request: ReadRequest) -> "AlteredSource":
    """Open a document; raises SegdataError where there is none, or several, or results without their ground truth."""
    from segdata.formats.video.youtube_vis_reader import open_document

    root = request.root
    if not root.exists():
        raise UnreadableError(f"{root}: does not exist")
    if root.is_file():
        return open_document(request, root, root.name)
    found = _documents(FileProbe(root))
    if len(found) != 1:
        several = f"{len(found)} YouTube-VIS documents, name one of them: {', '.join(found[:5])}"
        raise UnreadableError(f"{root}: {several if found else 'no YouTube-VIS document in it'}")
    return open_document(request, root / found[0], found[0])


def write(
    profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter, *, polygons: str = "source"
) -> None:
    """Write one document: `target` itself where it ends in .json, else instances.json in that folder."""
    from segdata.formats.video.youtube_vis_writer import write_document

    path = target if target.suffix.lower() == ".json" else target / "instances.json"
    write_document(profile, batches, path, losses, LOSSES, polygons)


def _documents(seen: FileProbe) -> list[str]:
    """The names of the documents, and of lists of results."""
    return seen.heads(_JSON, _VIDEOS, most=16)
