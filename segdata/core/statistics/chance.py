"""Chance: what may be chance, what is too often to be, and how many of many tests may be wrong."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def discoveries(p: Floats, rate: float) -> NDArray[np.bool_]:
    """(n,) which of n tests with these p-values stand, so that on average at most `rate` of those are false.

    Source: Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57(1), 289-300.

    >>> discoveries(np.array([0.01, 0.6, 0.03, 0.04]), 0.05).tolist()
    [True, False, False, False]
    """
    order = np.argsort(p, kind="stable")
    below = p[order] <= rate * np.arange(1, len(p) + 1) / max(len(p), 1)
    stands = np.zeros(len(p), bool)
    if below.any():
        stands[order[: np.flatnonzero(below)[-1] + 1]] = True
    return stands


def at_least(hits: int, of: int, confidence: float = 0.95) -> float:
    """The rate that `hits` of `of` trials prove, at this confidence: the exact lower bound of a binomial rate.

    Source: Clopper and Pearson (1934), Biometrika 26(4), 404-413, one-sided.

    >>> round(at_least(59, 59), 3), round(at_least(47, 48), 3), at_least(0, 5)
    (0.95, 0.905, 0.0)
    """
    if hits == 0:
        return 0.0
    low, high = 0.0, hits / of
    for _ in range(40):  # halving: the chance of as many hits grows with the rate
        middle = (low + high) / 2
        low, high = (low, middle) if _as_many(hits, of, middle) > 1 - confidence else (middle, high)
    return low


def _as_many(hits: int, of: int, rate: float) -> float:
    """The chance of at least `hits` of `of` trials: a sum over the misses, which are few where it is asked for."""
    return (
        math.fsum(
            math.exp(_log_choose(of, misses) + misses * math.log1p(-rate) + (of - misses) * math.log(rate))
            for misses in range(of - hits + 1)
        )
        if rate > 0
        else 0.0
    )


def absent_by_chance(total: int, having: int, drawn: int) -> float:
    """The chance that none of `drawn` out of `total` things is one of the `having` (hypergeometric).

    >>> round(absent_by_chance(10, 1, 5), 6), absent_by_chance(4, 3, 2)
    (0.5, 0.0)
    """
    if drawn > total - having:
        return 0.0
    return math.exp(_log_choose(total - having, drawn) - _log_choose(total, drawn))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
