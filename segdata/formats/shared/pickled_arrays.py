"""Arrays in pickled NumPy files (.npy of a dictionary), taken out without running what a pickle asks for.

A pickle is a program. This reader follows it with stand-ins: arrays keep their shape, type and place in the file,
every other class becomes an empty object, and nothing is imported or called. Bytes of arrays are not read until you ask
for them.

Source: Python, Lib/pickle.py (the opcodes); numpy/numpy numpy/lib/_format_impl.py (the file), and ndarray.__reduce__.
"""

import io
import pickle
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

MOST_BYTES = 1 << 32  # of one array; more is an attack on memory
_LARGE = 1 << 16  # bytes that stay in the file; pickle writes no frames around so many
_PLAIN_TYPE = re.compile(r"[?b]1?|[biuf][1248]")
_BINBYTES: Mapping[int, tuple[int, str]] = {pickle.BINBYTES[0]: (4, "<I"), pickle.BINBYTES8[0]: (8, "<Q")}
# What damaged pickles raise. A pickle may nest or index without end: that costs no more memory than it has bytes.
_ERRORS = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError,
    RecursionError, MemoryError, struct.error, TokenError, AssertionError, SyntaxError, UnicodeError,
)  # fmt: skip


class UnreadablePickleError(Exception):
    """A file that is no pickled dictionary, or an array in it that cannot be decoded."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Bytes that stay in the file."""

    start: int
    size: int


class _Inert:
    """What any class of a pickle becomes: it takes everything, and does nothing."""

    def __new__(cls, *_: object, **__: object) -> "_Inert":
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def _ignore(self, *_: object) -> None:
        pass

    __setstate__ = append = extend = add = __setitem__ = _ignore


class _Type:
    """A type of numbers as a pickle describes it."""

    def __init__(self, code: object = None, *_: object) -> None:
        self.code = code
        self.order: Literal["<", ">", "="] = "="

    def __setstate__(self, state: Any) -> None:  # Any: of a foreign file
        self.order = state[1] if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">") else "="

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The type; None if it is not of plain numbers."""
        plain = isinstance(self.code, str) and _PLAIN_TYPE.fullmatch(self.code)
        return np.dtype(str(self.code)).newbyteorder(self.order) if plain else None


class PickledArray:
    """An array of a pickle: its shape and type, and where its bytes are."""

    def __init__(self, *_: object) -> None:
        self.shape: tuple[int, ...] = ()
        self.dtype: np.dtype[Any] | None = None  # None: objects
        self.is_fortran = False
        self.data: object = None  # bytes, a span of the file, or the list of an array of objects

    def __setstate__(self, state: Any) -> None:  # Any: of a foreign file
        _, shape, kind, self.is_fortran, self.data = state
        if not (isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)):
            raise ValueError(f"the shape {shape!r:.40} is not one of an array")
        self.shape = shape
        self.dtype = kind.dtype if isinstance(kind, _Type) else None

    def decode(self, path: Path) -> NDArray[Any]:  # Any: numbers of any type
        """The array; raises UnreadablePickleError if it is none of numbers, or its bytes do not fit its shape."""
        if self.dtype is None:
            raise UnreadablePickleError("is an array of objects, not of numbers")
        n_bytes = int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        held = self.data
        size = held.size if isinstance(held, _Span) else len(held) if isinstance(held, (bytes, bytearray)) else -1
        if n_bytes != size:
            raise UnreadablePickleError(f"has the shape {self.shape} and {size:,} bytes instead of {n_bytes:,}")
        if n_bytes > MOST_BYTES:
            raise UnreadablePickleError(f"claims {n_bytes:,} bytes; at most {MOST_BYTES:,} are read")
        if isinstance(held, _Span):
            values = np.fromfile(path, self.dtype, offset=held.start, count=n_bytes // self.dtype.itemsize)
        else:
            values = np.frombuffer(held if isinstance(held, (bytes, bytearray)) else b"", self.dtype)
        return values.reshape(self.shape, order="F" if self.is_fortran else "C")


def _latin_1(text: str = "", *_: object) -> bytes:
    """Bytes in protocol 2, which has none: as a text."""
    return text.encode("latin-1")


class _File:
    """A file for the unpickler; while `skips`, it hands out spans in place of many bytes."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self.file, self.size, self.skips = file, size, False
        self.readline = file.readline

    def read(self, n: int) -> Any:  # Any: bytes, or a span
        start = self.file.tell()
        if n > self.size - start:
            raise EOFError(f"the file ends {start + n - self.size:,} bytes early")
        if not self.skips or n < _LARGE:
            return self.file.read(n)
        self.file.seek(n, io.SEEK_CUR)
        return _Span(start, n)


class _ArrayUnpickler(pickle._Unpickler):  # the one in Python, whose loading of bytes can be replaced
    read: Callable[[int], Any]  # Any: bytes, or a span
    append: Callable[[object], None]

    def __init__(self, file: _File) -> None:
        super().__init__(file, encoding="latin1")
        self._spans = file

    def find_class(self, module: str, name: str) -> Any:  # Any: a stand-in for any class or function
        """The stand-in for a class; nothing is imported."""
        if module.partition(".")[0] == "numpy":
            return {"_reconstruct": PickledArray, "ndarray": PickledArray, "dtype": _Type}.get(name, _Inert)
        return _latin_1 if f"{module}.{name}" in ("_codecs.encode", "__builtin__.bytes") else _Inert

    def persistent_load(self, pid: object) -> Any:  # Any: a stand-in
        """An object outside the pickle, which stays there."""
        return _Inert()

    def _load_bytes(self, n_bytes: int, layout: str) -> None:
        (size,) = struct.unpack(layout, self.read(n_bytes))
        self._spans.skips = True
        try:
            self.append(self.read(size))
        finally:
            self._spans.skips = False


def _loader(n_bytes: int, layout: str) -> Any:  # Any: typeshed names no unpickler in Python
    return lambda unpickler: unpickler._load_bytes(n_bytes, layout)


_ArrayUnpickler.dispatch = _ArrayUnpickler.dispatch | {code: _loader(*layout) for code, layout in _BINBYTES.items()}


def read_pickled_dictionary(path: Path) -> dict[str, Any]:  # Any: plain values, `PickledArray`, stand-ins
    """The dictionary that `numpy.save` wrote at `path`; raises UnreadablePickleError if it holds something else."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            version = npy.read_magic(file)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read_header(file)
            if dtype.kind != "O" or shape:
                raise UnreadablePickleError(f"holds an array {dtype} {shape}, not a dictionary")
            outer = _ArrayUnpickler(_File(file, size)).load()
    except OSError as error:
        raise UnreadablePickleError(f"cannot be read: {error.strerror or error}") from error
    except _ERRORS as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UnreadablePickleError(f"is no NumPy file, or cut off: {reason}") from error
    content = outer.data if isinstance(outer, PickledArray) else None
    if not (isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict)):
        raise UnreadablePickleError("holds no dictionary")
    return content[0]
