"""Resampling: confidence intervals by the bootstrap, and permutation tests."""

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Flags, Floats, Ints, unique_inverse
from segdata.core.statistics import ratio

Counts = NDArray[np.uint16]
Statistic = Callable[[Floats], Floats]
DRAWS = 2000
FEW_CLUSTERS = 30  # below this number, intervals are corrected for bias and skewness
_MAX_NUMBERS = 4_000_000  # of resamples in memory at a time
_MAX_CACHED_NUMBERS = 8_000_000  # of resamples that are kept for the next statistic
_FAR_Z = 40.0  # standard deviations that stand for a level of 1, as t with two clusters gives
_MIN_DEFINED_SHARE = 0.5  # of resamples in which a value must be defined


class ConfidenceInterval(msgspec.Struct, frozen=True):
    """Values (...) and the ends of their intervals; NaN where undefined, the ends also with too few clusters."""

    value: Floats
    low: Floats
    high: Floats


def bootstrap_interval(
    statistic: Statistic,
    n: int,
    seed: int,
    *,
    n_draws: int = DRAWS,
    confidence: float = 0.95,
    width: int = 1,
    support: Ints | None = None,
) -> ConfidenceInterval:
    """Bootstrap a statistic of n clusters: its values (...), each with its interval at this confidence.

    The ends are percentiles of `n_draws` resamples; below 30 clusters they are bias-corrected and accelerated (BCa).
    The levels are those of a t distribution, since resamples of n clusters vary too little, by the share 1 / n.
    Resamples in which a value is undefined are left out; if more than half are, or if there are fewer clusters than
    `least_clusters`, there is no interval. `width` is how many numbers a resample takes, to bound memory. `support`
    (...): the number of clusters that contribute to a value, such as that of a rare category; it gives the degrees of
    freedom of t. The same seed and n draw the same resamples.
    Sources: Efron (1987), Journal of the American Statistical Association 82(397), 171-185; Hesterberg (2015), The
    American Statistician 69(4), 371-386 (the levels).
    """
    value = statistic(np.ones((1, n)))[0]
    if n < 2:
        return ConfidenceInterval(value, np.full(value.shape, np.nan), np.full(value.shape, np.nan))
    draws = _resampled_in_portions(statistic, n, width, _weights(n, seed, n_draws))
    n_clusters = np.full(value.shape, n) if support is None else np.broadcast_to(support, value.shape)
    levels = _levels(np.maximum(n_clusters, 2), confidence)
    if n < FEW_CLUSTERS:
        levels = _corrected_levels(levels, value, draws, statistic(1 - np.eye(n)))
    low, high = _quantiles(draws, levels)
    is_known = (
        np.isfinite(value)
        & (n_clusters >= least_clusters(confidence))
        & (np.isfinite(draws).mean(axis=0) >= _MIN_DEFINED_SHARE)
    )
    return ConfidenceInterval(value, np.where(is_known, low, np.nan), np.where(is_known, high, np.nan))


def least_clusters(confidence: float = 0.95) -> int:
    """The smallest number of clusters for an interval: the range of fewer values covers the median too seldom.

    All of n values lie on one side of the median with a chance of 2^(1 - n).

    >>> least_clusters(0.95), least_clusters(0.8)
    (6, 4)
    """
    return max(2, math.ceil(1 - math.log2(1 - confidence) - 1e-9))


def resampled_values(
    statistic: Statistic,
    n: int,
    rng: "np.random.Generator",
    *,
    n_draws: int = DRAWS,
    size: int | None = None,
    width: int = 1,
) -> Floats:
    """(n_draws, ...) the values of a statistic of `size` clusters (default n) drawn out of n with replacement."""
    return _resampled_in_portions(statistic, n, width, _Resamples(n, rng, n_draws, size))


class _Resamples(msgspec.Struct, frozen=True):
    """Resamples of `size` out of n clusters, drawn on demand; by default n out of n."""

    n: int
    rng: "np.random.Generator"
    n_draws: int
    size: int | None = None

    def __len__(self) -> int:
        return self.n_draws

    def __getitem__(self, rows: slice) -> Ints:
        size = self.n if self.size is None else self.size
        some = len(range(*rows.indices(self.n_draws)))
        return np.asarray(self.rng.multinomial(size, np.full(self.n, 1 / self.n), some))


def _weights(n: int, seed: int, n_draws: int) -> _Resamples | Counts:
    """The resamples of a seed; they are cached if they are small."""
    small = n * n_draws <= _MAX_CACHED_NUMBERS and n <= np.iinfo(np.uint16).max
    return _counts(n, seed, n_draws) if small else _Resamples(n, np.random.default_rng(seed), n_draws)


@lru_cache(maxsize=8)
def _counts(n: int, seed: int, n_draws: int) -> Counts:
    """(n_draws, n) how often each cluster is drawn."""
    return _Resamples(n, np.random.default_rng(seed), n_draws)[:].astype(np.uint16)


def _resampled_in_portions(statistic: Statistic, n: int, width: int, resamples: _Resamples | Counts) -> Floats:
    """(n_draws, ...) the values of a statistic of all resamples, computed in portions."""
    step = max(1, _MAX_NUMBERS // max(n, width))
    begins = range(0, len(resamples), step)
    return np.concatenate([statistic(resamples[begin : begin + step].astype(np.float64)) for begin in begins])


def interval_ends(draws: Floats, n: int, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The ends (...) of percentile intervals of resamples (B, ...) of n clusters, without correction for bias."""
    low, high = _quantiles(draws, _levels(np.full(draws.shape[1:], n), confidence))
    return low, high


def _levels(n: Ints, confidence: float) -> Floats:
    """(2, ...) the percentiles, as shares, at which the ends of intervals from n (...) clusters lie."""
    from scipy.special import ndtr, stdtrit

    t = stdtrit(n - 1, (1 + confidence) / 2)
    low = ndtr(-t * np.sqrt(n / (n - 1)))
    return np.array([low, 1 - low])


def _corrected_levels(levels: Floats, value: Floats, draws: Floats, without: Floats) -> Floats:
    """(2, ...) levels corrected for bias and skewness; `without` (n, ...) are the values with each cluster left out."""
    from scipy.special import ndtr, ndtri

    is_known = np.isfinite(draws)
    n_known = np.maximum(is_known.sum(axis=0), 1)
    same = _is_same(draws, value)
    below = ((draws < value) & ~same).sum(axis=0) + 0.5 * same.sum(axis=0)
    shift = ndtri(np.clip(below / n_known, 0.5 / n_known, 1 - 0.5 / n_known))
    some = np.isfinite(without)
    mean = np.where(some, without, 0).sum(axis=0) / np.maximum(some.sum(axis=0), 1)
    away = np.where(some, mean - without, 0.0)
    scale = (away**2).sum(axis=0) ** 1.5
    skew = ratio((away**3).sum(axis=0), 6 * scale, 0.0)
    z = shift + np.clip(ndtri(levels), -_FAR_Z, _FAR_Z)
    turned = 1 - skew * z
    # Beyond the pole there is no level: the end is the outermost resample.
    moved = ndtr(shift + z / np.where(turned > 0, turned, 1.0))
    return np.asarray(np.where(turned > 0, moved, (z > 0).astype(np.float64)))


def _is_same(draws: Floats, value: Floats) -> NDArray[Any]:  # Any: flags
    """Whether resamples equal the value itself, up to rounding."""
    return np.asarray(np.abs(draws - value) <= 1e-12 * np.maximum(np.abs(value), 1))


def _quantiles(draws: Floats, levels: Floats) -> Floats:
    """(2, ...) the quantiles of draws (B, ...) at levels (2, ...), without NaN."""
    ordered = np.sort(draws, axis=0)  # NaN comes last
    last = np.maximum(np.isfinite(draws).sum(axis=0) - 1, 0)
    position = levels * last
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, last)
    below, above = np.take_along_axis(ordered, low, axis=0), np.take_along_axis(ordered, high, axis=0)
    return np.asarray(below + (above - below) * (position - low))


_MAX_PERMUTED_VALUES = 1_000_000  # in memory at a time
_ROUNDING = 1e-12  # relative: equal values minus their mean may differ from 0 by this much
_MAX_VALUES_TO_PERMUTE = 5_000  # above this number, the normal limit is as good, and far faster


class GroupComparison(msgspec.Struct, frozen=True):
    """The comparison of groups by one value."""

    z: Floats  # (n_groups,) the standardised statistics; NaN for a group that has no value that can be compared
    # (n_groups,) mean of the group's values less that of the others in the same strata; NaN likewise
    difference: Floats
    mean: Floats  # (n_groups,) mean of the group's values; NaN likewise
    n: Ints  # (n_groups,) how many of its values were compared

    @property
    def largest(self) -> float:
        """The largest statistic of any group; 0 if no groups can be compared."""
        return float(np.nanmax(np.abs(self.z), initial=0.0))


class StratifiedGroups(msgspec.Struct, frozen=True):
    """n values with their groups and strata, sorted by stratum; each stratum has two groups or more."""

    rows: Ints  # (n,) which of the caller's values they are
    group: Ints  # (n,) counted from 0
    stratum: Ints  # (n,) counted from 0
    n_groups: int

    @staticmethod
    def from_strata(group: Ints, stratum: Ints, n_groups: int, among: NDArray[Any] | None = None) -> "StratifiedGroups":
        """The values in strata of two groups or more, among all or those that `among` (flags or rows) chooses."""
        rows = np.arange(len(group)) if among is None else np.arange(len(group))[among]
        rows = rows[np.lexsort((group[rows], stratum[rows]))]
        inverse = np.unique(stratum[rows], return_inverse=True)[1]
        several = np.unique(inverse * n_groups + group[rows]) // max(n_groups, 1)
        kept = np.bincount(several, minlength=1)[inverse] > 1 if len(rows) else np.zeros(0, bool)
        return StratifiedGroups(
            rows[kept], group[rows[kept]], np.unique(inverse[kept], return_inverse=True)[1], n_groups
        )

    def only(self, groups: list[int]) -> "StratifiedGroups":
        """Only some groups; `rows` still index the caller's values."""
        kept = np.isin(self.group, groups)
        inner = StratifiedGroups.from_strata(self.group[kept], self.stratum[kept], self.n_groups)
        return StratifiedGroups(self.rows[kept][inner.rows], inner.group, inner.stratum, self.n_groups)

    def compare(self, values: Floats) -> GroupComparison:
        """Compare the groups by the values (n,) of their members."""
        own_values = values[self.rows]
        centred, weight, spread = self._center(own_values)
        n = np.bincount(self.group, minlength=self.n_groups)
        with np.errstate(divide="ignore", invalid="ignore"):
            total = np.bincount(self.group, weights=centred, minlength=self.n_groups)
            z = np.where(spread > 0, total / spread, np.where(weight > 0, 0.0, np.nan))
            mean = np.bincount(self.group, weights=own_values, minlength=self.n_groups) / n
            return GroupComparison(z, total / weight, mean, n)

    def permutation_test(self, values: Floats, rng: "np.random.Generator", n_permutations: int) -> tuple[float, float]:
        """The p-value of the largest statistic, and the statistic that chance exceeds in 5 % of cases.

        Exact but for the sampling of `n_permutations`; above 5,000 values the normal limit with a Bonferroni
        correction.
        """
        observed = self.compare(values).largest
        if len(self.rows) > _MAX_VALUES_TO_PERMUTE:
            p = min(1.0, self.n_groups * math.erfc(observed / math.sqrt(2)))
            return p, NormalDist().inv_cdf(1 - 0.05 / (2 * self.n_groups))
        centred, _, spread = self._center(values[self.rows])
        largest = np.concatenate(self._permute(centred, spread, rng, n_permutations))
        p = (1 + int((largest >= observed - 1e-9).sum())) / (n_permutations + 1)  # Phipson and Smyth (2010)
        return p, float(np.quantile(largest, 0.95))

    def _center(self, own_values: Floats) -> tuple[Floats, Floats, Floats]:
        """Values minus the means of their strata; for each group its weight, and the statistic's standard deviation.

        Drawing k of m values without replacement has the variance k (1 - k / m) s^2.
        """
        n_strata = int(self.stratum.max(initial=-1)) + 1
        m = np.bincount(self.stratum, minlength=n_strata)
        centred = (
            own_values
            - (np.bincount(self.stratum, weights=own_values, minlength=n_strata) / np.maximum(m, 1))[self.stratum]
        )
        centred[np.abs(centred) < _ROUNDING * np.abs(own_values)] = 0.0
        s2 = np.bincount(self.stratum, weights=centred**2, minlength=n_strata) / np.maximum(m - 1, 1)
        pair, k = np.unique(self.stratum * self.n_groups + self.group, return_counts=True)
        stratum, group = np.divmod(pair, self.n_groups)
        share = k * (1 - k / m[stratum])
        weight: Floats = np.bincount(group, weights=share, minlength=self.n_groups).astype(np.float64)
        variance = np.bincount(group, weights=share * s2[stratum], minlength=self.n_groups)
        spread: Floats = np.sqrt(np.maximum(variance, 0))
        return centred, weight, spread

    def _permute(self, centred: Floats, spread: Floats, rng: "np.random.Generator", n: int) -> list[Floats]:
        """The largest statistics of n permutations within strata."""
        member = (self.group[:, None] == np.arange(self.n_groups)).astype(np.float64)
        scale = np.where(spread > 0, spread, np.inf)
        largest = []
        while n > 0:
            some = min(n, max(1, _MAX_PERMUTED_VALUES // max(len(centred), 1)))
            order = np.argsort(self.stratum + rng.random((some, len(centred))), axis=1)
            largest.append(np.abs(centred[order] @ member / scale).max(axis=1))
            n -= some
        return largest


def intraclass_correlation(values: Floats, group: Ints) -> float:
    """The intraclass correlation of values (n,) in groups (n,): 1 if each group has one value, 0 without an effect.

    From one-way analysis of variance, with groups of any size; below 0 if values differ more within groups than
    between. NaN if all values are equal, if there is one group, or if each group has one value.
    Source: Fisher (1925), Statistical Methods for Research Workers, chapter 7; group sizes as in Donner (1986),
    International Statistical Review 54(1), 67-82.

    >>> intraclass_correlation(np.array([1.0, 1, 0, 0]), np.array([0, 0, 1, 1]))
    1.0
    """
    n = np.bincount(group)
    n = n[n > 0]
    inverse = unique_inverse(group)[1]
    total, k = len(values), len(n)
    if k < 2 or total == k or np.ptp(values) == 0:
        return float("nan")
    mean = np.bincount(inverse, weights=values) / n
    between = float((n * (mean - values.mean()) ** 2).sum()) / (k - 1)
    within = float(((values - mean[inverse]) ** 2).sum()) / (total - k)
    size = (total - float((n**2).sum()) / total) / (k - 1)
    return (between - within) / (between + (size - 1) * within)


def cluster_p_value(
    values: Floats, group: Ints, stratum: Ints, rng: "np.random.Generator", n_permutations: int
) -> float:
    """The p-value of the spread between groups, from `n_permutations` of the values (n,) within their strata (n,).

    The spread is the sum, over groups, of the squared sum of values divided by the group's size: for a given total it
    grows with the intraclass correlation. The p-value is at least 1 / (n_permutations + 1).
    Source: Phipson and Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9(1), 39.
    """
    order = np.lexsort((values, group, stratum))  # the same for any order of the caller's
    values, group, stratum = values[order], group[order], np.unique(stratum[order], return_inverse=True)[1]
    by_group = np.argsort(group, kind="stable")
    _, start, size = np.unique(group[by_group], return_index=True, return_counts=True)

    def spread(several: Floats) -> Floats:
        total: Floats = (np.add.reduceat(several[:, by_group], start, axis=1) ** 2 / size).sum(axis=1)
        return total

    observed, beyond, left = float(spread(values[None])[0]), 0, n_permutations
    while left > 0:
        some = min(left, max(1, _MAX_PERMUTED_VALUES // max(len(values), 1)))
        shuffled = np.argsort(stratum + rng.random((some, len(values))), axis=1)
        beyond += int((spread(values[shuffled]) >= observed - 1e-9).sum())
        left -= some
    return (1 + beyond) / (n_permutations + 1)


_MIX_DRAWS = 999  # random portions that a portion is compared with


class MixComparison(msgspec.Struct, frozen=True):
    """The comparison of a portion with the rest."""

    distance: float  # total variation between their mixes: the share, in [0, 1], that would have to change category
    by_chance: float  # the mean distance of portions of as many units drawn at random
    p: float  # the share of those that are as far apart as this one


def compare_mixes(amounts: Floats, inside: Flags, rng: "np.random.Generator", least: float) -> MixComparison | None:
    """Compare the mix of the units `inside` (n,) with that of the others; None if they are nearer than `least`.

    `least` is the distance beyond what chance explains. Units (images, or sequences if there are any) are drawn
    whole, so that nothing is assumed about how much they vary.
    """
    total = amounts.sum(axis=0)
    observed = float(_mix_distance(amounts[inside].sum(axis=0)[None], total)[0])
    if not observed >= least:  # NaN, too: a portion without anything
        return None
    n_inside, samples = int(inside.sum()), []
    for _ in range(_MIX_DRAWS):
        drawn_inside = rng.permutation(len(inside))[:n_inside]
        samples.append(amounts[drawn_inside].sum(axis=0))
    by_chance = _mix_distance(np.array(samples), total)
    by_chance = by_chance[np.isfinite(by_chance)]
    p = (1 + int((by_chance >= observed - 1e-12).sum())) / (len(by_chance) + 1)
    return MixComparison(observed, float(by_chance.mean()), p) if observed - by_chance.mean() >= least else None


def _mix_distance(part: Floats, total: Floats) -> Floats:
    """(n,) distances between the mix of each portion (n, n_categories) and of the rest of `total` (n_categories,)."""
    rest = total - part
    with np.errstate(divide="ignore", invalid="ignore"):
        own_values, others = part / part.sum(axis=1, keepdims=True), rest / rest.sum(axis=1, keepdims=True)
    result: Floats = np.abs(own_values - others).sum(axis=1) / 2
    return result
