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
    """What one annotator drew on one image.

    Attributes
    ----------
    segments : rows of the columns that objects can hold, and `pixels`, how many there are
    runs : `runs.owner` is the segment
    """

    segments: list[dict[str, Any]]  # Any: cells of all types
    runs: Runs


@dataclass
class SeriesGroup:
    """Images of one series, in order, and what was drawn on them.

    Attributes
    ----------
    images : with their ids
    layers : annotator and source -> image id -> what was drawn
    """

    images: list[tuple[str, DicomImage]] = field(default_factory=list)
    layers: dict[tuple[str | None, str | None], dict[str, AnnotatorLayer]] = field(default_factory=dict)


class SeriesGrouper:
    """Sorts the images of batches into groups.

    Attributes
    ----------
    index : every image that went by
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self.index: list[DicomIndexImage] = []

    def of(self, batches: Iterable[Batch]) -> Iterator[SeriesGroup]:
        """The groups; those of a sequence when its last image has come. Raises SegdataError without DICOM images."""
        sequence: str | None = None
        groups: dict[tuple[str, tuple[int, int]], SeriesGroup] = {}
        for batch in batches:
            rows = batch.images.select(["image_id", "uri", "width", "height", "sequence", "frame", "group"]).to_pylist()
            layers = _annotator_layers(batch)
            for row, drawn in zip(rows, layers, strict=True):
                if row["sequence"] is None or row["sequence"] != sequence:
                    yield from groups.values()
                    groups, sequence = {}, row["sequence"]
                image = self._image(row, needed=bool(drawn))
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
                    group = groups.setdefault((image.series, image.size), SeriesGroup())
                    group.images.append((row["image_id"], image))
                    for who, layer in drawn:
                        group.layers.setdefault(who, {})[row["image_id"]] = layer
        yield from groups.values()

    def _image(self, row: dict[str, Any], needed: bool) -> DicomImage | None:  # Any: cells of all types
        """The DICOM image behind an image; None where there is none, and nobody drew on it."""
        path = local_file(row["uri"])
        reason = "no file is known" if path is None else f"{path} is none"
        try:
            found = None if path is None else read_image_header(path, path.parent)
        except OSError as error:
            found, reason = None, f"{path}: {error.strerror or error}"
        if found is None:
            if needed:
                raise SegdataError(
                    f"image {row['image_id']!r}: {self._what} needs the DICOM file that it was drawn on, {reason}"
                )
            return None
        if found.size != (row["height"], row["width"]):
            said = f"{row['width']}x{row['height']}, its DICOM file is {found.size[1]}x{found.size[0]}"
            raise SegdataError(f"image {row['image_id']!r} is {said}; {self._what} needs the image that was drawn on")
        return found


def _annotator_layers(batch: Batch) -> list[list[tuple[tuple[str | None, str | None], AnnotatorLayer]]]:
    """(n_images,) what each annotator drew on each image."""
    found: list[list[tuple[tuple[str | None, str | None], AnnotatorLayer]]] = [[] for _ in range(batch.images.num_rows)]
    segments = batch.segments.select(list(_SEGMENT)).to_pylist()
    bounds = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1))
    for row, annotation in enumerate(batch.annotations.select(["annotator", "source"]).to_pylist()):
        mine = np.arange(bounds[row], bounds[row + 1], dtype=np.int64)
        runs = batch.runs.take(mine, batch.n_segments)
        areas = runs.areas(len(mine)).tolist()
        said = [{**segments[at], "pixels": area} for at, area in zip(mine.tolist(), areas, strict=True)]
        who = annotation["annotator"], annotation["source"]
        found[int(batch.annotation_image[row])].append((who, AnnotatorLayer(said, runs)))
    return found


def count_column_losses(batch: Batch, lost: frozenset[LossKind], losses: LossCounter) -> Batch:
    """The batch; what its columns say that DICOM objects have no place for, kinds in `lost`, is counted."""
    count_losses(batch, losses, lost, _HELD)
    said = batch.annotations["source"].to_pylist()
    losses.add("source", "annotations", sum(each == "consensus" for each in said))
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
    """What a segment has in common with the same one on other slices: its category, and its track or id."""
    track = segment["track_id"]
    return segment["category_id"], track is not None, (segment["segment_id"] or 0) if track is None else track


def group_segments(
    drawn: Mapping[str, AnnotatorLayer], source: str | None, held: HeldAttributes, losses: LossCounter
) -> dict[SegmentKey, list[SegmentRow]]:
    """The segments of an object, with those on slices that they consist of; what the object cannot tell is counted.

    `drawn` is by image, `source` what drew them, where they do not say it themselves.
    """
    found: dict[SegmentKey, list[SegmentRow]] = {}
    for name, layer in drawn.items():
        several = Counter(segment_key(each) for each in layer.segments if each["pixels"])
        losses.add(
            "instance",
            "segments",
            sum(count for count in several.values() if count > 1),
            0,
            AffectedItems([name], [name]),
        )
        for each in layer.segments:
            if each["pixels"]:
                found.setdefault(segment_key(each), []).append(each)
            example = AffectedItems([f"{name}: {each['source_id'] or each['segment_id']}"], [name])
            losses.add("empty-segment", "segments", int(each["pixels"] == 0), 0, example)
            losses.add("segment-id", "segments", int(each["source_id"] is not None), 0, example)
    for members in found.values():
        first = members[0]
        losses.add("segment-id", "segments", sum(each["segment_id"] != first["segment_id"] for each in members))
        said = held_attributes(first, held)
        losses.add("attributes", "segments", sum(_all_attributes(each) != said for each in members))
    _count_sources(drawn, source, found, losses)
    return found


def _count_sources(
    drawn: Mapping[str, AnnotatorLayer],
    source: str | None,
    members: Mapping[SegmentKey, list[SegmentRow]],
    losses: LossCounter,
) -> None:
    """Objects say of every segment what drew it: what all have in common comes back as what drew the whole."""
    own = [each["source"] for some in members.values() for each in some]
    firm = all(each["source"] == some[0]["source"] for some in members.values() for each in some)
    kept = firm and source is None and len(set(own)) > 1 and "consensus" not in own
    if any(own) and not kept:
        losses.add("source", "segments", len(own))
        losses.add("source", "annotations", len(drawn))


def index_segments(
    numbers: Mapping[SegmentKey, int], members: Mapping[SegmentKey, list[SegmentRow]]
) -> tuple[DicomIndexSegment, ...]:
    """What the segments of an object are, by their numbers."""
    found = []
    for (category, tracked, track), number in numbers.items():
        id_ = members[category, tracked, track][0]["segment_id"]
        found.append(DicomIndexSegment(number, category, track if tracked else None, None if id_ == number else id_))
    return tuple(found)


def held_attributes(segment: SegmentRow, held: HeldAttributes) -> dict[str, Any]:  # Any: JSON
    """The attributes that come back from an object."""
    said = _all_attributes(segment)
    kept = held(segment, said)
    return {key: value for key, value in said.items() if key in kept}


def _all_attributes(segment: SegmentRow) -> dict[str, Any]:  # Any: JSON
    return {key: json.loads(value) for key, value in segment["attributes"] or ()}


def is_long_string(value: object) -> bool:
    """Whether a value is a text that DICOM's long strings keep as it is."""
    return isinstance(value, str) and value != "" and to_long_string(value) == value


def to_long_string(name: str) -> str:
    r"""A name as DICOM's long strings allow it: 64 characters, no backslash, and nothing that is not printed.

    >>> text_of("left\\right")
    'left/right'
    """
    kept = "".join("/" if each == "\\" else each for each in name if each.isprintable()).strip()
    return kept[:_MAX_LONG_STRING].strip() or "unnamed"


def to_person_name(name: str | None) -> str | None:
    """A name as DICOM's names of persons allow it."""
    return None if name is None else to_long_string(name.replace("^", " ").replace("=", " "))


AnnotatorAndSource = tuple[str | None, str | None]  # annotator and source


@dataclass(frozen=True, slots=True)
class ObjectContent:
    """What one annotator drew on the images of a series.

    Attributes
    ----------
    who : the annotator, and the source
    images : that were worked on, in order, by id
    layers : image id -> what was drawn
    members : the segments of the object, each with those on slices that it consists of
    numbers : theirs in the object, from 1
    said : their attributes
    categories : by id
    """

    who: AnnotatorAndSource
    images: Mapping[str, DicomImage]
    layers: Mapping[str, AnnotatorLayer]
    members: Mapping[SegmentKey, list[SegmentRow]]
    numbers: Mapping[SegmentKey, int]
    said: Mapping[SegmentKey, SegmentAttributes]
    categories: Mapping[int, Category]

    def source(self, key: SegmentKey) -> str | None:
        """What drew a segment."""
        return self.members[key][0]["source"] or self.who[1]

    def category(self, key: SegmentKey) -> Category:
        """Of a segment; one that the taxonomy lacks is called by its id."""
        return self.categories.get(key[0]) or Category(id=key[0], name=str(key[0]))


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """How objects of a kind are written.

    Attributes
    ----------
    format : the name of the format
    folder : that the files go to
    own : the kinds of loss that `save` counts itself
    held : which of a segment's attributes come back, by what drew it where it does not say so itself
    save : write a file; what else than the segments of the work is in it, where that is needed
    """

    format: str
    folder: str
    own: frozenset[LossKind]
    held: Callable[[str | None, SegmentRow, SegmentAttributes], set[str]]
    save: Callable[[Path, ObjectContent, LossCounter], tuple[DicomIndexSegment, ...]]


def write_objects(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, kind: ObjectKind
) -> None:
    """Write all of them; raises SegdataError where an annotated image is no DICOM file."""
    (target / kind.folder).mkdir(parents=True)
    groups = SeriesGrouper(kind.format)
    files: list[DicomIndexFile] = []
    for group in groups.of(count_column_losses(batch, LOSSES - kind.own, losses) for batch in batches):
        for who in group.layers:
            name = f"{kind.folder}/{len(files) + 1:04d}.dcm"
            work = _object_content(group, who, profile.taxonomy, kind, losses)
            with collect_dicom_warnings():  # to remarks on values of the images that are not quite as the standard says
                more = kind.save(target / name, work, losses)
            segments = index_segments(work.numbers, work.members) + more
            files.append(
                DicomIndexFile(name, who[0], segments, None if segments else ALGORITHM_TYPES.get(who[1] or ""))
            )
    write_dicom_index(target, kind.format, groups.index, files)
    write_sidecars(target, profile, profile.taxonomy)


def _object_content(
    group: SeriesGroup, who: AnnotatorAndSource, taxonomy: Taxonomy, kind: ObjectKind, losses: LossCounter
) -> ObjectContent:
    layers = group.layers[who]
    held = partial(kind.held, who[1])
    members = group_segments(layers, who[1], held, losses)
    return ObjectContent(
        who,
        {name: image for name, image in group.images if name in layers},
        layers,
        members,
        {key: number for number, key in enumerate(members, 1)},
        {key: held_attributes(some[0], held) for key, some in members.items()},
        taxonomy.by_id(),
    )
