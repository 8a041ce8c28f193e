"""Bias: who misses, adds, confuses or draws larger than the others, category by category, and what of it is chance."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.statistics.bootstrap import DRAWS, interval
from segdata.agreement.statistics.permutation import shuffled
from segdata.agreement.tallies import KINDS, Tally, tallies
from segdata.core.opposed import Opposed
from segdata.core.runs import Ints
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
    cells, clusters = np.unique(key, axis=1, return_counts=True)
    rows = [_Cell.among(tally, *cell) for cell in cells.T.tolist()]
    p = np.full(len(rows), np.nan)
    if len(opposed.annotators) > 2 and len(rows):
        tested = clusters >= least_clusters(len(rows), len(opposed.annotators), rate)
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
    """One annotator's doings of one kind with one category, beside those of all: rows in order of their clusters."""

    kind: int
    category: int
    annotator: int
    cluster: Ints
    who: Ints
    hits: Floats
    total: Floats

    @staticmethod
    def among(tally: Tally, kind: int, category: int, annotator: int) -> "_Cell":
        rows = np.flatnonzero((tally.kind == kind) & (tally.category == category))
        mine = tally.cluster[rows][tally.annotator[rows] == annotator]
        rows = rows[np.isin(tally.cluster[rows], mine)]
        return _Cell(
            kind, category, annotator, tally.cluster[rows], tally.annotator[rows], tally.hits[rows], tally.total[rows]
        )

    def residuals(self) -> Floats:
        """(n,) hits beyond what the rate of all makes of the total, less the mean of the cluster."""
        beyond = self.hits - self.total * (self.hits.sum() / self.total.sum())
        _, which, n = np.unique(self.cluster, return_inverse=True, return_counts=True)
        return np.asarray(beyond - (np.bincount(which, beyond) / n)[which])

    def z(self) -> float:
        """How many standard deviations of chance the annotator is from the others."""
        centred = self.residuals()
        _, which, n = np.unique(self.cluster, return_inverse=True, return_counts=True)
        variance = np.bincount(which, centred**2) / n
        mine = self.who == self.annotator
        spread = math.sqrt(float(variance[which[mine]].sum()))
        return float(centred[mine].sum()) / spread if spread > 0 else 0.0

    def line(self, p: float, found: bool, seed: int, n_draws: int) -> tuple[object, ...]:
        """The cell as a row of the table."""
        clusters, at = np.unique(self.cluster, return_inverse=True)
        names, who = np.unique(self.who, return_inverse=True)
        cell, shape = who * len(clusters) + at, (len(names), len(clusters))
        hits, total = (
            np.bincount(cell, column, shape[0] * shape[1]).reshape(shape) for column in (self.hits, self.total)
        )
        mine = int(np.searchsorted(names, self.annotator))

        def value(weights: Floats) -> Floats:
            """(B,) of (B, n_clusters)."""
            with np.errstate(invalid="ignore", divide="ignore"):
                pooled = (weights @ hits.T) / (weights @ total.T)
            if KINDS[self.kind] != "offset":
                return np.asarray(pooled[:, mine])
            # The middle one is the measure: one who draws large does not make small annotators of the rest.
            return np.asarray(pooled[:, mine] - np.nanmedian(pooled, axis=1))

        ends = interval(value, len(clusters), seed, n_draws=n_draws)
        rest = np.delete(total, mine, axis=0).sum()
        others = np.delete(hits, mine, axis=0).sum() / rest if rest > 0 else np.nan
        return (
            self.annotator,
            self.category,
            KINDS[self.kind],
            float(ends.value),
            float(ends.low),
            float(ends.high),
            float(others) if KINDS[self.kind] != "offset" else 0.0,
            len(clusters),
            int(total[mine].sum()),
            p,
            found,
        )


def _chances(cells: list[_Cell], seed: int) -> Floats:
    """(n,) the p-value of each cell; those that chance brings easily are not permuted."""
    p = np.ones(len(cells))
    for k, cell in enumerate(cells):
        two_sided = KINDS[cell.kind] == "offset"
        z = abs(cell.z()) if two_sided else cell.z()
        p[k] = math.erfc(z / math.sqrt(2)) / (1 if two_sided else 2)
        if z >= _SCREEN:
            p[k] = _permuted(cell, two_sided, seed)
    return p


def _permuted(cell: _Cell, two_sided: bool, seed: int) -> float:
    centred = cell.residuals()
    beyond = n = 0
    least = None
    for drawn in shuffled(cell.who, cell.cluster, seed, _DRAWS):
        sums = (drawn == cell.annotator) @ centred
        sums = np.abs(sums) if two_sided else sums
        least = sums[0] - 1e-9 * np.abs(centred).sum() if least is None else least
        beyond += int((sums >= least).sum())
        n += len(sums)
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
