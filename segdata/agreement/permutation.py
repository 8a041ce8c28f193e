"""Permutation tests: how often chance alone brings a difference as large as the observed one.

Sources: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapters 3 and 5; p-values: Phipson and
Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9(1), 39.
"""

from collections.abc import Iterator

import numpy as np

from segdata.core.resampling import Floats, Statistic
from segdata.core.runs import Ints

DRAWS = 9999
EXACT_CLUSTERS = 12  # clusters up to which every way to flip is looked at
_AT_ONCE = 2_000_000  # numbers held in one go, to bound memory
_ROUNDING = 1e-9  # by so much of themselves equal values may differ


def sign_flip_test(differences: Floats, seed: int, n_draws: int = DRAWS) -> Floats:
    """(...) the two-sided p-values of the sums of n clusters' differences (n, ...), NaN left out.

    Were both sides alike, each cluster's difference could as well have the other sign. Exact for 12 clusters or fewer,
    the share of all 2^n ways; else (1 + #) / (1 + n_draws). NaN where there is no difference at all.
    """
    known = np.isfinite(differences)
    flat = np.where(known, differences, 0.0).reshape(len(differences), -1)
    found = np.abs(flat.sum(axis=0))
    least = found - _ROUNDING * np.abs(flat).sum(axis=0)
    beyond, n_ways = np.zeros(flat.shape[1]), 0
    for flipped in _sign_flips(len(flat), seed, n_draws, flat.shape[1]):
        beyond += (np.abs((1 - 2 * flipped) @ flat) >= least).sum(axis=0)
        n_ways += len(flipped)
    return np.where(known.any(axis=0), (beyond / n_ways).reshape(differences.shape[1:]), np.nan)


def exchange_test(
    statistic: Statistic, n: int, seed: int, *, n_draws: int = DRAWS, width: int = 1
) -> tuple[Floats, Floats]:
    """The difference (...) between two sides' values on the same n clusters, second less first, and its p-value (...).

    `statistic` takes weights (B, 2 n): first those of the n clusters of the first side, then of the second. Were both
    sides alike, what a cluster has of the first could as well be the second's. Unlike `sign_flip_test` it serves values
    that are no means of the clusters' own: kappa, alpha, panoptic quality. Ways in which the difference is undefined
    are left out. `width` is how many numbers a way takes, to bound memory.
    """

    def differences(flipped: Floats) -> Floats:
        first = np.concatenate([1 - flipped, flipped], axis=1)
        return statistic(1 - first) - statistic(first)

    found = differences(np.zeros((1, n)))[0]
    beyond, known = np.zeros(found.shape), np.zeros(found.shape)
    for flipped in _sign_flips(n, seed, n_draws, width):
        drawn = differences(flipped)
        known += np.isfinite(drawn).sum(axis=0)
        beyond += (np.abs(drawn) >= np.abs(found) - _ROUNDING * np.maximum(np.abs(found), 1)).sum(axis=0)
    return found, np.where(np.isfinite(found), beyond / np.maximum(known, 1), np.nan)


def shuffle_within_blocks(stratum: Ints, block: Ints, seed: int, n_draws: int, width: int = 1) -> Iterator[Ints]:
    """Strata (n,) handed out anew within blocks (n,), `n_draws` times: portions (B, n), the first as they are."""
    order = np.argsort(block, kind="stable")
    rng, left = np.random.default_rng(seed), n_draws
    yield stratum[None]
    while left > 0:
        some = min(left, max(1, _AT_ONCE // max(len(stratum), width)))
        drawn = np.empty((some, len(stratum)), stratum.dtype)
        drawn[:, order] = stratum[np.argsort(block + rng.random((some, len(block))), axis=1)]
        yield drawn
        left -= some


def _sign_flips(n: int, seed: int, n_draws: int, width: int) -> Iterator[Floats]:
    """Which of n clusters are flipped: portions (B, n) of 0 and 1, all 2^n ways or `n_draws`, and none flipped."""
    at_once = max(1, _AT_ONCE // max(n, width))
    if n <= EXACT_CLUSTERS:
        every = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.float64)
        yield from np.split(every, range(at_once, len(every), at_once))
        return
    yield np.zeros((1, n))
    rng, left = np.random.default_rng(seed), n_draws
    while left > 0:
        some = min(left, at_once)
        yield rng.integers(0, 2, (some, n)).astype(np.float64)
        left -= some


STRATA_DRAWS = 999


def strata_differences(
    statistic: Statistic,
    stratum: Ints,
    block: Ints,
    seed: int,
    *,
    n_draws: int = STRATA_DRAWS,
    width: int = 1,
) -> tuple[Floats, Floats]:
    """The values (n_strata, ...) of each stratum of n units, and the p-value (...) of their spread.

    `statistic` takes weights (B, n), see `segdata.core.resampling`, `stratum` (n,) is counted from 0.
    Were strata of no account, the units of a `block` (n,) could as well be in each other's. The spread is the sum of
    squared differences to the strata's mean, each stratum weighted with its number of units: of means the F statistic
    of an analysis of variance. It is made from the values themselves, so that it serves kappa, alpha and panoptic
    quality as well. NaN where fewer than two strata have a value.
    Source: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapters 3 and 5.
    """
    n_strata = int(stratum.max(initial=-1)) + 1
    found: Floats | None = None
    beyond = known = least = np.zeros(0)
    for drawn in shuffle_within_blocks(stratum, block, seed, n_draws, width * max(n_strata, 1)):
        inside = drawn[:, None, :] == np.arange(n_strata)[:, None]
        values = statistic(inside.reshape(-1, len(stratum)).astype(np.float64))
        values = values.reshape(len(drawn), n_strata, *values.shape[1:])
        spread = _spread(values, inside.sum(axis=2, dtype=np.float64))
        if found is None:
            found, least = values[0], spread[0] * (1 - _ROUNDING) - _ROUNDING**2
            beyond, known = np.zeros(least.shape), np.zeros(least.shape)
        beyond += (spread >= least).sum(axis=0)
        known += np.isfinite(spread).sum(axis=0)
    if found is None:
        raise ValueError("no units")
    return found, np.where(np.isfinite(least), beyond / np.maximum(known, 1), np.nan)


def permutation_blocks(stratum: Ints, cluster: Ints) -> Ints | None:
    """(n,) among which units (n,) strata may be handed out anew: those of a cluster; None: whole clusters.

    Where half of the clusters or more have units of several strata, what clusters differ by can be left out of account.
    """
    pairs = np.unique(np.stack([cluster, stratum]), axis=1)
    several = np.bincount(np.unique(pairs[0], return_inverse=True)[1]) > 1
    return cluster if several.mean() >= 0.5 else None


def _spread(values: Floats, size: Floats) -> Floats:
    """(B, ...) of values (B, n_strata, ...) of strata of these sizes (B, n_strata); NaN for fewer than two values."""
    known = np.isfinite(values)
    weight = size.reshape(*size.shape, *[1] * (values.ndim - 2)) * known
    filled = np.where(known, values, 0.0)
    total = weight.sum(axis=1, keepdims=True)
    mean = np.divide((weight * filled).sum(axis=1, keepdims=True), total, out=np.zeros(total.shape), where=total > 0)
    spread = (weight * (filled - mean) ** 2).sum(axis=1)
    return np.where(known.sum(axis=1) > 1, spread, np.nan)
