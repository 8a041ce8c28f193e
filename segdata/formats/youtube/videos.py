"""Videos of a YouTube-VIS document: their frames as the images of a COCO document."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec

from segdata.core.finding import Defect
from segdata.core.paths import SPLIT_FOLDERS
from segdata.formats.coco.document import MISSING, Document, Id, Items, Raw, decode_items
from segdata.formats.coco.images import MAX_SIDE, AnyImageItem, ImageList, StrictImageItem, list_images
from segdata.formats.video.footage import frame_numbers

OWN = "segdata"  # the key of a video under which our writer keeps what the format has no place for


Number = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]


class Own(msgspec.Struct, omit_defaults=True):
    """What our writer keeps of a video: None is not known, and `unannotated` are positions of frames."""

    sequence: str | None = None
    frames: list[Number | None] | None = None
    split: str | None = None
    unannotated: list[int] = []


class VideoItem(msgspec.Struct, gc=False):
    """An entry of `videos`."""

    id: Id
    file_names: list[str]
    width: int | float
    height: int | float
    length: Any = None  # Any: compared with the number of names
    segdata: Raw = MISSING


class StrictVideoItem(VideoItem, gc=False, forbid_unknown_fields=True):
    """An entry of `videos` without further keys."""


KNOWN = frozenset(VideoItem.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Film:
    """Where a frame belongs: its sequence, its number there, and its split."""

    sequence: str | None
    frame: int | None
    split: str | None


@dataclass(frozen=True, slots=True)
class FrameItems(Items[AnyImageItem]):
    """The frames of all videos, in a row.

    Attributes
    ----------
    of : (n,) the position in `videos`, and in its `file_names`
    videos : their entries
    """

    of: Sequence[tuple[int, int]] = ()
    videos: Items[VideoItem] = field(default_factory=Items)

    def place(self, at: int, within: str = "") -> str:
        """Where a frame is listed."""
        video, position = self.of[at]
        return self.videos.place(video, f"/file_names/{position}" if within in ("", "/file_name") else "")

    def extras(self, at: Iterable[int], known: frozenset[str]) -> list[dict[str, str]]:
        """The further keys of the videos that frames are of."""
        return self.videos.extras([self.of[i][0] for i in at], KNOWN)


@dataclass(frozen=True, slots=True)
class Videos:
    """The videos of a document.

    Attributes
    ----------
    items : their entries
    row_of : the document's video id -> position in `items`, or None for one that was left out
    listing : the frames as images; the document's id of a frame is that of its video and its position, ``7/0``
    films : image_id -> where it belongs
    unannotated : image ids of frames that nobody annotated
    """

    items: Items[VideoItem]
    row_of: dict[Id, int | None]
    listing: ImageList
    films: dict[str, Film]
    unannotated: frozenset[str]


def frame_id(video: VideoItem, position: int) -> str:
    """The id of a frame."""
    return f"{video.id}/{position}"


def read_videos(document: Document) -> Videos:
    """The videos of a document; what is wrong with them becomes its defects."""
    items: Items[VideoItem] = decode_items(document, "videos", StrictVideoItem, VideoItem)
    row_of: dict[Id, int | None] = {}
    frames, of = [], []
    for i, video in enumerate(items.items):
        if video.id in row_of:
            message = f"video id {video.id!r} is here twice; the first counts"
            document.defects.append(Defect("SEG008", message, document.name, items.place(i, "/id")))
            continue
        row_of[video.id] = i if _is_sound(video, items.place(i), document) else None
        if row_of[video.id] is not None:
            positions = range(len(video.file_names))
            frames += [
                StrictImageItem(frame_id(video, k), video.file_names[k], video.width, video.height) for k in positions
            ]
            of += [(i, k) for k in positions]
    listing = list_images(document, FrameItems(frames, range(len(frames)), of=of, videos=items))
    films, unannotated = _films(document, items, row_of, listing)
    return Videos(items, row_of, listing, films, unannotated)


def _is_sound(video: VideoItem, place: str, document: Document) -> bool:
    """Whether the frames of a video can be read: SEG004 where its size or its length is none."""
    if not all(1 <= side <= MAX_SIDE and side == int(side) for side in (video.width, video.height)):
        message = f"the video's size is {video.width} x {video.height}; sides of 1 to {MAX_SIDE:,} pixels are expected"
        document.defects.append(Defect("SEG004", f"{message}; left out", document.name, place))
        return False
    if video.length not in (None, len(video.file_names)):
        message = f"length is {video.length!r}, but there are {len(video.file_names)} file names; these count"
        document.defects.append(Defect("SEG004", message, document.name, f"{place}/length", severity="warning"))
    return True


def _films(
    document: Document, items: Items[VideoItem], row_of: dict[Id, int | None], listing: ImageList
) -> tuple[dict[str, Film], frozenset[str]]:
    """Where each image belongs, and which nobody annotated."""
    films: dict[str, Film] = {}
    unannotated = set()
    names: set[str] = set()
    split = split_of(document.path)
    for i in (row for row in row_of.values() if row is not None):
        video = items.items[i]
        own = _own(video, items.place(i), document)
        if own is None:
            sequence = _sequence(video, names)
            numbers = frame_numbers([PurePosixPath(name).stem for name in video.file_names])
            own = Own(sequence, list[Number | None](numbers), split)
        names.add(own.sequence or "")
        for k in range(len(video.file_names)):
            row = listing.row_of.get(frame_id(video, k), -1)
            if row >= 0:
                frame = own.frames[k] if own.frames is not None else None
                films.setdefault(listing.image_ids[row], Film(own.sequence, frame, own.split))
                unannotated |= {listing.image_ids[row]} if k in own.unannotated else set()
    return films, frozenset(unannotated)


def _own(video: VideoItem, place: str, document: Document) -> Own | None:
    """What our writer kept of a video; None where another wrote it."""
    if not len(video.segdata):
        return None
    try:
        own = msgspec.json.decode(video.segdata, type=Own)
    except msgspec.ValidationError as error:
        document.defects.append(Defect("SEG004", f"{error}; ignored", document.name, f"{place}/{OWN}"))
        return None
    if own.frames is not None and len(own.frames) != len(video.file_names):
        message = f"{len(own.frames)} frame numbers for {len(video.file_names)} frames; ignored"
        document.defects.append(Defect("SEG004", message, document.name, f"{place}/{OWN}/frames"))
        return None
    return own


def _sequence(video: VideoItem, taken: set[str]) -> str:
    """The folder of a video's frames, where they have one that no other video has; else its id."""
    folders = {PurePosixPath(name).parent.as_posix() for name in video.file_names}
    name = next(iter(folders)) if len(folders) == 1 else "."
    return str(video.id) if name == "." or name in taken else name


def split_of(path: Path) -> str | None:
    """The split that the name of a document or of its folder tells.

    >>> split_of(Path("ovis/annotations_train.json")), split_of(Path("valid/instances.json"))
    ('train', 'valid')
    """
    words = [*path.stem.replace("-", "_").split("_"), path.absolute().parent.name]
    return next((word for word in words if word.lower() in SPLIT_FOLDERS), None)
