"""Instance clusters: match the segments of all annotators to things, and decide the things that they agree on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.agreement.instance_matching import (
    category_lines,
    covered_areas,
    match_centres,
    match_optimal,
    match_outlines,
    pixels_in_crowds,
    segment_areas,
    segment_places,
    union_of_runs,
)
from segdata.agreement.paired_segments import AnnotatorSegments, PanelBatch, collect_segments, uncovered_runs
from segdata.agreement.votes import ABSENT, UNDECIDED, plurality
from segdata.core import kernels
from segdata.core.overlay import SweepRuns, find_overlaps_within
from segdata.core.runs import Flags, Floats, Ints, NumberLine, Runs, positions_in
from segdata.core.statistics import linked_groups

_MATCH_IOU = 0.5  # above which segments of different annotators may be one thing


def link_segments(annotator: Ints, i: Ints, j: Ints, iou: Floats, threshold: float) -> Ints:
    """(n,) cluster segments, at most one of each annotator; a cluster is named by its first segment.

    Takes the annotator of each segment (n,), and the pairs `i`, `j` of segments of different annotators that share
    pixels, with their `iou` (p,). First the segments of every two annotators are matched, with an IoU above the
    threshold and the largest sum of IoU; categories do not matter. Then clusters that a match connects are joined
    while their segments' IoU, averaged over all pairs of the two clusters, is above the threshold: average linkage,
    the nearest two first.
    Source: Sokal, Michener (1958), University of Kansas Science Bulletin 38, 1409-1438, for the linkage.

    >>> annotator, i, j = np.array([0, 1, 2]), np.array([0, 0, 1]), np.array([1, 2, 2])
    >>> link_segments(annotator, i, j, np.array([0.8, 0.2, 0.6]), 0.5).tolist()
    [0, 0, 2]
    """
    first = annotator[i] < annotator[j]
    i, j = np.where(first, i, j), np.where(first, j, i)
    near = np.flatnonzero(iou > threshold)
    n_annotators = int(annotator.max(initial=-1)) + 1
    # A segment may match one segment of each other annotator, so matching is done annotator by annotator.
    toward_b = i[near] * n_annotators + annotator[j[near]]
    toward_a = j[near] * n_annotators + annotator[i[near]]
    matched = np.zeros(len(i), bool)
    matched[near[match_optimal(toward_b, toward_a, iou[near])]] = True
    together = linked_groups(len(annotator), i[matched], j[matched])
    kept = together[i] == together[j]
    return _average_linkage(annotator, i[kept], j[kept], iou[kept], matched[kept], threshold)


def _average_linkage(annotator: Ints, i: Ints, j: Ints, total: Floats, matched: Flags, threshold: float) -> Ints:
    """(n,) clusters by average linkage.

    In every round all pairs of mutual nearest clusters are joined, among them the nearest two of all.
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
        cluster_of = np.arange(n)
        cluster_of[gone] = kept
        cluster, i, j = cluster_of[cluster], cluster_of[i], cluster_of[j]
        pair, inverse = np.unique(np.minimum(i, j) * n + np.maximum(i, j), return_inverse=True)
        i, j = np.divmod(pair, n)
        total = np.bincount(inverse, weights=total, minlength=len(pair)).astype(np.float64)
        matched = np.bincount(inverse, weights=matched, minlength=len(pair)) > 0
        apart = i != j
        i, j, total, matched = i[apart], j[apart], total[apart], matched[apart]


def _mutual_nearest(i: Ints, j: Ints, mean: Floats) -> Ints:
    """The pairs in which each cluster is the other's nearest; among equals, the first by (i, j)."""
    order = np.lexsort((j, i, -mean))
    ends = np.concatenate([i[order], j[order]])
    rank = np.tile(np.arange(len(order)), 2)
    by_rank = np.argsort(rank, kind="stable")
    best = np.zeros(len(order), np.int64)
    best_of = np.unique(ends[by_rank], return_index=True)[1]
    np.add.at(best, rank[by_rank][best_of], 1)
    mutual: Ints = order[best == 2]
    return mutual


@dataclass(frozen=True, slots=True)
class PanelSegments:
    """All segments of R annotators on n_cases cases; every image of the batch is a frame."""

    line: NumberLine  # of the images
    case_of_frame: Ints  # (n_images,)
    segments: AnnotatorSegments  # the n segments of all, void ones too, those of the first annotator first
    annotator: Ints  # (n,) who drew each
    clear: SweepRuns  # the pixels without those that their own annotator calls void
    area: Ints  # (n,) of these
    # (n, R) pixels of each segment that do not count against each annotator: either calls them void, or they are in the
    # annotator's crowds of the segment's category
    lost: Ints
    in_void: Ints  # (n, R) those of them that are left in `clear` and that the annotator calls void
    asked: Flags  # (R, n_cases, n_categories) who annotated a case, and was asked for a category


def collect_panel_segments(images: PanelBatch) -> PanelSegments:
    """Collect the segments of each annotator."""
    batch, categories, case = images.batch, images.categories, images.case
    line = NumberLine.from_sizes(*batch.image_size)
    # A batch without annotators gets one without segments.
    annotation = images.annotation if len(images.annotators) else np.full((1, batch.images.num_rows), -1, np.int64)
    by_annotator = [collect_segments(images, rows, line, case, images.is_slice) for rows in annotation]
    void = [union_of_runs(work.runs_of(work.is_void, np.arange(len(work)))) for work in by_annotator]
    clear = [
        uncovered_runs(work.side, own) if len(own.start) else work.side
        for work, own in zip(by_annotator, void, strict=True)
    ]
    first = np.cumsum([0, *(len(work) for work in by_annotator)])
    names = ("segment", "case", "category", "is_void", "is_crowd", "is_thing", "area")
    columns = {name: np.concatenate([getattr(work, name) for work in by_annotator]) for name in names}
    together = AnnotatorSegments(**columns, side=_concatenate_sides([work.side for work in by_annotator], first))
    all_clear = _concatenate_sides(clear, first)
    in_void = np.zeros((len(together), len(by_annotator)), np.int64)
    in_crowd = np.zeros((len(together), len(by_annotator)), np.int64)
    for r, (work, side) in enumerate(zip(by_annotator, clear, strict=True)):
        if len(void[r].start):
            in_void[:, r] = covered_areas(all_clear, void[r], len(together))
        in_crowd[:, r] = pixels_in_crowds(together, all_clear, work, side, work.is_crowd)
    area = segment_areas(all_clear, len(together))
    own = (together.area - area)[:, None]
    was_asked = np.zeros((len(images.annotators), int(case.max(initial=-1)) + 1, len(categories)), bool)
    was_asked[images.annotator, case[batch.annotation_image]] = True if images.asked is None else images.asked
    annotator = np.repeat(np.arange(len(by_annotator)), [len(work) for work in by_annotator])
    return PanelSegments(line, case, together, annotator, all_clear, area, own + in_void + in_crowd, in_void, was_asked)


def _concatenate_sides(sides: Sequence[SweepRuns], first: Ints) -> SweepRuns:
    """Join the runs of all annotators in order; owners of side k are counted from `first[k]`."""
    start = np.concatenate([np.empty(0, np.int64), *(side.start for side in sides)])
    end = np.concatenate([np.empty(0, np.int64), *(side.end for side in sides)])
    owner = [side.owner + np.int32(by) for side, by in zip(sides, first, strict=False)]
    order = np.argsort(start, kind="stable")
    return SweepRuns(start[order], end[order], np.concatenate([np.empty(0, np.int32), *owner])[order])


NO_SEGMENT = -1  # the category, and the segment, of an annotator who has nothing where others have something


def member_table(images: PanelBatch) -> dict[str, Ints]:
    """The table `members` of `AnnotatorPairs`: one row for each annotator with a vote in a cluster.

    Segments may be joined at an IoU above 0.5. Only things, without crowds; void of an annotator is cut from
    their own segments, and from those of others in comparisons with theirs. In semantic data no category is countable,
    so the table is empty. Rows are sorted by case, cluster and annotator, clusters by the row of their first segment.
    """
    panel_segments = collect_panel_segments(images)
    countable = np.array([category.kind == "thing" and not images.is_semantic for category in images.categories], bool)
    return member_rows(panel_segments, cluster_segments(panel_segments, countable, _MATCH_IOU, centres=True))


@dataclass(frozen=True, slots=True)
class SegmentClusters:
    """The clusters of n segments that are one thing each."""

    # (n,) the cluster of each, over all cases; -1 for crowds, segments without pixels, and those of categories that are
    # not countable
    number: Ints
    i: Ints  # (p,) a segment
    j: Ints  # (p,) a segment of another annotator that shares pixels with it
    iou: Floats  # (p,)
    # (p,) how much of i lies in j, and of j in i, where both have one category, else 0
    i_in_j: Floats
    j_in_i: Floats

    def __len__(self) -> int:
        return int(self.number.max(initial=-1)) + 1


def cluster_segments(
    panel: PanelSegments, countable: Flags, threshold: float = 0.5, *, centres: bool = False
) -> SegmentClusters:
    """Cluster the segments of all annotators, of `countable` (n_categories,) categories.

    `centres`: also match tiny segments at the same place (`match_centres`), which may have no pixel in common.
    """
    segments = panel.segments
    counted = countable[segments.category] & ~segments.is_crowd & ~segments.is_void & (panel.area > 0)
    thing = _canonical_order(panel, np.flatnonzero(counted))
    place = positions_in(thing, len(segments))
    i, j, iou, shared, areas = _comparable_pairs(panel, place)
    alike = segments.category[i] == segments.category[j]
    within = [alike * shared / area for area in areas]
    nearness = np.where(_outline_pairs(panel, i, j, iou, shared, areas, threshold), threshold + _OUTLINE_NEARNESS, iou)
    if centres:  # adds pairs that share no pixels
        i, j, iou, nearness = _with_centres(panel, thing, i, j, iou, nearness, threshold)
    linked = link_segments(panel.annotator[thing], place[i], place[j], nearness, threshold)
    first = np.full(len(thing), np.iinfo(np.int64).max)
    np.minimum.at(first, linked, segments.segment[thing])
    order = np.lexsort((first[linked], segments.case[thing]))
    number = np.full(len(segments), -1, np.int64)
    number[thing[order]] = np.cumsum(np.diff(linked[order], prepend=-1) != 0) - 1
    more = np.zeros(len(i) - len(alike))
    return SegmentClusters(number, i, j, iou, *(np.append(one, more) for one in within))


def _canonical_order(panel: PanelSegments, rows: Ints) -> Ints:
    """Order rows by position and content, so that the order of annotators does not decide between equals."""
    side, n = panel.clear, len(panel.segments)
    first, last = np.zeros(n, np.int64), np.zeros(n, np.int64)
    first[side.owner[::-1]] = side.start[::-1]  # the last one that is written stays
    last[side.owner] = side.end
    n_runs = np.bincount(side.owner, minlength=n)
    keys = (panel.segments.category, n_runs, last, panel.area, first)
    return rows[np.lexsort([key[rows] for key in keys])]


_OUTLINE_NEARNESS = 1e-3  # above the threshold, of segments that are one thing with different outlines


def _outline_pairs(
    panel: PanelSegments, i: Ints, j: Ints, iou: Floats, shared: Ints, areas: tuple[Ints, Ints], threshold: float
) -> Flags:
    """(p,) whether pairs are one thing with different outlines, for every two annotators: see `match_outlines`."""
    annotator, n = panel.annotator, len(panel.asked)
    toward = i * n + annotator[j], j * n + annotator[i]
    near = iou > threshold
    is_near = [np.isin(side, side[near]) for side in toward]
    same = panel.segments.category[i] == panel.segments.category[j]
    matched = np.zeros(len(i), bool)
    rows = np.flatnonzero(same)
    open_ = ~(is_near[0] | is_near[1])[rows]
    matched[rows] = match_outlines(
        toward[0][rows], toward[1][rows], shared[rows], areas[0][rows], areas[1][rows], open_
    )
    return matched


def _with_centres(
    panel: PanelSegments, thing: Ints, i: Ints, j: Ints, iou: Floats, nearness: Floats, threshold: float
) -> tuple[Ints, Ints, Floats, Floats]:
    """Add pairs of tiny segments at the same place (`match_centres`) that have no match with another annotator."""
    segments, annotator, n = panel.segments, panel.annotator, len(panel.asked)
    toward = np.concatenate([i * n + annotator[j], j * n + annotator[i]])
    matched = np.unique(toward[np.tile(nearness > threshold, 2)])
    n_matched = np.bincount(matched // n, minlength=len(segments))
    is_open = np.zeros(len(segments), bool)
    is_open[thing] = n_matched[thing] < panel.asked[:, segments.case[thing], segments.category[thing]].sum(axis=0) - 1
    is_open &= (panel.area == segments.area) & ~panel.in_void.any(axis=1)  # with void, the centre is unknown
    if not is_open.any():
        return i, j, iou, nearness
    centre, section = segment_places(panel.clear, panel.line, len(segments))
    first, second = match_centres(annotator, segments.case, segments.category, section, centre, is_open)
    free = ~(np.isin(first * n + annotator[second], matched) | np.isin(second * n + annotator[first], matched))
    free &= panel.asked[annotator[second], segments.case[first], segments.category[first]]
    free &= panel.asked[annotator[first], segments.case[first], segments.category[first]]
    first, second = first[free], second[free]
    size = len(segments)
    key = np.minimum(i, j) * size + np.maximum(i, j)
    found_key = np.minimum(first, second) * size + np.maximum(first, second)
    nearness = np.where(np.isin(key, found_key), threshold + _OUTLINE_NEARNESS, nearness)
    apart = ~np.isin(found_key, key)
    more = np.zeros(int(apart.sum()))
    return (
        np.append(i, first[apart]),
        np.append(j, second[apart]),
        np.append(iou, more),
        np.append(nearness, more + threshold + _OUTLINE_NEARNESS),
    )


def _comparable_pairs(panel: PanelSegments, place: Ints) -> tuple[Ints, Ints, Floats, Ints, tuple[Ints, Ints]]:
    """Pairs of segments of different annotators that both were asked for, and the pixels that they share.

    Returns `i`, `j`, the IoU, the shared pixels, and the areas of both sides, without pixels that the other labels
    void.
    """
    kept = place[panel.clear.owner] >= 0
    side = panel.clear.take(kept)
    overlaps = find_overlaps_within(side)
    category, annotator, case = panel.segments.category, panel.annotator, panel.segments.case
    i, j = overlaps.a.astype(np.int64), overlaps.b.astype(np.int64)
    comparable = annotator[i] != annotator[j]
    comparable &= panel.asked[annotator[i], case[i], category[j]] & panel.asked[annotator[j], case[j], category[i]]
    i, j, shared = i[comparable], j[comparable], overlaps.pixels[comparable]
    area_i = panel.area[i] - panel.in_void[i, annotator[j]]
    area_j = panel.area[j] - panel.in_void[j, annotator[i]]
    return i, j, shared / (area_i + area_j - shared), shared, (area_i, area_j)


def member_rows(panel: PanelSegments, clusters: SegmentClusters) -> dict[str, Ints]:
    """The columns (m,) of the table `members`, from the clusters of all segments."""
    cluster = clusters.number
    in_one = np.flatnonzero(cluster >= 0)
    cluster_of, n = cluster[in_one], int(cluster.max(initial=-1)) + 1
    n_annotators = len(panel.asked)
    case = np.zeros(n, np.int64)
    case[cluster_of] = panel.segments.case[in_one]
    area = np.bincount(cluster_of, weights=panel.segments.area[in_one], minlength=n)
    says = np.ones((n, n_annotators), bool)
    for r in range(n_annotators):
        lost = np.bincount(cluster_of, weights=panel.lost[in_one, r], minlength=n)
        unasked = ~panel.asked[r, panel.segments.case[in_one], panel.segments.category[in_one]]
        says[:, r] = (2 * lost <= area) & (np.bincount(cluster_of[unasked], minlength=n) == 0)
    row = np.full((n, n_annotators), NO_SEGMENT, np.int64)
    row[cluster_of, panel.annotator[in_one]] = in_one
    which, annotator = np.nonzero(says | (row >= 0))
    row = row[which, annotator]
    held = _held_within(panel, clusters, n)[which, annotator] & (row == NO_SEGMENT)
    first = np.searchsorted(case, np.arange(int(case.max(initial=-1)) + 1))
    return {
        "case": case[which],
        "cluster": which - first[case[which]],
        "annotator": annotator,
        "segment": np.append(panel.segments.segment, NO_SEGMENT)[row],
        "category": np.append(panel.segments.category, NO_SEGMENT)[row],
        "within": held.astype(np.int64),
    }


def _held_within(panel: PanelSegments, clusters: SegmentClusters, n: int) -> Flags:
    """(n, R) whether most segments of a cluster lie, by more than half, in other segments of an annotator."""
    share = np.zeros((len(clusters.number), len(panel.asked)))  # overlaps of an annotator's own segments count twice
    np.add.at(share, (clusters.i, panel.annotator[clusters.j]), clusters.i_in_j)
    np.add.at(share, (clusters.j, panel.annotator[clusters.i]), clusters.j_in_i)
    rows = np.flatnonzero(clusters.number >= 0)
    held = np.zeros((n, len(panel.asked)), np.int64)
    np.add.at(held, clusters.number[rows], share[rows] > 0.5)  # half
    return np.asarray(2 * held > np.bincount(clusters.number[rows], minlength=n)[:, None])


@dataclass(frozen=True, slots=True)
class InstanceConsensus:
    """C things, agreed or not, and their n segments: one for each image that a thing is on."""

    case: Ints  # (C,) that each thing is in
    category: Ints  # (C,) position in the list of categories, or `UNDECIDED` of a tie
    drawn_by: Ints  # (C,) how many annotators have it
    judged_by: Ints  # (C,) how many have a say: who called the place void or a crowd, or was not asked, has none
    iou: Floats  # (C,) mean of those of every two who have it; NaN of one
    is_agreed: Flags  # (C,) enough have it and it has a category; the others are for someone to settle
    thing: Ints  # (n,) of each segment, ascending
    image: Ints  # (n,) row of the batch's images
    runs: Runs  # the pixels; `runs.owner` is the segment

    @property
    def support(self) -> Floats:
        """(C,) the share of annotators with a vote who drew the thing, in (0, 1]."""
        return self.drawn_by / self.judged_by


def instance_consensus(
    panel: PanelSegments,
    clusters: SegmentClusters,
    *,
    least: float = 0.5,
    exclusive: bool = False,
) -> InstanceConsensus:
    """Decide the agreed things, their pixels and categories; the order of annotators does not matter.

    A thing is agreed if more than the share `least` of the annotators with a vote drew it. Its pixels are those
    that more than half of its members have (with two members, both). Its category is the most frequent one.

    With `exclusive`, agreed things share no pixels: a pixel that several claim goes to the one with more votes
    there, then to the one that more annotators drew, then to the first.
    """
    members = member_rows(panel, clusters)
    n, n_annotators = len(clusters), len(panel.asked)
    case = np.zeros(n, np.int64)
    in_one = np.flatnonzero(clusters.number >= 0)
    cluster = clusters.number[in_one]
    case[cluster] = panel.segments.case[in_one]
    first = np.searchsorted(case, members["case"])  # a cluster's number begins anew in every case
    says = np.full((n, n_annotators), ABSENT, np.int64)
    drew = members["segment"] >= 0
    says[(first + members["cluster"])[drew], members["annotator"][drew]] = members["category"][drew]
    drawn_by = np.bincount(cluster, minlength=n)
    judged_by = np.bincount(first + members["cluster"], minlength=n)
    category = plurality(says).category
    is_agreed = (drawn_by > least * judged_by) & (category != UNDECIDED)
    kept = clusters.number[panel.clear.owner] >= 0
    owner = clusters.number[panel.clear.owner[kept]].astype(np.int32)
    pieces, votes = _majority_pixels(SweepRuns(panel.clear.start[kept], panel.clear.end[kept], owner), drawn_by)
    room = int(pieces.end.max(initial=0)) + 1
    line = category_lines(pieces, np.arange(n), room)
    if exclusive:
        line = uncovered_runs(line, _lost_pixels(pieces, votes, drawn_by, is_agreed, room))
    thing, image, runs = _image_segments(panel, line, room)
    return InstanceConsensus(
        case, category, drawn_by, judged_by, _mean_iou(clusters, drawn_by), is_agreed, thing, image, runs
    )


def _majority_pixels(side: SweepRuns, size: Ints) -> tuple[SweepRuns, Ints]:
    """The pixels that more than half of a cluster's `size` members have, in pieces, and the votes for each piece.

    `side.owner` is the cluster; members of one may share pixels. Pieces are in the order of the line.
    """
    own = np.concatenate([side.owner, side.owner])
    place = np.concatenate([side.start, side.end])
    step = np.repeat(np.array([1, -1], np.int64), len(side.start))
    order = np.lexsort((place, own))
    own, place, votes = own[order], place[order], step[order].cumsum()
    end = np.append(place[1:], 0)
    kept = np.flatnonzero((2 * votes > size[own]) & (end > place))
    kept = kept[np.argsort(place[kept], kind="stable")]
    return SweepRuns(place[kept], end[kept], own[kept]), votes[kept]


def _lost_pixels(pieces: SweepRuns, votes: Ints, drawn_by: Ints, is_agreed: Flags, room: int) -> SweepRuns:
    """The pixels that things lose to other things, on the line of `category_lines`."""
    agreed = np.flatnonzero(is_agreed[pieces.owner])
    start, end = pieces.start[agreed], pieces.end[agreed]
    first, second, place, length = kernels.strips_within(start, end, np.arange(len(agreed), dtype=np.int32))
    i, j = agreed[first], agreed[second]
    thing_i, thing_j = pieces.owner[i], pieces.owner[j]
    ahead = np.stack([votes[i] - votes[j], drawn_by[thing_i] - drawn_by[thing_j], thing_j - thing_i])
    decisive = np.take_along_axis(ahead, (ahead != 0).argmax(axis=0)[None], axis=0)[0]
    loser = np.where(decisive > 0, thing_j, thing_i)
    lost = category_lines(SweepRuns(place, place + length, np.arange(len(place), dtype=np.int32)), loser, room)
    return union_of_runs(lost)


def _image_segments(panel: PanelSegments, line: SweepRuns, room: int) -> tuple[Ints, Ints, Runs]:
    """Thing and image of each segment, and the pixels, from pieces on the line of `category_lines`."""
    start, length, _ = kernels.cover(line.start, line.end)
    thing, place = np.divmod(start, room)
    image, x, y = panel.line.lower(place)
    n_images = max(len(panel.line.base), 1)
    key, owner = np.unique(thing * n_images + image, return_inverse=True)
    runs = Runs(x * panel.line.height[image] + y, length, owner.astype(np.int32))
    return key // n_images, key % n_images, runs


def _mean_iou(clusters: SegmentClusters, drawn_by: Ints) -> Floats:
    """(C,) the mean IoU over all pairs of members; pairs without common pixels count as 0."""
    same = clusters.number[clusters.i] == clusters.number[clusters.j]
    total = np.bincount(clusters.number[clusters.i[same]], weights=clusters.iou[same], minlength=len(drawn_by))
    pairs = drawn_by * (drawn_by - 1) / 2
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)
