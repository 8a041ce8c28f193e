"""Rows grouped by their owners."""

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


def order_by(owner: Int32, n_owners: int) -> Int64:
    """The order that sorts rows by owner and else leaves them as they are.

    Takes `owner` (n,) from 0 to `n_owners` - 1. Returns (n,) row numbers.

    >>> order_by(np.array([1, 0, 1], np.int32), 2).tolist()
    [1, 0, 2]
    """
    strange = owner[(owner < 0) | (owner >= n_owners)]
    if len(strange):
        raise ValueError(f"owner {strange[0]} of {n_owners} owners: 0 to {n_owners - 1} are possible")
    return np.argsort(owner, kind="stable").astype(np.int64, copy=False)


def tally(a: Int32, b: Int32, weight: Int64) -> tuple[Int32, Int32, Int64]:
    """The sum of weights for every pair (a, b) that occurs, sorted by (a, b).

    Takes rows (n,), where -1 may stand for "none". Returns the pairs `a`, `b` and their sums (p,).

    >>> [column.tolist() for column in tally(np.int32([0, -1, 0]), np.int32([1, 2, 1]), np.int64([5, 6, 7]))]
    [[-1, 0], [2, 1], [6, 12]]
    """
    order = np.lexsort((b, a))
    a, b = a[order], b[order]
    first = np.ones(len(a), bool)
    first[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    total = np.add.reduceat(weight[order], np.flatnonzero(first)) if len(a) else weight[:0]
    return a[first], b[first], total
