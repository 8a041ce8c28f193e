"""Plans: how many images two annotators must label for an interval of a given width, over all and by category."""

import math

import numpy as np

from segdata.agreement.statistics.planning import CHECKS, Needed, needed
from segdata.agreement.summary.agreed import Planned
from segdata.agreement.summary.estimates import DEFAULT, Amounts, Everyone, Resampling
from segdata.agreement.summary.summary import between_persons
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.bootstrap import Floats, Statistic, resampled_values
from segdata.core.errors import SegdataError

OVERALL = ("iou", "pq", "kappa")
BY_CATEGORY = ("iou", "pq")
HALF_WIDTH = 0.02
LEAST_INSTANCES = 30  # of a category, below which its spread is not known well enough to plan by


def plan(
    opposed: AnnotatorPairs,
    half_width: float = HALF_WIDTH,
    how: Resampling = DEFAULT,
    *,
    population: int | None = None,
) -> tuple[Planned, ...]:
    """What intervals of plus and minus `half_width` take, of images like these.

    A category also takes as many images as have 30 of its segments. `population`: how many images there are in all,
    where it is their agreement that the interval is to hold. Raises SegdataError where the width is none.
    """
    if not 0 < half_width < 1:
        raise SegdataError(f"a half width of {half_width:g}: it must lie between 0 and 1")
    amounts = Amounts.of(opposed)
    rows = between_persons(amounts)
    if len(rows) == 0:
        return ()
    case = np.unique(amounts.case[rows], return_inverse=True)[1].reshape(-1)
    clusters = Everyone.of(amounts, rows)
    images = float(opposed.cases["frames"][np.unique(amounts.case[rows])].sum()) / clusters.n
    of_all = None if population is None else max(clusters.n, round(population / images))
    alone = Everyone.by(amounts, rows, case)

    def planned(names: tuple[str, ...], by_category: bool) -> list[tuple[Needed, float]]:
        by_cluster, by_case = (
            flattened(each.category_statistic(names) if by_category else each.statistic(names))
            for each in (clusters, alone)
        )
        width = clusters.width(names)
        found = needed(
            by_cluster, clusters.n, half_width, how.seed, confidence=how.confidence, population=of_all, width=width
        )
        effect = _effects(by_cluster, clusters.n, by_case, alone.n, how.seed, width)
        return list(zip(found, effect.tolist(), strict=True))

    overall = [
        _planned(name, None, half_width, each, effect, images, None)
        for name, (each, effect) in zip(OVERALL, planned(OVERALL, False), strict=True)
    ]
    sums = clusters.together.amounts
    segments = np.asarray((2 * sums["tp"] + sums["fp"] + sums["fn"]).sum(axis=0)).reshape(-1) / 2
    pairs = np.asarray(sums["images"].sum()) / len(np.unique(amounts.case[rows]))
    per_cluster = (segments / pairs / clusters.n).tolist()
    found = planned(BY_CATEGORY, True)
    n_categories = len(opposed.categories)
    single = [
        _planned(name, each.name, half_width, *found[k * n_categories + category], images, per_cluster[category])
        for category, each in enumerate(opposed.categories)
        for k, name in enumerate(BY_CATEGORY)
        if each.kind != "void" and segments[category] > 0
    ]
    return tuple(overall + single)


def flattened(statistic: Statistic) -> Statistic:
    """The same with values (B, k)."""

    def flat(weights: Floats) -> Floats:
        values = statistic(weights)
        return values.reshape(len(values), -1)

    return flat


def _planned(
    score: str,
    category: str | None,
    half_width: float,
    found: Needed,
    effect: float,
    images: float,
    instances: float | None,
) -> Planned:
    """A plan in images and segments, of which each cluster has so many."""
    clusters = found.clusters
    if clusters is not None and instances is not None:
        clusters = max(clusters, math.ceil(LEAST_INSTANCES / instances))
    return Planned(
        score,
        category,
        half_width,
        found.half_width,
        clusters,
        None if clusters is None else math.ceil(clusters * images - 1e-9),
        None if clusters is None or instances is None else math.ceil(clusters * instances - 1e-9),
        found.reached,
        effect,
    )


def _effects(by_cluster: Statistic, n: int, by_case: Statistic, n_cases: int, seed: int, width: int) -> Floats:
    """(k,) the design effects: variances with clusters drawn as one, over those with every case by itself."""
    if n == n_cases:
        return np.ones(by_cluster(np.ones((1, n))).shape[1])
    several = [
        resampled_values(each, size, np.random.default_rng(seed), n_draws=CHECKS, width=width)
        for each, size in ((by_cluster, n), (by_case, n_cases))
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = [
            np.where(np.isfinite(each).sum(axis=0) > 1, _variance(each), np.nan) * size / (size - 1)
            for each, size in zip(several, (n, n_cases), strict=True)
        ]
        return np.asarray(spread[0] / spread[1])


def _variance(draws: Floats) -> Floats:
    """(k,) of draws (B, k), NaN left out."""
    known = np.isfinite(draws)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, draws, 0).sum(axis=0) / n
    return np.asarray((np.where(known, draws - mean, 0) ** 2).sum(axis=0) / n)
