"""Writes CVAT XML 1.1: polygons where they are exact, else masks.

For images, one file; for videos, a file for each, with a track for each object and a shape for each frame.
"""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, check_choice
from segdata.core.losses import LossCounter
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.safe_text import stored_json, whole_number
from segdata.core.taxonomy import Category
from segdata.formats.shapes.geometry import Bitmap, crop_bitmaps
from segdata.formats.shared import CVAT_LOSSES, writing
from segdata.formats.shared.image_index import Cell, write_index
from segdata.formats.shared.json_files import Json, attribute_value
from segdata.formats.shared.xml_files import is_xml_text
from segdata.formats.tools.cvat_shapes import COLUMN_ATTRIBUTES, SEMI_AUTO
from segdata.formats.tools.shapes import GROUP, json_text
from segdata.formats.tools.source import (
    assign_groups,
    category_names,
    count_lost_rings,
    image_rows,
    source_polygons,
    writable_rows,
)
from segdata.formats.video.frame_masks import FramePath, FramePaths

_DOCUMENT = "annotations.xml"
_COLUMN_LOSSES = CVAT_LOSSES - {"attributes", "empty-segment", "rings"}  # counted by columns
_HELD = frozenset({"segments.source", "images.split", "images.metadata"})
_SOURCES = {"human": "manual", "model": "auto", "consensus": "consensus"}
_TYPES = {bool: "checkbox", int: "number", float: "number", str: "text"}
_VALUES = {"checkbox": "false\ntrue", "number": "-1000000;1000000;1", "text": ""}
_DEFAULTS = {"checkbox": "false", "number": "0", "text": ""}
_TAGS = "tags"


@dataclass(slots=True)
class _AttributeTypes:
    """The attributes of each category's segments, with the number of values of each type."""

    is_mutable: bool = False  # whether they may differ within a track
    seen: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)

    def add(self, label: str, name: str, value: object) -> None:
        """Count an attribute's value on a segment with this label."""
        kinds = self.seen.setdefault(label, {}).setdefault(name, Counter())
        kinds[_TYPES.get(type(value), "other")] += 1

    def kind(self, label: str, name: str) -> str:
        """The common type of all values, else text."""
        kinds = self.seen[label][name]
        return next(iter(kinds)) if len(kinds) == 1 and "other" not in kinds else "text"

    def count_lost(self, losses: LossCounter) -> None:
        """Count the values of other types that become texts."""
        for label, names in self.seen.items():
            for name, kinds in names.items():
                if self.kind(label, name) == "text":
                    count = kinds.total() - kinds["text"]
                    losses.add("attributes", "segments", count, examples=[f"{label}: {name}"])


def write_cvat(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, layout: str = "images"
) -> None:
    """Write ``annotations.xml`` and ``taxonomy.yaml`` into `target`; raises SegdataError for an unknown layout."""
    check_choice("layout", layout, ("images", "video"))
    (_write_images if layout == "images" else _write_videos)(profile, batches, target, losses)


def _write_images(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write ``annotations.xml`` and ``taxonomy.yaml`` into `target`.

    The head of the file lists the attributes of all segments, so segments go to a temporary file first.
    """
    names = {id_: name for id_, name in category_names(profile.taxonomy).items() if is_xml_text(name)}
    writing.start_folder(target, profile, losses)
    specs, number = _AttributeTypes(), 0
    with tempfile.TemporaryFile() as body:
        for batch in batches:
            writing.count_losses(batch, losses, _COLUMN_LOSSES, _HELD)
            writing.count_unannotated_images(batch, losses)
            for image in _image_elements(batch, names, specs, losses, number):
                body.write(image.encode())
                number += 1
        specs.count_lost(losses)
        body.seek(0)
        categories = [category for category in profile.taxonomy.categories if names.get(category.id) == category.name]
        with (target / _DOCUMENT).open("wb") as file:
            file.write(_xml_head(profile.name, number, categories, specs).encode())
            shutil.copyfileobj(body, file)
            file.write(b"</annotations>\n")


def _xml_head(
    name: str,
    size: int,
    categories: Sequence[Category],
    specs: _AttributeTypes,
    *,
    mode: str = "annotation",
    more: str = "",
) -> str:
    """The head of a file: its task of `size` images, `more` elements of it, and the labels with their attributes."""
    labels = [_label_xml(category.name, category.rgb, "any", specs) for category in categories]
    names = {category.name for category in categories}
    labels += [_label_xml(tag, None, "tag", specs) for tag in sorted(specs.tags - names)]
    shown = escape(name) if is_xml_text(name) else "dataset"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta>\n<task>\n'
        f"<name>{shown}</name>\n<size>{size}</size>\n<mode>{mode}</mode>\n{more}<labels>\n{''.join(labels)}"
        "</labels>\n</task>\n</meta>\n"
    )


def _label_xml(name: str, color: tuple[int, int, int] | None, kind: str, specs: _AttributeTypes) -> str:
    attributes = "".join(
        f"<attribute><name>{_text(attribute)}</name><mutable>{specs.is_mutable}</mutable><input_type>{type_}</input_type>"
        f"<default_value>{_DEFAULTS[type_]}</default_value><values>{_VALUES[type_]}</values></attribute>"
        for attribute, type_ in sorted(
            (attribute, specs.kind(name, attribute)) for attribute in specs.seen.get(name, ())
        )
    )
    shown = "" if color is None else "<color>#{:02x}{:02x}{:02x}</color>".format(*color)
    return f"<label><name>{_text(name)}</name>{shown}<type>{kind}</type><attributes>{attributes}</attributes></label>\n"


def _text(text: str) -> str:
    """Escape a text within an element, with carriage returns, which XML would turn into line feeds."""
    return escape(text, {"\r": "&#13;"})


def _image_elements(
    batch: Batch, names: dict[int, str], specs: _AttributeTypes, losses: LossCounter, number: int
) -> Iterator[str]:
    """The images of a batch as elements; `number` is that of the first."""
    rows = writable_rows(batch, names, losses, empty=False)
    shapes = _segment_shapes(batch, rows, losses)
    all_segments = batch.segments.take(pa.array(rows)).to_pylist()
    sources = batch.annotations["source"].to_pylist()
    for image_number, (image, in_image, _) in enumerate(image_rows(batch, rows), number):
        if not is_xml_text(image["split"] or ""):
            raise SegdataError(f"image {image['image_id']!r}: its split has characters that no XML can hold")
        segments, image_segments = all_segments[in_image], rows[in_image]
        labels = [names[segment["category_id"]] for segment in segments]
        numbers, kept = assign_groups(labels, segments, list(map(len, shapes[in_image])), first=1)
        elements = []
        for k, (label, segment, parts) in enumerate(zip(labels, segments, shapes[in_image], strict=True)):
            source = segment["source"] or sources[segment["annotation"]]
            texts = _element_texts(segment, label, source, specs, has_group=kept[k])
            group = "" if numbers[k] is None else f' group_id="{numbers[k]}"'
            if not texts.is_whole:
                writing.count_segments(batch, image_segments[[k]], "attributes", losses)
            start = f"label={quoteattr(label)}{texts.source}{texts.fields}"
            elements += [f"<{tag} {start}{shape}{group}>{texts.content}</{tag}>\n" for tag, shape in parts]
        renamed = image_segments[
            [
                k
                for k, segment in enumerate(segments)
                if segment["segment_id"] != k + 1 or segment["source_id"] is not None
            ]
        ]
        writing.count_segments(batch, renamed, "segment-id", losses)
        subset = "" if image["split"] is None else f" subset={quoteattr(image['split'])}"
        size = f' width="{image["width"] or 0}" height="{image["height"] or 0}"'
        tags = _tag_elements(image, specs, losses)
        start = f'<image id="{image_number}" name={quoteattr(image["image_id"])}{subset}{size}>\n'
        yield start + "".join(elements) + tags + "</image>\n"


def _tag_elements(image: Json, specs: _AttributeTypes, losses: LossCounter) -> str:
    """The tags of an image, the only metadata that CVAT can hold."""
    metadata = dict(image["metadata"] or ())
    tags = stored_json(metadata.get(_TAGS), list[str]) or []
    tags = tags if all(tag and is_xml_text(tag) for tag in tags) else []
    if len(metadata) > bool(tags):
        losses.add("image-details", "images", 1, examples=[image["image_id"]])
    specs.tags.update(tags)
    return "".join(f'<tag label={quoteattr(tag)} source="manual"></tag>\n' for tag in tags)


def _segment_shapes(
    batch: Batch, rows: Ints, losses: LossCounter, most: int | None = None
) -> list[list[tuple[str, str]]]:
    """(n,) the shapes of each segment, as element and geometry; a mask instead of more polygons than `most`."""
    polygons = source_polygons(batch, rows, "coco")
    if most is not None:
        polygons = [parts if len(parts) <= most else [] for parts in polygons]
    masked = np.array([row for row, parts in enumerate(polygons) if not parts], np.int64)
    count_lost_rings(batch, rows[masked], losses)
    shapes = [
        [
            ("polygon", f' points="{";".join(f"{x!r},{y!r}" for x, y in polygon.exterior.tolist())}"')
            for polygon in parts
        ]
        for parts in polygons
    ]
    height = batch.segment_size[0][rows[masked]]
    bitmaps = crop_bitmaps(batch.runs.take(rows[masked], batch.n_segments), height, len(masked))
    for row, bitmap in zip(masked.tolist(), bitmaps, strict=True):
        shapes[row] = [("mask", _mask_text(bitmap))]
    return shapes


def _mask_text(bitmap: Bitmap) -> str:
    """Alternating run lengths of background and mask, row by row; the first may be 0."""
    values = bitmap.mask.ravel()
    cuts = np.flatnonzero(np.diff(values)) + 1
    counts = np.diff(np.concatenate([[0], cuts, [len(values)]])).tolist()
    if values[0]:
        counts.insert(0, 0)
    height, width = bitmap.mask.shape
    return f' rle="{", ".join(map(str, counts))}" left="{bitmap.x}" top="{bitmap.y}" width="{width}" height="{height}"'


@dataclass(frozen=True, slots=True)
class _ElementTexts:
    """The parts of a segment's element other than its geometry."""

    source: str  # as an attribute of XML, or nothing
    fields: str  # the other attributes of XML
    content: str  # the elements in it
    is_whole: bool  # whether nothing is lost


def _element_texts(
    segment: Json, label: str, source: str | None, specs: _AttributeTypes, *, has_group: bool = False
) -> _ElementTexts:
    """A segment's element; `has_group`: its attribute `group_id` is the element's own."""
    attributes = {key: attribute_value(value) for key, value in segment["attributes"] or ()}
    if has_group:
        del attributes[GROUP]
    n_said = len(attributes)
    written_source = f' source="{_SOURCES[source]}"' if source in _SOURCES else ""
    if source == "human" and attributes.get("source") == SEMI_AUTO:
        written_source, n_said = f' source="{SEMI_AUTO}"', n_said - 1
        del attributes["source"]
    occluded = attributes.get("occluded") is True
    z_order = whole_number(json.dumps(attributes.get("z_order")))
    if occluded:
        del attributes["occluded"]
    if z_order:
        del attributes["z_order"]
    fields = f' occluded="{int(occluded)}" z_order="{z_order or 0}"'
    kept = {
        key: value for key, value in attributes.items() if key not in COLUMN_ATTRIBUTES and key and is_xml_text(key)
    }
    kept = {key: value for key, value in kept.items() if not isinstance(value, str) or is_xml_text(value)}
    columns: Json = {"is_crowd": segment["iscrowd"] or None, "score": segment["score"], "track_id": segment["track_id"]}
    is_whole = len(kept) + occluded + bool(z_order) == n_said
    kept |= {key: value for key, value in columns.items() if value is not None}
    for key, value in kept.items():
        specs.add(label, key, value)
    inner = "".join(
        f"<attribute name={quoteattr(key)}>{_text(value if isinstance(value, str) else json_text(value))}</attribute>"
        for key, value in kept.items()
    )
    return _ElementTexts(written_source, fields, inner, is_whole)


_HELD_BY_VIDEOS = frozenset({"segments.source", "images.split", "images.sequence", "images.frame"})
_MAX_NUMBER = 10**9 - 1  # of frames and tracks
_TrackKey = tuple[str, int, int]  # label, track, and number of earlier segments of both in the frame


@dataclass(frozen=True, slots=True)
class _TrackShape:
    """A shape of a track in a frame: the element's name, its geometry, and its other parts."""

    frame: int
    tag: str
    geometry: str
    texts: _ElementTexts
    image: str
    segment_id: int

    def element(self, frame: int, outside: Literal[0, 1], source: str) -> str:
        keys = f'frame="{frame}" keyframe="1" outside="{outside}"'
        return f"<{self.tag} {keys}{source}{self.texts.fields}{self.geometry}>{self.texts.content}</{self.tag}>\n"


@dataclass(slots=True)
class _Video:
    """The content of a video, collected while batches are read."""

    name: str
    split: str | None
    rows: dict[int, tuple[Cell, ...]] = field(default_factory=dict)  # frame -> its line in images.csv
    tracks: dict[_TrackKey, list[_TrackShape]] = field(default_factory=dict)
    n_loose: int = 0  # segments without a track; their numbers in the keys are below 0

    def document(self, categories: list[Category], specs: _AttributeTypes) -> str:
        """The file: frames are numbered from 0 in their order."""
        order = {frame: number for number, frame in enumerate(sorted(self.rows))}
        width, height = next(((row[2], row[3]) for row in self.rows.values()), (0, 0))
        more = f"<start_frame>0</start_frame>\n<stop_frame>{len(order) - 1}</stop_frame>\n" if order else ""
        if self.split is not None and is_xml_text(self.split):
            more += f"<subset>{escape(self.split)}</subset>\n"
        more += f"<original_size><width>{width or 0}</width><height>{height or 0}</height></original_size>\n"
        head = _xml_head(self.name, len(order), categories, specs, mode="interpolation", more=more)
        return head + "".join(self._track_elements(order)) + "</annotations>\n"

    def _track_elements(self, order: dict[int, int]) -> Iterator[str]:
        used = {track for _, track, _ in self.tracks if 0 <= track <= _MAX_NUMBER}
        free = (number for number in count(max(used, default=-1) + 1) if number not in used)
        new = {track: next(free) for track in dict.fromkeys(track for _, track, _ in self.tracks) if track not in used}
        for (label, track, _), shapes in self.tracks.items():
            sources = {shape.texts.source for shape in shapes}
            of_track = sources.pop() if len(sources) == 1 else ""
            elements = []
            shapes.sort(key=lambda shape: shape.frame)
            following = [*(order[shape.frame] for shape in shapes[1:]), len(order)]
            for shape, after in zip(shapes, following, strict=True):
                number = order[shape.frame]
                source = "" if of_track else shape.texts.source
                elements.append(shape.element(number, 0, source))
                if number + 1 < after:  # otherwise CVAT would keep showing the shape
                    elements.append(shape.element(number + 1, 1, source))
            keys = f'id="{new.get(track, track)}" label={quoteattr(label)}{of_track}'
            yield f"<track {keys}>\n{''.join(elements)}</track>\n"

    def renumbered_segments(self) -> list[str]:
        """The segments whose id changes when the file is read, which numbers them in the order of tracks."""
        numbers = Counter[int]()
        names = []
        for shapes in self.tracks.values():
            for shape in shapes:
                numbers[shape.frame] += 1
                if numbers[shape.frame] != shape.segment_id:
                    names.append(f"{shape.image}: segment {shape.segment_id}")
        return names


def _write_videos(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write a folder for each video into `target`, or the files of the only one.

    ``annotations.xml`` has the frames by number, ``images.csv`` beside it their names in that order. Raises
    SegdataError if frames have no number or the same one.
    """
    names = {id_: name for id_, name in category_names(profile.taxonomy).items() if is_xml_text(name)}
    writing.start_folder(target, profile, losses)
    specs, paths = _AttributeTypes(is_mutable=True), FramePaths(_MAX_NUMBER)
    videos: dict[str, _Video] = {}  # by folder
    for batch in batches:
        writing.count_losses(batch, losses, _COLUMN_LOSSES, _HELD_BY_VIDEOS)
        _add_batch(videos, paths.assign(batch), batch, names, specs, losses)
    specs.count_lost(losses)
    categories = [category for category in profile.taxonomy.categories if names.get(category.id) == category.name]
    videos = videos or {"": _Video(profile.name, None)}
    for folder, video in videos.items():
        place = target if len(videos) == 1 else target / folder
        place.mkdir(exist_ok=True)
        (place / _DOCUMENT).write_text(video.document(categories, specs), encoding="utf-8", newline="\n")
        write_index(place, [row for _, row in sorted(video.rows.items())], videos=True)
        renamed = video.renumbered_segments()
        losses.add("segment-id", "segments", len(renamed), examples=renamed[:3])


def _add_batch(
    videos: dict[str, _Video],
    paths: list[FramePath],
    batch: Batch,
    names: dict[int, str],
    specs: _AttributeTypes,
    losses: LossCounter,
) -> None:
    """Add the images of a batch to their videos."""
    rows = writable_rows(batch, names, losses, empty=False)
    shapes = _segment_shapes(batch, rows, losses, most=1)
    segments = batch.segments.take(pa.array(rows)).to_pylist()
    sources = batch.annotations["source"].to_pylist()
    annotated = set(batch.annotation_image.tolist())
    writing.count_segments(
        batch, rows[[segment["source_id"] is not None for segment in segments]], "segment-id", losses
    )
    for row, (path, (image, in_image, _)) in enumerate(zip(paths, image_rows(batch, rows), strict=True)):
        video = videos.setdefault(path.folder, _Video(image["sequence"] or path.folder, path.split))
        cells = (image[name] for name in ("width", "height", "uri", "sequence", "frame", "split"))
        video.rows[path.number] = (image["image_id"], _DOCUMENT if row in annotated else None, *cells)
        nth = Counter[tuple[str, int]]()
        for k in range(in_image.start, in_image.stop):
            segment, label = segments[k], names[segments[k]["category_id"]]
            source = segment["source"] or sources[segment["annotation"]]
            texts = _element_texts(segment | {"track_id": None}, label, source, specs)
            if not texts.is_whole:
                writing.count_segments(batch, rows[[k]], "attributes", losses)
            track = segment["track_id"]
            if track is None or not 0 <= track <= _MAX_NUMBER:
                writing.count_segments(batch, rows[[k]], "track", losses)
                video.n_loose += track is None
                track = -video.n_loose if track is None else track
            tag, geometry = shapes[k][0]
            shape = _TrackShape(path.number, tag, geometry, texts, image["image_id"], segment["segment_id"])
            video.tracks.setdefault((label, track, nth[label, track]), []).append(shape)
            nth[label, track] += 1
