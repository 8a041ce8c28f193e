"""Boxes: the XML file of an image, which has a box for each object and what else is said of it.

Coordinates count pixels from 1, and the last one is inside. Source: VOC2012 development kit, section 2.5. Beside VOC's
own elements there are `attributes`, as CVAT and Datumaro write them: open-edge-platform/datumaro
src/datumaro/plugins/data_formats/voc/exporter.py.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

import msgspec

from segdata.core.finding import Defect
from segdata.formats.shared.safe_parsers import XmlError, is_xml_text, read_xml

FLAGS = ("truncated", "occluded", "difficult")
# Attributes that are columns here; CVAT and Datumaro call them so.
COLUMNS: dict[str, tuple[str, type]] = {
    "score": ("score", float),
    "source": ("source", str),
    "track_id": ("track_id", int),
    "is_crowd": ("iscrowd", bool),
}
_SIDES = ["xmin", "ymin", "xmax", "ymax"]
_MOST = 2**31  # of a number of pixels
_LEAST = ["name", "bndbox"]  # what every object has
Box = tuple[float, float, float, float]
_FLAG = {"0": "false", "1": "true"}
_PYTHON = {"True": "true", "False": "false"}  # how Datumaro writes flags


@dataclass(frozen=True, slots=True)
class Boxed:
    """An object of an XML file.

    Attributes
    ----------
    name : of its class
    box : x, y, width and height in pixels
    place : where in the file, as an XPath
    attributes : name -> JSON text
    columns : what has a column of its own: score, source, track_id, iscrowd
    """

    name: str
    box: Box
    place: str
    attributes: dict[str, str] = field(default_factory=dict)
    columns: dict[str, object] = field(default_factory=dict)


def read_boxes(path: Path, file: str, size: tuple[int, int]) -> tuple[list[Boxed], list[Defect]]:
    """The objects of an XML file, and what is wrong with it.

    `file` is its name in defects, `size` the height and width of the masks in pixels.
    """
    try:
        root = read_xml(path)
    except XmlError as error:
        return [], [Defect("SEG001", f"the XML cannot be read: it {error}", file, line=error.line)]
    except OSError as error:
        return [], [Defect("SEG001", f"the XML cannot be read: {error.strerror or error}", file)]
    if root.tag != "annotation":
        return [], [Defect("SEG004", f"the root is <{root.tag}>, VOC's is <annotation>", file, f"/{root.tag}")]
    defects = list(_size_defects(root, file, size))
    found = []
    for number, element in enumerate(root.findall("object"), 1):
        try:
            found.append(_object(element, f"/annotation/object[{number}]"))
        except _MalformedError as error:
            defects.append(Defect("SEG004", str(error), file, error.place))
    return found, defects


class _MalformedError(Exception):
    def __init__(self, reason: str, place: str) -> None:
        super().__init__(reason)
        self.place = place


def _size_defects(root: Element, file: str, size: tuple[int, int]) -> Iterator[Defect]:
    width, height = ((root.findtext(f"size/{side}") or "").strip() for side in ("width", "height"))
    if width and height and (width, height) != (str(size[1]), str(size[0])):
        message = f"the XML says {width}x{height}, the mask is {size[1]}x{size[0]}"
        yield Defect("SEG003", message, file, "/annotation/size")


def _object(element: Element, place: str) -> Boxed:
    """One object; raises _MalformedError."""
    if [child.tag for child in element] == _LEAST and (name := element[0].text) and name.strip():
        return Boxed(name, _box(element[1], f"{place}/bndbox"), place)
    name, box = element.findtext("name"), element.find("bndbox")
    if not name or not name.strip():
        raise _MalformedError("an object without name", place)
    if box is None:
        raise _MalformedError(f"{name!r} has no bndbox", place)
    attributes: dict[str, str] = {}
    for child in element:
        if child.tag not in ("name", "bndbox"):
            attributes |= _said(child, f"{place}/{child.tag}")
    parts = [_part(part, f"{place}/part[{number}]") for number, part in enumerate(element.findall("part"), 1)]
    if parts:
        attributes["parts"] = _json(parts)
    columns = {}
    for attribute in attributes.keys() & COLUMNS.keys():
        column, type_ = COLUMNS[attribute]
        value = _as(type_, attributes[attribute])
        if value is not None:
            columns[column] = value
            del attributes[attribute]
    return Boxed(name, _box(box, f"{place}/bndbox"), place, attributes, columns)


def _as(type_: type, json: str) -> object:
    """A JSON text as a value of a type; None where it is another."""
    with suppress(msgspec.DecodeError, msgspec.ValidationError):
        value: object = msgspec.json.decode(json, type=type_)
        return value
    return None


def _part(element: Element, place: str) -> dict[str, object]:
    """A body part, as VOC's layout task has them."""
    box = element.find("bndbox")
    return {"name": element.findtext("name") or "", "box": None if box is None else _box(box, f"{place}/bndbox")}


def _said(child: Element, place: str) -> dict[str, str]:
    """What a child of an object says, as attributes: name -> JSON text."""
    text = child.text or ""
    if child.tag in FLAGS:
        if text.strip() not in _FLAG:
            raise _MalformedError(f"{child.tag} is {text.strip()!r}, it is 0 or 1", place)
        return {child.tag: _FLAG[text.strip()]}
    if child.tag == "actions":
        return {each.tag: _FLAG.get((each.text or "").strip(), json_text(each.text or "")) for each in child}
    if child.tag == "attributes":
        return {name: json_text(each.findtext("value") or "") for each in child if (name := each.findtext("name"))}
    if child.tag == "point":
        return {"point": _json([_number(child, side, place) for side in ("x", "y")])}
    if len(child):
        return {}
    return {child.tag: json_text(text)}


def _box(element: Element, place: str) -> Box:
    left, top, right, bottom = _corners(element) or (_number(element, side, place) for side in _SIDES)
    if right < left or bottom < top:
        raise _MalformedError(f"the box {left:g}, {top:g} to {right:g}, {bottom:g} is turned inside out", place)
    return left - 1, top - 1, right - left + 1, bottom - top + 1


def _corners(element: Element) -> Box | None:
    """The sides of a box that has them in their usual order, and nothing else; None where something may be wrong."""
    try:
        x0, y0, x1, y1 = element
        left, top, right, bottom = (
            float(x0.text or ""),
            float(y0.text or ""),
            float(x1.text or ""),
            float(y1.text or ""),
        )
    except ValueError:
        return None
    if [x0.tag, y0.tag, x1.tag, y1.tag] != _SIDES:
        return None
    sound = -_MOST <= left <= right <= _MOST and -_MOST <= top <= bottom <= _MOST
    return (left, top, right, bottom) if sound else None


def _number(element: Element, side: str, place: str) -> float:
    text = element.findtext(side, "").strip()
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > _MOST:
        raise _MalformedError(f"{side} is {text!r}, a number of pixels is needed", f"{place}/{side}")
    return number


def json_text(text: str) -> str:
    """The text of an element as JSON: as it is where it is JSON already, else as a string.

    >>> json_text("0.5"), json_text("True"), json_text("Frontal")
    ('0.5', 'true', '"Frontal"')
    """
    bare = text.strip()
    try:
        msgspec.json.decode(bare)
    except msgspec.DecodeError:
        return _PYTHON.get(bare) or _json(bare)
    return bare


def plain_text(json: str) -> str:
    """A JSON text as other programs expect it in an element, such that `json_text` gives it back.

    >>> plain_text('"Frontal"'), plain_text('"0.5"')
    ('Frontal', '"0.5"')
    """
    value = msgspec.json.decode(json)
    plain = isinstance(value, str) and is_xml_text(value) and "\r" not in value  # which XML reads as a line feed
    return value if plain and json_text(value) == json else json


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
