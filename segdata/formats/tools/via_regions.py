"""Regions of VIA: what is drawn on an image, and what is said of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from segdata.core.finding import Defect
from segdata.formats.shapes.shape import Ellipse, Ring, Shape, box
from segdata.formats.shapes.soundness import check_numbers, check_ring
from segdata.formats.shared.derived_sources import ORIGINS
from segdata.formats.shared.images import MAX_PIXELS, ImageHeader
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry
from segdata.formats.tools.mark import Drawing, Mark, Written, as_text
from segdata.formats.tools.via_categories import NO_CATEGORY, category_of
from segdata.formats.tools.via_documents import Listed, Outline, Region

_NO_AREA = frozenset({"point", "polyline", "line"})
TOLD_OF_FILE = frozenset({"width", "height", "annotator", "source", "split"})
_MOST = 2**62  # of a number that names something
_NUMBERS = {
    "rect": ("x", "y", "width", "height"),
    "circle": ("cx", "cy", "r"),
    "ellipse": ("cx", "cy", "rx", "ry"),
}
Json = dict[str, Any]  # Any: JSON
_NOTHING: dict[str, str] = {}
_PLAIN: Json = {"also": None, "iscrowd": False}  # what a region says that has a category and no more


@dataclass(frozen=True, slots=True)
class Reading:
    """What regions are read by: the attribute that names categories (None: none does), and the ids of these."""

    attribute: str | None
    to: Mapping[str, int]


class _Wrong(Exception):  # noqa: N818 - a region that is left out
    def __init__(self, code: str, message: str, within: str = "") -> None:
        super().__init__(message)
        self.code, self.within = code, within


@dataclass(slots=True)
class _Drawn:
    marks: list[Mark] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def declared_size(listed: Listed) -> tuple[int, int]:
    """Height and width in pixels that the attributes of a file tell; (0, 0) where they do not."""
    said = listed.item.file_attributes
    sides = [_side(said.get(key)) for key in ("height", "width")] if isinstance(said, dict) else [0, 0]
    return (sides[0], sides[1]) if 0 < sides[0] * sides[1] <= MAX_PIXELS else (0, 0)


def declared_split(listed: Listed) -> str | None:
    """The split that the attributes of a file tell."""
    said = listed.item.file_attributes
    split = said.get("split") if isinstance(said, dict) else None
    return split if isinstance(split, str) and split else None


def _side(value: object) -> int:
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def look(reading: Reading, entry: ImageEntry, head: ImageHeader | None) -> list[Drawing]:
    """What is drawn on an image; its size is that of its file as browsers show it, where no attribute tells."""
    listed: Listed = entry.record
    size = entry.size
    if 0 in size and head is not None:
        size = (head.width, head.height) if head.turned else (head.height, head.width)
    try:
        regions = listed.regions()
    except TypeError as error:
        raise BrokenLabelsError(Defect("SEG004", str(error), place=f"{listed.place}/regions")) from error
    drawn = _Drawn()
    if 0 not in size:  # else the missing file is reported
        for place, region in regions:
            plain = None if region is None else _plain(reading, region, place)
            if plain is not None:
                drawn.marks.append(plain)
            else:
                _add(drawn, reading, region, place)
    said = listed.item.file_attributes
    told: Json = said if isinstance(said, dict) else {}
    annotator, source = told.get("annotator"), told.get("source")
    known = {"width", "height"} if 0 not in entry.size else set()
    known |= {"annotator"} if isinstance(annotator, str) else set()
    known |= {"source"} if source in ORIGINS else set()
    known |= {"split"} if declared_split(listed) else set()
    return [
        Drawing(
            size,
            drawn.marks,
            annotator if isinstance(annotator, str) else None,
            {"source": source} if source in ORIGINS else {},
            {key: as_text(value) for key, value in sorted(told.items()) if key not in known},
            drawn.defects,
        )
    ]


def _plain(reading: Reading, region: Region, place: str) -> Mark | None:
    """The mark of a polygon of which no more is said than category and id, as of most; None of another region."""
    shape, said = region.shape_attributes, region.region_attributes
    if shape is None or shape.name != "polygon" or not isinstance(said, dict):
        return None
    name, id_ = said.get(reading.attribute), said.get("segment_id")
    if type(name) is not str or not name.strip() or len(said) != (1 if id_ is None else 2):
        return None
    if id_ is not None and (type(id_) is not int or abs(id_) > _MOST or reading.attribute == "segment_id"):
        return None
    return Mark(name, _polygon(shape, place), place, None, id_, _NOTHING, _PLAIN)


def _add(drawn: _Drawn, reading: Reading, region: Region | None, place: str) -> None:
    """Add a region; one that is broken is left out, with a defect."""
    try:
        if region is None or region.shape_attributes is None:
            raise _Wrong("SEG004", "a region has shape_attributes, an object")
        kind = region.shape_attributes.name
        if isinstance(kind, str) and kind in _NO_AREA:
            return
        shape = _shape(region.shape_attributes, kind, place)
        said = region.region_attributes
        if not (said is None or isinstance(said, dict)):
            raise _Wrong("SEG004", f"region_attributes is {said!r:.40}, an object is expected", "/region_attributes")
        drawn.marks.append(_mark(reading, shape, said or {}, place))
    except _Wrong as wrong:
        drawn.defects.append(Defect(wrong.code, f"{wrong}; left out", place=_within(place, wrong.within)))


def _within(place: str, within: str) -> str:
    """A place in a region; lines of a CSV export have no places in them."""
    return place + within if place.startswith("/") else place


def _polygon(said: Outline, place: str) -> Written:
    text = b"[%b,%b]" % (said.all_points_x, said.all_points_y)
    return Written((text,), "the polygon", _within(place, "/shape_attributes"))


def _shape(said: Outline, kind: object, place: str) -> Shape | Written:
    within = "/shape_attributes"
    if kind == "polygon":
        return _polygon(said, place)
    if not isinstance(kind, str) or kind not in _NUMBERS:
        raise _Wrong("SEG004", f"the region's shape is {kind!r:.40}, which VIA does not have", f"{within}/name")
    numbers = [_number(said, key, within) for key in _NUMBERS[kind]]
    wrong = check_numbers(*numbers)
    if wrong is not None or min(numbers[2:]) < 0:
        raise _Wrong("SEG006", f"the {kind} {wrong or 'has a side or radius below 0'}", within)
    if kind == "rect":
        x, y, width, height = numbers
        return box(x, y, x + width, y + height)
    theta = math.degrees(_number(said, "theta", within)) if kind == "ellipse" and said.theta is not UNSET else 0.0
    if not math.isfinite(theta):
        raise _Wrong("SEG006", f"the ellipse is turned by {theta}", f"{within}/theta")
    return Ellipse(numbers[0], numbers[1], numbers[2], numbers[-1], theta)


def mended(mark: Mark, size: tuple[int, int]) -> list[Ring] | Defect:
    """The ring of a polygon whose numbers are not as others are, or why it cannot be drawn."""
    try:
        x, y = msgspec.json.decode(mark.shape.texts[0]) if isinstance(mark.shape, Written) else (None, None)
    except (ValueError, RecursionError):
        return mark.refusal("has points that are not pairs of numbers")
    if not (isinstance(x, list) and isinstance(y, list)) or len(x) != len(y):
        place = mark.shape.within if isinstance(mark.shape, Written) else mark.place
        message = "a polygon has as many numbers in all_points_x as in all_points_y; left out"
        return Defect("SEG006", message, place=place)
    try:
        points = np.array([x, y]).T
    except ValueError:
        return mark.refusal("has points that are not pairs of numbers")
    wrong = check_ring(points)
    return [points.astype(np.float64)] if wrong is None else mark.refusal(wrong)


def _number(said: Outline, key: str, within: str) -> float:
    value = getattr(said, key)
    value = None if value is UNSET else value
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _Wrong("SEG004", f"{key} is {value!r:.40}, a number is expected", f"{within}/{key}")
    return float(value)


def _mark(reading: Reading, shape: Shape | Written, said: Json, place: str) -> Mark:
    """A region with what is said of it."""
    categories = category_of(said, reading.attribute) or [NO_CATEGORY]
    also = [reading.to[name] for name in categories[1:]]
    columns: Json = {"also": also or None, "iscrowd": said.get("iscrowd") is True}
    taken = {reading.attribute, "iscrowd"} if columns["iscrowd"] else {reading.attribute}
    for key in ("segment_id", "track_id"):
        value = said.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST:
            taken.add(key)
            columns[key] = value
    score = said.get("score")
    if isinstance(score, (int, float)) and not isinstance(score, bool):
        taken.add("score")
        columns["score"] = float(score)
    if said.get("source") in ORIGINS:
        taken.add("source")
        columns["source"] = said["source"]
    attributes = {key: as_text(value) for key, value in said.items() if key not in taken}
    return Mark(categories[0], shape, place, None, columns.pop("segment_id", None), attributes, columns)
