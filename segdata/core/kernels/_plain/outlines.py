"""The way around segments along the edges of their pixels, and short ways from one ring to another."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels.offsets import check_offsets
from segdata.core.kernels.reach import check_reach

Int64 = NDArray[np.int64]


def follow(x: Int64, top: Int64, bottom: Int64, owner: NDArray[np.int32]) -> Int64:
    """Which edge of a run comes after each on the way around its segment, pixels of the segment on the right hand.

    Takes runs in column `x` from row `top` up to, not including, `bottom`, sorted by (owner, x, top), disjoint for
    each owner, and none touching another in its column. Edge 2 i is the top of run i, from left to right; edge 2 i + 1
    is its bottom, from right to left. Returns (2 n,): the edge after each; what leads from one to the other lies on
    the line between two columns. Where two pixels touch at a corner only, the way turns right: it stays on the pixel.

    >>> x, top = np.array([0, 1]), np.array([0, 1])
    >>> follow(x, top, top + 2, np.zeros(2, np.int32)).tolist()
    [2, 0, 3, 1]
    """
    edge = np.arange(2 * len(x))
    run, is_top = edge // 2, edge % 2 == 0
    y = np.where(is_top, top[run], bottom[run])
    # Each edge has an end on the line to its right and one on the line to its left. A top arrives at the right one.
    edges, tops = np.tile(edge, 2), np.tile(is_top, 2)
    arrives = tops == np.repeat([True, False], len(edge))
    line = np.concatenate([x[run] + 1, x[run]])
    # Down a line, every end begins or ends a stretch with the segment on one side only, so two by two they belong
    # together. Bottoms first: then it is pixels, not gaps, that a touching corner keeps apart.
    order = np.lexsort((tops, np.tile(y, 2), line, owner[np.tile(run, 2)]))
    upper, lower = order[0::2], order[1::2]
    begins = arrives[upper]
    after = np.empty(2 * len(x), np.int64)
    after[edges[np.where(begins, upper, lower)]] = edges[np.where(begins, lower, upper)]
    return after


def cycles(after: Int64) -> tuple[Int64, Int64]:
    """The cycles of a permutation.

    Takes what comes after each of n items. Returns `order` (n,), the items cycle by cycle, each cycle from its
    smallest item on and the cycles in the order of those; and `offset` (n_cycles + 1,), where each begins in `order`.

    >>> [column.tolist() for column in cycles(np.array([2, 1, 4, 3, 0]))]
    [[0, 2, 4, 1, 3], [0, 3, 4, 5]]
    """
    n = len(after)
    if not np.array_equal(np.sort(after), np.arange(n)):
        raise ValueError(f"{n} items do not come after one another in cycles")
    first, ahead = np.arange(n), after
    while not np.array_equal(first, smaller := np.minimum(first, first[ahead])):
        first, ahead = smaller, ahead[ahead]
    last = after == first
    steps = np.where(last, 0, 1)  # to the last item of the cycle, by doubling
    ahead = np.where(last, np.arange(n), after)
    while (more := steps[ahead]).any():
        steps, ahead = steps + more, ahead[ahead]
    order = np.lexsort((-steps, first))
    begins = np.flatnonzero(first == np.arange(n))
    return order, np.concatenate([np.searchsorted(first[order], begins), [n]]).astype(np.int64)


def bridges(xy: NDArray[np.float64], ring: Int64, first: Int64) -> tuple[Int64, Int64]:
    """A short way from each ring to one of those before it.

    Takes coordinates `xy` (x, y, x, y, ...); ring j is `xy[ring[j]:ring[j + 1]]`, with one point or more; it may be
    joined to rings `first[j]` to j - 1. Rings with `first[j]` = j begin a group of their own, which rings after them
    do not reach beyond. Returns points `here` (n_rings,) of the ring itself and `there` (n_rings,) of another, -1 for
    a ring with nowhere to go: `there` is the point nearest to the ring's first, and `here` the one nearest to that.
    Of points that are equally near it is the first.

    >>> points = np.array([0.0, 0, 9, 0, 9, 9, 12, 0, 10, 0])
    >>> [column.tolist() for column in bridges(points, np.array([0, 6, 10]), np.array([0, 0]))]
    [[-1, 4], [-1, 1]]
    """
    check_offsets(ring, len(first), len(xy))
    check_reach(ring, first)
    points, start = xy.reshape(-1, 2), ring // 2
    here, there = np.full(len(first), -1), np.full(len(first), -1)
    for j in np.flatnonzero(first < np.arange(len(first))).tolist():
        there[j] = _nearest(points, start[first[j]], start[j], start[j])
        here[j] = _nearest(points, start[j], start[j + 1], there[j])
    return here, there


def _nearest(points: NDArray[np.float64], low: int, high: int, to: int) -> int:
    """The first point of `low:high` that is nearest to the point `to`."""
    return low + int(((points[low:high] - points[to]) ** 2).sum(axis=1).argmin())
