"""Average precision of masks with scores, as COCO reports it."""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Flags, Floats, Ints

RECALLS = np.linspace(0, 1, 101)
LIMITS = (1, 10, 100)  # detections of one category in an image


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
    if not n:
        return precision, recall
    true, false = hits.cumsum(axis=0).astype(float), misses.cumsum(axis=0).astype(float)
    reached = true / n_positives
    best = np.maximum.accumulate((true / np.maximum(false + true, 1))[::-1], axis=0)[::-1]
    for t in range(n_thresholds):
        place = np.searchsorted(reached[:, t], RECALLS, side="left")
        precision[t, place < n] = best[place[place < n], t]
    return precision, reached[-1]


def _mean(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
