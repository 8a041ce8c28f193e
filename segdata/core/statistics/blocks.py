"""Blocks: do groups differ where they are comparable? A permutation test of group names within strata.

The statistic of a group is the sum of its values, each less the mean of its stratum, in units of its standard deviation
over all ways to hand the values of each stratum out anew; that of a whole comparison is the largest of any group.
Source: Strasser and Weber (1999), Mathematical Methods of Statistics 8, 220-250; Hothorn and others (2006), The
American Statistician 60(3), 257-263.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints

Floats = NDArray[np.float64]
_AT_ONCE = 1_000_000  # values handed out in one go, to bound memory
_ROUNDING = 1e-12  # of a value: equal values less their mean may not be 0, and all there is must not be rounding
_MOST = 5_000  # values beyond which the normal limit is as good as permutations, and far faster


@dataclass(frozen=True, slots=True)
class Compared:
    """Groups compared by one value.

    Attributes
    ----------
    z : (n_groups,) the standardised statistics; NaN for a group that has no value that can be compared
    difference : (n_groups,) mean of the group's values less that of the others in the same strata; NaN likewise
    mean : (n_groups,) mean of the group's values; NaN likewise
    n : (n_groups,) how many of its values were compared
    """

    z: Floats
    difference: Floats
    mean: Floats
    n: Ints

    @property
    def largest(self) -> float:
        """The largest statistic of any group, 0 where nothing can be compared."""
        return float(np.nanmax(np.abs(self.z), initial=0.0))


@dataclass(frozen=True, slots=True)
class Blocks:
    """n values' groups and strata, in ascending order of strata, each of which has values of two groups or more.

    Attributes
    ----------
    rows : (n,) which of the caller's values they are
    group, stratum : (n,) counted from 0
    n_groups : groups in all
    """

    rows: Ints
    group: Ints
    stratum: Ints
    n_groups: int

    @staticmethod
    def of(group: Ints, stratum: Ints, n_groups: int, among: NDArray[Any] | None = None) -> "Blocks":
        """The values that can be compared, of all or (flags or rows) of those `among` them."""
        rows = np.arange(len(group)) if among is None else np.arange(len(group))[among]
        rows = rows[np.lexsort((group[rows], stratum[rows]))]
        which = np.unique(stratum[rows], return_inverse=True)[1]
        several = np.unique(which * n_groups + group[rows]) // max(n_groups, 1)
        kept = np.bincount(several, minlength=1)[which] > 1 if len(rows) else np.zeros(0, bool)
        return Blocks(rows[kept], group[rows[kept]], np.unique(which[kept], return_inverse=True)[1], n_groups)

    def only(self, groups: list[int]) -> "Blocks":
        """The same with some groups alone; its rows are those of the caller still."""
        kept = np.isin(self.group, groups)
        inner = Blocks.of(self.group[kept], self.stratum[kept], self.n_groups)
        return Blocks(self.rows[kept][inner.rows], inner.group, inner.stratum, self.n_groups)

    def compare(self, values: Floats) -> Compared:
        """The groups' statistics of the caller's values."""
        mine = values[self.rows]
        centred, weight, spread = self._centred(mine)
        n = np.bincount(self.group, minlength=self.n_groups)
        with np.errstate(divide="ignore", invalid="ignore"):
            total = np.bincount(self.group, weights=centred, minlength=self.n_groups)
            z = np.where(spread > 0, total / spread, np.where(weight > 0, 0.0, np.nan))
            mean = np.bincount(self.group, weights=mine, minlength=self.n_groups) / n
            return Compared(z, total / weight, mean, n)

    def chance(self, values: Floats, rng: np.random.Generator, n_permutations: int) -> tuple[float, float]:
        """The p-value of the largest statistic, and the statistic that chance reaches in one of twenty cases.

        Exact but for the sampling of `n_permutations`; above 5,000 values the normal limit, counted once a group.
        """
        found = self.compare(values).largest
        if len(self.rows) > _MOST:
            p = min(1.0, self.n_groups * math.erfc(found / math.sqrt(2)))
            return p, NormalDist().inv_cdf(1 - 0.05 / (2 * self.n_groups))
        centred, _, spread = self._centred(values[self.rows])
        largest = np.concatenate(self._permuted(centred, spread, rng, n_permutations))
        p = (1 + int((largest >= found - 1e-9).sum())) / (n_permutations + 1)  # Phipson and Smyth (2010)
        return p, float(np.quantile(largest, 0.95))

    def _centred(self, mine: Floats) -> tuple[Floats, Floats, Floats]:
        """Values less their strata's means; for each group the weight of a difference, and the statistic's deviation.

        Drawing k of m values without putting back has the variance k (1 - k / m) s^2.
        """
        n_strata = int(self.stratum.max(initial=-1)) + 1
        m = np.bincount(self.stratum, minlength=n_strata)
        centred = mine - (np.bincount(self.stratum, weights=mine, minlength=n_strata) / np.maximum(m, 1))[self.stratum]
        centred[np.abs(centred) < _ROUNDING * np.abs(mine)] = 0.0
        s2 = np.bincount(self.stratum, weights=centred**2, minlength=n_strata) / np.maximum(m - 1, 1)
        pair, k = np.unique(self.stratum * self.n_groups + self.group, return_counts=True)
        stratum, group = np.divmod(pair, self.n_groups)
        share = k * (1 - k / m[stratum])
        weight: Floats = np.bincount(group, weights=share, minlength=self.n_groups).astype(np.float64)
        variance = np.bincount(group, weights=share * s2[stratum], minlength=self.n_groups)
        spread: Floats = np.sqrt(np.maximum(variance, 0))
        return centred, weight, spread

    def _permuted(self, centred: Floats, spread: Floats, rng: np.random.Generator, n: int) -> "list[Floats]":
        """The largest statistics of n ways to hand the values out anew within their strata."""
        member = (self.group[:, None] == np.arange(self.n_groups)).astype(np.float64)
        scale = np.where(spread > 0, spread, np.inf)
        found = []
        while n > 0:
            some = min(n, max(1, _AT_ONCE // max(len(centred), 1)))
            order = np.argsort(self.stratum + rng.random((some, len(centred))), axis=1)
            found.append(np.abs(centred[order] @ member / scale).max(axis=1))
            n -= some
        return found
