"""Pixel sets: pixels of one image as runs of owner 0, joined, shared, and taken from each other. No dense arrays."""

from collections.abc import Sequence

import numpy as np

from segdata.core import kernels
from segdata.core.cover import complement
from segdata.core.finding import Box
from segdata.core.runs import Ints, Runs

Size = tuple[int, int]  # height and width in pixels


def union(pieces: Sequence[Runs], size: Size) -> Runs:
    """The pixels that are in any of these sets.

    >>> a, b = (Runs(np.array([at]), np.array([2]), np.zeros(1, np.int32)) for at in (0, 1))
    >>> union([a, b], (4, 1)).length.tolist()
    [3]
    """
    every = Runs.concatenate(list(pieces), [0] * len(pieces))
    start = _lifted(every, size)
    order = np.argsort(start, kind="stable")
    start, length = start[order], every.length[order]
    return _lowered(*kernels.cover(start, start + length)[:2], size)


def common(one: Runs, other: Runs, size: Size) -> Runs:
    """The pixels that are in both sets."""
    a, b = _lifted(one, size), _lifted(other, size)
    _, _, start, length = kernels.strips(a, a + one.length, one.owner, b, b + other.length, other.owner)
    return _lowered(start, length, size)


def minus(one: Runs, other: Runs, size: Size) -> Runs:
    """The pixels of one set that are not in the other."""
    if not len(other):
        return one
    height, width = (np.array([side], np.int64) for side in size)
    return common(one, complement(other, height, width), size)


def within(runs: Runs, box: Box, size: Size) -> Runs:
    """The pixels that lie in a box."""
    x, y, wide, high = box
    column, top = np.divmod(runs.start, size[0])
    bottom = np.minimum(top + runs.length, y + high)
    top = np.maximum(top, y)
    kept = (column >= x) & (column < x + wide) & (top < bottom)
    return Runs((column * size[0] + top)[kept], (bottom - top)[kept], runs.owner[kept])


def area(runs: Runs) -> int:
    """How many pixels a set has."""
    return int(runs.length.sum())


def _lifted(runs: Runs, size: Size) -> Ints:
    """Where runs start when a spare place follows each column, so that runs of two columns never touch."""
    return runs.start + runs.start // max(size[0], 1)


def _lowered(start: Ints, length: Ints, size: Size) -> Runs:
    return Runs(start - start // (size[0] + 1), length, np.zeros(len(start), np.int32))
