"""Read and write DICOM objects, one for each series and annotator, placed on the slices of images."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from os.path import lexists
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import AffectedItems, LossCounter, LossKind
from segdata.core.medical_files import collect_dicom_warnings
from segdata.core.paths import local_file
from segdata.core.profile import ImageSequence, Profile, RasterRule
from segdata.core.runs import Ints, Runs
from segdata.core.taxonomy import Category, Color, Taxonomy
from segdata.formats.medical import DICOM_INDEX, DICOM_LOSSES
from segdata.formats.medical.dicom_images import (
    DicomImage,
    DicomIndexFile,
    DicomIndexImage,
    DicomIndexSegment,
    Series,
    group_series,
    indexed_segments,
    read_dicom_index,
    read_image_header,
    scan_folder,
    write_dicom_index,
)
from segdata.formats.shared.image_names import images_folder
from segdata.formats.shared.json_files import attribute_value
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource, relative_path
from segdata.formats.shared.taxonomies import CategoryNames, kind_from_name, resolve_names, write_sidecars
from segdata.formats.shared.writing import count_losses


@dataclass(frozen=True, slots=True)
class DicomObject:
    """A DICOM object that refers to images."""

    path: Path  # the file
    name: str  # its name in messages
    images: tuple[str, ...]  # UIDs of all referenced images
    defects: tuple[Defect, ...]  # found in it


O = TypeVar("O", bound=DicomObject)  # noqa: E741  # an object
P = TypeVar("P")  # a piece of an object: a frame or a contour


@dataclass
class DicomSlice(Generic[O, P]):
    """A slice."""

    image_id: str
    size: tuple[int, int]  # height and width
    image: DicomImage | None = None  # its file; None if it was not found
    uid: str = ""  # of the image; empty if unknown
    sequence: str | None = None  # the volume
    frame: int | None = None  # the position in it
    # by object, for all objects that refer to this slice, even without pieces
    pieces: list[tuple[O, list[P]]] = field(default_factory=list)

    @property
    def entry(self) -> ImageEntry:
        """The image of the slice."""
        return ImageEntry(
            self.image_id,
            record=self if self.pieces else None,
            size=(0, 0) if self.pieces else self.size,
            uri=None if self.image is None else self.image.path.absolute().as_uri(),  # not a file that Pillow opens
            source_id=self.uid or None,
            sequence=self.sequence,
            frame=self.frame,
            group=None if self.image is None else self.image.patient,
        )


@dataclass
class DicomSlices(ABC, Generic[O, P]):
    """All slices of a dataset."""

    by_id: dict[str, DicomSlice[O, P]] = field(default_factory=dict)  # by image id
    sequences: list[ImageSequence] = field(default_factory=list)  # the volumes
    defects: list[Defect] = field(default_factory=list)  # contradictions and missing images

    @abstractmethod
    def place(self, object_: O, all_series: Sequence[Series], searched: Path) -> None:
        """Assign the pieces of an object to slices of its images; messages name the folder `searched`."""

    def add(self, series: Series) -> None:
        """Add all slices of a series, unless they have been added."""
        if series.images[0].name in self.by_id:
            return
        if series.name is not None:
            self.sequences.append(series.sequence)
        for number, image in zip(series.numbers, series.images, strict=True):
            self.by_id[image.name] = DicomSlice(image.name, image.size, image, image.uid, series.name, number)

    def add_pieces(
        self, object_: O, pieces: Mapping[str, list[P]], by_uid: Mapping[str, tuple[Series, DicomImage]]
    ) -> None:
        """Assign pieces of an object, by image UID, to slices, and add the series of these."""
        for uid, members in pieces.items():
            series, image = by_uid[uid]
            self.add(series)
            self.by_id[image.name].pieces.append((object_, members))

    @property
    def entries(self) -> list[ImageEntry]:
        """The images, in the order of their ids."""
        return [slice_.entry for _, slice_ in sorted(self.by_id.items())]

    @property
    def first_slice(self) -> dict[str, str]:
        """Object -> its first image, on which defects of the whole object are reported."""
        first_of: dict[str, str] = {}
        for image_id, slice_ in sorted(self.by_id.items()):
            for object_, _ in slice_.pieces:
                first_of.setdefault(object_.name, image_id)
        return first_of

    def annotators(self, annotators: Mapping[str, str | None]) -> dict[str, str | None]:
        """The annotator of each object, with the file name appended if another object on the images has the same."""
        ambiguous: set[str] = set()
        for slice_ in self.by_id.values():
            names = [object_.name for object_, _ in slice_.pieces]
            ambiguous |= {a for a in names for b in names if a != b and annotators[a] == annotators[b]}
        return {
            name: " ".join(filter(None, [who, PurePosixPath(name).stem])) if name in ambiguous else who
            for name, who in annotators.items()
        }


SOURCES = {"AUTOMATIC": "model", "MANUAL": "human"}  # the third type, SEMIAUTOMATIC, is neither


@dataclass(frozen=True)
class ObjectReader(Generic[O, P]):
    """The objects of a dataset."""

    format: str  # the format's name
    what: str  # an object's name in messages
    slices: DicomSlices[O, P]  # with the pieces of objects
    objects: list[O] = field(default_factory=list)  # the readable ones
    indexed: dict[str, DicomIndexFile] = field(default_factory=dict)  # name -> index entry

    def open(self, request: ReadRequest, kinds: Sequence[str], parse: Callable[[Path, str], O]) -> None:
        """Find and place all objects of these kinds; raises UnreadableError without objects and index."""
        folder = scan_folder(request.root, kinds, images_folder(request))
        index = lexists(folder.root / DICOM_INDEX)
        if not folder.objects and not index:
            raise UnreadableError(f"{request.root}: no DICOM {self.what}")
        for path in folder.objects:
            name = relative_path(folder.root, path)
            try:
                self.objects.append(parse(path, name))
            except OSError as error:
                message = f"{self.what} cannot be read: {error.strerror or error}"
                folder.defects.append(Defect("SEG001", message, name))
        all_series = group_series(folder.images)
        if index:
            all_series, indexed = read_dicom_index(folder.root, folder.defects)
            self.indexed.update(indexed)
        present = {image.uid for series in all_series for image in series.images}
        for object_ in self.objects:
            self.slices.place(object_, all_series, folder.root)
            missing = [uid for uid in object_.images if uid not in present]
            if 0 < len(missing) < len(object_.images):
                count = f"{len(missing):,} of the {len(object_.images):,} referenced images were not found"
                self.slices.defects.append(Defect("SEG002", f"{count}, for example UID {missing[0]}", object_.name))
        for series in all_series if index else ():
            self.slices.add(series)
        self.slices.defects += folder.defects

    def meanings(self, naming: CategoryNames) -> "SegmentMeanings":
        """The meaning of segments by the index."""
        return SegmentMeanings(naming, indexed_segments(self.indexed, naming, self.slices.defects))

    def annotators(self, named: Callable[[O], str | None]) -> dict[str, str | None]:
        """The annotator of each object, from the index, else from the object."""
        annotators = {
            object_.name: self.indexed[object_.name].annotator if object_.name in self.indexed else named(object_)
            for object_ in self.objects
        }
        return self.slices.annotators(annotators)

    def source(
        self,
        request: ReadRequest,
        naming: CategoryNames,
        rule: RasterRule,
        look: Callable[[ImageEntry], Sequence[ImageAnnotation]],
    ) -> PerImageSource:
        """The source of the dataset's slices."""
        profile = naming.profile(
            self.format,
            request.root,
            "instance",
            "sparse",
            "allow",
            raster_rule=rule,
            sequences=tuple(self.slices.sequences),
        )
        defects = (*(defect for object_ in self.objects for defect in object_.defects), *self.slices.defects)
        return PerImageSource(
            root=request.root,
            profile=profile,
            entries=self.slices.entries,
            defects=defects,
            read_image=look,
            annotator=request.annotator,
            per_chunk=64,
            labels_name=self.what,
        )


@dataclass(frozen=True, slots=True)
class SegmentMeanings:
    """The meaning of segments: by an index of object and number, else by the object."""

    naming: CategoryNames
    kept: Mapping[tuple[str, int], DicomIndexSegment]

    def segment_ids(self, name: str, numbers: Iterable[int]) -> Ints:
        """(n,) the ids of segments of an object."""
        kept_of = ((number, self.kept.get((name, number))) for number in numbers)
        return np.array([kept.segment if kept and kept.segment is not None else n for n, kept in kept_of], np.int64)

    def categories(self, name: str, labels: Iterable[tuple[int, str]]) -> Ints:
        """(n,) the categories of segments of an object, given their numbers and labels."""
        kept_of = ((label, self.kept.get((name, number))) for number, label in labels)
        to, declared = self.naming.to, self.naming.declared
        return np.array([kept.category if kept and declared else to[label] for label, kept in kept_of], np.int64)

    def track(self, name: str, number: int, otherwise: int | None) -> int | None:
        """The track of a segment."""
        kept = self.kept.get((name, number))
        return otherwise if kept is None else kept.track


_HELD_COLUMNS = frozenset({"images.sequence", "images.frame", "images.group"})  # held by the index
_SEGMENT_COLUMNS = ("segment_id", "source_id", "category_id", "track_id", "source", "attributes", "rings")


@dataclass
class AnnotatorLayer:
    """One annotator's segments on one image."""

    # rows with the columns that objects can hold, and `pixels`, their number
    segments: list[dict[str, Any]]  # Any: cells of all types
    runs: Runs  # `runs.owner` is the segment


@dataclass
class _SeriesGroup:
    """Images of one series, in order, and their segments."""

    images: list[tuple[str, DicomImage]] = field(default_factory=list)  # with their ids
    # (annotator, source) -> image id -> segments
    layers: dict[tuple[str | None, str | None], dict[str, AnnotatorLayer]] = field(default_factory=dict)


class _SeriesGrouper:
    """Groups the images of batches by series.

    Attributes
    ----------
    index : all images so far
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self.index: list[DicomIndexImage] = []

    def group(self, batches: Iterable[Batch]) -> Iterator[_SeriesGroup]:
        """Yield the groups, each once its sequence is complete. Raises SegdataError without DICOM images."""
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
                        image=row["image_id"],
                        uid=image.uid if image else "",
                        uri=row["uri"] or "",
                        width=row["width"] or 0,
                        height=row["height"] or 0,
                        sequence=row["sequence"],
                        frame=row["frame"],
                        group=row["group"],
                    )
                )
                if image is not None:
                    group = groups.setdefault((image.series, image.size), _SeriesGroup())
                    group.images.append((row["image_id"], image))
                    for who, layer in annotator_layers:
                        group.layers.setdefault(who, {})[row["image_id"]] = layer
        yield from groups.values()

    def _image(self, row: dict[str, Any], needed: bool) -> DicomImage | None:  # Any: cells of all types
        """The DICOM image of an image; None if there is none and the image is not annotated."""
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
    segments = batch.segments.select(list(_SEGMENT_COLUMNS)).to_pylist()
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
    """Count the losses of the kinds `lost` in columns, and return the batch."""
    count_losses(batch, losses, lost, _HELD_COLUMNS)
    sources = batch.annotations["source"].to_pylist()
    losses.add("source", "annotations", sum(source == "consensus" for source in sources))
    return batch


def name_categories(taxonomy: Taxonomy | None, items: Iterable[tuple[str, Color | None, str | None]]) -> CategoryNames:
    """Categories by the names of segments; items are (name, colour, definition); the first of a name counts."""
    categories: dict[str, Category] = {}
    for name, color, definition in items:
        id_ = len(categories) + 1
        category = Category(id=id_, name=name, kind=kind_from_name(name), color=color, definition=definition)
        categories.setdefault(name, category)
    return resolve_names(categories, taxonomy, Taxonomy(categories=tuple(categories.values())))


# The source of a segment in DICOM; SEMIAUTOMATIC if unknown.
ALGORITHM_TYPES = {"model": "AUTOMATIC", "human": "MANUAL"}
SegmentKey = tuple[int, bool, int]  # category, whether it is a track, track or segment id
SegmentRow = Mapping[str, Any]  # Any: cells of all types
SegmentAttributes = Mapping[str, Any]  # attributes by name; Any: JSON
# A segment and its attributes -> the attributes that an object can hold.
HeldAttributes = Callable[[SegmentRow, SegmentAttributes], set[str]]
_MAX_LONG_STRING = 64  # characters of DICOM's long strings


def segment_key(segment: SegmentRow) -> SegmentKey:
    """The key that identifies a segment across slices: its category, and its track or id."""
    track = segment["track_id"]
    return segment["category_id"], track is not None, (segment["segment_id"] or 0) if track is None else track


def _group_segments(
    layers: Mapping[str, AnnotatorLayer], source: str | None, held: HeldAttributes, losses: LossCounter
) -> dict[SegmentKey, list[SegmentRow]]:
    """The segments of an object, each with its rows on slices; counts losses.

    `layers` is by image; `source` is the default for segments without one.
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
    """Count lost sources: objects store one per segment, and a common one is read as the annotation's."""
    sources = [segment["source"] for segments in members.values() for segment in segments]
    firm = all(segment["source"] == segments[0]["source"] for segments in members.values() for segment in segments)
    kept = firm and source is None and len(set(sources)) > 1 and "consensus" not in sources
    if any(sources) and not kept:
        losses.add("source", "segments", len(sources))
        losses.add("source", "annotations", len(layers))


def _index_segments(
    numbers: Mapping[SegmentKey, int], members: Mapping[SegmentKey, list[SegmentRow]]
) -> tuple[DicomIndexSegment, ...]:
    entries = []
    for (category, tracked, track), number in numbers.items():
        id_ = members[category, tracked, track][0]["segment_id"]
        entries.append(DicomIndexSegment(number, category, track if tracked else None, None if id_ == number else id_))
    return tuple(entries)


def _held_attributes(segment: SegmentRow, held: HeldAttributes) -> dict[str, Any]:  # Any: JSON
    attributes = _all_attributes(segment)
    kept = held(segment, attributes)
    return {key: value for key, value in attributes.items() if key in kept}


def _all_attributes(segment: SegmentRow) -> dict[str, Any]:  # Any: JSON
    return {key: attribute_value(value) for key, value in segment["attributes"] or ()}


def is_long_string(value: object) -> bool:
    """Whether a value is a text that DICOM's long strings hold unchanged."""
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
    """One annotator's segments on the images of a series."""

    author: AnnotatorAndSource
    images: Mapping[str, DicomImage]  # image id -> annotated image, in order
    layers: Mapping[str, AnnotatorLayer]  # image id -> its segments
    members: Mapping[SegmentKey, list[SegmentRow]]  # the segments of the object, each with its rows on slices
    numbers: Mapping[SegmentKey, int]  # of the segments in the object, from 1
    attributes: Mapping[SegmentKey, SegmentAttributes]
    categories: Mapping[int, Category]  # by id

    def source(self, key: SegmentKey) -> str | None:
        """The source of a segment."""
        return self.members[key][0]["source"] or self.author[1]

    def category(self, key: SegmentKey) -> Category:
        """The category of a segment; if the taxonomy lacks it, one named by its id."""
        return self.categories.get(key[0]) or Category(id=key[0], name=str(key[0]))


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """The writing of a kind of objects."""

    format: str  # the name of the format
    folder: str  # of the files
    own: frozenset[LossKind]  # kinds of loss that `save` counts
    # returns the attributes that the object holds, given the annotation's source and a segment's attributes
    held: Callable[[str | None, SegmentRow, SegmentAttributes], set[str]]
    # writes a file; returns index entries of segments that the content does not list
    save: Callable[[Path, ObjectContent, LossCounter], tuple[DicomIndexSegment, ...]]


def write_objects(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, kind: ObjectKind
) -> None:
    """Write all objects; raises SegdataError if an annotated image is not a DICOM file."""
    (target / kind.folder).mkdir(parents=True)
    groups = _SeriesGrouper(kind.format)
    files: list[DicomIndexFile] = []
    for group in groups.group(_count_column_losses(batch, DICOM_LOSSES - kind.own, losses) for batch in batches):
        for who in group.layers:
            name = f"{kind.folder}/{len(files) + 1:04d}.dcm"
            content = _object_content(group, who, profile.taxonomy, kind, losses)
            with collect_dicom_warnings():  # silence warnings about values of images that deviate from the standard
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
        author=who,
        images={name: image for name, image in group.images if name in layers},
        layers=layers,
        members=members,
        numbers={key: number for number, key in enumerate(members, 1)},
        attributes={key: _held_attributes(rows[0], held) for key, rows in members.items()},
        categories=taxonomy.by_id(),
    )
