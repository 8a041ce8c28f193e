"""COCO documents: the top-level parts of the JSON, decoded on demand, and the items of their lists.

Items are decoded all at once if they are valid, else one by one.
"""

import codecs
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core import kernels
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.runs import Floats, Ints
from segdata.formats.coco.columns import (
    IS_ODD,
    FileBytes,
    ItemBlock,
    ListExcerpt,
    ListKeys,
    RawColumn,
    ScannedList,
    ScannedStructs,
    further_keys,
    patch_odd,
    scan_document,
    scanned_block,
)
from segdata.formats.shared.file_names import stands_in
from segdata.formats.shared.json_files import BOM, repeated_key_defects, several_documents

Raw = msgspec.Raw
_MAX_LEADING_BLANKS = 4096  # blanks before the first character
_GZIP = b"\x1f\x8b"  # how a file that gzip packed begins
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# Numbers that Python writes although JSON does not have them; they are read as texts.
JSON_CONSTANTS = ("-Infinity", "Infinity", "NaN")


@dataclass(frozen=True, slots=True)
class ItemFault:
    """A fault of one item: its position, the defect's code and message, and the place in it (a JSON pointer).

    `lost`: whether part of the item is left out; None: the code's default.
    """

    row: int
    code: Literal["SEG004", "SEG005", "SEG006", "SEG121"]
    message: str
    place: str = ""
    lost: bool | None = None


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of document: what its JSON should be."""

    name: str  # for messages
    expected: str  # its content, for messages
    bare: str | None = None  # the document may be a bare list, as if under this key
    remedy: str = ""  # end of the message about a missing list
    text_ids: bool = False  # whether its specification defines image ids as texts


COCO_DOCUMENT = DocumentKind("a COCO document", "an object with images, annotations and categories")


@dataclass(frozen=True, slots=True)
class Document:
    """A COCO file, or one of its relatives."""

    path: Path  # the file
    name: str  # its name in defects, below the dataset's root
    parts: dict[str, Raw] | None  # top-level key -> undecoded value; None if the file is not JSON
    defects: list[Defect] = field(default_factory=list)  # found so far; readers add to them
    kind: DocumentKind = COCO_DOCUMENT  # the expected kind
    is_list: bool = False  # whether it is a bare list, that of `kind.bare`
    # scanned lists with their keys; other lists are decoded item by item
    scanned: Mapping[str, tuple[ScannedList, ListKeys]] = field(default_factory=dict)

    def report(self, code: str, message: str, place: str | None = None, **details: Any) -> None:  # Any: as in Defect
        """Add a defect of the file."""
        self.defects.append(Defect(code, message, self.name, place, **details))

    def pointer(self, key: str) -> str:
        """The JSON pointer of a top-level key."""
        return "" if self.is_list else f"/{key}"

    def items(self, key: str) -> list[Raw]:
        """The undecoded items of a top-level list; empty, with SEG004, if it is missing or no list.

        One object with an id, where a list of them is expected, is read as the only item, with SEG004, too.
        """
        if self.parts is None:
            return []
        raw = self.parts.get(key)
        if raw is None:
            message = f"{key!r} is missing: {self.kind.name} has a list of them{self.kind.remedy}"
            self.report("SEG004", message, "/")
            return []
        try:
            return msgspec.json.decode(raw, type=list[Raw])
        except msgspec.ValidationError:
            with suppress(msgspec.ValidationError):
                if "id" in msgspec.json.decode(raw, type=dict[str, Raw]):
                    message = f"{key!r} is one object, not a list; read as a list of it: write [ ] around the object"
                    self.report("SEG004", message, self.pointer(key), lost=False)
                    return [raw]
            start = bytes(memoryview(raw)[:20]).decode("utf-8", "replace")
            self.report("SEG004", f"{key!r} is not a list: {start}…", self.pointer(key))
            return []

    def small(self, key: str, limit: int = 65_536) -> str | None:
        """The JSON text of a small top-level value; None if it is missing or over `limit` bytes."""
        raw = (self.parts or {}).get(key)
        return None if raw is None or len(raw) > limit else bytes(raw).decode()


def read_document(
    path: Path, name: str, kind: DocumentKind = COCO_DOCUMENT, keys: Mapping[str, ListKeys] | None = None
) -> Document:
    """Read a document; if the file is not JSON, returns a document without parts and with a defect.

    `keys`: the lists to scan into columns, and their keys; a document that is not plain JSON is not scanned.
    NaN and Infinity become the texts "NaN" and "Infinity", which no number field accepts, so that defects name the
    items that hold them, and the others are read. Raises SegdataError if there is no such file.
    """
    try:
        if (
            keys
            and kernels.is_compiled("scan_items")  # the uncompiled kernel is slower than decoding item by item
            and (document := _scanned_document(FileBytes.read(path), path, name, kind, keys)) is not None
        ):
            return document
        data = path.read_bytes()
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}") from error
    defects: list[Defect] = []
    text = memoryview(data)[len(BOM) :] if data.startswith(BOM) else data
    try:
        parts = _decode_parts(text, kind)
        return Document(path, name, parts, repeated_key_defects(text, name), kind, _is_list(data, kind))
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors too
        pass
    if data.startswith(_GZIP):
        message = f"is not {kind.name}: it is packed with gzip; unpack it with gunzip"
        return Document(path, name, None, [Defect("SEG001", message, name)], kind)
    data = _repair(data, name, defects, kind)
    try:
        parts = _decode_parts(data, kind)
        defects += repeated_key_defects(data, name)
        return Document(path, name, parts, defects, kind, _is_list(data, kind))
    except (ValueError, RecursionError) as error:
        message, line = _explain_error(data, error, kind)
        defects.append(Defect("SEG001", message, name, line=line))
    return Document(path, name, None, defects, kind)


def _scanned_document(
    file: FileBytes, path: Path, name: str, kind: DocumentKind, keys: Mapping[str, ListKeys]
) -> Document | None:
    """The document with scanned lists; None if it is not plain JSON in UTF-8."""
    text = file.data[len(BOM) :] if bytes(file.data[: len(BOM)]) == BOM else file.data
    scanned = scan_document(file, text, keys)
    file.check()
    if scanned is None:
        return None
    if scanned.is_wide:
        try:
            _check_texts(text)
        except UnicodeDecodeError:
            return None
    defects = repeated_key_defects(text, name) if scanned.repeats else []
    lists = {key: (items, keys[key]) for key, items in scanned.lists.items()}
    return Document(path, name, scanned.parts, defects, kind, scanned=lists)


def _decode_parts(data: bytes | memoryview, kind: DocumentKind) -> dict[str, Raw]:
    """Decode the top-level values; raises ValueError if the bytes are no JSON object, or list, in UTF-8."""
    if kind.bare is not None and _is_list(data, kind):
        msgspec.json.decode(data, type=list[Raw])
        parts = {kind.bare: Raw(data)}
    else:
        parts = msgspec.json.decode(data, type=dict[str, Raw])
    if not (isinstance(data, bytes) and data.isascii()):
        _check_texts(data)
    return parts


def _is_list(data: bytes | memoryview, kind: DocumentKind) -> bool:
    """Whether the document begins as a list, and its kind allows that."""
    return kind.bare is not None and bytes(data[:_MAX_LEADING_BLANKS]).removeprefix(BOM).lstrip().startswith(b"[")


def _check_texts(data: bytes | memoryview) -> None:
    """Raise UnicodeDecodeError if the bytes are not UTF-8, even in values that are never decoded."""
    step = 1 << 24
    decoder = codecs.getincrementaldecoder("utf-8")()
    for first in range(0, len(data), step):
        decoder.decode(data[first : first + step])
    decoder.decode(b"", final=True)


def _repair(data: bytes, name: str, defects: list[Defect], kind: DocumentKind) -> bytes:
    """Rewrite the content as strict JSON in UTF-8, if Python's lenient parser can read it; else quote constants."""
    quoted = data = data.removeprefix(BOM)
    for constant in map(str.encode, JSON_CONSTANTS):
        if constant in quoted:
            quoted = re.sub(constant + rb"(?=\s*[,\]}])", b'"' + constant + b'"', quoted)
    try:
        _decode_parts(quoted, kind)
        return quoted
    except (ValueError, RecursionError) as error:
        encoding = json.detect_encoding(data)
        if encoding == "utf-8" and quoted is data and not _may_be_repaired(data, error):
            return data
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        text = data.decode("latin-1")
        message = f"is not UTF-8 (byte {error.start}); read as Latin-1, names may be garbled"
        defects.append(Defect("SEG001", message, name, severity="warning"))
    try:
        values = json.loads(text, strict=False, parse_constant=str)
        defects += repeated_key_defects(text.encode("utf-8", "replace"), name)
        return json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return text.encode("utf-8", "replace")


def _may_be_repaired(data: bytes, error: Exception) -> bool:
    """Whether Python's parser, which is slow and needs much memory, may read what msgspec refuses.

    These are other encodings than UTF-8, control characters in texts, and lone surrogates, for which msgspec's messages
    vary.
    """
    offset = _error_offset(error)
    control = offset is not None and offset < len(data) and data[offset] < 32
    return isinstance(error, UnicodeDecodeError) or control or _SURROGATE.search(data) is not None


def _error_offset(error: Exception) -> int | None:
    match = re.search(r"\(byte (\d+)\)", str(error))
    return int(match[1]) if match else None


def _explain_error(data: bytes, error: Exception, kind: DocumentKind) -> tuple[str, int | None]:
    """The message about an unreadable file, and the line, from 1."""
    if not data.strip():
        return f"the file is empty ({len(data)} bytes)", None
    reason = stands_in(data, "the labels")
    if reason is not None:
        return reason, None
    if isinstance(error, msgspec.ValidationError):
        return f"is not {kind.name}: {kind.expected} is expected", None
    if isinstance(error, RecursionError):
        return f"is not {kind.name}: it is nested too deeply", None
    offset = _error_offset(error)
    is_trailing = offset is not None and "trailing characters" in str(error)
    offset = len(data) if offset is None else offset - is_trailing  # it points behind the first of these
    cut = offset >= len(data.rstrip())
    if is_trailing:
        several = several_documents(data.decode("utf-8", "replace"), len(data[:offset].decode("utf-8", "replace")))
        if several is not None:
            return f"is not JSON: {several}", data.count(b"\n", 0, offset) + 1
    line = data.count(b"\n", 0, offset) + 1
    column = len(data[data.rfind(b"\n", 0, offset) + 1 : offset].decode("utf-8", "replace")) + 1
    what = "the file is cut off" if cut else f"unexpected {chr(data[offset])!r}"
    remedy = "; copy or export it again" if cut else ""
    if not cut and data[offset : offset + 1] == b"'":
        remedy = "; JSON has double quotation marks: write it with json.dumps(), not with str()"
    return f"is not JSON: {what} at line {line}, column {column}{remedy}", line


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Id = int | str
MISSING = Raw(b"")
MAX_ID = 2**62


@dataclass(frozen=True, slots=True)
class Items(Generic[T_co]):
    """The items of one list that could be decoded."""

    items: Sequence[T_co] = ()  # (n,) structs
    rows: Sequence[int] = ()  # (n,) the position of each in the list
    raws: Sequence[Raw] | Mapping[int, Raw] = ()  # by row, for items with keys that the struct lacks; else empty
    pointer: str = ""  # JSON pointer of the list

    def place(self, position: int, within: str = "") -> str:
        """The JSON pointer of the item at a position, or of the place `within` it."""
        return f"{self.pointer}/{self.rows[position]}{within}"

    def places(self, positions: Ints) -> pa.Array:
        """The JSON pointers of the items at some positions."""
        rows = pa.array(positions if isinstance(self.rows, range) else np.array(self.rows, np.int64)[positions])
        return pc.binary_join_element_wise(f"{self.pointer}/", rows.cast(pa.string()), "")

    def ids(self, name: str) -> "Ints | list[Id]":
        """(n,) the values of a key that holds ids: numbers in an array, or objects."""
        return list(map(attrgetter(name), self.items))

    def block(self, positions: Ints) -> ItemBlock:
        """The items at some positions, for the decoding of a batch."""
        return ItemBlock.from_items(list(map(self.items.__getitem__, positions.tolist())))

    def release(self, positions: Ints) -> None:
        """Mark the items at some positions as not needed for now."""

    @contextmanager
    def refuse_changes(self) -> Iterator[None]:
        """Context for decoding: raises SegdataError if another program changed the file meanwhile."""
        yield

    def excerpt(self, positions: Ints) -> "Items[T_co] | ItemsExcerpt[T_co]":
        """An excerpt of the items at some positions, which another process gets with `read`."""
        rows = [self.rows[i] for i in positions.tolist()]
        raws = {row: self.raws[row] for row in rows} if self.raws else ()
        return Items([self.items[i] for i in positions.tolist()], rows, raws, self.pointer)

    def read(self) -> "Items[T_co]":
        """The items of an excerpt."""
        return self

    def extras(self, positions: Iterable[int], known_keys: frozenset[str]) -> list[dict[str, str]]:
        """The keys beyond `known_keys` of the items at these positions, each value as JSON text."""
        if not self.raws:
            return [{} for _ in positions]
        decode = msgspec.json.Decoder(dict[str, Raw]).decode
        return [
            {
                key: str(memoryview(value), "utf-8")
                for key, value in decode(self.raws[self.rows[i]]).items()
                if key not in known_keys
            }
            for i in positions
        ]


@dataclass(frozen=True, slots=True)
class ScannedItems(Items[T_co]):
    """The items of a scanned list: ids in columns, other values decoded on demand."""

    scanned: ScannedList = field(kw_only=True)
    keys: ListKeys = field(kw_only=True)

    def ids(self, name: str) -> "Ints | list[Id]":
        """(n,) int64: the values of a key."""
        return np.ascontiguousarray(self.scanned.values[:, self.keys.numbers.index(name)])

    def block(self, positions: Ints) -> ItemBlock:
        """The byte ranges of the values of the items at some positions."""
        columns = np.array([self.keys.numbers.index(name) for name in ("id", "category_id")])
        return scanned_block(self.scanned, positions, columns, self.keys.others)

    def release(self, positions: Ints) -> None:
        """Free the memory of the bytes of the items at some positions."""
        if len(positions):
            offset = len(self.scanned.file.data) - len(self.scanned.text)
            first, last = self.scanned.first[positions].min(), self.scanned.last[positions].max()
            self.scanned.file.release(int(first) + offset, int(last) + offset)

    @contextmanager
    def refuse_changes(self) -> Iterator[None]:
        """See `Items.refuse_changes`; also checks the mapped file."""
        try:
            yield
        finally:
            self.scanned.file.check()

    def extras(self, positions: Iterable[int], known_keys: frozenset[str]) -> list[dict[str, str]]:
        """The keys beyond `known_keys` of the items at these positions, each value as JSON text."""
        return further_keys(self.scanned, list(positions), known_keys)

    def excerpt(self, positions: Ints) -> "ItemsExcerpt[T_co]":
        """The places of the items at some positions."""
        rows = positions if isinstance(self.rows, range) else np.array(self.rows, np.int64)[positions]
        assert isinstance(self.items, ScannedStructs)
        return ItemsExcerpt(self.scanned.excerpt(positions), rows, self.items.type, self.pointer, self.keys)


@dataclass(frozen=True, slots=True)
class ItemsExcerpt(Generic[T_co]):
    """Scanned items for another process; rows are those of the document's list."""

    scanned: ListExcerpt
    rows: Ints
    type: type[T_co]
    pointer: str
    keys: ListKeys

    def read(self) -> ScannedItems[T_co]:
        """The items; raises OSError and SegdataError as `ListExcerpt.read`."""
        scanned = self.scanned.read()
        structs = ScannedStructs(scanned, self.type)
        return ScannedItems(structs, self.rows.tolist(), (), self.pointer, scanned=scanned, keys=self.keys)


_DECIMAL_ID = re.compile(rb'("(?:id|image_id|category_id|video_id)"\s*:\s*-?\d+)\.0+(?=[\s,}])')
_MAX_ODD_ITEMS = 1_000  # decoded one by one in any list


def _scanned_items(document: Document, key: str, lenient: type[T]) -> ScannedItems[T] | None:
    """The items of a scanned list; None if it was not scanned, or has many unusual items, or ids as decimals."""
    scanned, keys = document.scanned.get(key, (None, None))
    if scanned is None or keys is None:
        return None
    odd = np.flatnonzero(scanned.flags & IS_ODD)
    if len(odd) > max(_MAX_ODD_ITEMS, len(scanned) // 10) or (len(odd) and keys.texts):
        return None
    raws = [scanned.raw(row) for row in odd.tolist()]
    if any(_DECIMAL_ID.search(raw) for raw in raws):  # its values are decoded from the document's text later on
        return None
    items, broken = decode_each(raws, lenient)
    sound = [(row, item) for row, item in zip(odd.tolist(), items, strict=True) if item is not None]
    if not patch_odd(scanned, [row for row, _ in sound], [item for _, item in sound], keys.numbers):
        return None
    pointer = document.pointer(key)
    _report_broken(document, pointer, {int(odd[k]): problem for k, problem in broken.items()})
    rows: Sequence[int] = range(len(scanned))
    if broken:
        kept = np.setdiff1d(np.arange(len(scanned)), odd[sorted(broken)])
        scanned, rows = scanned.take(kept), kept.tolist()
    return ScannedItems(ScannedStructs(scanned, lenient), rows, (), pointer, scanned=scanned, keys=keys)


def _report_broken(document: Document, pointer: str, broken: "Mapping[int, DecodingProblem]") -> None:
    """SEG004 for items, by row, that cannot be decoded."""
    for row, problem in broken.items():
        place = f"{pointer}/{row}{problem.place}"
        document.report("SEG004", f"{problem.message}; left out", place)


def decode_items(document: Document, key: str, strict: type[T], lenient: type[T]) -> Items[T]:
    """The items of a top-level list; items that cannot be decoded are SEG004 and left out.

    `strict` refuses unknown keys, `lenient` does not: if every item is `strict`, there are no further keys to keep.
    """
    if (scanned := _scanned_items(document, key, lenient)) is not None:
        return scanned
    pointer = document.pointer(key)
    raw_list = (document.parts or {}).get(key, Raw(b"[]"))
    try:
        decoded: list[T] = msgspec.json.decode(raw_list, type=list[strict])  # type: ignore[valid-type]  # made at run time
        if len(decoded):
            return Items(decoded, range(len(decoded)), pointer=pointer)
    except msgspec.ValidationError:
        pass
    raws = document.items(key)
    items, broken = decode_each(raws, lenient)
    _report_broken(document, pointer, broken)
    rows = [row for row in range(len(raws)) if row not in broken]
    return Items([item for item in items if item is not None], rows, raws, pointer)


@dataclass(frozen=True, slots=True)
class DecodingProblem:
    """Why a value could not be decoded, and the place in it (a JSON pointer)."""

    message: str
    place: str


def decode_each(raws: Sequence[Raw], type_: type[T]) -> tuple[list[T | None], dict[int, DecodingProblem]]:
    """Every value as `type_`, None if that fails, and the problems by position.

    An id of 3.0 is 3: tables with gaps have all numbers of a column as decimals, and pycocotools finds them equal.
    """
    decode = msgspec.json.Decoder(type_).decode
    values: list[T | None] = []
    broken = {}
    for row, raw in enumerate(raws):
        try:
            values.append(decode(raw))
        except msgspec.ValidationError as error:
            whole, n = _DECIMAL_ID.subn(rb"\1", bytes(raw))
            try:
                values.append(decode(whole) if n else None)
            except msgspec.ValidationError:
                values.append(None)
            if values[-1] is None:
                broken[row] = explain_validation_error(error, raw)
    return values, broken


def decode_column(raws: Sequence[Raw] | RawColumn, type_: type[T]) -> tuple[list[T | None], dict[int, DecodingProblem]]:
    """Like `decode_each`, but `MISSING` and null are None without a problem; one step if all values are valid."""
    column = RawColumn.from_values(raws)
    try:
        # Any: a type that is made at run time
        as_list: Any = list[type_ | None]  # type: ignore[valid-type]
        return msgspec.json.decode(column.as_json_list(), type=as_list), {}
    except msgspec.ValidationError:
        present = [raw if len(raw) else Raw(b"null") for raw in map(column.__getitem__, range(len(column)))]
        as_value: Any = type_ | None
        return decode_each(present, as_value)


def decode_numbers(raws: Sequence[Raw] | RawColumn) -> Floats | None:
    """(n,) numbers; None if a value is missing or no number."""
    lists = _number_lists(b"[" + RawColumn.from_values(raws).as_json_list() + b"]")
    return None if lists is None or len(lists[1]) != 2 or len(lists[0]) != len(raws) else lists[0]


def decode_boxes(raws: Sequence[Raw] | RawColumn) -> pa.Array | None:
    """(n,) list<double> of boxes; None if a value is not a list of four numbers."""
    lists = _number_lists(RawColumn.from_values(raws).as_json_list())
    if lists is None or len(lists[1]) != len(raws) + 1 or (np.diff(lists[1]) != 4).any():
        return None
    return pa.ListArray.from_arrays(pa.array(lists[1].astype(np.int32)), pa.array(lists[0]))


_EXACT_LIMIT = 2.0**53  # floats represent smaller integers exactly


def decode_integers(raws: RawColumn) -> Ints | None:
    """(n,) integers; None if a value is missing or no integer."""
    lists = _integer_lists(b"[" + raws.as_json_list() + b"]")
    return None if lists is None or len(lists[1]) != 2 or len(lists[0]) != len(raws) else lists[0]


def decode_integer_lists(raws: RawColumn) -> tuple[Ints, Ints] | None:
    """The integers of n lists, and the offsets of the lists (n + 1,); None if a number is no integer."""
    lists = _integer_lists(raws.as_json_list())
    return None if lists is None or len(lists[1]) != len(raws) + 1 else lists


def _integer_lists(text: bytes | bytearray) -> tuple[Ints, Ints] | None:
    """Like `_number_lists`, for integers without fraction or exponent; None for other JSON."""
    lists = None if any(letter in text for letter in b".eE") else _number_lists(text)
    return None if lists is None or (np.abs(lists[0]) > _EXACT_LIMIT).any() else (lists[0].astype(np.int64), lists[1])


def _number_lists(text: bytes | bytearray) -> tuple[Floats, Ints] | None:
    """The numbers of a JSON list of lists, and the offsets of the lists; None for other JSON."""
    xy, ring, _, error = kernels.parse_rings(
        np.frombuffer(text, np.uint8), np.zeros(1, np.int64), np.array([len(text)])
    )
    return None if error[0] or not np.isfinite(xy).all() else (xy, ring)


def explain_validation_error(error: msgspec.ValidationError, raw: Raw | None = None) -> DecodingProblem:
    """A msgspec message in plain words, with its path as a JSON pointer; `raw` is the refused value.

    >>> explain_validation_error(msgspec.ValidationError("Expected `int`, got `str` - at `$.bbox[2]`"))
    DecodingProblem(message='bbox/2: expected int, got str', place='/bbox/2')
    >>> text = msgspec.ValidationError("Expected `int`, got `str` - at `$.id`")
    >>> explain_validation_error(text, msgspec.Raw(b'{"id": "7"}')).message
    "id: is the text '7', expected int"
    """
    text, _, path = str(error).partition(" - at `")
    steps = re.findall(r"[^.\[\]`$]+", path)
    missing = re.fullmatch(r"Object missing required field `(.*)`", text)
    where = "/".join(steps)
    message = (text[:1].lower() + text[1:]).replace("`", "").replace(" | null", "")
    if missing:
        message = f"{missing[1]!r} is missing"
    elif raw is not None:
        message = _with_refused_value(message, steps, raw)
    return DecodingProblem(f"{where}: {message}" if where else message, f"/{where}" if where else "")


def _with_refused_value(message: str, steps: Sequence[str], raw: Raw) -> str:
    """The message with the refused value instead of its type."""
    try:
        value = json.loads(bytes(raw))
        for step in steps:
            value = value[int(step)] if isinstance(value, list) else value[step]
    except (ValueError, LookupError, TypeError, RecursionError):
        return message
    expected = message.partition(",")[0]
    if isinstance(value, str) and message.endswith(", got str"):
        if value in JSON_CONSTANTS:
            return f"is {value}, {expected}"
        is_name = steps[-1:] == ["category_id"] and not value.strip().isdigit()
        hint = " (it looks like a name, not an id)" if is_name else ""
        return f"is the text {value[:40]!r}, {expected}{hint}"
    if isinstance(value, (int, float)) and not message.endswith(("bool", "float")):
        return f"is {value!r:.40}, {message}"
    return message


def integer_id(id_: Id) -> tuple[int, str | None]:
    """An id as a stable integer, and the source's own id if that is not an integer of 62 bits.

    >>> integer_id(7), integer_id("7")[1]
    ((7, None), '7')
    """
    if isinstance(id_, int) and abs(id_) <= MAX_ID:
        return id_, None
    digest = hashlib.blake2b(str(id_).encode("utf-8", "replace"), digest_size=7).digest()
    return int.from_bytes(digest, "big"), str(id_)


def raw_json(value: str | None) -> Raw:
    """A value of a map column as raw JSON; a text that is not JSON becomes a JSON string."""
    if value is None:
        return Raw(b"null")
    try:
        msgspec.json.decode(value)
        return Raw(value)
    except (ValueError, RecursionError):
        return Raw(msgspec.json.encode(value))
