"""NIfTI writer: paint segments as categories or instances, stack them into volumes, and write these with an index."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import SegdataError, check_choice
from segdata.core.losses import LossCounter, LossKind
from segdata.core.paths import is_unsafe_path, relative_channels, relative_uri
from segdata.core.profile import ImageSequence, Profile
from segdata.core.runs import Flags, Ints
from segdata.core.safe_text import stored_json
from segdata.core.taxonomy import Id as CategoryId
from segdata.formats.medical.nifti import LOSSES
from segdata.formats.medical.nifti_files import (
    VolumePlace,
    is_nifti_name,
    nifti_stem,
    read_header,
    source_header,
    volume_sequence,
    write_volume,
)
from segdata.formats.medical.nifti_labels import VolumeIndexEntry, VolumeIndexLabel, VolumeSlice, write_volume_index
from segdata.formats.medical.nifti_reader import LAYERS_KEY
from segdata.formats.shared import writing
from segdata.formats.shared.instance_id_rules import ID_TABLE, IdTableWriter
from segdata.formats.shared.taxonomies import table_names, write_sidecars

Values = NDArray[np.unsignedinteger[Any]]  # (height, width); Any: of any width
_NAMES = ("image_id", "uri", "sequence", "frame", "channels")


@dataclass(frozen=True, slots=True)
class PaintedImage:
    """An image with the values of its painted pixels."""

    # image_id, uri, sequence, frame, channels: as in the images' columns
    image_id: str
    uri: str | None
    sequence: str | None
    frame: int | None
    channels: tuple[Mapping[str, str | None], ...] | None
    height: int  # pixels; 0 where unknown
    width: int  # pixels; 0 where unknown
    annotated: bool
    layers: Sequence[Values] = ()  # the values of each layer; empty if it is not annotated
    coverage: str | None = None  # of the annotation


@dataclass
class ImageStack:
    """The pictures of one volume, in the order of arrival."""

    pictures: list[PaintedImage] = field(default_factory=list)  # at least one

    @property
    def sequence(self) -> str | None:
        """The sequence of all pictures."""
        return self.pictures[0].sequence

    @property
    def name(self) -> str:
        """The name of the sequence, or the id of a single image."""
        return self.sequence or self.pictures[0].image_id

    @property
    def is_annotated(self) -> bool:
        """Whether any of the pictures is annotated."""
        return any(image.annotated for image in self.pictures)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width; (0, 0) if no picture's is known."""
        return next(((image.height, image.width) for image in self.pictures if image.height and image.width), (0, 0))

    def takes(self, picture: PaintedImage) -> bool:
        """Whether a picture may be a slice of the same volume."""
        sizes = {self.size, (picture.height, picture.width)} - {(0, 0)}
        return self.sequence is not None and picture.sequence == self.sequence and len(sizes) <= 1

    def places(self, n_slices: int | None) -> list[int]:
        """The slice of each picture: its frame if the volume has that many slices, else its rank by frame."""
        frames = [image.frame for image in self.pictures]
        numbers = [frame for frame in frames if frame is not None]
        if (
            n_slices is not None
            and len(set(numbers)) == len(frames)
            and all(0 <= frame < n_slices for frame in numbers)
        ):
            return numbers
        order = sorted(range(len(frames)), key=lambda row: (frames[row] is None, frames[row] or 0, row))
        place = [0] * len(frames)
        for number, row in enumerate(order):
            place[row] = number
        return place

    def slices(self, layer: int, places: Sequence[int], n_slices: int, blank: int) -> list[Values]:
        """The values of a layer, slice by slice; `blank` for slices without an annotated picture."""
        painted = {
            place: picture.layers[layer]
            for place, picture in zip(places, self.pictures, strict=True)
            if picture.annotated
        }
        empty = np.full(self.size, blank, np.uint32 if blank > np.iinfo(np.uint16).max else np.uint16)
        return [painted.get(place, empty) for place in range(n_slices)]


def stack_images(pictures: Iterable[PaintedImage]) -> Iterator[ImageStack]:
    """Stack consecutive pictures into volumes."""
    stack: ImageStack | None = None
    for picture in pictures:
        if stack is not None and stack.takes(picture):
            stack.pictures.append(picture)
            continue
        if stack is not None:
            yield stack
        stack = ImageStack([picture])
    if stack is not None:
        yield stack


def painted_images(
    batch: Batch, paint_layers: Callable[[writing.ImageSegments], Sequence[Values]]
) -> Iterator[PaintedImage]:
    """The painted images of a batch; `paint_layers` returns the values of each, none if it is not annotated."""
    for row, image in zip(_image_rows(batch), writing.segments_by_image(batch), strict=True):
        yield PaintedImage(
            **row, height=image.height, width=image.width, annotated=image.annotated, layers=paint_layers(image)
        )


def _image_rows(batch: Batch) -> list[dict[str, Any]]:  # Any: cells of all types
    """The columns of a batch's images for `PaintedImage`, and the coverage of their first annotation."""
    rows: list[dict[str, Any]] = batch.images.select(list(_NAMES)).to_pylist()
    coverage = zip(batch.annotation_image.tolist(), batch.annotations["coverage"].to_pylist(), strict=True)
    judged = dict(reversed(list(coverage)))
    for number, row in enumerate(rows):
        row["channels"] = None if row["channels"] is None else tuple(row["channels"])
        row["coverage"] = judged.get(number)
    return rows


_MAX_CATEGORY_VALUE = 2**31 - 1  # limit of programs that read labels
_Value = Annotated[int, msgspec.Meta(ge=0, le=_MAX_CATEGORY_VALUE)]


class _StoredLayers(msgspec.Struct, frozen=True):
    """The layers that the reader kept: for each its values with their categories, and the files of each volume."""

    layers: dict[str, dict[_Value, CategoryId]] = {}
    files: dict[str, dict[str, str]] = {}


@dataclass(frozen=True)
class Layering:
    """The layers of a dataset; a single one is named "", and values are category ids."""

    layers: tuple[str, ...]  # by name
    values: Mapping[int, tuple[str, int]]  # category id -> layer and value
    # volume -> layer -> known name of its file
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    blank: int = 0  # the value of unlabelled voxels

    def layers_and_values(self, categories: Ints) -> tuple[Ints, Ints]:
        """(n,) the row of `layers` and the value of each category id; -1 for a category without a value."""
        row = {layer: number for number, layer in enumerate(self.layers)}
        pairs = [self.values.get(category, (self.layers[0], -1)) for category in categories.tolist()]
        return (
            np.array([row[layer] for layer, _ in pairs], np.int64),
            np.array([value for _, value in pairs], np.int64),
        )

    def index(self) -> dict[str, dict[int, int]]:
        """Layer -> value -> category id; empty if values are the ids."""
        if self.layers == ("",):
            return {}
        categories_of: dict[str, dict[int, int]] = {layer: {} for layer in self.layers}
        for id_, (layer, value) in self.values.items():
            categories_of[layer][value] = id_
        return categories_of


def choose_layering(profile: Profile) -> Layering:
    """The layers with which the volumes were read, else one layer. Raises SegdataError for ids that are no values."""
    ids = list(profile.taxonomy.by_id())
    for category in ids:
        if not 0 <= category <= _MAX_CATEGORY_VALUE:
            raise SegdataError(f"category id {category} does not fit a label volume (0 to {_MAX_CATEGORY_VALUE:,})")
    read = stored_json(profile.metadata.get(LAYERS_KEY), _StoredLayers) or _StoredLayers()
    values = {
        id_: (layer, value)
        for layer, categories in read.layers.items()
        for value, id_ in categories.items()
        if id_ in ids
    }
    if not values:
        return Layering(("",), {category: ("", category) for category in ids}, read.files, _blank(profile, ids))
    spare = "" if "" not in read.layers else "others"
    others = {category: (spare, category) for category in ids if category not in values and category != 0}
    layers = sorted({layer for layer, _ in (*values.values(), *others.values())} | read.layers.keys())
    return Layering(tuple(layers), values | others, read.files)


def _blank(profile: Profile, ids: list[int]) -> int:
    """The value of unlabelled voxels: the taxonomy's, else 0, else the lowest value without a category."""
    declared = profile.taxonomy.unlabelled_id
    if declared is not None and 0 <= declared <= _MAX_CATEGORY_VALUE:
        return declared
    return next(value for value in range(len(ids) + 1) if value not in ids)


def paint_categories(batches: Iterable[Batch], layering: Layering, losses: LossCounter) -> Iterator[PaintedImage]:
    """The images of the batches, while what one value a pixel cannot hold is counted."""
    for batch in batches:
        layer, value = layering.layers_and_values(batch.segment_category)
        layers = [
            _paint_layer(batch, np.flatnonzero(layer == row), value, layering.blank, losses)
            for row in range(len(layering.layers))
        ]
        yield from painted_images(batch, partial(_next_layers, layers))


def _next_layers(layers: Iterable[Iterator[Values | None]], image: writing.ImageSegments) -> list[Values]:
    return [pixels for layer in layers if (pixels := next(layer)) is not None]


def _paint_layer(batch: Batch, rows: Ints, value: Ints, blank: int, losses: LossCounter) -> Iterator[Values | None]:
    """The values of one layer in each image of a batch, of its segments at `rows`; None: not annotated."""
    layer = batch.take_segments(rows)
    values = value[rows]
    writing.count_category_mask_losses(layer, values, losses, blank)
    narrow = writing.smallest_unsigned(max(int(values.max(initial=0)), blank))
    for image in writing.segments_by_image(layer):
        if not image.annotated:
            yield None
            continue
        yield writing.paint_and_count(layer, image, values[image.segments], blank, np.uint32, losses).astype(narrow)


_MAX_INSTANCE_VALUE = 2**31 - 1  # a value
_MAX_ID = 2**62  # in the table
_INSTANCE_COLUMNS = ("segment_id", "source_id", "category_id", "track_id", "iscrowd")
_InstanceKey = tuple[bool, int, int]  # whether it is a track, its number, its category


@dataclass
class _VolumeValues:
    """The values assigned so far in one volume."""

    values: dict[_InstanceKey, int] = field(default_factory=dict)
    meaning: dict[int, tuple[int, int, bool]] = field(default_factory=dict)  # value -> category, segment id, crowd
    spare: int = 1

    def value(self, key: _InstanceKey, crowd: bool) -> int:
        """The value of an instance, assigned if it has none yet."""
        value = self.values.get(key)
        if value is not None:
            return value
        _, number, category = key
        new = number
        if not 0 < new <= _MAX_INSTANCE_VALUE or new in self.meaning:
            while self.spare in self.meaning:
                self.spare += 1
            new = self.spare
        self.values[key] = new
        self.meaning[new] = (category, number if abs(number) <= _MAX_ID else new, crowd)
        return new


class InstancePainter:
    """Paints the images of batches; `write_table` then lists the values."""

    def __init__(self, names: Mapping[int, str], losses: LossCounter) -> None:
        self._names, self._losses = names, losses
        self._volumes: dict[str, _VolumeValues] = {}

    def pictures(self, batches: Iterable[Batch]) -> Iterator[PaintedImage]:
        """The images of the batches, while what one value a pixel cannot hold is counted."""
        for batch in batches:
            is_known = np.isin(batch.segment_category, np.array(list(self._names), np.int64))
            writing.count_segment_mask_losses(batch, is_known, self._losses)
            yield from painted_images(batch, partial(self._paint, batch, is_known))

    def _paint(self, batch: Batch, is_known: Flags, image: writing.ImageSegments) -> list[Values]:
        if not image.annotated:
            return []
        return [writing.paint_and_count(batch, image, self._values(batch, image, is_known), 0, np.uint32, self._losses)]

    def write_table(self, path: Path) -> None:
        """Write the table of values, volume by volume."""
        with path.open("w", encoding="utf-8", newline="") as file:
            table = IdTableWriter(file, self._names)
            for name, volume in self._volumes.items():
                for value, (category, segment, crowd) in sorted(volume.meaning.items()):
                    table.add(name, value, category, segment, crowd)

    def _values(self, batch: Batch, image: writing.ImageSegments, is_known: Flags) -> Ints:
        """(n,) the value of each segment of an image, -1 if it is not painted; counts losses."""
        sequence = image.sequence
        volume = self._volumes.setdefault(sequence or image.image_id, _VolumeValues())
        values = np.full(len(image.segments), -1, np.int64)
        painted_positions = np.flatnonzero(is_known[image.segments] & (image.runs.areas(len(values)) > 0))
        rows = image.segments[painted_positions]
        lost_rows: dict[LossKind, list[int]] = {"segment-id": [], "track": [], "crowd": [], "instance": []}
        values_seen: set[int] = set()
        segment_rows = batch.segments.select(list(_INSTANCE_COLUMNS)).take(rows).to_pylist()
        for position, row, segment in zip(painted_positions.tolist(), rows.tolist(), segment_rows, strict=True):
            track, number = segment["track_id"], segment["segment_id"] or 0
            tracked = sequence is not None and track is not None
            crowd = bool(segment["iscrowd"])
            value = volume.value((tracked, track if tracked else number, segment["category_id"]), crowd)
            _, segment_id, is_crowd = volume.meaning[value]
            differences: tuple[tuple[LossKind, bool], ...] = (
                ("segment-id", segment_id != segment["segment_id"] and segment["source_id"] is None),
                ("track", track != (None if sequence is None else segment_id)),
                ("crowd", is_crowd != crowd),
                ("instance", value in values_seen),
            )
            for kind, differs in differences:
                lost_rows[kind] += [row] if differs else []
            values_seen.add(value)
            values[position] = value
        for kind, lost in lost_rows.items():
            writing.count_segments(batch, np.array(lost, np.int64), kind, self._losses)
        return values


class _VolumeWriter:
    """Writes stacks below a folder, one file for each layer."""

    def __init__(self, target: Path, profile: Profile, layering: Layering, losses: LossCounter) -> None:
        self._target, self._layering, self._losses = target, layering, losses
        self._sequences = {sequence.name: sequence for sequence in profile.sequences}
        self._taken: set[str] = set()

    def save(self, stack: ImageStack) -> VolumeIndexEntry:
        sequence = self._sequences.get(stack.sequence or "")
        called = self._layering.files.get(stack.name, {})
        head = source_header(self._sequences.get(next(iter(called.values()), "")) or sequence)
        places = stack.places(head.shape[2] if head is not None else None)
        n_slices = head.shape[2] if head is not None and max(places) < head.shape[2] else max(places) + 1
        labels = []
        for row, layer in enumerate(self._layering.layers):
            if not self._is_written(stack, row, layer):
                continue
            source = self._sequences.get(called.get(layer, ""), sequence)
            name = self._name(stack.name, layer, called.get(layer))
            slices = stack.slices(row, places, n_slices, self._layering.blank)
            if not write_volume(self._target / name, slices, source) and row == 0:
                self._losses.add("spatial", "sequences", 1, examples=[stack.name])
            labels.append(VolumeIndexLabel(name, called.get(layer, ""), layer))
        return VolumeIndexEntry(
            tuple(index_image(place, image, self._target) for place, image in zip(places, stack.pictures, strict=True)),
            tuple(labels),
            stack.sequence,
            sequence.kind if sequence is not None else "volume",
            place=index_place(stack, sequence, self._target / labels[0].file if labels else None),
        )

    def _is_written(self, stack: ImageStack, row: int, layer: str) -> bool:
        """Whether a layer gets a file: it had one, it has a pixel, or it is the only one."""
        if not stack.is_annotated:
            return False
        if layer in self._layering.files.get(stack.name, {}):
            return True
        has_pixels = any(
            (image.layers[row] != self._layering.blank).any() for image in stack.pictures if image.annotated
        )
        return has_pixels or (row == 0 and not self._layering.files.get(stack.name))

    def _name(self, volume: str, layer: str, called: str | None) -> str:
        """The path of a file below the target; raises SegdataError for a name that leaves it."""
        if is_unsafe_path(volume):
            raise SegdataError(f"{volume!r} leaves the dataset's root, so its labels have no place")
        path = PurePosixPath("labels", volume)
        own = PurePosixPath(called or "").name
        if is_nifti_name(own) and not is_unsafe_path(own):
            path = path.with_name(own)
        elif layer:
            path = path.with_name(f"{nifti_stem(path.name)}_{layer}{path.name[len(nifti_stem(path.name)) :]}")
        name = path.as_posix() if is_nifti_name(path.name) else f"{path.as_posix()}.nii.gz"
        if name.lower() in self._taken:  # names that some file systems do not tell apart
            name = f"{nifti_stem(name)}.{len(self._taken)}{name[len(nifti_stem(name)) :]}"
        self._taken.add(name.lower())
        return name


def index_place(stack: ImageStack, sequence: ImageSequence | None, path: Path | None) -> VolumePlace | None:
    """The place of a volume for the index, if the header of its labels states another one."""
    if stack.sequence is None:
        return None
    head = None if path is None else read_header(path)
    stored = ImageSequence(stack.sequence) if head is None else volume_sequence(stack.sequence, head)
    place = VolumePlace() if sequence is None else VolumePlace.from_sequence(sequence)
    return place if place != VolumePlace.from_sequence(stored) and place.fits(head) else None


def index_image(place: int, picture: PaintedImage, target: Path) -> VolumeSlice:
    """The index entry of an image, with its size if no label file states it."""
    height, width = (0, 0) if picture.annotated else (picture.height, picture.width)
    channels = relative_channels(picture.channels, target)
    return VolumeSlice(
        image=picture.image_id,
        slice=place,
        frame=picture.frame,
        uri=relative_uri(picture.uri, target),
        annotated=picture.annotated,
        width=width,
        height=height,
        channels=channels,
        coverage=picture.coverage,
    )


# by the index
_HELD_COLUMNS = frozenset({"images.channels", "images.frame", "images.sequence", "annotations.coverage"})


def write_nifti(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, values: str | None = None
) -> None:
    """Write the volumes, and files with the data that volumes do not hold."""
    by = values or ("category" if profile.task == "semantic" else "instance")
    check_choice("values", by, ("category", "instance"))
    counted = (_count_batch_losses(batch, losses, by) for batch in batches)
    target.mkdir(parents=True)
    if by == "category":
        layering = choose_layering(profile)
        folder = _VolumeWriter(target, profile, layering, losses)
        volumes = [folder.save(stack) for stack in stack_images(paint_categories(counted, layering, losses))]
        taxonomy = profile.taxonomy
        if layering.blank:
            taxonomy = msgspec.structs.replace(taxonomy, unlabelled=layering.blank)
        write_sidecars(target, profile, taxonomy)
    else:
        layering = Layering(("",), {})
        folder = _VolumeWriter(target, profile, layering, losses)
        painter = InstancePainter(table_names(profile.taxonomy), losses)
        volumes = [folder.save(stack) for stack in stack_images(painter.pictures(counted))]
        painter.write_table(target / ID_TABLE)
        write_sidecars(target, profile, profile.taxonomy, InstanceIds(table=ID_TABLE))
    write_volume_index(target, volumes, layering.index())


def _count_batch_losses(batch: Batch, losses: LossCounter, by: str) -> Batch:
    """Count the batch's losses (the painter counts tracks and crowd flags of instances), and return it."""
    writing.count_losses(batch, losses, LOSSES if by == "category" else LOSSES - {"crowd", "track"}, _HELD_COLUMNS)
    return batch
