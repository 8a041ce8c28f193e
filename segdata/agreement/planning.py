"""Planning: the number of images that two annotators must label for an interval of a given width."""

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from segdata.agreement.estimates import DEFAULT_RESAMPLING, PairAmounts, PooledPairs, Resampling, between_persons
from segdata.agreement.scores import Number
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.errors import SegdataError
from segdata.core.resampling import Statistic, interval_ends, least_clusters, resampled_values
from segdata.core.runs import Floats, Ints

CHECKS = 1000  # simulated intervals that check a plan
_ROUNDS = 8
_MAX_CLUSTERS = 1_000_000  # of a plan


class SampleSize(msgspec.Struct, frozen=True):
    """The amount that two annotators must label for an interval of plus and minus `half_width`.

    `now`: half the present interval; `reached`: half the interval of simulated campaigns with this number of
    `clusters`. `category` null: over all. `instances` null: their number does not matter. Other nulls: unknown.
    `design_effect`: the factor by which the number of images grows since images of a sequence, patient or scene are
    similar.
    """

    score: str
    category: str | None
    half_width: float
    now: Number
    clusters: int | None
    images: int | None
    instances: int | None
    reached: Number
    design_effect: Number


@dataclass(frozen=True, slots=True)
class ClustersNeeded:
    """The number of clusters for an interval of the requested width."""

    sd: float  # how much the value varies by cluster: its standard error times the root of the number of clusters
    half_width: float  # half of the interval that there is now; NaN where there is none
    # how many clusters are needed; None where nothing can be said: the value is undefined, or more than a million would
    # be
    clusters: int | None
    reached: float  # half of the interval that so many clusters have, in the mean of resamples of that size


def estimate_clusters(
    statistic: Statistic,
    n: int,
    half_width: float,
    seed: int,
    *,
    confidence: float = 0.95,
    width: int = 1,
) -> tuple[ClustersNeeded, ...]:
    """Estimate for each of k values the number of clusters like these n for an interval of plus and minus `half_width`.

    `statistic` takes weights (B, n) and returns (B, k). The first guess is (z SD / h)^2, with the SD from the
    bootstrap, so that it works for every value and includes the design effect of clusters. Then intervals of that many
    clusters, drawn from the present ones, are simulated, and the number is raised until they are narrow enough.
    Source: Cochran (1977), Sampling Techniques, chapters 4 and 9; checked by the bootstrap, as in Davison and Hinkley
    (1997), Bootstrap Methods and their Application, section 2.9.
    """
    if n < 2:
        return tuple(
            ClustersNeeded(math.nan, math.nan, None, math.nan) for _ in range(statistic(np.ones((1, n))).shape[1])
        )
    rng = np.random.default_rng(seed)
    draws = resampled_values(statistic, n, rng, n_draws=CHECKS, width=width)
    low, high = interval_ends(draws, n, confidence)
    defined = np.isfinite(draws).any(axis=0)
    spread = np.full(draws.shape[1], np.nan)
    spread[defined] = np.nanstd(draws[:, defined], axis=0) * math.sqrt(n * n / (n - 1))
    least = least_clusters(confidence)
    sizes = _normal_sizes(spread, half_width, confidence, least)
    now = (high - low) / 2 if n >= least else np.full(low.shape, np.nan)
    reached = _check_sizes(statistic, n, sizes, half_width, rng, confidence, width)
    return tuple(
        ClustersNeeded(sd, width_now, size if 0 < size <= _MAX_CLUSTERS else None, half)
        for sd, width_now, size, half in zip(
            spread.tolist(), now.tolist(), sizes.tolist(), reached.tolist(), strict=True
        )
    )


def _normal_sizes(spread: Floats, half_width: float, confidence: float, least: int = 2) -> Ints:
    """(k,) (z SD / h)^2, at least `least`, capped just above the largest plan; 0 for an unknown spread."""
    from scipy.special import ndtri

    size = np.ceil((ndtri((1 + confidence) / 2) * spread / half_width) ** 2 - 1e-9)
    return np.where(np.isfinite(spread), np.clip(size, least, _MAX_CLUSTERS + 1), 0).astype(np.int64)


def _check_sizes(
    statistic: Statistic,
    n: int,
    sizes: Ints,
    half_width: float,
    rng: np.random.Generator,
    confidence: float,
    width: int,
) -> Floats:
    """(k,) half the simulated intervals of `sizes` (k,); sizes that are too small are raised in place."""
    reached = np.full(len(sizes), np.nan)
    open_ = np.flatnonzero((sizes > 0) & (sizes <= _MAX_CLUSTERS))
    for _ in range(_ROUNDS):
        for size in np.unique(sizes[open_]).tolist():
            draws = resampled_values(statistic, n, rng, n_draws=CHECKS, size=size, width=width)
            low, high = interval_ends(draws, size, confidence)
            reached[sizes == size] = ((high - low) / 2)[sizes == size]
        # Simulated intervals vary by a few per cent, so a plan that just misses the width is accepted.
        open_ = open_[reached[open_] > 1.05 * half_width]
        if len(open_) == 0:
            break
        sizes[open_] = np.minimum(np.ceil(sizes[open_] * (reached[open_] / half_width) ** 2), _MAX_CLUSTERS).astype(
            np.int64
        )
    return reached


PLANNED_OVERALL = ("iou", "pq", "kappa")
PLANNED_BY_CATEGORY = ("iou", "pq")
HALF_WIDTH = 0.02
MIN_INSTANCES = 30  # of a category: with fewer its spread cannot be estimated


def plan_sample_sizes(
    comparison: AnnotatorPairs,
    half_width: float = HALF_WIDTH,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> tuple[SampleSize, ...]:
    """The sample sizes for intervals of plus and minus `half_width`, with images like these.

    A category also needs images with 30 of its segments. Raises SegdataError for an invalid width.
    """
    if not 0 < half_width < 1:
        raise SegdataError(f"a half width of {half_width:g}: it must lie between 0 and 1")
    amounts = PairAmounts.from_pairs(comparison)
    rows = between_persons(amounts)
    if len(rows) == 0:
        return ()
    case = np.unique(amounts.case[rows], return_inverse=True)[1]
    clusters = PooledPairs.by_cluster(amounts, rows)
    images = float(comparison.cases["frames"][np.unique(amounts.case[rows])].sum()) / clusters.n
    alone = PooledPairs.by_unit(amounts, rows, case)

    def plan_scores(names: tuple[str, ...], by_category: bool) -> list[tuple[ClustersNeeded, float]]:
        by_cluster, by_case = (
            flatten_statistic(units.category_statistic(names) if by_category else units.statistic(names))
            for units in (clusters, alone)
        )
        width = clusters.width(names)
        needed = estimate_clusters(
            by_cluster,
            clusters.n,
            half_width,
            resampling.seed,
            confidence=resampling.confidence,
            width=width,
        )
        effect = _design_effects(by_cluster, clusters.n, by_case, alone.n, resampling.seed, width)
        return list(zip(needed, effect.tolist(), strict=True))

    overall = [
        _sample_size(name, None, half_width, needed, effect, images, None)
        for name, (needed, effect) in zip(PLANNED_OVERALL, plan_scores(PLANNED_OVERALL, False), strict=True)
    ]
    sums = clusters.together.amounts
    segments = np.asarray((2 * sums["tp"] + sums["fp"] + sums["fn"]).sum(axis=0)).reshape(-1) / 2
    pairs = np.asarray(sums["images"].sum()) / len(np.unique(amounts.case[rows]))
    per_cluster = (segments / pairs / clusters.n).tolist()
    clusters_needed = plan_scores(PLANNED_BY_CATEGORY, True)
    n_categories = len(comparison.categories)
    single = [
        _sample_size(
            name,
            definition.name,
            half_width,
            *clusters_needed[k * n_categories + category],
            images,
            per_cluster[category],
        )
        for category, definition in enumerate(comparison.categories)
        for k, name in enumerate(PLANNED_BY_CATEGORY)
        if definition.kind != "void" and segments[category] > 0
    ]
    return tuple(overall + single)


def flatten_statistic(statistic: Statistic) -> Statistic:
    """The statistic with its values flattened to (B, k)."""

    def flat(weights: Floats) -> Floats:
        values = statistic(weights)
        return values.reshape(len(values), -1)

    return flat


def _sample_size(
    score: str,
    category: str | None,
    half_width: float,
    needed: ClustersNeeded,
    effect: float,
    images: float,
    instances: float | None,
) -> SampleSize:
    """The sample size in images and segments."""
    clusters = needed.clusters
    if clusters is not None and instances is not None:
        clusters = max(clusters, math.ceil(MIN_INSTANCES / instances))
    return SampleSize(
        score,
        category,
        half_width,
        needed.half_width,
        clusters,
        None if clusters is None else math.ceil(clusters * images - 1e-9),
        None if clusters is None or instances is None else math.ceil(clusters * instances - 1e-9),
        needed.reached,
        effect,
    )


def _design_effects(by_cluster: Statistic, n: int, by_case: Statistic, n_cases: int, seed: int, width: int) -> Floats:
    """(k,) the design effects: variances with clusters resampled whole, over those with every case by itself."""
    if n == n_cases:
        return np.ones(by_cluster(np.ones((1, n))).shape[1])
    several = [
        resampled_values(draws, size, np.random.default_rng(seed), n_draws=CHECKS, width=width)
        for draws, size in ((by_cluster, n), (by_case, n_cases))
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = [
            np.where(np.isfinite(draws).sum(axis=0) > 1, _variance(draws), np.nan) * size / (size - 1)
            for draws, size in zip(several, (n, n_cases), strict=True)
        ]
        return np.asarray(spread[0] / spread[1])


def _variance(draws: Floats) -> Floats:
    """(k,) the variance of draws (B, k) without NaN."""
    defined = np.isfinite(draws)
    n = np.maximum(defined.sum(axis=0), 1)
    mean = np.where(defined, draws, 0).sum(axis=0) / n
    return np.asarray((np.where(defined, draws - mean, 0) ** 2).sum(axis=0) / n)
