"""Reads Datumaro documents, one for each subset: labels become a taxonomy whose ids are their positions."""

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
from segdata.core.taxonomy import Attribute, Category, Taxonomy
from segdata.formats.coco.categories import Categories
from segdata.formats.coco.document import (
    Document,
    DocumentKind,
    Items,
    decode_items,
    explain_validation_error,
    read_document,
)
from segdata.formats.coco.images import SKIPPED_IMAGE, ImageList, list_images
from segdata.formats.coco.instances_reader import InstancesSource
from segdata.formats.datumaro.items import DEFAULT, DatumItem, ImageItems, SegmentCollector, ShapeItems, image_entries
from segdata.formats.shared.derived_sources import ORIGINS, AlteredSource, ChainedSource
from segdata.formats.shared.images import ImageFolder, read_header
from segdata.formats.shared.per_image import relative_path
from segdata.formats.shared.taxonomies import CategoryNames, kind_from_name, resolve_names

DATUMARO = DocumentKind("a Datumaro document", "an object with categories and items")


class _LabelItem(msgspec.Struct, gc=False):
    """An entry of `categories.label.labels`."""

    name: str
    parent: str | None = None
    attributes: list[str] = []


class _Labels(msgspec.Struct, frozen=True):
    labels: list[_LabelItem] = []


class _Color(msgspec.Struct, gc=False):
    label_id: int
    r: int
    g: int
    b: int


class _Colormap(msgspec.Struct, frozen=True):
    colormap: list[_Color] = []


class _CategoriesItem(msgspec.Struct):
    label: _Labels = _Labels()
    mask: _Colormap = _Colormap()


def _read_labels(document: Document) -> tuple[Category, ...]:
    """The categories of a document, ids counted from 0; unreadable labels are SEG004."""
    raw = (document.parts or {}).get("categories")
    if raw is None:
        if document.parts is not None:
            document.defects.append(Defect("SEG004", "'categories' is missing", document.name, "/"))
        return ()
    try:
        decoded = msgspec.json.decode(raw, type=_CategoriesItem)
    except msgspec.ValidationError as error:
        why = explain_validation_error(error)
        document.defects.append(Defect("SEG004", why.message, document.name, f"/categories{why.place}"))
        return ()
    colors = {color.label_id: (color.r, color.g, color.b) for color in decoded.mask.colormap}
    return tuple(
        Category(
            id=id_,
            name=label.name,
            kind=kind_from_name(label.name),
            color=_valid_color(colors.get(id_)),
            parent=label.parent or None,
            attributes=tuple(Attribute(name=name) for name in label.attributes),
        )
        for id_, label in enumerate(decoded.label.labels)
    )


def _valid_color(color: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    return color if color is not None and all(0 <= value <= 255 for value in color) else None


def _unite_labels(documents: Sequence[Document], taxonomy: Taxonomy | None) -> tuple[CategoryNames, list[Categories]]:
    """The categories of all documents by name, and the category of each document's label ids.

    A label id that means another category than in the first document is SEG202; names decide.
    """
    labels = [_read_labels(document) for document in documents]
    first = labels[0] if labels else ()
    names = {labels_here.name for labels_here in first}
    categories = list(first)
    for document, labels_here in zip(documents[1:], labels[1:], strict=True):
        crossed = [
            f"{label.id} is {label.name!r} here and {label_first.name!r} in {documents[0].name}"
            for label, label_first in zip(labels_here, first, strict=False)
            if label.name != label_first.name
        ]
        if crossed:
            more = f" (and {len(crossed) - 3} more)" if len(crossed) > 3 else ""
            message = f"label ids differ: {', '.join(crossed[:3])}{more}; names decide"
            defect = Defect("SEG202", message, document.name, "/categories/label/labels", severity="warning")
            document.defects.append(defect)
        fresh = [category for category in labels_here if category.name not in names]
        categories += [msgspec.structs.replace(category, id=len(categories) + k) for k, category in enumerate(fresh)]
        names |= {category.name for category in fresh}
    named = resolve_names(
        {labels_here.name for labels_here in categories}, taxonomy, Taxonomy(categories=tuple(categories))
    )
    return named, [
        Categories(
            named.taxonomy, named.declared, {one.id: named.to[one.name] for one in labels_here}, dict(named.unknown)
        )
        for labels_here in labels
    ]


@dataclass(frozen=True, slots=True)
class _Subset:
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
    named, categories = _unite_labels(documents, request.taxonomy)
    images = ImageFolder.below(request.images or _dataset_folder(paths[0]) / "images")
    subsets = [
        _subset(document, len(categories_of.to), images)
        for document, categories_of in zip(documents, categories, strict=True)
    ]
    _rename_duplicates(subsets)
    root = request.root
    name = root.name if root.is_dir() else root.stem
    profile = named.profile("datumaro", root, "instance", "sparse", "allow", name=name, raster_rule="coco")
    folder = images if any(categories_of.files for categories_of in subsets) else ImageFolder(None)
    sources = [
        _source(request, profile, categories_of, document_categories, folder)
        for categories_of, document_categories in zip(subsets, categories, strict=True)
    ]
    return ChainedSource(profile, tuple(sources), tuple(_unused_files(subsets, images, request)))


def _dataset_folder(document: Path) -> Path:
    """The folder of the dataset that a document is part of."""
    return document.parent.parent if document.parent.name == "annotations" else document.parent


def _subset(document: Document, n_labels: int, images: ImageFolder) -> _Subset:
    """The images and segments of a document."""
    items: Items[DatumItem] = decode_items(document, "items", DatumItem, DatumItem)
    entries = image_entries(items, document)
    files = {
        name: _file(name, document.path.stem, images) for name in {str(image_item.file_name) for image_item in entries}
    }
    for item, entry in zip(items.items, entries, strict=True):
        if entry.width is None:
            entry.height, entry.width = _size(item, files[str(entry.file_name)])
    listing = list_images(document, ImageItems(entries, items.rows, attributes=[item.attr for item in items.items]))
    image_of = _images_of(items, listing)
    drawing = SegmentCollector(document, n_labels)
    for item, row, image in zip(items.items, items.rows, image_of, strict=True):
        if image != SKIPPED_IMAGE:
            drawing.add(row, item.annotations, listing.image_ids[image])
    if drawing.others:
        listed_types = ", ".join(f"{count:,} {name}" for name, count in sorted(drawing.others.items()))
        message = f"annotations that are not segmentations are left out: {listed_types}"
        document.defects.append(Defect("SEG004", message, document.name, "/items", severity="info"))
    row_of = dict(zip(items.rows, image_of, strict=True))
    files_by_image = {name: path for name, path in files.items() if path is not None}
    return _Subset(document, listing, drawing.items(), [row_of[row] for row in drawing.rows], files_by_image)


def _file(name: str, subset: str, images: ImageFolder) -> Path | None:
    """The image file of a name: in the subset's folder, as Datumaro has it now, or in that of all images."""
    return images.paths.get(f"{subset}/{name}") or images.paths.get(name)


def _size(item: DatumItem, file: Path | None) -> tuple[int | None, int | None]:
    """Height and width of an image whose item lacks them: from its first mask, or its image file."""
    try:
        annotations = msgspec.json.decode(item.annotations, type=list[_Sized]) if len(item.annotations) else []
        sizes = [
            annotation.rle.size
            for annotation in annotations
            if annotation.rle is not None and len(annotation.rle.size) == 2
        ]
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
    """(n_items,) the image of each item; `SKIPPED_IMAGE` for items that are left out."""
    first: dict[str, int] = {}
    for i, item in enumerate(items.items):
        first.setdefault(item.id, i)
    return [
        listing.row_of.get(item.id, SKIPPED_IMAGE) if first[item.id] == i else SKIPPED_IMAGE
        for i, item in enumerate(items.items)
    ]


def _rename_duplicates(subsets: Sequence[_Subset]) -> None:
    """Prefix image names that several subsets have with the subset."""
    count = Counter(name for subset in subsets for name in subset.listing.image_ids)
    for subset in subsets:
        for row, name in enumerate(subset.listing.image_ids):
            if count[name] > 1:
                subset.listing.image_ids[row] = f"{subset.name}/{name}"
                if name in subset.files:
                    subset.files[f"{subset.name}/{name}"] = subset.files.pop(name)


def _source(
    request: ReadRequest, profile: Profile, subset: _Subset, categories: Categories, folder: ImageFolder
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
    return AlteredSource(source, partial(_with_split_and_annotator, None if subset.name == DEFAULT else subset.name))


def _with_split_and_annotator(split: str | None, batch: Batch) -> Batch:
    """`batch` with its split, and with the annotators that the images' attributes name."""
    metadata = [dict(values or ()) for values in batch.images["metadata"].to_pylist()]
    annotator, source = batch.annotations["annotator"].to_pylist(), batch.annotations["source"].to_pylist()
    for k, row in enumerate(batch.annotation_image.tolist()):
        name, origin = (json.loads(metadata[row].get(key, "null")) for key in ("annotator", "source"))
        if isinstance(name, str):
            annotator[k] = name
            del metadata[row]["annotator"]
        if origin in ORIGINS:
            source[k] = origin
            del metadata[row]["source"]
    images = replace_column(batch.images, "split", [split] * len(metadata))
    images = replace_column(images, "metadata", [list(values.items()) or None for values in metadata])
    annotations = replace_column(replace_column(batch.annotations, "annotator", annotator), "source", source)
    return replace(batch, images=images, annotations=annotations)


def _unused_files(subsets: Sequence[_Subset], images: ImageFolder, request: ReadRequest) -> list[Defect]:
    """Image files that no document names; one info if none of the named files is here."""
    used = {path for subset in subsets for path in subset.files.values()}
    n_images = sum(len(subset.listing.image_ids) for subset in subsets)
    if not used:
        folder = images.root or request.images or "images"
        message = f"none of the {n_images:,} image files is here (looked in {folder}); give --images"
        return [Defect("SEG002", message, severity="info")] if n_images else []
    message = "image file that no document names"
    return [Defect("SEG011", message, name, image=name) for name, path in images.paths.items() if path not in used]
