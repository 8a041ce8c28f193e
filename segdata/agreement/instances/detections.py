"""Detections: a model's segments with scores, held against a reference as COCO does it, for mask AP."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.instances.overlapping import covered, union
from segdata.agreement.opposite import Drawn, Flags, Opposite
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())  # of IoU, with COCO's rounding errors
MOST = 100  # detections of one category in an image that count, the best ones
_SMALL, _LARGE = 32**2, 96**2
AREAS = ((0.0, 1e10), (0.0, _SMALL), (_SMALL, _LARGE), (_LARGE, 1e10))  # all, small, medium, large, in pixels
_ALMOST = 1 - 1e-10  # an IoU of 1 that was rounded passes a threshold of 1


@dataclass(frozen=True, slots=True)
class Detections:
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
    def together(pieces: Sequence["Detections"]) -> "Detections":
        """Those of several batches, at least one, in order."""
        names = ("category", "score", "rank", "matched", "ignored")
        columns = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names}
        return Detections(**columns, positives=np.sum([piece.positives for piece in pieces], axis=0))


def detections(
    opposite: Opposite,
    score: Floats,
    *,
    area_a: Floats | Ints | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    areas: Sequence[tuple[float, float]] = AREAS,
) -> Detections:
    """What becomes of B's things, with `score` (n_b,) each, where A is the reference; as pycocotools' COCOeval does it.

    In each case and category the best 100 by score, one after the other, take the segment of the reference that is
    still free and has the highest IoU, at least the threshold: first of those whose area is in range, and only then
    of the others and of crowds, which count for nothing, and so does what takes them. A crowd is never taken up, and
    its IoU is the share of the detection that lies in it. What hits nothing counts for nothing if its own area is out
    of range, or if it lies by more than half in what A calls void, which COCO does not have.

    `area_a` (n_a,) is the area by which A's segments are in a range: pixels; COCO takes what the file declares.
    """
    a, b = opposite.a, opposite.b
    chosen, rank = _best(b, score)
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
    taken = _taken(first, order[second], shared / whole, rank, spared, a.is_crowd, wanted)
    void = union(a.runs_of(a.is_void, np.arange(len(a))))
    in_void = 2 * covered(b.side, void, len(b)) > b.area
    outside = (in_void | _out_of_range(b.area, bounds))[:, chosen].T  # (N, A)
    matched = taken >= 0
    takes_spared = np.pad(spared, ((0, 0), (0, 1)))[np.arange(len(bounds))[:, None], taken]
    ignored = np.where(matched, takes_spared, outside[..., None])
    cell = a.category[None] + len(opposite.categories) * np.arange(len(bounds))[:, None]
    should = ~spared & a.is_thing
    positives = np.bincount(cell[should], minlength=len(bounds) * len(opposite.categories))
    return Detections(
        b.category[chosen],
        score[chosen],
        rank,
        matched,
        ignored,
        positives.reshape(len(bounds), -1).T.astype(np.int64),
    )


def _best(b: Drawn, score: Floats) -> tuple[Ints, Ints]:
    """The rows of the best things in each case and category, best ones first, and the rank of each in its own."""
    things = np.flatnonzero(b.is_thing)
    order = things[np.lexsort((-score[things], b.category[things], b.case[things]))]
    new = (np.diff(b.case[order], prepend=-1) != 0) | (np.diff(b.category[order], prepend=-1) != 0)
    first = np.flatnonzero(new)
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return order[rank < MOST], rank[rank < MOST]


def _out_of_range(area: Floats | Ints, bounds: Floats) -> Flags:
    """(A, n)."""
    result: Flags = (area < bounds[:, :1]) | (area > bounds[:, 1:])
    return result


def _taken(a: Ints, b: Ints, iou: Floats, rank: Ints, spared: Flags, is_crowd: Flags, wanted: Floats) -> Ints:
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
    ends = np.searchsorted(rank[b[by_rank]], np.arange(MOST + 1))
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
