"""Contrasts: whether one annotator agrees better with a third than another does, on the same images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from segdata.agreement.estimates import DEFAULT_RESAMPLING, PairAmounts, Resampling
from segdata.agreement.permutation import DRAWS, exchange_test
from segdata.agreement.results import PairContrast, Score
from segdata.agreement.scores import WeightedSums, pair_value
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.errors import SegdataError
from segdata.core.resampling import Floats
from segdata.core.runs import Ints
from segdata.core.statistics import benjamini_hochberg

TESTED_SCORES = ("iou", "nsd", "pq", "kappa")
RATE = 0.05  # of the contrasts that stand, what share may be chance
LEAST_CLUSTERS = 8  # below which nobody is tested
MAX_CONTRASTS = 120  # contrasts, each of which takes seconds
SCORES = ("iou", "dice", "boundary_iou", "nsd", "pq", "f1", "kappa", "accuracy")


@dataclass(frozen=True, slots=True)
class ScoreContrast:
    """By how much a score of the second pair of annotators is above that of the first.

    Attributes
    ----------
    difference, low, high : with the ends of its interval; NaN where undefined
    p : the chance of as large a difference, were the two pairs alike
    first, second : what either pair reaches
    images, clusters : that both pairs annotated
    """

    difference: float
    low: float
    high: float
    p: float
    first: float
    second: float
    images: int
    clusters: int


def contrast_pairs(
    opposed: AnnotatorPairs,
    first: tuple[str, str],
    second: tuple[str, str],
    how: Resampling = DEFAULT_RESAMPLING,
    *,
    scores: Sequence[str] = SCORES,
    n_permutations: int = DRAWS,
) -> Mapping[str, ScoreContrast]:
    """Two pairs of annotators compared on the cases that both pairs annotated, score by score.

    To compare two annotators, compare each one's pair with the same third: a gold standard, or a model. Intervals are
    from resamples of clusters, each with both pairs, p-values from exchanging the pairs within clusters. Empty where no
    case has both pairs.
    """
    amounts = PairAmounts.of(opposed)
    rows = [_pair_rows(amounts, *pair) for pair in (first, second)]
    shared = np.intersect1d(amounts.case[rows[0]], amounts.case[rows[1]])
    if len(shared) == 0:
        return {}
    rows = [each[np.isin(amounts.case[each], shared)] for each in rows]
    (unit, n), (other, _) = (amounts.units(each) for each in rows)
    one, two = (amounts.sums.grouped(each, n) for each in (unit, other))

    def statistic(weights: Floats) -> Floats:
        sums = one.weighed(weights[:, :n]), two.weighed(weights[:, n:])
        weighed = WeightedSums({name: sums[0][name] + sums[1][name] for name in sums[0]}, one.cells, opposed.countable)
        return np.stack([pair_value(name, weighed) for name in scores], axis=1)

    def difference(weights: Floats) -> Floats:
        none = np.zeros(weights.shape)
        return statistic(np.concatenate([none, weights], axis=1)) - statistic(np.concatenate([weights, none], axis=1))

    found = how.interval(difference, n, 2 * one.width)
    _, p = exchange_test(statistic, n, how.seed, n_draws=n_permutations, width=2 * one.width)
    images = int(opposed.cases["frames"][shared].sum())
    reached = statistic(np.repeat(np.eye(2), n, axis=1))
    numbers = np.stack([found.value, found.low, found.high, p, *reached], axis=1).tolist()
    return {
        name: ScoreContrast(difference, low, high, chance, one_s, other_s, images, n)
        for name, (difference, low, high, chance, one_s, other_s) in zip(scores, numbers, strict=True)
    }


def contrast_annotators(
    opposed: AnnotatorPairs, reference: int | None = None, how: Resampling = DEFAULT_RESAMPLING
) -> tuple[PairContrast, ...]:
    """Every two annotators by how much they agree with the reference; without one every two pairs of annotators.

    Further passes of a person are left out. Over the contrasts of one score Benjamini and Hochberg's false discovery
    rate is 5 %; with fewer than 8 clusters nothing is tested. Raises SegdataError where there is none,
    or more than `MAX_CONTRASTS`.
    """
    names, first = opposed.annotators, opposed.is_first_pass.tolist()
    persons = [k for k in range(len(names)) if first[k]]
    if reference is None:
        pairs = list(combinations(persons, 2))
    else:
        gold = opposed.persons[reference]
        pairs = [(k, reference) for k in persons if opposed.persons[k] != gold]
    if len(pairs) < 2:
        who = "three annotators" if reference is None else "two annotators beside the reference"
        raise SegdataError(f"contrasts: they take {who}, there are: {', '.join(names)}")
    every = list(combinations(pairs, 2))
    if len(every) > MAX_CONTRASTS:
        many = f"contrasts: {len(pairs)} pairs of annotators make {len(every):,}, at most {MAX_CONTRASTS} are tested"
        raise SegdataError(f"{many}; name a reference with --gold, or give fewer annotators")
    told: list[_PairScores] = []
    for (a, b), (c, d) in every:
        one, other = (names[a], names[b]), (names[c], names[d])
        told.append((one, other, contrast_pairs(opposed, one, other, how, scores=TESTED_SCORES)))
    return tuple(each for score in TESTED_SCORES for each in _test_score(told, score))


_PairScores = tuple[tuple[str, str], tuple[str, str], Mapping[str, ScoreContrast]]


def _test_score(told: Sequence[_PairScores], score: str) -> Iterator[PairContrast]:
    """The contrasts of one score that are defined, and which of them stand together."""
    some = [(one, other, of[score]) for one, other, of in told if score in of and np.isfinite(of[score].difference)]
    p = np.array([each.p if each.clusters >= LEAST_CLUSTERS else np.nan for _, _, each in some])
    stands = np.zeros(len(p), bool)
    stands[np.isfinite(p)] = benjamini_hochberg(p[np.isfinite(p)], RATE)
    for (one, other, each), chance, stand in zip(some, p.tolist(), stands.tolist(), strict=True):
        difference = Score(each.difference, each.low, each.high, each.images, 0)
        yield PairContrast(one, other, score, (each.first, each.second), difference, chance, stand)


def _pair_rows(amounts: PairAmounts, one: str, other: str) -> Ints:
    """The pairs of annotations of two annotators."""
    names = amounts.opposed.annotators
    a, b = sorted((names.index(one), names.index(other)))
    return np.flatnonzero((amounts.a == a) & (amounts.b == b))
