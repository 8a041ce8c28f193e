"""Shelf: files that are decoded as a whole, for the many slices that each of them holds."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """Keeps what `decode` makes of the last few files.

    A file is decoded once, while other threads that ask for it wait; what `decode` raises is raised to all of them.
    """

    def __init__(self, decode: Callable[[Path], T], most: int = 4) -> None:
        self._decode, self._most = decode, most
        self._lock = Lock()
        self._books: OrderedDict[Path, _Book[T]] = OrderedDict()

    def take(self, path: Path) -> T:
        """What `decode` makes of this file."""
        with self._lock:
            book = self._books.setdefault(path, _Book())
            self._books.move_to_end(path)
            while len(self._books) > self._most:
                self._books.popitem(last=False)
        return book.read(self._decode, path)


class _Book(Generic[T]):
    """One file: what came of it, or the error."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: list[T] = []
        self._error: Exception | None = None

    def read(self, decode: Callable[[Path], T], path: Path) -> T:
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._found:
                try:
                    self._found.append(decode(path))
                except Exception as error:
                    self._error = error
                    raise
            return self._found[0]
