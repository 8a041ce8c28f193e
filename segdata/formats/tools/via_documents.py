"""Documents of VIA: the images that one lists, each with its regions still undecoded, whatever the version."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.formats.coco.document import Document, DocumentKind, explain_validation_error, read_document

VIA = DocumentKind("a VIA document", "an object of images, each with filename and regions")
_PROJECT = "_via_img_metadata"
_COLUMNS = 7  # of a CSV export
_MOST_FIELD = 2**26  # characters of a CSV field; a polygon of a million points has a tenth of that
Raw = msgspec.Raw
Json = dict[str, Any]  # Any: JSON


class ImageItem(msgspec.Struct, gc=False):
    """An image as VIA lists it."""

    filename: str
    size: object = -1
    regions: Raw = Raw(b"[]")
    file_attributes: object = None


class Outline(msgspec.Struct, gc=False):
    """The shape of a region; the points of a polygon undecoded. What else VIA may say of it is nothing to us."""

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


class Region(msgspec.Struct, gc=False):
    """A region as VIA has it."""

    shape_attributes: Outline | None = None
    region_attributes: object = None


class _Kind(msgspec.Struct, gc=False):
    name: object = None


class _Head(msgspec.Struct, gc=False):
    """What is needed of a region before it is drawn; its points are skipped."""

    shape_attributes: _Kind | None = None
    region_attributes: object = None


_HEADS = msgspec.json.Decoder(list[_Head] | dict[str, _Head])
_REGIONS = msgspec.json.Decoder(list[Region] | dict[str, Region])


@dataclass(frozen=True, slots=True)
class Listed:
    """An image of a document.

    Attributes
    ----------
    item : as listed
    place : of the image in the document
    lines : of a CSV export, the line of each region; None of JSON
    """

    item: ImageItem
    place: str
    lines: tuple[int, ...] | None = None

    def regions(self) -> list[tuple[str, Region | None]]:
        """The regions, each with its place, None for what is none; VIA 1 has them by number.

        Raises TypeError for another value.
        """
        start = self.place_of("")
        return [(f"{start}{key}", each) for key, each in self._keyed()]

    def place_of(self, key: object) -> str:
        """Where a region is."""
        return f"{self.place}/regions/{key}" if self.lines is None else f"line {key}"

    def heads(self) -> tuple[Iterable[object], list[object], list[object]]:
        """Of each region the key, the kind of its shape, and its attributes; of those that are any."""
        try:
            found = _HEADS.decode(self.item.regions)
        except (ValueError, RecursionError):
            return self._slow_heads()
        heads = found.values() if isinstance(found, dict) else found
        keys = self.lines if self.lines is not None else found if isinstance(found, dict) else range(len(found))
        kinds = [head.shape_attributes and head.shape_attributes.name for head in heads]
        return keys, kinds, [head.region_attributes for head in heads]

    def _slow_heads(self) -> tuple[list[object], list[object], list[object]]:
        """The same where something is broken, which is told when it is drawn."""
        try:
            sound = [(key, each) for key, each in self._keyed() if each is not None]
        except TypeError:
            sound = []
        kinds = [each.shape_attributes and each.shape_attributes.name for _, each in sound]
        return [key for key, _ in sound], kinds, [each.region_attributes for _, each in sound]

    def _keyed(self) -> Iterator[tuple[object, Region | None]]:
        """The regions by their keys, or lines; raises TypeError."""
        every = self._decoded()
        return zip(every if self.lines is None else self.lines, every.values(), strict=True)

    def _decoded(self) -> Mapping[object, Region | None]:
        """The regions by their keys, or rows; raises TypeError."""
        text = self.item.regions
        with suppress(ValueError, RecursionError):
            every = _REGIONS.decode(text)
            return every if isinstance(every, dict) else dict(enumerate(every))
        raws: list[Raw] | dict[str, Raw]
        try:
            raws = msgspec.json.decode(text, type=list[Raw] | dict[str, Raw])
        except (ValueError, RecursionError) as error:
            found = bytes(text).decode("utf-8", "replace")
            raise TypeError(f"regions is {found:.40}, a list is expected") from error
        return {key: _region(raw) for key, raw in (raws.items() if isinstance(raws, dict) else enumerate(raws))}


def _region(raw: Raw) -> Region | None:
    try:
        return msgspec.json.decode(raw, type=Region)
    except (ValueError, RecursionError):
        return None


def read_via(path: Path, name: str) -> tuple[list[Listed], list[Defect]]:
    """The images of a document, and what is wrong with it; `name` is what defects call it."""
    return _read_csv(path, name) if path.suffix.lower() == ".csv" else _read_json(read_document(path, name, VIA))


def _read_json(document: Document) -> tuple[list[Listed], list[Defect]]:
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
    listed = []
    for key, raw in parts.items():
        if key.startswith("_via_"):
            continue
        place = f"{start}/{key.replace('~', '~0').replace('/', '~1')}"
        try:
            listed.append(Listed(msgspec.json.decode(raw, type=ImageItem), place))
        except msgspec.ValidationError as error:
            why = explain_validation_error(error)
            document.defects.append(Defect("SEG004", f"{why.message}; left out", document.name, place + why.place))
    return listed, document.defects


def _read_csv(path: Path, name: str) -> tuple[list[Listed], list[Defect]]:
    """The images of a CSV export, which has a line a region."""
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        return [], [Defect("SEG001", f"is no UTF-8 text: {error.reason} at byte {error.start}", name)]
    files: dict[str, tuple[ImageItem, list[Json], list[int]]] = {}
    defects: list[Defect] = []
    for line, row in _rows(text, name, defects):
        try:
            told, shape, said = (msgspec.json.decode(row[at], type=dict[str, object]) for at in (2, 5, 6))
        except (msgspec.DecodeError, RecursionError, IndexError) as error:
            defects.append(Defect("SEG004", f"is no line of {_COLUMNS} columns: {error}; left out", name, line=line))
            continue
        fresh = ImageItem(row[0], row[1], file_attributes=told)
        item, regions, lines = files.setdefault(row[0] + row[1], (fresh, [], []))
        if shape:
            regions.append({"shape_attributes": shape, "region_attributes": said})
            lines.append(line)
    for item, regions, _ in files.values():
        item.regions = Raw(msgspec.json.encode(regions))
    return [Listed(item, "", tuple(lines)) for item, _, lines in files.values()], defects


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
        defects.append(Defect("SEG001", f"is no CSV: {error}; what follows is not read", name, line=lines.line_num))
    finally:
        csv.field_size_limit(before)
