"""JSON files whose content nobody vouches for."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from segdata.core.defect import Defect
from segdata.formats.perimage.found import BrokenLabelsError

_BOM = b"\xef\xbb\xbf"


def read_small(path: Path) -> bytes:
    """All bytes of a small file; raises OSError. A buffer, as Python's files have, costs more than they do."""
    with path.open("rb", buffering=0) as file:
        return file.read()


def read_json(path: Path, file: str, defects: list[Defect]) -> Any:  # Any: JSON
    """What a JSON file holds; `file` is how defects call it. Raises BrokenLabelsError where it is none.

    NaN and a byte order mark, which JSON has not, are read all the same; of halves of letters `defects` tell.
    """
    try:
        text = path.read_bytes().removeprefix(_BOM)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise BrokenLabelsError(Defect("SEG001", message, file)) from error
    try:
        halves: list[str] = []
        value = parsed(text, halves)
        defects += half_letters(halves, file)
        return value
    except (ValueError, RecursionError) as error:
        what = "is empty (0 bytes)" if not text else f"is no JSON, or cut off: {error}"
        raise BrokenLabelsError(Defect("SEG001", what, file)) from error


def parsed(text: bytes, halves: list[str] | None = None) -> Any:  # Any: JSON
    """The value of a JSON text; raises ValueError, or RecursionError.

    Halves of surrogate pairs are no letters, and no table holds them: they are read as question marks, and `halves`
    gets the JSON pointers of the texts that have them.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = json.loads(text)  # takes NaN, and says more precisely what is wrong
        return _mended(value, "", [] if halves is None else halves)


def half_letters(halves: Iterable[str], file: str, place: str = "") -> list[Defect]:
    """A defect for each text with half a letter; their JSON pointers go on from `place`."""
    message = "a text holds half of a surrogate pair, which is no letter; it is read as a question mark"
    return [Defect("SEG004", message, file, place + each, severity="warning") for each in halves]


def _mended(value: Any, place: str, halves: list[str]) -> Any:  # Any: JSON
    if isinstance(value, dict):
        places = {key: f"{place}/{_shown(key)}" for key in value}
        return {_mended(key, places[key], halves): _mended(each, places[key], halves) for key, each in value.items()}
    if isinstance(value, list):
        return [_mended(each, f"{place}/{row}", halves) for row, each in enumerate(value)]
    if isinstance(value, str) and (shown := _shown(value)) != value:
        halves.append(place)
        return shown
    return value


def _shown(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def encoded(value: object) -> str:
    """A value as JSON text, on one line."""
    return msgspec.json.encode(value).decode()
