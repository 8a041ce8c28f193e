"""Writes street scenes: masks of label ids and numbers, one image at a time, with `images.csv` and taxonomy.yaml."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter, LossKind
from segdata.core.paths import is_unsafe_path
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.shared.count_losses import (
    count_category_mask_losses,
    count_hidden_segments,
    count_losses,
    count_spatial_losses,
)
from segdata.formats.shared.declared_losses import STREET_MASK_LOSSES
from segdata.formats.shared.painting import (
    ImageSegments,
    in_first_annotation,
    paint,
    segment_examples,
    segments_by_image,
)
from segdata.formats.shared.pairing import Cell, write_index
from segdata.formats.shared.taxonomies import write_sidecars
from segdata.formats.street.instance_masks import InstanceEncoding

_INDEXED = ["sequence", "frame", "split"]  # columns of the index
_NOT_WRITTEN = -1  # in place of a label id
Pixels = NDArray[np.uint16]
LABEL_IDS = np.arange(256, dtype=np.uint8)  # the table of masks that hold label ids themselves


@dataclass(frozen=True, slots=True)
class MaskStyle:
    """How one format writes masks.

    Attributes
    ----------
    numbering : of its instance masks
    label_of : category id -> label id; other categories are not written
    blank : the label id of unlabelled pixels
    stem : the name of an image's files below the target, by its split (None: it has none) and image_id
    path : the path of a mask below the target, by the stem and the kind of mask
    instances : the kind of instance masks
    labels : kind of label masks -> (256,) value by label id; the first kind has label ids
    palette : of label masks; None: they are grey
    crowds : a region of a thing without a number is a crowd
    """

    numbering: InstanceEncoding
    label_of: Mapping[int, int]
    blank: int
    stem: Callable[[str | None, str], str]
    path: Callable[[str, str], str]
    instances: str
    labels: Mapping[str, NDArray[np.uint8]]
    palette: bytes | None = None
    crowds: bool = True


def write_scenes(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, style: MaskStyle
) -> None:
    """Write a dataset: the first annotation of each image, and of overlapping segments the later one.

    A semantic dataset gets only masks of label ids, since it does not say which pixels of a thing are one instance.
    Raises SegdataError if an image has more instances of a label than there are numbers.
    """
    target.mkdir(parents=True)
    count_spatial_losses(profile, losses)
    write_index(target, _rows(profile, batches, target, losses, style), videos=True)
    write_sidecars(target, profile, profile.taxonomy)


def _rows(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, style: MaskStyle
) -> Iterator[tuple[Cell, ...]]:
    """Write the masks, and yield the rows of the index."""
    numbering = None if profile.task == "semantic" else style.numbering
    blank = style.blank if numbering is None else int(numbering.region(np.array([style.blank], np.int64))[0])
    things = [
        category.id for category in profile.taxonomy.categories if category.kind == "thing" and numbering is not None
    ]
    stems = _FileStems(style)
    for batch in batches:
        ink = _SegmentValues.of(batch, style, np.array(things, np.int64))
        count_losses(batch, losses, STREET_MASK_LOSSES - {"crowd"}, frozenset(f"images.{name}" for name in _INDEXED))
        indexed = batch.images.select(_INDEXED).to_pylist()
        for sheet, index_row in zip(segments_by_image(batch), indexed, strict=True):
            path = None
            if sheet.annotated:
                sheet = _visible_segments(sheet, ink)
                values = ink.fill(sheet, numbering)
                pixels = paint(sheet, values, blank, np.uint16)
                count_hidden_segments(batch, sheet, values, pixels, losses)
                stem = stems.stem(sheet.image_id, index_row["split"])
                path = _save_masks(target, stem, pixels, style, numbered=numbering is not None)
            yield sheet.image_id, path, sheet.width, sheet.height, sheet.uri, *index_row.values()
        _count(batch, ink, profile, style, numbering is not None, losses)


def _save_masks(target: Path, stem: str, pixels: Pixels, style: MaskStyle, *, numbered: bool) -> str:
    """Write the masks of one image; returns the path of the one with these values.

    `numbered`: `pixels` (height, width) are instance values, else label ids.
    """
    labels = (
        style.numbering.split(np.arange(2**16, dtype=np.int64))[0].astype(np.uint16)[pixels] if numbered else pixels
    )
    images = {kind: Image.fromarray(values[labels]) for kind, values in style.labels.items()}
    main = next(iter(images))
    if style.palette is not None:
        for image in images.values():
            image.putpalette(style.palette)
    if numbered:
        main = style.instances
        images[main] = Image.fromarray(pixels)
    for kind, image in images.items():
        path = target / style.path(stem, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    return style.path(stem, main)


@dataclass(frozen=True, slots=True)
class _SegmentValues:
    """The values that the segments of a batch are painted with.

    Attributes
    ----------
    label : (n_segments,) the label id, `_NOT_WRITTEN` for none
    numbered : (n_segments,) 1: an instance, 0: a region, -1: stuff that is alone, which may have a number
    crowd : (n_segments,) it is a crowd, and will not be read as one
    ids : (n_segments,) segment ids
    value : (n_segments,) the value, once it is decided
    """

    label: Ints
    numbered: Ints
    crowd: NDArray[np.bool_]
    ids: Ints
    value: Ints

    @staticmethod
    def of(batch: Batch, style: MaskStyle, things: Ints) -> "_SegmentValues":
        categories = batch.segments["category_id"].to_numpy()
        label = np.array([style.label_of.get(category, _NOT_WRITTEN) for category in categories.tolist()], np.int64)
        label[label == style.blank] = _NOT_WRITTEN  # unpainted pixels are blank
        is_thing = np.isin(categories, things)
        crowd: NDArray[np.bool_] = batch.segments["iscrowd"].fill_null(False).to_numpy()
        is_crowd_kept = crowd & is_thing & style.crowds
        keys = np.stack([batch.segment_annotation, label], axis=1)
        _, same, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        is_single = count[same.reshape(-1)] == 1
        numbered = np.where(is_thing & ~is_crowd_kept, 1, np.where(~is_thing & is_single, -1, 0))
        ids = batch.segments["segment_id"].fill_null(-1).to_numpy()
        return _SegmentValues(label, numbered, crowd & ~is_crowd_kept, ids, np.full(len(label), _NOT_WRITTEN, np.int64))

    def fill(self, sheet: ImageSegments, numbering: InstanceEncoding | None) -> Ints:
        """Choose the values (n,) of one image's segments; raises SegdataError if there are too many."""
        rows = sheet.segments
        label = self.label[rows]
        try:
            self.value[rows] = (
                label if numbering is None else numbering.values(label, self.numbered[rows], self.ids[rows])
            )
        except SegdataError as error:
            raise SegdataError(f"image {sheet.image_id!r}: {error}") from error
        return self.value[rows]


def _visible_segments(sheet: ImageSegments, ink: _SegmentValues) -> ImageSegments:
    """The sheet with the segments that have a label and pixels."""
    kept = np.flatnonzero((ink.label[sheet.segments] >= 0) & (sheet.runs.areas(len(sheet.segments)) > 0))
    return sheet.only(kept)


def _count(
    batch: Batch, ink: _SegmentValues, profile: Profile, style: MaskStyle, numbered: bool, losses: LossCounter
) -> None:
    """Count the losses of masks; `numbered`: values are segment ids, else label ids."""
    is_written, areas = in_first_annotation(batch), batch.runs.areas(batch.n_segments)
    categories = batch.segments["category_id"].to_numpy()
    void = (ink.label == _NOT_WRITTEN) & np.isin(categories, profile.taxonomy.void_ids)
    blank_categories = [category for category, label in style.label_of.items() if label == style.blank]
    blank = ~void & np.isin(categories, blank_categories)
    kinds: tuple[tuple[LossKind, NDArray[np.bool_]], ...] = (
        ("void", void),
        ("unlabelled", blank),
        ("crowd", ink.crowd),
    )
    for kind, flags in kinds:
        rows = np.flatnonzero(is_written & flags)
        losses.add(kind, "segments", len(rows), int(areas[rows].sum()), segment_examples(batch, rows))
    others = np.flatnonzero(~void & ~blank)
    # What has no pixels got no value, and is known all the same.
    values = np.where((ink.label >= 0) & (ink.value < 0), 0, ink.value)[others]
    count_category_mask_losses(batch.take_segments(others), values, losses, ids=values if numbered else None)


class _FileStems:
    """Gives each image a name of its own for its files."""

    def __init__(self, style: MaskStyle) -> None:
        self._style = style
        self._taken: set[str] = set()

    def stem(self, image_id: str, split: str | None) -> str:
        """The path below the target, without the parts of the kinds of masks; raises SegdataError for an unsafe id."""
        if is_unsafe_path(image_id):
            raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so its masks have no place")
        folder = split if split and not is_unsafe_path(split) and re.fullmatch(r"[\w. -]*\w", split) else None
        stem = self._style.stem(folder, image_id)
        if stem.lower() in self._taken:  # a.jpg and a.png, or names that some file systems take for the same
            stem = f"{stem}-{len(self._taken)}"
        self._taken.add(stem.lower())
        return stem
