"""Connected parts of segments, from runs."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._plain.ranges import expand

Int64 = NDArray[np.int64]


def parts(x: Int64, top: Int64, bottom: Int64, owner: NDArray[np.int32], diagonal: bool) -> tuple[Int64, Int64, Int64]:
    """The connected part of each run, how many of its pixels have their owner to the left, too, and its links.

    Takes runs in column `x` from row `top` up to, not including, `bottom`, sorted by (owner, x, top) and disjoint for
    each owner. Runs of one owner are connected where they share a row in adjacent columns, or touch in one column;
    with `diagonal` also where only corners touch. Returns `part` (n,), numbered from 0 in the order of first runs
    over all owners, `left` (n,) in pixels, and `links` (n,): the runs in the column to the left that a run touches,
    and the one above it where the two touch. Without `diagonal`, and where no run touches the one above it, a part's
    runs less its links are its Euler number: runs are simply connected, and no three of them meet.

    >>> x, top = np.array([0, 0, 1]), np.array([0, 5, 1])
    >>> part, left, links = parts(x, top, top + 2, np.zeros(3, np.int32), False)
    >>> part.tolist(), left.tolist(), links.tolist()
    ([0, 1, 0], [0, 0, 1], [0, 0, 1])
    """
    # Heavy, and only needed where nothing is compiled.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(x)
    i, j = _left_neighbours(x, top, bottom, owner, diagonal)
    shared = np.maximum(0, np.minimum(bottom[i], bottom[j]) - np.maximum(top[i], top[j]))
    left = np.zeros(n, np.int64)
    np.add.at(left, i, shared)
    same_column = (x[1:] == x[:-1]) & (owner[1:] == owner[:-1])
    below = np.flatnonzero(same_column & (top[1:] == bottom[:-1])) + 1
    i, j = np.concatenate([i, below]), np.concatenate([j, below - 1])
    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(n, n))
    label = connected_components(graph, directed=False)[1] if n else np.zeros(0, np.int32)
    _, first, part = np.unique(label, return_index=True, return_inverse=True)
    links = np.bincount(i, minlength=n).astype(np.int64, copy=False)
    return np.argsort(np.argsort(first))[part].astype(np.int64, copy=False), left, links


def _left_neighbours(
    x: Int64, top: Int64, bottom: Int64, owner: NDArray[np.int32], diagonal: bool
) -> tuple[Int64, Int64]:
    """Runs i and the runs j of the same owner in the column to their left that they touch."""
    new = np.ones(len(x), bool)
    new[1:] = (x[1:] != x[:-1]) | (owner[1:] != owner[:-1])
    group = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    adjacent = np.zeros(len(first), bool)
    adjacent[1:] = (owner[first[1:]] == owner[first[:-1]]) & (x[first[1:]] == x[first[:-1]] + 1)
    # All columns one after the other on one line, far enough apart that corners cannot touch.
    lowest = top.min(initial=0)
    line = group * (bottom.max(initial=0) - lowest + 2) - lowest
    before = line - (bottom.max(initial=0) - lowest + 2)
    touches = int(diagonal)
    low = np.searchsorted(line + bottom + touches, before + top, side="right")
    high = np.searchsorted(line + top, before + bottom + touches, side="left")
    j, i = expand(low, np.where(adjacent[group], high, low))
    return i, j
