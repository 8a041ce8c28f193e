"""Overlays: sums over the pixels that two segments share, by pair."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._reference.groups import extents, sums
from segdata.core.kernels._reference.outlines import parts
from segdata.core.kernels._reference.sweep import check_owners, cover, lower, strips, strips_within

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Pairs = tuple[Int32, Int32, Int64]


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


def overlaps(a_start: Int64, a_end: Int64, a_owner: Int32, b_start: Int64, b_end: Int64, b_owner: Int32) -> Pairs:
    """How many pixels owners of two sides share.

    Takes two sides as `strips` does. Returns the pairs `a`, `b` that share pixels, sorted, and their pixels (p,). A
    pixel that several runs of one owner cover counts for each of them.

    >>> zero, one = np.zeros(1, np.int32), np.array([1])
    >>> [column.tolist() for column in overlaps(one, one + 5, zero, one + 3, one + 9, zero)]
    [[0], [0], [2]]
    """
    a, b, _, length = strips(a_start, a_end, a_owner, b_start, b_end, b_owner)
    return tally(a, b, length)


def overlaps_within(start: Int64, end: Int64, owner: Int32) -> Pairs:
    """How many pixels two different owners of one side share, the smaller owner first; see `overlaps`.

    >>> start = np.array([1, 4])
    >>> [column.tolist() for column in overlaps_within(start, start + 5, np.array([7, 3], np.int32))]
    [[3], [7], [2]]
    """
    a, b, _, length = strips_within(start, end, owner)
    return tally(a, b, length)


def shared_pixels(start: Int64, end: Int64, owner: Int32, base: Int64, height: Int64) -> Pairs:
    """The pairs of owners that share pixels, and how many.

    Takes runs on the number line from `start` up to, not including, `end`, sorted by `start`, those of one owner
    disjoint; and the frames of the line (see `lower`). Returns the pairs `a` < `b` that share pixels, sorted, and for
    these, as rows, (6, n_pairs): pixels, x, y, width and height of the box, and perimeter in pixel edges.

    >>> start, frame = np.array([3, 4]), np.array([0])
    >>> a, b, rows = shared_pixels(start, start + 3, np.array([7, 2], np.int32), frame, frame + 9)
    >>> a.tolist(), b.tolist(), rows.ravel().tolist()
    ([2], [7], [2, 0, 4, 1, 2, 6])
    """
    _check_side(start, end, owner, base, height)
    first, second, place, length = strips_within(start, end, owner)
    a, b, which = _number_pairs(first, second)
    _, x, top = lower(place, base, height)
    order = np.lexsort((top, x, which))
    which, x, top, length = which[order], x[order], top[order], length[order]
    area, *box = extents(which, x, top, top + length, len(a))
    _, left, _ = parts(x, top, top + length, which.astype(np.int32), False)
    edges = 2 * (np.bincount(which, minlength=len(a)) + area - sums(which, left, len(a)))
    return a, b, np.stack([area, *box, edges])


def contacts(start: Int64, end: Int64, owner: Int32, base: Int64, height: Int64, kind: Int64) -> Pairs:
    """Contacts of two owners of one kind: the pixel edges between a pixel of the one and one of the other.

    Takes runs and frames as `shared_pixels` does, and the kind (n_owners,) of each owner. Pixels inside an overlap of
    owners touch, too. Returns the pairs `a` < `b` that touch, sorted, and for these (10, n_pairs): x, y, width and
    height of the box around all edges; how many edges there are; and the integrals along them of 2 x, 2 y, 3 x^2, 3 y^2
    and 4 x y, in pixels from the box's corner. All are whole numbers.

    >>> start, frame = np.array([3, 5]), np.array([0])
    >>> a, b, rows = contacts(start, start + 2, np.array([7, 2], np.int32), frame, frame + 9, np.zeros(8, np.int64))
    >>> a.tolist(), b.tolist(), rows.ravel().tolist()
    ([2], [7], [0, 5, 1, 0, 1, 1, 0, 1, 0, 0])
    """
    _check_side(start, end, owner, base, height)
    check_owners(owner, len(kind))
    frame = np.searchsorted(base, start, side="right") - 1
    columns = []
    for upright, step in ((False, np.ones(len(start), np.int64)), (True, height[frame] + 1)):
        first, second, place, length = strips(start + step, end + step, owner, start, end, owner)
        kept = (first != second) & (kind[first] == kind[second])
        _, x, y = lower(place[kept], base, height)
        columns.append((first[kept], second[kept], x, y, length[kept], np.full(len(x), upright)))
    first, second, x, y, k, is_upright = (np.concatenate(column) for column in zip(*columns, strict=True))
    a, b, which = _number_pairs(np.minimum(first, second), np.maximum(first, second))
    left, top = (np.full(len(a), np.iinfo(np.int64).max) for _ in range(2))
    np.minimum.at(left, which, x)
    np.minimum.at(top, which, y)
    right, bottom = left.copy(), top.copy()
    np.maximum.at(right, which, x + ~is_upright)
    np.maximum.at(bottom, which, y + k - ~is_upright)
    u, v = x - left[which], y - top[which]
    # An upright strip is one line of k edges; another is k level edges, one below the other.
    middle = 2 * u + ~is_upright
    along = 2 * v * k + k * (k - ~is_upright)
    across = np.where(is_upright, 3 * u * u, 3 * u * u + 3 * u + 1) * k
    level = 3 * v * v * k + 3 * v * k * (k - 1) + (k - 1) * k * (2 * k - 1) // 2
    down = np.where(is_upright, (v + k) ** 3 - v**3, level)
    moments = [sums(which, part, len(a)) for part in (k, middle * k, along, across, down, middle * along)]
    return a, b, np.stack([left, top, right - left, bottom - top, *moments])


def bands(
    start: Int64, end: Int64, owner: Int32, base: Int64, height: Int64, seen: NDArray[np.uint8], widest: int
) -> Pairs:
    """Which owners follow each other down the columns of their frame, with nothing or a narrow band between.

    Takes runs and frames as `shared_pixels` does; which owners (n_owners,) are `seen`, 1 or 0: the others are as
    nothing; and the widest band in pixels. Returns the pairs `a` < `b` of which a run begins where one of the other
    ends, or above, or at most `widest` below, and is the next that begins; and for these, as rows, (2, n_pairs): in
    how many places no pixel is between, and in how many some are.

    >>> start, frame = np.array([3, 6]), np.array([0])
    >>> a, b, rows = bands(start, start + 2, np.int32([1, 0]), frame, frame + 9, np.ones(2, np.uint8), 5)
    >>> a.tolist(), b.tolist(), rows.ravel().tolist()
    ([0], [1], [0, 1])
    """
    _check_side(start, end, owner, base, height)
    check_owners(owner, len(seen))
    rows = np.flatnonzero(seen[owner])
    start, end, owner = start[rows], end[rows], owner[rows]
    between = start[1:] - end[:-1]
    above = np.flatnonzero((between <= widest) & (owner[1:] != owner[:-1]))
    # The next run may be that of the next column, which is as near on the line as a band is wide.
    frame, _, y = lower(start[above], base, height)
    above = above[y + start[above + 1] - start[above] < height[frame]]
    first, second = owner[above], owner[above + 1]
    a, b, which = _number_pairs(np.minimum(first, second), np.maximum(first, second))
    apart = np.bincount(which[between[above] > 0], minlength=len(a))
    return a, b, np.stack([np.bincount(which, minlength=len(a)) - apart, apart]).astype(np.int64)


def cover_frames(start: Int64, end: Int64, base: Int64) -> Int64:
    """How much of each frame is covered: (2, n_frames) pixels in at least one run, and in at least two.

    Takes intervals as `cover` does, and where each frame of the line begins.

    >>> cover_frames(np.array([0, 1, 9]), np.array([3, 2, 10]), np.array([0, 5, 7])).tolist()
    [[3, 0, 1], [1, 0, 0]]
    """
    if len(start) != len(end):
        raise ValueError(f"{len(start)} starts come with {len(end)} ends")
    _check_frames(start, base)
    place, length, multiple = cover(start, end)
    frame = np.searchsorted(base, place, side="right") - 1
    return np.stack([sums(frame, length, len(base)), sums(frame, multiple, len(base))])


def _number_pairs(a: Int32, b: Int32) -> tuple[Int32, Int32, Int64]:
    """The pairs (a, b) that occur, sorted, and (n,) the number of each row's pair."""
    order = np.lexsort((b, a))
    first = np.ones(len(a), bool)
    first[1:] = (a[order[1:]] != a[order[:-1]]) | (b[order[1:]] != b[order[:-1]])
    which = np.empty(len(a), np.int64)
    which[order] = np.cumsum(first) - 1
    return a[order[first]], b[order[first]], which


def _check_side(start: Int64, end: Int64, owner: Int32, base: Int64, height: Int64) -> None:
    """Refuse columns that do not fit."""
    if not len(start) == len(end) == len(owner):
        raise ValueError(f"{len(start)} starts come with {len(end)} ends and {len(owner)} owners")
    if len(base) != len(height):
        raise ValueError(f"{len(base)} base come with {len(height)} height")
    _check_frames(start, base)


def _check_frames(start: Int64, base: Int64) -> None:
    """Refuse runs that are not sorted, and such as lie before all frames."""
    if len(start) and (len(base) == 0 or start[0] < max(base[0], 0)):
        raise ValueError(f"place {start[0]} lies before all {len(base)} frames")
    if (start[1:] < start[:-1]).any():
        raise ValueError("runs are not sorted by where they start")
