"""Boxes: read and write the XML file of an image, and match its boxes with the objects of masks.

Coordinates count pixels from 1, and the last one is inside. Source: VOC2012 development kit, section 2.5. Beside VOC's
own elements there are `attributes`, as CVAT and Datumaro write them: open-edge-platform/datumaro
src/datumaro/plugins/data_formats/voc/exporter.py. VOC does not say which box belongs to which object.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import msgspec
import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.overlay import box_ious
from segdata.core.runs import Ints
from segdata.formats.shared.json_files import attribute_value, encode_json
from segdata.formats.shared.xml_files import XmlError, is_xml_text, read_xml

_FLAGS = ("truncated", "occluded", "difficult")
# Attributes that become columns, by their names in CVAT and Datumaro.
COLUMNS: dict[str, tuple[str, type]] = {
    "score": ("score", float),
    "source": ("source", str),
    "track_id": ("track_id", int),
    "is_crowd": ("iscrowd", bool),
}
_SIDE_TAGS = ["xmin", "ymin", "xmax", "ymax"]
_MAX_COORDINATE = 2**31  # in pixels
_REQUIRED_TAGS = ["name", "bndbox"]  # in the usual order
Box = tuple[float, float, float, float]
Attributes = list[dict[str, str]]  # of each segment: name -> JSON text
_FLAG_JSON = {"0": "false", "1": "true"}
_PYTHON_FLAG_JSON = {"True": "true", "False": "false"}  # flags as Datumaro writes them
_SAME, _ALIKE = 0.3, 0.5  # intersection over union; masks lack the border that boxes include
_FLAG_TEXT = {"false": "0", "true": "1"}


@dataclass(frozen=True, slots=True)
class BoxedObject:
    """An object of an XML file."""

    name: str  # of its class
    box: Box  # x, y, width and height in pixels
    place: str  # in the file, as an XPath
    attributes: dict[str, str] = field(default_factory=dict)  # name -> JSON text
    # values with a column of their own: score, source, track_id, iscrowd
    columns: dict[str, object] = field(default_factory=dict)


def read_boxes(path: Path, file: str, size: tuple[int, int]) -> tuple[list[BoxedObject], list[Defect]]:
    """The objects of an XML file, and its defects.

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
    defects, objects = [], []
    width, height = ((root.findtext(f"size/{side}") or "").strip() for side in ("width", "height"))
    if width and height and (width, height) != (str(size[1]), str(size[0])):
        message = f"the XML says {width}x{height}, the mask is {size[1]}x{size[0]}"
        defects.append(Defect("SEG003", message, file, "/annotation/size"))
    for number, element in enumerate(root.findall("object"), 1):
        try:
            objects.append(_read_object(element, f"/annotation/object[{number}]"))
        except _MalformedError as error:
            defects.append(Defect("SEG004", str(error), file, error.place))
    return objects, defects


class _MalformedError(Exception):
    def __init__(self, reason: str, place: str) -> None:
        super().__init__(reason)
        self.place = place


def _read_object(element: Element, place: str) -> BoxedObject:
    """One object; raises _MalformedError."""
    if [child.tag for child in element] == _REQUIRED_TAGS and (name := element[0].text) and name.strip():
        return BoxedObject(name, _read_box(element[1], f"{place}/bndbox"), place)
    name, box = element.findtext("name"), element.find("bndbox")
    if not name or not name.strip():
        raise _MalformedError("an object without name", place)
    if box is None:
        raise _MalformedError(f"{name!r} has no bndbox", place)
    attributes: dict[str, str] = {}
    for child in element:
        if child.tag not in ("name", "bndbox"):
            attributes |= _child_attributes(child, f"{place}/{child.tag}")
    parts = []  # body parts of VOC's layout task
    for number, part in enumerate(element.findall("part"), 1):
        part_box = part.find("bndbox")
        sides = None if part_box is None else _read_box(part_box, f"{place}/part[{number}]/bndbox")
        parts.append({"name": part.findtext("name") or "", "box": sides})
    if parts:
        attributes["parts"] = encode_json(parts)
    columns: dict[str, object] = {}
    for attribute in attributes.keys() & COLUMNS.keys():
        column, type_ = COLUMNS[attribute]
        with suppress(msgspec.DecodeError):  # values of another type stay attributes
            columns[column] = msgspec.json.decode(attributes[attribute], type=type_)
            del attributes[attribute]
    return BoxedObject(name, _read_box(box, f"{place}/bndbox"), place, attributes, columns)


def _child_attributes(child: Element, place: str) -> dict[str, str]:
    """The attributes in a child of an object: name -> JSON text."""
    text = child.text or ""
    if child.tag in _FLAGS:
        if text.strip() not in _FLAG_JSON:
            raise _MalformedError(f"{child.tag} is {text.strip()!r}, must be 0 or 1", place)
        return {child.tag: _FLAG_JSON[text.strip()]}
    if child.tag == "actions":
        return {
            element.tag: _FLAG_JSON.get((element.text or "").strip(), json_text(element.text or ""))
            for element in child
        }
    if child.tag == "attributes":
        return {
            name: json_text(element.findtext("value") or "") for element in child if (name := element.findtext("name"))
        }
    if child.tag == "point":
        return {"point": encode_json([_number(child, side, place) for side in ("x", "y")])}
    if len(child):
        return {}
    return {child.tag: json_text(text)}


def _read_box(element: Element, place: str) -> Box:
    left, top, right, bottom = _corners(element) or (_number(element, side, place) for side in _SIDE_TAGS)
    if right < left or bottom < top:
        raise _MalformedError(f"the box {left:g}, {top:g} to {right:g}, {bottom:g} is inverted", place)
    return left - 1, top - 1, right - left + 1, bottom - top + 1


def _corners(element: Element) -> Box | None:
    """The sides of a box with exactly these children in their usual order; None for other boxes."""
    try:
        x0, y0, x1, y1 = element
        left, top, right, bottom = (float(side.text or "") for side in (x0, y0, x1, y1))
    except ValueError:
        return None
    if [x0.tag, y0.tag, x1.tag, y1.tag] != _SIDE_TAGS:
        return None
    sound = (
        -_MAX_COORDINATE <= left <= right <= _MAX_COORDINATE and -_MAX_COORDINATE <= top <= bottom <= _MAX_COORDINATE
    )
    return (left, top, right, bottom) if sound else None


def _number(element: Element, side: str, place: str) -> float:
    text = element.findtext(side, "").strip()
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > _MAX_COORDINATE:
        raise _MalformedError(f"{side} is {text!r}, a number of pixels is needed", f"{place}/{side}")
    return number


def json_text(text: str) -> str:
    """The text of an element as JSON: unchanged if it is JSON already, else as a string.

    >>> json_text("0.5"), json_text("True"), json_text("Frontal")
    ('0.5', 'true', '"Frontal"')
    """
    stripped = text.strip()
    try:
        msgspec.json.decode(stripped)
    except (ValueError, RecursionError):
        return _PYTHON_FLAG_JSON.get(stripped) or encode_json(stripped)
    return stripped


def plain_text(json: str) -> str:
    """The text of an element for a JSON value, as other programs expect it; `json_text` inverts it.

    >>> plain_text('"Frontal"'), plain_text('"0.5"')
    ('Frontal', '"0.5"')
    """
    value = attribute_value(json)
    plain = isinstance(value, str) and is_xml_text(value) and "\r" not in value  # which XML reads as a line feed
    return value if plain and json_text(value) == json else json


def match_boxes(
    boxes: Sequence[Ints], category: Ints, boxed: Sequence[BoxedObject], named: Mapping[str, int]
) -> tuple[Ints, list[BoxedObject]]:
    """For each object the row of its box, -1 without one; and the boxes without an object.

    Parameters
    ----------
    boxes : x, y, width and height, (n,) each, of the objects in pixels
    category : (n,) of the objects
    boxed : the boxes
    named : category ids by name

    A box matches an object of the same class and place; among objects at the same place, the third box prefers the
    third object, as development kits read them.
    """
    theirs = np.array([item.box for item in boxed], np.float64).reshape(-1, 4).T
    shared = box_ious(np.asarray(boxes, np.float64)[:, :, None], theirs[:, None])
    ids = np.array([named.get(item.name, named.get(item.name.strip(), -1)) for item in boxed], np.int64)
    first, second = np.nonzero((shared >= _SAME) & (category[:, None] == ids))
    in_turn = (first == second) & (shared[first, second] >= _ALIKE)
    box_of, taken = [-1] * len(category), [False] * len(boxed)
    order = np.lexsort((-shared[first, second], ~in_turn))
    for object_row, box in zip(first[order].tolist(), second[order].tolist(), strict=True):
        if box_of[object_row] < 0 and not taken[box]:
            box_of[object_row], taken[box] = box, True
    return np.array(box_of, np.int64), [item for item, has in zip(boxed, taken, strict=True) if not has]


def xml_attributes(batch: Batch) -> tuple[Attributes, list[int]]:
    """The XML attributes of each segment (name -> JSON text), and the rows of segments that lose some.

    Columns such as the score are attributes in XML.
    """
    all_attributes = [dict(attributes or ()) for attributes in batch.segments["attributes"].to_pylist()]
    writable = [
        {name: json for name, json in attributes.items() if _has_place(name, json)} for attributes in all_attributes
    ]
    counts = enumerate(zip(map(len, all_attributes), map(len, writable), strict=True))
    lost = [row for row, (before, after) in counts if after < before]
    made_by = batch.annotations["source"].take(batch.segments["annotation"]).to_pylist()
    for attribute, (column, _) in COLUMNS.items():
        values = batch.segments[column].to_pylist()
        if column == "source":
            values = [value or inherited for value, inherited in zip(values, made_by, strict=True)]
        for after, value in zip(writable, values, strict=True):
            if value is not None and value is not False and value == value:  # NaN counts as no value, too
                after[attribute] = msgspec.json.encode(value).decode()
    return writable, lost


def _has_place(name: str, json: str) -> bool:
    """Whether an attribute survives writing and reading."""
    reserved = name in COLUMNS or not name or "\r" in name  # which XML reads as a line feed
    return not reserved and is_xml_text(name) and is_xml_text(json)


def annotation_xml(image_id: str, width: int, height: int, objects: Iterable[str]) -> str:
    """The XML file of an image of this size in pixels, with these objects."""
    path = PurePosixPath(image_id)
    head = [
        "<annotation>",
        f"  <folder>{_xml_name(path.parent.as_posix().removeprefix('.'))}</folder>",
        f"  <filename>{_xml_name(path.name)}</filename>",
        f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
        "  <segmented>1</segmented>",
    ]
    return "\n".join([*head, *objects, "</annotation>", ""])


def object_xml(name: str, box: Sequence[int], attributes: dict[str, str]) -> str:
    """An object; `box` is x, y, width and height in pixels."""
    x, y, width, height = box
    lines = ["  <object>", f"    <name>{_xml_name(name)}</name>"]
    others = dict(attributes)
    if "pose" in others:
        lines.append(f"    <pose>{escape(plain_text(others.pop('pose')))}</pose>")
    lines += [
        f"    <{flag}>{_FLAG_TEXT[others.pop(flag)]}</{flag}>" for flag in _FLAGS if others.get(flag) in _FLAG_TEXT
    ]
    sides = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
    lines.append(
        "    <bndbox>" + "".join(f"<{side}>{coordinate}</{side}>" for side, coordinate in sides.items()) + "</bndbox>"
    )
    if others:
        lines.append("    <attributes>")
        for key, json in others.items():
            value = escape(plain_text(json))
            lines.append(f"      <attribute><name>{escape(key)}</name><value>{value}</value></attribute>")
        lines.append("    </attributes>")
    return "\n".join([*lines, "  </object>"])


def _xml_name(text: str) -> str:
    """Escape a name for XML; raises SegdataError if XML cannot hold it."""
    if not is_xml_text(text) or "\r" in text:
        raise SegdataError(f"the name {text!r} has characters that XML cannot hold; rename it")
    return escape(text)
