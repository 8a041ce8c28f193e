"""Instance matching: pairs of segments of two annotators that share pixels, their match one to one, and its tables.

The input of the match is cells: the n pairs of segments that may be matched, `a` and `b` (n,) rows, each pair once,
and the gain (n,) > 0 of each. No table of all A x all B is built.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from segdata.agreement.paired_segments import AnnotatorPair, AnnotatorSegments, uncovered_runs
from segdata.core import kernels
from segdata.core.overlay import Overlaps, SweepRuns, find_overlaps
from segdata.core.runs import Flags, Floats, Ints, NumberLine, Rows, unique_inverse
from segdata.core.table import Column


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


_MAX_DENSE_CELLS = 1_000_000  # of the table of one block of segments


def match_optimal(a: Ints | Rows, b: Ints | Rows, gain: Floats) -> Flags:
    """(n,) whether each cell is in the matching with the largest sum of gains.

    Segments that no chain of cells connects do not compete, so each connected block is solved by itself: blocks of
    one segment with several at once, the others by linear assignment, in sparse form if they are large.
    Source: Kuhn (1955), Naval Research Logistics Quarterly 2, 83-97; Crouse (2016), IEEE Transactions on Aerospace
    and Electronic Systems 52(4), 1679-1696.

    >>> match_optimal(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0.6, 0.55, 0.58, 0.1])).tolist()
    [False, True, True, False]
    """
    kept = np.zeros(len(a), bool)
    if len(a) == 0:
        return kept
    row, column = unique_inverse(a.astype(np.int64))[1], unique_inverse(b.astype(np.int64))[1]
    crowded = (np.bincount(row)[row] > 1) | (np.bincount(column)[column] > 1)
    kept[~crowded] = True
    rest = np.flatnonzero(crowded)
    if len(rest):
        kept[rest] = _match_blocks(unique_inverse(row[rest])[1], unique_inverse(column[rest])[1], gain[rest])
    return kept


def _match_blocks(row: Ints, column: Ints, gain: Floats) -> Flags:
    """Like `match_optimal`, for rows and columns that are counted from 0 without gaps."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_rows, n_columns = int(row.max()) + 1, int(column.max()) + 1
    graph = coo_array((np.ones(len(row), bool), (row, n_rows + column)), shape=(n_rows + n_columns,) * 2)
    n_blocks, label = connected_components(graph, directed=False)
    high, wide = (np.bincount(labels, minlength=n_blocks) for labels in (label[:n_rows], label[n_rows:]))
    block = label[row]
    kept = np.zeros(len(row), bool)
    order = np.lexsort((column, row, -gain, block))  # the best cell of each block comes first
    first = np.searchsorted(block[order], np.arange(n_blocks))
    is_star = (high == 1) | (wide == 1)
    kept[order[first[is_star]]] = True
    ends = np.append(first, len(order))
    for group in np.flatnonzero(~is_star).tolist():
        cells = order[ends[group] : ends[group + 1]]
        solve = _match_dense if high[group] * wide[group] <= _MAX_DENSE_CELLS else _match_sparse
        kept[cells] = solve(unique_inverse(row[cells])[1], unique_inverse(column[cells])[1], gain[cells])
    return kept


def _match_dense(row: Ints, column: Ints, gain: Floats) -> Flags:
    """(n,) the cells of one block's best matching, by a table of all its rows and columns."""
    from scipy.optimize import linear_sum_assignment

    table = np.zeros((int(row.max()) + 1, int(column.max()) + 1))
    table[row, column] = gain
    partner = np.full(len(table), -1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    partner[rows] = columns
    kept: Flags = partner[row] == column
    return kept


def _match_sparse(row: Ints, column: Ints, gain: Floats) -> Flags:
    """(n,) the cells of one block's best matching, by sparse linear assignment.

    Here segments may stay unmatched, but scipy matches all rows and columns: so each row i gets a column that only i
    may take, each column j such a row, and these may take each other wherever i and j may; a full matching is left.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    n_rows, n_columns = int(row.max()) + 1, int(column.max()) + 1
    own_column, own_row = n_columns + np.arange(n_rows), n_rows + np.arange(n_columns)
    rows = np.concatenate([row, np.arange(n_rows), own_row, n_rows + column])
    columns = np.concatenate([column, own_column, np.arange(n_columns), n_columns + row])
    weight = np.ones(len(rows))  # a weight of 0 would be no cell; the same for all changes nothing
    weight[: len(row)] += gain
    size = n_rows + n_columns
    indices = (rows.astype(np.int32), columns.astype(np.int32))  # scipy before 1.15 takes no others
    graph = coo_array((weight, indices), shape=(size, size)).tocsr()
    partner = np.empty(size, np.int64)
    taken_by, taken = min_weight_full_bipartite_matching(graph, maximize=True)
    partner[taken_by] = taken
    kept: Flags = partner[row] == column
    return kept


OUTLINE_IOU = 0.25  # IoU above which two segments may be one thing with different outlines
OUTLINE_PIXELS = 3.0  # difference of the radii of discs of their areas up to which a smaller IoU is enough
SMALL_IOU = 0.1  # that IoU


def match_outlines(a: Ints | Rows, b: Ints | Rows, shared: Ints, area_a: Ints, area_b: Ints, open_: Flags) -> Flags:
    """(n,) whether pairs of segments are one thing with different outlines, although their IoU is 0.5 or less.

    Takes pairs that share pixels and have one category: `a`, `b` rows, the pixels `shared`, both areas (n,), and
    whether a pair is `open_`: neither segment has a match. More than half of the smaller segment must lie in the larger
    one, and neither may mostly cover, or lie in, any other segment of the pairs, which would be pieces. The IoU must be
    above 0.25; or above 0.1 if the radii of discs of their areas differ by 3 px at most: an outline 2 px further out
    leaves a thing of 3 x 3 px an IoU of 0.18.

    >>> one = np.array([0])
    >>> match_outlines(one, one, np.array([36]), np.array([36]), np.array([100]), np.array([True])).tolist()
    [True]
    """
    smaller, larger = np.minimum(area_a, area_b), np.maximum(area_a, area_b)
    inside = 2 * shared > smaller
    with np.errstate(divide="ignore", invalid="ignore"):
        iou = shared / (area_a + area_b - shared)
    near = np.sqrt(larger / np.pi) - np.sqrt(smaller / np.pi) <= OUTLINE_PIXELS
    near = (iou > OUTLINE_IOU) | (near & (iou > SMALL_IOU))
    row, column = (unique_inverse(np.asarray(side).astype(np.int64))[1] for side in (a, b))
    single = (np.bincount(row, inside)[row] == 1) & (np.bincount(column, inside)[column] == 1) if len(row) else inside
    return np.asarray(open_ & inside & near & single, bool)


def segment_places(side: SweepRuns, line: NumberLine, n: int) -> tuple[Floats, Floats]:
    """(n, 3) the mean frame, x and y of each segment's pixels, NaN without any; (n,) its mean pixels per slice."""
    frame, x, y = line.lower(side.start)
    length = side.end - side.start
    columns = [
        np.bincount(side.owner, weights=length * place, minlength=n) for place in (frame, x, y + (length - 1) / 2)
    ]
    total = np.bincount(side.owner, weights=length, minlength=n)
    with np.errstate(invalid="ignore"):
        centre = np.stack(columns, axis=1) / total[:, None]
    slices = np.unique(side.owner.astype(np.int64) * max(len(line.base), 1) + frame) // max(len(line.base), 1)
    return centre, np.asarray(total / np.maximum(np.bincount(slices, minlength=n), 1))


def match_centres(
    annotator: Ints, case: Ints, category: Ints, area: Floats, centre: Floats, is_open: Flags
) -> tuple[Ints, Ints]:
    """Match tiny things, whose outlines hardly overlap, by their centres; returns the rows `i` and `j` of pairs.

    Takes the annotator, case, category, area in px (mean per slice) and centre (n, 3: frame, x, y) of n segments, and
    whether each may be matched (`is_open`). Centres must be at most 3 px apart, with a slice of a volume counted as 3;
    the radii of discs of their areas may differ by 3 px at most, and only one segment of each annotator may be so near.

    >>> centre = np.array([[0, 5.0, 5.0], [0, 7.0, 6.0], [0, 30.0, 5.0]])
    >>> zero, open_ = np.zeros(3, int), np.ones(3, bool)
    >>> [rows.tolist() for rows in match_centres(np.array([0, 1, 1]), zero, zero, zero + 4, centre, open_)]
    [[0], [1]]
    """
    from scipy.spatial import KDTree

    rows = np.flatnonzero(is_open & np.isfinite(centre).all(axis=1))
    if len(np.unique(annotator[rows])) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    place = centre[rows] * (OUTLINE_PIXELS, 1, 1)
    case_place = case[rows] * (OUTLINE_PIXELS + 1)
    pairs = KDTree(np.column_stack([place, case_place])).query_pairs(OUTLINE_PIXELS, output_type="ndarray")
    i, j = rows[pairs[:, 0]], rows[pairs[:, 1]]
    radius = np.sqrt(area / np.pi)
    kept = (
        (annotator[i] != annotator[j]) & (category[i] == category[j]) & (abs(radius[i] - radius[j]) <= OUTLINE_PIXELS)
    )
    i, j = i[kept], j[kept]
    n = int(annotator.max()) + 1
    toward = np.concatenate([i * n + annotator[j], j * n + annotator[i]])
    _, inverse, n_near = np.unique(toward, return_inverse=True, return_counts=True)
    single = (n_near[inverse.reshape(-1)] == 1).reshape(2, -1).all(axis=0)
    i, j = i[single], j[single]
    first = annotator[i] < annotator[j]
    return np.where(first, i, j), np.where(first, j, i)


Columns = dict[str, Column]


def instance_tables(pair: AnnotatorPair, *, threshold: float = 0.5, is_counted: bool = True) -> dict[str, Columns]:
    """The tables `matches` and `groups` of `AnnotatorPairs`, with the same rules for both annotators.

    A match has an IoU above `threshold`. Segments of one category are matched first, then the rest of any category, for
    things that annotators categorise differently. If things are counted one by one (`is_counted`), things with
    different outlines (`match_outlines`), whose IoU is at most the threshold, follow, and segments of any category at
    the same place (`match_centres`).
    """
    overlaps = instance_overlaps(pair)
    matched = match_table(pair, overlaps, threshold=threshold, outlines=is_counted, centres=True)
    return {"matches": matched, "groups": split_table(pair, overlaps, matched)}


def match_table(
    pair: AnnotatorPair,
    overlaps: InstanceOverlaps,
    *,
    threshold: float = 0.5,
    any_category: bool = False,
    outlines: bool = False,
    centres: bool = False,
) -> Columns:
    """The table `matches`: each segment that is not void in one row, with the other's segment, or with -1 and NaN.

    With `any_category` the category never matters, else equal ones are matched first. With `outlines` things of one
    category with different outlines are matched too, with `centres` segments of one category at the same place; their
    `iou` is at most the threshold. Rows are sorted by case, A's segments first.
    """
    a, b = pair.a, pair.b
    near = np.flatnonzero((overlaps.iou > threshold) & overlaps.open_a[overlaps.a] & overlaps.open_b[overlaps.b])
    same = a.category[overlaps.a[near]] == b.category[overlaps.b[near]]
    matched = near if any_category else near[same]
    matched = matched[match_optimal(overlaps.a[matched], overlaps.b[matched], overlaps.iou[matched])]
    if not any_category:
        left_a, left_b = ~overlaps.spared_a, ~overlaps.spared_b
        left_a[overlaps.a[matched]] = left_b[overlaps.b[matched]] = False
        other = near[~same]
        other = other[left_a[overlaps.a[other]] & left_b[overlaps.b[other]]]
        other = other[match_optimal(overlaps.a[other], overlaps.b[other], overlaps.iou[other])]
        matched = np.concatenate([matched, other])
    if outlines:
        matched = np.concatenate([matched, _outline_matches(pair, overlaps, matched)])
    if centres:
        overlaps, matched = _centre_matches(pair, overlaps, matched)
    return _match_columns(pair, overlaps, matched)


def _centre_matches(pair: AnnotatorPair, overlaps: InstanceOverlaps, taken: Ints) -> tuple[InstanceOverlaps, Ints]:
    """Add pairs of unmatched segments (not in `taken`) at the same place, also of segments that share no pixel."""
    sides, n_a = (pair.a, pair.b), len(pair.a)
    open_ = [overlaps.open_a & ~overlaps.spared_a, overlaps.open_b & ~overlaps.spared_b]
    open_[0][overlaps.a[taken]] = open_[1][overlaps.b[taken]] = False
    open_[0] &= overlaps.area_a == pair.a.area  # of what lies in part in void the centre is unknown
    open_[1] &= overlaps.area_b == pair.b.area
    if not (open_[0].any() and open_[1].any()):
        return overlaps, taken
    area = np.concatenate([overlaps.area_a, overlaps.area_b])
    places = [
        segment_places(_runs_of(clear, unmatched), pair.line, len(side))
        for clear, side, unmatched in zip(pair.clear, sides, open_, strict=True)
    ]
    i, j = match_centres(
        np.repeat([0, 1], [len(side) for side in sides]),
        np.concatenate([side.case for side in sides]),
        np.concatenate([side.category for side in sides]),
        np.concatenate([section for _, section in places]),
        np.concatenate([centre for centre, _ in places]),
        np.concatenate(open_),
    )
    overlapping = overlaps.a.astype(np.int64) * len(pair.b) + overlaps.b
    matched = i * len(pair.b) + j - n_a
    meets = np.isin(matched, overlapping)
    met = np.flatnonzero(np.isin(overlapping, matched))
    i, j = i[~meets], j[~meets]
    extended = replace(
        overlaps,
        a=np.append(overlaps.a, i.astype(overlaps.a.dtype)),
        b=np.append(overlaps.b, (j - n_a).astype(overlaps.b.dtype)),
        shared=np.append(overlaps.shared, np.zeros(len(i), np.int64)),
        union=np.append(overlaps.union, area[i] + area[j]),
    )
    return extended, np.concatenate([taken, met, len(overlaps.a) + np.arange(len(i))])


def _runs_of(side: SweepRuns, is_included: Flags) -> SweepRuns:
    """The runs of some segments."""
    kept = np.flatnonzero(is_included[side.owner])
    return side.take(kept)


def _outline_matches(pair: AnnotatorPair, overlaps: InstanceOverlaps, matched: Ints) -> Ints:
    """The pairs of one thing with different outlines, among segments without a match in `matched`."""
    a, b = pair.a, pair.b
    alike = (a.category[overlaps.a] == b.category[overlaps.b]) & a.is_thing[overlaps.a]
    same = np.flatnonzero(alike & overlaps.open_a[overlaps.a] & overlaps.open_b[overlaps.b])
    left_a, left_b = ~overlaps.spared_a, ~overlaps.spared_b
    left_a[overlaps.a[matched]] = left_b[overlaps.b[matched]] = False
    row_a, row_b = overlaps.a[same], overlaps.b[same]
    areas = overlaps.area_a[row_a], overlaps.area_b[row_b]
    return same[match_outlines(row_a, row_b, overlaps.shared[same], *areas, left_a[row_a] & left_b[row_b])]


def _match_columns(pair: AnnotatorPair, overlaps: InstanceOverlaps, matched: Ints) -> Columns:
    """The rows of matched pairs, `matched` of those found, and of all other segments."""
    a, b = pair.a, pair.b
    alone_a, alone_b = ~a.is_void, ~b.is_void
    alone_a[overlaps.a[matched]] = alone_b[overlaps.b[matched]] = False
    only_a, only_b = np.flatnonzero(alone_a), np.flatnonzero(alone_b)
    row_a = np.concatenate([overlaps.a[matched], only_a, np.full(len(only_b), -1)]).astype(np.int64)
    row_b = np.concatenate([overlaps.b[matched], np.full(len(only_a), -1), only_b]).astype(np.int64)
    n_alone = len(only_a) + len(only_b)
    columns: Columns = {
        "pair": np.concatenate([a.case[overlaps.a[matched]], a.case[only_a], b.case[only_b]]),
        "a": row_a,
        "b": row_b,
        "category_a": _values_at(a.category, row_a, -1),
        "category_b": _values_at(b.category, row_b, -1),
        "area_a": _values_at(overlaps.area_a, row_a, 0),
        "area_b": _values_at(overlaps.area_b, row_b, 0),
        "shared": np.concatenate([overlaps.shared[matched], np.zeros(n_alone, np.int64)]),
        "iou": np.concatenate([overlaps.iou[matched], np.full(n_alone, np.nan)]),
        "ignored": np.concatenate([np.zeros(len(matched), bool), overlaps.spared_a[only_a], overlaps.spared_b[only_b]]),
    }
    order = np.lexsort((row_b, row_a, row_a < 0, columns["pair"]))
    return {name: column[order] for name, column in columns.items()}


def _values_at(values: Ints, row: Ints, missing: int) -> Ints:
    """(n,) the values of rows; `missing` for row -1."""
    return np.append(values, missing)[row].astype(np.int64)


def split_table(pair: AnnotatorPair, overlaps: InstanceOverlaps, matched: Columns) -> Columns:
    """The things that the other annotator drew as several: a row for each of two or more that lie mostly inside.

    Mostly inside is by more than half of their area. Both are things of one category, and no crowds. A segment that is
    `matched` (the table `matches`) with another one is no piece, but a small thing that lies on a large one.
    """
    a, b = pair.a, pair.b
    own_a, own_b = np.full(len(a), -1, np.int64), np.full(len(b), -1, np.int64)
    both = np.flatnonzero((matched["a"] >= 0) & (matched["b"] >= 0))
    own_a[matched["a"][both]], own_b[matched["b"][both]] = matched["b"][both], matched["a"][both]
    alike = (a.category[overlaps.a] == b.category[overlaps.b]) & a.is_thing[overlaps.a]
    alike &= overlaps.open_a[overlaps.a] & overlaps.open_b[overlaps.b]
    of_a = (own_a[overlaps.a] == -1) | (own_a[overlaps.a] == overlaps.b)
    of_b = (own_b[overlaps.b] == -1) | (own_b[overlaps.b] == overlaps.a)
    sides = [
        _segments_in_pieces(
            a, overlaps.a, overlaps.b, alike & (2 * overlaps.shared > overlaps.area_b[overlaps.b]) & of_b, 0
        ),
        _segments_in_pieces(
            b, overlaps.b, overlaps.a, alike & (2 * overlaps.shared > overlaps.area_a[overlaps.a]) & of_a, 1
        ),
    ]
    return {name: np.concatenate([side[name] for side in sides]) for name in sides[0]}


def _segments_in_pieces(segments: AnnotatorSegments, segment: Rows, piece: Rows, inside: Flags, side: int) -> Columns:
    """The segments of one side with two pieces or more, of those pairs in which a piece is `inside`."""
    n_pieces = np.bincount(segment[inside], minlength=len(segments))
    rows = np.flatnonzero(inside & (n_pieces[segment] >= 2))
    rows = rows[np.lexsort((piece[rows], segment[rows]))]
    return {
        "pair": segments.case[segment[rows]],
        "side": np.full(len(rows), side),
        "segment": segment[rows].astype(np.int64),
        "piece": piece[rows].astype(np.int64),
    }


CAUSES = ("boundary", "confused", "unmatched", "ignored")


def cause_table(pair: AnnotatorPair, matches: Columns) -> Columns:
    """The table `causes` of `segdata.core.annotator_pairs.AnnotatorPairs`, from the table `matches` of the same pair.

    Pixels that either labels void are left out. If several segments of one annotator and category share a pixel,
    the one with the best match gives the cause: `boundary` before `confused`, `unmatched` and `ignored`.
    """
    sides = []
    for number, pixels_of in enumerate(_disputed_pixels(pair, matches)):
        disputed = np.flatnonzero(pixels_of.sum(axis=0))
        case, category = np.divmod(disputed, max(len(pair.categories), 1))
        pixels = dict(zip(CAUSES, pixels_of[:, disputed], strict=True))
        sides.append({"pair": case, "category": category, "side": np.full(len(disputed), number), **pixels})
    order = np.lexsort([np.concatenate([side[name] for side in sides]) for name in ("side", "category", "pair")])
    return {name: np.concatenate([side[name] for side in sides])[order] for name in sides[0]}


def _disputed_pixels(pair: AnnotatorPair, matches: Columns) -> Iterator[Ints]:
    """(4, n_cases * n_categories) of A, then of B: pixels that only one has under a category, by cause."""
    both = pair.a, pair.b
    causes = [_cause_of_segments(segments, matches, name) for segments, name in zip(both, "ab", strict=True)]
    if not any(np.any(side.start[1:] < side.end[:-1]) for side in pair.clear):
        # No pixel is in two segments: what a segment does not share with one of its category is the annotator's alone.
        met = _overlapping_pairs(pair.met_clear)
        same = pair.a.category[met.a] == pair.b.category[met.b]
        sides = zip(both, pair.clear, causes, (met.a, met.b), strict=True)
        for segments, side, cause, owner in sides:
            shared = np.bincount(owner[same], met.pixels[same], len(segments))
            alone = segment_areas(side, len(segments)) - shared
            yield _sum_by_cause(pair, segments, np.arange(len(segments)), alone, cause)
        return
    room = 1 + int(max(side.end.max(initial=0) for side in pair.clear))
    lines = [category_lines(side, segments.category, room) for side, segments in zip(pair.clear, both, strict=True)]
    for segments, mine, others, cause in zip(both, lines, lines[::-1], causes, strict=True):
        yield _pixels_by_cause(pair, segments, uncovered_runs(mine, union_of_runs(others)), cause, room)


def _cause_of_segments(segments: AnnotatorSegments, matches: Columns, name: str) -> Ints:
    """(n,) the cause, as a position in `CAUSES`, of disputed pixels that only this segment has."""
    row = matches[name]
    own = row >= 0
    matched = (matches["a"] >= 0) & (matches["b"] >= 0)
    alike = matched & (matches["category_a"] == matches["category_b"])
    cause = np.full(len(segments), CAUSES.index("ignored"))
    cause[row[own]] = np.select([alike, matched, ~matches["ignored"].astype(bool)], [0, 1, 2], 3)[own]
    return cause


def _pixels_by_cause(
    pair: AnnotatorPair, segments: AnnotatorSegments, alone: SweepRuns, cause: Ints, room: int
) -> Ints:
    """(4, n_cases * n_categories) pixels by cause; runs lie on the line of `category_lines`."""
    cause_of = cause[alone.owner]
    n = pair.n_cases * len(pair.categories)
    if not kernels.cover(alone.start, alone.end)[2].any():  # no two segments of a category share any of them
        return _sum_by_cause(pair, segments, alone.owner, alone.end - alone.start, cause)
    upto = np.zeros((len(CAUSES) + 1, n), np.int64)
    for k in range(len(CAUSES)):
        kept = cause_of <= k
        start, length, _ = kernels.cover(alone.start[kept], alone.end[kept])
        category, place = np.divmod(start, room)
        cell = pair.case_of_frame[pair.line.frame_of(place)] * len(pair.categories) + category
        upto[k + 1] = np.bincount(cell, weights=length, minlength=n)
    return np.diff(upto, axis=0)


def _sum_by_cause(
    pair: AnnotatorPair, segments: AnnotatorSegments, segment: Rows | Ints, pixels: Ints | Floats, cause: Ints
) -> Ints:
    """(4, n_cases * n_categories) pixels (m,), each of a segment, by its cause."""
    n = pair.n_cases * len(pair.categories)
    cell = segments.case[segment] * len(pair.categories) + segments.category[segment]
    total = np.bincount(cause[segment] * n + cell, weights=pixels, minlength=len(CAUSES) * n)
    return total.astype(np.int64).reshape(len(CAUSES), n)
