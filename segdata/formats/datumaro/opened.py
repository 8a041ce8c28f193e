"""Opened: the documents of a Datumaro dataset, one a subset, joined to labels and images."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.batch import Batch, replace_column
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.profile import Profile
from segdata.formats.coco.categories import Categories
from segdata.formats.coco.document import Document, DocumentKind, Items, decode_items, read_document
from segdata.formats.coco.images import SKIPPED_IMAGE, ImageList, list_images
from segdata.formats.coco.instances_reader import InstancesSource
from segdata.formats.datumaro.drawn import Drawing
from segdata.formats.datumaro.items import DEFAULT, DatumItem, ImageItems, ShapeItems, image_entries
from segdata.formats.datumaro.labels import united
from segdata.formats.shared.derived_sources import ORIGINS, AlteredSource, ChainedSource
from segdata.formats.shared.images import ImageFolder, read_header
from segdata.formats.shared.per_image import relative_path

DATUMARO = DocumentKind("a Datumaro document", "an object with categories and items")


@dataclass(frozen=True, slots=True)
class Subset:
    """A document, its images, their segments, and the image of each.

    `files` are the image files that it names, by image_id.
    """

    document: Document
    listing: ImageList
    shapes: ShapeItems
    image: list[int]
    files: dict[str, Path]

    @property
    def name(self) -> str:
        """Of the subset: that of the document."""
        return self.document.path.stem


def open_documents(request: ReadRequest, paths: Sequence[Path]) -> ChainedSource:
    """Open the documents at `paths`; no segmentation is decoded yet."""
    documents = [read_document(path, relative_path(request.root, path), DATUMARO) for path in paths]
    named, categories = united(documents, request.taxonomy)
    images = ImageFolder.below(request.images or _base(paths[0]) / "images")
    subsets = [_subset(document, len(each.to), images) for document, each in zip(documents, categories, strict=True)]
    _rename_alike(subsets)
    root = request.root
    name = root.name if root.is_dir() else root.stem
    profile = named.profile("datumaro", root, "instance", "sparse", "allow", name=name, raster_rule="coco")
    folder = images if any(each.files for each in subsets) else ImageFolder(None)
    sources = [_source(request, profile, each, known, folder) for each, known in zip(subsets, categories, strict=True)]
    return ChainedSource(profile, tuple(sources), tuple(_about_files(subsets, images, request)))


def _base(document: Path) -> Path:
    """The folder of the dataset that a document is part of."""
    return document.parent.parent if document.parent.name == "annotations" else document.parent


def _subset(document: Document, n_labels: int, images: ImageFolder) -> Subset:
    """The images and segments of a document."""
    items: Items[DatumItem] = decode_items(document, "items", DatumItem, DatumItem)
    entries = image_entries(items, document)
    files = {name: _file(name, document.path.stem, images) for name in {str(each.file_name) for each in entries}}
    for item, entry in zip(items.items, entries, strict=True):
        if entry.width is None:
            entry.height, entry.width = _size(item, files[str(entry.file_name)])
    listing = list_images(document, ImageItems(entries, items.rows, attributes=[item.attr for item in items.items]))
    image_of = _images_of(items, listing)
    drawing = Drawing(document, n_labels)
    for item, row, image in zip(items.items, items.rows, image_of, strict=True):
        if image != SKIPPED_IMAGE:
            drawing.add(row, item.annotations, listing.image_ids[image])
    if drawing.others:
        said = ", ".join(f"{count:,} {name}" for name, count in sorted(drawing.others.items()))
        message = f"annotations that are no segmentation are left out: {said}"
        document.defects.append(Defect("SEG004", message, document.name, "/items", severity="info"))
    row_of = dict(zip(items.rows, image_of, strict=True))
    there = {name: path for name, path in files.items() if path is not None}
    return Subset(document, listing, drawing.items(), [row_of[row] for row in drawing.rows], there)


def _file(name: str, subset: str, images: ImageFolder) -> Path | None:
    """The image file of a name: in the subset's folder, as Datumaro has it now, or in that of all images."""
    return images.paths.get(f"{subset}/{name}") or images.paths.get(name)


def _size(item: DatumItem, file: Path | None) -> tuple[int | None, int | None]:
    """Height and width where the item does not tell: its first mask does, or its image file."""
    try:
        every = msgspec.json.decode(item.annotations, type=list[_Sized]) if len(item.annotations) else []
        sizes = [one.rle.size for one in every if one.rle is not None and len(one.rle.size) == 2]
        if sizes:
            return sizes[0][0], sizes[0][1]
        head = None if file is None else read_header(file)
    except (msgspec.ValidationError, OSError):
        return None, None
    return (None, None) if head is None else (head.height, head.width)


class _Rle(msgspec.Struct):
    size: list[int]


class _Sized(msgspec.Struct):
    rle: _Rle | None = None


def _images_of(items: Items[DatumItem], listing: ImageList) -> list[int]:
    """(n_items,) the image of each item; `SKIPPED_IMAGE` where the item is left out."""
    first: dict[str, int] = {}
    for i, item in enumerate(items.items):
        first.setdefault(item.id, i)
    return [
        listing.row_of.get(item.id, SKIPPED_IMAGE) if first[item.id] == i else SKIPPED_IMAGE
        for i, item in enumerate(items.items)
    ]


def _rename_alike(subsets: Sequence[Subset]) -> None:
    """Images of the same name in several subsets are called by their subset too."""
    count = Counter(name for each in subsets for name in each.listing.image_ids)
    for each in subsets:
        for row, name in enumerate(each.listing.image_ids):
            if count[name] > 1:
                each.listing.image_ids[row] = f"{each.name}/{name}"
                if name in each.files:
                    each.files[f"{each.name}/{name}"] = each.files.pop(name)


def _source(
    request: ReadRequest, profile: Profile, subset: Subset, categories: Categories, folder: ImageFolder
) -> AlteredSource:
    """The segments of a subset, decoded when asked for."""
    image = np.array(subset.image, np.int64)
    order = np.argsort(image, kind="stable")
    order = order[image[order] >= 0]
    source = InstancesSource(
        profile,
        subset.document,
        subset.listing,
        categories,
        ImageFolder(folder.root, subset.files),
        request.annotator,
        subset.shapes,
        order,
        np.searchsorted(image[order], np.arange(len(subset.listing.image_ids) + 1)).astype(np.int64),
    )
    return AlteredSource(source, partial(_told, None if subset.name == DEFAULT else subset.name))


def _told(split: str | None, batch: Batch) -> Batch:
    """`batch` with its split, and who annotated where the images' attributes tell."""
    metadata = [dict(said or ()) for said in batch.images["metadata"].to_pylist()]
    annotator, source = batch.annotations["annotator"].to_pylist(), batch.annotations["source"].to_pylist()
    for k, row in enumerate(batch.annotation_image.tolist()):
        name, whom = (json.loads(metadata[row].get(key, "null")) for key in ("annotator", "source"))
        if isinstance(name, str):
            annotator[k] = name
            del metadata[row]["annotator"]
        if whom in ORIGINS:
            source[k] = whom
            del metadata[row]["source"]
    images = replace_column(batch.images, "split", [split] * len(metadata))
    images = replace_column(images, "metadata", [list(said.items()) or None for said in metadata])
    annotations = replace_column(replace_column(batch.annotations, "annotator", annotator), "source", source)
    return replace(batch, images=images, annotations=annotations)


def _about_files(subsets: Sequence[Subset], images: ImageFolder, request: ReadRequest) -> list[Defect]:
    """Image files that no document names; where none of those named is here, that is one information."""
    used = {path for each in subsets for path in each.files.values()}
    n_images = sum(len(each.listing.image_ids) for each in subsets)
    if not used:
        looked = images.root or request.images or "images"
        message = f"none of the {n_images:,} image files is here (looked in {looked}); give --images"
        return [Defect("SEG002", message, severity="info")] if n_images else []
    message = "image file that no document names"
    return [Defect("SEG011", message, name, image=name) for name, path in images.paths.items() if path not in used]
