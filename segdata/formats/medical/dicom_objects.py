"""Writing DICOM objects: one for each series of images and each annotator."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import AffectedItems, LossCounter, LossKind
from segdata.core.medical_files import collect_dicom_warnings
from segdata.core.paths import local_file
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.dicom_images import DicomImage, read_image_header
from segdata.formats.medical.dicom_index import DicomIndexFile, DicomIndexImage, DicomIndexSegment, write_dicom_index
from segdata.formats.medical.dicom_kinds import LOSSES
from segdata.formats.shared.count_losses import count_losses
from segdata.formats.shared.taxonomies import write_sidecars

_HELD = frozenset({"images.sequence", "images.frame", "images.group"})  # by the index
_SEGMENT = ("segment_id", "source_id", "category_id", "track_id", "source", "attributes", "rings")


@dataclass
class AnnotatorLayer:
    """One annotator's segments on one image.

    Attributes
    ----------
    segments : rows of the columns that objects can hold, and `pixels`, how many there are
    runs : `runs.owner` is the segment
    """

    segments: list[dict[str, Any]]  # Any: cells of all types
    runs: Runs


@dataclass
class _SeriesGroup:
    """Images of one series, in order, and their segments.

    Attributes
    ----------
    images : with their ids
    layers : annotator and source -> image id -> the segments
    """

    images: list[tuple[str, DicomImage]] = field(default_factory=list)
    layers: dict[tuple[str | None, str | None], dict[str, AnnotatorLayer]] = field(default_factory=dict)


class _SeriesGrouper:
    """Sorts the images of batches into groups.

    Attributes
    ----------
    index : every image that went by
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self.index: list[DicomIndexImage] = []

    def group(self, batches: Iterable[Batch]) -> Iterator[_SeriesGroup]:
        """The groups; those of a sequence when its last image has come. Raises SegdataError without DICOM images."""
        sequence: str | None = None
        groups: dict[tuple[str, tuple[int, int]], _SeriesGroup] = {}
        for batch in batches:
            rows = batch.images.select(["image_id", "uri", "width", "height", "sequence", "frame", "group"]).to_pylist()
            layers = _annotator_layers(batch)
            for row, annotator_layers in zip(rows, layers, strict=True):
                if row["sequence"] is None or row["sequence"] != sequence:
                    yield from groups.values()
                    groups, sequence = {}, row["sequence"]
                image = self._image(row, needed=bool(annotator_layers))
                self.index.append(
                    DicomIndexImage(
                        row["image_id"],
                        image.uid if image else "",
                        row["uri"] or "",
                        row["width"] or 0,
                        row["height"] or 0,
                        row["sequence"],
                        row["frame"],
                        row["group"],
                    )
                )
                if image is not None:
                    group = groups.setdefault((image.series, image.size), _SeriesGroup())
                    group.images.append((row["image_id"], image))
                    for who, layer in annotator_layers:
                        group.layers.setdefault(who, {})[row["image_id"]] = layer
        yield from groups.values()

    def _image(self, row: dict[str, Any], needed: bool) -> DicomImage | None:  # Any: cells of all types
        """The DICOM image behind an image; None if there is none and the image is not annotated."""
        path = local_file(row["uri"])
        reason = "its file is unknown" if path is None else f"{path} is not one"
        try:
            image = None if path is None else read_image_header(path, path.parent)
        except OSError as error:
            image, reason = None, f"{path}: {error.strerror or error}"
        if image is None:
            if needed:
                raise SegdataError(
                    f"image {row['image_id']!r}: {self._what} needs the DICOM file that was annotated, but {reason}"
                )
            return None
        if image.size != (row["height"], row["width"]):
            sizes = f"{row['width']}x{row['height']}, its DICOM file is {image.size[1]}x{image.size[0]}"
            raise SegdataError(f"image {row['image_id']!r} is {sizes}; {self._what} needs the image that was annotated")
        return image


def _annotator_layers(batch: Batch) -> list[list[tuple[tuple[str | None, str | None], AnnotatorLayer]]]:
    """(n_images,) each annotator's segments on each image."""
    layers: list[list[tuple[tuple[str | None, str | None], AnnotatorLayer]]] = [
        [] for _ in range(batch.images.num_rows)
    ]
    segments = batch.segments.select(list(_SEGMENT)).to_pylist()
    bounds = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1))
    for row, annotation in enumerate(batch.annotations.select(["annotator", "source"]).to_pylist()):
        rows = np.arange(bounds[row], bounds[row + 1], dtype=np.int64)
        runs = batch.runs.take(rows, batch.n_segments)
        areas = runs.areas(len(rows)).tolist()
        layer_rows = [
            {**segments[position], "pixels": area} for position, area in zip(rows.tolist(), areas, strict=True)
        ]
        who = annotation["annotator"], annotation["source"]
        layers[int(batch.annotation_image[row])].append((who, AnnotatorLayer(layer_rows, runs)))
    return layers


def _count_column_losses(batch: Batch, lost: frozenset[LossKind], losses: LossCounter) -> Batch:
    """The batch, after counting columns that DICOM objects have no place for, of the kinds in `lost`."""
    count_losses(batch, losses, lost, _HELD)
    sources = batch.annotations["source"].to_pylist()
    losses.add("source", "annotations", sum(source == "consensus" for source in sources))
    return batch


ALGORITHM_TYPES = {
    "model": "AUTOMATIC",
    "human": "MANUAL",
}  # how objects say what drew; nothing is known: SEMIAUTOMATIC
SegmentKey = tuple[int, bool, int]  # category, whether there is a track, track or segment id
SegmentRow = Mapping[str, Any]  # Any: cells of all types
SegmentAttributes = Mapping[str, Any]  # attributes by name; Any: JSON
HeldAttributes = Callable[
    [SegmentRow, SegmentAttributes], set[str]
]  # which of a segment's attributes come back from an object
_MAX_LONG_STRING = 64  # characters of DICOM's long strings


def segment_key(segment: SegmentRow) -> SegmentKey:
    """The key that a segment shares with itself on other slices: its category, and its track or id."""
    track = segment["track_id"]
    return segment["category_id"], track is not None, (segment["segment_id"] or 0) if track is None else track


def _group_segments(
    layers: Mapping[str, AnnotatorLayer], source: str | None, held: HeldAttributes, losses: LossCounter
) -> dict[SegmentKey, list[SegmentRow]]:
    """The segments of an object, each with its rows on slices; counts what the object cannot hold.

    `layers` is by image; `source` applies to segments that have none of their own.
    """
    members_of: dict[SegmentKey, list[SegmentRow]] = {}
    for name, layer in layers.items():
        n_of_key = Counter(segment_key(segment) for segment in layer.segments if segment["pixels"])
        losses.add(
            "instance",
            "segments",
            sum(count for count in n_of_key.values() if count > 1),
            0,
            AffectedItems([name], [name]),
        )
        for segment in layer.segments:
            if segment["pixels"]:
                members_of.setdefault(segment_key(segment), []).append(segment)
            example = AffectedItems([f"{name}: {segment['source_id'] or segment['segment_id']}"], [name])
            losses.add("empty-segment", "segments", int(segment["pixels"] == 0), 0, example)
            losses.add("segment-id", "segments", int(segment["source_id"] is not None), 0, example)
    for members in members_of.values():
        first = members[0]
        losses.add("segment-id", "segments", sum(segment["segment_id"] != first["segment_id"] for segment in members))
        kept = _held_attributes(first, held)
        losses.add("attributes", "segments", sum(_all_attributes(segment) != kept for segment in members))
    _count_sources(layers, source, members_of, losses)
    return members_of


def _count_sources(
    layers: Mapping[str, AnnotatorLayer],
    source: str | None,
    members: Mapping[SegmentKey, list[SegmentRow]],
    losses: LossCounter,
) -> None:
    """Count lost sources: objects store a source per segment, and a common one comes back as the annotation's."""
    sources = [segment["source"] for segments in members.values() for segment in segments]
    firm = all(segment["source"] == segments[0]["source"] for segments in members.values() for segment in segments)
    kept = firm and source is None and len(set(sources)) > 1 and "consensus" not in sources
    if any(sources) and not kept:
        losses.add("source", "segments", len(sources))
        losses.add("source", "annotations", len(layers))


def _index_segments(
    numbers: Mapping[SegmentKey, int], members: Mapping[SegmentKey, list[SegmentRow]]
) -> tuple[DicomIndexSegment, ...]:
    """The segments of an object, by their numbers."""
    entries = []
    for (category, tracked, track), number in numbers.items():
        id_ = members[category, tracked, track][0]["segment_id"]
        entries.append(DicomIndexSegment(number, category, track if tracked else None, None if id_ == number else id_))
    return tuple(entries)


def _held_attributes(segment: SegmentRow, held: HeldAttributes) -> dict[str, Any]:  # Any: JSON
    """The attributes that come back from an object."""
    attributes = _all_attributes(segment)
    kept = held(segment, attributes)
    return {key: value for key, value in attributes.items() if key in kept}


def _all_attributes(segment: SegmentRow) -> dict[str, Any]:  # Any: JSON
    return {key: json.loads(value) for key, value in segment["attributes"] or ()}


def is_long_string(value: object) -> bool:
    """Whether a value is a text that fits DICOM's long strings unchanged."""
    return isinstance(value, str) and value != "" and to_long_string(value) == value


def to_long_string(name: str) -> str:
    r"""A name as a DICOM long string: 64 characters, no backslash, only printable characters.

    >>> to_long_string("left\\right")
    'left/right'
    """
    kept = "".join("/" if character == "\\" else character for character in name if character.isprintable()).strip()
    return kept[:_MAX_LONG_STRING].strip() or "unnamed"


def to_person_name(name: str | None) -> str | None:
    """A name as a DICOM person name."""
    return None if name is None else to_long_string(name.replace("^", " ").replace("=", " "))


AnnotatorAndSource = tuple[str | None, str | None]  # annotator and source


@dataclass(frozen=True, slots=True)
class ObjectContent:
    """One annotator's segments on the images of a series.

    Attributes
    ----------
    author : the annotator, and the source
    images : the annotated ones, in order, by id
    layers : image id -> its segments
    members : the segments of the object, each with its rows on slices
    numbers : of the segments in the object, from 1
    attributes : of the segments
    categories : by id
    """

    author: AnnotatorAndSource
    images: Mapping[str, DicomImage]
    layers: Mapping[str, AnnotatorLayer]
    members: Mapping[SegmentKey, list[SegmentRow]]
    numbers: Mapping[SegmentKey, int]
    attributes: Mapping[SegmentKey, SegmentAttributes]
    categories: Mapping[int, Category]

    def source(self, key: SegmentKey) -> str | None:
        """The source of a segment."""
        return self.members[key][0]["source"] or self.author[1]

    def category(self, key: SegmentKey) -> Category:
        """The category of a segment; one that the taxonomy lacks is named by its id."""
        return self.categories.get(key[0]) or Category(id=key[0], name=str(key[0]))


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """How objects of a kind are written.

    Attributes
    ----------
    format : the name of the format
    folder : that the files go to
    own : the kinds of loss that `save` counts itself
    held : which of a segment's attributes come back; takes the annotation's source, too
    save : write a file; returns index entries of segments that the content does not list
    """

    format: str
    folder: str
    own: frozenset[LossKind]
    held: Callable[[str | None, SegmentRow, SegmentAttributes], set[str]]
    save: Callable[[Path, ObjectContent, LossCounter], tuple[DicomIndexSegment, ...]]


def write_objects(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, kind: ObjectKind
) -> None:
    """Write all objects; raises SegdataError if an annotated image is not a DICOM file."""
    (target / kind.folder).mkdir(parents=True)
    groups = _SeriesGrouper(kind.format)
    files: list[DicomIndexFile] = []
    for group in groups.group(_count_column_losses(batch, LOSSES - kind.own, losses) for batch in batches):
        for who in group.layers:
            name = f"{kind.folder}/{len(files) + 1:04d}.dcm"
            content = _object_content(group, who, profile.taxonomy, kind, losses)
            with collect_dicom_warnings():  # to remarks on values of the images that are not quite as the standard says
                more = kind.save(target / name, content, losses)
            segments = _index_segments(content.numbers, content.members) + more
            files.append(
                DicomIndexFile(name, who[0], segments, None if segments else ALGORITHM_TYPES.get(who[1] or ""))
            )
    write_dicom_index(target, kind.format, groups.index, files)
    write_sidecars(target, profile, profile.taxonomy)


def _object_content(
    group: _SeriesGroup, who: AnnotatorAndSource, taxonomy: Taxonomy, kind: ObjectKind, losses: LossCounter
) -> ObjectContent:
    layers = group.layers[who]
    held = partial(kind.held, who[1])
    members = _group_segments(layers, who[1], held, losses)
    return ObjectContent(
        who,
        {name: image for name, image in group.images if name in layers},
        layers,
        members,
        {key: number for number, key in enumerate(members, 1)},
        {key: _held_attributes(rows[0], held) for key, rows in members.items()},
        taxonomy.by_id(),
    )
