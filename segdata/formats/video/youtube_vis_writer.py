"""YouTube-VIS writer: one JSON of videos and tracks; frames are kept on disk until their video is complete."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, check_choice
from segdata.core.losses import AffectedItems, LossCounter
from segdata.core.paths import with_folder
from segdata.core.profile import Profile
from segdata.core.runs import bounding_boxes
from segdata.core.taxonomy import Taxonomy
from segdata.formats.coco import POLYGON_CHOICES
from segdata.formats.coco.document import Raw, raw_json
from segdata.formats.coco.images import category_items
from segdata.formats.coco.segments import write_rles
from segdata.formats.coco.writer import are_listable, count_profile_losses, document_head, encode_segments
from segdata.formats.shared.writing import count_losses, count_segments
from segdata.formats.video.frame_masks import Spool
from segdata.formats.video.youtube_vis import LOSSES
from segdata.formats.video.youtube_vis_reader import SEGDATA_KEY, VIDEO_KEYS, SegdataVideo

_HELD_COLUMNS = frozenset({"images.sequence", "images.frame", "images.split", "images.metadata"})
_OCCLUSION = "occlusion"
Pairs = list[tuple[str, str]]


class _TrackFrame(msgspec.Struct, array_like=True, gc=False):
    """A segment: one frame of a track."""

    track: int | None
    category: int
    crowd: bool
    id: int
    text: bool  # whether the source's id is a text
    score: float | None
    attributes: Pairs | None
    area: int
    bbox: list[int]
    shape: Any  # rings, or an RLE


class _VideoFrame(msgspec.Struct, array_like=True, gc=False):
    """An image with its segments."""

    name: str
    number: int | None
    split: str | None
    height: int
    width: int
    annotated: bool
    metadata: Pairs | None
    pieces: list[_TrackFrame]


def write_document(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    *,
    polygons: str = "source",
) -> None:
    """Write one document: `target` itself where it ends in .json, else instances.json in that folder."""
    path = target if target.suffix.lower() == ".json" else target / "instances.json"
    check_choice("polygons", polygons, tuple(POLYGON_CHOICES))
    count_profile_losses(profile, losses)
    with Spool() as spooled_frames, Spool() as tracks:
        sequence_of: dict[str, str | None] = {}
        single = count()
        for batch in batches:
            count_losses(batch, losses, LOSSES - {"rings"}, _HELD_COLUMNS)
            for sequence, frame in _frames(batch, profile.taxonomy, losses, polygons):
                key = f"s{sequence}" if sequence is not None else str(next(single))
                sequence_of[key] = sequence
                spooled_frames.add(key, msgspec.msgpack.encode([frame]))
        videos = []
        ids = _Ids()
        for number, (key, pieces) in enumerate(spooled_frames.items(), 1):
            frames = [msgspec.msgpack.decode(piece, type=list[_VideoFrame])[0] for piece in pieces]
            frames.sort(key=lambda frame: (frame.number is None, frame.number, frame.name))
            videos.append(msgspec.json.encode(_video(number, sequence_of[key], frames, losses)))
            for track in _tracks(number, frames, ids, losses):
                tracks.add("", msgspec.json.encode(track))
        _write(path, profile, videos, (piece for _, pieces in tracks.items() for piece in pieces))


def _frames(
    batch: Batch, taxonomy: Taxonomy, losses: LossCounter, polygons: str
) -> Iterator[tuple[str | None, _VideoFrame]]:
    rows = np.flatnonzero(are_listable(batch, taxonomy, losses))
    drawing = encode_segments(batch, rows, polygons)
    lost = rows[np.flatnonzero(drawing.lost)]
    count_segments(batch, lost, "rings", losses)
    height, width = batch.image_size
    areas = batch.runs.areas(batch.n_segments)[rows]
    empty = rows[areas == 0]
    # An empty list of rings would say that the track is not in the frame.
    blank = iter(write_rles(batch.runs, empty, *batch.segment_size))
    shapes = [shape if area else next(blank) for shape, area in zip(drawing.shapes, areas, strict=True)]
    box = np.stack(bounding_boxes(batch.runs, batch.segment_size[0], batch.n_segments), axis=1)[rows]
    columns = ("track_id", "category_id", "iscrowd", "segment_id", "source_id", "score", "attributes")
    columns_of_segments = batch.segments.select(columns).take(pa.array(rows))
    pieces = [
        _TrackFrame(
            track=track,
            category=category,
            crowd=bool(crowd),
            id=id_,
            text=text is not None,
            score=score,
            attributes=attributes,
            area=area,
            bbox=bbox,
            shape=shape,
        )
        for (track, category, crowd, id_, text, score, attributes), area, bbox, shape in zip(
            zip(*(columns_of_segments[name].to_pylist() for name in columns), strict=True),
            areas.tolist(),
            box.tolist(),
            shapes,
            strict=True,
        )
    ]
    bounds = np.searchsorted(batch.segment_image[rows], np.arange(batch.images.num_rows + 1)).tolist()
    annotated = np.isin(np.arange(batch.images.num_rows), batch.annotation_image).tolist()
    names = ("image_id", "sequence", "frame", "split", "metadata")
    for k, (name, sequence, number, split, metadata) in enumerate(
        zip(*(batch.images[column].to_pylist() for column in names), strict=True)
    ):
        size = int(height[k]), int(width[k])
        yield (
            sequence,
            _VideoFrame(name, number, split, *size, annotated[k], metadata, pieces[bounds[k] : bounds[k + 1]]),
        )


class _Ids:
    """Assigns positive ids of tracks that are unique in a document."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._free = count(1)

    def take(self, wanted: int) -> int:
        """`wanted` if it is free, else the lowest free id."""
        new_id = (
            wanted if wanted > 0 and wanted not in self._taken else next(k for k in self._free if k not in self._taken)
        )
        self._taken.add(new_id)
        return new_id


def _video(number: int, sequence: str | None, frames: Sequence[_VideoFrame], losses: LossCounter) -> dict[str, object]:
    """An entry of `videos`: metadata that all frames share become the video's."""
    sizes = {(frame.width, frame.height) for frame in frames}
    if len(sizes) > 1 or (0, 0) in sizes:
        sizes_text = " and ".join(f"{width}x{height}" for width, height in sorted(sizes)[:2])
        raise SegdataError(
            f"video of {frames[0].name!r}: images of {sizes_text} px; YouTube-VIS needs one size per video"
        )
    width, height = sizes.pop()
    common = [pair for pair in frames[0].metadata or [] if pair[0] not in VIDEO_KEYS]
    common = [pair for pair in common if all(pair in (frame.metadata or []) for frame in frames)]
    differing = [frame.name for frame in frames if len(frame.metadata or []) > len(common)]
    splits = {frame.split for frame in frames}
    lost = [frame.name for frame in frames if frame.split is not None] if len(splits) > 1 else []
    differing = sorted({*differing, *lost})
    losses.add("image-details", "images", len(differing), examples=differing)
    kept = SegdataVideo(
        sequence,
        [frame.number for frame in frames],
        splits.pop() if len(splits) == 1 else None,
        [k for k, frame in enumerate(frames) if not frame.annotated],
    )
    entry: dict[str, object] = {key: raw_json(value) for key, value in common}
    names = [frame.name for frame in frames]
    return entry | {
        "id": number,
        "width": width,
        "height": height,
        "length": len(frames),
        "file_names": names,
        SEGDATA_KEY: kept,
    }


def _tracks(video: int, frames: Sequence[_VideoFrame], ids: _Ids, losses: LossCounter) -> Iterator[dict[str, object]]:
    """The entries of `annotations` of a video, one for each track, with a value for every frame."""
    slots_of: dict[tuple[object, ...], list[_TrackFrame | None]] = {}
    loose = count()
    for k, frame in enumerate(frames):
        for piece in frame.pieces:
            key = (piece.track, piece.category, piece.crowd, 0 if piece.track is not None else next(loose) + 1)
            while (slots := slots_of.setdefault(key, [None] * len(frames)))[k] is not None:
                key = (*key[:3], next(loose) + 1)  # a second segment in a frame becomes a separate track
            slots[k] = piece
    for slots in slots_of.values():
        pieces = [piece for piece in slots if piece is not None]
        track = pieces[0].track
        wanted = {piece.id for piece in pieces}
        id_ = ids.take(wanted.pop() if len(wanted) == 1 else track or 0)
        changed = [
            (frame.name, f"{frame.name}: {piece.id}")
            for frame, piece in zip(frames, slots, strict=True)
            if piece is not None and (piece.id != id_ or piece.text)
        ]
        there = AffectedItems([text for _, text in changed], [name for name, _ in changed])
        losses.add("segment-id", "segments", len(changed), examples=there)
        yield _entry(id_, video, (frames[0].height, frames[0].width), slots, pieces)


def _entry(
    id_: int, video: int, size: tuple[int, int], slots: Sequence[_TrackFrame | None], pieces: Sequence[_TrackFrame]
) -> dict[str, object]:
    first = pieces[0]
    entry: dict[str, object] = {
        "id": id_,
        "video_id": video,
        "category_id": first.category,
        "iscrowd": int(first.crowd),
        "height": size[0],
        "width": size[1],
        "length": len(slots),
        "segmentations": [piece and piece.shape for piece in slots],
        "bboxes": [piece and piece.bbox for piece in slots],
        "areas": [piece and piece.area for piece in slots],
    }
    if first.track != id_:
        entry["track_id"] = first.track
    scores = {piece.score for piece in pieces}
    if len(scores) > 1:
        entry["scores"] = [piece and piece.score for piece in slots]
    elif first.score is not None:
        entry["score"] = first.score
    attributes = [dict(piece.attributes or []) if piece else {} for piece in slots]
    occlusion = [values.pop(_OCCLUSION, None) if _is_text(values.get(_OCCLUSION)) else None for values in attributes]
    if any(level is not None for level in occlusion):
        entry[_OCCLUSION] = [raw_json(level) for level in occlusion]
    if any(attributes):
        entry["attributes"] = [{key: raw_json(value) for key, value in values.items()} or None for values in attributes]
    return entry


def _is_text(value: str | None) -> bool:
    """Whether an attribute is a JSON text, as OVIS' levels of occlusion are."""
    return value is not None and value.startswith('"')


def _write(path: Path, profile: Profile, videos: Sequence[bytes], tracks: Iterable[bytes]) -> None:
    """Write the document, videos first, so that detection finds them near the beginning."""
    head = document_head(profile)
    head["categories"] = Raw(msgspec.json.encode(category_items(profile.taxonomy, profile.metadata)))
    with with_folder(path).open("wb") as file:
        file.write(b'{"videos":[\n' + b",\n".join(videos) + b"\n]," + msgspec.json.encode(head)[1:-1])
        file.write(b',"annotations":[')
        separator = b"\n"
        for track in tracks:
            file.write(separator + track)
            separator = b",\n"
        file.write(b"\n]}\n")
