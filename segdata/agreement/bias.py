"""Bias: who misses, adds, confuses or draws larger than the others, category by category, and what of it is chance."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.statistics.permutation import shuffled
from segdata.agreement.tallies import KINDS, Flags, Tally, present_in, tallies
from segdata.core.opposed import Opposed
from segdata.core.runs import Ints
from segdata.core.statistics.bootstrap import DRAWS, interval
from segdata.core.statistics.chance import discoveries
from segdata.core.table import Table

Floats = NDArray[np.float64]
RATE = 0.05  # of all that is found, what share may be chance
LEAST_CLUSTERS = 8
_DRAWS = 9999
_SCREEN = 1.5  # standard deviations below which a cell is chance whatever permutations say


def biases(opposed: Opposed, seed: int = 0, *, rate: float = RATE, n_draws: int = DRAWS) -> Table:
    """What each annotator does with each category, cell by cell, and which of it is more than chance.

    Columns: annotator, category (positions), kind, value (a share, or by how many pixels the annotator draws larger
    than the middle one), low, high (95 %), others (the value of all others), clusters (that others annotated too), n
    (segments or pixels), p (NaN: not tested), found (one of the discoveries at the false discovery rate `rate`).

    Two annotators cannot be told apart: nothing is tested. Nor are cells with fewer clusters than could ever be found:
    8, or as many as make the smallest possible p, 1 / annotators ^ clusters, as small as the test of all cells asks
    for. p: the share of 9,999 ways to hand each cluster's names out anew in which the annotator stands out as far; for
    misses, extras and confusions upwards only. `n_draws`: resamples of each interval.
    Sources: Good (2005), chapter 3 (permutation within blocks); Benjamini and Hochberg (1995), Journal of the Royal
    Statistical Society B 57(1), 289-300.
    """
    tally = tallies(opposed)
    key = np.stack([tally.kind, tally.category, tally.annotator])
    cells = np.unique(key, axis=1)
    present = present_in(opposed)
    rows = [_Cell.among(tally, present, *cell) for cell in cells.T.tolist()]
    p = np.full(len(rows), np.nan)
    if len(opposed.annotators) > 2 and len(rows):
        least = least_clusters(len(rows), len(opposed.annotators), rate)
        tested = np.array([int((row.total[:, row.annotator] > 0).sum()) >= least for row in rows])
        p[tested] = _chances([row for row, test in zip(rows, tested, strict=True) if test], seed)
    found = np.zeros(len(rows), bool)
    found[np.isfinite(p)] = discoveries(p[np.isfinite(p)], rate)
    lines = zip(rows, p.tolist(), found.tolist(), strict=True)
    return _table([row.line(chance, hit, seed, n_draws) for row, chance, hit in lines])


def least_clusters(n_cells: int, n_annotators: int, rate: float = RATE) -> int:
    """The number of images, or clusters of these, from which a cell of so many can be found at all.

    >>> least_clusters(60, 3)
    8
    """
    return max(LEAST_CLUSTERS, math.ceil(math.log(n_cells / rate) / math.log(n_annotators)))


@dataclass(frozen=True, slots=True)
class _Cell:
    """What all annotators did, of one kind with one category, where one of them was present: K clusters, A annotators.

    Attributes
    ----------
    kind, category, annotator : whose cell it is; `kind` counts `KINDS`
    hits, total : (K, A) as in `Tally`; 0 where there is nothing to count
    present : (K, A) who annotated the cluster
    """

    kind: int
    category: int
    annotator: int
    hits: Floats
    total: Floats
    present: Flags

    @staticmethod
    def among(tally: Tally, present: Flags, kind: int, category: int, annotator: int) -> "_Cell":
        rows = np.flatnonzero((tally.kind == kind) & (tally.category == category))
        cluster, at = np.unique(tally.cluster[rows], return_inverse=True)
        hits, total = np.zeros((2, len(cluster), present.shape[1]))
        hits[at, tally.annotator[rows]], total[at, tally.annotator[rows]] = tally.hits[rows], tally.total[rows]
        there = present[cluster]
        mine = there[:, annotator]
        return _Cell(kind, category, annotator, hits[mine], total[mine], there[mine])

    @property
    def is_signed(self) -> bool:
        """Less is told as well as more."""
        return KINDS[self.kind] == "offset"

    @property
    def centred(self) -> Floats:
        """(K, A) hits less the mean of those present in the cluster; 0 for others."""
        mean = self.hits.sum(axis=1) / self.present.sum(axis=1)
        return np.asarray(np.where(self.present, self.hits - mean[:, None], 0.0))

    def z(self) -> float:
        """How many standard deviations of chance the annotator is from the others."""
        centred = self.centred
        spread = math.sqrt(float(((centred**2).sum(axis=1) / self.present.sum(axis=1)).sum()))
        return float(centred[:, self.annotator].sum()) / spread if spread > 0 else 0.0

    def value(self, weights: Floats) -> Floats:
        """(B,) of weights (B, K)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            pooled = (weights @ self.hits) / (weights @ self.total)
        return self._from_the_middle(pooled) if self.is_signed else np.asarray(pooled[:, self.annotator])

    def away(self, who: Ints, hits: Floats, total: Floats) -> Floats:
        """(B,) the signed value, were the names of hits and totals (n,) these (B, n)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            of = [((who == j) @ hits) / ((who == j) @ total) for j in range(self.present.shape[1])]
        return self._from_the_middle(np.stack(of, axis=1))

    def _from_the_middle(self, pooled: Floats) -> Floats:
        """(B,) of (B, A): the middle one is the measure, since one who draws large makes no small ones of the rest."""
        middle = np.full(len(pooled), np.nan)
        some = np.isfinite(pooled).any(axis=1)
        middle[some] = np.nanmedian(pooled[some], axis=1)
        return np.asarray(pooled[:, self.annotator] - middle)

    def others(self) -> float:
        """The share of all others together, 0 where there is nothing that they could have done; of offsets 0."""
        hits, total = (np.delete(each, self.annotator, axis=1).sum() for each in (self.hits, self.total))
        return float(hits / total) if total > 0 and not self.is_signed else 0.0

    def line(self, p: float, found: bool, seed: int, n_draws: int) -> tuple[object, ...]:
        """The cell as a row of the table."""
        own = self.total[:, self.annotator]
        has = own > 0
        some = replace(self, hits=self.hits[has], total=self.total[has], present=self.present[has])
        ends = interval(some.value, len(some.hits), seed, n_draws=n_draws)
        value, low, high = (float(each) for each in (ends.value, ends.low, ends.high))
        kind, n = KINDS[self.kind], int(own.sum())
        return self.annotator, self.category, kind, value, low, high, self.others(), len(some.hits), n, p, found


def _chances(cells: list[_Cell], seed: int) -> Floats:
    """(n,) the p-value of each cell; those that chance brings easily are not permuted."""
    p = np.ones(len(cells))
    for k, cell in enumerate(cells):
        z = abs(cell.z()) if cell.is_signed else cell.z()
        p[k] = math.erfc(z / math.sqrt(2)) / (1 if cell.is_signed else 2)
        if z >= _SCREEN:
            p[k] = _permuted(cell, seed)
    return p


def _permuted(cell: _Cell, seed: int) -> float:
    """The share of ways to hand out the names of those present anew in which the annotator stands out as far."""
    cluster, who = np.nonzero(cell.present)
    centred, hits, total = (each[cluster, who] for each in (cell.centred, cell.hits, cell.total))
    beyond = n = 0
    least = None
    for drawn in shuffled(who, cluster, seed, _DRAWS):
        far = np.abs(cell.away(drawn, hits, total)) if cell.is_signed else (drawn == cell.annotator) @ centred
        least = far[0] - 1e-9 * np.abs(centred).sum() if least is None else least
        beyond += int((far >= least).sum())
        n += len(far)
    return beyond / n


_COLUMNS = (
    "annotator",
    "category",
    "kind",
    "value",
    "low",
    "high",
    "others",
    "clusters",
    "n",
    "p",
    "found",
)


def _table(lines: list[tuple[object, ...]]) -> Table:
    """Rows as columns."""
    columns = list(zip(*lines, strict=True)) if lines else [()] * len(_COLUMNS)
    types = {"annotator": int, "category": int, "kind": object, "clusters": int, "n": int, "found": bool}
    return Table(
        {name: np.array(column, types.get(name, float)) for name, column in zip(_COLUMNS, columns, strict=True)}
    )
