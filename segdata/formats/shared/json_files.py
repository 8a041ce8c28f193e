"""JSON files that nobody has checked: values, with the defects of their text, and values as JSON."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np

from segdata.core import kernels
from segdata.core.errors import UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.formats.shared.per_image import BrokenLabelsError

BOM = b"\xef\xbb\xbf"  # byte order mark of UTF-8
_MAX_DIGITS = 4300  # Python parses no longer number
_Sidecar = TypeVar("_Sidecar", bound=msgspec.Struct)

Json = dict[str, Any]  # Any: JSON


def read_small_file(path: Path) -> bytes:
    """Read all bytes of a small file, unbuffered, since a buffer costs more than the reading. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        return file.read()


def read_sidecar(path: Path, type: type[_Sidecar]) -> _Sidecar:
    """Load a JSON file that segdata's writers leave beside labels; raises UnreadableError for any other content."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=type)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{path}: cannot be read: {error}") from error


def read_json(path: Path, file: str, defects: list[Defect]) -> Any:  # Any: JSON
    """Load a JSON file, which defects call `file`. Raises BrokenLabelsError if it is not JSON.

    Accepts NaN and a byte order mark, which JSON does not allow. Adds lone surrogates to `defects`.
    """
    text = read_json_text(path, file)
    try:
        halves: list[str] = []
        value = parse_json(text, halves)
        defects += [*lone_surrogates(halves, file), *repeated_key_defects(text, file)]
        return value
    except (ValueError, RecursionError) as error:
        what = "is empty (0 bytes)" if not text else f"is no JSON, or cut off: {error}"
        raise BrokenLabelsError(Defect("SEG001", what, file)) from error


def read_json_text(path: Path, file: str) -> bytes:
    """The text of a JSON file, without a byte order mark; raises BrokenLabelsError if it cannot be read."""
    try:
        return path.read_bytes().removeprefix(BOM)
    except OSError as error:
        raise BrokenLabelsError(Defect("SEG001", f"cannot be read: {error.strerror or error}", file)) from error


def parse_json(text: bytes, halves: list[str] | None = None) -> Any:  # Any: JSON
    """Parse a JSON text; raises ValueError or RecursionError.

    Lone surrogates, which no table can hold, are read as question marks; `halves` collects the JSON pointers of the
    texts that contain them.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            value = json.loads(text)  # accepts NaN, and reports errors more precisely
        except json.JSONDecodeError as error:
            several = several_documents(error.doc, error.pos) if error.msg == "Extra data" else None
            raise ValueError(several or error) from error
        return _mend_surrogates(value, "", [] if halves is None else halves)


def several_documents(text: str, position: int) -> str | None:
    r"""Explain a text that goes on at `position`, behind the end of a JSON document; None if no other begins there.

    >>> several_documents('{"id": 1}\n{"id": 2}\n', 10)
    'a JSON document in each line: join them to one list'
    >>> several_documents('{"id":\n 1}{"id": 2}', 10)
    'a second JSON document begins in line 2: was it appended to the first?'
    >>> several_documents('{"id": 1}}', 9)
    """
    if text[position] not in "{[":
        return None
    if "\n" in text[:position].rstrip() or text[position - 1] != "\n":
        line = text.count("\n", 0, position) + 1
        return f"a second JSON document begins in line {line}: was it appended to the first?"
    return "a JSON document in each line: join them to one list"


def attribute_value(text: str) -> Any:  # Any: JSON
    """Parse an attribute, which is a JSON text; returns the text itself if Python cannot parse it.

    Python cannot parse numbers of more than 4,300 digits, or thousands of nested lists.

    >>> attribute_value("[1, null]"), attribute_value("frontal"), len(attribute_value("9" * 5000))
    ([1, None], 'frontal', 5000)
    """
    try:
        return parse_json(text.encode())
    except (ValueError, RecursionError):
        return text


def is_long_number(text: str) -> bool:
    """Whether an attribute is a number of more digits than Python parses, which must not become a text.

    >>> is_long_number("9" * 5000), is_long_number("9"), is_long_number("nine")
    (True, False, False)
    """
    return len(text) > _MAX_DIGITS and re.fullmatch(r"-?\d+", text) is not None


def lone_surrogates(halves: Iterable[str], file: str, place: str = "") -> list[Defect]:
    """A defect for each text with a lone surrogate; `halves` are JSON pointers relative to `place`."""
    message = "a text contains a lone surrogate, which is no character; it is read as a question mark"
    return [Defect("SEG004", message, file, place + pointer, severity="warning") for pointer in halves]


def _mend_surrogates(value: Any, place: str, halves: list[str]) -> Any:  # Any: JSON
    if isinstance(value, dict):
        places = {key: f"{place}/{_printable(key)}" for key in value}
        return {
            _mend_surrogates(key, places[key], halves): _mend_surrogates(item, places[key], halves)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_mend_surrogates(item, f"{place}/{row}", halves) for row, item in enumerate(value)]
    if isinstance(value, str) and (shown := _printable(value)) != value:
        halves.append(place)
        return shown
    return value


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


_MAX_COMPARED = 2_000  # objects whose values are compared


class _JsonValue(NamedTuple):
    """A value in a JSON text: its JSON pointer, its text, and the text's offset."""

    pointer: str
    text: bytes | memoryview
    begin: int


def repeated_key_defects(text: bytes | memoryview, file: str) -> list[Defect]:
    """SEG004 for each key that occurs twice in an object of a JSON text; one for all objects of a top-level part.

    Parsers silently keep the last value (RFC 8259, section 4). If the values are equal everywhere, the defect is a
    warning.
    """
    repeats = kernels.repeated_keys(text).tolist()
    if not repeats:
        return []
    whole = _JsonValue("", text, 0)
    parts = _children(whole)
    begins = [part.begin for part in parts]
    groups: dict[tuple[str, int], list[int]] = {}
    for position in repeats:
        part = int(np.searchsorted(begins, position, "right")) - 1
        inside = part >= 0 and position < parts[part].begin + len(parts[part].text)
        end = bytes(text[position + 1 : position + 200]).partition(b'"')[0]
        groups.setdefault((end.decode("utf-8", "replace"), part if inside else -1), []).append(position)
    defects = []
    for (key, part), positions in groups.items():
        owners = _owners(whole if part < 0 else parts[part], positions)
        values = [_values_of(owner.text, key) for owner in owners[:_MAX_COMPARED]]
        if values and not any(values):
            continue  # in a value that is itself lost to a repeated key, which has a defect of its own
        same = len(positions) <= _MAX_COMPARED and all(value == several[0] for several in values for value in several)
        n_others = len(positions) - 1
        where = "" if n_others == 0 else f", here and in {count_noun(n_others, 'other place')}"
        outcome = "all with the same value" if same else "the last value is read, and the earlier ones are lost"
        message = f"key {key!r} occurs twice in one object{where}: {outcome}"
        line = bytes(text[: positions[0]]).count(b"\n") + 1
        defects.append(
            Defect(
                "SEG004",
                message,
                file,
                owners[0].pointer or "/",
                line=line,
                severity="warning" if same else None,
                lost=not same,
            )
        )
    return defects


def _owners(value: _JsonValue, positions: Iterable[int]) -> list[_JsonValue]:
    """The innermost objects that contain these positions of a value."""
    owners, children = [], _children(value)
    begins = [child.begin for child in children]
    for position in positions:
        row = int(np.searchsorted(begins, position, "right")) - 1
        inside = row >= 0 and position < children[row].begin + len(children[row].text)
        owners += _owners(children[row], [position]) if inside else [value]
    return owners


def _children(value: _JsonValue) -> list[_JsonValue]:
    """The values in an object or list, in the order of the text; none if it is invalid JSON."""
    text = value.text
    try:
        decoded = msgspec.json.decode(text, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    start = np.frombuffer(text, np.uint8).ctypes.data
    items = decoded.items() if isinstance(decoded, dict) else enumerate(decoded)
    # A decoded `Raw` is a view of the text.
    children = [
        _JsonValue(
            f"{value.pointer}/{key}", memoryview(raw), value.begin + np.frombuffer(raw, np.uint8).ctypes.data - start
        )
        for key, raw in items
    ]
    return sorted(children, key=lambda child: child.begin)


def _values_of(text: bytes | memoryview, key: str) -> list[object]:
    """All values of a key in an object's text; for invalid JSON, two different ones."""
    try:
        pairs = json.loads(bytes(text), object_pairs_hook=list)
    except (ValueError, RecursionError):
        return [object(), object()]
    return [pair[1] for pair in pairs if isinstance(pair, tuple) and pair[0] == key]


def encode_json(value: object) -> str:
    """A value as JSON text, on one line."""
    return msgspec.json.encode(value).decode()
