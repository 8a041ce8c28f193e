"""Overlapping: which segments of two annotators share pixels, under the rules for what counts for nothing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.opposite import Drawn, Opposite, outside
from segdata.core import kernels
from segdata.core.overlay import Overlaps, SweepRuns, find_overlaps
from segdata.core.runs import Ints, Rows

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Overlapping:
    """The n pairs of a segment of A and one of B that share pixels, and what may become of the segments.

    Void segments have no part in it.

    Attributes
    ----------
    a, b : (n,) rows of `opposite.a` and `opposite.b`
    shared, union : (n,) pixels
    area_a, area_b : (n_a,), (n_b,) pixels
    open_a, open_b : (n_a,), (n_b,) they may be matched
    spared_a, spared_b : (n_a,), (n_b,) they count for nothing if they are not matched
    """

    a: Rows
    b: Rows
    shared: Ints
    union: Ints
    area_a: Ints
    area_b: Ints
    open_a: Flags
    open_b: Flags
    spared_a: Flags
    spared_b: Flags

    @property
    def iou(self) -> Floats:
        """(n,) intersection over union."""
        return self.shared / self.union


def overlapping(opposite: Opposite) -> Overlapping:
    """Both annotators treated alike.

    What either calls void is removed from both. A crowd is not matched, and a segment of its category that lies by
    more than half in a crowd of the other, in void, or in both together counts for nothing unless it is matched. So
    does a segment without pixels.
    """
    clear_a, clear_b = opposite.clear
    a, b = opposite.a, opposite.b
    met = _pairs(opposite.met_clear)
    area_a, area_b = areas(clear_a, len(a)), areas(clear_b, len(b))
    in_crowd_a = in_crowds(a, clear_a, b, clear_b, b.is_crowd)
    in_crowd_b = in_crowds(b, clear_b, a, clear_a, a.is_crowd)
    lost_a, lost_b = a.area - area_a + in_crowd_a, b.area - area_b + in_crowd_b
    return Overlapping(
        met.a,
        met.b,
        met.pixels,
        area_a[met.a] + area_b[met.b] - met.pixels,
        area_a,
        area_b,
        ~(a.is_void | a.is_crowd),
        ~(b.is_void | b.is_crowd),
        (2 * lost_a > a.area) | (a.area == 0) | a.is_crowd,
        (2 * lost_b > b.area) | (b.area == 0) | b.is_crowd,
    )


def judged(opposite: Opposite, *, unlabelled_is_void: bool = True) -> Overlapping:
    """B judged by A, the reference, with panopticapi's rules, which are not the same for both.

    What A calls void is no part of A's segments. It, and what A does not label (`unlabelled_is_void`: one id stands
    for both), is no part of the union of a pair, but still of B's area; what B calls void is only not drawn. A's crowds
    are not matched, are not missed, and of several of one category the last counts: a segment of B that lies in it or
    in void by more than half counts for nothing unless it is matched. B's crowds are segments like others.
    Source: `pq_compute_single_core` of panopticapi; Kirillov et al. (2019), Panoptic Segmentation, CVPR.
    """
    a, b = opposite.a, opposite.b
    void = union(a.runs_of(a.is_void, np.arange(len(a))))
    side_a = outside(a.side, void)
    solid = b.runs_of(~b.is_void, np.arange(len(b)))
    every = find_overlaps(side_a, solid)
    met = _pairs(every)
    area_a, in_void = areas(side_a, len(a)), covered(solid, void, len(b))
    if unlabelled_is_void:
        in_void = _uncovered(every, len(b))
    in_crowd = in_crowds(b, solid, a, side_a, _last_crowds(a))
    return Overlapping(
        met.a,
        met.b,
        met.pixels,
        area_a[met.a] + b.area[met.b] - met.pixels - in_void[met.b],
        area_a,
        b.area,
        ~(a.is_void | a.is_crowd),
        ~b.is_void,
        a.is_crowd,
        2 * (in_void + in_crowd) > b.area,
    )


def _uncovered(met: Overlaps, n_b: int) -> Ints:
    """(n_b,) pixels of B's segments that nothing of A covers."""
    alone = met.a < 0
    found = np.zeros(n_b, np.int64)
    found[met.b[alone]] = met.pixels[alone]
    return found


def _last_crowds(drawn: Drawn) -> Flags:
    """(n,) the last crowd of each category in each case."""
    last = np.zeros(len(drawn), bool)
    crowds = np.flatnonzero(drawn.is_crowd)[::-1]
    key = np.stack([drawn.case[crowds], drawn.category[crowds]])
    last[crowds[np.unique(key, axis=1, return_index=True)[1]]] = True
    return last


def in_crowds(drawn: Drawn, side: SweepRuns, other: Drawn, other_side: SweepRuns, chosen: Flags) -> Ints:
    """(n,) pixels of each segment in crowds of the same category of the other annotator: those `chosen`.

    `side` and `other_side` are the runs that count.
    """
    kept = chosen[other_side.owner]
    if not kept.any():
        return np.zeros(len(drawn), np.int64)
    crowds = SweepRuns(other_side.start[kept], other_side.end[kept], other_side.owner[kept])
    room = 1 + int(max(side.end.max(initial=0), crowds.end.max()))
    joined = union(by_category(crowds, other.category, room))
    return covered(by_category(side, drawn.category, room), joined, len(drawn))


def by_category(side: SweepRuns, category: Ints, room: int) -> SweepRuns:
    """The runs on a line with a stretch of `room` places for each category, so that only equal categories meet.

    `category` is that of the owners, `room` more than the end of the last run: so runs of different ones never touch.
    """
    of = category[side.owner]
    order = kernels.order_by(of.astype(np.int32), int(of.max(initial=0)) + 1)
    by = of[order] * room
    return SweepRuns(side.start[order] + by, side.end[order] + by, side.owner[order])


def union(side: SweepRuns) -> SweepRuns:
    """The pixels that any owner has, each once; the owner is 0."""
    start, length, _ = kernels.cover(side.start, side.end)
    return SweepRuns(start, start + length, np.zeros(len(start), np.int32))


def _pairs(met: Overlaps) -> Overlaps:
    """The rows of `met` with a segment on either side."""
    both = (met.a >= 0) & (met.b >= 0)
    return Overlaps(met.a[both], met.b[both], met.pixels[both])


def areas(side: SweepRuns, n_owners: int) -> Ints:
    """(n_owners,) pixels of each segment."""
    return np.bincount(side.owner, weights=side.end - side.start, minlength=n_owners).astype(np.int64)


def covered(side: SweepRuns, by: SweepRuns, n_owners: int) -> Ints:
    """(n_owners,) pixels of each segment that `by`, whose runs do not overlap, covers."""
    owner, _, _, length = kernels.strips(side.start, side.end, side.owner, by.start, by.end, by.owner)
    return np.bincount(owner, weights=length, minlength=n_owners).astype(np.int64)
