"""Objects: what is drawn on one image of a Supervisely project."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from segdata.core.finding import Defect
from segdata.formats.shapes.flat import Flat
from segdata.formats.shapes.shape import Bitmap, Floats, Polygon, Ring, Shape, box
from segdata.formats.shapes.soundness import check_numbers, check_ring
from segdata.formats.shared.images import MAX_PIXELS, ImageHeader
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.safe_parsers import encode_json, parse_json
from segdata.formats.tools.mark import Drawing, Mark, Written
from segdata.formats.tools.supervisely.bitmap import BrokenBitmapError, levels_of, mask_of
from segdata.formats.tools.supervisely.document import Object, read_file
from segdata.formats.tools.supervisely.tags import attributes_of, pairs_of
from segdata.formats.tools.written import Notation, polygon_of_point

SCORE, CROWD, TRACK = "confidence", "iscrowd", "track_id"  # tags that are columns here
RESERVED = frozenset({SCORE, CROWD, TRACK, "description", "labelerLogin"})
_NO_PIXELS = frozenset({"point", "line", "polyline", "graph", "cuboid", "cuboid_2d"})
_KINDS = _NO_PIXELS | {"bitmap", "alpha_mask", "polygon", "rectangle"}
_HALF = 128  # of 255: the least opacity of a pixel that belongs to a soft mask
_CENTRE = 0.5  # whole numbers are the centres of pixels
_Json = dict[str, Any]  # Any: JSON
_PLAIN: _Json = {"source_id": None, "score": None, "track_id": None, "iscrowd": False}  # what most objects say
_NOTHING: dict[str, str] = {}


class _BrokenObjectError(Exception):
    """An object that cannot be read: code, message, and where in it."""


@dataclass(slots=True)
class _Reading:
    """What is found in a file: the size, height and width in pixels, its marks, and why others are left out."""

    size: tuple[int, int]
    marks: list[Mark] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def look_at_objects(
    root: Path, classes: Mapping[str, int], entry: ImageEntry, head: ImageHeader | None
) -> list[Drawing]:
    """What is drawn on one image; raises BrokenLabelsError where its file is no annotation of an image.

    `classes` are the category ids by titles.
    """
    file = relative_path(root, entry.files[0])
    halves: list[Defect] = []
    document = read_file(entry.files[0], file, halves)
    if document.frames is not msgspec.UNSET or document.framesCount is not msgspec.UNSET:
        message = "is the annotation of a video; only projects of images are read"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/frames"))
    reading = _Reading(_size(document.size, file), defects=halves)
    _add_all(reading, document.objects, classes)
    tags = attributes_of([] if document.tags is msgspec.UNSET else document.tags)
    if tags is None:
        reading.defects.append(Defect("SEG004", "tags of the image are no list of names and values", place="/tags"))
    if isinstance(document.description, str) and document.description:
        tags = {**(tags or {}), "description": document.description}
    annotation = {"created": min(reading.created, default=None), "attributes": pairs_of(tags or {}) or None}
    return [Drawing(reading.size, reading.marks, _shared(reading), annotation, defects=reading.defects)]


def _shared(reading: _Reading) -> str | None:
    """Who drew everything; where several did, each segment says it as an attribute."""
    if all(reading.logins) and len(set(reading.logins)) == 1:
        return reading.logins[0]
    for mark, login in zip(reading.marks, reading.logins, strict=True):
        if login:
            mark.attributes = {**mark.attributes, "labelerLogin": encode_json(login)}
    return None


def _add_all(reading: _Reading, objects: Sequence[Object | None], classes: Mapping[str, int]) -> None:
    """Add objects; those that are broken are left out, with a defect."""
    others: Counter[str] = Counter()
    for row, each in enumerate(objects):
        place = f"/objects/{row}"
        mark = _plain(each, classes, place) or _mark(each, classes, place, reading, others)
        if each is None or mark is None:
            continue
        reading.marks.append(mark)
        reading.logins.append(str(each.labelerLogin or ""))
        if isinstance(each.createdAt, str):
            reading.created.append(each.createdAt)
    for kind, count in others.items():
        message = f"{count} objects of geometry {kind!r} have no pixels; left out"
        reading.defects.append(Defect("SEG004", message, place="/objects", severity="info"))


def _plain(item: Object | None, classes: Mapping[str, int], place: str) -> Mark | None:
    """The mark of a polygon of which no more is said than class and id, as of most; None of another object."""
    if item is None or item.geometryType != "polygon" or item.points is None or item.description:
        return None
    points, title, number = item.points, item.classTitle, item.id
    if type(title) is not str or title not in classes or not (item.tags is msgspec.UNSET or item.tags == []):
        return None
    if not (number is None or type(number) is int) or not bytes(points.exterior).startswith(b"["):
        return None
    texts = (points.exterior, *points.interior) if points.interior else (points.exterior,)
    number = number if number is not None and abs(number) < 2**63 else None
    return Mark(title, Written(texts, "the polygon", f"{place}/points"), place, None, number, _NOTHING, _PLAIN)


def _mark(
    each: Object | None, classes: Mapping[str, int], place: str, reading: _Reading, others: Counter[str]
) -> Mark | None:
    """The mark of any object; None where it is left out: `others` counts those without pixels."""
    try:
        item, title, kind = _known(each, classes)
        if kind in _NO_PIXELS:
            others[kind] += 1
            return None
        shape = _shape(item, kind, reading, place)
    except _BrokenObjectError as broken:
        code, message, where = broken.args
        reading.defects.append(Defect(code, f"{message}; left out", place=place + where))
        return None
    number = item.id if type(item.id) is int and abs(item.id) < 2**63 else None
    columns, attributes = _said(item, place, reading.defects)
    return Mark(title, shape, place, None, number, attributes, columns)


def _size(said: object, file: str) -> tuple[int, int]:
    """Height and width in pixels; raises BrokenLabelsError for what no image has."""
    sides = [said.get(name) for name in ("height", "width")] if isinstance(said, dict) else [None, None]
    if not all(type(side) is int and 0 < side < 2**31 for side in sides):
        message = "size has no height and width, whole numbers of pixels"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/size"))
    height, width = (int(side) for side in sides if side is not None)
    if height * width > MAX_PIXELS:
        message = f"the image is {width:,} x {height:,}: more than {MAX_PIXELS:,} pixels are not read"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/size"))
    return height, width


def _known(item: Object | None, classes: Mapping[str, int]) -> tuple[Object, str, str]:
    """An object of a known class, its class and its geometry."""
    if item is None or not isinstance(item.classTitle, str):
        raise _BrokenObjectError("SEG004", "an object without classTitle", "")
    if item.classTitle not in classes:
        raise _BrokenObjectError("SEG007", f"class {item.classTitle!r:.80} is not in meta.json", "/classTitle")
    kind = item.geometryType or item.shape
    if kind is None:  # files of old versions
        kind = "bitmap" if isinstance(item.bitmap, dict) else "polygon"
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _BrokenObjectError("SEG004", f"geometry {kind!r:.40} is not known", "/geometryType")
    return item, item.classTitle, kind


def _shape(item: Object, kind: str, reading: _Reading, place: str) -> Shape | Written:
    if kind in ("bitmap", "alpha_mask"):
        return _bitmap(item, kind, reading, place)
    points = item.points
    if points is None or not bytes(points.exterior).startswith(b"["):
        raise _BrokenObjectError("SEG004", "points has no exterior", "/points")
    if kind == "rectangle":
        return _rectangle(_value(points.exterior))
    return Written((points.exterior, *(points.interior or ())), "the polygon", f"{place}/points")


def _value(text: bytes) -> Any:  # Any: JSON
    """The value of a text, which may hold NaN; nothing where that cannot be read."""
    try:
        return parse_json(bytes(text))
    except (ValueError, RecursionError):
        return None


def _mended(mark: Mark, size: tuple[int, int]) -> list[Ring] | Defect:
    """The rings of a polygon whose texts are not as others are, or why it cannot be drawn."""
    texts = mark.shape.texts if isinstance(mark.shape, Written) else ()
    rings: list[Ring] = []
    for k, text in enumerate(texts):
        points = _value(text)
        wrong = check_ring(points)
        if wrong is not None:
            what, where = (
                (f"a hole of the polygon {wrong}", f"interior/{k - 1}") if k else (f"the polygon {wrong}", "exterior")
            )
            return Defect("SEG006", f"{what}; left out", place=f"{mark.place}/points/{where}")
        rings.append(np.asarray(points, np.float64).reshape(-1, 2))
    return rings


def _placed(flat: Flat, sides: Floats) -> tuple[Floats, Floats]:
    """Points in the corner frame: those of polygons that have whole numbers alone are the centres of pixels."""
    broken = flat.points != np.rint(flat.points)
    points: Floats
    if not broken.any():
        points = flat.points + _CENTRE
        return points, points
    polygon = polygon_of_point(flat)
    whole = np.bincount(polygon, broken.any(axis=1), len(flat.polygon) - 1) == 0
    points = flat.points + np.where(whole[polygon], _CENTRE, 0.0)[:, None]
    return points, points


NOTATION = Notation(placed=_placed, mend=_mended)


def _rectangle(corners: Any) -> Polygon:  # Any: JSON
    """Both corners belong to it, rounded as Supervisely does."""
    right = (
        isinstance(corners, list)
        and len(corners) == 2
        and all(isinstance(each, list) and len(each) == 2 for each in corners)
    )
    numbers = [each for corner in corners for each in corner] if right else []
    if not right or not all(type(each) in (int, float) for each in numbers) or check_numbers(*numbers):
        raise _BrokenObjectError("SEG006", "a rectangle has two corners of two numbers", "/points/exterior")
    x0, y0, x1, y1 = (round(each) + _CENTRE for each in numbers)
    return box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _bitmap(item: Object, kind: str, reading: _Reading, place: str) -> Bitmap:
    """The mask at its place; of a soft one, the pixels that are rather there than not."""
    name = kind if isinstance(getattr(item, kind), dict) else "bitmap"
    said = getattr(item, name)
    origin = said.get("origin") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(said.get("data"), str):
        raise _BrokenObjectError("SEG004", f"{name} has no data", f"/{name}")
    if not (isinstance(origin, list) and len(origin) == 2 and all(type(each) is int for each in origin)):
        raise _BrokenObjectError("SEG004", "origin is not [column, row]", f"/{name}/origin")
    high, wide = reading.size
    try:
        levels = mask_of(said["data"], high * wide) if kind == "bitmap" else levels_of(said["data"], high * wide)
    except BrokenBitmapError as error:
        raise _BrokenObjectError("SEG001", f"the mask {error}", f"/{name}/data") from error
    height, width = levels.shape
    x, y = origin
    if not (0 <= x <= wide - width and 0 <= y <= high - height):
        message = f"the mask of {width}x{height} at column {x}, row {y} leaves the image of {wide}x{high}"
        raise _BrokenObjectError("SEG004", message, f"/{name}/origin")
    if levels.dtype == bool:
        return Bitmap(x, y, levels.astype(bool, copy=False))
    soft = int(np.count_nonzero((levels > 0) & (levels < 255)))
    if soft:
        message = f"{soft:,} pixels are neither there nor not; those of at least half opacity are taken"
        reading.defects.append(Defect("SEG010", message, place=f"{place}/{name}", pixels=soft, severity="warning"))
    return Bitmap(x, y, levels >= _HALF)


def _said(item: Object, place: str, defects: list[Defect]) -> tuple[_Json, dict[str, str]]:
    """What an object says besides its pixels: columns, and attributes, of its tags and its description."""
    if (item.tags is msgspec.UNSET or item.tags == []) and not item.description and not isinstance(item.id, str):
        return _PLAIN, _NOTHING
    said = attributes_of([] if item.tags is msgspec.UNSET else item.tags)
    if said is None:
        defects.append(Defect("SEG004", "tags are no list of names and values", place=f"{place}/tags"))
        said = {}
    if item.description:
        said["description"] = item.description
    score, track, crowd = said.get(SCORE), said.get(TRACK), said.get(CROWD)
    columns: _Json = {"source_id": item.id if isinstance(item.id, str) else None}
    columns["score"] = float(said.pop(SCORE)) if type(score) in (int, float) else None
    columns["track_id"] = said.pop(TRACK) if type(track) is int and abs(track) < 2**63 else None
    columns["iscrowd"] = said.pop(CROWD) if crowd is True else False
    return columns, {name: encode_json(value) for name, value in said.items()}
