"""Feret: the largest distance between two points of a segment."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints, Rows, Runs, columns, spread

Floats = NDArray[np.float64]
_AT_ONCE = 4_000_000  # pairs of points


def feret(runs: Runs, height: Ints, n_owners: int, *steps: tuple[Floats, Floats]) -> list[Floats]:
    """The largest Feret diameter (n_owners,) of every owner, in the unit of each of `steps`; NaN without pixels.

    `height` (n_owners,) is that of the owner's image; a step is the width and height (n_owners,) of a pixel, and none
    given means pixels. Distances are between the middles of pixel edges: one pixel has a diameter of 1. Those of
    `skimage.measure.regionprops` are too, but it draws the convex hull in pixels first, and so is up to a pixel more.
    Source: L. R. Feret (1931), Assoc. Int. pour l'Essai des Mat. 2, Group D, 428-436.
    """
    owner, x, y = _hull(runs, height)
    first = np.searchsorted(owner, np.arange(n_owners + 1)).astype(np.int64)
    ones = np.ones(n_owners)
    found = [np.full(n_owners, np.nan) for _ in steps or (1,)]
    count = np.diff(first)
    for begin, end in _portions(count**2):
        mine = slice(first[begin], first[end])
        of = owner[mine].astype(np.int64)
        a = np.repeat(np.arange(mine.start, mine.stop), count[of])
        b = spread(first[of], count[of])
        dx, dy = (np.abs(side[a] - side[b]) for side in (x, y))
        some = np.flatnonzero(count[begin:end]) + begin
        starts = np.cumsum(count[some] ** 2) - count[some] ** 2
        for result, (wide, high) in zip(found, steps or ((ones, ones),), strict=True):
            # Around the middle of each of the two pixels lie the middles of its edges, half a pixel away on each side.
            across, down = wide[owner[a]], high[owner[a]]
            level = ((dx + 1) * across) ** 2 + (dy * down) ** 2
            squared = np.maximum(level, (dx * across) ** 2 + ((dy + 1) * down) ** 2)
            result[some] = np.sqrt(np.maximum.reduceat(squared, starts)) if len(some) else 0
    return found


def _portions(work: Ints) -> list[tuple[int, int]]:
    """Owners in portions of about `_AT_ONCE` pairs."""
    number = np.cumsum(work) // _AT_ONCE
    cuts = np.flatnonzero(np.diff(number)) + 1
    bounds = [0, *cuts.tolist(), len(work)]
    return [(a, b) for a, b in pairwise(bounds) if b > a]


def _hull(runs: Runs, height: Ints) -> tuple[Rows, Ints, Ints]:
    """The corners of the convex hull of the middles of every owner's pixels, sorted by owner."""
    x, top = columns(runs, height)
    first = np.ones(len(x), bool)
    first[1:] = (runs.owner[1:] != runs.owner[:-1]) | (x[1:] != x[:-1])
    last = np.roll(first, -1)
    upper = _chain(runs.owner[first], x[first], top[first])
    lower = _chain(runs.owner[last], x[last], -(top + runs.length - 1)[last])
    owner = np.concatenate([upper[0], lower[0]])
    order = np.argsort(owner, kind="stable")
    x, y = np.concatenate([upper[1], lower[1]]), np.concatenate([upper[2], -lower[2]])
    return owner[order], x[order], y[order]


def _chain(owner: Rows, x: Ints, y: Ints) -> tuple[Rows, Ints, Ints]:
    """The corners of the hull where y is least, of points that are sorted by owner and x, one for each x.

    A point that is not below the line between its neighbours is no corner, whatever else is taken away; so all such
    points go at once, until there are none.
    """
    while True:
        inner = (owner[2:] == owner[1:-1]) & (owner[1:-1] == owner[:-2])
        over = (y[1:-1] - y[:-2]) * (x[2:] - x[:-2]) >= (y[2:] - y[:-2]) * (x[1:-1] - x[:-2])
        gone = inner & over
        if not gone.any():
            return owner, x, y
        kept = np.ones(len(owner), bool)
        kept[1:-1] = ~gone
        owner, x, y = owner[kept], x[kept], y[kept]
