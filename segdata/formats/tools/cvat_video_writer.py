"""Writes CVAT XML 1.1 for videos: a file for each video, with a track for each object and a shape for each frame."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.format import LossCounter
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category
from segdata.formats.shared.painting import (
    count_losses,
    count_segments,
    segment_examples,
    start_folder,
)
from segdata.formats.shared.pairing import Cell, write_index
from segdata.formats.shared.safe_parsers import is_xml_text
from segdata.formats.tools.cvat_writer import COUNTED, AttributeTypes, element_texts, segment_shapes, xml_head
from segdata.formats.tools.source import category_names, image_rows, writable_rows
from segdata.formats.video.frame_masks import FramePath, FramePaths

DOCUMENT = "annotations.xml"
_HELD = frozenset({"segments.source", "images.split", "images.sequence", "images.frame"})
_LAST = 10**9 - 1  # of frames and tracks
_TrackKey = tuple[str, int, int]  # label, track, and how many segments of both come before it in the frame
Json = dict[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class _TrackShape:
    """A shape of a track in a frame: its element's name, its geometry, source, other fields and content."""

    frame: int
    tag: str
    geometry: str
    source: str
    fields: str
    inner: str
    image: str
    segment_id: int

    def element(self, frame: int, outside: Literal[0, 1], source: str) -> str:
        keys = f'frame="{frame}" keyframe="1" outside="{outside}"'
        return f"<{self.tag} {keys}{source}{self.fields}{self.geometry}>{self.inner}</{self.tag}>\n"


@dataclass(slots=True)
class _Video:
    """What is known of a video while it is read."""

    name: str
    split: str | None
    rows: dict[int, tuple[Cell, ...]] = field(default_factory=dict)  # frame -> its line in images.csv
    tracks: dict[_TrackKey, list[_TrackShape]] = field(default_factory=dict)
    n_loose: int = 0  # segments without a track; their numbers in the keys are below 0

    def document(self, categories: list[Category], specs: AttributeTypes) -> str:
        """The file: frames are numbered from 0 in their order."""
        order = {frame: number for number, frame in enumerate(sorted(self.rows))}
        width, height = next(((row[2], row[3]) for row in self.rows.values()), (0, 0))
        more = f"<start_frame>0</start_frame>\n<stop_frame>{len(order) - 1}</stop_frame>\n" if order else ""
        if self.split is not None and is_xml_text(self.split):
            more += f"<subset>{escape(self.split)}</subset>\n"
        more += f"<original_size><width>{width or 0}</width><height>{height or 0}</height></original_size>\n"
        head = xml_head(self.name, len(order), categories, specs, mode="interpolation", more=more)
        return head + "".join(self._track_elements(order)) + "</annotations>\n"

    def _track_elements(self, order: dict[int, int]) -> Iterator[str]:
        used = {track for _, track, _ in self.tracks if 0 <= track <= _LAST}
        free = (number for number in count(max(used, default=-1) + 1) if number not in used)
        new = {track: next(free) for track in dict.fromkeys(track for _, track, _ in self.tracks) if track not in used}
        for (label, track, _), shapes in self.tracks.items():
            sources = {shape.source for shape in shapes}
            of_track = sources.pop() if len(sources) == 1 else ""
            elements = []
            shapes.sort(key=lambda shape: shape.frame)
            following = [*(order[shape.frame] for shape in shapes[1:]), len(order)]
            for shape, after in zip(shapes, following, strict=True):
                number = order[shape.frame]
                source = "" if of_track else shape.source
                elements.append(shape.element(number, 0, source))
                if number + 1 < after:  # else CVAT would leave the shape where it is
                    elements.append(shape.element(number + 1, 1, source))
            keys = f'id="{new.get(track, track)}" label={quoteattr(label)}{of_track}'
            yield f"<track {keys}>\n{''.join(elements)}</track>\n"

    def renamed(self) -> list[str]:
        """The segments that have another id when they are read: there they are numbered in the order of tracks."""
        numbers = Counter[int]()
        names = []
        for shapes in self.tracks.values():
            for shape in shapes:
                numbers[shape.frame] += 1
                if numbers[shape.frame] != shape.segment_id:
                    names.append(f"{shape.image}: segment {shape.segment_id}")
        return names


def write_cvat_videos(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write a folder for each video into `target`, or the files of the only one.

    ``annotations.xml`` has the frames by number, ``images.csv`` beside it their names in that order. Raises
    SegdataError if frames have no number or the same one.
    """
    names = {id_: name for id_, name in category_names(profile.taxonomy).items() if is_xml_text(name)}
    start_folder(target, profile, losses)
    specs, paths = AttributeTypes(is_mutable=True), FramePaths(_LAST)
    videos: dict[str, _Video] = {}  # by folder
    for batch in batches:
        count_losses(batch, losses, COUNTED, _HELD)
        _add_batch(videos, paths.assign(batch), batch, names, specs, losses)
    specs.count_lost(losses)
    categories = [category for category in profile.taxonomy.categories if names.get(category.id) == category.name]
    videos = videos or {"": _Video(profile.name, None)}
    for folder, video in videos.items():
        place = target if len(videos) == 1 else target / folder
        place.mkdir(exist_ok=True)
        (place / DOCUMENT).write_text(video.document(categories, specs), encoding="utf-8", newline="\n")
        write_index(place, [row for _, row in sorted(video.rows.items())], videos=True)
        renamed = video.renamed()
        losses.add("segment-id", "segments", len(renamed), examples=renamed[:3])


def _add_batch(
    videos: dict[str, _Video],
    paths: list[FramePath],
    batch: Batch,
    names: dict[int, str],
    specs: AttributeTypes,
    losses: LossCounter,
) -> None:
    """Add the images of a batch to their videos."""
    rows = writable_rows(batch, names, losses, empty=False)
    shapes = segment_shapes(batch, rows, losses, most=1)
    segments = batch.segments.take(pa.array(rows)).to_pylist()
    sources = batch.annotations["source"].to_pylist()
    annotated = set(batch.annotation_image.tolist())
    count_segments(batch, rows[[segment["source_id"] is not None for segment in segments]], "segment-id", losses)
    for row, (path, (image, in_image, _)) in enumerate(zip(paths, image_rows(batch, rows), strict=True)):
        video = videos.setdefault(path.folder, _Video(image["sequence"] or path.folder, path.split))
        cells = (image[name] for name in ("width", "height", "uri", "sequence", "frame", "split"))
        video.rows[path.number] = (image["image_id"], DOCUMENT if row in annotated else None, *cells)
        nth = Counter[tuple[str, int]]()
        for k in range(in_image.start, in_image.stop):
            segment, label = segments[k], names[segments[k]["category_id"]]
            source = segment["source"] or sources[segment["annotation"]]
            fields, inner, is_whole = element_texts(segment | {"track_id": None}, label, source, specs)
            if not is_whole:
                losses.add("attributes", "segments", 1, examples=segment_examples(batch, rows[[k]]))
            track = segment["track_id"]
            if track is None or not 0 <= track <= _LAST:
                losses.add("track", "segments", 1, examples=segment_examples(batch, rows[[k]]))
                video.n_loose += track is None
                track = -video.n_loose if track is None else track
            of_shape = re.match(r' source="[^"]*"', fields)
            source = of_shape[0] if of_shape else ""
            geometry = shapes[k][0]
            shape = _TrackShape(path.number, *geometry, source, fields.removeprefix(source), inner, image["image_id"],
                                segment["segment_id"])  # fmt: skip
            video.tracks.setdefault((label, track, nth[label, track]), []).append(shape)
            nth[label, track] += 1
