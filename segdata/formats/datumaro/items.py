"""Items of Datumaro documents: their images, and their segments as the annotations that COCO documents have.

Polygons of one group and label are the parts of one segment, as in Datumaro. Masks of a group, and segments of
different labels, keep its number as the attribute `group`.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Annotated

import msgspec
import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.paths import is_unsafe_path
from segdata.formats.coco.attributes import AnnotationItem
from segdata.formats.coco.document import MISSING, Document, Items, Raw, decode_each
from segdata.formats.coco.images import AnyImageItem, ImageItem

DEFAULT = "default"  # the subset of items without one
_DEFAULT_SUFFIX = ".jpg"  # of an image without a file name
# The places of COCO's keys in a Datumaro annotation.
_SPELLING = {
    "/segmentation": "/rle",
    "/category_id": "/label_id",
    "/iscrowd": "/attributes/is_crowd",
    "/score": "/attributes/score",
    "/track_id": "/attributes/track_id",
}
_SEGMENTS = frozenset({"polygon", "ellipse", "mask"})
_ELLIPSE_POINTS = 720  # of the polygon that Datumaro makes of an ellipse
_SPECIAL = (b'"is_crowd"', b'"score"', b'"track_id"')  # attributes in Datumaro, fields in COCO
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
    """The items of a document as entries of images.

    Attributes
    ----------
    attributes : (n,) the items' own attributes, a JSON object each
    """

    attributes: Sequence[Raw] = ()

    def place(self, row: int, within: str = "") -> str:
        """The place in the document of the item at a position; `within` is a pointer in the like COCO entry."""
        return f"/items/{self.rows[row]}{'/image/path' if within == '/file_name' else within}"

    def extras(self, rows: Iterable[int], known: frozenset[str]) -> list[dict[str, str]]:
        """The attributes of the items at these positions, each value as JSON text."""
        return [_attribute_texts(self.attributes[i]) for i in rows]


@dataclass(frozen=True, slots=True)
class ShapeItems(Items[AnnotationItem]):
    """The segments of a document; `rows` are their items.

    Attributes
    ----------
    parts : (n,) the annotations of the item that each is made of
    """

    parts: Sequence[Sequence[int]] = ()

    def place(self, row: int, within: str = "") -> str:
        """The place in the document of a segment; `within` is a pointer in the like COCO annotation."""
        annotations = f"/items/{self.rows[row]}/annotations/"
        if not within:
            return f"{annotations}{self.parts[row][0]}"
        if ring := re.fullmatch(r"/segmentation/(\d+)(.*)", within):
            return f"{annotations}{self.parts[row][int(ring[1])]}/points{ring[2]}"
        start = f"{annotations}{self.parts[row][0]}"
        for coco, ours in _SPELLING.items():
            if within.startswith(coco):
                return start + ours + within.removeprefix(coco)
        return start + within


def image_entries(items: Items[DatumItem], document: Document) -> list[ImageItem]:
    """The items as entries of images.

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
        document.defects.append(Defect("SEG015", message, document.name, place, image=image))
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
    """The segments of a document, gathered item by item.

    Attributes
    ----------
    document : takes the defects
    n_labels : how many labels it has
    segments, rows, parts : (n,) the segments so far, their items, and the annotations that each is made of
    others : how many annotations are no segments, by type
    """

    document: Document
    n_labels: int
    segments: list[AnnotationItem] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    parts: list[list[int]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def add(self, item: int, raw: Raw, image: str) -> None:
        """Add the segments of an item; `raw` are its annotations."""
        place = f"/items/{item}/annotations"
        n_defects = len(self.document.defects)
        shapes = self._sound(place, raw)
        groups = _group_parts(shapes)
        firsts = [shapes[group[0]] for group in groups]
        shared = Counter(one.group for one in firsts if one.group)
        for group, first, id_ in zip(groups, firsts, self._ids(place, groups, firsts), strict=True):
            parts = [first] if len(group) == 1 else [shapes[k] for k in group]
            if len(group) > 1:
                self._report_different(f"{place}/{group[-1]}", parts)
            self.segments.append(_as_segment(id_, parts, shared[first.group or 0] > 1))
        self.rows.extend([item] * len(groups))
        self.parts.extend(groups)
        if len(self.document.defects) > n_defects:
            self.document.defects[n_defects:] = [
                replace(defect, image=image) for defect in self.document.defects[n_defects:]
            ]

    def items(self) -> ShapeItems:
        """All of them."""
        return ShapeItems(self.segments, self.rows, parts=self.parts)

    def _sound(self, place: str, raw: Raw) -> dict[int, _DatumAnnotation]:
        """The annotations that are segments of a known label, by position."""
        try:
            annotations: Sequence[_DatumAnnotation | None] = (
                msgspec.json.decode(raw, type=list[_DatumAnnotation]) if len(raw) else []
            )
        except msgspec.ValidationError:
            annotations = self._each(place, raw)
        sound = {}
        for k, annotation in enumerate(annotations):
            if annotation is None:
                continue
            if annotation.type not in _SEGMENTS:
                self.others[annotation.type] += 1
            elif annotation.label_id is None:
                self._report("SEG004", "the annotation has no label; left out", f"{place}/{k}")
            elif not 0 <= annotation.label_id < self.n_labels:
                message = f"label_id {annotation.label_id} is not among the {self.n_labels} labels; left out"
                self._report("SEG007", message, f"{place}/{k}/label_id")
            elif annotation.type != "ellipse" or self._outlined(annotation, f"{place}/{k}/points"):
                sound[k] = annotation
        return sound

    def _each(self, place: str, raw: Raw) -> Sequence[_DatumAnnotation | None]:
        """The annotations one by one, None for broken ones."""
        try:
            raws = msgspec.json.decode(raw, type=list[Raw])
        except msgspec.ValidationError:
            self._report("SEG004", "annotations is not a list", place)
            return []
        annotations, broken = decode_each(raws, _DatumAnnotation)
        for k, why in broken.items():
            self._report("SEG004", f"{why.message}; left out", f"{place}/{k}{why.place}")
        return annotations

    def _outlined(self, ellipse: _DatumAnnotation, place: str) -> bool:
        """Give an ellipse the polygon that Datumaro makes of it; False if it is broken."""
        try:
            x0, y0, x1, y1 = msgspec.json.decode(ellipse.points, type=_Four)
        except msgspec.MsgspecError:
            self._report("SEG004", "an ellipse has 4 numbers, the corners of its box; left out", place)
            return False
        angle = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS)
        x, y = (x0 + x1) / 2 + (x1 - x0) / 2 * np.cos(angle), (y0 + y1) / 2 + (y1 - y0) / 2 * np.sin(angle)
        ellipse.points = Raw(msgspec.json.encode(np.stack([x, y], axis=1).reshape(-1).tolist()))
        return True

    def _ids(self, place: str, groups: Sequence[list[int]], firsts: Sequence[_DatumAnnotation]) -> list[int]:
        """The ids of an item's segments: their own, and free ones if Datumaro has 0, which means none."""
        ids = [first.id or 0 for first in firsts]
        if len(set(ids)) == len(ids) and 0 not in ids:
            return ids
        duplicates = {id_: count for id_, count in Counter(ids).items() if id_ and count > 1}
        for id_, count in duplicates.items():
            message = f"annotation id {id_} is in the item {count} times; all are read"
            self._report("SEG008", message, f"{place}/{groups[ids.index(id_)][0]}/id")
        free = itertools.count(max(0, *ids) + 1)
        return [id_ or next(free) for id_ in ids]

    def _report_different(self, place: str, group: Sequence[_DatumAnnotation]) -> None:
        """Warn if the parts of a segment have different attributes."""
        if len({bytes(part.attributes) for part in group}) > 1:
            message = f"parts of group {group[0].group} have different attributes; those of the first are kept"
            self._report("SEG004", message, f"{place}/attributes", "warning")

    def _report(self, code: str, message: str, place: str, severity: Severity | None = None) -> None:
        self.document.defects.append(Defect(code, message, self.document.name, place, severity=severity))


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
    """The parts of a segment as one annotation; `shared`: others are of its group too."""
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
    if not extra and (len(text) < 3 or not any(word in text for word in _SPECIAL)):
        return {"": annotation.attributes}
    try:
        return msgspec.json.decode(text or b"{}", type=dict[str, Raw]) | extra
    except msgspec.ValidationError:  # not an object: COCO's reader reports it
        return {"": annotation.attributes}
