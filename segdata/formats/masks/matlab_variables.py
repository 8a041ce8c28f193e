"""The variables in files of MATLAB 5 to 7.2 (`save -v6` and `-v7`).

Source: MathWorks, "MAT-File Format", level 5. `scipy.io.loadmat` is the oracle of the tests. It does not read the files
itself, because damage ends its process (a segmentation fault): here every size is compared with what is there.
"""

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Variable = NDArray[Any]

_HEADER_BYTES = 128  # text, version and byte order before the first element
_ARRAY, _COMPRESSED = 14, 15  # types of elements
_NUMBER_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ENCODINGS = {1: "utf-8", 2: "utf-8", 16: "utf-8", 4: "utf-16", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR, _OPAQUE = 1, 2, 4, 17  # classes of arrays
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX_FLAG = 0x0800  # a flag beside the class
_TAG_BYTES = 8  # the minimum size of an element
_MAX_AXES, _MAX_ELEMENTS = 32, 1 << 40
_CHUNK_BYTES = 1 << 20


class DamagedMatError(ValueError):
    """A file contradicts itself; the message says how."""


class TooLargeMatError(ValueError):
    """A file decompresses to more bytes than allowed."""


def read_variables(path: Path, most_bytes: int) -> dict[str, Variable]:
    """Read the variables of a file by name, as `scipy.io.loadmat` returns them.

    Numbers have the type that they are stored in, cell arrays are arrays of objects, struct arrays have a field of
    objects for each of theirs, and texts are arrays of str, one element a row. Complex and sparse arrays, functions
    and objects are left out; in a cell they are None.

    Raises DamagedMatError, TooLargeMatError if the file decompresses to more than `most_bytes`, and OSError.
    """
    data = memoryview(path.read_bytes())
    order = {b"IM": "<", b"MI": ">"}.get(bytes(data[126:_HEADER_BYTES]))
    if order is None:
        raise DamagedMatError("it does not begin as files of MATLAB 5 to 7.2 do")
    variables: dict[str, Variable] = {}
    elements = _Elements(data[_HEADER_BYTES:], order)
    budget = most_bytes
    try:
        while elements.data:
            kind, content = elements.next()
            if kind == _COMPRESSED:
                inflated = _inflate(content, budget)
                kind, content = _Elements(memoryview(inflated), order).next()
            budget -= len(content)
            if budget < 0:
                raise TooLargeMatError(f"holds more than {most_bytes:,} bytes")
            if kind == _ARRAY:
                name, array = _read_array(content, order)
                if array is not None and name:
                    variables[name] = array
    except RecursionError:
        raise DamagedMatError("its cells are nested too deeply") from None
    return variables


def _inflate(data: memoryview, most: int) -> bytes:
    """Decompress a complete zlib stream."""
    inflate, parts, size = zlib.decompressobj(), [], 0
    rest: bytes | memoryview = data
    try:
        while rest and size <= most:
            parts.append(inflate.decompress(rest, _CHUNK_BYTES))
            size += len(parts[-1])
            rest = inflate.unconsumed_tail
    except zlib.error as error:
        raise DamagedMatError(f"its compressed data are damaged ({error})") from None
    if size > most:
        raise TooLargeMatError(f"holds more than {most:,} bytes")
    if not inflate.eof:
        raise DamagedMatError("its compressed data end early")
    return b"".join(parts)


class _Elements:
    """Reads the elements of a file or an array in sequence; an element is a tag (type and size) and its content."""

    def __init__(self, data: memoryview, order: str) -> None:
        self.data = data  # the unread bytes
        self.order = order

    def next(self) -> tuple[int, memoryview]:
        """The type of the next element, and its content."""
        first = self._number(4)
        if first >> 16:  # a small element: size and type share four bytes, and four of content follow
            kind, size, padding = first & 0xFFFF, first >> 16, 4 - (first >> 16)
            if padding < 0:
                raise DamagedMatError(f"a small element has {size} bytes")
        else:
            kind, size = first, self._number(4)
            padding = 0 if kind == _COMPRESSED else -size % _TAG_BYTES
        content = self._take(size)
        self.data = self.data[padding:]
        return kind, content

    def numbers(self) -> Variable:
        """The next element as numbers (n,), in the stored type."""
        kind, content = self.next()
        if kind not in _NUMBER_TYPES:
            raise DamagedMatError(f"numbers of type {kind}")
        dtype = np.dtype(self.order + _NUMBER_TYPES[kind])
        if len(content) % dtype.itemsize:
            raise DamagedMatError(f"{len(content)} bytes are no whole number of {dtype.itemsize}")
        return np.frombuffer(content, dtype)

    def array(self) -> Variable | None:
        """The next element as an array."""
        kind, content = self.next()
        if kind != _ARRAY:
            raise DamagedMatError(f"an element of type {kind} where an array is expected")
        return _read_array(content, self.order)[1]

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little" if self.order == "<" else "big")

    def _take(self, size: int) -> memoryview:
        if size > len(self.data):
            raise DamagedMatError(f"an element of {size:,} bytes where {len(self.data):,} are left")
        taken, self.data = self.data[:size], self.data[size:]
        return taken


def _read_array(content: memoryview, order: str) -> tuple[str, Variable | None]:
    """The name of an array and its values; None for unsupported classes."""
    if not content:
        return "", np.empty((0, 0))
    elements = _Elements(content, order)
    flags = elements.numbers()
    kind = int(flags[0]) & 0xFF if len(flags) else _OPAQUE
    if kind == _OPAQUE:  # which has neither size nor name
        return "", None
    shape = tuple(int(length) for length in elements.numbers())
    sides = [max(length, 1) for length in shape]  # numpy refuses a large side even beside a 0
    if not 2 <= len(shape) <= _MAX_AXES or min(shape) < 0 or math.prod(sides) > _MAX_ELEMENTS:
        raise DamagedMatError(f"an array of shape {shape}"[:100])
    name = elements.next()[1].tobytes().decode("latin-1")
    if kind == _CELL:
        return name, _objects((elements.array() for _ in _counted(shape, elements)), shape)
    if kind == _STRUCT:
        return name, _read_structs(elements, shape)
    if kind == _CHAR:
        return name, _read_texts(elements, shape)
    if kind in _NUMERIC_CLASSES and not int(flags[0]) & _COMPLEX_FLAG:
        values = elements.numbers()
        if len(values) != math.prod(shape):
            raise DamagedMatError(f"{len(values):,} numbers for an array of shape {shape}"[:100])
        return name, values.reshape(shape, order="F")
    return name, None


def _read_structs(elements: _Elements, shape: tuple[int, ...]) -> Variable:
    """A struct array: names of fixed length, then one array for each element and field."""
    length = elements.numbers()
    names_text = elements.next()[1].tobytes()
    width = int(length[0]) if len(length) == 1 else 0
    if width <= 0 or len(names_text) % width:
        raise DamagedMatError("the names of a struct's fields have no whole number of bytes")
    names = [
        names_text[at : at + width].partition(b"\0")[0].decode("latin-1") for at in range(0, len(names_text), width)
    ]
    if not names:
        return np.empty((0, 0), object)
    if len(set(names)) < len(names) or "" in names:
        raise DamagedMatError("two fields of a struct have one name, or one has none")
    structs = [tuple(elements.array() for _ in names) for _ in _counted(shape, elements, len(names))]
    array = np.empty(shape, [(name, object) for name in names], order="F")
    for column, name in enumerate(names):
        array[name] = _objects((struct[column] for struct in structs), shape)
    return array


def _read_texts(elements: _Elements, shape: tuple[int, ...]) -> Variable:
    """The rows of an array of characters as texts; spaces fill the shorter ones."""
    kind, content = elements.next()
    if kind not in _ENCODINGS:
        raise DamagedMatError(f"characters of type {kind}")
    byte_order = "" if kind in (1, 2, 16) else "-le" if elements.order == "<" else "-be"
    text = content.tobytes().decode(_ENCODINGS[kind] + byte_order, "replace")
    rows = shape[0]
    if rows == 1 or not text:
        return np.array([text] if text else [], np.str_)
    if len(text) != math.prod(shape):
        raise DamagedMatError(f"{len(text):,} characters for an array of shape {shape}"[:100])
    return np.array([text[row::rows] for row in range(rows)], np.str_)


def _counted(shape: tuple[int, ...], elements: _Elements, each: int = 1) -> range:
    """The number of elements of an array, each made of `each` arrays; raises if the bytes cannot suffice."""
    n_elements = math.prod(shape)
    if n_elements * each * _TAG_BYTES > len(elements.data):
        raise DamagedMatError(f"an array of {n_elements:,} where {len(elements.data):,} bytes are left")
    return range(n_elements)


def _objects(values: Any, shape: tuple[int, ...]) -> Variable:
    """An array of objects, its first axis the fastest; an object may be an array."""
    array = np.empty(math.prod(shape), object)
    for place, value in enumerate(values):
        array[place] = value
    return array.reshape(shape, order="F")
