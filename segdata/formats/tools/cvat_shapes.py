"""Shapes of CVAT: elements of its XML as marks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import numpy as np

from segdata.core.finding import Defect
from segdata.formats.shapes.shape import Bitmap, Ellipse, Ring, Shape, box
from segdata.formats.shapes.soundness import check_numbers, check_ring
from segdata.formats.shared.images import MAX_PIXELS, ImageHeader
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry
from segdata.formats.tools.mark import Drawing, Mark, Written, as_text

AREAS = frozenset({"polygon", "box", "ellipse", "mask"})
NO_AREA = frozenset({"polyline", "points", "cuboid", "skeleton"})
SOURCES = {"manual": "human", "semi-auto": "human", "auto": "model", "consensus": "consensus"}
SEMI = "semi-auto"
STANDING = frozenset({"is_crowd", "score", "track_id"})  # attributes that stand for what has a column
_MOST = 2**62  # of a number that names something
Types = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Drawn:
    """An element with what it takes from its track, if it is in one."""

    element: Element
    place: str
    label: str
    group: str | None = None
    source: str | None = None
    track: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """An image of a file: its shapes, and the tags, that are said of all of it."""

    shapes: tuple[Drawn, ...]
    tags: tuple[Element, ...] = ()
    defects: tuple[Defect, ...] = ()


class _Wrong(Exception):  # noqa: N818 - a shape that is left out
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _Reading:
    size: tuple[int, int]
    types: Types
    marks: list[Mark] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def look(types: Types, entry: ImageEntry, head: ImageHeader | None) -> list[Drawing]:
    """What is drawn on an image; raises BrokenLabelsError where its size is not known."""
    record: Record = entry.record
    size = entry.size
    if 0 in size and head is not None:
        size = (head.height, head.width)
    if 0 in size or size[0] * size[1] > MAX_PIXELS:
        told = f"the size is {size[1]:,} x {size[0]:,}, which is no image's" if any(size) else "no size is told"
        raise BrokenLabelsError(*record.defects, Defect("SEG004", f"{told}: its shapes cannot be drawn"))
    reading = _Reading(size, types, [], list(record.defects))
    for each in record.shapes:
        _add(reading, each)
    tags = [_tag(each, types) for each in record.tags]
    metadata = {"tags": as_text(tags)} if tags else {}
    return [Drawing(size, reading.marks, None, {}, metadata, reading.defects)]


def _tag(element: Element, types: Types) -> object:
    """The label of a tag, or an object of it and its attributes."""
    label = element.get("label", "")
    said = _attributes(element, label, types)
    return {"label": label, **{key: json.loads(value) for key, value in said.items()}} if said else label


def _add(reading: _Reading, drawn: Drawn) -> None:
    """Add a shape; one that is broken is left out, with a defect."""
    try:
        if not drawn.label:
            raise _Wrong("SEG004", f"the {drawn.element.tag} has no label")
        shape = _shape(drawn, reading.size)
        group = _whole(drawn.group, "group_id") or None
        attributes = _attributes(drawn.element, drawn.label, reading.types)
        columns = _columns(drawn, attributes)
        reading.marks.append(Mark(drawn.label, shape, drawn.place, group, None, attributes, columns))
    except _Wrong as wrong:
        reading.defects.append(Defect(wrong.code, f"{wrong}; left out", place=drawn.place))


def _columns(drawn: Drawn, attributes: dict[str, str]) -> dict[str, object]:
    """What has a column; the attributes that stand for it are taken out, and those are put in that are fields here."""
    element = drawn.element
    columns: dict[str, object] = {"track_id": drawn.track}
    if attributes.get("is_crowd") in ("true", '"true"'):
        del attributes["is_crowd"]
        columns["iscrowd"] = True
    for key, convert in (("score", float), ("track_id", int)):
        text = attributes.get(key, "").strip('"')
        try:
            value = convert(text) if text else None
        except ValueError:
            continue
        if value is not None and abs(value) <= _MOST and columns.get(key) is None:
            del attributes[key]
            columns[key] = value
    source = drawn.source or element.get("source")
    columns["source"] = SOURCES.get(source or "")
    if source == SEMI:
        attributes.setdefault("source", as_text(SEMI))
    if element.get("occluded") == "1":
        attributes.setdefault("occluded", "true")
    z_order = _whole(element.get("z_order"), "z_order")
    if z_order:
        attributes.setdefault("z_order", str(z_order))
    return columns


def _attributes(element: Element, label: str, types: Types) -> dict[str, str]:
    """The attributes of an element as JSON texts, of the types that the label declares."""
    said = {}
    for each in element.iterfind("attribute"):
        name, text = each.get("name", ""), each.text or ""
        kind = types.get((label, name), "text")
        if kind == "checkbox" and text.lower() in ("true", "false"):
            said[name] = text.lower()
        elif kind == "number" and _is_number(text):
            said[name] = text
        else:
            said[name] = as_text(text)
    return said


def _is_number(text: str) -> bool:
    try:
        return not isinstance(json.loads(text, parse_constant=lambda name: None), (str, bool, list, dict, type(None)))
    except (ValueError, RecursionError):
        return False


def _whole(text: str | None, what: str) -> int:
    """A whole number, 0 where there is none; raises _Wrong for another text."""
    digits = (text or "0").strip().removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 18):
        raise _Wrong("SEG004", f"{what} is {text!r:.40}, a whole number is expected")
    return int(text or 0)


def _shape(drawn: Drawn, size: tuple[int, int]) -> Shape | Written:
    element = drawn.element
    if element.tag == "polygon":
        text = element.get("points", "")
        if "[" in text:
            raise _Wrong("SEG006", _misspelt(text))
        return Written((f"[[{text}]]".replace(";", "],[").encode(),), "the polygon", drawn.place)
    if element.tag == "mask":
        return _mask(element, size)
    keys = ("xtl", "ytl", "xbr", "ybr") if element.tag == "box" else ("cx", "cy", "rx", "ry")
    a, b, c, d = (_number(element, key) for key in keys)
    degrees = _number(element, "rotation") if "rotation" in element.attrib else 0.0
    wrong = check_numbers(a, b, c, d, degrees)
    if wrong is not None or (element.tag == "ellipse" and min(c, d) < 0):
        raise _Wrong("SEG006", f"the {element.tag} {wrong or 'has a radius below 0'}")
    if element.tag == "ellipse":
        return Ellipse(a, b, c, d, degrees)
    upright = box(a, b, c, d)
    return upright.turned(degrees, (a + c) / 2, (b + d) / 2) if degrees else upright


def _number(element: Element, key: str) -> float:
    try:
        return float(element.attrib[key])
    except KeyError:
        raise _Wrong("SEG004", f"the {element.tag} has no {key}") from None
    except ValueError:
        raise _Wrong("SEG004", f"{key} is {element.attrib[key]!r:.40}, a number is expected") from None


def _misspelt(text: str) -> str:
    return f"the polygon's points are {text!r:.40}, x,y;x,y;… is expected"


def mended(mark: Mark, size: tuple[int, int]) -> list[Ring] | Defect:
    """The ring of a polygon whose numbers are not written as JSON has them, or why it cannot be drawn."""
    text = mark.shape.texts[0].decode()[2:-2].replace("],[", ";") if isinstance(mark.shape, Written) else ""
    pairs = text.split(";")
    try:
        if any(pair.count(",") != 1 for pair in pairs):
            raise ValueError
        numbers = np.array([float(number) for number in text.replace(";", ",").split(",")])
    except ValueError:
        return Defect("SEG006", f"{_misspelt(text)}; left out", place=mark.place)
    wrong = check_ring(numbers)
    return [numbers.reshape(-1, 2)] if wrong is None else mark.refusal(wrong)


def _mask(element: Element, size: tuple[int, int]) -> Bitmap:
    """A mask: runs of nothing and something in turn, row by row through its box."""
    sides = {}
    for key in ("left", "top", "width", "height"):
        if key not in element.attrib:
            raise _Wrong("SEG004", f"the mask has no {key}")
        sides[key] = _whole(element.attrib[key], key)
    width, height = sides["width"], sides["height"]
    if not (0 < width <= size[1] and 0 < height <= size[0]):
        raise _Wrong("SEG005", f"the mask is {width:,} x {height:,} px, the image {size[1]:,} x {size[0]:,}")
    text = element.get("rle", "")
    try:
        counts = np.array([int(count) for count in text.split(",")], np.int64)
    except (ValueError, OverflowError):
        raise _Wrong("SEG005", f"rle is {text!r:.40}, whole numbers are expected") from None
    if (counts < 0).any() or (counts > width * height).any() or counts.sum() != width * height:
        shown = f"{min(counts.min(), 0):,} px" if (counts < 0).any() else f"{sum(counts.tolist()):,} px in sum"
        raise _Wrong("SEG005", f"the counts have {shown}, the mask has {width} x {height} = {width * height:,}")
    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return Bitmap(sides["left"], sides["top"], values.reshape(height, width))
