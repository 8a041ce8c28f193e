"""Panoptic reader: entries joined to images, masks and categories, decoded when a batch asks for them."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replace_column
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.runs import Ints, Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_SEGMENTS, make_table
from segdata.formats.coco.attributes import segment_columns
from segdata.formats.coco.categories import read_categories
from segdata.formats.coco.document import Document, DocumentKind, Id, Items, Raw, decode_items, read_document
from segdata.formats.coco.images import (
    CocoSource,
    ImageList,
    document_profile,
    find_document_images,
    find_truth,
    read_image_list,
    truth_categories,
)
from segdata.formats.coco.panoptic_masks import (
    JoinedMask,
    MaskPlace,
    PanopticMask,
    RefusedMaskError,
    find_masks,
    join_mask,
    orphan_masks,
    read_mask,
)
from segdata.formats.shared.images import ImageFolder, similar_name_hint

_PANOPTIC_DOCUMENT = DocumentKind(
    "a COCO document",
    "an object with images, annotations and categories",
    remedy="; for predictions give --read-option truth=FILE.json",
)
_CHUNK = 16  # masks that are decoded at once
_KNOWN = frozenset({"id", "image_id", "file_name", "segments_info"})


class _EntryItem(msgspec.Struct, gc=False):
    """An entry of `annotations` of a panoptic file: the mask of an image and the meanings of its ids."""

    image_id: Id
    file_name: str
    segments_info: Raw


class _StrictEntryItem(_EntryItem, gc=False, forbid_unknown_fields=True):
    """An entry of `annotations` without further keys."""


@dataclass(frozen=True, slots=True)
class PanopticSource(CocoSource):
    """An opened document in which each annotation is a mask.

    Attributes
    ----------
    entries : its annotations, `segments_info` undecoded
    entry : image row -> position in `entries`
    masks : the mask files
    """

    entries: Items[_EntryItem]
    entry: dict[int, int]
    masks: ImageFolder

    def chunks(self) -> list[Ints]:
        """Rows of images, a few masks at a time."""
        rows = np.arange(len(self.image_ids), dtype=np.int64)
        return [rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK)]

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, their masks decoded; an image with an unreadable mask is not annotated."""
        images, defects = self.listing.table(rows, self.folder)
        width, height = images["width"].to_pylist(), images["height"].to_pylist()
        annotated, encodings, files, joined, attributes = [], [], [], [], []
        for k, row in enumerate(rows.tolist()):
            i = self.entry.get(row)
            if i is None:
                continue
            where = self._where(row, i)
            mask, mask_defects = self._mask(where, self.entries.items[i].file_name)
            if mask is not None and (width[k], height[k]) in ((0, 0), (mask.width, mask.height)):
                width[k], height[k] = mask.width, mask.height
                annotated.append(k)
                encodings.append(mask.encoding)
                files.append(where.mask)
                joined.append(join_mask(mask, self.entries.items[i].segments_info, self.categories, where))
                attributes.append(list(self.entries.extras([i], _KNOWN)[0].items()) or None)
                mask_defects = joined[-1].defects
            elif mask is not None:
                mask_defects = [_size_defect(mask, width[k], height[k], where)]
            defects += mask_defects
        annotations = make_table(
            BATCH_ANNOTATIONS,
            len(annotated),
            image=annotated,
            annotator=[self.annotator] * len(annotated),
            encoding=encodings,
            file=files,
            attributes=attributes,
        )
        segments, faults = self._segments(joined, [self.image_ids[rows[k]] for k in annotated])
        images = replace_column(replace_column(images, "width", width), "height", height)
        runs = Runs.concatenate([masks.runs for masks in joined], [len(masks.items) for masks in joined])
        return Batch(images, annotations, segments, runs, tuple(defects + faults))

    def _where(self, row: int, i: int) -> MaskPlace:
        name = self.entries.items[i].file_name
        folder = self.masks.root.name + "/" if self.masks.root is not None else ""
        return MaskPlace(self.image_ids[row], self.document.name, f"/annotations/{self.entries.rows[i]}", folder + name)

    def _mask(self, where: MaskPlace, name: str) -> tuple[PanopticMask | None, list[Defect]]:
        """The mask of an entry, or the defect that explains its absence."""
        if self.masks.root is None:
            return None, []  # one defect reports that no mask was found
        path = self.masks.paths.get(name)
        if path is None:
            message = f"mask {where.mask!r} does not exist{similar_name_hint(self.masks.similar_name(name))}"
            return None, [Defect("SEG002", message, where.document, f"{where.place}/file_name", image=where.image)]
        try:
            return read_mask(path), []
        except RefusedMaskError as error:
            return None, [Defect(error.code, str(error), where.mask, image=where.image)]

    def _segments(self, masks: list[JoinedMask], image: list[str]) -> tuple[pa.Table, list[Defect]]:
        """The segments of some masks, and the defects of their entries in the document."""
        items = [item for mask in masks for item in mask.items]
        places = [place for mask in masks for place in mask.places]
        owner = np.repeat(np.arange(len(masks)), [len(mask.items) for mask in masks])
        columns, faults = segment_columns(items, [extra for mask in masks for extra in mask.extras], self.categories.to)
        segments = make_table(
            BATCH_SEGMENTS,
            len(items),
            annotation=owner,
            category_id=[self.categories.to[item.category_id] for item in items],
            file=pa.repeat(self.document.name, len(items)),
            place=places,
            **columns,
        )
        return segments, [
            Defect(
                fault.code,
                fault.message,
                self.document.name,
                places[fault.row] + fault.place,
                image=image[owner[fault.row]],
                segments=(items[fault.row].id,),
            )
            for fault in faults
        ]


def _size_defect(mask: PanopticMask, width: int, height: int, where: MaskPlace) -> Defect:
    swapped = " (width and height are swapped)" if (mask.height, mask.width) == (width, height) else ""
    message = f"the mask is {mask.width}x{mask.height}, the image is {width}x{height}{swapped}; the mask is left out"
    return Defect("SEG003", message, where.mask, image=where.image, lost=True)


def open_panoptic(request: ReadRequest, path: Path, name: str) -> PanopticSource:
    """Open the document at `path`; no mask is decoded yet. `name` is how defects call it."""
    document = read_document(path, name, _PANOPTIC_DOCUMENT)
    truth = _listing_document(request, document)
    listing = read_image_list(truth)
    read_truth_categories = read_categories if truth is document else truth_categories
    categories = read_truth_categories(truth, request.taxonomy)
    entries = decode_items(document, "annotations", _StrictEntryItem, _EntryItem)
    entry = _join_entries(document, listing, entries)
    masks = find_masks(document, [item.file_name for item in entries.items])
    folder = find_document_images(request, truth, listing, () if masks.root is None else (masks.root,))
    if truth is not document:
        document.defects.extend(truth.defects)
    document.defects.extend(orphan_masks(document, masks, [item.file_name for item in entries.items]))
    profile = document_profile(request, document, categories, "coco-panoptic")
    return PanopticSource(profile, document, listing, categories, folder, request.annotator, entries, entry, masks)


def _listing_document(request: ReadRequest, document: Document) -> Document:
    """The document that lists the images and categories: this one, or, for predictions, the ground truth."""
    listed = "images" in (document.parts or {}) and "truth" not in request.options
    return document if listed else find_truth(request, document.path) or document


def _join_entries(document: Document, listing: ImageList, entries: Items[_EntryItem]) -> dict[int, int]:
    """Image row -> its entry; entries of unknown images, second entries, and images without one become defects."""
    entry: dict[int, int] = {}
    for i, item in enumerate(entries.items):
        place = f"/annotations/{entries.rows[i]}/image_id"
        row = listing.row_of.get(item.image_id)
        if row is None and "images" in (listing.document.parts or {}):
            message = f"image_id {item.image_id!r} is not among the images; left out"
            document.defects.append(Defect("SEG007", message, document.name, place))
        elif row is not None and row >= 0 and entry.setdefault(row, i) != i:
            image = listing.image_ids[row]
            message = f"image_id {item.image_id!r} has two entries; the second ({item.file_name}) is left out"
            document.defects.append(Defect("SEG008", message, document.name, place, image=image))
    for row, image in enumerate(listing.image_ids):
        if row not in entry and document.parts is not None:
            message = "image without an entry in annotations"
            place = listing.place(row)
            document.defects.append(Defect("SEG011", message, listing.document.name, place, image=image))
    return entry
