"""Columns of COCO lists: the items of a document as byte ranges, without a Python object for each.

A document is scanned once, when it is opened: its JSON is checked, and for each item of `images` and `annotations` its
ids and its byte range are kept. Values are decoded from these ranges when a batch is loaded. Documents that the scan
does not support (ids that are no integers, NaN, other encodings than UTF-8, broken JSON) are read item by item, as
`segdata.formats.coco.document` reads all others.
"""

import mmap
import os
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.runs import Ints
from segdata.core.storage import original_url, read_ranges

Raw = msgspec.Raw
Id = int | str
Bytes = NDArray[np.uint8]
T = TypeVar("T")

HAS_MORE, IS_ODD = 1, 2  # flags of items, see `kernels.scan_items`
_MIN_MAPPED_BYTES = 64 << 20  # larger files are mapped, not read
_SCANNED_BYTES = 16 << 20  # scanned by one thread at a time
_SEARCHED_BYTES = 1 << 16  # in which the beginning of an item is searched; most items are far shorter
_MAX_ID = 2**62


@dataclass(frozen=True, slots=True)
class FileBytes:
    """The bytes of a file, read or mapped; `release` frees the memory of mapped bytes.

    If another program truncates a mapped file, the missing bytes read as zeros, so results are valid only after
    `check`.
    """

    path: Path
    data: memoryview  # read-only
    opened: os.stat_result | None  # its status when opened; None for an excerpt
    mapping: mmap.mmap | None = None  # of a mapped file

    @staticmethod
    def read(path: Path) -> "FileBytes":
        """Read or map a file; raises OSError."""
        with path.open("rb") as file:
            opened = os.fstat(file.fileno())
            if opened.st_size >= _MIN_MAPPED_BYTES:
                mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                begin = np.frombuffer(mapping, np.uint8).ctypes.data
                if kernels.guard_pages(begin, len(mapping)):
                    weakref.finalize(mapping, kernels.release_pages, begin)
                    return FileBytes(path, memoryview(mapping), opened, mapping)
            return FileBytes(path, memoryview(file.read()), opened)

    def check(self) -> None:
        """Raise SegdataError if a mapped file was changed in place; replacing it does no harm."""
        if self.mapping is None or self.opened is None:
            return
        size, is_written = self.mapping.size(), False
        with suppress(OSError):
            now = self.path.stat()
            is_written = os.path.samestat(now, self.opened) and now.st_mtime_ns != self.opened.st_mtime_ns
        if size != len(self.data) or is_written:
            raise SegdataError(
                f"{self.path}: another program changed the file while it was read "
                f"({len(self.data):,} bytes at first, {size:,} now); run this again when the file is complete"
            )

    def release(self, first: int, last: int) -> None:
        """Free the memory of the pages from position `first` to `last`; they are loaded again when read."""
        if self.mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            begin = max(first, 0) // mmap.PAGESIZE * mmap.PAGESIZE
            if last > begin:
                self.mapping.madvise(mmap.MADV_DONTNEED, begin, last - begin)


@dataclass(frozen=True, slots=True)
class RawColumn:
    """The undecoded values of n items under one key."""

    text: Bytes  # the bytes that hold them
    first: Ints  # (n,) value i is ``text[first[i]:last[i]]``; -1 if an item lacks the key
    last: Ints  # (n,)

    @staticmethod
    def from_values(raws: "Sequence[Raw] | RawColumn") -> "RawColumn":
        """A column of these values; an empty value counts as missing."""
        if isinstance(raws, RawColumn):
            return raws
        size = np.fromiter(map(len, raws), np.int64, len(raws))
        last = np.cumsum(size)
        text = np.frombuffer(b"".join(raws), np.uint8)
        return RawColumn(text, np.where(size > 0, last - size, -1), np.where(size > 0, last, -1))

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, row: int) -> Raw:
        return Raw(self.text[self.first[row] : self.last[row]].tobytes() if self.first[row] >= 0 else b"")

    @property
    def is_missing(self) -> bool:
        """Whether no item has the key."""
        return not (self.first >= 0).any()

    def take(self, rows: Ints) -> "RawColumn":
        """The values of some items."""
        return RawColumn(self.text, self.first[rows], self.last[rows])

    def as_json_list(self) -> bytearray:
        """All values as one JSON list, with null for missing ones."""
        return kernels.join_spans(self.text, self.first, self.last)


@dataclass(frozen=True, slots=True)
class ItemBlock:
    """Items for the decoding of a batch."""

    ids: Ints | Sequence[Id]  # (n,) numbers, or objects
    category_ids: Ints | Sequence[int]  # (n,) numbers, or objects
    column: Callable[[str], RawColumn]  # returns the undecoded values of a key

    @staticmethod
    def from_items(items: Sequence[Any]) -> "ItemBlock":  # Any: structs with `id`, `category_id` and raw fields
        """A block of decoded items."""
        ids, category_ids = (list(map(attrgetter(name), items)) for name in ("id", "category_id"))
        return ItemBlock(ids, category_ids, lambda name: RawColumn.from_values(list(map(attrgetter(name), items))))

    def __len__(self) -> int:
        return len(self.ids)

    def id(self, row: int) -> Id:
        """The id of an item."""
        id_ = self.ids[row]
        return id_ if isinstance(id_, str) else int(id_)


@dataclass(frozen=True, slots=True)
class ScannedList:
    """The items of a top-level list."""

    file: FileBytes  # the document
    text: Bytes  # its bytes, without a byte order mark
    first: Ints  # (n,) where the bytes of the items begin
    last: Ints  # (n,) and end
    values: Ints  # (n, k) the scanned values, see `kernels.scan_items`
    flags: NDArray[np.uint8]  # (n,) uint8, see `kernels.scan_items`

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: Ints) -> "ScannedList":
        """Some items."""
        return ScannedList(self.file, self.text, self.first[rows], self.last[rows], self.values[rows], self.flags[rows])

    def raw(self, row: int) -> Raw:
        """An undecoded item."""
        return Raw(self.text[self.first[row] : self.last[row]].tobytes())

    def excerpt(self, rows: Ints) -> "ListExcerpt":
        """An excerpt with some items, for another process."""
        first, last = self.first[rows], self.last[rows]
        order = np.argsort(first, kind="stable")
        begins, ends = first[order], last[order]
        is_new = np.r_[True, begins[1:] - ends[:-1] > _MAX_GAP_BYTES][: len(order)]
        heads = np.flatnonzero(is_new)
        range_first, range_last = begins[heads], ends[np.r_[heads[1:] - 1, len(ends) - 1][: len(heads)]]
        moved = np.empty(len(order), np.int64)  # from positions in the document to positions in the excerpt
        sizes = range_last - range_first
        moved[order] = (np.cumsum(sizes) - sizes - range_first)[np.cumsum(is_new) - 1]
        checksum = 0
        for begin, end in zip(range_first.tolist(), range_last.tolist(), strict=True):
            checksum = zlib.crc32(self.text[begin:end].data, checksum)
        offset = len(self.file.data) - len(self.text)
        if len(rows):
            self.file.release(int(begins[0]) + offset, int(ends.max()) + offset)
        return ListExcerpt(
            place=original_url(str(self.file.path.absolute())),
            size=len(self.file.data),
            ranges=np.stack([range_first, range_last], 1) + offset,
            checksum=checksum,
            first=first + moved,
            last=last + moved,
            values=self.values[rows],
            flags=self.flags[rows],
        )


_MAX_GAP_BYTES = 1 << 14  # between two items that are read together


@dataclass(frozen=True, slots=True, kw_only=True)
class ListExcerpt:
    """Items of a list as byte ranges of a file, to be read by another process."""

    place: str  # of the file, a path or URL
    size: int  # its bytes
    ranges: Ints  # (k, 2) the bytes that hold the items
    checksum: int  # CRC-32 of these bytes
    # first, last, values, flags: as in `ScannedList`, with positions in these bytes
    first: Ints
    last: Ints
    values: Ints
    flags: NDArray[np.uint8]

    def read(self) -> ScannedList:
        """Read the items; raises OSError if that fails, SegdataError if the file has other content."""
        data = read_ranges(self.place, [(first, last) for first, last in self.ranges.tolist()], self.size)
        if zlib.crc32(data) != self.checksum:
            raise SegdataError(f"{self.place}: the file differs from the one with which the dataset was opened")
        file = FileBytes(Path(self.place), memoryview(data), None)
        text = np.frombuffer(data, np.uint8)
        return ScannedList(file, text, self.first, self.last, self.values, self.flags)


@dataclass(frozen=True, slots=True)
class ListKeys:
    """The keys of a list that are scanned when its document is opened."""

    numbers: tuple[str, ...]  # keys with integers; their columns come first
    texts: tuple[str, ...] = ()  # keys with texts; two columns each, the range between the quotes
    others: tuple[str, ...] = ()  # other known keys

    def encode(self) -> tuple[list[bytes], list[bytes], list[bytes]]:
        """The keys as bytes."""
        numbers, texts, others = (
            [name.encode() for name in names] for names in (self.numbers, self.texts, self.others)
        )
        return numbers, texts, others


@dataclass(slots=True)
class ScannedDocument:
    """A valid JSON object in UTF-8."""

    parts: dict[str, Raw] = field(default_factory=dict)  # key -> undecoded value
    lists: dict[str, ScannedList] = field(default_factory=dict)  # the requested lists that have items
    is_wide: bool = False  # whether it has unchecked bytes beyond ASCII
    repeats: bool = False  # whether an object may repeat a key


def scan_document(file: FileBytes, text: memoryview, keys: Mapping[str, ListKeys]) -> ScannedDocument | None:
    """Scan a document: its parts, and the items of some lists; None if the scan does not support it.

    Validates the whole JSON as strictly as msgspec does.
    """
    data = np.frombuffer(text, np.uint8)
    document = ScannedDocument()
    end = _content_end(data)
    position = _blanks(data, 0)
    if end == 0 or position >= end or data[position] != ord("{") or data[end - 1] != ord("}"):
        return None
    position = _blanks(data, position + 1)
    while position < end and data[position] == ord('"'):
        behind = _skip(data, position, document)
        key = text[position + 1 : behind - 1].tobytes() if behind > 0 else b"\\"
        position = _blanks(data, behind)
        if (
            b"\\" in key
            or not key.isascii()
            or key.decode() in document.parts
            or data[position : position + 1].tobytes() != b":"
        ):
            return None
        position = first = _blanks(data, position + 1)
        if key.decode() in keys and data[position] == ord("["):
            items, position = _scan_list(file, data, position, keys[key.decode()], document)
            if items is not None and len(items):
                document.lists[key.decode()] = items
        else:
            position = _skip(data, position, document)
        if position < 0:
            return None
        document.parts[key.decode()] = Raw(text[first:position])
        position = _blanks(data, position)
        if position == end - 1:
            return document if data[position] == ord("}") else None
        if data[position] != ord(","):
            return None
        position = _blanks(data, position + 1)
    return document if not document.parts and position == end - 1 else None


def _skip(data: Bytes, position: int, document: ScannedDocument) -> int:
    end, is_wide, repeats = kernels.skip_json(data, position)
    document.is_wide |= is_wide
    document.repeats |= repeats
    return end


class _Portion(NamedTuple):
    """The result of `kernels.scan_items` for a portion of a list."""

    state: int
    end: int
    places: Ints
    values: Ints
    flags: NDArray[np.uint8]
    is_wide: bool
    repeats: bool


def _scan_list(
    file: FileBytes, data: Bytes, position: int, keys: ListKeys, document: ScannedDocument
) -> tuple[ScannedList | None, int]:
    """Scan the list that begins at `position`: its items and its end; None and -1 if it is invalid.

    Threads scan portions of a long list from probable beginnings of items. A portion is valid if it begins where the
    one before ends; otherwise it is scanned again from there.
    """
    offset, names = len(file.data) - len(data), keys.encode()

    def scan(span: tuple[int, int]) -> _Portion:
        portion = _Portion(*kernels.scan_items(data, *span, *names))
        file.release(span[0] + offset, min(portion.end, len(data)) + offset)
        return portion

    portions = [scan((position + 1, min(position + 1 + _SCANNED_BYTES, len(data))))]
    spans = pairwise(_likely_items(data, portions[0]))
    for (first, stop), portion in run_ordered(lambda span: (span, scan(span)), spans) if portions[0].state == 0 else ():
        end = portions[-1].end
        portions.append(portion if first == end else scan((end, stop)))
        if portions[-1].state != 0:
            break
    if portions[-1].state != 1:
        return None, -1
    document.is_wide |= any(portion.is_wide for portion in portions)
    document.repeats |= any(portion.repeats for portion in portions)
    first_places, last_places = (np.concatenate([portion.places[:, k] for portion in portions]) for k in range(2))
    values = np.concatenate([portion.values for portion in portions])
    flags = np.concatenate([portion.flags for portion in portions])
    return ScannedList(file, data, first_places, last_places, values, flags), portions[-1].end


def _likely_items(data: Bytes, begin: _Portion) -> Iterator[int]:
    """The end of a list's first portion, then probable beginnings of items, a portion apart, then the end of the data.

    An item probably begins where the bytes between two items are followed by those up to an item's first key. A list of
    objects within an item may contain the same bytes.
    """
    yield begin.end
    if not len(begin.places):  # only blanks so far
        yield len(data)
        return
    first, last = begin.places[-1].tolist()
    between = data[last - 1 : _blanks(data, begin.end)].tobytes()
    beginning = between + data[first:last].tobytes().partition(b":")[0]
    for place in range(begin.end + _SCANNED_BYTES, len(data), _SCANNED_BYTES):
        distance = data[place : place + _SEARCHED_BYTES].tobytes().find(beginning)
        if distance >= 0:
            yield place + distance + between.index(b",") + 1
    yield len(data)


def _blanks(data: Bytes, position: int) -> int:
    """The position of the next character that is no blank."""
    while 0 <= position < len(data) and data[position] in b" \t\n\r":
        position += 1
    return position


def _content_end(data: Bytes) -> int:
    """The position after the last character that is no blank."""
    end = len(data)
    while end and data[end - 1] in b" \t\n\r":
        end -= 1
    return end


class ScannedStructs(Sequence[T], Generic[T]):
    """A sequence of items, each decoded on access, as few are needed."""

    def __init__(self, items: ScannedList, type_: type[T]) -> None:
        self._items, self._decode, self.type = items, msgspec.json.Decoder(type_).decode, type_

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, row: int) -> T: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[T]: ...
    def __getitem__(self, row: int | slice) -> T | Sequence[T]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        return self._decode(self._items.raw(range(len(self))[row]))

    def __iter__(self) -> Iterator[T]:
        return map(self.__getitem__, range(len(self)))


def scanned_block(items: ScannedList, rows: Ints, columns: Ints, names: Sequence[str]) -> ItemBlock:
    """A block of items with the byte ranges of their values; `columns` are those of (id, category id)."""
    first, last = items.first[rows], items.last[rows]
    spans = kernels.value_spans(items.text, first, last, [name.encode() for name in names])
    row_of = {name: row for row, name in enumerate(names)}
    ids, category_ids = (items.values[rows, column] for column in columns.tolist())
    return ItemBlock(ids, category_ids, lambda name: RawColumn(items.text, *spans[row_of[name]]))


def further_keys(items: ScannedList, rows: Sequence[int] | Ints, known: frozenset[str]) -> list[dict[str, str]]:
    """The keys beyond `known` of some items, each value as JSON text; items without any may share one result."""
    further: list[dict[str, str]] = [{}] * len(rows)
    decode = msgspec.json.Decoder(dict[str, Raw]).decode
    for k in np.flatnonzero(items.flags[np.asarray(rows, np.int64)]).tolist():
        pairs = decode(items.raw(int(rows[k]))).items()
        further[k] = {key: str(memoryview(value), "utf-8") for key, value in pairs if key not in known}
    return further


def patch_odd(items: ScannedList, rows: Sequence[int], structs: Sequence[Any], names: Sequence[str]) -> bool:
    """Fill the columns with the numbers of items that were decoded one by one; False if one is no such number."""
    for row, struct in zip(rows, structs, strict=True):
        for column, name in enumerate(names):
            value = getattr(struct, name)
            if not isinstance(value, int) or not -_MAX_ID <= value <= _MAX_ID:
                return False
            items.values[row, column] = value
    return True
