"""Meet: where segments overlap. Overlaps, contingency, IoU, duplicates, contacts and diffs all come from here."""

from dataclasses import dataclass

import numpy as np

from segdata.core import kernels
from segdata.core.line import Line
from segdata.core.runs import Ints, Rows, Runs


@dataclass(frozen=True, slots=True)
class Met:
    """The pairs that meet, sorted by (a, b): segment a of one side, segment b of the other, their shared pixels.

    ``(i, -1)`` counts the pixels of i that no b covers, ``(-1, j)`` the reverse. Rows with 0 pixels are not listed.
    Several segments may cover a pixel, so areas come from the segments, never from sums over these rows.

    Attributes
    ----------
    a, b : (n,) int32, rows of segments, or -1
    pixels : (n,) int64
    """

    a: Rows
    b: Rows
    pixels: Ints


@dataclass(frozen=True, slots=True)
class Side:
    """Runs in sweep order: sorted by start on the line.

    Attributes
    ----------
    start, end : (n,) int64, places on the line, half open
    owner : (n,) int32, rows of segments
    """

    start: Ints
    end: Ints
    owner: Rows

    @staticmethod
    def of(runs: Runs, line: Line, frame: Rows | Ints) -> "Side":
        """`runs` on the line; `frame` is the frame of each owner."""
        start = line.lift(runs, frame)
        order = np.argsort(start, kind="stable")
        start = start[order]
        return Side(start, start + runs.length[order], runs.owner[order])

    def moved(self, by: Ints) -> "Side":
        """Every run moved along the line by `by` (n,) places; still in order if frames move as one."""
        return Side(self.start + by, self.end + by, self.owner)


def meet(a: Side, b: Side) -> Met:
    """Every pair of segments that shares pixels, and what each side has alone."""
    first, second, _, length = kernels.strips(a.start, a.end, a.owner, b.start, b.end, b.owner)
    first, second, pixels = kernels.tally(first, second, length)
    alone_a, alone_b = _alone(a, b, first, pixels), _alone(b, a, second, pixels)
    left, right = (np.flatnonzero(alone).astype(np.int32) for alone in (alone_a, alone_b))
    owner_a = np.concatenate([first, left, np.full(len(right), -1, np.int32)])
    owner_b = np.concatenate([second, np.full(len(left), -1, np.int32), right])
    order = np.lexsort((owner_b, owner_a))
    pixels = np.concatenate([pixels, alone_a[left], alone_b[right]])
    return Met(owner_a[order], owner_b[order], pixels[order])


def meet_within(side: Side) -> Met:
    """Every unordered pair of different segments of one side that shares pixels, with a < b; no -1 rows."""
    first, second, _, length = kernels.strips_within(side.start, side.end, side.owner)
    return Met(*kernels.tally(first, second, length))


def touch_within(side: Side, line: Line) -> Met:
    """Every unordered pair of different segments (a < b) that touch, and the length of their contact in pixel edges.

    Counts pairs of 4-neighbouring pixels, one of a, the other of b. Where segments overlap, pixels inside the
    overlap neighbour each other too; see `meet_within` for those.
    """
    frame = line.frame_of(side.start)
    down = np.ones(len(side.start), np.int64)
    right = line.height[frame] + 1
    found = [
        kernels.strips(moved.start, moved.end, moved.owner, side.start, side.end, side.owner)
        for moved in (side.moved(down), side.moved(right))
    ]
    a = np.concatenate([each[0] for each in found])
    b = np.concatenate([each[1] for each in found])
    length = np.concatenate([each[3] for each in found])
    other = a != b
    a, b, length = a[other], b[other], length[other]
    return Met(*kernels.tally(np.minimum(a, b), np.maximum(a, b), length))


def _alone(side: Side, by: Side, owner: Rows, shared: Ints) -> Ints:
    """(n_owners,) pixels of each owner on `side` that no run of `by` covers; of those with runs there.

    `shared` (n,) pixels are what `owner` (n,) has in common with owners on `by`.
    """
    if (by.start[1:] < by.end[:-1]).any():
        return _summed(side.owner, _uncovered(side, by))
    # Where no pixel is counted twice, what is not shared is alone.
    area = _summed(side.owner, side.end - side.start)
    return area - np.bincount(owner, shared, len(area)).astype(np.int64)


def _summed(owner: Rows, length: Ints) -> Ints:
    """(n_owners,) the sum of each owner's lengths."""
    return np.bincount(owner, length).astype(np.int64)


def _uncovered(side: Side, by: Side) -> Ints:
    """(n,) pixels of each run of `side` that no run of `by` covers."""
    start, length, _ = kernels.cover(by.start, by.end)
    end = start + length
    covered = np.concatenate([[0], np.cumsum(length)])

    def up_to(place: Ints) -> Ints:
        """Pixels of `by`'s union that lie before each place."""
        whole = np.searchsorted(end, place, side="right")
        inside = np.zeros(len(place), np.int64)
        open_ = whole < len(start)
        inside[open_] = np.maximum(place[open_] - start[whole[open_]], 0)
        return covered[whole] + inside

    result: Ints = (side.end - side.start) - (up_to(side.end) - up_to(side.start))
    return result
