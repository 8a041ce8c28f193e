"""Instances: detection scores, panoptic quality, and average precision of segments that are matched."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.agreement.plugin import metric
from segdata.core.runs import Flags, Floats

_TAKES = ("tp", "fp", "fn", "iou_sum")
_SOURCE = "Kirillov, He, Girshick, Rother, Dollár (2019), Panoptic Segmentation, CVPR"
Ints = NDArray[np.int64]
RECALLS = np.linspace(0, 1, 101)
LIMITS = (1, 10, 100)  # detections of one category in an image


class DetectionScores(NamedTuple):
    """Each (...) in [0, 1]."""

    precision: Floats
    recall: Floats
    f1: Floats


def detection_scores(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> DetectionScores:
    """Precision, recall and F1 of B's segments where A's are the reference.

    Precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = TP / (TP + FP / 2 + FN / 2), their harmonic mean. Takes
    numbers of matches, of segments that only B and only A has, (...) each. Swapping A and B swaps precision and
    recall and leaves F1. Precision is NaN where B has no segment, recall where A has none, F1 where nobody has.
    Source: van Rijsbergen (1979), Information Retrieval, chapter 7.

    >>> [float(score) for score in detection_scores(tp=3, fp=1, fn=0)]
    [0.75, 1.0, 0.8571428571428571]
    """
    true, only_b, only_a = (np.asarray(amount, float) for amount in (tp, fp, fn))
    with np.errstate(divide="ignore", invalid="ignore"):
        return DetectionScores(true / (true + only_b), true / (true + only_a), true / (true + only_b / 2 + only_a / 2))


@metric("f1", takes=("tp", "fp", "fn"), higher_is_better=True, source="van Rijsbergen (1979), Information Retrieval")
def f1(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> Floats:
    """F1 of segments, see `detection_scores`."""
    return detection_scores(tp, fp, fn).f1


class PanopticQuality(NamedTuple):
    """PQ = SQ x RQ, each (...) in [0, 1]."""

    pq: Floats
    sq: Floats
    rq: Floats


def panoptic_quality(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, iou_sum: ArrayLike) -> PanopticQuality:
    """PQ, SQ (segmentation quality: the mean IoU of matches) and RQ (recognition quality: F1 of the segments).

    PQ = sum of IoU / (TP + FP / 2 + FN / 2). Takes numbers of matches, of segments that only B and only A has, and
    the sum of the matches' IoU, (...) each, whole or weighted. Swapping A and B swaps FP and FN and changes nothing.
    All three are NaN where nobody has a segment (panopticapi says 0 and leaves it out of averages). Where somebody
    has but nothing matches all are 0, SQ too, as in panopticapi, so that averages over categories are the same.

    >>> [float(score) for score in panoptic_quality(tp=2, fp=1, fn=1, iou_sum=1.75)]
    [0.5833333333333334, 0.875, 0.6666666666666666]
    """
    true, total_iou = np.asarray(tp, float), np.asarray(iou_sum, float)
    size = true + np.asarray(fp, float) / 2 + np.asarray(fn, float) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        pq, rq = total_iou / size, true / size
        sq = np.where((true == 0) & (size > 0), 0.0, total_iou / true)
    return PanopticQuality(pq, sq, rq)


@metric("pq", takes=_TAKES, higher_is_better=True, source=_SOURCE)
def _pq(tp: Floats, fp: Floats, fn: Floats, iou_sum: Floats) -> Floats:
    return panoptic_quality(tp, fp, fn, iou_sum).pq


@metric("sq", takes=_TAKES, higher_is_better=True, source=_SOURCE)
def _sq(tp: Floats, fp: Floats, fn: Floats, iou_sum: Floats) -> Floats:
    return panoptic_quality(tp, fp, fn, iou_sum).sq


@metric("rq", takes=_TAKES, higher_is_better=True, source=_SOURCE)
def _rq(tp: Floats, fp: Floats, fn: Floats, iou_sum: Floats) -> Floats:
    return panoptic_quality(tp, fp, fn, iou_sum).rq


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Precision and recall at T thresholds, K categories, A ranges of area and M limits on detections."""

    # (T, 101, K, A, M) at recalls 0, 0.01 … 1, each the best at this recall or a higher one; NaN where the reference
    # has nothing to be found
    precision: Floats
    recall: Floats  # (T, K, A, M) the highest

    def summary(self) -> dict[str, float]:
        """COCO's twelve numbers, with its ten thresholds, four areas and three limits; NaN is left out of means."""
        ap, ar = self.precision[..., -1], self.recall
        sizes = ("small", "medium", "large")
        numbers = {"AP": _mean(ap[..., 0]), "AP50": _mean(ap[0, ..., 0]), "AP75": _mean(ap[5, ..., 0])}
        numbers |= {f"AP_{size}": _mean(ap[..., k + 1]) for k, size in enumerate(sizes)}
        numbers |= {f"AR{limit}": _mean(ar[:, :, 0, k]) for k, limit in enumerate(LIMITS)}
        return numbers | {f"AR_{size}": _mean(ar[:, :, k + 1, -1]) for k, size in enumerate(sizes)}

    def of_categories(self) -> Floats:
        """(K,) the AP of each category, all areas."""
        return np.array([_mean(self.precision[:, :, k, 0, -1]) for k in range(self.precision.shape[2])])


def average_precision(
    category: Ints, score: Floats, rank: Ints, matched: Flags, ignored: Flags, positives: Ints
) -> AveragePrecision:
    """Precision over recall, from detections that were held against a reference.

    Takes N detections in the order of their images, of one image by falling score: `category`, `score`, `rank` (N,)
    within image and category, `matched` and `ignored` (N, A, T); and the numbers of segments to be found, `positives`
    (K, A). The figures equal those of pycocotools' COCOeval, save that what is -1 there is NaN here.
    Source: Lin et al. (2014), Microsoft COCO, ECCV; Everingham et al. (2010), International Journal of Computer
    Vision 88, 303-338, for precision at and above a recall.
    """
    n_categories, n_areas = positives.shape
    n_thresholds = matched.shape[-1]
    precision = np.full((n_thresholds, len(RECALLS), n_categories, n_areas, len(LIMITS)), np.nan)
    recall = np.full((n_thresholds, n_categories, n_areas, len(LIMITS)), np.nan)
    order = np.lexsort((-score, category))
    ends = np.searchsorted(category[order], np.arange(n_categories + 1))
    for k in np.flatnonzero(positives.any(axis=1)).tolist():
        rows = order[ends[k] : ends[k + 1]]
        for m, limit in enumerate(LIMITS):
            some = rows[rank[rows] < limit]
            hits, misses = matched[some] & ~ignored[some], ~matched[some] & ~ignored[some]
            for area in np.flatnonzero(positives[k]).tolist():
                curve = _curve(hits[:, area], misses[:, area], int(positives[k, area]))
                precision[:, :, k, area, m], recall[:, k, area, m] = curve
    return AveragePrecision(precision, recall)


def _curve(hits: Flags, misses: Flags, n_positives: int) -> tuple[Floats, Floats]:
    """Precision (T, 101) and the highest recall (T,) of detections (n, T) by falling score."""
    n, n_thresholds = hits.shape
    precision, recall = np.zeros((n_thresholds, len(RECALLS))), np.zeros(n_thresholds)
    if n == 0:
        return precision, recall
    true, false = hits.cumsum(axis=0).astype(float), misses.cumsum(axis=0).astype(float)
    reached = true / n_positives
    best = np.maximum.accumulate((true / (false + true + np.spacing(1)))[::-1], axis=0)[::-1]
    for t in range(n_thresholds):
        place = np.searchsorted(reached[:, t], RECALLS, side="left")
        precision[t, place < n] = best[place[place < n], t]
    return precision, reached[-1]


def _mean(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
