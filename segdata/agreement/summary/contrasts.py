"""Contrasts: whether one annotator agrees better with a third than another does, on the same images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segdata.agreement.statistics.permutation import DRAWS, exchange
from segdata.agreement.summary.estimates import DEFAULT, Amounts, Resampling
from segdata.agreement.summary.scores import Weighed, of_pair
from segdata.core.opposed import Opposed
from segdata.core.runs import Ints
from segdata.core.statistics.bootstrap import Floats

SCORES = ("iou", "dice", "boundary_iou", "nsd", "pq", "f1", "kappa", "accuracy")


@dataclass(frozen=True, slots=True)
class Contrast:
    """By how much a score of the second pair of annotators is above that of the first.

    Attributes
    ----------
    difference, low, high : with the ends of its interval; NaN where undefined
    p : the chance of as large a difference, were the two pairs alike
    images : that both pairs annotated
    """

    difference: float
    low: float
    high: float
    p: float
    images: int


def contrasts(
    opposed: Opposed,
    first: tuple[str, str],
    second: tuple[str, str],
    how: Resampling = DEFAULT,
    *,
    scores: Sequence[str] = SCORES,
    n_permutations: int = DRAWS,
) -> Mapping[str, Contrast]:
    """Two pairs of annotators compared on the cases that both pairs annotated, score by score.

    To compare two annotators, compare each one's pair with the same third: a gold standard, or a model. Intervals are
    from resamples of clusters, each with both pairs, p-values from exchanging the pairs within clusters. Empty where no
    case has both pairs.
    """
    amounts = Amounts.of(opposed)
    rows = [_rows(amounts, *pair) for pair in (first, second)]
    shared = np.intersect1d(amounts.case[rows[0]], amounts.case[rows[1]])
    if len(shared) == 0:
        return {}
    rows = [each[np.isin(amounts.case[each], shared)] for each in rows]
    (unit, n), (other, _) = (amounts.units(each) for each in rows)
    one, two = (amounts.sums.grouped(each, n) for each in (unit, other))

    def statistic(weights: Floats) -> Floats:
        sums = one.weighed(weights[:, :n]), two.weighed(weights[:, n:])
        weighed = Weighed({name: sums[0][name] + sums[1][name] for name in sums[0]}, one.cells, opposed.countable)
        return np.stack([of_pair(name, weighed) for name in scores], axis=1)

    def difference(weights: Floats) -> Floats:
        none = np.zeros(weights.shape)
        return statistic(np.concatenate([none, weights], axis=1)) - statistic(np.concatenate([weights, none], axis=1))

    found = how.interval(difference, n, 2 * one.width)
    _, p = exchange(statistic, n, how.seed, n_draws=n_permutations, width=2 * one.width)
    images = int(opposed.cases["frames"][shared].sum())
    columns = (found.value.tolist(), found.low.tolist(), found.high.tolist(), p.tolist())
    return {name: Contrast(*numbers, images) for name, numbers in zip(scores, zip(*columns, strict=True), strict=True)}


def _rows(amounts: Amounts, one: str, other: str) -> Ints:
    """The pairs of annotations of two annotators."""
    names = amounts.opposed.annotators
    a, b = sorted((names.index(one), names.index(other)))
    return np.flatnonzero((amounts.a == a) & (amounts.b == b))
