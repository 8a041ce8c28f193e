"""Instance overlaps: pairs of segments of two annotators that share pixels, and rules for which may be matched."""

from dataclasses import dataclass

import numpy as np

from segdata.agreement.annotator_pairs import AnnotatorPair, AnnotatorSegments, uncovered_runs
from segdata.core import kernels
from segdata.core.overlay import Overlaps, SweepRuns, find_overlaps
from segdata.core.runs import Flags, Floats, Ints, Rows


@dataclass(frozen=True, slots=True)
class InstanceOverlaps:
    """The n pairs of a segment of A and one of B that share pixels, without void, and flags of the segments."""

    a: Rows  # (n,) rows of `pair.a`
    b: Rows  # (n,) rows of `pair.b`
    shared: Ints  # (n,) pixels
    union: Ints  # (n,) pixels
    area_a: Ints  # (n_a,), (n_b,) pixels
    area_b: Ints  # (n_a,), (n_b,) pixels
    open_a: Flags  # (n_a,) they may be matched
    open_b: Flags  # (n_b,) they may be matched
    spared_a: Flags  # (n_a,) they count for nothing if they are not matched
    spared_b: Flags  # (n_b,) likewise

    @property
    def iou(self) -> Floats:
        """(n,) intersection over union."""
        return self.shared / self.union


def instance_overlaps(pair: AnnotatorPair) -> InstanceOverlaps:
    """The overlaps of a pair, with the same rules for both annotators.

    Pixels that either labels void are removed from both. A crowd is not matched, and a segment of its category of which
    more than half lies in a crowd of the other, in void, or in both together is ignored unless it is matched. A segment
    without pixels is ignored too.
    """
    clear_a, clear_b = pair.clear
    a, b = pair.a, pair.b
    overlaps = _overlapping_pairs(pair.met_clear)
    area_a, area_b = segment_areas(clear_a, len(a)), segment_areas(clear_b, len(b))
    in_crowd_a = pixels_in_crowds(a, clear_a, b, clear_b, b.is_crowd)
    in_crowd_b = pixels_in_crowds(b, clear_b, a, clear_a, a.is_crowd)
    lost_a, lost_b = a.area - area_a + in_crowd_a, b.area - area_b + in_crowd_b
    return InstanceOverlaps(
        overlaps.a,
        overlaps.b,
        overlaps.pixels,
        area_a[overlaps.a] + area_b[overlaps.b] - overlaps.pixels,
        area_a,
        area_b,
        ~(a.is_void | a.is_crowd),
        ~(b.is_void | b.is_crowd),
        (2 * lost_a > a.area) | (a.area == 0) | a.is_crowd,
        (2 * lost_b > b.area) | (b.area == 0) | b.is_crowd,
    )


def reference_overlaps(pair: AnnotatorPair, *, unlabelled_is_void: bool = True) -> InstanceOverlaps:
    """The overlaps of B with A, the reference, by panopticapi's rules, which are not symmetric.

    Void of A is no part of A's segments. It, and with `unlabelled_is_void` pixels that A does not label, is no part of
    the union of a pair, but still of B's area; void of B counts as unlabelled. A's crowds are neither matched nor
    missed, and only the last one of a category counts: a segment of B of which more than half lies in it or in void is
    ignored unless it is matched. B's crowds are segments like others.
    Source: `pq_compute_single_core` of panopticapi; Kirillov et al. (2019), Panoptic Segmentation, CVPR.
    """
    a, b = pair.a, pair.b
    void = union_of_runs(a.runs_of(a.is_void, np.arange(len(a))))
    side_a = uncovered_runs(a.side, void)
    solid = b.runs_of(~b.is_void, np.arange(len(b)))
    all_overlaps = find_overlaps(side_a, solid)
    overlaps = _overlapping_pairs(all_overlaps)
    area_a, in_void = segment_areas(side_a, len(a)), covered_areas(solid, void, len(b))
    if unlabelled_is_void:
        in_void = _uncovered_areas(all_overlaps, len(b))
    in_crowd = pixels_in_crowds(b, solid, a, side_a, _last_crowds(a))
    return InstanceOverlaps(
        overlaps.a,
        overlaps.b,
        overlaps.pixels,
        area_a[overlaps.a] + b.area[overlaps.b] - overlaps.pixels - in_void[overlaps.b],
        area_a,
        b.area,
        ~(a.is_void | a.is_crowd),
        ~b.is_void,
        a.is_crowd,
        2 * (in_void + in_crowd) > b.area,
    )


def _uncovered_areas(overlaps: Overlaps, n_b: int) -> Ints:
    """(n_b,) the number of pixels of B's segments that no segment of A covers."""
    alone = overlaps.a < 0
    areas = np.zeros(n_b, np.int64)
    areas[overlaps.b[alone]] = overlaps.pixels[alone]
    return areas


def _last_crowds(segments: AnnotatorSegments) -> Flags:
    """(n,) whether a segment is the last crowd of its category in its case."""
    last = np.zeros(len(segments), bool)
    crowds = np.flatnonzero(segments.is_crowd)[::-1]
    key = np.stack([segments.case[crowds], segments.category[crowds]])
    last[crowds[np.unique(key, axis=1, return_index=True)[1]]] = True
    return last


def pixels_in_crowds(
    segments: AnnotatorSegments, side: SweepRuns, other: AnnotatorSegments, other_side: SweepRuns, chosen: Flags
) -> Ints:
    """(n,) the number of pixels of each segment in the `chosen` crowds of its category of the other annotator.

    `side` and `other_side` are the runs that count.
    """
    kept = chosen[other_side.owner]
    if not kept.any():
        return np.zeros(len(segments), np.int64)
    crowds = other_side.take(kept)
    room = 1 + int(max(side.end.max(initial=0), crowds.end.max()))
    joined = union_of_runs(category_lines(crowds, other.category, room))
    return covered_areas(category_lines(side, segments.category, room), joined, len(segments))


def category_lines(side: SweepRuns, category: Ints, room: int) -> SweepRuns:
    """The runs on a line with `room` places for each category, so that only runs of one category overlap.

    `category` is that of the owners, `room` is beyond the end of the last run, so that runs of different ones never
    touch.
    """
    category_of = category[side.owner]
    order = kernels.order_by(category_of.astype(np.int32), int(category_of.max(initial=0)) + 1)
    by = category_of[order] * room
    return SweepRuns(side.start[order] + by, side.end[order] + by, side.owner[order])


def union_of_runs(side: SweepRuns) -> SweepRuns:
    """The union of all owners' runs; the owner is 0."""
    start, length, _ = kernels.cover(side.start, side.end)
    return SweepRuns(start, start + length, np.zeros(len(start), np.int32))


def _overlapping_pairs(overlaps: Overlaps) -> Overlaps:
    """The rows of `overlaps` with a segment on both sides."""
    both = (overlaps.a >= 0) & (overlaps.b >= 0)
    return Overlaps(overlaps.a[both], overlaps.b[both], overlaps.pixels[both])


def segment_areas(side: SweepRuns, n_owners: int) -> Ints:
    """(n_owners,) the number of pixels of each segment."""
    return np.bincount(side.owner, weights=side.end - side.start, minlength=n_owners).astype(np.int64)


def covered_areas(side: SweepRuns, by: SweepRuns, n_owners: int) -> Ints:
    """(n_owners,) the number of pixels of each segment that `by`, whose runs do not overlap, covers."""
    owner, _, _, length = side.strips_with(by)
    return np.bincount(owner, weights=length, minlength=n_owners).astype(np.int64)
