"""VIA documents: their images with regions still undecoded, and the region attribute that names the categories."""

import csv
import io
import itertools
import math
import os
import posixpath
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from segdata.core.errors import SegdataError, UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name, is_unsafe_path, split_from_path
from segdata.formats.coco.document import Document, DocumentKind, explain_validation_error, read_document
from segdata.formats.shapes.geometry import Ellipse, Ring, Shape, box, check_numbers, check_ring
from segdata.formats.shared.derived_sources import ORIGINS
from segdata.formats.shared.images import MAX_PIXELS, ImageFolder, ImageHeader, similar_name_hint
from segdata.formats.shared.pairing import images_folder, no_images_defect
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.taxonomies import resolve_names
from segdata.formats.tools.shapes import (
    BrokenShapeError,
    PolygonNotation,
    PolygonText,
    ShapeAnnotation,
    ToolShape,
    json_text,
)
from segdata.formats.tools.source import (
    ToolSource,
    first_image,
    image_folders,
    nearest_name,
    read_head,
    unlisted_images,
)

VIA = DocumentKind("a VIA document", "an object of images, each with filename and regions")
_PROJECT = "_via_img_metadata"
_COLUMNS = 7  # of a CSV export
_MOST_FIELD = 2**26  # characters of a CSV field; a polygon of a million points has a tenth of that
Raw = msgspec.Raw
Json = dict[str, Any]  # Any: JSON
NO_CATEGORY = "region"  # the category of regions that say none
# Region attributes that segdata writes for columns.
COLUMN_KEYS = frozenset({"segment_id", "track_id", "score", "source", "iscrowd"})
USUAL_ATTRIBUTES = (
    "category", "class", "label", "name", "type", "object", "classes", "labels", "class_name", "category_name",
)  # fmt: skip


class _ViaImageItem(msgspec.Struct, gc=False):
    """An image as VIA lists it."""

    filename: str
    size: object = -1
    regions: Raw = Raw(b"[]")
    file_attributes: object = None


class ViaShape(msgspec.Struct, gc=False):
    """The shape of a region, with the points of a polygon undecoded; other keys are ignored."""

    name: object = None
    all_points_x: Raw = Raw(b"null")
    all_points_y: Raw = Raw(b"null")
    x: object = UNSET
    y: object = UNSET
    width: object = UNSET
    height: object = UNSET
    cx: object = UNSET
    cy: object = UNSET
    r: object = UNSET
    rx: object = UNSET
    ry: object = UNSET
    theta: object = UNSET


class ViaRegion(msgspec.Struct, gc=False):
    """A region as VIA has it."""

    shape_attributes: ViaShape | None = None
    region_attributes: object = None


class _ShapeHead(msgspec.Struct, gc=False):
    name: object = None


class _RegionHead(msgspec.Struct, gc=False):
    """The part of a region that is read before it is drawn; its points are skipped."""

    shape_attributes: _ShapeHead | None = None
    region_attributes: object = None


_HEADS = msgspec.json.Decoder(list[_RegionHead] | dict[str, _RegionHead])
_REGIONS = msgspec.json.Decoder(list[ViaRegion] | dict[str, ViaRegion])


@dataclass(frozen=True, slots=True)
class ViaImage:
    """An image of a document."""

    item: _ViaImageItem  # as listed
    place: str  # of the image in the document
    lines: tuple[int, ...] | None = None  # of a CSV export, the line of each region; None of JSON

    def regions(self) -> list[tuple[str, ViaRegion | None]]:
        """The regions with their places, None for invalid ones; VIA 1 has them by number.

        Raises TypeError for other values.
        """
        start = self.place_of("")
        return [(f"{start}{key}", region) for key, region in self._keyed()]

    def place_of(self, key: object) -> str:
        """The place of a region."""
        return f"{self.place}/regions/{key}" if self.lines is None else f"line {key}"

    def heads(self) -> tuple[Iterable[object], list[object], list[object]]:
        """The key, the kind of shape and the attributes of each valid region."""
        try:
            decoded = _HEADS.decode(self.item.regions)
        except (ValueError, RecursionError):
            return self._slow_heads()
        heads = decoded.values() if isinstance(decoded, dict) else decoded
        keys = self.lines if self.lines is not None else decoded if isinstance(decoded, dict) else range(len(decoded))
        kinds = [head.shape_attributes and head.shape_attributes.name for head in heads]
        return keys, kinds, [head.region_attributes for head in heads]

    def _slow_heads(self) -> tuple[list[object], list[object], list[object]]:
        """The same for broken texts; their defects are reported when the image is read."""
        try:
            sound = [(key, region) for key, region in self._keyed() if region is not None]
        except TypeError:
            sound = []
        kinds = [region.shape_attributes and region.shape_attributes.name for _, region in sound]
        return [key for key, _ in sound], kinds, [region.region_attributes for _, region in sound]

    def _keyed(self) -> Iterator[tuple[object, ViaRegion | None]]:
        """The regions by their keys, or lines; raises TypeError."""
        regions = self._decoded()
        return zip(regions if self.lines is None else self.lines, regions.values(), strict=True)

    def _decoded(self) -> Mapping[object, ViaRegion | None]:
        """The regions by their keys, or rows; raises TypeError."""
        text = self.item.regions
        with suppress(ValueError, RecursionError):
            decoded = _REGIONS.decode(text)
            return decoded if isinstance(decoded, dict) else dict(enumerate(decoded))
        raws: list[Raw] | dict[str, Raw]
        try:
            raws = msgspec.json.decode(text, type=list[Raw] | dict[str, Raw])
        except (ValueError, RecursionError) as error:
            shown = bytes(text).decode("utf-8", "replace")
            raise TypeError(f"regions is {shown:.40}, a list is expected") from error
        return {key: _read_region(raw) for key, raw in (raws.items() if isinstance(raws, dict) else enumerate(raws))}


def _read_region(raw: Raw) -> ViaRegion | None:
    try:
        return msgspec.json.decode(raw, type=ViaRegion)
    except (ValueError, RecursionError):
        return None


def read_via(path: Path, name: str) -> tuple[list[ViaImage], list[Defect]]:
    """The images of a document, and its defects; `name` is its name in defects."""
    return _read_csv(path, name) if path.suffix.lower() == ".csv" else _read_json(read_document(path, name, VIA))


def _read_json(document: Document) -> tuple[list[ViaImage], list[Defect]]:
    parts, start = document.parts, ""
    if parts is None:
        return [], document.defects
    if _PROJECT in parts:
        start = f"/{_PROJECT}"
        try:
            parts = msgspec.json.decode(parts[_PROJECT], type=dict[str, Raw])
        except msgspec.ValidationError:
            document.defects.append(Defect("SEG004", f"{_PROJECT} is not an object", document.name, start))
            return [], document.defects
    images = []
    for key, raw in parts.items():
        if key.startswith("_via_"):
            continue
        place = f"{start}/{key.replace('~', '~0').replace('/', '~1')}"
        try:
            images.append(ViaImage(msgspec.json.decode(raw, type=_ViaImageItem), place))
        except msgspec.ValidationError as error:
            why = explain_validation_error(error)
            document.defects.append(Defect("SEG004", f"{why.message}; left out", document.name, place + why.place))
    return images, document.defects


def _read_csv(path: Path, name: str) -> tuple[list[ViaImage], list[Defect]]:
    """The images of a CSV export, which has a line a region."""
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        return [], [Defect("SEG001", f"is not UTF-8 text: {error.reason} at byte {error.start}", name)]
    files: dict[str, tuple[_ViaImageItem, list[Json], list[int]]] = {}
    defects: list[Defect] = []
    for line, row in _rows(text, name, defects):
        try:
            file_attributes, shape, region_attributes = (
                msgspec.json.decode(row[column], type=dict[str, object]) for column in (2, 5, 6)
            )
        except (msgspec.DecodeError, RecursionError, IndexError) as error:
            defects.append(Defect("SEG004", f"is not a line of {_COLUMNS} columns: {error}; left out", name, line=line))
            continue
        fresh = _ViaImageItem(row[0], row[1], file_attributes=file_attributes)
        item, regions, lines = files.setdefault(row[0] + row[1], (fresh, [], []))
        if shape:
            regions.append({"shape_attributes": shape, "region_attributes": region_attributes})
            lines.append(line)
    for item, regions, _ in files.values():
        item.regions = Raw(msgspec.json.encode(regions))
    return [ViaImage(item, "", tuple(lines)) for item, _, lines in files.values()], defects


def _rows(text: str, name: str, defects: list[Defect]) -> Iterator[tuple[int, list[str]]]:
    """The rows under the header, each with the line that it ends in."""
    before = csv.field_size_limit(_MOST_FIELD)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        next(lines, None)
        for row in lines:
            if row:
                yield lines.line_num, row
    except csv.Error as error:
        defects.append(Defect("SEG001", f"is not CSV: {error}; what follows is not read", name, line=lines.line_num))
    finally:
        csv.field_size_limit(before)


def values_of(value: object) -> list[str]:
    """The categories in the value of an attribute: a text, a number, or the boxes that are ticked.

    >>> values_of("car"), values_of({"car": True, "bus": False}), values_of("")
    (['car'], ['car'], [])
    """
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, dict):
        return [str(key) for key, ticked in value.items() if ticked is True]
    return [str(value)] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


@dataclass(slots=True)
class CategoryCensus:
    """How often each attribute has each category, in the order of the files."""

    by_attribute: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, attribute_sets: Sequence[object]) -> None:
        """Count the attributes of regions."""
        values_by_name: defaultdict[str, list[object]] = defaultdict(list)
        for attributes in attribute_sets:
            if isinstance(attributes, dict):
                for name, value in attributes.items():
                    values_by_name[name].append(value)
        for name in (name for name in values_by_name if name not in COLUMN_KEYS):
            counts = self.by_attribute.setdefault(name, Counter())
            texts = Counter(value for value in values_by_name[name] if type(value) is str)
            for text, count in texts.items():
                if text.strip():
                    counts[text] += count
            for value in values_by_name[name] if texts.total() < len(values_by_name[name]) else ():
                if type(value) is not str:
                    counts.update(values_of(value))

    def chosen(self, wanted: object) -> tuple[str | None, list[str]]:
        """The attribute that names the categories, and the other candidates.

        Raises SegdataError if no region has the wanted one.
        """
        with_values = {name: counts for name, counts in self.by_attribute.items() if counts}
        if wanted is not None:
            if wanted not in self.by_attribute:
                names = ", ".join(self.by_attribute) or "none"
                raise SegdataError(f"no region has the attribute {wanted!r}; there are: {names}")
            return str(wanted), []
        if not with_values:
            return None, []
        order = sorted(with_values, key=lambda name: self._rank(name, with_values[name]))
        return order[0], order[1:]

    def _rank(self, name: str, counts: Counter[str]) -> tuple[int, int, int]:
        """The order of preference: a usual name, then many regions with few values."""
        usual = USUAL_ATTRIBUTES.index(name.lower()) if name.lower() in USUAL_ATTRIBUTES else len(USUAL_ATTRIBUTES)
        return usual, -counts.total(), len(counts)


def categories_of(attributes: object, attribute: str | None) -> list[str]:
    """The categories of a region, its own first; none if it has no value."""
    return values_of(attributes.get(attribute)) if isinstance(attributes, dict) and attribute is not None else []


def ambiguity_message(attribute: str, others: Iterable[str]) -> str:
    """The message about a choice among several attributes."""
    shown = ", ".join(repr(name) for name in others)
    return f"categories are the values of the region attribute {attribute!r}; --read-option attribute=… takes {shown}"


_NO_AREA = frozenset({"point", "polyline", "line"})
FILE_COLUMNS = frozenset({"width", "height", "annotator", "source", "split"})
_MOST = 2**62  # of a number that names something
_NUMBERS = {"rect": ("x", "y", "width", "height"), "circle": ("cx", "cy", "r"), "ellipse": ("cx", "cy", "rx", "ry")}
_NOTHING: dict[str, str] = {}
_PLAIN: Json = {"also": None, "iscrowd": False}  # of a region with a category only


@dataclass(frozen=True, slots=True)
class _CategoryAttribute:
    """The attribute that names categories (None: there is none), and the ids of these."""

    attribute: str | None
    to: Mapping[str, int]


@dataclass(slots=True)
class _ImageReading:
    shapes: list[ToolShape] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def _declared_size(image: ViaImage) -> tuple[int, int]:
    """Height and width in pixels in the attributes of a file; (0, 0) if they lack them."""
    attributes = image.item.file_attributes
    sides = (
        [_parse_side(attributes.get(key)) for key in ("height", "width")] if isinstance(attributes, dict) else [0, 0]
    )
    return (sides[0], sides[1]) if 0 < sides[0] * sides[1] <= MAX_PIXELS else (0, 0)


def _declared_split(image: ViaImage) -> str | None:
    attributes = image.item.file_attributes
    split = attributes.get("split") if isinstance(attributes, dict) else None
    return split if isinstance(split, str) and split else None


def _parse_side(value: object) -> int:
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def read_image(reading: _CategoryAttribute, entry: ImageEntry, head: ImageHeader | None) -> list[ShapeAnnotation]:
    """The regions on an image; without declared size they are drawn at the size that browsers show."""
    image: ViaImage = entry.record
    size = entry.size
    if 0 in size and head is not None:
        size = (head.width, head.height) if head.is_rotated else (head.height, head.width)
    try:
        regions = image.regions()
    except TypeError as error:
        raise BrokenLabelsError(Defect("SEG004", str(error), place=f"{image.place}/regions")) from error
    result = _ImageReading()
    if 0 not in size:  # else the missing file is reported
        for place, region in regions:
            plain = None if region is None else _plain_shape(reading, region, place)
            if plain is not None:
                result.shapes.append(plain)
            else:
                _add_region(result, reading, region, place)
    file_attributes = image.item.file_attributes
    attributes: Json = file_attributes if isinstance(file_attributes, dict) else {}
    annotator, source = attributes.get("annotator"), attributes.get("source")
    column_keys = {"width", "height"} if 0 not in entry.size else set()
    column_keys |= {"annotator"} if isinstance(annotator, str) else set()
    column_keys |= {"source"} if source in ORIGINS else set()
    column_keys |= {"split"} if _declared_split(image) else set()
    return [
        ShapeAnnotation(
            size,
            result.shapes,
            annotator if isinstance(annotator, str) else None,
            {"source": source} if source in ORIGINS else {},
            {key: json_text(value) for key, value in sorted(attributes.items()) if key not in column_keys},
            result.defects,
        )
    ]


def _plain_shape(reading: _CategoryAttribute, region: ViaRegion, place: str) -> ToolShape | None:
    """The shape of a polygon with only category and id, as most have; None for other regions."""
    shape, attributes = region.shape_attributes, region.region_attributes
    if shape is None or shape.name != "polygon" or not isinstance(attributes, dict):
        return None
    name, id_ = attributes.get(reading.attribute), attributes.get("segment_id")
    if type(name) is not str or not name.strip() or len(attributes) != (1 if id_ is None else 2):
        return None
    if id_ is not None and (type(id_) is not int or abs(id_) > _MOST or reading.attribute == "segment_id"):
        return None
    return ToolShape(name, _polygon(shape, place), place, None, id_, _NOTHING, _PLAIN)


def _add_region(image: _ImageReading, reading: _CategoryAttribute, region: ViaRegion | None, place: str) -> None:
    """Add a region; one that is broken is left out, with a defect."""
    try:
        if region is None or region.shape_attributes is None:
            raise BrokenShapeError("SEG004", "a region has shape_attributes, an object")
        kind = region.shape_attributes.name
        if isinstance(kind, str) and kind in _NO_AREA:
            return
        shape = _read_shape(region.shape_attributes, kind, place)
        attributes = region.region_attributes
        if not (attributes is None or isinstance(attributes, dict)):
            raise BrokenShapeError(
                "SEG004", f"region_attributes is {attributes!r:.40}, an object is expected", "/region_attributes"
            )
        image.shapes.append(_described_shape(reading, shape, attributes or {}, place))
    except BrokenShapeError as broken:
        image.defects.append(broken.defect(place))


def _place_within(place: str, within: str) -> str:
    """A place in a region; lines of a CSV export have no places in them."""
    return place + within if place.startswith("/") else place


def _polygon(shape: ViaShape, place: str) -> PolygonText:
    text = b"[%b,%b]" % (shape.all_points_x, shape.all_points_y)
    return PolygonText((text,), "the polygon", _place_within(place, "/shape_attributes"))


def _read_shape(shape: ViaShape, kind: object, place: str) -> Shape | PolygonText:
    within = "/shape_attributes"
    if kind == "polygon":
        return _polygon(shape, place)
    if not isinstance(kind, str) or kind not in _NUMBERS:
        raise BrokenShapeError(
            "SEG004", f"the region's shape is {kind!r:.40}, which VIA does not have", f"{within}/name"
        )
    numbers = [_number_at(shape, key, within) for key in _NUMBERS[kind]]
    problem = check_numbers(*numbers)
    if problem is not None or min(numbers[2:]) < 0:
        raise BrokenShapeError("SEG006", f"the {kind} {problem or 'has a side or radius below 0'}", within)
    if kind == "rect":
        x, y, width, height = numbers
        return box(x, y, x + width, y + height)
    theta = math.degrees(_number_at(shape, "theta", within)) if kind == "ellipse" and shape.theta is not UNSET else 0.0
    if not math.isfinite(theta):
        raise BrokenShapeError("SEG006", f"the ellipse is turned by {theta}", f"{within}/theta")
    return Ellipse(numbers[0], numbers[1], numbers[2], numbers[-1], theta)


def _parse_axes_leniently(shape: ToolShape, size: tuple[int, int]) -> list[Ring] | Defect:
    """The ring of a polygon in another spelling, or why it cannot be drawn."""
    try:
        x, y = msgspec.json.decode(shape.geometry.texts[0]) if isinstance(shape.geometry, PolygonText) else (None, None)
    except (ValueError, RecursionError):
        return shape.refusal("has points that are not pairs of numbers")
    if not (isinstance(x, list) and isinstance(y, list)) or len(x) != len(y):
        place = shape.geometry.within if isinstance(shape.geometry, PolygonText) else shape.place
        message = "a polygon has as many numbers in all_points_x as in all_points_y; left out"
        return Defect("SEG006", message, place=place)
    try:
        points = np.array([x, y]).T
    except ValueError:
        return shape.refusal("has points that are not pairs of numbers")
    problem = check_ring(points)
    return [points.astype(np.float64)] if problem is None else shape.refusal(problem)


def _number_at(shape: ViaShape, key: str, within: str) -> float:
    value = getattr(shape, key)
    value = None if value is UNSET else value
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise BrokenShapeError("SEG004", f"{key} is {value!r:.40}, a number is expected", f"{within}/{key}")
    return float(value)


def _described_shape(reading: _CategoryAttribute, shape: Shape | PolygonText, region: Json, place: str) -> ToolShape:
    categories = categories_of(region, reading.attribute) or [NO_CATEGORY]
    also = [reading.to[name] for name in categories[1:]]
    columns: Json = {"also": also or None, "iscrowd": region.get("iscrowd") is True}
    taken = {reading.attribute, "iscrowd"} if columns["iscrowd"] else {reading.attribute}
    for key in ("segment_id", "track_id"):
        value = region.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST:
            taken.add(key)
            columns[key] = value
    score = region.get("score")
    if isinstance(score, (int, float)) and not isinstance(score, bool):
        taken.add("score")
        columns["score"] = float(score)
    if region.get("source") in ORIGINS:
        taken.add("source")
        columns["source"] = region["source"]
    attributes = {key: json_text(value) for key, value in region.items() if key not in taken}
    return ToolShape(categories[0], shape, place, None, columns.pop("segment_id", None), attributes, columns)


NOTATION = PolygonNotation("axes", mend=_parse_axes_leniently)


@dataclass(slots=True)
class _Dataset:
    """The images of all documents by image_id, and the defects."""

    root: Path
    folders: Sequence[ImageFolder]
    entries: dict[str, ImageEntry] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)
    missing: list[tuple[ViaImage, ImageEntry]] = field(default_factory=list)


def open_via(request: ReadRequest, heads: Mapping[str, bytes]) -> ToolSource:
    """Open the files at or below a path: those of a suffix in `heads` begin with its value, a regex."""
    root = request.root
    paths = _find_documents(root, heads)
    if not paths:
        raise UnreadableError(f"{root}: no VIA file; they are JSON or CSV with shape_attributes and region_attributes")
    base = root if root.is_dir() else root.parent
    images = images_folder(request)
    dataset = _Dataset(root, image_folders(base, images))
    for path in paths:
        file = relative_path(root, path)
        images_of_file, defects = read_via(path, file)
        dataset.defects += defects
        folder = posixpath.dirname(file) if path.is_relative_to(root) else ""
        split = split_from_path(file)
        for image in images_of_file:
            _add_image(dataset, path, file, folder, split, image)
    _check_images(dataset, base, images)
    attribute, census, defects = _choose_categories(dataset, request.options.get("attribute"))
    named = resolve_names(census, request.taxonomy)
    entries = sorted(dataset.entries.values(), key=lambda entry: entry.image_id)
    reading = _CategoryAttribute(attribute, named.to)
    unlisted = unlisted_images(dataset.folders, dataset.entries.values(), "VIA") if root.is_dir() else []
    all_defects = (*dataset.defects, *defects, *unlisted)
    read = partial(read_image, reading)
    return ToolSource.of(request, "via", "coco", named, entries, all_defects, read, notation=NOTATION)


def _find_documents(root: Path, heads: Mapping[str, bytes]) -> list[Path]:
    """VIA's files at or below a path; of a CSV and a JSON in one folder the JSON."""
    if root.is_file():
        return [root]
    documents: list[Path] = []
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for suffix, head in heads.items():
            paths = [Path(folder, name) for name in sorted(names) if name.lower().endswith(suffix)]
            matches = [path for path in paths if re.search(head, read_head(path))]
            documents += matches
            if matches:
                break
    for path in documents:
        check_path_name(path)
    return documents


def _add_image(dataset: _Dataset, path: Path, file: str, folder: str, split: str | None, image: ViaImage) -> None:
    """Add an image of a document, which is `file` in `folder` of the dataset and of a split: its name and its file."""
    name = image.item.filename.replace("\\", "/")
    uri = image.item.filename if "://" in name else None
    if uri is not None or is_unsafe_path(name):
        last_part = PurePosixPath(name.split("?")[0]).name or "image"
        if uri is None:
            message = f"path {image.item.filename!r} leaves the dataset's root; its last part is used as the name"
            dataset.defects.append(Defect("SEG015", message, file, f"{image.place}/filename"))
        name = last_part
    image_id = posixpath.join(folder, name)
    if image_id in dataset.entries:
        message = f"image {image_id!r} is listed twice; the first entry is read"
        dataset.defects.append(Defect("SEG008", message, file, image.place or None, image=image_id))
        return
    image_file = first_image(dataset.folders, (image_id, name))
    size = _declared_size(image)
    entry = ImageEntry(image_id, image_file, (path,), image, size=size, uri=uri, split=_declared_split(image) or split)
    dataset.entries[image_id] = entry
    if image_file is None:
        dataset.missing.append((image, entry))


def _check_images(dataset: _Dataset, folder: Path, images: Path | None) -> None:
    """Report missing image files; raises UnreadableError if all are missing and no sizes are known."""
    missing = dataset.missing
    if len(missing) < len(dataset.entries):
        for image, entry in missing:
            hint = similar_name_hint(nearest_name(dataset.folders, entry.image_id))
            consequence = (
                "" if 0 not in entry.size else ", and its size is given nowhere else: its regions cannot be drawn"
            )
            message = f"image file {entry.image_id!r} does not exist{consequence}{hint}"
            file = relative_path(dataset.root, entry.files[0])
            dataset.defects.append(Defect("SEG002", message, file, image.place or None, image=entry.image_id))
    elif missing and all(0 in entry.size for _, entry in missing):
        message = f"none of the {len(missing):,} image files is here, and VIA keeps no sizes to draw regions in"
        raise UnreadableError(f"{dataset.root}: {message} (looked in {images or folder}); give --images")
    elif missing:
        dataset.defects.append(no_images_defect(len(missing), folder, images))


@dataclass(slots=True)
class _RegionAttributes:
    """Keys and attributes of n regions with an area, and the end of each entry's regions among them.

    One list for all: a tuple for each region would keep the garbage collector busy. `others` counts regions without
    area.
    """

    entries: list[ImageEntry]
    keys: list[object] = field(default_factory=list)
    attributes: list[object] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    @staticmethod
    def of(entries: list[ImageEntry]) -> "_RegionAttributes":
        result = _RegionAttributes(entries)
        for entry in entries:
            keys, kinds, attributes = entry.record.heads()
            bare = [isinstance(kind, str) and kind in _NO_AREA for kind in kinds]
            if any(bare):
                result.others.update(itertools.compress(kinds, bare))
                has_area = [not is_bare for is_bare in bare]
                keys, attributes = itertools.compress(keys, has_area), itertools.compress(attributes, has_area)
            result.keys += keys
            result.attributes += attributes
            result.ends.append(len(result.attributes))
        return result

    def entry(self, row: int) -> ImageEntry:
        return self.entries[bisect_right(self.ends, row)]


def _choose_categories(dataset: _Dataset, wanted: object) -> tuple[str | None, set[str], list[Defect]]:
    """The attribute that names categories, the names, and defects about that choice."""
    census, without, regions = CategoryCensus(), Counter[str](), _RegionAttributes.of(list(dataset.entries.values()))
    census.add(regions.attributes)
    attribute, others = census.chosen(wanted)
    values = [attributes.get(attribute) if isinstance(attributes, dict) else None for attributes in regions.attributes]
    names = {value for value in values if type(value) is str and value.strip()}
    plain, first = frozenset(names), None
    for row, value in enumerate(values):
        if type(value) is str and value in plain:
            continue
        categories = categories_of(regions.attributes[row], attribute)
        names.update(categories or [NO_CATEGORY])
        if not categories:
            without[regions.entry(row).image_id] += 1
            first = row if first is None else first
    doubtful = attribute is not None and attribute.lower() not in USUAL_ATTRIBUTES and wanted is None and others
    defects = [Defect("SEG004", ambiguity_message(str(attribute), others), severity="info")] if doubtful else []
    if first is not None:
        which = "no region attribute has values" if attribute is None else f"the attribute {attribute!r} is empty there"
        message = (
            f"{count_noun(without.total(), 'region')} of {count_noun(len(without), 'image')} without a category "
            f"({which}), read as {NO_CATEGORY!r}"
        )
        entry = regions.entry(first)
        place = entry.record.place_of(regions.keys[first])
        defects.append(
            Defect("SEG004", message, relative_path(dataset.root, entry.files[0]), place, severity="warning")
        )
    if regions.others:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(regions.others.items()))
        defects.append(Defect("SEG004", f"regions without area are left out: {counts}", severity="info"))
    return attribute, names, defects
