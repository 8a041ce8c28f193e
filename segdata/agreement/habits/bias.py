"""Bias: who misses, adds, confuses or draws larger than the others, category by category, and what of it is chance."""

import math
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.habits.tallies import KINDS, Flags, Tally, present_in, tallies
from segdata.agreement.statistics.permutation import shuffled
from segdata.agreement.statistics.rates import wilson
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.bootstrap import DRAWS, bootstrap_interval
from segdata.core.executor import run_ordered
from segdata.core.runs import Ints
from segdata.core.statistics import benjamini_hochberg
from segdata.core.table import Table

Floats = NDArray[np.float64]
RATE = 0.05  # of all that is found, what share may be chance
LEAST_CLUSTERS = 8
_DRAWS = 9999
_FEW = 5  # ways, at most, for which it matters how many there are in all
_MARGIN = 4  # how far below what the test of all cells asks for a p must be able to go, since it is itself a draw
_ROUNDING = 1e-9  # by so much of all that is summed equal sums may differ
_SCREEN = 1.5  # standard deviations below which a cell is chance whatever permutations say


def biases(opposed: AnnotatorPairs, seed: int = 0, *, rate: float = RATE, n_draws: int = DRAWS) -> Table:
    """What each annotator does with each category, cell by cell, and which of it is more than chance.

    Columns: annotator, category (positions), kind, value (a share, or by how many pixels the annotator draws larger
    than the middle one), low, high (95 %; of shares at least as wide as Wilson's of so many segments, or of pixels'
    clusters), others (the value of all others), clusters (that others annotated too), n (segments or
    pixels), p (NaN: not tested), found (one of the discoveries at the false discovery rate `rate`).

    Two annotators cannot be told apart: nothing is tested. Nor are cells with fewer clusters than could ever be found:
    8, or as many as make the smallest possible p, 1 / annotators ^ clusters, a fourth of what the test of all cells
    asks for. p: the share of 9,999 ways (more, where more cells ask for a smaller p) to hand each cluster's names out
    anew in which the annotator stands out as far; for misses, extras and confusions upwards only. `n_draws`: resamples
    of each interval.
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
        p[tested] = _chances([row for row, test in zip(rows, tested, strict=True) if test], present, seed, rate)
    found = np.zeros(len(rows), bool)
    found[np.isfinite(p)] = benjamini_hochberg(p[np.isfinite(p)], rate)
    lines = zip(rows, p.tolist(), found.tolist(), strict=True)
    counted = opposed.countable
    return _table([row.line(chance, hit, seed, n_draws, bool(counted[row.category])) for row, chance, hit in lines])


def least_clusters(n_cells: int, n_annotators: int, rate: float = RATE) -> int:
    """The number of images, or clusters of these, from which a cell of so many can be found at all.

    >>> least_clusters(60, 3)
    8
    """
    return max(LEAST_CLUSTERS, math.ceil(math.log(_MARGIN * n_cells / rate) / math.log(n_annotators)))


@dataclass(frozen=True, slots=True)
class _Cell:
    """What all annotators did, of one kind with one category, where one of them was present: K clusters, A annotators.

    Attributes
    ----------
    kind, category, annotator : whose cell it is; `kind` counts `KINDS`
    cluster : (K,) ascending
    hits, total : (K, A) as in `Tally`; 0 where there is nothing to count
    present : (K, A) who annotated the cluster
    """

    kind: int
    category: int
    annotator: int
    cluster: Ints
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
        return _Cell(kind, category, annotator, cluster[mine], hits[mine], total[mine], there[mine])

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
        # The middle one is the measure: one who draws large makes no small ones of the rest.
        return np.asarray(pooled[:, self.annotator] - (_middle(pooled) if self.is_signed else 0.0))

    def others(self) -> float:
        """The share of all others together, 0 where there is nothing that they could have done; of offsets 0."""
        hits, total = (np.delete(each, self.annotator, axis=1).sum() for each in (self.hits, self.total))
        return float(hits / total) if total > 0 and not self.is_signed else 0.0

    def line(self, p: float, found: bool, seed: int, n_draws: int, is_counted: bool) -> tuple[object, ...]:
        """The cell as a row of the table; `is_counted`: its totals are segments, else pixels."""
        own = self.total[:, self.annotator]
        has = own > 0
        columns = {name: getattr(self, name)[has] for name in ("cluster", "hits", "total", "present")}
        some = replace(self, **columns)
        ends = bootstrap_interval(some.value, len(some.hits), seed, n_draws=n_draws)
        value, low, high = (float(each) for each in (ends.value, ends.low, ends.high))
        kind, n = KINDS[self.kind], int(own.sum())
        if not self.is_signed and np.isfinite(low):
            # Resamples of few hits are too much alike, and those of none are all 0.
            of = np.array(float(n if is_counted else has.sum()))
            wide = wilson(np.array(value * of), of)
            low, high = min(low, float(wide[0])), max(high, float(wide[1]))
        return self.annotator, self.category, kind, value, low, high, self.others(), len(some.hits), n, p, found


def _middle(values: Floats) -> Floats:
    """(...) the median of values (..., A), NaN left out."""
    ordered = np.sort(values, axis=-1)  # NaN comes last
    n = np.isfinite(values).sum(axis=-1, keepdims=True)
    low, high = (np.take_along_axis(ordered, at, axis=-1)[..., 0] for at in (np.maximum(n - 1, 0) // 2, n // 2))
    return np.asarray((low + high) / 2)


def _chances(cells: list[_Cell], present: Flags, seed: int, rate: float) -> Floats:
    """(n,) the p-value of each cell; those that chance brings easily are not permuted."""
    signed = np.array([cell.is_signed for cell in cells], bool)
    z = np.array([cell.z() for cell in cells])
    z[signed] = np.abs(z[signed])
    p = np.array([math.erfc(each / math.sqrt(2)) for each in z.tolist()]) / np.where(signed, 1, 2)
    chosen, n_draws = np.flatnonzero(z >= _SCREEN), _DRAWS
    while len(chosen):
        beyond = _beyond([cells[k] for k in chosen.tolist()], present, seed, n_draws)
        p[chosen] = beyond / (1 + n_draws)
        # One cell alone is found with a p of rate / cells: there must be more ways than its inverse.
        if n_draws * rate >= _MARGIN * len(cells):
            break
        chosen, n_draws = chosen[beyond <= _FEW], math.ceil(_MARGIN * len(cells) / rate)
    return p


def _beyond(cells: list[_Cell], present: Flags, seed: int, n_draws: int) -> Ints:
    """(n,) in how many ways to hand out the names of those present anew each cell's annotator stands out as far."""
    used = np.unique(np.concatenate([cell.cluster for cell in cells]))
    cluster, who = np.nonzero(present[used])
    place = np.zeros((len(used), present.shape[1]), np.int64)
    place[cluster, who] = np.arange(len(who))
    amount, total = np.zeros((2, len(who), len(cells)))
    for k, cell in enumerate(cells):
        rows = place[np.searchsorted(used, cell.cluster)][cell.present]
        amount[rows, k] = (cell.hits if cell.is_signed else cell.centred)[cell.present]
        total[rows, k] = cell.total[cell.present]
    annotator = np.array([cell.annotator for cell in cells], np.int64)
    signed = np.array([cell.is_signed for cell in cells], bool)

    def far(drawn: Ints) -> Floats:
        """(B, n) how far each cell's annotator stands out, as names were handed out in B ways."""
        found = np.empty((len(drawn), len(cells)))
        pooled = np.empty((len(drawn), int(signed.sum()), present.shape[1]))
        for j in range(present.shape[1]):
            mine = (drawn == j).astype(np.float64)
            own = ~signed & (annotator == j)
            found[:, own] = mine @ amount[:, own]
            with np.errstate(invalid="ignore", divide="ignore"):
                pooled[:, :, j] = (mine @ amount[:, signed]) / (mine @ total[:, signed])
        theirs = np.take_along_axis(pooled, annotator[None, signed, None], axis=2)[:, :, 0]
        found[:, signed] = np.abs(theirs - _middle(pooled))
        return found

    ways = shuffled(who, cluster, seed, n_draws, width=len(cells) * present.shape[1])
    first = next(ways)
    least = far(first)[0] - _ROUNDING * np.abs(amount).sum(axis=0)
    beyond = np.zeros(len(cells), np.int64)
    for as_far in run_ordered(lambda drawn: (far(drawn) >= least).sum(axis=0), chain([first], ways)):
        beyond += as_far
    return beyond


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
