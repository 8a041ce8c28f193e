"""Objects: what is drawn on one image of a Supervisely project."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segdata.core.defect import Defect
from segdata.formats.images import MAX_PIXELS
from segdata.formats.jsonfile import read_json
from segdata.formats.perimage.entry import Entry, below
from segdata.formats.perimage.found import BrokenLabelsError, Found
from segdata.formats.shapes.raster import rasterise
from segdata.formats.shapes.shape import Bitmap, Polygon, Shape, box
from segdata.formats.shapes.soundness import check_numbers, check_ring
from segdata.formats.sly.bitmap import BrokenBitmapError, levels_of, mask_of
from segdata.formats.sly.tags import Pairs, attributes_of, pairs_of

SCORE, CROWD, TRACK = "confidence", "iscrowd", "track_id"  # tags that are columns here
RESERVED = frozenset({SCORE, CROWD, TRACK, "description", "labelerLogin"})
_NO_PIXELS = frozenset({"point", "line", "polyline", "graph", "cuboid", "cuboid_2d"})
_HALF = 128  # of 255: the least opacity of a pixel that belongs to a soft mask
_CENTRE = 0.5  # whole numbers are the centres of pixels
_Json = dict[str, Any]  # Any: JSON


class _BrokenObjectError(Exception):
    """An object that cannot be read: code, message, and where in it."""


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What is found in a file.

    Attributes
    ----------
    size : height and width in pixels
    items, places, shapes : of each object that is a segment
    said : its tags, and what else it says
    defects : why others are left out
    """

    size: tuple[int, int]
    items: list[_Json] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    said: list[_Json] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def look_at_objects(root: Path, classes: Mapping[str, int], entry: Entry) -> list[Found]:
    """What is drawn on one image; raises BrokenLabelsError where its file is no annotation of an image.

    `classes` are the category ids by titles.
    """
    path = entry.files[0]
    file = below(root, path)
    document = read_json(path, file)
    drawing = _drawing(document, classes, file)
    n = len(drawing.items)
    ids, names = _ids(drawing)
    logins = [str(item.get("labelerLogin") or "") for item in drawing.items]
    created = [item["createdAt"] for item in drawing.items if isinstance(item.get("createdAt"), str)]
    one = set(logins) if all(logins) else set()
    shared = one.pop() if len(one) == 1 else None
    for said, login in zip(drawing.said, logins, strict=True):
        if login and shared is None:
            said["labelerLogin"] = login
    tags = attributes_of(document.get("tags", []))
    if tags is None:
        drawing.defects.append(Defect("SEG004", "tags of the image are no list of names and values", place="/tags"))
    if isinstance(document.get("description"), str) and document["description"]:
        tags = {**(tags or {}), "description": document["description"]}
    columns: dict[str, Sequence[object]] = _columns(drawing, names)
    columns = {**columns, "file": [file] * n, "place": drawing.places}
    return [
        Found(
            drawing.size,
            np.array(ids, np.int64),
            np.array([classes[item["classTitle"]] for item in drawing.items], np.int64),
            rasterise([[shape] for shape in drawing.shapes], "cv2", *drawing.size),
            columns,
            annotator=shared,
            annotation={"created": min(created, default=None), "attributes": pairs_of(tags or {}) or None},
            defects=drawing.defects,
        )
    ]


def _drawing(document: object, classes: Mapping[str, int], file: str) -> _Drawing:
    if not isinstance(document, dict):
        raise BrokenLabelsError(Defect("SEG004", "is no object with size and objects", file))
    if "frames" in document or "framesCount" in document:
        message = "is the annotation of a video; only projects of images are read"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/frames"))
    drawing = _Drawing(_size(document, file))
    objects = document.get("objects", [])
    if not isinstance(objects, list):
        raise BrokenLabelsError(Defect("SEG004", "objects is no list", file, "/objects"))
    others: Counter[str] = Counter()
    for i, item in enumerate(objects):
        place = f"/objects/{i}"
        try:
            kind = _kind(item, classes)
            if kind in _NO_PIXELS:
                others[kind] += 1
                continue
            shape = _shape(item, kind, drawing, place)
        except _BrokenObjectError as broken:
            code, message, where = broken.args
            drawing.defects.append(Defect(code, f"{message}; left out", place=place + where))
            continue
        drawing.items.append(item)
        drawing.places.append(place)
        drawing.shapes.append(shape)
        drawing.said.append(_said(item, place, drawing.defects))
    for kind, count in others.items():
        message = f"{count} objects of geometry {kind!r} have no pixels; left out"
        drawing.defects.append(Defect("SEG004", message, place="/objects", severity="info"))
    return drawing


def _size(document: _Json, file: str) -> tuple[int, int]:
    """Height and width in pixels; raises BrokenLabelsError for what no image has."""
    said = document.get("size")
    sides = [said.get(name) for name in ("height", "width")] if isinstance(said, dict) else [None, None]
    if not all(type(side) is int and 0 < side < 2**31 for side in sides):
        message = "size has no height and width, whole numbers of pixels"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/size"))
    height, width = (int(side) for side in sides if side is not None)
    if height * width > MAX_PIXELS:
        message = f"the image is {width:,} x {height:,}: more than {MAX_PIXELS:,} pixels are not read"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/size"))
    return height, width


def _kind(item: object, classes: Mapping[str, int]) -> str:
    """The geometry of an object of a known class."""
    if not isinstance(item, dict) or not isinstance(item.get("classTitle"), str):
        raise _BrokenObjectError("SEG004", "an object without classTitle", "")
    if item["classTitle"] not in classes:
        raise _BrokenObjectError("SEG007", f"class {item['classTitle']!r:.80} is not in meta.json", "/classTitle")
    kind = item.get("geometryType") or item.get("shape")
    if kind is None:  # files of old versions
        kind = "bitmap" if isinstance(item.get("bitmap"), dict) else "polygon"
    if not isinstance(kind, str) or kind not in _NO_PIXELS | {"bitmap", "alpha_mask", "polygon", "rectangle"}:
        raise _BrokenObjectError("SEG004", f"geometry {kind!r:.40} is not known", "/geometryType")
    return kind


def _shape(item: _Json, kind: str, drawing: _Drawing, place: str) -> Shape:
    if kind in ("bitmap", "alpha_mask"):
        return _bitmap(item, kind, drawing, place)
    points = item.get("points")
    if not isinstance(points, dict) or not isinstance(points.get("exterior"), list):
        raise _BrokenObjectError("SEG004", "points has no exterior", "/points")
    exterior, interior = points["exterior"], points.get("interior") or []
    if kind == "rectangle":
        return _rectangle(exterior)
    wrong = check_ring(exterior)
    if wrong is not None:
        raise _BrokenObjectError("SEG006", f"the polygon {wrong}", "/points/exterior")
    if not isinstance(interior, list):
        raise _BrokenObjectError("SEG006", "interior is no list of rings", "/points/interior")
    for k, ring in enumerate(interior):
        wrong = check_ring(ring)
        if wrong is not None:
            raise _BrokenObjectError("SEG006", f"a hole of the polygon {wrong}", f"/points/interior/{k}")
    rings = [np.asarray(ring, np.float64).reshape(-1, 2) for ring in (exterior, *interior)]
    whole = all((ring == np.rint(ring)).all() for ring in rings)
    rings = [ring + _CENTRE for ring in rings] if whole else rings
    return Polygon(rings[0], tuple(rings[1:]))


def _rectangle(corners: list[Any]) -> Polygon:  # Any: JSON
    """Both corners belong to it, rounded as Supervisely does."""
    right = len(corners) == 2 and all(isinstance(each, list) and len(each) == 2 for each in corners)
    numbers = [each for corner in corners for each in corner] if right else []
    if not right or not all(type(each) in (int, float) for each in numbers) or check_numbers(*numbers):
        raise _BrokenObjectError("SEG006", "a rectangle has two corners of two numbers", "/points/exterior")
    x0, y0, x1, y1 = (round(each) + _CENTRE for each in numbers)
    return box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _bitmap(item: _Json, kind: str, drawing: _Drawing, place: str) -> Bitmap:
    """The mask at its place; of a soft one, the pixels that are rather there than not."""
    name = kind if isinstance(item.get(kind), dict) else "bitmap"
    said = item.get(name)
    origin = said.get("origin") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(said.get("data"), str):
        raise _BrokenObjectError("SEG004", f"{name} has no data", f"/{name}")
    if not (isinstance(origin, list) and len(origin) == 2 and all(type(each) is int for each in origin)):
        raise _BrokenObjectError("SEG004", "origin is not [column, row]", f"/{name}/origin")
    high, wide = drawing.size
    try:
        levels = mask_of(said["data"], high * wide) if kind == "bitmap" else levels_of(said["data"], high * wide)
    except BrokenBitmapError as error:
        raise _BrokenObjectError("SEG001", f"the mask {error}", f"/{name}/data") from error
    height, width = levels.shape
    x, y = origin
    if not (0 <= x <= wide - width and 0 <= y <= high - height):
        message = f"the mask of {width}x{height} at column {x}, row {y} leaves the image of {wide}x{high}"
        raise _BrokenObjectError("SEG004", message, f"/{name}/origin")
    soft = int(np.count_nonzero((levels > 0) & (levels < 255))) if kind == "alpha_mask" else 0
    if soft:
        message = f"{soft:,} pixels are neither there nor not; those of at least half opacity are taken"
        drawing.defects.append(Defect("SEG010", message, place=f"{place}/{name}", pixels=soft, severity="warning"))
    return Bitmap(x, y, levels != 0 if kind == "bitmap" else levels >= _HALF)


def _said(item: _Json, place: str, defects: list[Defect]) -> _Json:
    """The tags of an object, and its description."""
    tags = attributes_of(item.get("tags", []))
    if tags is None:
        defects.append(Defect("SEG004", "tags are no list of names and values", place=f"{place}/tags"))
    said = {"description": item["description"]} if item.get("description") else {}
    return {**(tags or {}), **said}


def _columns(drawing: _Drawing, names: list[str | None]) -> dict[str, Sequence[object]]:
    """What the objects say besides their pixels."""
    scores, tracks, crowds = [], [], []
    attributes: list[Pairs | None] = []
    for said in drawing.said:
        score, track, crowd = said.get(SCORE), said.get(TRACK), said.get(CROWD)
        scores.append(float(said.pop(SCORE)) if type(score) in (int, float) else None)
        tracks.append(said.pop(TRACK) if type(track) is int and abs(track) < 2**63 else None)
        crowds.append(bool(said.pop(CROWD)) if crowd is True else False)
        attributes.append(pairs_of(said) or None)
    rings = [
        [ring.ravel().tolist() for ring in shape.rings] if isinstance(shape, Polygon) else None
        for shape in drawing.shapes
    ]
    return {
        "source_id": names,
        "score": scores,
        "track_id": tracks,
        "iscrowd": crowds,
        "attributes": attributes,
        "rings": rings,
    }


def _ids(drawing: _Drawing) -> tuple[list[int], list[str | None]]:
    """The ids of the objects; free numbers for those without, and for those whose id is a text."""
    given = [item.get("id") for item in drawing.items]
    numbers = [each if type(each) is int and abs(each) < 2**63 else None for each in given]
    for id_, times in Counter(each for each in numbers if each is not None).items():
        if times > 1:
            message = f"object id {id_} is here {times} times; all are read"
            place = drawing.places[numbers.index(id_)] + "/id"
            drawing.defects.append(Defect("SEG008", message, place=place, segments=(id_,)))
    taken = set(numbers)
    free = (number for number in itertools.count(1) if number not in taken)
    names = [each if isinstance(each, str) else None for each in given]
    return [next(free) if each is None else each for each in numbers], names
