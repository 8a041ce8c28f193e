"""The JSON file of an image in ADE20K's release of 2021.

Source: CSAILVision/ADE20K, README.md, utils/utils_ade20k.py, and its sample images.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from segdata.core.finding import Defect
from segdata.core.paths import is_unsafe_path
from segdata.formats.ade.keys import COLUMNS, STRUCTURE, attribute
from segdata.formats.ade.note import Note, Notes

MOST_CLASSES = 25 * 256 + 255  # in the red and green of a pixel
MOST_LEVELS = 16
OWN_KEYS = frozenset({"filename", "folder", "imsize", "object"})
Raws = dict[str, msgspec.Raw]


class _Parts(msgspec.Struct):
    part_level: int = 0
    ispartof: int | list[int] | None = None


class _Object(msgspec.Struct):
    id: int
    name: str
    name_ndx: int
    parts: _Parts = msgspec.field(default_factory=_Parts)
    instance_mask: str | None = None


class _Wider(msgspec.Struct):
    name_ndx: int
    hypernym: list[str] = []


def read_document(path: Path, file: str) -> Notes:
    """What the JSON file says; `file` is its name in defects. Broken objects are left out."""
    place = ""
    try:
        top = msgspec.json.decode(_text(path), type=Raws)
        place = "/annotation"
        annotation = msgspec.json.decode(top["annotation"], type=Raws)
        place = "/annotation/object"
        listed = msgspec.json.decode(annotation["object"], type=list[msgspec.Raw])
    except OSError as error:
        return _nothing("SEG001", f"the JSON cannot be read: {error.strerror or error}", file)
    except KeyError:
        return _nothing("SEG004", f"{place.rpartition('/')[2]!r} is missing", file, place)
    except msgspec.ValidationError as error:
        return _nothing("SEG004", f"is not as ADE20K has it: {error}", file, place)
    except msgspec.DecodeError as error:
        return _nothing("SEG001", f"the JSON cannot be read: {error}", file)
    defects: list[Defect] = []
    objects: dict[int, Note] = {}
    for row, raw in enumerate(listed):
        note = _note(raw, path, file, f"/annotation/object/{row}", defects)
        if note is None or note.id is None:
            continue
        if note.id in objects:
            message = f"id {note.id} is that of {objects[note.id].place} already; this object is left out"
            defects.append(Defect("SEG008", message, file, f"{note.place}/id", segments=(note.id,)))
        else:
            objects[note.id] = note
    return Notes(
        tuple(objects.values()),
        _string(annotation.get("filename")),
        dict(_hypernyms(listed)),
        {key: _compact(json) for key, json in annotation.items() if key not in OWN_KEYS},
        (*defects, *_dangling(objects, file)),
    )


def _nothing(code: str, message: str, file: str, place: str | None = None) -> Notes:
    return Notes(defects=(Defect(code, message, file, place),))


def _text(path: Path) -> bytes:
    """The file as UTF-8; some of ADE20K's are Latin-1."""
    raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1").encode()
    return raw


def _note(raw: msgspec.Raw, path: Path, file: str, place: str, defects: list[Defect]) -> Note | None:
    """One object; None, with a defect, where it is broken."""
    try:
        said = msgspec.json.decode(raw, type=Raws)
        one = msgspec.json.decode(raw, type=_Object)
    except msgspec.ValidationError as error:
        defects.append(Defect("SEG004", str(error), file, place))
        return None
    for wrong, where, message in (
        (not 1 <= one.name_ndx <= MOST_CLASSES, "name_ndx", f"is {one.name_ndx}, it is 1 to {MOST_CLASSES}"),
        (not 0 <= one.parts.part_level <= MOST_LEVELS, "parts/part_level", f"is {one.parts.part_level}"),
        (not -(2**62) <= one.id <= 2**62, "id", f"is {one.id}"),
    ):
        if wrong:
            defects.append(Defect("SEG004", f"{where} {message}; the object is left out", file, f"{place}/{where}"))
            return None
    mask = one.instance_mask
    if mask is not None and is_unsafe_path(mask):
        message = f"path {mask!r} leaves the dataset's root; name files below it"
        defects.append(Defect("SEG015", message, file, f"{place}/instance_mask"))
        mask = None
    whole = one.parts.ispartof
    attributes, columns = _attributes(said)
    if attributes.get("raw_name") == msgspec.json.encode(one.name).decode():
        del attributes["raw_name"]  # as annotated, before names were unified: mostly the same
    return Note(
        name=one.name,
        level=one.parts.part_level,
        place=place,
        id=one.id,
        category=one.name_ndx,
        part_of=whole if isinstance(whole, int) else next(iter(whole or ()), None),
        mask=path.parent / mask if mask else None,
        attributes=attributes,
        columns=columns,
    )


def _attributes(said: Raws) -> tuple[dict[str, str], dict[str, object]]:
    """What an object says beside its structure: attributes, and columns."""
    attributes: dict[str, str] = {}
    columns: dict[str, object] = {}
    for key, raw in said.items():
        if key in STRUCTURE:
            continue
        if key in COLUMNS:
            with suppress(msgspec.ValidationError):
                columns[key] = msgspec.json.decode(raw, type=COLUMNS[key])
                continue
        json = attribute(key, _compact(raw))
        if json is not None:
            attributes[key] = json
    return attributes, columns


def _compact(raw: msgspec.Raw) -> str:
    """A JSON text in one line."""
    json = bytes(raw)
    return (msgspec.json.format(json, indent=-1) if b"\n" in json else json).decode()


def _hypernyms(listed: list[msgspec.Raw]) -> Iterator[tuple[int, str]]:
    """For each category index the terms that are wider than its name."""
    for raw in listed:
        with suppress(msgspec.ValidationError):
            one = msgspec.json.decode(raw, type=_Wider)
            if len(one.hypernym) > 1:
                yield one.name_ndx, " < ".join(one.hypernym)


def _string(raw: msgspec.Raw | None) -> str | None:
    with suppress(msgspec.ValidationError):
        return None if raw is None else msgspec.json.decode(raw, type=str)
    return None


def _dangling(objects: dict[int, Note], file: str) -> Iterator[Defect]:
    """SEG007 for parts of objects that the file does not have."""
    for note in objects.values():
        if note.part_of is not None and note.part_of not in objects:
            message = f"is part of object {note.part_of}, which the file does not have"
            yield Defect("SEG007", message, file, f"{note.place}/parts/ispartof", segments=(note.id or 0,))
