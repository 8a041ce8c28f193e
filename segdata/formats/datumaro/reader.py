"""Reads Datumaro documents: items like COCO's images and annotations, and labels as a taxonomy by position.

Polygons of one group and label are the parts of one segment, as in Datumaro. Masks of a group, and segments of
different labels, keep its number as the attribute `group`.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec
import numpy as np

from segdata.core.batch import Batch, replace_column
from segdata.core.errors import UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import is_unsafe_path
from segdata.core.profile import Profile
from segdata.core.safe_text import stored_json
from segdata.core.taxonomy import Attribute, Category, Taxonomy
from segdata.formats.coco.document import (
    MISSING,
    Document,
    DocumentKind,
    Items,
    Raw,
    decode_each,
    decode_items,
    explain_validation_error,
    read_document,
)
from segdata.formats.coco.images import SKIPPED_IMAGE, AnyImageItem, Categories, ImageItem, ImageList, list_images
from segdata.formats.coco.instances_reader import InstancesSource
from segdata.formats.coco.segments import AnnotationItem
from segdata.formats.datumaro import find_documents
from segdata.formats.shared.derived_sources import ORIGINS, AlteredSource, ChainedSource
from segdata.formats.shared.images import ImageFolder, read_header
from segdata.formats.shared.per_image import relative_path
from segdata.formats.shared.taxonomies import CategoryNames, kind_from_name, resolve_names

DEFAULT = "default"  # the subset of items without one
_DEFAULT_SUFFIX = ".jpg"  # of an image without a file name
# COCO's key -> path in a Datumaro annotation.
_DATUMARO_KEYS = {
    "/segmentation": "/rle",
    "/category_id": "/label_id",
    "/iscrowd": "/attributes/is_crowd",
    "/score": "/attributes/score",
    "/track_id": "/attributes/track_id",
}
_SEGMENT_TYPES = frozenset({"polygon", "ellipse", "mask"})
_ELLIPSE_POINTS = 720  # of the polygon that replaces an ellipse in Datumaro
_COLUMN_ATTRIBUTES = (b'"is_crowd"', b'"score"', b'"track_id"')  # attributes in Datumaro, fields in COCO
_Four = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]


class _DatumImage(msgspec.Struct, gc=False):
    """The image of an item; `size` is height and width in pixels."""

    path: str | None = None
    size: list[int | float] | None = None


class DatumItem(msgspec.Struct, gc=False):
    """An entry of `items`."""

    id: str
    annotations: Raw = MISSING
    attr: Raw = MISSING
    image: _DatumImage | None = None


class _DatumAnnotation(msgspec.Struct, gc=False):
    """An annotation of an item."""

    type: str
    id: int | None = 0
    label_id: int | None = None
    group: int | None = 0
    object_id: int | None = -1
    z_order: int | None = 0
    attributes: Raw = MISSING
    points: Raw = MISSING
    rle: Raw = MISSING


@dataclass(frozen=True, slots=True)
class ImageItems(Items[AnyImageItem]):
    """The items of a document, as image entries of COCO."""

    attributes: Sequence[Raw] = ()  # (n,) the items' own attributes, a JSON object each

    def place(self, row: int, within: str = "") -> str:
        """The JSON pointer of an item; `within` is a pointer in the corresponding COCO entry."""
        return f"/items/{self.rows[row]}{'/image/path' if within == '/file_name' else within}"

    def extras(self, rows: Iterable[int], known: frozenset[str]) -> list[dict[str, str]]:
        """The attributes of the items at these positions, each value as JSON text."""
        return [_attribute_texts(self.attributes[i]) for i in rows]


@dataclass(frozen=True, slots=True)
class ShapeItems(Items[AnnotationItem]):
    """The segments of a document; `rows` are their items."""

    parts: Sequence[Sequence[int]] = ()  # (n,) the annotations that make up each segment

    def place(self, row: int, within: str = "") -> str:
        """The JSON pointer of a segment; `within` is a pointer in the corresponding COCO annotation."""
        annotations = f"/items/{self.rows[row]}/annotations/"
        if not within:
            return f"{annotations}{self.parts[row][0]}"
        if ring := re.fullmatch(r"/segmentation/(\d+)(.*)", within):
            return f"{annotations}{self.parts[row][int(ring[1])]}/points{ring[2]}"
        start = f"{annotations}{self.parts[row][0]}"
        for coco, ours in _DATUMARO_KEYS.items():
            if within.startswith(coco):
                return start + ours + within.removeprefix(coco)
        return start + within


def image_entries(items: Items[DatumItem], document: Document) -> list[ImageItem]:
    """The items as image entries of COCO.

    Paths that leave the images' folder are SEG015, one for the document: exports without media have them.
    Such images get the name of their item's id.
    """
    entries, outside = [], []
    for i, item in enumerate(items.items):
        name = (item.image.path if item.image else None) or item.id + (_DEFAULT_SUFFIX if item.image else "")
        if is_unsafe_path(name):
            outside.append((i, name))
            name = item.id + PurePosixPath(name.replace("\\", "/")).suffix
        size = item.image.size if item.image else None
        height, width = size if size is not None and len(size) == 2 else (None, None)
        entries.append(ImageItem(id=item.id, file_name=name, width=width, height=height))
    if outside:
        i, name = outside[0]
        image = entries[i].file_name
        paths = count_noun(len(outside), "image path")
        message = f"{paths} outside the folder of images, such as {name!r}, read as {image!r}"
        place = items.place(i, "/image/path")
        document.report("SEG015", message, place, image=image)
    return entries


def _attribute_texts(raw: Raw) -> dict[str, str]:
    """The values of a JSON object as JSON texts; empty for other values."""
    try:
        values = msgspec.json.decode(raw, type=dict[str, Raw]) if len(raw) else {}
    except msgspec.ValidationError:
        return {}
    return {key: str(memoryview(value), "utf-8") for key, value in values.items()}


@dataclass(frozen=True, slots=True)
class SegmentCollector:
    """The segments of a document, gathered item by item."""

    document: Document  # collects the defects
    n_labels: int
    segments: list[AnnotationItem] = field(default_factory=list)  # (n,) the segments so far
    rows: list[int] = field(default_factory=list)  # (n,) their items
    parts: list[list[int]] = field(default_factory=list)  # (n,) the annotations that make up each segment
    others: Counter[str] = field(default_factory=Counter)  # type -> number of annotations that are no segments

    def add(self, item: int, raw: Raw, image: str) -> None:
        """Add the segments of an item; `raw` are its annotations."""
        place = f"/items/{item}/annotations"
        n_defects = len(self.document.defects)
        shapes = self._sound(place, raw)
        groups = _group_parts(shapes)
        firsts = [shapes[group[0]] for group in groups]
        shared = Counter(annotation.group for annotation in firsts if annotation.group)
        for group, first, id_ in zip(groups, firsts, self._ids(place, groups, firsts), strict=True):
            parts = [first] if len(group) == 1 else [shapes[k] for k in group]
            if len({bytes(part.attributes) for part in parts}) > 1:
                message = f"parts of group {first.group} have different attributes; those of the first are kept"
                self.document.report("SEG004", message, f"{place}/{group[-1]}/attributes", severity="warning")
            self.segments.append(_as_segment(id_, parts, shared[first.group or 0] > 1))
        self.rows.extend([item] * len(groups))
        self.parts.extend(groups)
        if len(self.document.defects) > n_defects:
            self.document.defects[n_defects:] = [
                replace(defect, image=image) for defect in self.document.defects[n_defects:]
            ]

    def items(self) -> ShapeItems:
        """All segments collected so far."""
        return ShapeItems(self.segments, self.rows, parts=self.parts)

    def _sound(self, place: str, raw: Raw) -> dict[int, _DatumAnnotation]:
        """The annotations that are segments of a known label, by position."""
        try:
            annotations: Sequence[_DatumAnnotation | None] = (
                msgspec.json.decode(raw, type=list[_DatumAnnotation]) if len(raw) else []
            )
        except msgspec.ValidationError:
            annotations = self._decode_annotations(place, raw)
        sound = {}
        for k, annotation in enumerate(annotations):
            if annotation is None:
                continue
            if annotation.type not in _SEGMENT_TYPES:
                self.others[annotation.type] += 1
            elif annotation.label_id is None:
                self.document.report("SEG004", "the annotation has no label; left out", f"{place}/{k}")
            elif not 0 <= annotation.label_id < self.n_labels:
                message = f"label_id {annotation.label_id} is not among the {self.n_labels} labels; left out"
                self.document.report("SEG007", message, f"{place}/{k}/label_id")
            elif annotation.type != "ellipse" or self._outline_ellipse(annotation, f"{place}/{k}/points"):
                sound[k] = annotation
        return sound

    def _decode_annotations(self, place: str, raw: Raw) -> Sequence[_DatumAnnotation | None]:
        """Decode the annotations one by one; None for broken ones."""
        try:
            raws = msgspec.json.decode(raw, type=list[Raw])
        except msgspec.ValidationError:
            self.document.report("SEG004", "annotations is not a list", place)
            return []
        annotations, broken = decode_each(raws, _DatumAnnotation)
        for k, why in broken.items():
            self.document.report("SEG004", f"{why.message}; left out", f"{place}/{k}{why.place}")
        return annotations

    def _outline_ellipse(self, ellipse: _DatumAnnotation, place: str) -> bool:
        """Replace an ellipse by Datumaro's polygon; False if the ellipse is broken."""
        try:
            x0, y0, x1, y1 = msgspec.json.decode(ellipse.points, type=_Four)
        except msgspec.MsgspecError:
            self.document.report("SEG004", "an ellipse has 4 numbers, the corners of its box; left out", place)
            return False
        angle = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS)
        x, y = (x0 + x1) / 2 + (x1 - x0) / 2 * np.cos(angle), (y0 + y1) / 2 + (y1 - y0) / 2 * np.sin(angle)
        ellipse.points = Raw(msgspec.json.encode(np.stack([x, y], axis=1).reshape(-1).tolist()))
        return True

    def _ids(self, place: str, groups: Sequence[list[int]], firsts: Sequence[_DatumAnnotation]) -> list[int]:
        """The ids of an item's segments; a free id for Datumaro's 0, which means none."""
        ids = [first.id or 0 for first in firsts]
        if len(set(ids)) == len(ids) and 0 not in ids:
            return ids
        duplicates = {id_: count for id_, count in Counter(ids).items() if id_ and count > 1}
        for id_, count in duplicates.items():
            message = f"annotation id {id_} is in the item {count} times; all are read"
            self.document.report("SEG008", message, f"{place}/{groups[ids.index(id_)][0]}/id")
        free = itertools.count(max(0, *ids) + 1)
        return [id_ or next(free) for id_ in ids]


def _group_parts(shapes: Mapping[int, _DatumAnnotation]) -> list[list[int]]:
    """The positions of the parts of each segment."""
    if not any(shape.group for shape in shapes.values()):
        return [[k] for k in shapes]
    groups: dict[tuple[object, ...], list[int]] = {}
    for k, shape in shapes.items():
        joined = shape.group and shape.type != "mask"
        groups.setdefault((shape.group, shape.label_id) if joined else (k,), []).append(k)
    return list(groups.values())


def _as_segment(id_: int, parts: Sequence[_DatumAnnotation], shared: bool) -> AnnotationItem:
    """The parts of a segment as one annotation; `shared`: other segments have the same group."""
    first = parts[0]
    attributes = _collect_attributes(first, shared)
    all_undecoded = attributes.pop("", MISSING)
    points = first.points if len(parts) == 1 else b",".join([bytes(part.points) or b"null" for part in parts])
    return AnnotationItem(
        id=id_,
        image_id=0,
        category_id=first.label_id or 0,
        segmentation=first.rle if first.type == "mask" else Raw(b"[%b]" % (bytes(points) or b"null")),
        iscrowd=attributes.pop("is_crowd", MISSING),
        score=attributes.pop("score", MISSING),
        track_id=attributes.pop("track_id", MISSING),
        attributes=all_undecoded if len(all_undecoded) else Raw(msgspec.json.encode(attributes)),
    )


def _collect_attributes(annotation: _DatumAnnotation, shared: bool) -> dict[str, Raw]:
    """The attributes of an annotation, and its fields that become attributes; under "" all attributes undecoded."""
    extra = {}
    if annotation.z_order:
        extra["z_order"] = Raw(str(annotation.z_order))
    if shared:
        extra["group"] = Raw(str(annotation.group))
    if annotation.object_id is not None and annotation.object_id >= 0:
        extra["track_id"] = Raw(str(annotation.object_id))
    text = bytes(annotation.attributes)
    if not extra and (len(text) < 3 or not any(word in text for word in _COLUMN_ATTRIBUTES)):
        return {"": annotation.attributes}
    try:
        return msgspec.json.decode(text or b"{}", type=dict[str, Raw]) | extra
    except msgspec.ValidationError:  # not an object: COCO's reader reports it
        return {"": annotation.attributes}


DATUMARO = DocumentKind("a Datumaro document", "an object with categories and items", text_ids=True)


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
            document.report("SEG004", "'categories' is missing", "/")
        return ()
    try:
        decoded = msgspec.json.decode(raw, type=_CategoriesItem)
    except msgspec.ValidationError as error:
        why = explain_validation_error(error)
        document.report("SEG004", why.message, f"/categories{why.place}")
        return ()
    rgb_of = {color.label_id: (color.r, color.g, color.b) for color in decoded.mask.colormap}
    colors = {id_: rgb for id_, rgb in rgb_of.items() if all(0 <= value <= 255 for value in rgb)}
    return tuple(
        Category(
            id=id_,
            name=label.name,
            kind=kind_from_name(label.name),
            color=colors.get(id_),
            parent=label.parent or None,
            attributes=tuple(Attribute(name=name) for name in label.attributes),
        )
        for id_, label in enumerate(decoded.label.labels)
    )


def _unite_labels(documents: Sequence[Document], taxonomy: Taxonomy | None) -> tuple[CategoryNames, list[Categories]]:
    """The categories of all documents by name, and the category of each document's label ids.

    A label id that means another category than in the first document is SEG202; names decide.
    """
    labels = [_read_labels(document) for document in documents]
    first = labels[0] if labels else ()
    names = {label.name for label in first}
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
    named = resolve_names({category.name for category in categories}, taxonomy, Taxonomy(categories=tuple(categories)))
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
        """The name of the subset: the document's."""
        return self.document.path.stem


def open_documents(request: ReadRequest) -> ChainedSource:
    """Open the documents of a dataset, or one of them; raises UnreadableError if there is none."""
    paths = find_documents(request.root)
    if not paths:
        raise UnreadableError(f"{request.root}: no Datumaro JSON in it or in its folder annotations")
    documents = [read_document(path, relative_path(request.root, path), DATUMARO) for path in paths]
    named, categories = _unite_labels(documents, request.taxonomy)
    folder = paths[0].parent
    dataset_folder = folder.parent if folder.name == "annotations" else folder
    images = ImageFolder.below(request.images or dataset_folder / "images")
    subsets = [
        _subset(document, len(categories_of.to), images)
        for document, categories_of in zip(documents, categories, strict=True)
    ]
    defects = _rename_duplicates(subsets)
    root = request.root
    profile = named.profile("datumaro", root, "instance", "sparse", "allow", raster_rule="coco")
    image_folder = images if any(subset.files for subset in subsets) else ImageFolder(None)
    sources = [
        _source(request, profile, subset, document_categories, image_folder)
        for subset, document_categories in zip(subsets, categories, strict=True)
    ]
    return ChainedSource(profile, tuple(sources), (*defects, *_unused_files(subsets, images, request)))


def _subset(document: Document, n_labels: int, images: ImageFolder) -> _Subset:
    items: Items[DatumItem] = decode_items(document, "items", DatumItem, DatumItem)
    entries = image_entries(items, document)
    # Images are in the subset's folder, as Datumaro has it now, or in that of all images.
    subset, names = document.path.stem, {str(entry.file_name) for entry in entries}
    files = {name: images.paths.get(f"{subset}/{name}") or images.paths.get(name) for name in names}
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
        document.report("SEG004", message, "/items", severity="info")
    row_of = dict(zip(items.rows, image_of, strict=True))
    files_by_image = {name: path for name, path in files.items() if path is not None}
    return _Subset(document, listing, drawing.items(), [row_of[row] for row in drawing.rows], files_by_image)


def _size(item: DatumItem, file: Path | None) -> tuple[int | None, int | None]:
    """Height and width of an image whose item lacks them: from its first mask, or its image file."""
    try:
        annotations = msgspec.json.decode(item.annotations, type=list[_MaskHead]) if len(item.annotations) else []
        sizes = (annotation.rle.size for annotation in annotations if annotation.rle is not None)
        for size in sizes:
            if len(size) == 2:
                return size[0], size[1]
        head = None if file is None else read_header(file)
    except (msgspec.ValidationError, OSError):
        return None, None
    return (None, None) if head is None else (head.height, head.width)


class _RleHead(msgspec.Struct):
    size: list[int]


class _MaskHead(msgspec.Struct):
    rle: _RleHead | None = None


def _images_of(items: Items[DatumItem], listing: ImageList) -> list[int]:
    """(n_items,) the image of each item; `SKIPPED_IMAGE` for items that are left out."""
    first: dict[str, int] = {}
    for i, item in enumerate(items.items):
        first.setdefault(item.id, i)
    return [
        listing.row_of.get(item.id, SKIPPED_IMAGE) if first[item.id] == i else SKIPPED_IMAGE
        for i, item in enumerate(items.items)
    ]


def _rename_duplicates(subsets: Sequence[_Subset]) -> list[Defect]:
    """Prefix image names that several subsets have with the subset; SEG304 for those whose file is in another one."""
    count = Counter(name for subset in subsets for name in subset.listing.image_ids)
    owner = {name: subset.name for subset in subsets for name in subset.files}
    shared: Counter[tuple[str, str]] = Counter()
    for subset in subsets:
        for row, name in enumerate(subset.listing.image_ids):
            if count[name] > 1:
                subset.listing.image_ids[row] = f"{subset.name}/{name}"
                if name in subset.files:
                    subset.files[f"{subset.name}/{name}"] = subset.files.pop(name)
                elif name in owner:
                    shared[subset.name, owner[name]] += 1
    return [
        Defect(
            "SEG304",
            f"{count_noun(n, 'image')} of {one!r} {'is' if n == 1 else 'are'} also in {other!r}, which has the files",
            severity="warning",
            lost=False,
        )
        for (one, other), n in sorted(shared.items())
    ]


def _source(
    request: ReadRequest, profile: Profile, subset: _Subset, categories: Categories, folder: ImageFolder
) -> AlteredSource:
    """The segments of a subset, decoded when asked for."""
    image = np.array(subset.image, np.int64)
    order = np.argsort(image, kind="stable")
    order = order[image[order] >= 0]
    source = InstancesSource(
        profile=profile,
        document=subset.document,
        listing=subset.listing,
        categories=categories,
        folder=ImageFolder(folder.root, subset.files),
        annotator=request.annotator,
        items=subset.shapes,
        positions=order,
        offset=np.searchsorted(image[order], np.arange(len(subset.listing.image_ids) + 1)).astype(np.int64),
    )
    return AlteredSource(source, partial(_with_split_and_annotator, None if subset.name == DEFAULT else subset.name))


def _with_split_and_annotator(split: str | None, batch: Batch) -> Batch:
    """`batch` with its split, and the annotators that the attributes of its images name."""
    metadata = [dict(values or ()) for values in batch.images["metadata"].to_pylist()]
    annotator, source = batch.annotations["annotator"].to_pylist(), batch.annotations["source"].to_pylist()
    for k, row in enumerate(batch.annotation_image.tolist()):
        name, origin = (stored_json(metadata[row].get(key), str) for key in ("annotator", "source"))
        if name is not None:
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
