"""Regions: the results of an annotation, several of which may be about one region, as segments."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segdata.core.defect import Defect
from segdata.formats.images import MAX_PIXELS
from segdata.formats.jsonfile import encoded
from segdata.formats.labelstudio.brush import BrokenStrokesError, decode_strokes
from segdata.formats.labelstudio.tasks import LABELS
from segdata.formats.shapes.ellipse import draw_ellipse
from segdata.formats.shapes.scaled import scaled
from segdata.formats.shapes.shape import Bitmap, Ellipse, Polygon, Shape, box
from segdata.formats.shapes.soundness import check_numbers, check_ring

# What results about a region, or the whole image, say: type -> key in their value.
SAYING = {
    "choices": "choices",
    "textarea": "text",
    "number": "number",
    "rating": "rating",
    "taxonomy": "taxonomy",
    "datetime": "datetime",
}
_DRAWN = frozenset({*LABELS, "polygon", "brush", "rectangle", "ellipse"})
_Json = dict[str, Any]  # Any: JSON
_ONE = np.ones(2)
_SPEAKS = {"polygonlabels": "points", "polygon": "points", "brushlabels": "rle", "brush": "rle"}


class _BrokenRegionError(Exception):
    """A region that cannot be read: code, message, and where in its result."""


@dataclass(frozen=True, slots=True)
class Region:
    """What is drawn and said of one region.

    Attributes
    ----------
    place : of the result that has the shape
    id : as in the file; "" for none
    labels : its labels, the first of which is its category
    shape : in pixels
    item : the result that has the shape
    said : attributes
    """

    place: str
    id: str
    labels: list[str]
    shape: Shape
    item: _Json
    said: _Json


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions of one annotation.

    Attributes
    ----------
    size : height and width of the image in pixels, as the regions say; None where there is none
    regions : that can be read
    said : of the image as a whole
    defects : why others are left out
    """

    size: tuple[int, int] | None
    regions: list[Region]
    said: _Json
    defects: list[Defect]


@dataclass(slots=True)
class _Group:
    """The results about one region, by their rows."""

    items: dict[int, _Json] = field(default_factory=dict)

    def labels(self) -> list[str]:
        found = [item["value"].get(key) for item in self.items.values() for key in LABELS]
        every = [name for names in found if isinstance(names, list) for name in names if isinstance(name, str)]
        return list(dict.fromkeys(every))

    def said(self) -> _Json:
        return {
            str(item.get("from_name", item["type"])): _value(item["value"].get(SAYING[item["type"]]))
            for item in self.items.values()
            if item["type"] in SAYING
        }

    def drawn(self) -> int | None:
        """The row of the result that has the shape."""
        return next((row for row, item in self.items.items() if item["type"] in _DRAWN), None)


def read_regions(result: object, place: str, known: Mapping[str, int]) -> Regions:
    """The regions in the list of results at `place`; `known` are the labels."""
    found = Regions(_size_of(result), [], {}, [])
    others: Counter[str] = Counter()
    for group in _groups(result, place, found.defects, others):
        row = group.drawn()
        if row is None:
            found.said.update(group.said())
            continue
        item, at = group.items[row], f"{place}/{row}"
        try:
            region = _region(group, item, at, found.size)
            lacking = [name for name in region.labels if name not in known]
            if lacking:
                raise _BrokenRegionError("SEG007", f"label {lacking[0]!r:.80} is not known", "/value")
            found.regions.append(region)
        except _BrokenRegionError as broken:
            code, message, where = broken.args
            id_ = str(item.get("id", ""))
            found.defects.append(Defect(code, f"{message}; left out", place=at + where, segments=(id_,) if id_ else ()))
    for kind, count in others.items():
        message = f"{count} results of type {kind!r:.40} have no pixels; left out"
        found.defects.append(Defect("SEG004", message, place=place, severity="info"))
    return found


def _groups(result: object, place: str, defects: list[Defect], others: Counter[str]) -> list[_Group]:
    """The results by region; what is not about a region of an image, or the image, is counted in `others`."""
    if not isinstance(result, list):
        defects.append(Defect("SEG004", "result is no list", place=place))
        return []
    groups: dict[object, _Group] = {}
    for row, item in enumerate(result):
        kind = item.get("type") if isinstance(item, dict) else None
        if not isinstance(kind, str):
            defects.append(Defect("SEG004", "a result without type; left out", place=f"{place}/{row}"))
        elif kind not in _DRAWN and kind not in SAYING:
            others[kind] += 1
        elif not isinstance(item.get("value"), dict):
            defects.append(Defect("SEG004", "a result without value; left out", place=f"{place}/{row}/value"))
        else:
            id_ = item.get("id")
            groups.setdefault(id_ if isinstance(id_, str | int) else (row,), _Group()).items[row] = item
    return list(groups.values())


def _size_of(result: Any) -> tuple[int, int] | None:  # Any: JSON
    """Height and width of the image, in the first result that has them."""
    for item in result if isinstance(result, list) else []:
        if isinstance(item, dict):
            height, width = item.get("original_height"), item.get("original_width")
            if not isinstance(height, int) or not isinstance(width, int) or True in (height is True, width is True):
                continue
            if min(height, width) > 0 and height * width <= MAX_PIXELS:
                return height, width
    return None


def _region(group: _Group, item: _Json, place: str, size: tuple[int, int] | None) -> Region:
    sides = item.get("original_height"), item.get("original_width")
    if size is None or sides != size:
        shown = f"{sides[1]!r:.20} x {sides[0]!r:.20}"
        other = "" if size is None else f", of other regions {size[1]} x {size[0]}"
        raise _BrokenRegionError("SEG004", f"the size of the image is {shown}{other}", "/original_width")
    turned = item.get("image_rotation") or 0
    if turned:
        message = f"drawn on the image turned by {turned!r:.20} degrees, which is not read"
        raise _BrokenRegionError("SEG004", message, "/image_rotation")
    labels = group.labels()
    if not labels:
        raise _BrokenRegionError("SEG004", "a region without label", "/value")
    shape = _shape(item, *size)
    said = group.said()
    return Region(place, str(item.get("id", "")), labels, shape, item, said)


def _shape(item: _Json, height: int, width: int) -> Shape:
    """The shape of a region in pixels; numbers in the file are percents of the image's sides."""
    value = item["value"]
    speaks = _SPEAKS.get(item["type"])
    if "rle" in value or speaks == "rle":
        return _strokes(value, height, width)
    if "points" in value or speaks == "points":
        return _polygon(value.get("points"), height, width)
    names = ("x", "y", "radiusX", "radiusY") if "radiusX" in value else ("x", "y", "width", "height")
    numbers = [value.get(name) for name in (*names, "rotation")]
    numbers[-1] = 0 if numbers[-1] is None else numbers[-1]
    if not all(type(each) in (int, float) for each in numbers):
        raise _BrokenRegionError("SEG004", f"a shape has {', '.join(names)}: numbers in percent", "/value")
    x, y, across, down = (float(each) / 100 * side for each, side in zip(numbers, (width, height) * 2, strict=False))
    wrong = check_numbers(x, y, across, down, float(numbers[-1])) or (
        "has a negative size" if min(across, down) < 0 else None
    )
    if wrong:
        raise _BrokenRegionError("SEG006", f"the shape {wrong}", "/value")
    if names[2] == "radiusX":
        # Label Studio has no pixels for ellipses: those whose centres lie inside.
        return draw_ellipse(Ellipse(x, y, across, down, float(numbers[-1])), "centre-evenodd", height, width)
    return box(x, y, x + across, y + down).turned(float(numbers[-1]), x, y)


def _polygon(points: object, height: int, width: int) -> Polygon:
    wrong = check_ring(points)
    if wrong is None:
        ring = np.asarray(points, np.float64).reshape(-1, 2) / 100 * [width, height]
        wrong = check_ring(ring)
    if wrong is not None:
        raise _BrokenRegionError("SEG006", f"the polygon {wrong}", "/value/points")
    return Polygon(ring)


def _strokes(value: _Json, height: int, width: int) -> Bitmap:
    """The mask of strokes: what is not fully transparent, cut to where it is."""
    if value.get("format", "rle") != "rle":
        raise _BrokenRegionError("SEG005", f"strokes in format {value['format']!r:.20}, not rle", "/value/format")
    try:
        mask = decode_strokes(value.get("rle"), height, width) > 0
    except BrokenStrokesError as error:
        raise _BrokenRegionError("SEG005", str(error), "/value/rle") from error
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return Bitmap(0, 0, mask[:0, :0])
    return Bitmap(int(columns[0]), int(rows[0]), mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def columns_of(regions: Sequence[Region], ids: Mapping[str, int], score: object) -> dict[str, list[object]]:
    """The columns of segments; `score` is that of the whole prediction."""
    columns: dict[str, list[object]] = {
        name: [] for name in ("also", "iscrowd", "track_id", "score", "source", "rings", "attributes", "place")
    }
    for region in regions:
        meta = region.item.get("meta")
        meta = dict(meta) if isinstance(meta, dict) else {}
        track, own = meta.pop("track_id", None), region.item.get("score")
        said = region.said | ({"meta": meta} if meta.keys() - {"iscrowd"} else {})
        whose = own if type(own) in (int, float) else score
        columns["also"].append([ids[name] for name in region.labels[1:]] or None)
        columns["iscrowd"].append(meta.pop("iscrowd", False) is True)
        columns["track_id"].append(track if type(track) is int and abs(track) < 2**63 else None)
        columns["score"].append(float(whose) if isinstance(whose, int | float) else None)
        columns["source"].append("model" if region.item.get("origin") == "prediction" else None)
        ring = region.shape.exterior if isinstance(region.shape, Polygon) else None
        columns["rings"].append(None if ring is None else [scaled(ring, _ONE).ravel().tolist()])
        columns["attributes"].append([(name, encoded(value)) for name, value in said.items()] or None)
        columns["place"].append(region.place)
    return columns


def numbered(ids: Sequence[str]) -> tuple[list[int], list[str | None]]:
    """A number for each id of a region, and the ids that are none; those get the numbers that are free, from 1.

    >>> numbered(["7", "Xy_1", "1"])
    ([7, 2, 1], [None, 'Xy_1', None])
    """
    own = [int(each) if each.isdecimal() and each.isascii() and str(int(each[:18])) == each else None for each in ids]
    taken = set(own)
    free = (number for number in itertools.count(1) if number not in taken)
    names = [None if number is not None or not each else each for number, each in zip(own, ids, strict=True)]
    return [next(free) if number is None else number for number in own], names


def _value(said: object) -> object:
    """What is said; a list of one is that one."""
    return said[0] if isinstance(said, list) and len(said) == 1 else said
