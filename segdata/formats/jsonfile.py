"""JSON files whose content nobody vouches for."""

import json
from pathlib import Path
from typing import Any

import msgspec

from segdata.core.defect import Defect
from segdata.formats.perimage.found import BrokenLabelsError

_BOM = b"\xef\xbb\xbf"


def read_json(path: Path, file: str) -> Any:  # Any: JSON
    """What a JSON file holds; `file` is how defects call it. Raises BrokenLabelsError where it is none.

    NaN and a byte order mark, which JSON has not, are read all the same.
    """
    try:
        text = path.read_bytes().removeprefix(_BOM)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise BrokenLabelsError(Defect("SEG001", message, file)) from error
    try:
        return parsed(text)
    except (ValueError, RecursionError) as error:
        what = "is empty (0 bytes)" if not text else f"is no JSON, or cut off: {error}"
        raise BrokenLabelsError(Defect("SEG001", what, file)) from error


def parsed(text: bytes) -> Any:  # Any: JSON
    """The value of a JSON text; raises ValueError, or RecursionError."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = json.loads(text)  # takes NaN, and says more precisely what is wrong
        json.dumps(value, ensure_ascii=False).encode()  # halves of surrogates are no letters, and no table holds them
        return value


def encoded(value: object) -> str:
    """A value as JSON text, on one line."""
    return msgspec.json.encode(value).decode()
