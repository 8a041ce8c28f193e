"""Clustering: whether values go together by group more than chance would bring them together."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.distinct import distinct
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
_AT_ONCE = 1_000_000  # values handed out in one go, to bound memory


def intraclass_correlation(values: Floats, group: Ints) -> float:
    """How much alike the values (n,) of one group (n,) are: 1 where all are the same, 0 where groups say nothing.

    From one-way analysis of variance, groups of any size; below 0 where values of a group differ more than others do.
    NaN where all values are the same, where there is one group, or each group has one value.
    Source: Fisher (1925), Statistical Methods for Research Workers, chapter 7; group sizes as in Donner (1986),
    International Statistical Review 54(1), 67-82.

    >>> intraclass_correlation(np.array([1.0, 1, 0, 0]), np.array([0, 0, 1, 1]))
    1.0
    """
    n = np.bincount(group)
    n = n[n > 0]
    which = distinct(group)[1]
    total, k = len(values), len(n)
    if k < 2 or total == k or np.ptp(values) == 0:
        return float("nan")
    mean = np.bincount(which, weights=values) / n
    between = float((n * (mean - values.mean()) ** 2).sum()) / (k - 1)
    within = float(((values - mean[which]) ** 2).sum()) / (total - k)
    size = (total - float((n**2).sum()) / total) / (k - 1)
    return (between - within) / (between + (size - 1) * within)


def chance_of_clusters(
    values: Floats, group: Ints, stratum: Ints, rng: np.random.Generator, n_permutations: int
) -> float:
    """The p-value of the groups' spread, values (n,) handed out anew within their strata (n,) `n_permutations` times.

    The spread is the sum over groups of the squared sum of their values by their size: for values of a given total it
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

    found, beyond, left = float(spread(values[None])[0]), 0, n_permutations
    while left > 0:
        some = min(left, max(1, _AT_ONCE // max(len(values), 1)))
        shuffled = np.argsort(stratum + rng.random((some, len(values))), axis=1)
        beyond += int((spread(values[shuffled]) >= found - 1e-9).sum())
        left -= some
    return (1 + beyond) / (n_permutations + 1)
