"""Annotator noise: errors of a dataset as a whole: confused categories, and annotators or batches with more errors."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from segdata.core.resampling import StratifiedGroups
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import ratio
from segdata.core.strata import annotation_strata_if_any, image_types, independent_units, joint_codes, number_names
from segdata.core.table import Table
from segdata.noise.ranking import RankedCandidates
from segdata.noise.selection import LabelCheck

_PREFERENCE_DEVIATION = 1.0  # a model may prefer one category to another by a factor of e, or two
_MIN_SEGMENTS = 8  # of a pair that is tested
_MAX_FIT_STEPS = 50


@dataclass(frozen=True, slots=True)
class CategoryConfusion:
    """A pair of categories with segments that are labelled as one and look like the other."""

    given: int
    seen: int
    n: int  # segments labelled `given` that look like `seen`
    reverse: int  # the reverse
    expected: float  # the n that the model's own preferences explain
    images: int  # the number of images, or groups of images, that have the n
    p: float  # the probability that any of the tested pairs is as extreme by chance


def find_confusions(labelled: Ints, predicted: Ints, unit: Ints, rate: float = 0.05) -> tuple[CategoryConfusion, ...]:
    """Find pairs of categories that labels confuse in one direction more than the model's own errors explain.

    Parameters
    ----------
    labelled, predicted : (n,) the categories of segments, from 1, and those that the model predicts for them without
        having learnt from their images; the caller leaves out segments without either
    unit : (n,) the image of each, or its group, sequence or scene: one observation, however many segments it has
    rate : the accepted probability of returning any pair if labels confuse none

    A model that errs independently of the labels confuses i and j as often as j and i, except that it may prefer one of
    them, and then it prefers it to all others as well: (given i, seen j) over (given j, seen i) is exp(preference of j
    less that of i) (quasi-symmetry; Caussinus, 1965, as a Bradley-Terry model). Labels explain what is left of the
    ratio for one pair. A score test finds it, with a prior that preferences are within a factor of e: with two
    categories nothing else is known about them. The variance is that between units if these differ by more than chance.
    The most extreme pair counts as an effect of the labels if its p-value times the number of pairs is at most `rate`;
    it is left out, and the next one is sought (Bonferroni, forward). The worst come first. Errors that are as frequent
    in both directions cannot be separated from the model's. Among three categories the blamed pair is a guess: the one
    with the most.
    """
    mixed = labelled != predicted
    mixes = _CategoryPairs.count(labelled[mixed], predicted[mixed], unit[mixed])
    remaining = np.flatnonzero(mixes.m >= _MIN_SEGMENTS)
    n_tested, confusions = len(remaining), []
    while len(remaining):
        expected, z = mixes.score_pairs(remaining)
        worst = int(np.argmax(z))
        p = math.erfc(float(z[worst]) / math.sqrt(2)) * n_tested
        if p > rate:
            break
        confusions.append(mixes.confusion(int(remaining[worst]), float(expected[worst]), p))
        remaining = np.delete(remaining, worst)
    return tuple(confusions)


@dataclass(frozen=True, slots=True)
class _CategoryPairs:
    """P pairs of categories, the smaller first, and the s segments labelled as one of them that look like the other.

    `names` (P, 2); `m` (P,) segments; `hits` (P,) those labelled as the smaller one. For each segment: `row`, its pair;
    `unit`; `up`, whether it is labelled as the smaller one.
    """

    names: Ints
    m: Ints
    hits: Ints
    row: Ints
    unit: Ints
    up: Flags

    @staticmethod
    def count(labelled: Ints, predicted: Ints, unit: Ints) -> "_CategoryPairs":
        ends = np.stack([np.minimum(labelled, predicted), np.maximum(labelled, predicted)], axis=1)
        names, row = np.unique(ends, axis=0, return_inverse=True)
        up = labelled < predicted
        n = len(names)
        return _CategoryPairs(names, np.bincount(row, minlength=n), np.bincount(row[up], minlength=n), row, unit, up)

    def score_pairs(self, pairs: Ints) -> tuple[Floats, Floats]:
        """The expected number of hits of some pairs, and the difference of the hits in standard deviations."""
        names, m, hits = self.names[pairs], self.m[pairs].astype(np.float64), self.hits[pairs]
        design, share = _preferences(names, m, hits)
        v = m * share * (1 - share)
        spread = self._spread(pairs, share, float(v.sum()))
        believed = np.eye(design.shape[1]) / _PREFERENCE_DEVIATION**2
        covariance = np.linalg.inv(design.T @ (design * (v / spread)[:, None]) + believed)
        variance = v * spread - v**2 * np.einsum("pk,kl,pl->p", design, covariance, design)
        away = np.maximum(np.abs(hits - m * share) - 0.5, 0)
        return m * share, away / np.sqrt(np.maximum(variance, 1e-6 * v + 1e-12))

    def _spread(self, pairs: Ints, share: Floats, v: float) -> float:
        """The factor by which counts vary more between units than independent segments would; at least 1."""
        place = np.full(len(self.m), -1)
        place[pairs] = np.arange(len(pairs))
        has_place = place[self.row] >= 0
        pair = place[self.row[has_place]]
        cell, cell_row = np.unique(np.stack([pair, self.unit[has_place]], axis=1), axis=0, return_inverse=True)
        excess = np.bincount(cell_row, self.up[has_place] - share[pair], len(cell))
        return max(1.0, float((excess**2).sum()) / max(v, 1e-12))

    def confusion(self, pair: int, expected: float, p: float) -> CategoryConfusion:
        """The result for a pair with this expected number of hits."""
        rising = bool(self.hits[pair] > expected)
        m, hits = int(self.m[pair]), int(self.hits[pair])
        n = hits if rising else m - hits
        images = len(np.unique(self.unit[(self.row == pair) & (self.up == rising)]))
        smaller, larger = self.names[pair].tolist()
        labelled, predicted = (smaller, larger) if rising else (larger, smaller)
        return CategoryConfusion(
            labelled, predicted, n, m - n, expected if rising else m - expected, images, min(p, 1.0)
        )


def _preferences(names: Ints, m: Floats, hits: Ints) -> tuple[Floats, Floats]:
    """The design matrix (P, K) of pairs, and the expected shares (P,) of hits at the most likely preferences."""
    categories = np.unique(names)
    design = np.zeros((len(names), len(categories)))
    pairs = np.arange(len(names))
    design[pairs, np.searchsorted(categories, names[:, 1])] = 1.0
    design[pairs, np.searchsorted(categories, names[:, 0])] = -1.0
    believed = np.eye(len(categories)) / _PREFERENCE_DEVIATION**2
    b, share = np.zeros(len(categories)), np.full(len(names), 0.5)
    for _ in range(_MAX_FIT_STEPS):
        gradient = design.T @ (hits - m * share) - believed @ b
        step = np.linalg.solve(design.T @ (design * (m * share * (1 - share))[:, None]) + believed, gradient)
        b = b + step / max(1.0, float(np.abs(step).max()))
        share = 1 / (1 + np.exp(-(design @ b)))
        if np.abs(step).max() < 1e-10:
            break
    return design, share


SEED = 509  # the same data give the same findings
_PERMUTATIONS = 1999


@dataclass(frozen=True, slots=True)
class NoisyGroup:
    """A group whose labels are wrong more often than those of other groups, by the model."""

    group: int  # its number
    difference: float  # the mean value of the group less that of others in the same strata
    n: int  # the number of its images, or groups of images, that were compared
    p: float  # the probability that any group is as extreme by chance


def excess_error_probability(probability: Floats, category: Ints, owner: Ints, n_owners: int) -> Floats:
    """(n_owners,) the excess probability of error of each annotation over similar labels; NaN without labels.

    Takes the probabilities and categories (n,) of labels, and the annotation of each. The result is the mean of the
    probability minus the mean of its category in all annotations, since difficult categories make no bad annotators.
    Missing labels count under the predicted category.
    """
    _, row = np.unique(category, return_inverse=True)
    usual = np.bincount(row, probability) / np.maximum(np.bincount(row), 1)
    total = np.bincount(owner, probability - usual[row] if len(row) else probability, n_owners)
    return ratio(total, np.bincount(owner, minlength=n_owners))


def find_noisy_groups(
    value: Floats, group: Ints, stratum: Ints, n_groups: int, rate: float = 0.05
) -> tuple[NoisyGroup, ...]:
    """Find groups with larger values than others in the same strata, the worst first.

    Parameters
    ----------
    value : (n,) of observations, see `excess_error_probability`; NaN: left out
    group, stratum : (n,) the group and stratum of each, see `segdata.rules.annotator_drift.GroupedAnnotations`
    n_groups : the number of groups
    rate : the accepted probability of returning any group if all are equal

    Groups are permuted within strata. A group counts if its standardised difference exceeds what the largest of any
    group, on either side, reaches in a share `rate` of the permutations; then it is left out, and the next is sought.
    Source: Strasser and Weber (1999), see `segdata.core.resampling`.
    """
    rng = np.random.default_rng(SEED)
    is_finite = np.isfinite(value)
    filled = np.where(is_finite, value, 0.0)
    blocks, groups = StratifiedGroups.from_strata(group, stratum, n_groups, is_finite), []
    while len(blocks.rows):
        compared = blocks.compare(filled)
        z = np.nan_to_num(compared.z)
        worst = int(z.argmax())
        p, critical = blocks.permutation_test(filled, rng, _PERMUTATIONS)
        if z[worst] <= 0 or p > rate or z[worst] < critical:
            break
        groups.append(NoisyGroup(worst, float(compared.difference[worst]), int(compared.n[worst]), p))
        present = np.flatnonzero(compared.n > 0)
        blocks = blocks.only([int(number) for number in present if number != worst])
    return tuple(groups)


def confusion_table(ranked: RankedCandidates, case: LabelCheck, judged: Flags) -> Table:
    """The pairs of categories that labels confuse; see `segdata.core.rule.Candidates.confusions`.

    Each thing counts, and each part of stuff in which the model predicts another category than the label, among the
    `judged` (n,) candidates.
    """
    annotated = ranked.row >= 0
    is_compared = (ranked.category > 0) & (ranked.believed > 0) & (case.predictor.things[ranked.category] | ~annotated)
    is_compared &= judged
    unit = independent_units(case.tables)[case.images[ranked.image[is_compared]]]
    names = np.array(case.names, object)
    pairs = find_confusions(ranked.category[is_compared], ranked.believed[is_compared], unit)
    columns = {name: np.array([getattr(pair, name) for pair in pairs]) for name in ("n", "reverse", "images")}
    columns |= {name: np.array([getattr(pair, name) for pair in pairs], np.float64) for name in ("expected", "p")}
    return Table(
        columns | {name: names[np.array([getattr(pair, name) for pair in pairs], int)] for name in ("given", "seen")}
    )


def noisy_group_table(ranked: RankedCandidates, case: LabelCheck, judged: Flags) -> Table:
    """Annotators and batches whose labels are wrong more often; see `segdata.core.rule.Candidates.doubted`.

    Batches are the months in which annotations were made, and the values of the column `by` of the configuration.
    Images of the same camera, size and split are compared; images of one group or sequence count as one. Only the
    `judged` (n,) candidates count.
    """
    annotation = case.rows.annotation[case.images[ranked.image[judged]]]
    category = np.where(ranked.category > 0, ranked.category, ranked.believed)[judged]
    probability = ranked.probability[judged]
    value = excess_error_probability(probability, category, annotation, len(case.tables.annotations))
    by = case.tables.profile.by
    columns = dict.fromkeys(["annotator", "month", *([] if by in (None, "split") else [by])])
    rows = [row for column in columns for row in _group_rows(case, column, value)]
    usual = float(probability.mean()) if len(probability) else 0.0
    dtypes = {"column": object, "name": object, "difference": np.float64, "n": np.int64, "p": np.float64}
    cells = {name: np.array([row[place] for row in rows], dtype) for place, (name, dtype) in enumerate(dtypes.items())}
    return Table({**cells, "usual": np.full(len(rows), usual)})


def _group_rows(
    case: LabelCheck, column: str, value: np.ndarray[Any, np.dtype[np.float64]]
) -> Iterator[tuple[Any, ...]]:
    names, group = number_names(annotation_strata_if_any(case.tables, column))
    rows = np.flatnonzero((group >= 0) & np.isfinite(value))
    if len(names) < 2 or not len(rows):
        return
    image = case.tables.annotations["image"][rows].astype(np.int64)
    unit: Ints = independent_units(case.tables)[image]
    row, first = joint_codes(unit, group[rows])
    mean = np.bincount(row, value[rows]) / np.bincount(row)
    stratum = image_types(case.tables, column)[image[first]]
    for noisy in find_noisy_groups(mean, group[rows][first], stratum, len(names)):
        yield column, names[noisy.group], noisy.difference, noisy.n, noisy.p
