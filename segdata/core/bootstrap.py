"""Bootstrap: confidence intervals of values, by resampling the images.

A *statistic* is a function of weights (B, n): how often each of n clusters counts in each of B resamples. It gives the
values (B, ...) of each, NaN where undefined. Clusters are images, or the sequences, patients and scenes that images
belong to: images that resemble each other are not independent, and are drawn as one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints

Floats = NDArray[np.float64]
Counts = NDArray[np.uint16]
Statistic = Callable[[Floats], Floats]
DRAWS = 2000
FEW_CLUSTERS = 30  # clusters below which intervals are corrected for bias and skewness
_AT_ONCE = 4_000_000  # numbers held in one go, to bound memory
_MOST_CACHED = 8_000_000  # numbers, at most, of resamples that are kept for the next statistic
_FAR_Z = 40.0  # standard deviations: a level of 1 as a number, for two clusters, whose t is far out
_LEAST_DEFINED = 0.5  # the share of resamples that must have a value


@dataclass(frozen=True, slots=True)
class ConfidenceInterval:
    """Values (...) and the ends of their intervals; NaN where undefined, the ends also where clusters are too few."""

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
    """The values of a statistic of n clusters, each with the interval that holds the truth with this confidence.

    Percentiles of `n_draws` resamples; below 30 clusters bias-corrected and accelerated (BCa). Both are taken at the
    levels that a t distribution asks for, since resamples of n vary by the share 1 / n too little. Resamples in which
    a value is undefined are left out; where more than half are, there is no interval, nor of fewer clusters than
    `least_clusters`.
    `width` is how many numbers a resample takes, to bound memory. `support` (...): how many of the clusters a value is
    made of, where it is of some alone, such as a rare category's: t is theirs. The same seed and n draw the same
    resamples.
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
        & (np.isfinite(draws).mean(axis=0) >= _LEAST_DEFINED)
    )
    return ConfidenceInterval(value, np.where(is_known, low, np.nan), np.where(is_known, high, np.nan))


def least_clusters(confidence: float = 0.95) -> int:
    """How many clusters an interval takes: of fewer not even the whole range holds the middle of all that often.

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
    """(n_draws, ...) values of `size` clusters (n of them by default) drawn out of n with replacement."""
    return _resampled_in_portions(statistic, n, width, _Resamples(n, rng, n_draws, size))


@dataclass(frozen=True, slots=True)
class _Resamples:
    """Resamples drawn on demand: `size` of n clusters, by default as many as there are."""

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


def _weights(n: int, seed: int, n_draws: int) -> "_Resamples | Counts":
    """The resamples of a seed; small ones are cached."""
    small = n * n_draws <= _MOST_CACHED and n <= np.iinfo(np.uint16).max
    return _counts(n, seed, n_draws) if small else _Resamples(n, np.random.default_rng(seed), n_draws)


@lru_cache(maxsize=8)
def _counts(n: int, seed: int, n_draws: int) -> Counts:
    """(n_draws, n) how often each cluster is drawn."""
    return _Resamples(n, np.random.default_rng(seed), n_draws)[:].astype(np.uint16)


def _resampled_in_portions(statistic: Statistic, n: int, width: int, lots: "_Resamples | Counts") -> Floats:
    """(n_draws, ...) the values of a statistic of resamples, computed in portions."""
    some = max(1, _AT_ONCE // max(n, width))
    portions = [statistic(lots[begin : begin + some].astype(np.float64)) for begin in range(0, len(lots), some)]
    return np.concatenate(portions)


def interval_ends(draws: Floats, n: int, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The percentiles (...) of resamples (B, ...) of n clusters between which an interval lies, without correction."""
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
    skew = np.divide((away**3).sum(axis=0), 6 * scale, out=np.zeros(scale.shape), where=scale > 0)
    z = shift + np.clip(ndtri(levels), -_FAR_Z, _FAR_Z)
    turned = 1 - skew * z
    # Beyond the pole there is no level: the end is the outermost resample.
    moved = ndtr(shift + z / np.where(turned > 0, turned, 1.0))
    return np.asarray(np.where(turned > 0, moved, (z > 0).astype(np.float64)))


def _is_same(draws: Floats, value: Floats) -> NDArray[Any]:  # Any: flags
    """Where resamples have the value itself; the last bits of sums do not count."""
    return np.asarray(np.abs(draws - value) <= 1e-12 * np.maximum(np.abs(value), 1))


def _quantiles(draws: Floats, levels: Floats) -> Floats:
    """(2, ...) the quantiles of draws (B, ...) at levels (2, ...), those that are NaN left out."""
    ordered = np.sort(draws, axis=0)  # NaN comes last
    last = np.maximum(np.isfinite(draws).sum(axis=0) - 1, 0)
    position = levels * last
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, last)
    below, above = np.take_along_axis(ordered, low, axis=0), np.take_along_axis(ordered, high, axis=0)
    return np.asarray(below + (above - below) * (position - low))
