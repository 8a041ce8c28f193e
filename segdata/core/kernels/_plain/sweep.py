"""Overlaps of runs on a number line."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._plain.ranges import expand

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


def strips(
    a_start: Int64, a_end: Int64, a_owner: Int32, b_start: Int64, b_end: Int64, b_owner: Int32
) -> tuple[Int32, Int32, Int64, Int64]:
    """Every overlap of a run of side a with a run of side b.

    Takes runs from `start` up to, not including, `end`, sorted by `start`; runs of one side may overlap unless they
    have the same owner. Returns the owners `a` and `b`, `start` and `length` (s,), sorted by (start, a, b, length).

    >>> zero, one = np.zeros(1, np.int32), np.array([1])
    >>> [column.tolist() for column in strips(one, one + 5, zero, one + 3, one + 9, zero)]
    [[0], [0], [4], [2]]
    """
    # An overlap begins where b begins within a, or where a begins within b.
    j, i = expand(np.searchsorted(b_start, a_start), np.searchsorted(b_start, a_end))
    k, m = expand(np.searchsorted(a_start, b_start, side="right"), np.searchsorted(a_start, b_end))
    i, j = np.concatenate([i, k]), np.concatenate([j, m])
    start = np.maximum(a_start[i], b_start[j])
    length = np.minimum(a_end[i], b_end[j]) - start
    return _in_order(a_owner[i], b_owner[j], start, length)


def strips_within(start: Int64, end: Int64, owner: Int32) -> tuple[Int32, Int32, Int64, Int64]:
    """Every overlap of two runs of one side that have different owners, the smaller owner first.

    Takes and returns what `strips` does.

    >>> start = np.array([1, 4])
    >>> [column.tolist() for column in strips_within(start, start + 5, np.array([7, 3], np.int32))]
    [[3], [7], [4], [2]]
    """
    j, i = expand(np.arange(1, len(start) + 1), np.searchsorted(start, end))
    i, j = i[owner[i] != owner[j]], j[owner[i] != owner[j]]
    length = np.minimum(end[i], end[j]) - start[j]
    return _in_order(np.minimum(owner[i], owner[j]), np.maximum(owner[i], owner[j]), start[j], length)


def cover(start: Int64, end: Int64) -> tuple[Int64, Int64, Int64]:
    """The union of intervals: the longest intervals that are covered, touching ones joined.

    Takes intervals from `start` up to, not including, `end`, sorted by `start`. Returns `start`, `length` and
    `multiple` (u,): how many pixels of each are covered more than once.

    >>> [column.tolist() for column in cover(np.array([0, 1, 3, 9]), np.array([3, 2, 5, 10]))]
    [[0, 9], [5, 1], [1, 0]]
    """
    start, end = start[end > start], end[end > start]
    if len(start) == 0:
        return start, end, start
    once = np.maximum.accumulate(end)  # up to where pixels are covered, after each interval
    before = np.concatenate([start[:1], once[:-1]])
    shared = np.minimum(end, before)
    twice = np.concatenate([start[:1], np.maximum.accumulate(shared)[:-1]])
    first = np.flatnonzero(np.concatenate([[True], start[1:] > once[:-1]]))
    multiple = np.add.reduceat(np.maximum(0, shared - np.maximum(start, twice)), first)
    last = np.concatenate([first[1:], [len(start)]]) - 1
    return start[first], once[last] - start[first], multiple


def _in_order(a: Int32, b: Int32, start: Int64, length: Int64) -> tuple[Int32, Int32, Int64, Int64]:
    order = np.lexsort((length, b, a, start))
    order = order[length[order] > 0]
    return a[order], b[order], start[order], length[order]
