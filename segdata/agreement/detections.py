"""Detections: numbers of matched and unmatched segments, and a model's scored segments matched as COCO does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.annotator_pairs import AnnotatorPair, AnnotatorSegments, Flags
from segdata.agreement.instance_matching import Columns, covered_areas, union_of_runs
from segdata.core.runs import Ints

Floats = NDArray[np.float64]


class RecognitionCounts(NamedTuple):
    """Numbers of segments by group and category.

    Attributes
    ----------
    tp : (n_groups, n_categories) both have them
    fp, fn : (n_groups, n_categories) only B, only A has them
    iou_sum : (n_groups, n_categories) of those that both have
    """

    tp: Ints
    fp: Ints
    fn: Ints
    iou_sum: Floats


def count_recognised(
    matches: Columns, group: Ints, n_groups: int, n_categories: int, *, threshold: float = 0.5
) -> RecognitionCounts:
    """What the table `matches` says, summed over the rows of each group: a case, a cluster, a pair of annotators.

    `group` (n,) is that of each row. A pair counts if it has one category and an IoU above `threshold`, which should
    not be less than the one it was matched with; else each of both segments is one that the other does not have.

    >>> columns = {"category_a": [0, 1], "category_b": [0, -1], "iou": [0.8, np.nan], "ignored": [False, False]}
    >>> found = count_recognised({name: np.array(column) for name, column in columns.items()}, np.array([0, 0]), 1, 2)
    >>> found.tp.tolist(), found.fn.tolist()
    ([[1, 0]], [[0, 1]])
    """
    a, b, iou = matches["category_a"], matches["category_b"], matches["iou"]
    both = (a == b) & (np.nan_to_num(iou) > threshold)
    counted = ~both & ~matches["ignored"].astype(bool)

    def summed(rows: NDArray[np.bool_], category: Ints, weights: Floats | None = None) -> Floats:
        cell = group[rows] * n_categories + category[rows]
        total = np.bincount(cell, weights=None if weights is None else weights[rows], minlength=n_groups * n_categories)
        return total.reshape(n_groups, n_categories).astype(np.float64)

    return RecognitionCounts(
        summed(both, a).astype(np.int64),
        summed(counted & (b >= 0), b).astype(np.int64),
        summed(counted & (a >= 0), a).astype(np.int64),
        summed(both, a, iou).astype(np.float64),
    )


THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())  # of IoU, with COCO's rounding errors
MAX_DETECTIONS = 100  # detections of one category in an image that count, the best ones
_SMALL, _LARGE = 32**2, 96**2
AREA_RANGES = ((0.0, 1e10), (0.0, _SMALL), (_SMALL, _LARGE), (_LARGE, 1e10))  # all, small, medium, large, in pixels
_ALMOST = 1 - 1e-10  # an IoU of 1 that was rounded passes a threshold of 1


@dataclass(frozen=True, slots=True)
class DetectionMatches:
    """N segments of B, and what they are worth at T thresholds of IoU within A ranges of area.

    Attributes
    ----------
    category, score : (N,)
    rank : (N,) how many of its case and category have a higher score
    matched : (N, A, T) a segment of the reference is hit
    ignored : (N, A, T) counts for nothing
    positives : (n_categories, A) segments of the reference that should be found
    """

    category: Ints
    score: Floats
    rank: Ints
    matched: Flags
    ignored: Flags
    positives: Ints

    @staticmethod
    def together(pieces: Sequence["DetectionMatches"]) -> "DetectionMatches":
        """Those of several batches, at least one, in order."""
        names = ("category", "score", "rank", "matched", "ignored")
        columns = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names}
        return DetectionMatches(**columns, positives=np.sum([piece.positives for piece in pieces], axis=0))


def match_detections(
    opposite: AnnotatorPair,
    score: Floats,
    *,
    area_a: Floats | Ints | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    areas: Sequence[tuple[float, float]] = AREA_RANGES,
) -> DetectionMatches:
    """What becomes of B's things, with `score` (n_b,) each, where A is the reference; as pycocotools' COCOeval does it.

    In each case and category the best 100 by score, one after the other, take the segment of the reference that is
    still free and has the highest IoU, at least the threshold: first of those whose area is in range, and only then
    of the others and of crowds, which count for nothing, and so does what takes them. A crowd is never taken up, and
    its IoU is the share of the detection that lies in it. What hits nothing counts for nothing if its own area is out
    of range, or if it lies by more than half in what A calls void, which COCO does not have.

    `area_a` (n_a,) is the area by which A's segments are in a range: pixels; COCO takes what the file declares.
    """
    a, b = opposite.a, opposite.b
    chosen, rank = _best_by_score(b, score)
    order = np.full(len(b), -1, np.int64)
    order[chosen] = np.arange(len(chosen))
    met = opposite.met
    both = (met.a >= 0) & (met.b >= 0)
    first, second, shared = met.a[both], met.b[both], met.pixels[both]
    kept = (order[second] >= 0) & a.is_thing[first] & (a.category[first] == b.category[second])
    first, second, shared = first[kept], second[kept], shared[kept]
    whole = np.where(a.is_crowd[first], b.area[second], a.area[first] + b.area[second] - shared)
    size = a.area if area_a is None else area_a
    bounds = np.array(areas, float).reshape(-1, 2)
    spared = a.is_crowd | _out_of_range(size, bounds)  # (A, n_a)
    wanted = np.minimum(np.array(thresholds, float), _ALMOST)
    taken = _take_references(first, order[second], shared / whole, rank, spared, a.is_crowd, wanted)
    void = union_of_runs(a.runs_of(a.is_void, np.arange(len(a))))
    in_void = 2 * covered_areas(b.side, void, len(b)) > b.area
    outside = (in_void | _out_of_range(b.area, bounds))[:, chosen].T  # (N, A)
    matched = taken >= 0
    takes_spared = np.pad(spared, ((0, 0), (0, 1)))[np.arange(len(bounds))[:, None], taken]
    ignored = np.where(matched, takes_spared, outside[..., None])
    cell = a.category[None] + len(opposite.categories) * np.arange(len(bounds))[:, None]
    should = ~spared & a.is_thing
    positives = np.bincount(cell[should], minlength=len(bounds) * len(opposite.categories))
    return DetectionMatches(
        b.category[chosen],
        score[chosen],
        rank,
        matched,
        ignored,
        positives.reshape(len(bounds), -1).T.astype(np.int64),
    )


def _best_by_score(b: AnnotatorSegments, score: Floats) -> tuple[Ints, Ints]:
    """The rows of the best things in each case and category, best ones first, and the rank of each in its own."""
    things = np.flatnonzero(b.is_thing)
    order = things[np.lexsort((-score[things], b.category[things], b.case[things]))]
    new = (np.diff(b.case[order], prepend=-1) != 0) | (np.diff(b.category[order], prepend=-1) != 0)
    first = np.flatnonzero(new)
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return order[rank < MAX_DETECTIONS], rank[rank < MAX_DETECTIONS]


def _out_of_range(area: Floats | Ints, bounds: Floats) -> Flags:
    """(A, n)."""
    result: Flags = (area < bounds[:, :1]) | (area > bounds[:, 1:])
    return result


def _take_references(a: Ints, b: Ints, iou: Floats, rank: Ints, spared: Flags, is_crowd: Flags, wanted: Floats) -> Ints:
    """(N, A, T) the row of A that each detection takes, or -1; cells are pairs of `a` and `b` with their `iou`.

    All detections of one rank are of different cases or categories, so they choose at the same time.
    """
    n_areas, n_thresholds = len(spared), len(wanted)
    result = np.full((len(rank), n_areas, n_thresholds), -1, np.int64)
    free = np.ones((len(is_crowd), n_areas, n_thresholds), bool)
    worth = np.empty(len(a), np.int64)
    worth[np.lexsort((a, iou))] = np.arange(len(a))  # of equal IoU the later one is better
    worth = worth[:, None] + np.where(spared.T[a], 0, len(a))  # (cells, A)
    by_rank = np.lexsort((b, rank[b]))
    ends = np.searchsorted(rank[b[by_rank]], np.arange(MAX_DETECTIONS + 1))
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        if begin == end:
            continue
        cells = by_rank[begin:end]
        of = a[cells]
        possible = (iou[cells, None] >= wanted)[:, None] & (free[of] | is_crowd[of, None, None])
        value = np.where(possible, worth[cells][..., None], -1)
        first = np.flatnonzero(np.diff(b[cells], prepend=-1))
        best = np.maximum.reduceat(value, first, axis=0)
        which = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(cells))))
        cell, area, threshold = np.nonzero((value >= 0) & (value == best[which]))
        result[b[cells[cell]], area, threshold] = of[cell]
        free[of[cell], area, threshold] = False
    return result
