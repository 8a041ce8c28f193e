"""Tracks of a YouTube-VIS document: each frame of a track as an annotation of a COCO document."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

from segdata.core.finding import Defect
from segdata.core.runs import Ints
from segdata.formats.coco.attributes import StrictAnnotationItem
from segdata.formats.coco.categories import Categories
from segdata.formats.coco.document import MISSING, Document, Id, Items, Raw, decode_items, integer_id
from segdata.formats.youtube.videos import Videos, frame_id

_NULL = Raw(b"null")
_LONGEST = 8  # bytes of what says that a track is not in a frame: null, or an empty list


class TrackItem(msgspec.Struct, gc=False, kw_only=True):
    """An entry of `annotations`. Lists have a value for each frame; what only matters once it is loaded stays raw.

    `occlusion` is OVIS' list; `attributes`, `scores` and `track_id` are of our writer. `avg_area`, `height`, `width`
    and `length` repeat what the document says elsewhere.
    """

    id: Id | None = None
    video_id: Id
    category_id: int
    segmentations: list[Raw]
    areas: Raw = MISSING
    bboxes: Raw = MISSING
    scores: Raw = MISSING
    occlusion: Raw = MISSING
    attributes: Raw = MISSING
    score: Raw = MISSING
    iscrowd: Raw = MISSING
    track_id: Raw = MISSING
    avg_area: Raw = MISSING
    height: Raw = MISSING
    width: Raw = MISSING
    length: Raw = MISSING


class StrictTrackItem(TrackItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An entry of `annotations` without further keys."""


KNOWN = frozenset(TrackItem.__struct_fields__)
_PER_FRAME = {"segmentation": "segmentations", "area": "areas", "bbox": "bboxes", "score": "scores"}


@dataclass(frozen=True, slots=True)
class SegmentItems(Items[StrictAnnotationItem]):
    """The segments of all tracks, in a row.

    Attributes
    ----------
    of : (n,) the position of the track in `tracks`, and of the frame in its lists
    tracks : their entries
    more : position of a track -> its further keys
    in_frame : positions of a track and of a frame -> what is said of it there
    """

    of: Sequence[tuple[int, int]] = ()
    tracks: Items[TrackItem] = field(default_factory=Items)
    more: dict[int, dict[str, str]] = field(default_factory=dict)
    in_frame: dict[tuple[int, int], dict[str, str]] = field(default_factory=dict)

    def place(self, at: int, within: str = "") -> str:
        """Where a segment is, or what is at a pointer within it."""
        track, position = self.of[at]
        _, _, rest = within.partition("/")
        key, slash, deeper = rest.partition("/")
        if not within:
            return self.tracks.place(track, f"/segmentations/{position}")
        return self.tracks.place(
            track, f"/{_PER_FRAME[key]}/{position}{slash}{deeper}" if key in _PER_FRAME else within
        )

    def places(self, at: Ints) -> pa.Array:
        """Where each of the segments at some positions is."""
        return pa.array([self.place(each) for each in at.tolist()], pa.string())

    def extras(self, at: Iterable[int], known: frozenset[str]) -> list[dict[str, str]]:
        """The further keys of tracks, and what is said of single frames."""
        return [self.more[self.of[i][0]] | self.in_frame.get(self.of[i], {}) for i in at]


def read_tracks(document: Document, videos: Videos, categories: Categories) -> SegmentItems:
    """The segments of a document's tracks; those of unknown videos and categories or of another length are left out."""
    tracks: Items[TrackItem] = decode_items(document, "annotations", StrictTrackItem, TrackItem)
    for i, track in enumerate(tracks.items):
        if track.id is None:
            track.id = tracks.rows[i] + 1  # as ytvos.py numbers results
    _report_duplicates(document, tracks)
    further = tracks.extras(range(len(tracks.items)), KNOWN)
    segments: list[StrictAnnotationItem] = []
    of: list[tuple[int, int]] = []
    in_frame: dict[tuple[int, int], dict[str, str]] = {}
    more: dict[int, dict[str, str]] = {}
    for i, track in enumerate(tracks.items):
        if _belongs(i, tracks, document, videos, categories):
            more[i] = further[i]
            positions = [k for k, raw in enumerate(track.segmentations) if len(raw) > _LONGEST or not _is_absent(raw)]
            segments += _segments(i, tracks, positions, document, videos)
            of += [(i, k) for k in positions]
            _say(i, tracks, positions, document, more, in_frame)
    return SegmentItems(segments, range(len(segments)), (), tracks.pointer, of, tracks, more, in_frame)


def _report_duplicates(document: Document, tracks: Items[TrackItem]) -> None:
    """SEG008 for every id that several tracks have; all are read."""
    count = Counter(track.id for track in tracks.items)
    seen: set[Id | None] = set()
    for i, track in enumerate(tracks.items):
        if count[track.id] > 1 and track.id in seen:
            message = f"annotation id {track.id!r} is here {count[track.id]} times; all are read"
            document.defects.append(Defect("SEG008", message, document.name, tracks.place(i, "/id")))
            count[track.id] = 0
        seen.add(track.id)


def _belongs(i: int, tracks: Items[TrackItem], document: Document, videos: Videos, categories: Categories) -> bool:
    """Whether a track can be joined to its video and category, else a defect says why, unless the video has one."""
    track = tracks.items[i]
    row = videos.row_of.get(track.video_id)
    code, place = "SEG007", "/video_id"
    if track.video_id not in videos.row_of:
        message = f"video_id {track.video_id!r} is not among the videos"
    elif row is None:
        return False
    elif track.category_id not in categories.to:
        place, message = "/category_id", f"category_id {track.category_id} is not among the categories"
    elif len(track.segmentations) != (n := len(videos.items.items[row].file_names)):
        code, place = "SEG004", "/segmentations"
        message = f"{len(track.segmentations)} segmentations, but the video has {n} frames"
    else:
        return True
    ids = () if track.id is None else (track.id,)
    document.defects.append(Defect(code, f"{message}; left out", document.name, tracks.place(i, place), segments=ids))
    return False


def _segments(
    i: int, tracks: Items[TrackItem], positions: list[int], document: Document, videos: Videos
) -> list[StrictAnnotationItem]:
    """A track's segments, one for each of these positions."""
    track = tracks.items[i]
    identity = 0 if track.id is None else track.id
    video = videos.items.items[videos.row_of[track.video_id] or 0]
    own_track = track.track_id if len(track.track_id) else Raw(str(integer_id(identity)[0]).encode())
    columns = {
        name: _list(raw, len(track.segmentations), tracks.place(i, f"/{_PER_FRAME[name]}"), document)
        for name, raw in (("area", track.areas), ("bbox", track.bboxes), ("score", track.scores))
    }
    areas, boxes, scores = columns["area"], columns["bbox"], columns["score"]
    return [
        StrictAnnotationItem(
            id=identity,
            image_id=frame_id(video, k),
            category_id=track.category_id,
            segmentation=track.segmentations[k],
            area=areas[k] if areas else MISSING,
            bbox=boxes[k] if boxes else MISSING,
            score=scores[k] if scores else track.score,
            iscrowd=track.iscrowd,
            track_id=own_track,
        )
        for k in positions
    ]


def _say(
    i: int,
    tracks: Items[TrackItem],
    positions: list[int],
    document: Document,
    more: dict[int, dict[str, str]],
    in_frame: dict[tuple[int, int], dict[str, str]],
) -> None:
    """Keep the attributes of a track: of all of it where they are no list, else of its frames."""
    track = tracks.items[i]
    for name, raw in (("occlusion", track.occlusion), ("attributes", track.attributes)):
        if not len(raw) or raw == _NULL:
            continue
        if bytes(memoryview(raw)[:1]) != b"[":
            more[i] = more[i] | (_object(raw) if name == "attributes" else {name: _text(raw)})
            continue
        values = _list(raw, len(track.segmentations), tracks.place(i, f"/{name}"), document)
        for k in positions if values else ():
            if values[k] != _NULL:
                said = in_frame.setdefault((i, k), {})
                said |= _object(values[k]) if name == "attributes" else {name: _text(values[k])}


def _is_absent(raw: Raw) -> bool:
    """Whether a segmentation says that the track is not in the frame."""
    return bytes(raw).translate(None, b" \t\r\n") in (b"null", b"[]")


def _object(raw: Raw) -> dict[str, str]:
    """The members of an object; a value that is none, as the attribute `attributes`."""
    try:
        return {key: _text(value) for key, value in msgspec.json.decode(raw, type=dict[str, Raw]).items()}
    except msgspec.ValidationError:
        return {"attributes": _text(raw)}


def _text(raw: Raw) -> str:
    return str(memoryview(raw), "utf-8")


def _list(raw: Raw, n: int, place: str, document: Document) -> list[Raw]:
    """The values of a list with one for each frame; none where there is no such list, SEG004 where it is another."""
    if not len(raw) or raw == _NULL:
        return []
    try:
        values = msgspec.json.decode(raw, type=list[Raw])
    except msgspec.ValidationError:
        document.defects.append(
            Defect("SEG004", "is no list with a value for each frame; ignored", document.name, place)
        )
        return []
    if len(values) != n:
        message = f"{len(values)} values for {n} frames; ignored"
        document.defects.append(Defect("SEG004", message, document.name, place))
        return []
    return values
