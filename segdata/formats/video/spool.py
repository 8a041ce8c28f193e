"""Spool: pieces of bytes by key, kept in a file, for writers that need all of one sequence together."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType


class Spool(AbstractContextManager["Spool"]):
    """Takes pieces in any order and gives them back key by key; the pieces are on disk meanwhile."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    def add(self, key: str, piece: bytes) -> None:
        """Keep a piece."""
        self._places[key].append((self._file.tell(), len(piece)))
        self._file.write(piece)

    def items(self) -> Iterator[tuple[str, list[bytes]]]:
        """Each key, in the order of their first pieces, with its pieces in the order they came."""
        for key, places in self._places.items():
            pieces = []
            for place, size in places:
                self._file.seek(place)
                pieces.append(self._file.read(size))
            yield key, pieces
        self._file.seek(0, 2)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
