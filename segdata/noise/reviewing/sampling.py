"""Sampling: items drawn by lot within strata of like probability, each with a known chance to be drawn."""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Floats

MOST, LEAST = 4, 5  # strata, and items drawn of each on average
EVENLY = 0.5  # of the sample goes to strata by their size, whatever the probabilities say


@dataclass(frozen=True, slots=True)
class Strata:
    """Items in strata of like probability.

    Attributes
    ----------
    of : (n,) the stratum of each, from 0, the least probable first
    size, draw : (H,) how many there are, and how many to draw
    """

    of: Ints
    size: Ints
    draw: Ints

    @staticmethod
    def of_probability(probability: Floats, n_drawn: int) -> "Strata":
        """Strata of items with these probabilities (n,), of which `n_drawn` <= n are to be drawn.

        Half of the sample is spread evenly, half by the standard deviation sqrt(p (1 - p)) that is expected: only where
        the probabilities are right is the latter the best (Neyman, 1934), and rare errors hide where they are wrong.
        Borders are such that each stratum gets about as many. Source: Dalenius and Hodges (1959), Journal of the
        American Statistical Association 54(285), 88-101.
        """
        n = len(probability)
        if n_drawn == 0:
            return Strata(np.zeros(n, np.int64), np.array([n]), np.array([0]))
        spread = np.sqrt(probability * (1 - probability)) + 1e-12
        weight = (1 - EVENLY) * spread / spread.sum() + EVENLY / n
        order = np.argsort(probability, kind="stable")
        middle = np.cumsum(weight[order]) - weight[order] / 2
        n_strata = max(1, min(MOST, n_drawn // LEAST))
        of = np.empty(n, np.int64)
        of[order] = np.unique(np.minimum(middle * n_strata, n_strata - 1).astype(np.int64), return_inverse=True)[1]
        size = np.bincount(of)
        return Strata(of, size, _shared_out(np.asarray(np.bincount(of, weight) * n_drawn, np.float64), size, n_drawn))


def _shared_out(wanted: Floats, size: Ints, n: int) -> Ints:
    """(H,) whole numbers near the wanted ones that sum to n, each from 1 to the stratum's size."""
    found = np.minimum(np.maximum(wanted.astype(np.int64), 1), size)
    while found.sum() != n:
        step = 1 if found.sum() < n else -1
        free = found < size if step > 0 else found > 1
        found[np.where(free, step * (wanted - found), -np.inf).argmax()] += step
    return found


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a reviewer sees.

    Attributes
    ----------
    rows : (r,) in the order to look at them: what is most probably wrong first, those drawn by lot spread among them in
        an order of their own, so that whoever stops early has a random sample still, and nobody sees which is which
    stratum : (r,) the stratum that each was drawn from; -1: it was not drawn, but taken for its probability
    size : (H,) items of each stratum, drawn or not
    """

    rows: Ints
    stratum: Ints
    size: Ints

    @staticmethod
    def of(sure: Ints, rest: Ints, strata: Strata, rng: np.random.Generator) -> "Chosen":
        """Rows that are taken in any case, in this order, and some of the rest (n,), drawn by `rng` from its strata."""
        drawn = [rng.permutation(np.flatnonzero(strata.of == h))[:k] for h, k in enumerate(strata.draw.tolist())]
        lot = np.concatenate([np.empty(0, np.int64), *drawn])
        lot = lot[rng.permutation(len(lot))]
        place = np.append(np.arange(len(sure)) + 0.5, (np.arange(len(lot)) + rng.random()) * _ratio(sure, lot))
        order = np.argsort(place, kind="stable")
        stratum = np.append(np.full(len(sure), -1), strata.of[lot])
        return Chosen(np.append(sure, rest[lot])[order], stratum[order], strata.size)

    @property
    def inclusion(self) -> Floats:
        """(r,) how probable it was that each is among those chosen; 1 for those taken for their probability."""
        drawn = np.bincount(self.stratum[self.stratum >= 0], minlength=len(self.size))
        chance = drawn / np.maximum(self.size, 1)
        return np.where(self.stratum < 0, 1.0, chance[self.stratum])

    def places(self, rows: Ints) -> Ints:
        """(v,) where rows (v,) are among those chosen; -1: nowhere."""
        order = np.argsort(self.rows, kind="stable")
        at = np.searchsorted(self.rows[order], rows).clip(max=max(len(order) - 1, 0))
        if not len(order):
            return np.full(len(rows), -1)
        return np.where(self.rows[order[at]] == rows, order[at], -1)

    @property
    def n(self) -> int:
        """How many items there are, chosen or not."""
        return int(self.size.sum()) + int((self.stratum < 0).sum())


def _ratio(sure: Ints, lot: Ints) -> float:
    return max(len(sure), 1) / max(len(lot), 1)
