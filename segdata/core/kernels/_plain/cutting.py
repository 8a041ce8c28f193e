"""Intervals on a number line, cut where others begin and end."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._plain.ranges import expand

Int64 = NDArray[np.int64]


def cut(
    a_start: Int64, a_end: Int64, b_start: Int64, b_end: Int64, inside: bool = True, outside: bool = True
) -> tuple[Int64, Int64, Int64, NDArray[np.bool_]]:
    """The pieces of intervals a that lie inside and outside intervals b.

    Takes intervals from `start` up to, not including, `end`: a (n,) in any order, which may overlap; b (m,) sorted,
    which may touch but not overlap; and which pieces are wanted. Returns these in the order of a and then of the line:
    the `row` of a that each is of, `start`, `end`, and whether it is inside b. Where two intervals of b touch, pieces
    end too.

    >>> [each.tolist() for each in cut(np.array([0]), np.array([9]), np.array([2, 5]), np.array([3, 20]))]
    [[0, 0, 0, 0], [0, 2, 3, 5], [2, 3, 5, 9], [False, True, False, True]]
    """
    bound = np.stack([b_start, b_end], axis=1).reshape(-1)
    passed = np.searchsorted(bound, a_start, side="right")
    within, interval = expand(passed, np.searchsorted(bound, a_end))
    count = np.bincount(interval, minlength=len(a_start)) + 1
    row = np.repeat(np.arange(len(a_start)), count)
    last = np.cumsum(count) - 1
    number = np.arange(len(row)) - (last - count + 1)[row]  # of each piece within its interval
    start, end = np.empty(len(row), np.int64), np.empty(len(row), np.int64)
    start[number == 0], end[last] = a_start, a_end
    start[number > 0] = bound[within]
    end[number < (count - 1)[row]] = bound[within]
    is_inside = (passed[row] + number) % 2 == 1
    some = (end > start) & np.where(is_inside, inside, outside)
    return row[some], start[some], end[some], is_inside[some]
