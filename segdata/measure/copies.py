"""Copies: which image files are the same, byte by byte."""

import hashlib
import os
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from segdata.core.splits import split_of

_PIECE = 1 << 20
_TAIL = 4096  # bytes; pictures that only have the same size differ there, and beginnings are alike
K = TypeVar("K", bound=Hashable)


def copies(images: pa.Table) -> pa.Table:
    """Columns `content`, the BLAKE2 hash of an image's file where another may be the same, and `part`, its split.

    Where no split is said its folder may tell it. Content is null for files that cannot be read, for those that no
    other has the size and the last bytes of, and for files that hold several frames or slices.
    """
    uris, names, sequences = (images[name].to_pylist() for name in ("uri", "image_id", "sequence"))
    splits = [split or split_of(name) for split, name in zip(images["split"].to_pylist(), names, strict=True)]
    frames: set[str] = set()
    several: set[str] = set()
    for uri, sequence in zip(uris, sequences, strict=True):
        if sequence is not None and uri is not None:
            (several if uri in frames else frames).add(uri)
    rows = [row for row, uri in enumerate(uris) if uri is not None and "://" not in uri and uri not in several]
    with ThreadPoolExecutor() as pool:
        rows = _shared(rows, pool.map(_size, [uris[row] for row in rows]))
        rows = _shared(rows, pool.map(_tail, [uris[row] for row in rows]))
        found = dict(zip(rows, pool.map(_content, [uris[row] for row in rows]), strict=True))
    content = [found.get(row) for row in range(len(uris))]
    return pa.table({"content": pa.array(content, pa.string()), "part": pa.array(splits, pa.string())})


def _shared(rows: Sequence[int], keys: Iterable[K | None]) -> list[int]:
    """The rows whose key another row has, too."""
    of: dict[K, list[int]] = {}
    for row, key in zip(rows, keys, strict=True):
        if key is not None:
            of.setdefault(key, []).append(row)
    return sorted(row for several in of.values() if len(several) > 1 for row in several)


def _size(uri: str) -> int | None:
    """How many bytes a file on this machine has; None where there is none."""
    try:
        return os.stat(uri).st_size  # noqa: PTH116 - a Path for each of many files would take longer than this
    except (OSError, ValueError):
        return None


def _tail(uri: str) -> tuple[int, bytes] | None:
    """The size and the last bytes of a file."""
    try:
        with Path(uri).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _TAIL, 0))
            return size, hashlib.blake2b(file.read(), digest_size=16).digest()
    except OSError:
        return None


def _content(uri: str) -> str | None:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with Path(uri).open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError:
        return None
    return digest.hexdigest()
