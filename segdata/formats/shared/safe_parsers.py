"""Safe parsers: JSON and XML files from strangers.

XML is read without entities: the parser refuses what could fetch files or blow up memory before it is built.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, fromstring
from xml.parsers import expat

import msgspec
import numpy as np

from segdata.core import kernels
from segdata.core.errors import UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.formats.shared.per_image import BrokenLabelsError

BOM = b"\xef\xbb\xbf"  # at the beginning of a UTF-8 file
_MOST_DIGITS = 4300  # of a number that Python reads
_Sidecar = TypeVar("_Sidecar", bound=msgspec.Struct)

Json = dict[str, Any]  # Any: JSON


def read_small_file(path: Path) -> bytes:
    """All bytes of a small file, unbuffered: a buffer costs more than reading. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        return file.read()


def read_sidecar(path: Path, type: type[_Sidecar]) -> _Sidecar:
    """The content of a JSON file that our writers leave beside labels; raises UnreadableError for any other file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=type)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{path}: cannot be read: {error}") from error


def read_json(path: Path, file: str, defects: list[Defect]) -> Any:  # Any: JSON
    """The value of a JSON file; `file` is its name in defects. Raises BrokenLabelsError if it is no JSON.

    NaN and a byte order mark, which JSON has not, are read all the same; of halves of letters `defects` tell.
    """
    try:
        text = path.read_bytes().removeprefix(BOM)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise BrokenLabelsError(Defect("SEG001", message, file)) from error
    try:
        halves: list[str] = []
        value = parse_json(text, halves)
        defects += [*lone_surrogates(halves, file), *repeated_key_defects(text, file)]
        return value
    except (ValueError, RecursionError) as error:
        what = "is empty (0 bytes)" if not text else f"is no JSON, or cut off: {error}"
        raise BrokenLabelsError(Defect("SEG001", what, file)) from error


def parse_json(text: bytes, halves: list[str] | None = None) -> Any:  # Any: JSON
    """The value of a JSON text; raises ValueError, or RecursionError.

    Halves of surrogate pairs are no letters, and no table holds them: they are read as question marks, and `halves`
    gets the JSON pointers of the texts that have them.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = json.loads(text)  # takes NaN, and says more precisely what is wrong
        return _mend_surrogates(value, "", [] if halves is None else halves)


def attribute_value(text: str) -> Any:  # Any: JSON
    """The value of an attribute, which is JSON; the text itself where Python reads none.

    That is text that is no JSON, and JSON with numbers of more than 4,300 digits or thousands of lists in lists.

    >>> attribute_value("[1, null]"), attribute_value("frontal"), len(attribute_value("9" * 5000))
    ([1, None], 'frontal', 5000)
    """
    try:
        return parse_json(text.encode())
    except (ValueError, RecursionError):
        return text


def is_long_number(text: str) -> bool:
    """Whether the value of an attribute is a number of more digits than Python reads, so that a text would change it.

    >>> is_long_number("9" * 5000), is_long_number("9"), is_long_number("nine")
    (True, False, False)
    """
    return len(text) > _MOST_DIGITS and re.fullmatch(r"-?\d+", text) is not None


def lone_surrogates(halves: Iterable[str], file: str, place: str = "") -> list[Defect]:
    """A defect for each text with a lone surrogate; their JSON pointers continue `place`."""
    message = "a text holds half of a surrogate pair, which is no letter; it is read as a question mark"
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


_FEW = 2_000  # objects whose values are compared


class _JsonValue(NamedTuple):
    """A value in a JSON text: its JSON pointer, its text, and where that begins."""

    pointer: str
    text: bytes | memoryview
    begin: int


def repeated_key_defects(text: bytes | memoryview, file: str) -> list[Defect]:
    """SEG004 for each key that an object of a JSON text has twice; one for all objects of a top-level part.

    Parsers keep the last value and drop the others without a word (RFC 8259, section 4). If the values are the same
    everywhere, the defect is a warning.
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
        values = [_values_of(owner.text, key) for owner in owners[:_FEW]]
        if values and not any(values):
            continue  # in a value that is itself lost to a repeated key, which has a defect of its own
        same = len(positions) <= _FEW and all(value == several[0] for several in values for value in several)
        n_others = len(positions) - 1
        where = "" if n_others == 0 else f", here and in {count_noun(n_others, 'other place')}"
        outcome = "all with the same value" if same else "the last value is read, and what came before is lost"
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
    """The innermost objects around some positions within a value."""
    owners, children = [], _children(value)
    begins = [child.begin for child in children]
    for position in positions:
        row = int(np.searchsorted(begins, position, "right")) - 1
        inside = row >= 0 and position < children[row].begin + len(children[row].text)
        owners += _owners(children[row], [position]) if inside else [value]
    return owners


def _children(value: _JsonValue) -> list[_JsonValue]:
    """The values in an object or list, in the order of the text; none if it is no sound JSON."""
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
    """The values that an object gives a key; none if it has no such key; two that differ if it is no JSON."""
    try:
        pairs = json.loads(bytes(text), object_pairs_hook=list)
    except (ValueError, RecursionError):
        return [object(), object()]
    return [pair[1] for pair in pairs if isinstance(pair, tuple) and pair[0] == key]


def encode_json(value: object) -> str:
    """A value as JSON text, on one line."""
    return msgspec.json.encode(value).decode()


_DEEPEST = 64  # elements within elements; annotation files have about six
# Marks of XML that needs careful reading. A document type has a "!" in any encoding: expat accepts none in which other
# bytes are markup, and UTF-16 has zeros.
_NOT_PLAIN = (b"!", b"\0", b"xmlns", b"xml:")
_NO_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlError(Exception):
    """A file that is no XML, or XML that is not safe to read; `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def read_xml(path: Path) -> Element:
    """The root element of an XML file.

    Raises XmlError for what is not well formed, declares a document type (the place of entities), or is nested deeper
    than any annotation; OSError where the file cannot be read.

    Source: Python documentation, section "XML security" (billion laughs, external entities).
    """
    data = path.read_bytes()
    root = None if any(mark in data for mark in _NOT_PLAIN) else _plain(data)
    return _careful(data) if root is None else root


def _plain(data: bytes) -> Element | None:
    """The root element of XML that is safe for the parser in C; None if it is not."""
    try:
        level = [root := fromstring(data)]
    except (ParseError, LookupError, ValueError):  # told with its line by the careful parser
        return None
    for _ in range(_DEEPEST):
        level = [child for element in level for child in element]
        if not level:
            return root
    return None


def _careful(data: bytes) -> Element:
    """The root element, built while every element and declaration is checked."""
    parser, builder = expat.ParserCreate(), TreeBuilder()
    depth = 0

    def refuse(*_: object) -> NoReturn:
        raise XmlError("has a document type declaration, which annotation files do not need", parser.CurrentLineNumber)

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise XmlError(f"is nested deeper than {_DEEPEST} elements", parser.CurrentLineNumber)
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise XmlError(f"is not well formed: {expat.ErrorString(error.code)}", error.lineno) from error
    except LookupError as error:  # an encoding that Python does not know
        raise XmlError(str(error), 1) from error
    return builder.close()


def is_xml_text(text: str) -> bool:
    r"""Whether XML 1.0 can hold a text: it has no place for control characters, however they are written.

    >>> is_xml_text("Straße"), is_xml_text("bell \x07")
    (True, False)
    """
    return _NO_TEXT.search(text) is None
