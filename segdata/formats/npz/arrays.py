"""Arrays in NumPy's .npz files, checked before they are decoded, and never unpickled.

Source: numpy/numpy numpy/lib/_format_impl.py (the format of .npy, versions 1 to 3).
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

MOST_BYTES = 1 << 32  # of one array; more is an attack on memory
_ARRAY_KEYS = ("probabilities", "softmax", "probs", "scores")  # the likeliest names of the array
# The header of an array is Python: if it is damaged, NumPy raises the errors of the tokenizer.
_ERRORS = (zipfile.BadZipFile, zlib.error, TokenError, EOFError, ValueError, KeyError, RuntimeError)


class UnreadableArrayError(Exception):
    """An array that cannot be read."""


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """The header of an array."""

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


def read_headers(path: Path) -> dict[str, ArrayHeader]:
    """The headers of the arrays in a file; raises UnreadableArrayError if it is no archive."""
    headers = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.endswith(".npy"):
                    with archive.open(info) as file:
                        head = _read_header(info.filename.removesuffix(".npy"), file)
                    n_bytes = int(np.prod(head.shape, dtype=object)) * head.dtype.itemsize
                    if n_bytes >= info.file_size and head.dtype != object and n_bytes > 0:
                        raise UnreadableArrayError(f"{head.key} claims {n_bytes:,} bytes and has {info.file_size:,}")
                    headers[head.key] = head
    except OSError as error:
        raise UnreadableArrayError(error.strerror or str(error)) from error
    except _ERRORS as error:
        raise UnreadableArrayError(f"is no NumPy archive: {str(error).partition(chr(10))[0]}") from error
    return headers


def _read_header(key: str, file: IO[bytes]) -> ArrayHeader:
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(file)
    else:
        shape, _, dtype = npy.read_array_header_2_0(file)
    return ArrayHeader(key, shape, dtype)


def choose_array(headers: dict[str, ArrayHeader], name: str | None) -> ArrayHeader:
    """The array of probabilities: that of the given name, else one with a usual name, else the only array of floats.

    Raises UnreadableArrayError if there is none, or several.
    """
    if name is not None:
        if name not in headers:
            raise UnreadableArrayError(f"has no array {name!r}; it has {', '.join(headers) or 'none'}")
        return headers[name]
    fitting = [head for head in headers.values() if head.dtype.kind == "f" and 2 <= len(head.shape) <= 4]
    named = [head for key in _ARRAY_KEYS for head in fitting if head.key == key]
    if named:
        return named[0]
    if len(fitting) != 1:
        has = ", ".join(f"{head.key} {head.dtype} {head.shape}" for head in headers.values()) or "no arrays"
        which = "no array of probabilities" if not fitting else "several that may be probabilities"
        raise UnreadableArrayError(f"has {which} ({has}); give --read-option key=NAME")
    return fitting[0]


def decode_array(path: Path, head: ArrayHeader) -> NDArray[np.floating]:
    """The array; raises UnreadableArrayError if it cannot be decoded, or is absurdly large."""
    n_bytes = int(np.prod(head.shape, dtype=object)) * head.dtype.itemsize
    if n_bytes > MOST_BYTES:
        raise UnreadableArrayError(f"{head.key} claims {n_bytes:,} bytes; at most {MOST_BYTES:,} are read")
    if min(head.shape) < 1:
        raise UnreadableArrayError(f"{head.key} has the shape {head.shape}: no pixels")
    if head.dtype.kind != "f":
        raise UnreadableArrayError(f"{head.key} is {head.dtype}; probabilities are numbers with a point")
    try:
        with np.load(path, allow_pickle=False) as archive:
            array: NDArray[np.floating] = archive[head.key]
    except OSError as error:
        raise UnreadableArrayError(error.strerror or str(error)) from error
    except (*_ERRORS, MemoryError) as error:
        raise UnreadableArrayError(f"{head.key} cannot be decoded: {error}") from error
    return array


def read_names(path: Path, headers: dict[str, ArrayHeader], keys: tuple[str, ...]) -> list[str] | None:
    """The first of some arrays that is a list of texts; None if there is none."""
    for key in keys:
        if key in headers and headers[key].dtype.kind in "US" and len(headers[key].shape) == 1:
            with np.load(path, allow_pickle=False) as archive:
                return [str(name) for name in archive[key].astype(str).tolist()]
    return None
