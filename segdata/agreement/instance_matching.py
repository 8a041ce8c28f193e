"""Instance matching: which segments of two annotators are the same thing, and which of them only one annotator has."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.annotator_pairs import AnnotatorPair, AnnotatorSegments, uncovered_runs
from segdata.agreement.assignment import match_optimal
from segdata.core import kernels
from segdata.core.overlay import Overlaps, SweepRuns, find_overlaps
from segdata.core.runs import Ints, Rows
from segdata.core.table import Column

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class InstanceOverlaps:
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


def instance_overlaps(opposite: AnnotatorPair) -> InstanceOverlaps:
    """Both annotators treated alike.

    What either calls void is removed from both. A crowd is not matched, and a segment of its category that lies by
    more than half in a crowd of the other, in void, or in both together counts for nothing unless it is matched. So
    does a segment without pixels.
    """
    clear_a, clear_b = opposite.clear
    a, b = opposite.a, opposite.b
    met = _overlapping_pairs(opposite.met_clear)
    area_a, area_b = segment_areas(clear_a, len(a)), segment_areas(clear_b, len(b))
    in_crowd_a = pixels_in_crowds(a, clear_a, b, clear_b, b.is_crowd)
    in_crowd_b = pixels_in_crowds(b, clear_b, a, clear_a, a.is_crowd)
    lost_a, lost_b = a.area - area_a + in_crowd_a, b.area - area_b + in_crowd_b
    return InstanceOverlaps(
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


def reference_overlaps(opposite: AnnotatorPair, *, unlabelled_is_void: bool = True) -> InstanceOverlaps:
    """B judged by A, the reference, with panopticapi's rules, which are not the same for both.

    What A calls void is no part of A's segments. It, and what A does not label (`unlabelled_is_void`: one id stands
    for both), is no part of the union of a pair, but still of B's area; what B calls void is only not drawn. A's crowds
    are not matched, are not missed, and of several of one category the last counts: a segment of B that lies in it or
    in void by more than half counts for nothing unless it is matched. B's crowds are segments like others.
    Source: `pq_compute_single_core` of panopticapi; Kirillov et al. (2019), Panoptic Segmentation, CVPR.
    """
    a, b = opposite.a, opposite.b
    void = union_of_runs(a.runs_of(a.is_void, np.arange(len(a))))
    side_a = uncovered_runs(a.side, void)
    solid = b.runs_of(~b.is_void, np.arange(len(b)))
    every = find_overlaps(side_a, solid)
    met = _overlapping_pairs(every)
    area_a, in_void = segment_areas(side_a, len(a)), covered_areas(solid, void, len(b))
    if unlabelled_is_void:
        in_void = _uncovered_areas(every, len(b))
    in_crowd = pixels_in_crowds(b, solid, a, side_a, _last_crowds(a))
    return InstanceOverlaps(
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


def _uncovered_areas(met: Overlaps, n_b: int) -> Ints:
    """(n_b,) pixels of B's segments that nothing of A covers."""
    alone = met.a < 0
    found = np.zeros(n_b, np.int64)
    found[met.b[alone]] = met.pixels[alone]
    return found


def _last_crowds(drawn: AnnotatorSegments) -> Flags:
    """(n,) the last crowd of each category in each case."""
    last = np.zeros(len(drawn), bool)
    crowds = np.flatnonzero(drawn.is_crowd)[::-1]
    key = np.stack([drawn.case[crowds], drawn.category[crowds]])
    last[crowds[np.unique(key, axis=1, return_index=True)[1]]] = True
    return last


def pixels_in_crowds(
    drawn: AnnotatorSegments, side: SweepRuns, other: AnnotatorSegments, other_side: SweepRuns, chosen: Flags
) -> Ints:
    """(n,) pixels of each segment in crowds of the same category of the other annotator: those `chosen`.

    `side` and `other_side` are the runs that count.
    """
    kept = chosen[other_side.owner]
    if not kept.any():
        return np.zeros(len(drawn), np.int64)
    crowds = SweepRuns(other_side.start[kept], other_side.end[kept], other_side.owner[kept])
    room = 1 + int(max(side.end.max(initial=0), crowds.end.max()))
    joined = union_of_runs(category_lines(crowds, other.category, room))
    return covered_areas(category_lines(side, drawn.category, room), joined, len(drawn))


def category_lines(side: SweepRuns, category: Ints, room: int) -> SweepRuns:
    """The runs on a line with a stretch of `room` places for each category, so that only equal categories meet.

    `category` is that of the owners, `room` more than the end of the last run: so runs of different ones never touch.
    """
    of = category[side.owner]
    order = kernels.order_by(of.astype(np.int32), int(of.max(initial=0)) + 1)
    by = of[order] * room
    return SweepRuns(side.start[order] + by, side.end[order] + by, side.owner[order])


def union_of_runs(side: SweepRuns) -> SweepRuns:
    """The pixels that any owner has, each once; the owner is 0."""
    start, length, _ = kernels.cover(side.start, side.end)
    return SweepRuns(start, start + length, np.zeros(len(start), np.int32))


def _overlapping_pairs(met: Overlaps) -> Overlaps:
    """The rows of `met` with a segment on either side."""
    both = (met.a >= 0) & (met.b >= 0)
    return Overlaps(met.a[both], met.b[both], met.pixels[both])


def segment_areas(side: SweepRuns, n_owners: int) -> Ints:
    """(n_owners,) pixels of each segment."""
    return np.bincount(side.owner, weights=side.end - side.start, minlength=n_owners).astype(np.int64)


def covered_areas(side: SweepRuns, by: SweepRuns, n_owners: int) -> Ints:
    """(n_owners,) pixels of each segment that `by`, whose runs do not overlap, covers."""
    owner, _, _, length = kernels.strips(side.start, side.end, side.owner, by.start, by.end, by.owner)
    return np.bincount(owner, weights=length, minlength=n_owners).astype(np.int64)


Columns = dict[str, Column]


def instance_tables(opposite: AnnotatorPair, *, threshold: float = 0.5) -> dict[str, Columns]:
    """The tables `matches` and `groups` of `AnnotatorPairs`, both annotators treated alike.

    A match has an IoU above `threshold`. Segments of one category are matched first, then what is left of different
    ones: annotators who see the same thing and call it differently.
    """
    found = instance_overlaps(opposite)
    matched = match_table(opposite, found, threshold=threshold)
    return {"matches": matched, "groups": split_table(opposite, found, matched)}


def match_table(
    opposite: AnnotatorPair, found: InstanceOverlaps, *, threshold: float = 0.5, any_category: bool = False
) -> Columns:
    """Each segment that is not void in exactly one row: with the other's segment, or with -1 and NaN as `iou`.

    With `any_category` the category never matters, else equal ones are matched first. Rows are sorted by case, A's
    segments first.
    """
    a, b = opposite.a, opposite.b
    near = np.flatnonzero((found.iou > threshold) & found.open_a[found.a] & found.open_b[found.b])
    same = a.category[found.a[near]] == b.category[found.b[near]]
    taken = near if any_category else near[same]
    taken = taken[match_optimal(found.a[taken], found.b[taken], found.iou[taken])]
    if not any_category:
        left_a, left_b = ~found.spared_a, ~found.spared_b
        left_a[found.a[taken]] = left_b[found.b[taken]] = False
        other = near[~same]
        other = other[left_a[found.a[other]] & left_b[found.b[other]]]
        other = other[match_optimal(found.a[other], found.b[other], found.iou[other])]
        taken = np.concatenate([taken, other])
    return _match_columns(opposite, found, taken)


def _match_columns(opposite: AnnotatorPair, found: InstanceOverlaps, taken: Ints) -> Columns:
    """The rows of matched pairs, `taken` of those found, and of all other segments."""
    a, b = opposite.a, opposite.b
    alone_a, alone_b = ~a.is_void, ~b.is_void
    alone_a[found.a[taken]] = alone_b[found.b[taken]] = False
    only_a, only_b = np.flatnonzero(alone_a), np.flatnonzero(alone_b)
    row_a = np.concatenate([found.a[taken], only_a, np.full(len(only_b), -1)]).astype(np.int64)
    row_b = np.concatenate([found.b[taken], np.full(len(only_a), -1), only_b]).astype(np.int64)
    n_alone = len(only_a) + len(only_b)
    columns: Columns = {
        "pair": np.concatenate([a.case[found.a[taken]], a.case[only_a], b.case[only_b]]),
        "a": row_a,
        "b": row_b,
        "category_a": _values_at(a.category, row_a, -1),
        "category_b": _values_at(b.category, row_b, -1),
        "area_a": _values_at(found.area_a, row_a, 0),
        "area_b": _values_at(found.area_b, row_b, 0),
        "shared": np.concatenate([found.shared[taken], np.zeros(n_alone, np.int64)]),
        "iou": np.concatenate([found.iou[taken], np.full(n_alone, np.nan)]),
        "ignored": np.concatenate([np.zeros(len(taken), bool), found.spared_a[only_a], found.spared_b[only_b]]),
    }
    order = np.lexsort((row_b, row_a, row_a < 0, columns["pair"]))
    return {name: column[order] for name, column in columns.items()}


def _values_at(values: Ints, row: Ints, none: int) -> Ints:
    """(n,) the values of rows; `none` for row -1."""
    return np.append(values, none)[row].astype(np.int64)


def split_table(opposite: AnnotatorPair, found: InstanceOverlaps, matched: Columns) -> Columns:
    """The things of which the other annotator made several: a row for each of two or more that lie mostly inside.

    Mostly inside is by more than half of their area. Both are things of one category, and no crowds. What is
    `matched` (the table `matches`) with another segment is no piece: a small thing that lies on a large one.
    """
    a, b = opposite.a, opposite.b
    own_a, own_b = np.full(len(a), -1, np.int64), np.full(len(b), -1, np.int64)
    both = np.flatnonzero((matched["a"] >= 0) & (matched["b"] >= 0))
    own_a[matched["a"][both]], own_b[matched["b"][both]] = matched["b"][both], matched["a"][both]
    alike = (a.category[found.a] == b.category[found.b]) & a.is_thing[found.a]
    alike &= found.open_a[found.a] & found.open_b[found.b]
    of_a = (own_a[found.a] == -1) | (own_a[found.a] == found.b)
    of_b = (own_b[found.b] == -1) | (own_b[found.b] == found.a)
    sides = [
        _segments_in_pieces(a, found.a, found.b, alike & (2 * found.shared > found.area_b[found.b]) & of_b, 0),
        _segments_in_pieces(b, found.b, found.a, alike & (2 * found.shared > found.area_a[found.a]) & of_a, 1),
    ]
    return {name: np.concatenate([each[name] for each in sides]) for name in sides[0]}


def _segments_in_pieces(drawn: AnnotatorSegments, segment: Rows, piece: Rows, inside: Flags, side: int) -> Columns:
    """The segments of one side with two pieces or more, of those pairs in which a piece is `inside`."""
    n_pieces = np.bincount(segment[inside], minlength=len(drawn))
    rows = np.flatnonzero(inside & (n_pieces[segment] >= 2))
    rows = rows[np.lexsort((piece[rows], segment[rows]))]
    return {
        "pair": drawn.case[segment[rows]],
        "side": np.full(len(rows), side),
        "segment": segment[rows].astype(np.int64),
        "piece": piece[rows].astype(np.int64),
    }


CAUSES = ("boundary", "confused", "unmatched", "ignored")


def cause_table(opposite: AnnotatorPair, matches: Columns) -> Columns:
    """The table `causes` of `segdata.core.annotator_pairs.AnnotatorPairs`, from the table `matches` of the same two.

    Pixels that either calls void are left out. Of several segments of one annotator and category that share a pixel
    the one with the best match says why: `boundary` before `confused`, `unmatched` and `ignored`.
    """
    room = 1 + int(max(side.end.max(initial=0) for side in opposite.clear))
    a, b = (
        category_lines(side, drawn.category, room)
        for side, drawn in zip(opposite.clear, (opposite.a, opposite.b), strict=True)
    )
    sides = []
    for number, (drawn, mine, others, name) in enumerate(((opposite.a, a, b, "a"), (opposite.b, b, a, "b"))):
        alone = uncovered_runs(mine, union_of_runs(others))
        found = _pixels_by_cause(opposite, drawn, alone, _cause_of_segments(drawn, matches, name), room)
        some = np.flatnonzero(found.sum(axis=0))
        case, category = np.divmod(some, max(len(opposite.categories), 1))
        pixels = dict(zip(CAUSES, found[:, some], strict=True))
        sides.append({"pair": case, "category": category, "side": np.full(len(some), number), **pixels})
    order = np.lexsort([np.concatenate([each[name] for each in sides]) for name in ("side", "category", "pair")])
    return {name: np.concatenate([each[name] for each in sides])[order] for name in sides[0]}


def _cause_of_segments(drawn: AnnotatorSegments, matches: Columns, name: str) -> Ints:
    """(n,) for each segment, the position in `CAUSES` of why pixels that only it has are not the other's too."""
    row = matches[name]
    own = row >= 0
    matched = (matches["a"] >= 0) & (matches["b"] >= 0)
    alike = matched & (matches["category_a"] == matches["category_b"])
    cause = np.full(len(drawn), CAUSES.index("ignored"))
    cause[row[own]] = np.select([alike, matched, ~matches["ignored"].astype(bool)], [0, 1, 2], 3)[own]
    return cause


def _pixels_by_cause(
    opposite: AnnotatorPair, drawn: AnnotatorSegments, alone: SweepRuns, cause: Ints, room: int
) -> Ints:
    """(4, n_cases * n_categories) pixels by cause; runs lie on the line of `category_lines`."""
    of = cause[alone.owner]
    n = opposite.n_cases * len(opposite.categories)
    if not kernels.cover(alone.start, alone.end)[2].any():  # no two segments of a category share any of them
        cell = drawn.case[alone.owner] * len(opposite.categories) + drawn.category[alone.owner]
        pixels = np.bincount(of * n + cell, weights=alone.end - alone.start, minlength=len(CAUSES) * n)
        return pixels.astype(np.int64).reshape(len(CAUSES), n)
    upto = np.zeros((len(CAUSES) + 1, n), np.int64)
    for k in range(len(CAUSES)):
        kept = of <= k
        start, length, _ = kernels.cover(alone.start[kept], alone.end[kept])
        category, place = np.divmod(start, room)
        cell = opposite.case_of_frame[opposite.line.frame_of(place)] * len(opposite.categories) + category
        upto[k + 1] = np.bincount(cell, weights=length, minlength=n)
    return np.diff(upto, axis=0)
