"""Nesting: which rings lie inside which."""

from collections.abc import Iterator

import numpy as np

from segdata.core.outline import Number, Rings, ahead_of
from segdata.core.runs import Ints, spread

_PORTION = 2_000_000  # comparisons that are made at once


def smallest_around(rings: Rings[Number]) -> Ints:
    """(n_rings,) the smallest outer ring around each ring that is a hole; for the others, themselves.

    Holes are rings inside an odd number of rings of their owner, whatever `rings.outer` says. What is looked at is the
    middle of a ring's first edge, so rings that touch at points are told apart, and those that cross are not.

    >>> xy = np.array([2, 2, 2, 3, 3, 3, 3, 2, 0, 0, 5, 0, 5, 5, 0, 5])
    >>> smallest_around(Rings(xy, np.array([0, 8, 16]), np.zeros(2, np.int32), np.arange(2))).tolist()
    [1, 1]
    """
    inner, around = _nested(rings)
    depth = np.bincount(inner, minlength=len(rings))
    fits = (depth[inner] % 2 == 1) & (depth[around] % 2 == 0)
    inner, around = inner[fits], around[fits]
    largest_first = np.lexsort((-np.abs(rings.areas)[around], inner))
    outer = np.arange(len(rings))
    outer[inner[largest_first]] = around[largest_first]  # the last one written, the smallest, stays
    return outer


def _nested(rings: Rings[Number]) -> tuple[Ints, Ints]:
    """Pairs of rings of one owner, the first inside the second: an odd number of edges of the second is above it."""
    n, ahead = len(rings), ahead_of(rings.ring // 2)
    a = rings.xy.reshape(-1, 2).astype(np.float64)
    b = a[ahead]
    middle = ((a + b) / 2)[rings.ring[:-1] // 2]
    of = np.repeat(np.arange(n), np.diff(rings.ring) // 2)
    # Owners one after the other on one line along x.
    different, place = np.unique(np.concatenate([a[:, 0], middle[:, 0]]), return_inverse=True)
    line = place + np.concatenate([rings.owner[of], rings.owner]).astype(np.int64) * len(different)
    begin, end = np.sort([line[: len(a)], line[: len(a)][ahead]], axis=0)
    found = [np.empty(0, np.int64)]
    for edge, inner in _stabbed(begin, end, line[len(a) :]):
        share = (middle[inner, 0] - a[edge, 0]) / (b[edge, 0] - a[edge, 0])
        above = a[edge, 1] + share * (b[edge, 1] - a[edge, 1]) < middle[inner, 1]
        above &= of[edge] != inner
        found.append(inner[above] * n + of[edge[above]])
    pair, times = np.unique(np.concatenate(found), return_counts=True)
    inner, around = np.divmod(pair[times % 2 == 1], max(n, 1))
    return inner, around


def _stabbed(begin: Ints, end: Ints, at: Ints) -> Iterator[tuple[Ints, Ints]]:
    """All pairs of an interval and a place in it, ``begin <= at < end``, in portions.

    Intervals are looked at by their lengths, for one that holds a place does not begin farther before it than it is
    long: so there are few in vain.
    """
    size = np.ceil(np.log2(np.maximum(end - begin, 1))).astype(np.int64)
    for longest in np.unique(size).tolist():
        some = np.flatnonzero((size == longest) & (end > begin))
        some = some[np.argsort(begin[some], kind="stable")]
        first = np.searchsorted(begin[some], at - 2**longest, side="right")
        count = np.searchsorted(begin[some], at, side="right") - first
        for places in _portions(count):
            interval, place = some[spread(first[places], count[places])], np.repeat(places, count[places])
            inside = end[interval] > at[place]
            yield interval[inside], place[inside]


def _portions(count: Ints) -> Iterator[Ints]:
    """Rows in portions of so many comparisons that memory is no matter."""
    yield from np.split(np.arange(len(count)), np.flatnonzero(np.diff((np.cumsum(count) - 1) // _PORTION)) + 1)
