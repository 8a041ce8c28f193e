"""Runs of label images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


def label_runs(image: NDArray[np.integer]) -> tuple[Int64, Int64, NDArray[np.integer]]:
    """Runs of equal value, column by column, the background included.

    Takes an image (height, width) of integers, or one of bytes (height, width, 3 or 4), whose values are colours as
    `pack_rgb` has them. Returns `start`, `length` in pixels and `value` (r,), with the image's dtype or that of packed
    colours: the longest vertical runs, which cover the image without gaps.

    >>> start, length, value = label_runs(np.array([[1, 2], [1, 3]], np.uint8))
    >>> start.tolist(), length.tolist(), value.tolist()
    ([0, 2, 3], [2, 1, 1], [1, 2, 3])
    """
    coloured = image.ndim == 3 and image.shape[2] in (3, 4) and image.dtype == np.uint8
    if image.ndim != 2 and not coloured:
        raise ValueError(f"the image has shape {image.shape}: (height, width) is needed, or 3 or 4 bytes a pixel")
    values: NDArray[Any] = pack_rgb(image.view(np.uint8)) if coloured else image  # Any: of the image's dtype, or packed
    columns = np.ascontiguousarray(values.T)
    begins = np.ones(columns.shape, bool)
    np.not_equal(columns[:, 1:], columns[:, :-1], out=begins[:, 1:])
    start = np.flatnonzero(begins)
    return start, np.diff(start, append=values.size), columns.ravel()[start]


def pack_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """One number for each colour: red + 256 green + 65536 blue; alpha is ignored.

    Takes an image (height, width, 3 or 4). Returns (height, width).

    >>> pack_rgb(np.array([[[1, 2, 3]]], np.uint8)).tolist()
    [[197121]]
    """
    if image.shape[2] not in (3, 4):
        raise ValueError(f"the image has {image.shape[2]} channels: 3 or 4 are needed")
    place = np.array([1, 1 << 8, 1 << 16], np.uint32)
    packed: NDArray[np.uint32] = (image[..., :3] * place).sum(axis=2, dtype=np.uint32)
    return packed


def distinct(value: Int64, weight: Int64) -> tuple[Int64, Int64, Int64, Int32]:
    """The distinct values among n: each with the sum of its weights, and where it comes first.

    Takes `value` and `weight` (n,). Returns the values (k,) ascending, their sums (k,), their first positions (k,), and
    the row (n,) among them of each.

    >>> [column.tolist() for column in distinct(np.array([7, 5, 7]), np.array([1, 2, 3]))]
    [[5, 7], [2, 4], [1, 0], [1, 0, 1]]
    """
    if len(value) != len(weight):
        raise ValueError(f"{len(value)} values come with {len(weight)} weights")
    values, first, row = np.unique(value, return_index=True, return_inverse=True)
    total = np.zeros(len(values), np.int64)
    np.add.at(total, row, weight)
    return values, total, first.astype(np.int64, copy=False), row.astype(np.int32)


def deal(
    start: Int64, length: Int64, row: Int32, owner: Int32, n_owners: int, height: int
) -> tuple[Int64, Int64, Int32]:
    """Runs dealt out to owners; those of one owner that touch within a column become one.

    Takes runs (n,) of an image of this height, in pixels, in the order of their starts and without overlaps, the row
    (n,) of each, and `owner` (k,) of each row: -1 for nobody, else from 0 to `n_owners` - 1. Returns `start`, `length`
    and `owner` (m,), sorted by owner and start.

    >>> start, length = np.array([0, 2, 3]), np.array([2, 1, 2])
    >>> [column.tolist() for column in deal(start, length, np.int32([0, 1, 2]), np.int32([0, 0, 0]), 1, 3)]
    [[0, 3], [3, 2], [0, 0]]
    """
    if not len(start) == len(length) == len(row):
        raise ValueError(f"{len(start)} starts come with {len(length)} lengths and {len(row)} rows")
    strange = row[(row < 0) | (row >= len(owner))]
    strange = strange if len(strange) else row[owner[row] >= n_owners]
    if len(strange):
        raise ValueError(f"row {strange[0]} of {len(owner)} rows, and {n_owners} owners: it has none of them")
    whose = owner[row]
    kept = np.flatnonzero(whose >= 0)
    kept = kept[np.argsort(whose[kept], kind="stable")]
    start, length, whose = start[kept], length[kept], whose[kept]
    touches = (whose[1:] == whose[:-1]) & (start[1:] == start[:-1] + length[:-1]) & (start[1:] % height != 0)
    first = np.flatnonzero(np.concatenate([np.ones(min(len(kept), 1), bool), ~touches]))
    return start[first], np.add.reduceat(length, first) if len(first) else length, whose[first]
