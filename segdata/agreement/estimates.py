"""Estimates: scores of pairs of annotators, of all together, by category and by image, with intervals over clusters."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from segdata.agreement.metrics.fleiss_kappa import fleiss_kappa
from segdata.agreement.metrics.krippendorff_alpha import Coincidences, coincidences, krippendorff_alpha, votes_a_pixel
from segdata.agreement.plugin import find_metric, installed_metrics
from segdata.agreement.scores import (
    CATEGORY_SCORES,
    IMAGE_MEANS,
    PAIR_SCORES,
    POOLED_AMOUNTS,
    SIGNED_MEANS,
    AdditiveSums,
    Leading,
    Score,
    WeightedSums,
    column_of,
    leading_score,
    overall_category_values,
    overall_value,
    pair_value,
    sum_pairs,
    values_by_category,
    weighted_mean,
)
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.config import WITHOUT_INTERVAL
from segdata.core.resampling import DRAWS, ConfidenceInterval, Statistic, bootstrap_interval, least_clusters
from segdata.core.runs import Floats, Ints

POOLED_SCORES = tuple(name for name in PAIR_SCORES if name not in SIGNED_MEANS)
_Score = Callable[[str, WeightedSums, Sequence[WeightedSums]], Floats]
_Reliability = Callable[[Floats, Floats], Floats]
_MAX_VALUES = 2000  # of one resample at a time
_CATEGORY_MEANS = frozenset({*IMAGE_MEANS, *SIGNED_MEANS, "iou_micro", "dice_micro", "pq", "sq", "rq"})
_UP_TO_ONE = _CATEGORY_MEANS - {
    *("hd95", "assd", "offset_size", "count_gap", "variation_of_information"),
    *SIGNED_MEANS,
}


@dataclass(frozen=True, slots=True)
class Resampling:
    """The settings of intervals: confidence, number of resamples, and seed."""

    confidence: float = 0.95
    n_draws: int = DRAWS
    seed: int = 0

    def interval(self, statistic: Statistic, n: int, width: int = 1, support: Ints | None = None) -> ConfidenceInterval:
        """Like `segdata.core.resampling.bootstrap_interval`; all NaN without clusters."""
        if n == 0:
            value = np.full(statistic(np.zeros((1, 0))).shape[1:], np.nan)
            return ConfidenceInterval(value, value, value)
        return bootstrap_interval(
            statistic,
            n,
            self.seed,
            n_draws=self.n_draws,
            confidence=self.confidence,
            width=max(width, 1),
            support=support,
        )


DEFAULT_RESAMPLING = Resampling()


@dataclass(frozen=True)
class PairAmounts:
    """The sums of each pair of annotations, with its case, cluster and annotators."""

    comparison: AnnotatorPairs  # the compared panel
    sums: AdditiveSums  # of the n pairs
    case: Ints  # (n,) rows of the cases
    cluster: Ints  # (n,) numbers of their clusters
    a: Ints  # (n,) positions of the first annotators
    b: Ints  # (n,) positions of the second annotators

    @staticmethod
    def from_pairs(comparison: AnnotatorPairs) -> "PairAmounts":
        """Sum the amounts of a panel."""
        case, a, b = (column_of(comparison.pairs, name) for name in ("case", "a", "b"))
        return PairAmounts(comparison, sum_pairs(comparison), case, column_of(comparison.cases, "cluster")[case], a, b)

    @property
    def all_rows(self) -> Ints:
        """(n,) the rows of all pairs."""
        return np.arange(self.sums.n)

    def couples(self, rows: Ints) -> Iterator[tuple[int, int, Ints]]:
        """Yield every pair of annotators with its rows among `rows`."""
        n = max(len(self.comparison.annotators), 1)
        code = self.a[rows] * n + self.b[rows]
        for couple in np.unique(code).tolist():
            yield *divmod(couple, n), rows[code == couple]

    def units(self, rows: Ints) -> tuple[Ints, int]:
        """(n,) the cluster of each of some rows, renumbered from 0, -1 for other rows; and the number of clusters."""
        unit = np.full(len(self.cluster), -1, np.int64)
        names, inverse = np.unique(self.cluster[rows], return_inverse=True)
        unit[rows] = inverse
        return unit, len(names)

    def weigh(self, sums: AdditiveSums, weights: Floats) -> WeightedSums:
        """Weight the sums of the n clusters with `weights` (B, n), see `segdata.core.resampling`."""
        return WeightedSums(sums.weigh(weights), sums.cells, self.comparison.countable)


@dataclass(frozen=True)
class PooledPairs:
    """The sums of n units, such as clusters, over all pairs of annotators, and of each pair."""

    amounts: PairAmounts
    n: int
    together: AdditiveSums
    pairs: tuple[AdditiveSums, ...]  # sums by pair, for `POOLED_AMOUNTS`

    @staticmethod
    def by_cluster(amounts: PairAmounts, rows: Ints) -> "PooledPairs":
        """The amounts of the pairs of annotations `rows`, summed by cluster."""
        return PooledPairs.by_unit(amounts, rows, np.unique(amounts.cluster[rows], return_inverse=True)[1])

    @staticmethod
    def by_unit(amounts: PairAmounts, rows: Ints, number: Ints) -> "PooledPairs":
        """The amounts of the pairs of annotations `rows` (m,), summed by unit, numbered (m,) from 0."""
        n = int(number.max(initial=-1)) + 1
        unit = np.full(amounts.sums.n, -1, np.int64)
        unit[rows] = number
        pairs = []
        for _, _, own in amounts.couples(rows):
            of_couple = np.full(len(unit), -1, np.int64)
            of_couple[own] = unit[own]
            pairs.append(amounts.sums.only(POOLED_AMOUNTS).group(of_couple, n))
        return PooledPairs(amounts, n, amounts.sums.group(unit, n), tuple(pairs))

    def statistic(self, names: Sequence[str]) -> Statistic:
        """(B, n) weights of clusters -> (B, k) scores of `POOLED_SCORES` over all categories."""
        return self._statistic(names, overall_value)

    def category_statistic(self, names: Sequence[str]) -> Statistic:
        """(B, n) weights of clusters -> (B, k, n_categories) scores of `CATEGORY_SCORES`."""
        return self._statistic(names, overall_category_values)

    def width(self, names: Sequence[str]) -> int:
        """The number of values in a resample of some scores."""
        single = self.pairs if {"kappa", "accuracy"} & set(names) else ()
        return self.together.width + sum(sums.width for sums in single)

    def _statistic(self, names: Sequence[str], score: _Score) -> Statistic:
        single = self.pairs if {"kappa", "accuracy"} & set(names) else ()

        def score_weighted(weights: Floats) -> Floats:
            together = self.amounts.weigh(self.together, weights)
            pairs = [self.amounts.weigh(sums, weights) for sums in single]
            return np.stack([score(name, together, pairs) for name in names], axis=1)

        return score_weighted


def between_persons(amounts: PairAmounts) -> Ints:
    """The rows (m,) of pairs by two persons, without copies; if there are none, with copies, or all pairs."""
    person = np.array(amounts.comparison.persons, np.int64)
    several = person[amounts.a] != person[amounts.b]
    copied = amounts.comparison.copied
    if copied is not None:
        independent = several & ~copied[amounts.case, amounts.a] & ~copied[amounts.case, amounts.b]
        several = independent if independent.any() else several
    rows = np.flatnonzero(several)
    return rows if len(rows) else amounts.all_rows


def pair_scores(
    amounts: PairAmounts, rows: Ints, resampling: Resampling, names: Sequence[str] = tuple(PAIR_SCORES)
) -> dict[str, Score]:
    """`PAIR_SCORES`, or some of them, of two annotators, from their pairs of annotations `rows`."""
    unit, n = amounts.units(rows)
    sums = amounts.sums.group(unit, n)

    def statistic(weights: Floats) -> Floats:
        weighed = amounts.weigh(sums, weights)
        return np.stack([pair_value(name, weighed) for name in names], axis=1)

    def of_categories(means: Sequence[str]) -> Statistic:
        def values(weights: Floats) -> Floats:
            weighed = amounts.weigh(sums, weights)
            return np.stack([values_by_category(name, weighed) for name in means], axis=1)

        return values

    scores = _scores_with_ends(
        names, resampling.interval(statistic, n, sums.width), _defined_counts(amounts, sums, len(rows), names)
    )
    return _widen_for_rare(scores, sums, of_categories, sums.width, resampling)


def plugin_scores(amounts: PairAmounts, rows: Ints, resampling: Resampling) -> dict[str, Score] | msgspec.UnsetType:
    """The metrics of plugins by name, of two annotators; UNSET if none is installed."""
    names = tuple(installed_metrics())
    return pair_scores(amounts, rows, resampling, names) if names else msgspec.UNSET


def overall_scores(amounts: PairAmounts, rows: Ints, resampling: Resampling) -> dict[str, Score]:
    """`POOLED_SCORES` of all annotators together, from the pairs of annotations `rows`."""
    if len(rows) == 0:
        return {name: Score.undefined() for name in POOLED_SCORES}
    pooled = PooledPairs.by_cluster(amounts, rows)
    interval = resampling.interval(pooled.statistic(POOLED_SCORES), pooled.n, pooled.width(POOLED_SCORES))
    scores = _scores_with_ends(
        POOLED_SCORES, interval, _defined_counts(amounts, pooled.together, len(rows), POOLED_SCORES)
    )
    width = pooled.width(POOLED_SCORES)
    return _widen_for_rare(scores, pooled.together, pooled.category_statistic, width, resampling)


def category_scores(
    amounts: PairAmounts, rows: Ints, resampling: Resampling, names: Sequence[str] = tuple(CATEGORY_SCORES)
) -> list[dict[str, Score]]:
    """`CATEGORY_SCORES`, or some of them, of each category over all pairs of annotations `rows`."""
    pooled = PooledPairs.by_cluster(amounts, rows)
    n_categories = len(amounts.comparison.categories)
    scores: list[dict[str, Score]] = [{} for _ in range(n_categories)]
    at_once = max(1, _MAX_VALUES // max(n_categories, 1))
    for some_names in (names[first : first + at_once] for first in range(0, len(names), at_once)):
        support = np.stack([count_clusters(name, pooled.together) for name in some_names])
        ends = resampling.interval(pooled.category_statistic(some_names), pooled.n, pooled.width(some_names), support)
        for k, name in enumerate(some_names):
            n = count_images(name, pooled.together).tolist()
            ends_of = zip(ends.value[k].tolist(), ends.low[k].tolist(), ends.high[k].tolist(), strict=True)
            for category, (value, low, high) in enumerate(ends_of):
                scores[category][name] = _score_with_ends(name, value, low, high, n[category], len(rows) - n[category])
    return scores


def reliability_scores(comparison: AnnotatorPairs, resampling: Resampling) -> dict[str, Score]:
    """Fleiss' kappa and Krippendorff's alphas, which take all annotators at once.

    For the alpha of things, segments are first matched by position; then the value of each annotator is a category, or
    that there is nothing. Empty places are no units: if nearly all things are found by all annotators and have one
    category, alpha is low however few disagree.
    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; localisation first, as in KaLOS (2026),
    arXiv 2603.27197.
    """
    votes, members = comparison.votes, comparison.members
    if not comparison.is_first_pass.all() or comparison.copied is not None:  # a second pass is no other person
        cases = column_of(comparison.patterns, "case")[column_of(votes, "pattern")], column_of(members, "case")
        votes, members = (
            table.take(comparison.voices[case, column_of(table, "annotator")])
            for table, case in zip((votes, members), cases, strict=True)
        )
    patterns = comparison.patterns
    pattern, pixels, case = column_of(votes, "pattern"), column_of(patterns, "pixels"), column_of(patterns, "case")
    n_categories = len(comparison.categories)
    pixel_sums = coincidences(pattern, column_of(votes, "category"), pixels, case, len(comparison.cases), n_categories)
    things, inverse = np.unique(
        np.stack([column_of(members, "case"), column_of(members, "cluster")]), axis=1, return_inverse=True
    )
    called = coincidences(
        inverse,
        column_of(members, "category"),
        np.ones(things.shape[1]),
        things[0],
        len(comparison.cases),
        n_categories,
    )
    m = votes_a_pixel(pattern, pixels)
    return {
        "fleiss_kappa": _coefficient(
            comparison, pixel_sums, lambda agreeing, every: fleiss_kappa(agreeing, every, m), resampling
        ),
        "alpha": _coefficient(comparison, pixel_sums, krippendorff_alpha, resampling),
        "instance_alpha": _coefficient(comparison, called, krippendorff_alpha, resampling),
    }


def count_images(name: str, sums: AdditiveSums) -> Ints:
    """(n_categories,) the number of images in which a score of a category is defined, or for ratios, has content."""
    counts: Ints = np.rint(np.asarray(sums.amounts[_count_name(name)].sum(axis=0)).reshape(-1)).astype(np.int64)
    return counts


def count_clusters(name: str, sums: AdditiveSums) -> Ints:
    """(n_categories,) the number of clusters in which a score of a category is defined."""
    return np.asarray((sums.amounts[_count_name(name)] > 0).sum(axis=0), np.int64).reshape(-1)


def _count_name(name: str) -> str:
    """The name of the amount that counts the images behind a category's score."""
    if name in IMAGE_MEANS or name in SIGNED_MEANS:
        return f"n_{name}"
    if name in ("kappa", "iou_micro", "dice_micro", "prevalence"):
        return "n_iou"
    return "n_iou" if name != "f1" and {"both", "area_a", "area_b"} & set(find_metric(name).takes) else "n_segments"


def _coefficient(
    comparison: AnnotatorPairs, of_cases: Coincidences, metric: _Reliability, resampling: Resampling
) -> Score:
    """A coefficient of all annotators with its interval, from the coincidences of each case."""
    _, cluster = np.unique(column_of(comparison.cases, "cluster"), return_inverse=True)
    n = int(cluster.max(initial=-1)) + 1
    agreeing = np.bincount(cluster, of_cases.agreeing, n)
    votes = np.zeros((n, of_cases.votes.shape[1]))
    np.add.at(votes, cluster, of_cases.votes)
    interval = resampling.interval(lambda weights: metric(weights @ agreeing, weights @ votes), n, votes.shape[1])
    images = int((of_cases.votes.sum(axis=1) > 0).sum()) if np.isfinite(interval.value) else 0
    return Score(
        float(interval.value), float(interval.low), float(interval.high), images, len(comparison.cases) - images
    )


def _widen_for_rare(
    scores: dict[str, Score],
    sums: AdditiveSums,
    of_categories: Callable[[Sequence[str]], Statistic],
    width: int,
    resampling: Resampling,
) -> dict[str, Score]:
    """Widen the intervals of scores for categories in few clusters (of `sums`), whose variation resamples miss.

    A category in one image has one value in all resamples that have it. So a category in fewer clusters than an
    interval needs (`least_clusters`) is assumed to vary between clusters as the other categories do on average,
    and the variance of its mean is added to that of the mean over categories. If all categories are rare, there is
    no interval.
    """
    from scipy.special import stdtrit

    means = [name for name in scores if name in _CATEGORY_MEANS and np.isfinite(scores[name].low)]
    if not means:
        return scores
    least = least_clusters(resampling.confidence)
    support = np.stack([count_clusters(name, sums) for name in means])
    if not ((support > 0) & (support < least)).any():
        return scores
    ends = resampling.interval(of_categories(means), sums.n, width, support)
    freedom = np.stack([support, np.full(support.shape, sums.n)]) - 1.0
    t_own, t_all = stdtrit(np.maximum(freedom, 1), (1 + resampling.confidence) / 2)
    variance = ((ends.high - ends.low) / (2 * t_own)) ** 2 * support  # of a cluster's value
    result = dict(scores)
    for k, name in enumerate(means):
        defined, common = np.isfinite(ends.value[k]), np.isfinite(variance[k]) & (support[k] >= least)
        rare = defined & (support[k] < least)
        if not rare.any():
            continue
        value, low, high = scores[name].value, scores[name].low, scores[name].high
        usual = float(variance[k, common].mean()) if common.any() else np.nan
        further = float(t_all[k, 0] * np.sqrt((usual / np.maximum(support[k, rare], 1)).sum()) / defined.sum())
        low, high = value - np.hypot(value - low, further), value + np.hypot(high - value, further)
        bottom, top = (-np.inf if name in SIGNED_MEANS else 0.0), (1.0 if name in _UP_TO_ONE else np.inf)
        result[name] = msgspec.structs.replace(scores[name], low=float(max(low, bottom)), high=float(min(high, top)))
    return result


def _scores_with_ends(
    names: Iterable[str], interval: ConfidenceInterval, support: Mapping[str, tuple[int, int]]
) -> dict[str, Score]:
    numbers = zip(interval.value.tolist(), interval.low.tolist(), interval.high.tolist(), strict=True)
    return {name: _score_with_ends(name, *ends, *support[name]) for name, ends in zip(names, numbers, strict=True)}


def _score_with_ends(name: str, value: float, low: float, high: float, n: int, n_undefined: int) -> Score:
    if name in WITHOUT_INTERVAL:
        low = high = float("nan")
    return Score(value, low, high, n, n_undefined)


def _defined_counts(
    amounts: PairAmounts, sums: AdditiveSums, n_images: int, names: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """The number of values behind each score over all categories, and the number of undefined ones."""
    weighed = amounts.weigh(sums, np.ones((1, sums.n)))
    is_category = np.array([category.kind != "void" for category in amounts.comparison.categories], bool)
    counts = {}
    for name in names:
        if name in ("kappa", "accuracy", "f1"):
            counts[name] = (n_images, 0) if np.isfinite(pair_value(name, weighed)[0]) else (0, n_images)
        else:
            defined = np.isfinite(values_by_category(name, weighed)[0, is_category])
            counts[name] = int(defined.sum()), int((~defined).sum())
    return counts


_MAX_PAIR_NUMBERS = 2_000_000  # in memory at a time


def image_values(amounts: PairAmounts, rows: Ints, names: Sequence[str]) -> tuple[Floats, Floats]:
    """The scores of single pairs of annotations `rows` (n,), by category, and over all categories.

    Returns (n, k, n_categories) and (n, k) for k names of `CATEGORY_SCORES`; NaN where undefined.
    """
    n_categories = len(amounts.comparison.categories)
    of_categories = np.full((len(rows), len(names), n_categories), np.nan)
    of_all = np.full((len(rows), len(names)), np.nan)
    step = max(1, _MAX_PAIR_NUMBERS // max(amounts.sums.width, 1))
    for first in range(0, len(rows), step):
        part = slice(first, first + step)
        part_sums = {name: amount[rows[part]] for name, amount in amounts.sums.amounts.items()}
        dense = {name: sums if isinstance(sums, np.ndarray) else sums.toarray() for name, sums in part_sums.items()}
        weighed = WeightedSums(dense, amounts.sums.cells, amounts.comparison.countable)  # a resample for each pair
        for k, name in enumerate(names):
            of_categories[part, k] = values_by_category(name, weighed)
            of_all[part, k] = pair_value(name, weighed)
    return of_categories, of_all


def category_values(amounts: PairAmounts, rows: Ints, name: str) -> Floats:
    """(n, n_categories) the scores of single pairs of annotations `rows` (n,) by category; NaN for void categories."""
    values = image_values(amounts, rows, (name,))[0][:, 0]
    values[:, [category.kind == "void" for category in amounts.comparison.categories]] = np.nan
    return values


@dataclass(frozen=True, slots=True)
class WorstImage:
    """An image, or volume, on which annotators agree little."""

    case: int  # its row
    name: str  # its image_id, or the name of the volume
    value: float  # the mean score (IoU or PQ) over its categories and pairs of annotators
    category: str  # the one that lowers it most, by name
    low: float  # the mean score of that category
    a: int  # position of an annotator of the two who agree least on that category
    b: int  # position of the other one
    between: float  # their score
    n_categories: int  # how many categories the image has


@dataclass(frozen=True)
class ImageAgreement:
    """The score of every pair of annotations by different persons, category by category.

    `comparison`: of the panel; `score`: IoU, or PQ if nearly all segments are things; `case`, `a`, `b`: (n,)
    rows of the cases, positions of the annotators; `values`: (n, n_categories), NaN for categories that neither drew.
    """

    comparison: AnnotatorPairs
    score: Leading
    case: Ints
    a: Ints
    b: Ints
    values: Floats

    @staticmethod
    def from_pairs(comparison: AnnotatorPairs, gold: int | None = None) -> "ImageAgreement":
        """The image scores of a panel; with a reference (position), only those of its pairs."""
        amounts, score = PairAmounts.from_pairs(comparison), leading_score(comparison)
        rows = between_persons(amounts)
        if gold is not None:
            rows = rows[(amounts.a[rows] == gold) | (amounts.b[rows] == gold)]
        values = category_values(amounts, rows, score)
        return ImageAgreement(comparison, score, amounts.case[rows], amounts.a[rows], amounts.b[rows], values)

    @property
    def of_pairs(self) -> Floats:
        """(n,) the mean over categories; NaN if neither drew anything."""
        return weighted_mean(self.values)

    def of_annotator(self, annotator: int) -> Floats:
        """(m,) the mean score of an annotator with the others, for each case where it is defined."""
        rows = (self.a == annotator) | (self.b == annotator)
        return _by_case(self.case[rows], self.of_pairs[rows])[1]

    @property
    def of_cases(self) -> tuple[Ints, Floats]:
        """The cases with a value, and the mean over the pairs of each."""
        return _by_case(self.case, self.of_pairs)

    def worst(self, most: int) -> list[WorstImage]:
        """The cases with the least agreement, the worst first; none on which all agree in full."""
        cases, values = self.of_cases
        return [
            self._worst_image(int(cases[row]), float(values[row]))
            for row in np.argsort(values, kind="stable")[:most].tolist()
            if values[row] < 1
        ]

    def _worst_image(self, case: int, value: float) -> WorstImage:
        rows = np.flatnonzero(self.case == case)
        of_category = weighted_mean(self.values[rows].T)
        category = int(np.nanargmin(of_category))
        pair = rows[int(np.nanargmin(self.values[rows, category]))]
        return WorstImage(
            case=case,
            name=str(self.comparison.cases["name"][case]),
            value=value,
            category=self.comparison.categories[category].name,
            low=float(of_category[category]),
            a=int(self.a[pair]),
            b=int(self.b[pair]),
            between=float(self.values[pair, category]),
            n_categories=int(np.isfinite(of_category).sum()),
        )


def _by_case(case: Ints, value: Floats) -> tuple[Ints, Floats]:
    is_finite = np.isfinite(value)
    cases, inverse = np.unique(case[is_finite], return_inverse=True)
    return cases, np.asarray(
        np.bincount(inverse, value[is_finite], len(cases)) / np.bincount(inverse, minlength=len(cases))
    )
