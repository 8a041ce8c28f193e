"""The text file of an image in ADE20K: X.json in the release of 2021, X_atr.txt in that of 2016.

`X_atr.txt` has a line for each object, with columns between `#`: number of the instance in its level, level, occluded
(0 or 1), name (WordNet's), name as annotated, attributes in quotes, separated by commas.

Keys of an object in X.json without a field here become attributes of the same name.

Source: CSAILVision/ADE20K, README.md, utils/utils_ade20k.py, and its sample images, whose empty values are empty lists;
of 2016: groups.csail.mit.edu/vision/datasets/ADE20K; open-edge-platform/datumaro
src/datumaro/plugins/data_formats/ade20k2017.py.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from segdata.core.finding import Defect
from segdata.core.paths import is_unsafe_path
from segdata.formats.shared.json_files import repeated_key_defects

# Keys that are no attributes. `hypernym` follows from the name and is kept with the category.
_STRUCTURAL_KEYS = frozenset({"id", "name", "name_ndx", "hypernym", "parts", "instance_mask"})
COLUMNS: dict[str, type] = {"score": float, "source": str, "track_id": int, "iscrowd": bool}
_DERIVED_ATTRIBUTES = frozenset({"part_of", "part_level", "amodal"})  # attributes computed from other data
_READ_VALUES = {
    "occluded": {'"yes"': "true", '"no"': "false"},
    "crop": {'"1"': "true", '"0"': "false", "1": "true", "0": "false"},
}
_WRITTEN_VALUES = {"occluded": {"true": '"yes"', "false": '"no"'}, "crop": {"true": '"1"', "false": '"0"'}}
_EMPTY_VALUES = {"attributes": ("[]", '""'), "occluded": ("[]",), "crop": ("[]",)}
_NO_POLYGON = '{"x":[],"y":[]}'
MAX_CLASSES = 25 * 256 + 255  # in the red and green of a pixel
MAX_LEVELS = 16
OWN_KEYS = frozenset({"filename", "folder", "imsize", "object"})
_Raws = dict[str, msgspec.Raw]
_LINE = re.compile(r'\s*(\d{1,6})\s*#\s*(\d{1,3})\s*#\s*([01])\s*#\s*(.*?)\s*#\s*(.*?)\s*#\s*"?(.*?)"?\s*')


@dataclass(frozen=True, slots=True)
class AdeObject:
    """An object in a text file; called a note where it must be told from the region of the mask that it names."""

    name: str  # of the category, WordNet's synonyms: ``"car, auto, automobile, machine, motorcar"``
    level: int  # 0 for objects, 1 for their parts, 2 for parts of these …
    place: str  # in the file: a JSON pointer, or a line
    id: int | None = None  # of the object in its image; None if objects are numbered instead
    number: int | None = None  # of the instance within its level, from 1; None if objects have ids
    category: int | None = None  # the index of its category; None if the file lacks it
    part_of: int | None = None  # the id of the object of which it is a part
    mask: Path | None = None  # file with its visible and hidden pixels
    attributes: dict[str, str] = field(default_factory=dict)  # name -> JSON text
    # values with a column of their own: score, source, track_id, iscrowd
    columns: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AdeDocument:
    """The content of one image's text file."""

    objects: tuple[AdeObject, ...] = ()  # the readable ones
    filename: str | None = None  # of the image
    hypernyms: dict[int, str] = field(default_factory=dict)  # category index -> WordNet's hypernyms, narrow to wide
    metadata: dict[str, str] = field(default_factory=dict)  # of the image, name -> JSON text
    defects: tuple[Defect, ...] = ()  # of the file


def _read_attribute(key: str, json: str) -> str | None:
    """The value of a key as an attribute; None for an empty value.

    >>> [_read_attribute(*pair) for pair in (("occluded", '"yes"'), ("attributes", "[]"), ("raw_name", '"auto"'))]
    ['true', None, '"auto"']
    """
    if json in _EMPTY_VALUES.get(key, ()) or (key == "polygon" and "".join(json.split()) == _NO_POLYGON):
        return None
    return _READ_VALUES.get(key, {}).get(json, json)


def write_attribute(name: str, json: str) -> str | None:
    """The JSON value of a key for an attribute; None if reading would not give the attribute back."""
    if name in _STRUCTURAL_KEYS or name in COLUMNS or name in _DERIVED_ATTRIBUTES:
        return None
    written = _WRITTEN_VALUES.get(name, {}).get(json, json)
    return written if _read_attribute(name, written) == json else None


class _Parts(msgspec.Struct):
    part_level: int = 0
    ispartof: int | list[int] | None = None


class _Object(msgspec.Struct):
    id: int
    name: str
    name_ndx: int
    parts: _Parts = msgspec.field(default_factory=_Parts)
    instance_mask: str | None = None


class _Hypernyms(msgspec.Struct):
    name_ndx: int
    hypernym: list[str] = []


def read_document(path: Path, file: str) -> AdeDocument:
    """Read a JSON file; `file` is its name in defects. Broken objects are left out."""
    place = ""
    try:
        text = _text(path)
        top = msgspec.json.decode(text, type=_Raws)
        place = "/annotation"
        annotation = msgspec.json.decode(top["annotation"], type=_Raws)
        place = "/annotation/object"
        raw_objects = msgspec.json.decode(annotation["object"], type=list[msgspec.Raw])
    except OSError as error:
        return _unreadable("SEG001", f"the JSON cannot be read: {error.strerror or error}", file)
    except KeyError:
        return _unreadable("SEG004", f"{place.rpartition('/')[2]!r} is missing", file, place)
    except msgspec.ValidationError as error:
        return _unreadable("SEG004", f"does not match ADE20K's JSON: {error}", file, place)
    except RecursionError:
        return _unreadable("SEG001", "the JSON is nested too deeply", file, place)
    except msgspec.DecodeError as error:
        return _unreadable("SEG001", f"the JSON cannot be read: {error}", file)
    defects = repeated_key_defects(text, file)
    objects: dict[int, AdeObject] = {}
    for row, raw in enumerate(raw_objects):
        note = _read_object(raw, path, file, f"/annotation/object/{row}", defects)
        if note is None or note.id is None:
            continue
        if note.id in objects:
            message = f"id {note.id} is already used by {objects[note.id].place}; this object is left out"
            defects.append(Defect("SEG008", message, file, f"{note.place}/id", segments=(note.id,)))
        else:
            objects[note.id] = note
    for note in objects.values():
        if note.part_of is not None and note.part_of not in objects:
            message = f"is part of object {note.part_of}, which the file does not have"
            defects.append(Defect("SEG007", message, file, f"{note.place}/parts/ispartof", segments=(note.id or 0,)))
    filename = None
    with suppress(msgspec.ValidationError, KeyError):
        filename = msgspec.json.decode(annotation["filename"], type=str)
    return AdeDocument(
        tuple(objects.values()),
        filename,
        dict(_hypernyms(raw_objects)),
        {key: _compact(json) for key, json in annotation.items() if key not in OWN_KEYS},
        tuple(defects),
    )


def _unreadable(code: str, message: str, file: str, place: str | None = None) -> AdeDocument:
    return AdeDocument(defects=(Defect(code, message, file, place),))


def _text(path: Path) -> bytes:
    """The text of a file, UTF-8, or Latin-1 as in some of ADE20K's files."""
    raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1").encode()
    return raw


def _read_object(raw: msgspec.Raw, path: Path, file: str, place: str, defects: list[Defect]) -> AdeObject | None:
    """One object; None, with a defect, if it is broken."""
    try:
        raw_values = msgspec.json.decode(raw, type=_Raws)
        item = msgspec.json.decode(raw, type=_Object)
    except msgspec.ValidationError as error:
        defects.append(Defect("SEG004", str(error), file, place))
        return None
    for is_invalid, where, message in (
        (not 1 <= item.name_ndx <= MAX_CLASSES, "name_ndx", f"is {item.name_ndx}, must be 1 to {MAX_CLASSES}"),
        (not 0 <= item.parts.part_level <= MAX_LEVELS, "parts/part_level", f"is {item.parts.part_level}"),
        (not -(2**62) <= item.id <= 2**62, "id", f"is {item.id}"),
    ):
        if is_invalid:
            defects.append(Defect("SEG004", f"{where} {message}; the object is left out", file, f"{place}/{where}"))
            return None
    mask = item.instance_mask
    if mask is not None and is_unsafe_path(mask):
        message = f"path {mask!r} leaves the dataset's root; name files below it"
        defects.append(Defect("SEG015", message, file, f"{place}/instance_mask"))
        mask = None
    whole_id = item.parts.ispartof
    attributes, columns = _object_attributes(raw_values)
    if attributes.get("raw_name") == msgspec.json.encode(item.name).decode():
        del attributes["raw_name"]  # the name before names were unified; mostly equal
    return AdeObject(
        name=item.name,
        level=item.parts.part_level,
        place=place,
        id=item.id,
        category=item.name_ndx,
        part_of=whole_id if isinstance(whole_id, int) else next(iter(whole_id or ()), None),
        mask=path.parent / mask if mask else None,
        attributes=attributes,
        columns=columns,
    )


def _object_attributes(raw_values: _Raws) -> tuple[dict[str, str], dict[str, object]]:
    """The attributes and columns of an object: all keys that are not structure."""
    attributes: dict[str, str] = {}
    columns: dict[str, object] = {}
    for key, raw in raw_values.items():
        if key in _STRUCTURAL_KEYS:
            continue
        if key in COLUMNS:
            with suppress(msgspec.ValidationError):
                columns[key] = msgspec.json.decode(raw, type=COLUMNS[key])
                continue
        json = _read_attribute(key, _compact(raw))
        if json is not None:
            attributes[key] = json
    return attributes, columns


def _compact(raw: msgspec.Raw) -> str:
    """A JSON text without white space."""
    json = bytes(raw)
    return (msgspec.json.format(json, indent=-1) if b"\n" in json else json).decode()


def _hypernyms(raw_objects: list[msgspec.Raw]) -> Iterator[tuple[int, str]]:
    """The wider terms of each category index's name."""
    for raw in raw_objects:
        with suppress(msgspec.ValidationError):
            item = msgspec.json.decode(raw, type=_Hypernyms)
            if len(item.hypernym) > 1:
                yield item.name_ndx, " < ".join(item.hypernym)


def read_atr(path: Path, file: str) -> AdeDocument:
    """Read a text file of 2016; `file` is its name in defects. Broken lines are left out."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return AdeDocument(defects=(Defect("SEG001", f"cannot be read: {error.strerror or error}", file),))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    defects: list[Defect] = []
    objects: dict[tuple[int, int], AdeObject] = {}
    for row, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None or not match[4] or int(match[2]) > MAX_LEVELS:
            message = f"{line[:80]!r} is not 'number # level # occluded # name # name # \"attributes\"'"
            defects.append(Defect("SEG004", message, file, line=row))
            continue
        number, level = int(match[1]), int(match[2])
        if (level, number) in objects:
            message = f"instance {number} of level {level} is already on {objects[level, number].place}"
            defects.append(Defect("SEG008", message, file, line=row))
            continue
        words = [word.strip() for word in match[6].split(",") if word.strip()]
        values: dict[str, object] = {"occluded": match[3] == "1", "raw_name": match[5], "attributes": words}
        attributes = {
            key: msgspec.json.encode(value).decode() for key, value in values.items() if value not in ("", [])
        }
        objects[level, number] = AdeObject(match[4], level, f"line {row}", number=number, attributes=attributes)
    return AdeDocument(tuple(objects.values()), defects=tuple(defects))
