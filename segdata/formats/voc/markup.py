"""Markup: the XML file of an image, as it is written."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from xml.sax.saxutils import escape

import msgspec

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.formats.shared.safe_parsers import is_xml_text
from segdata.formats.voc.boxes import COLUMNS, FLAGS, plain_text

_FLAG = {"false": "0", "true": "1"}


def attributes_of(batch: Batch) -> tuple[list[dict[str, str]], list[int]]:
    """The attributes of each segment (name -> JSON text), and the rows of those that have some without a place in XML.

    Scores and the like, which have columns here, are attributes there.
    """
    listed = [dict(each or ()) for each in batch.segments["attributes"].to_pylist()]
    kept = [{name: json for name, json in each.items() if _has_place(name, json)} for each in listed]
    lost = [row for row, (all_, some) in enumerate(zip(listed, kept, strict=True)) if len(some) < len(all_)]
    made_by = batch.annotations["source"].take(batch.segments["annotation"]).to_pylist()
    for attribute, (column, _) in COLUMNS.items():
        values = batch.segments[column].to_pylist()
        if column == "source":
            values = [value or whose for value, whose in zip(values, made_by, strict=True)]
        for said, value in zip(kept, values, strict=True):
            if value is not None and value is not False and value == value:  # NaN is nothing, too
                said[attribute] = msgspec.json.encode(value).decode()
    return kept, lost


def _has_place(name: str, json: str) -> bool:
    """Whether an attribute can be written, and is read as the same."""
    reserved = name in COLUMNS or not name or "\r" in name  # which XML reads as a line feed
    return not reserved and is_xml_text(name) and is_xml_text(json)


def annotation_xml(image_id: str, width: int, height: int, objects: Iterable[str]) -> str:
    """The XML file of an image of this size in pixels, with these objects."""
    path = PurePosixPath(image_id)
    return "\n".join(
        [
            "<annotation>",
            f"  <folder>{checked(path.parent.as_posix().removeprefix('.'))}</folder>",
            f"  <filename>{checked(path.name)}</filename>",
            f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
            "  <segmented>1</segmented>",
            *objects,
            "</annotation>",
            "",
        ]
    )


def object_xml(name: str, box: Sequence[int], attributes: dict[str, str]) -> str:
    """An object; `box` is x, y, width and height in pixels."""
    x, y, width, height = box
    lines = ["  <object>", f"    <name>{checked(name)}</name>"]
    rest = dict(attributes)
    lines += [f"    <pose>{escape(plain_text(rest.pop(pose)))}</pose>" for pose in ("pose",) if pose in rest]
    lines += [f"    <{flag}>{_FLAG[rest.pop(flag)]}</{flag}>" for flag in FLAGS if rest.get(flag) in _FLAG]
    sides = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
    lines.append("    <bndbox>" + "".join(f"<{side}>{at}</{side}>" for side, at in sides.items()) + "</bndbox>")
    if rest:
        lines.append("    <attributes>")
        for key, json in rest.items():
            value = escape(plain_text(json))
            lines.append(f"      <attribute><name>{escape(key)}</name><value>{value}</value></attribute>")
        lines.append("    </attributes>")
    return "\n".join([*lines, "  </object>"])


def checked(text: str) -> str:
    """A name as XML; raises SegdataError where XML cannot hold it."""
    if not is_xml_text(text) or "\r" in text:
        raise SegdataError(f"the name {text!r} has characters that XML cannot hold; rename it")
    return escape(text)
