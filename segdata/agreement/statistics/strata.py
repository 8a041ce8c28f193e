"""Strata: whether values differ between portions of the clusters more than portions drawn by lot would."""

import numpy as np

from segdata.agreement.statistics.permutation import shuffled
from segdata.core.bootstrap import Floats, Statistic
from segdata.core.runs import Ints

DRAWS = 999
_ROUNDING = 1e-9  # by so much of themselves equal spreads may differ


def differences(
    statistic: Statistic,
    stratum: Ints,
    block: Ints,
    seed: int,
    *,
    n_draws: int = DRAWS,
    width: int = 1,
) -> tuple[Floats, Floats]:
    """The values (n_strata, ...) of each stratum of n units, and the p-value (...) of their spread.

    `statistic` takes weights (B, n), see `segdata.core.bootstrap`, `stratum` (n,) is counted from 0.
    Were strata of no account, the units of a `block` (n,) could as well be in each other's. The spread is the sum of
    squared differences to the strata's mean, each stratum weighted with its number of units: of means the F statistic
    of an analysis of variance. It is made from the values themselves, so that it serves kappa, alpha and panoptic
    quality as well. NaN where fewer than two strata have a value.
    Source: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, chapters 3 and 5.
    """
    n_strata = int(stratum.max(initial=-1)) + 1
    found: Floats | None = None
    beyond = known = least = np.zeros(0)
    for drawn in shuffled(stratum, block, seed, n_draws, width * max(n_strata, 1)):
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


def blocks(stratum: Ints, cluster: Ints) -> Ints | None:
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
