"""Instance clusters: which segments of all annotators are one thing, in whatever order the annotators come."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.annotator_pairs import AnnotatorSegments, Flags, case_numbers, collect_segments, uncovered_runs
from segdata.agreement.assignment import match_optimal
from segdata.agreement.instance_matching import covered_areas, pixels_in_crowds, segment_areas, union_of_runs
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns, find_overlaps_within
from segdata.core.runs import Ints, NumberLine
from segdata.core.taxonomy import Category

Floats = NDArray[np.float64]


def link_segments(annotator: Ints, i: Ints, j: Ints, iou: Floats, threshold: float) -> Ints:
    """(n,) the cluster of each of n segments, named by its first segment; at most one segment of each annotator.

    Takes the annotator of each segment (n,), and the pairs `i`, `j` of segments of different annotators that share
    pixels, with their `iou` (p,). Every two annotators' segments are matched first, each pair with an IoU above the
    threshold and the largest sum of IoU; the category plays no part. Then clusters that a match connects are joined
    while their segments' IoU, averaged over all pairs of the two clusters, is above the threshold: average linkage,
    the two that are nearest to each other first.
    Source: Sokal, Michener (1958), University of Kansas Science Bulletin 38, 1409-1438, for the linkage.

    >>> annotator, i, j = np.array([0, 1, 2]), np.array([0, 0, 1]), np.array([1, 2, 2])
    >>> link_segments(annotator, i, j, np.array([0.8, 0.2, 0.6]), 0.5).tolist()
    [0, 0, 2]
    """
    first = annotator[i] < annotator[j]
    i, j = np.where(first, i, j), np.where(first, j, i)
    near = np.flatnonzero(iou > threshold)
    n_annotators = int(annotator.max(initial=-1)) + 1
    # A segment has a match with each of the other annotators: it competes for one of theirs at a time.
    toward_b = i[near] * n_annotators + annotator[j[near]]
    toward_a = j[near] * n_annotators + annotator[i[near]]
    matched = np.zeros(len(i), bool)
    matched[near[match_optimal(toward_b, toward_a, iou[near])]] = True
    together = _connected_components(len(annotator), i[matched], j[matched])
    kept = together[i] == together[j]
    return _average_linkage(annotator, i[kept], j[kept], iou[kept], matched[kept], threshold)


def _connected_components(n: int, i: Ints, j: Ints) -> Ints:
    """(n,) the connected component of each node."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(n, n))
    label: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return label


def _average_linkage(annotator: Ints, i: Ints, j: Ints, total: Floats, matched: Flags, threshold: float) -> Ints:
    """(n,) clusters by average linkage.

    In every round all pairs of clusters join that are each other's nearest; the nearest two of all are among them.
    """
    n = len(annotator)
    cluster, size = np.arange(n), np.ones(n, np.int64)
    has = np.zeros((n, int(annotator.max(initial=-1)) + 1), bool)
    has[np.arange(n), annotator] = True
    while True:
        possible = ~(has[i] & has[j]).any(axis=1)
        i, j, total, matched = i[possible], j[possible], total[possible], matched[possible]
        mean = total / (size[i] * size[j])
        fits = np.flatnonzero(matched & (mean > threshold))
        if len(fits) == 0:
            return cluster
        best = fits[_mutual_nearest(i[fits], j[fits], mean[fits])]
        kept, gone = np.minimum(i[best], j[best]), np.maximum(i[best], j[best])
        has[kept] |= has[gone]
        size[kept] += size[gone]
        now = np.arange(n)
        now[gone] = kept
        cluster, i, j = now[cluster], now[i], now[j]
        pair, which = np.unique(np.minimum(i, j) * n + np.maximum(i, j), return_inverse=True)
        i, j = np.divmod(pair, n)
        total = np.bincount(which, weights=total, minlength=len(pair)).astype(np.float64)
        matched = np.bincount(which, weights=matched, minlength=len(pair)) > 0
        apart = i != j
        i, j, total, matched = i[apart], j[apart], total[apart], matched[apart]


def _mutual_nearest(i: Ints, j: Ints, mean: Floats) -> Ints:
    """The pairs that are the nearest ones of both their clusters; of equal ones the first by (i, j)."""
    order = np.lexsort((j, i, -mean))
    ends = np.concatenate([i[order], j[order]])
    rank = np.tile(np.arange(len(order)), 2)
    by_rank = np.argsort(rank, kind="stable")
    best = np.zeros(len(order), np.int64)
    found = np.unique(ends[by_rank], return_index=True)[1]
    np.add.at(best, rank[by_rank][found], 1)
    chosen: Ints = order[best == 2]
    return chosen


@dataclass(frozen=True, slots=True)
class PanelSegments:
    """All segments of R annotators on n_cases cases; every image of the batch is a frame.

    Attributes
    ----------
    line : of the images
    case_of_frame : (n_images,)
    drawn : the n segments of all, void ones too, those of the first annotator first
    annotator : (n,) who drew each
    clear : the pixels without those that their own annotator calls void
    area : (n,) of these
    lost : (n, R) pixels of each segment that do not count against each annotator: either calls them void, or they
        are in the annotator's crowds of the segment's category
    in_void : (n, R) those of them that are left in `clear` and that the annotator calls void
    asked : (R, n_cases, n_categories) who annotated a case, and was asked for a category
    """

    line: NumberLine
    case_of_frame: Ints
    drawn: AnnotatorSegments
    annotator: Ints
    clear: SweepRuns
    area: Ints
    lost: Ints
    in_void: Ints
    asked: Flags


def collect_panel_segments(
    batch: Batch,
    annotators: Sequence[str],
    categories: Sequence[Category],
    *,
    case: Ints | None = None,
    asked: Flags | None = None,
    volumes: frozenset[str] = frozenset(),
    is_semantic: bool = False,
) -> PanelSegments:
    """The segments of each annotator; other arguments as in `segdata.agreement.annotator_pairs.pair_annotators`.

    `case` (n_images,) is the case of each image, from 0; by default in the order of `case_numbers`.
    """
    of_image = case_numbers(batch, volumes)
    if case is None:
        case = np.unique(of_image, return_inverse=True)[1]
    at = {name: k for k, name in enumerate(annotators)}
    who = np.array([at[name] for name in batch.annotations["annotator"].to_pylist()], np.int64)
    # Where nobody is, there is one who drew nothing.
    annotation = np.full((max(len(annotators), 1), batch.images.num_rows), -1, np.int64)
    annotation[who, batch.annotation_image] = np.arange(len(who))
    line = NumberLine.of(*batch.image_size)
    each = [collect_segments(batch, rows, line, case, categories, of_image >= 0, is_semantic) for rows in annotation]
    void = [union_of_runs(one.runs_of(one.is_void, np.arange(len(one)))) for one in each]
    clear = [uncovered_runs(one.side, own) if len(own.start) else one.side for one, own in zip(each, void, strict=True)]
    first = np.cumsum([0, *(len(one) for one in each)])
    names = ("segment", "case", "category", "is_void", "is_crowd", "is_thing", "area")
    columns = {name: np.concatenate([getattr(one, name) for one in each]) for name in names}
    drawn = AnnotatorSegments(**columns, side=_concatenate_sides([one.side for one in each], first))
    all_clear = _concatenate_sides(clear, first)
    in_void = np.zeros((len(drawn), len(each)), np.int64)
    in_crowd = np.zeros((len(drawn), len(each)), np.int64)
    for r, (one, side) in enumerate(zip(each, clear, strict=True)):
        if len(void[r].start):
            in_void[:, r] = covered_areas(all_clear, void[r], len(drawn))
        in_crowd[:, r] = pixels_in_crowds(drawn, all_clear, one, side, one.is_crowd)
    area = segment_areas(all_clear, len(drawn))
    own = (drawn.area - area)[:, None]
    told = np.zeros((len(annotators), int(case.max(initial=-1)) + 1, len(categories)), bool)
    told[who, case[batch.annotation_image]] = True if asked is None else asked
    annotator = np.repeat(np.arange(len(each)), [len(one) for one in each])
    return PanelSegments(line, case, drawn, annotator, all_clear, area, own + in_void + in_crowd, in_void, told)


def _concatenate_sides(sides: Sequence[SweepRuns], first: Ints) -> SweepRuns:
    """The runs of all sides, in order; the owners of side k are counted from `first[k]`."""
    start = np.concatenate([np.empty(0, np.int64), *(side.start for side in sides)])
    end = np.concatenate([np.empty(0, np.int64), *(side.end for side in sides)])
    owner = [side.owner + np.int32(by) for side, by in zip(sides, first, strict=False)]
    order = np.argsort(start, kind="stable")
    return SweepRuns(start[order], end[order], np.concatenate([np.empty(0, np.int32), *owner])[order])


NO_SEGMENT = -1  # the category, and the segment, of an annotator who has nothing where others have something


def member_table(
    batch: Batch,
    annotators: Sequence[str],
    categories: Sequence[Category],
    *,
    case: Ints | None = None,
    asked: Flags | None = None,
    volumes: frozenset[str] = frozenset(),
    is_semantic: bool = False,
    threshold: float = 0.5,
) -> dict[str, Ints]:
    """The table `members` of `AnnotatorPairs`: one row for each annotator who has a say in a cluster.

    Takes what `segdata.agreement.everyone.everyone` takes, and the IoU above which segments may be one. Things only,
    no crowds; what an annotator calls void is no part of their segments, nor of others' where these are compared with
    theirs. In semantic data no category is countable, so there are none. Rows are sorted by case, cluster and
    annotator, clusters by the row of their first segment.
    """
    every = collect_panel_segments(
        batch, annotators, categories, case=case, asked=asked, volumes=volumes, is_semantic=is_semantic
    )
    countable = np.array([each.kind == "thing" and not is_semantic for each in categories], bool)
    return member_rows(every, cluster_segments(every, countable, threshold).number)


@dataclass(frozen=True, slots=True)
class SegmentClusters:
    """Which of n segments are one thing.

    Attributes
    ----------
    number : (n,) the cluster of each, over all cases; -1 for crowds, segments without pixels, and those of categories
        that are not countable
    i, j : (p,) pairs of segments of different annotators that share pixels
    iou : (p,)
    """

    number: Ints
    i: Ints
    j: Ints
    iou: Floats

    def __len__(self) -> int:
        return int(self.number.max(initial=-1)) + 1


def cluster_segments(every: PanelSegments, countable: Flags, threshold: float = 0.5) -> SegmentClusters:
    """The clusters of everyone's segments, of `countable` (n_categories,) categories."""
    drawn = every.drawn
    counted = countable[drawn.category] & ~drawn.is_crowd & ~drawn.is_void & (every.area > 0)
    thing = _canonical_order(every, np.flatnonzero(counted))
    place = np.full(len(drawn), -1, np.int64)
    place[thing] = np.arange(len(thing))
    i, j, iou = _comparable_pairs(every, place)
    found = link_segments(every.annotator[thing], place[i], place[j], iou, threshold)
    first = np.full(len(thing), np.iinfo(np.int64).max)
    np.minimum.at(first, found, drawn.segment[thing])
    order = np.lexsort((first[found], drawn.case[thing]))
    number = np.full(len(drawn), -1, np.int64)
    number[thing[order]] = np.cumsum(np.diff(found[order], prepend=-1) != 0) - 1
    return SegmentClusters(number, i, j, iou)


def _canonical_order(every: PanelSegments, rows: Ints) -> Ints:
    """The rows by where segments begin and what they are like: so who drew them does not decide between equals."""
    side, n = every.clear, len(every.drawn)
    first, last = np.zeros(n, np.int64), np.zeros(n, np.int64)
    first[side.owner[::-1]] = side.start[::-1]  # the last one that is written stays
    last[side.owner] = side.end
    n_runs = np.bincount(side.owner, minlength=n)
    keys = (every.drawn.category, n_runs, last, every.area, first)
    return rows[np.lexsort([key[rows] for key in keys])]


def _comparable_pairs(every: PanelSegments, place: Ints) -> tuple[Ints, Ints, Floats]:
    """Pairs of segments of different annotators that can be compared, and their IoU; only those with a place."""
    kept = place[every.clear.owner] >= 0
    side = SweepRuns(every.clear.start[kept], every.clear.end[kept], every.clear.owner[kept])
    met = find_overlaps_within(side)
    category, annotator, case = every.drawn.category, every.annotator, every.drawn.case
    i, j = met.a.astype(np.int64), met.b.astype(np.int64)
    comparable = annotator[i] != annotator[j]
    comparable &= every.asked[annotator[i], case[i], category[j]] & every.asked[annotator[j], case[j], category[i]]
    i, j, shared = i[comparable], j[comparable], met.pixels[comparable]
    area_i = every.area[i] - every.in_void[i, annotator[j]]
    area_j = every.area[j] - every.in_void[j, annotator[i]]
    return i, j, shared / (area_i + area_j - shared)


def member_rows(every: PanelSegments, cluster: Ints) -> dict[str, Ints]:
    """The rows of the table, from the cluster of each segment."""
    in_one = np.flatnonzero(cluster >= 0)
    of, n = cluster[in_one], int(cluster.max(initial=-1)) + 1
    n_annotators = len(every.asked)
    case = np.zeros(n, np.int64)
    case[of] = every.drawn.case[in_one]
    area = np.bincount(of, weights=every.drawn.area[in_one], minlength=n)
    says = np.ones((n, n_annotators), bool)
    for r in range(n_annotators):
        lost = np.bincount(of, weights=every.lost[in_one, r], minlength=n)
        unasked = ~every.asked[r, every.drawn.case[in_one], every.drawn.category[in_one]]
        says[:, r] = (2 * lost <= area) & (np.bincount(of[unasked], minlength=n) == 0)
    row = np.full((n, n_annotators), NO_SEGMENT, np.int64)
    row[of, every.annotator[in_one]] = in_one
    which, annotator = np.nonzero(says | (row >= 0))
    row = row[which, annotator]
    first = np.searchsorted(case, np.arange(int(case.max(initial=-1)) + 1))
    return {
        "case": case[which],
        "cluster": which - first[case[which]],
        "annotator": annotator,
        "segment": np.append(every.drawn.segment, NO_SEGMENT)[row],
        "category": np.append(every.drawn.category, NO_SEGMENT)[row],
    }
