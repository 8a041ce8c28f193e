"""Shared by medical formats: a cache of decoded files, and the spacing and axes of an affine."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

import numpy as np

from segdata.core.runs import Floats

T = TypeVar("T")


class DecodedFiles(Generic[T]):
    """Keeps the decoded content of the last few files.

    A file is decoded once while other threads that need it wait; an error of `decode` is raised in all of them.
    """

    def __init__(self, decode: Callable[[Path], T], most: int = 4) -> None:
        self._decode, self._most = decode, most
        self._lock = Lock()
        self._files: OrderedDict[Path, _DecodedFile[T]] = OrderedDict()

    def get(self, path: Path) -> T:
        """The decoded content of this file."""
        with self._lock:
            decoded = self._files.setdefault(path, _DecodedFile())
            self._files.move_to_end(path)
            while len(self._files) > self._most:
                self._files.popitem(last=False)
        return decoded.read(self._decode, path)


class _DecodedFile(Generic[T]):
    """The decoded content of a file, or the error."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._content: list[T] = []
        self._error: Exception | None = None

    def read(self, decode: Callable[[Path], T], path: Path) -> T:
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._content:
                try:
                    self._content.append(decode(path))
                except Exception as error:
                    self._error = error
                    raise
            return self._content[0]


_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


def voxel_spacing(affine: Floats) -> tuple[float, float, float]:
    """Millimetres between voxel centres along i, j and k."""
    i, j, k = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return i, j, k


def axis_codes(affine: Floats) -> str:
    """Letters of the world axes that i, j and k are nearest to; every world axis is used once.

    >>> axis_codes(np.diag([-1.0, 1.0, 2.0, 1.0]))
    'LAS'
    """
    direction = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    left = np.abs(direction)
    letters = [""] * 3
    for _ in range(3):
        world, voxel = np.unravel_index(int(left.argmax()), left.shape)
        letters[voxel] = _LETTERS[world][int(direction[world, voxel] > 0)]
        left[world, :] = left[:, voxel] = -1
    return "".join(letters)
