"""Writes VOC's layout: masks of classes and objects, lists of splits, and XML files of boxes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter, LossKind
from segdata.core.paths import is_unsafe_path
from segdata.core.profile import Profile
from segdata.core.runs import Ints, bounding_boxes
from segdata.core.taxonomy import Taxonomy
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.painting import (
    ImageSegments,
    MaskPaths,
    count_category_mask_losses,
    count_hidden_segments,
    count_losses,
    count_segment_mask_losses,
    count_spatial_losses,
    in_first_annotation,
    paint,
    pixel_values,
    segment_examples,
    segments_by_image,
)
from segdata.formats.shared.pairing import Cell, write_index
from segdata.formats.shared.taxonomies import write_sidecars
from segdata.formats.voc.boxes import Attributes, annotation_xml, object_xml, xml_attributes
from segdata.formats.voc.classes import (
    BACKGROUND,
    LABELMAP,
    MOST_OBJECTS,
    OBJECT_PALETTE,
    VOC,
    VOID,
    ClassPalette,
    class_palette,
    palette_image,
    write_label_map,
)
from segdata.formats.voc.reader import BOXES, CLASSES, LISTS, NO_SPLIT, OBJECTS

_HELD = frozenset({"images.split", "images.sequence", "images.frame"})
# What XML files hold of objects, as columns and as kinds of loss.
_OF_OBJECTS = frozenset(f"segments.{name}" for name in ("attributes", "iscrowd", "score", "source", "track_id"))
_OBJECT_KINDS: frozenset[LossKind] = frozenset({"attributes", "crowd", "score", "source", "track"})
Pixels = NDArray[np.uint8]


def write_voc(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, lost: frozenset[LossKind]
) -> None:
    """Write the dataset below `target`; `lost` are the kinds that the format declares.

    A semantic dataset gets masks of classes alone; in others every segment but void is an object.
    """
    semantic = profile.task == "semantic"
    writer = _Writer(profile.taxonomy, semantic, target, class_palette(profile.taxonomy), losses, lost)
    for folder in [CLASSES] if semantic else [CLASSES, OBJECTS]:
        (target / folder).mkdir(parents=True)
    count_spatial_losses(profile, losses)
    write_index(target, writer.rows(batches), videos=True)
    (target / LISTS).mkdir(parents=True)
    for split, stems in writer.lists.items():
        (target / LISTS / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
    if profile.taxonomy != VOC:
        write_label_map(target / LABELMAP, writer.palette.colors)
    if profile.taxonomy != VOC or profile.coverage.declared or profile.overlap.declared:
        write_sidecars(target, profile, profile.taxonomy)


@dataclass
class _Writer:
    """Writes images one at a time."""

    taxonomy: Taxonomy  # of the dataset
    semantic: bool  # only classes are written
    target: Path  # the folder
    palette: ClassPalette  # how classes are painted
    losses: LossCounter
    lost: frozenset[LossKind]  # the kinds that the format declares
    lists: dict[str, list[str]] = field(default_factory=dict)  # the stems of annotated images by split
    _names: MaskPaths = field(default_factory=MaskPaths)

    def rows(self, batches: Iterable[Batch]) -> Iterator[tuple[Cell, ...]]:
        """Write the files of each image, and yield the rows of images.csv."""
        for batch in batches:
            index = self.palette.values(integer_column(batch.segments["category_id"]))
            attributes = self._counted(batch, index)
            image_rows = batch.images.select(["sequence", "frame", "split"]).to_pylist()
            for image, image_row in zip(segments_by_image(batch), image_rows, strict=True):
                mask = None
                if image.annotated:
                    stem = self._names.name(image.image_id, "").removeprefix("masks/")
                    mask = f"{CLASSES}/{stem}.png"
                    self.lists.setdefault(_list_name(image_row["split"]), []).append(stem)
                    self._paint(batch, image, index[image.segments], attributes, stem)
                yield image.image_id, mask, image.width, image.height, image.uri, *image_row.values()

    def _counted(self, batch: Batch, index: Ints) -> Attributes:
        """Count the losses of the batch, and return the attributes of its segments."""
        if self.semantic:
            count_losses(batch, self.losses, self.lost, _HELD)
            count_category_mask_losses(batch, index, self.losses)
            return []
        count_losses(batch, self.losses, self.lost, _HELD | _OF_OBJECTS)
        self._count_void(batch, index == VOID)
        shared = batch.n_segments + batch.segment_annotation.astype(np.int64)  # void of one annotation is one region
        same = np.where(index == VOID, shared, np.arange(batch.n_segments))
        count_segment_mask_losses(batch, index >= 0, self.losses, same)
        attributes, lost_rows = xml_attributes(batch)
        rows = np.array(lost_rows, np.int64)
        self.losses.add("attributes", "segments", len(rows), examples=segment_examples(batch, rows))
        return attributes

    def _count_void(self, batch: Batch, void: NDArray[np.bool_]) -> None:
        """Count the data of void segments, which have no box, and void segments that become one."""
        void_segments = batch.take_segments(np.flatnonzero(void))
        count_losses(void_segments, self.losses, _OBJECT_KINDS, frozenset({"annotations.source"}))
        areas = batch.runs.areas(batch.n_segments)
        rows = np.flatnonzero(void & in_first_annotation(batch) & (areas > 0))
        annotation = batch.segment_annotation[rows]
        several = rows[np.bincount(annotation, minlength=batch.annotations.num_rows)[annotation] > 1]
        self.losses.add(
            "instance", "segments", len(several), int(areas[several].sum()), segment_examples(batch, several)
        )

    def _paint(self, batch: Batch, image: ImageSegments, index: Ints, attributes: Attributes, stem: str) -> None:
        painted_rows = np.flatnonzero((index >= 0) & (image.runs.areas(len(index)) > 0))
        visible = image.only(painted_rows)
        classes = paint(visible, index[painted_rows], BACKGROUND, np.uint8)
        self._save(CLASSES, stem, classes, self.palette.palette)
        if self.semantic:
            count_hidden_segments(batch, visible, index[painted_rows], classes, self.losses)
            return
        number = _object_values(batch, visible, index[painted_rows], self.losses)
        objects = paint(visible, number, BACKGROUND, np.uint8)
        self._save(OBJECTS, stem, objects, OBJECT_PALETTE)
        count_hidden_segments(batch, visible, number, objects, self.losses)
        self._describe(batch, visible, number, objects, attributes, stem)

    def _save(self, folder: str, stem: str, pixels: Pixels, palette: bytes) -> None:
        path = self.target / folder / f"{stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        palette_image(pixels, palette).save(path)

    def _describe(
        self, batch: Batch, image: ImageSegments, number: Ints, objects: Pixels, attributes: Attributes, stem: str
    ) -> None:
        """Write the XML file of one image: a box for each object that can be seen."""
        runs = ValueRuns.of(objects)
        n = len(runs.value)
        regions = runs.assign_owners(np.arange(n, dtype=np.int32), n)
        sides = np.array(bounding_boxes(regions, np.full(n, runs.height), n)).T.tolist()
        row_of = {k: row for k, row in zip(number.tolist(), image.segments.tolist(), strict=True) if k != VOID}
        categories = batch.segments["category_id"].take(image.segments).to_pylist()
        name_of = dict(zip(image.segments.tolist(), map(self.taxonomy.name_of, categories), strict=True))
        shown = [(row_of[value], box) for value, box in zip(runs.value.tolist(), sides, strict=True) if value in row_of]
        objects_xml = (object_xml(name_of[row], box, attributes[row]) for row, box in shown)
        text = annotation_xml(image.image_id, image.width, image.height, objects_xml)
        path = self.target / BOXES / f"{stem}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _object_values(batch: Batch, image: ImageSegments, index: Ints, losses: LossCounter) -> Ints:
    """(n,) the value of each segment in the mask of objects; raises SegdataError if there are too many."""
    ids = integer_column(batch.segments["segment_id"])[image.segments]
    is_object = index != VOID
    count = int(is_object.sum())
    if count > MOST_OBJECTS:
        raise SegdataError(
            f"image {image.image_id!r} has {count} objects, VOC's masks number {MOST_OBJECTS} at most; write "
            "instance-ids or coco-instances, or leave some out"
        )
    number = np.full(len(ids), VOID, np.int64)
    number[is_object] = pixel_values(ids[is_object], MOST_OBJECTS)
    changed = image.segments[number != ids]
    losses.add("segment-id", "segments", len(changed), examples=segment_examples(batch, changed))
    return number


def _list_name(split: str | None) -> str:
    """The list of a split; images.csv keeps the split itself."""
    name = (split or NO_SPLIT).replace("/", "_").replace("\\", "_")
    return NO_SPLIT if is_unsafe_path(name) or name.startswith(".") else name
