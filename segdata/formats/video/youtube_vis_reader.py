"""YouTube-VIS reader: the frames of videos and tracks as images and annotations of COCO."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replace_column
from segdata.core.errors import UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.core.format import FileProbe, ReadRequest
from segdata.core.paths import split_of_folder, split_of_name
from segdata.core.profile import ImageSequence
from segdata.core.runs import Ints
from segdata.formats.coco.document import (
    MISSING,
    Document,
    DocumentKind,
    Id,
    Items,
    Raw,
    decode_items,
    integer_id,
    read_document,
)
from segdata.formats.coco.images import (
    MAX_SIDE,
    AnyImageItem,
    Categories,
    ImageList,
    StrictImageItem,
    list_images,
    truth_categories,
)
from segdata.formats.coco.instances_reader import join_annotations
from segdata.formats.coco.segments import StrictAnnotationItem
from segdata.formats.shared.derived_sources import AlteredSource, with_origin
from segdata.formats.shared.image_names import find_images
from segdata.formats.shared.per_image import relative_path
from segdata.formats.video.frame_masks import frame_numbers
from segdata.formats.video.youtube_vis import find_documents

SEGDATA_KEY = "segdata"  # the key of a video for data that the format cannot hold


Number = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]


class SegdataVideo(msgspec.Struct, omit_defaults=True):
    """The member `segdata` of a video, by segdata's writer: None is unknown; `unannotated` are positions of frames."""

    sequence: str | None = None
    frames: list[Number | None] | None = None
    split: str | None = None
    unannotated: list[int] = []


class _VideoItem(msgspec.Struct, gc=False):
    """An entry of `videos`."""

    id: Id
    file_names: list[str]
    width: int | float
    height: int | float
    length: Any = None  # Any: compared with the number of names
    segdata: Raw = MISSING


class _StrictVideoItem(_VideoItem, gc=False, forbid_unknown_fields=True):
    """An entry of `videos` without further keys."""


VIDEO_KEYS = frozenset(_VideoItem.__struct_fields__)


@dataclass(frozen=True, slots=True)
class _FramePosition:
    """The sequence of a frame, its number there, and its split."""

    sequence: str | None
    frame: int | None
    split: str | None


@dataclass(frozen=True, slots=True)
class _FrameItems(Items[AnyImageItem]):
    """The frames of all videos."""

    origin: Sequence[tuple[int, int]] = ()  # (n,) the position in `videos`, and in its `file_names`
    videos: Items[_VideoItem] = field(default_factory=Items)  # their entries

    def place(self, row: int, within: str = "") -> str:
        video, position = self.origin[row]
        return self.videos.place(video, f"/file_names/{position}" if within in ("", "/file_name") else "")

    def extras(self, rows: Iterable[int], known: frozenset[str]) -> list[dict[str, str]]:
        return self.videos.extras([self.origin[row][0] for row in rows], VIDEO_KEYS)

    def excerpt(self, positions: Ints) -> "_FrameItems":
        rows = positions.tolist()
        origin, raws = [self.origin[i] for i in rows], self.videos.raws
        needed = {row: raws[row] for row in {self.videos.rows[video] for video, _ in origin}} if raws else ()
        videos = replace(self.videos, items=(), raws=needed)
        return _FrameItems([self.items[i] for i in rows], range(len(rows)), origin=origin, videos=videos)


@dataclass(frozen=True, slots=True)
class Videos:
    """The videos of a document."""

    items: Items[_VideoItem]  # their entries
    row_of: dict[Id, int | None]  # the document's video id -> position in `items`, or None for one that was left out
    # the frames as images; a frame's id is its video's id and its position, ``7/0``
    listing: ImageList
    positions: dict[str, _FramePosition]  # image_id -> its position
    unannotated: frozenset[str]  # image ids of frames that are not annotated


def _frame_id(video: _VideoItem, position: int) -> str:
    return f"{video.id}/{position}"


def read_videos(document: Document) -> Videos:
    """Read the videos of a document; adds their defects to the document's."""
    items: Items[_VideoItem] = decode_items(document, "videos", _StrictVideoItem, _VideoItem)
    row_of: dict[Id, int | None] = {}
    frames, positions_of = [], []
    for i, video in enumerate(items.items):
        if video.id in row_of:
            message = f"video id {video.id!r} occurs twice; the first counts"
            document.report("SEG008", message, items.place(i, "/id"))
            continue
        row_of[video.id] = i if _is_sound(video, items.place(i), document) else None
        if row_of[video.id] is not None:
            positions = range(len(video.file_names))
            frames += [
                StrictImageItem(_frame_id(video, k), video.file_names[k], video.width, video.height) for k in positions
            ]
            positions_of += [(i, k) for k in positions]
    listing = list_images(document, _FrameItems(frames, range(len(frames)), origin=positions_of, videos=items))
    position_of_image, unannotated = _frame_positions(document, items, row_of, listing)
    return Videos(items, row_of, listing, position_of_image, unannotated)


def _is_sound(video: _VideoItem, place: str, document: Document) -> bool:
    """Whether the frames of a video can be read; SEG004 for an invalid size or length."""
    if not all(1 <= side <= MAX_SIDE and side == int(side) for side in (video.width, video.height)):
        message = f"the video's size is {video.width} x {video.height}; sides of 1 to {MAX_SIDE:,} pixels are expected"
        document.report("SEG004", f"{message}; left out", place)
        return False
    if video.length not in (None, len(video.file_names)):
        message = f"length is {video.length!r}, but there are {len(video.file_names)} file names, which count"
        document.report("SEG004", message, f"{place}/length", severity="warning")
    return True


def _frame_positions(
    document: Document, items: Items[_VideoItem], row_of: dict[Id, int | None], listing: ImageList
) -> tuple[dict[str, _FramePosition], frozenset[str]]:
    """Image id -> its position, and the images that are not annotated."""
    position_of: dict[str, _FramePosition] = {}
    unannotated = set()
    names: set[str] = set()
    split = split_of(document.path)
    for i in (row for row in row_of.values() if row is not None):
        video = items.items[i]
        kept = _segdata_video(video, items.place(i), document)
        if kept is None:
            sequence = _sequence(video, names)
            numbers = frame_numbers([PurePosixPath(name).stem for name in video.file_names])
            kept = SegdataVideo(sequence, list[Number | None](numbers), split)
        names.add(kept.sequence or "")
        for k in range(len(video.file_names)):
            row = listing.row_of.get(_frame_id(video, k), -1)
            if row >= 0:
                frame = kept.frames[k] if kept.frames is not None else None
                position_of.setdefault(listing.image_ids[row], _FramePosition(kept.sequence, frame, kept.split))
                unannotated |= {listing.image_ids[row]} if k in kept.unannotated else set()
    return position_of, frozenset(unannotated)


def _segdata_video(video: _VideoItem, place: str, document: Document) -> SegdataVideo | None:
    """The member `segdata` of a video; None if another program wrote it."""
    if not len(video.segdata):
        return None
    try:
        kept = msgspec.json.decode(video.segdata, type=SegdataVideo)
    except msgspec.ValidationError as error:
        document.report("SEG004", f"{error}; ignored", f"{place}/{SEGDATA_KEY}")
        return None
    if kept.frames is not None and len(kept.frames) != len(video.file_names):
        message = f"{len(kept.frames)} frame numbers for {len(video.file_names)} frames; ignored"
        document.report("SEG004", message, f"{place}/{SEGDATA_KEY}/frames")
        return None
    return kept


def _sequence(video: _VideoItem, taken: set[str]) -> str:
    """The name of a video's sequence: the folder of its frames if that is unique, else the video's id."""
    folders = {PurePosixPath(name).parent.as_posix() for name in video.file_names}
    name = next(iter(folders)) if len(folders) == 1 else "."
    return str(video.id) if name == "." or name in taken else name


def split_of(path: Path) -> str | None:
    """The split in the name of a document or of its folder.

    >>> split_of(Path("ovis/annotations_train.json")), split_of(Path("valid/instances.json"))
    ('train', 'val')
    """
    return split_of_name(path.stem) or split_of_folder(path.absolute().parent.name)


_NULL = Raw(b"null")
_MAX_ABSENT_BYTES = 8  # enough for null or an empty list, which mean that a track is not in a frame
_MAX_EMPTY_BYTES = 48  # of an RLE with one run, which has no pixel and needs no box


class _TrackItem(msgspec.Struct, gc=False, kw_only=True):
    """An entry of `annotations`. Lists have a value for each frame; values needed only for loading stay raw.

    `occlusion` is OVIS' list; segdata's writer adds `attributes`, `scores` and `track_id`. `avg_area`, `height`,
    `width` and `length` repeat other values of the document.
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


class _StrictTrackItem(_TrackItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An entry of `annotations` without further keys."""


_TRACK_KEYS = frozenset(_TrackItem.__struct_fields__)
_PER_FRAME = {"segmentation": "segmentations", "area": "areas", "bbox": "bboxes", "score": "scores"}


@dataclass(frozen=True, slots=True)
class _SegmentItems(Items[StrictAnnotationItem]):
    """The segments of all tracks."""

    origin: Sequence[tuple[int, int]] = ()  # (n,) the position of the track in `tracks`, and of the frame in its lists
    tracks: Items[_TrackItem] = field(default_factory=Items)  # their entries
    more: dict[int, dict[str, str]] = field(default_factory=dict)  # position of a track -> its further keys
    # positions of a track and of a frame -> its attributes there
    in_frame: dict[tuple[int, int], dict[str, str]] = field(default_factory=dict)

    def place(self, row: int, within: str = "") -> str:
        """The place of a segment, or of a pointer within it."""
        track, position = self.origin[row]
        _, _, rest = within.partition("/")
        key, slash, deeper = rest.partition("/")
        if not within:
            return self.tracks.place(track, f"/segmentations/{position}")
        return self.tracks.place(
            track, f"/{_PER_FRAME[key]}/{position}{slash}{deeper}" if key in _PER_FRAME else within
        )

    def places(self, rows: Ints) -> pa.Array:
        return pa.array([self.place(row) for row in rows.tolist()], pa.string())

    def extras(self, rows: Iterable[int], known: frozenset[str]) -> list[dict[str, str]]:
        """The further keys of tracks, and the attributes of single frames."""
        return [self.more[self.origin[row][0]] | self.in_frame.get(self.origin[row], {}) for row in rows]

    def excerpt(self, positions: Ints) -> "_SegmentItems":
        rows = positions.tolist()
        origin = [self.origin[i] for i in rows]
        return replace(
            self,
            items=[self.items[i] for i in rows],
            rows=[self.rows[i] for i in rows],
            origin=origin,
            tracks=replace(self.tracks, items=(), raws=()),  # only places of tracks are asked for
            more={track: self.more[track] for track, _ in origin},
            in_frame={place: self.in_frame[place] for place in origin if place in self.in_frame},
        )


def _read_tracks(document: Document, videos: Videos, categories: Categories) -> _SegmentItems:
    """The segments of a document's tracks; those of unknown videos and categories or of another length are left out."""
    tracks: Items[_TrackItem] = decode_items(document, "annotations", _StrictTrackItem, _TrackItem)
    for i, track in enumerate(tracks.items):
        if track.id is None:
            track.id = tracks.rows[i] + 1  # the numbers that ytvos.py gives results
    _report_duplicates(document, tracks)
    further = tracks.extras(range(len(tracks.items)), _TRACK_KEYS)
    segments: list[StrictAnnotationItem] = []
    positions_of: list[tuple[int, int]] = []
    in_frame: dict[tuple[int, int], dict[str, str]] = {}
    more: dict[int, dict[str, str]] = {}
    for i, track in enumerate(tracks.items):
        if _belongs(i, tracks, document, videos, categories):
            more[i] = further[i]
            positions = [
                k for k, raw in enumerate(track.segmentations) if len(raw) > _MAX_ABSENT_BYTES or not _is_absent(raw)
            ]
            segments += _segments(i, tracks, positions, document, videos)
            positions_of += [(i, k) for k in positions]
            _add_attributes(i, tracks, positions, document, more, in_frame)
    return _SegmentItems(
        items=segments,
        rows=range(len(segments)),
        raws=(),
        pointer=tracks.pointer,
        origin=positions_of,
        tracks=tracks,
        more=more,
        in_frame=in_frame,
    )


def _report_duplicates(document: Document, tracks: Items[_TrackItem]) -> None:
    """SEG008 for every id that several tracks have; all are read."""
    count = Counter(track.id for track in tracks.items)
    ids_seen: set[Id | None] = set()
    for i, track in enumerate(tracks.items):
        if count[track.id] > 1 and track.id in ids_seen:
            message = f"annotation id {track.id!r} occurs {count[track.id]} times; all are read"
            document.report("SEG008", message, tracks.place(i, "/id"))
            count[track.id] = 0
        ids_seen.add(track.id)


def _belongs(i: int, tracks: Items[_TrackItem], document: Document, videos: Videos, categories: Categories) -> bool:
    """Whether a track's video and category exist; else adds a defect, unless the video has one."""
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
    document.report(code, f"{message}; left out", tracks.place(i, place), segments=ids)
    return False


def _segments(
    i: int, tracks: Items[_TrackItem], positions: list[int], document: Document, videos: Videos
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
    drawn = [k for k in positions if len(track.segmentations[k]) > _MAX_EMPTY_BYTES]
    for key, values in (("areas", areas), ("bboxes", boxes)):
        lacking = [k for k in drawn if values and _is_absent(values[k])]
        if 0 < len(lacking) < len(drawn):
            place = tracks.place(i, f"/{key}/{lacking[0]}")
            message = f"{key} are null in {len(lacking)} of {count_noun(len(drawn), 'frame')} with an outline"
            document.report("SEG004", f"{message}; compute them anew", place, severity="warning")
    return [
        StrictAnnotationItem(
            id=identity,
            image_id=_frame_id(video, k),
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


def _add_attributes(
    i: int,
    tracks: Items[_TrackItem],
    positions: list[int],
    document: Document,
    more: dict[int, dict[str, str]],
    in_frame: dict[tuple[int, int], dict[str, str]],
) -> None:
    """Store a track's attributes: for each frame if they are a list, else for the track."""
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
                attributes = in_frame.setdefault((i, k), {})
                attributes |= _object(values[k]) if name == "attributes" else {name: _text(values[k])}


def _is_absent(raw: Raw) -> bool:
    return bytes(raw).translate(None, b" \t\r\n") in (b"null", b"[]")


def _object(raw: Raw) -> dict[str, str]:
    """The members of an object; any other value becomes the attribute `attributes`."""
    try:
        return {key: _text(value) for key, value in msgspec.json.decode(raw, type=dict[str, Raw]).items()}
    except msgspec.ValidationError:
        return {"attributes": _text(raw)}


def _text(raw: Raw) -> str:
    return str(memoryview(raw), "utf-8")


def _list(raw: Raw, n: int, place: str, document: Document) -> list[Raw]:
    """The values of a list with one for each frame; empty if there is no such list, SEG004 for any other list."""
    if not len(raw) or raw == _NULL:
        return []
    try:
        values = msgspec.json.decode(raw, type=list[Raw])
    except msgspec.ValidationError:
        document.report("SEG004", "is not a list with a value for each frame; ignored", place)
        return []
    if len(values) != n:
        message = f"{len(values)} values for {n} frames; ignored"
        document.report("SEG004", message, place)
        return []
    return values


_EXPECTED = "an object with videos, annotations and categories, or a list of results"
_DOCUMENT = DocumentKind("a YouTube-VIS document", _EXPECTED)
_RESULTS = DocumentKind("a list of YouTube-VIS results", _EXPECTED, "annotations")


def open_document(request: ReadRequest) -> AlteredSource:
    """Open a document, or a list of results.

    Raises UnreadableError if there is none, or several, and if the videos of results are unknown.
    """
    root = request.root
    names = [root.name] if root.is_file() else find_documents(FileProbe(root))
    if len(names) != 1:
        problem = f"{len(names)} YouTube-VIS documents; name one of them: {', '.join(names[:5])}"
        raise UnreadableError(f"{root}: {problem if names else 'no YouTube-VIS document in this folder'}")
    path, name = root if root.is_file() else root / names[0], names[0]
    document = read_document(path, name, _RESULTS)
    is_results = set(document.parts or {}) == {"annotations"}
    if not is_results:
        document = replace(document, kind=_DOCUMENT)
    truth = _read_truth(request, path) if is_results else document
    videos = read_videos(truth)
    categories = truth_categories(truth, request.taxonomy)
    # The documents of test sets have no annotations: their videos are not annotated.
    annotated = bytes((document.parts or {}).get("annotations", b"null")) != b"null"
    tracks = _read_tracks(document, videos, categories) if annotated else _SegmentItems()
    folder, missing = find_images(truth.path, truth.name, videos.listing.image_ids, request.images)
    opened = join_annotations(request, document, tracks, videos.listing, categories, folder, "youtube-vis")
    document.defects.extend([*(truth.defects if is_results else ()), *missing])
    sequence_names = dict.fromkeys(position.sequence for position in videos.positions.values())
    sequences = tuple(ImageSequence(sequence) for sequence in sequence_names if sequence is not None)
    opened = replace(opened, profile=replace(opened.profile, sequences=sequences))
    unnamed = folder.paths.keys() - set(videos.listing.image_ids)
    source = AlteredSource(opened, partial(_add_sequences, videos, annotated), _unlisted_images(name, len(unnamed)))
    return with_origin(source, "model") if is_results else source


def _read_truth(request: ReadRequest, path: Path) -> Document:
    named = request.options.get("truth")
    if named is None:
        raise UnreadableError(
            f"{path}: results name videos and categories by id only; give the document that lists them: --read-option "
            "truth=FILE.json (the ground truth)"
        )
    truth = Path(str(named))
    document = read_document(truth, relative_path(request.root, truth), _DOCUMENT)
    if document.parts is None or "videos" not in document.parts:
        raise UnreadableError(f"{truth}: lists no videos, so it cannot be the ground truth (option truth)")
    return document


def _unlisted_images(document: str, n_images: int) -> tuple[Defect, ...]:
    """SEG011, as an information: videos often have more frames than are annotated."""
    verb = "is not a frame" if n_images == 1 else "are not frames"
    message = f"{count_noun(n_images, 'image file')} {verb} of its videos"
    return (Defect("SEG011", message, document, severity="info"),) if n_images else ()


def _add_sequences(videos: Videos, annotated: bool, batch: Batch) -> Batch:
    """The batch with the sequences of its images, and without annotations of unannotated frames."""
    names = batch.images["image_id"].to_pylist()
    positions = [videos.positions[name] for name in names]
    images = batch.images
    for column in ("sequence", "frame", "split"):
        images = replace_column(images, column, [getattr(position, column) for position in positions])
    is_unannotated = np.array([not annotated or name in videos.unannotated for name in names], bool)
    kept = ~is_unannotated[batch.annotation_image]
    # A frame with segments is annotated, even if the document lists it as unannotated.
    kept[batch.segment_annotation] = True
    number = (np.cumsum(kept) - 1).astype(np.int32)
    return replace(
        batch,
        images=images,
        annotations=batch.annotations.filter(pa.array(kept)),
        segments=replace_column(batch.segments, "annotation", number[batch.segment_annotation]),
    )
