"""Stratify: units dealt to parts so that every category has the wanted share in each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints

Floats = NDArray[np.float64]

_PASSES = 8  # over all units, in search of one that would be better in another part
_SIZE_WEIGHT = 4.0  # of the size of parts, against all categories together


@dataclass(frozen=True, slots=True)
class Amounts:
    """What each of n units holds of each of k quantities, as a share of all that there is: sparse rows.

    Attributes
    ----------
    first : (n + 1,) the entries of unit i are ``first[i]:first[i + 1]``
    quantity : (m,) from 0 to k - 1, ascending within a unit
    share : (m,) > 0; those of a quantity sum to 1
    n_quantities : k
    """

    first: Ints
    quantity: Ints
    share: Floats
    n_quantities: int

    @staticmethod
    def of(unit: Ints, quantity: Ints, amount: Floats, n_units: int, n_quantities: int) -> "Amounts":
        """Entries (m,) in any order; those of one unit and quantity are added."""
        key, which = np.unique(unit * n_quantities + quantity, return_inverse=True)
        total = np.bincount(which, amount, len(key))
        unit, quantity = np.divmod(key[total > 0], max(n_quantities, 1))
        share = total[total > 0]
        share = share / np.bincount(quantity, share, n_quantities)[quantity]
        return Amounts(np.searchsorted(unit, np.arange(n_units + 1)), quantity, share, n_quantities)

    @property
    def n_units(self) -> int:
        """How many units there are."""
        return len(self.first) - 1

    def entries(self, unit: int) -> tuple[Ints, Floats]:
        """The quantities of a unit, and its shares of them."""
        mine = slice(self.first[unit], self.first[unit + 1])
        return self.quantity[mine], self.share[mine]


def stratified(categories: Amounts, sizes: Floats, shares: Floats, kept: Ints | None = None) -> Ints:
    """(n_units,) the part of each unit, such that parts have the wanted share of every quantity, and of the units.

    Parameters
    ----------
    categories : what is to be balanced; a quantity is one measure of one category
    sizes : (n_units,) how many images a unit has
    shares : (n_parts,) wanted; they sum to 1
    kept : (n_units,) the part that a unit stays in; -1: any. None: all are free

    The quantity that the fewest free units have comes first: its units, those with most of it before others, go
    where most of it is still wanted; then the next. So the rare ones are dealt while there is a choice. What is as
    good is decided by the order of the units. Afterwards units move for as long as that brings the parts nearer to
    their shares, by the sum of the squared deviations over the shares wanted.
    Source: Sechidis, Tsoumakas and Vlahavas (2011), "On the Stratification of Multi-Label Data", ECML PKDD, 145-158;
    here with amounts in place of labels, and units of several images.
    """
    part = np.full(len(sizes), -1, np.int64) if kept is None else kept.copy()
    dealt = _Dealt(categories, sizes / max(sizes.sum(), 1), shares)
    for unit in np.flatnonzero(part >= 0).tolist():
        dealt.put(unit, int(part[unit]), 1)
    free = np.flatnonzero(part < 0)
    for unit in _rarest_first(categories, part):
        part[unit] = dealt.wanting(unit)
        dealt.put(unit, int(part[unit]), 1)
    for _ in range(_PASSES):
        moved = 0
        for unit in free.tolist():
            to = dealt.better(unit, int(part[unit]))
            if to != part[unit]:
                dealt.put(unit, int(part[unit]), -1)
                dealt.put(unit, to, 1)
                part[unit], moved = to, moved + 1
        if not moved:
            break
    return part


def _rarest_first(amounts: Amounts, part: Ints) -> list[int]:
    """The free units (part -1) in the order in which they are dealt; those without any quantity come last."""
    unit = np.repeat(np.arange(amounts.n_units), np.diff(amounts.first))
    free = part < 0
    of_free = np.flatnonzero(free[unit])
    order = of_free[np.lexsort((unit[of_free], -amounts.share[of_free], amounts.quantity[of_free]))]
    begin = np.searchsorted(amounts.quantity[order], np.arange(amounts.n_quantities + 1))
    left = np.bincount(amounts.quantity[of_free], minlength=amounts.n_quantities)
    found: list[int] = []
    while left.any():
        rarest = int(np.where(left > 0, left, np.iinfo(np.int64).max).argmin())
        for each in unit[order[begin[rarest] : begin[rarest + 1]]].tolist():
            if free[each]:
                free[each] = False
                found.append(each)
                left[amounts.entries(each)[0]] -= 1
    return [*found, *np.flatnonzero(free).tolist()]


class _Dealt:
    """What has been put into each part so far."""

    def __init__(self, amounts: Amounts, sizes: Floats, shares: Floats) -> None:
        self._amounts, self._sizes, self._shares = amounts, sizes, shares
        self._of = np.zeros((amounts.n_quantities, len(shares)))  # share of each quantity that each part has
        self._size = np.zeros(len(shares))
        self._weight = _SIZE_WEIGHT * max(amounts.n_quantities, 1)

    def put(self, unit: int, part: int, times: int) -> None:
        """Add a unit to a part (`times` 1), or take it away (-1)."""
        quantity, share = self._amounts.entries(unit)
        self._of[quantity, part] += times * share
        self._size[part] += times * self._sizes[unit]

    def wanting(self, unit: int) -> int:
        """The part that wants most of what the unit has, and most images; of several the first."""
        quantity, _ = self._amounts.entries(unit)
        missing = (self._shares - self._of[quantity]).sum(axis=0) / max(len(quantity), 1)
        wanted = missing + (self._shares - self._size)
        return int((wanted - 1e-12 * np.arange(len(wanted))).argmax())

    def better(self, unit: int, part: int) -> int:
        """The part in which the unit is best, its own where no other is better."""
        quantity, share = self._amounts.entries(unit)
        # The cost of a part p is Σ (has - wanted)² / wanted; adding a changes it by a (2 (has - wanted) + a) / wanted.
        over = self._of[quantity] - self._shares
        over[:, part] -= share
        cost = (share[:, None] * (2 * over + share[:, None])).sum(axis=0)
        size, mine = self._size - self._shares, self._sizes[unit]
        size[part] -= mine
        cost = (cost + self._weight * mine * (2 * size + mine)) / self._shares
        best = int(cost.argmin())
        return best if cost[best] < cost[part] - 1e-12 else part
