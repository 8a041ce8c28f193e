"""Confusions: pairs of categories that labels confuse in one direction, beyond the model's own confusions."""

import math
from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import Flags, Floats, ImageSegments, SegmentPixels

PREFERENCE_DEVIATION = (
    1.0  # by a factor of e, or two, a model may prefer one category to another for reasons of its own
)
MIN_SEGMENTS = 8  # segments of a pair, below which nothing is said
_STEPS = 50


@dataclass(frozen=True, slots=True)
class CategoryConfusion:
    """Segments that were given one category and look like another.

    Attributes
    ----------
    given, seen : the two categories
    n, reverse : segments that were given `given` and look like `seen`, and the reverse
    expected : how many of them were to be given `given`, by the model's own preferences
    images : in how many images, or groups of images, the n are
    p : how probable it is that chance brings any pair so far, of all that were looked at
    """

    given: int
    seen: int
    n: int
    reverse: int
    expected: float
    images: int
    p: float


def predicted_category(drawn: ImageSegments, evidence: ImagePrediction, least: float = 0.5) -> Ints:
    """(n,) the category in which the model believes most over the pixels of each segment.

    Its own where no category but nothing has a mean probability of `least`.
    """
    pixels = SegmentPixels.of_runs(drawn.runs, len(drawn))
    found, best = drawn.category.copy(), np.full(len(drawn), least)
    for category in range(1, len(evidence.probability)):
        mean = pixels.means(evidence.probability[category, pixels.at])
        found[mean > best] = category
        best = np.maximum(best, mean)
    return found


def find_confusions(given: Ints, seen: Ints, unit: Ints, rate: float = 0.05) -> tuple[CategoryConfusion, ...]:
    """The pairs of categories that are confused in one direction more than the model's own errors explain.

    Parameters
    ----------
    given, seen : (n,) the categories of segments, from 1, and those that the model sees in them without having learnt
        from their images; the others, where either is none, are left out by the caller
    unit : (n,) the image of each, or its group, sequence or scene: one witness, however many segments it has
    rate : how probable it may be that any pair is returned where labels confuse none

    A model that errs without regard to the labels mixes up i and j as often as j and i, but for preferring one of
    them, and that it does against all others, too: given i, seen j over given j, seen i is exp(preference of j less
    that of i) (quasi-symmetry; Caussinus, 1965, as a Bradley-Terry model). What is left of the ratio for one pair, the
    labels do. A score test tells it, with preferences that are believed to be within a factor of e: where there are two
    categories that is all that is known of them. The variance is that between units where these differ by more than
    chance. The pair that is furthest out is taken for what the labels do, where its p-value times the number of pairs
    is at most `rate`; it is left out, and the next one is sought (Bonferroni, forward).
    The worst come first. Errors as frequent in both directions cannot be told from the model's, and which of three
    categories' pairs is to blame is a guess: the one with the most.
    """
    mixed = given != seen
    mixes = _CategoryPairs.of(given[mixed], seen[mixed], unit[mixed])
    kept = np.flatnonzero(mixes.m >= MIN_SEGMENTS)
    n_tested, found = len(kept), []
    while len(kept):
        expected, z = mixes.tested(kept)
        worst = int(np.argmax(z))
        p = _tail(float(z[worst])) * n_tested
        if p > rate:
            break
        found.append(mixes.confusion(int(kept[worst]), float(expected[worst]), p))
        kept = np.delete(kept, worst)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _CategoryPairs:
    """P pairs of categories, the smaller first, and the s segments that are given one of them and look like the other.

    `names` (P, 2), `m` (P,) segments, `hits` (P,) those of them that were given the smaller one; of the segments `row`,
    their pair, `unit`, and `up`, whether they were given the smaller one.
    """

    names: Ints
    m: Ints
    hits: Ints
    row: Ints
    unit: Ints
    up: Flags

    @staticmethod
    def of(given: Ints, seen: Ints, unit: Ints) -> "_CategoryPairs":
        ends = np.stack([np.minimum(given, seen), np.maximum(given, seen)], axis=1)
        names, row = np.unique(ends, axis=0, return_inverse=True)
        row, up = row.reshape(-1), given < seen
        n = len(names)
        return _CategoryPairs(names, np.bincount(row, minlength=n), np.bincount(row[up], minlength=n), row, unit, up)

    def tested(self, kept: Ints) -> tuple[Floats, Floats]:
        """For each of some pairs how many hits are expected, and by how many deviations there are more or less."""
        names, m, hits = self.names[kept], self.m[kept].astype(np.float64), self.hits[kept]
        design, share = _preferences(names, m, hits)
        v = m * share * (1 - share)
        spread = self._spread(kept, share, float(v.sum()))
        believed = np.eye(design.shape[1]) / PREFERENCE_DEVIATION**2
        known = np.linalg.inv(design.T @ (design * (v / spread)[:, None]) + believed)
        variance = v * spread - v**2 * np.einsum("pk,kl,pl->p", design, known, design)
        away = np.maximum(np.abs(hits - m * share) - 0.5, 0)
        return m * share, away / np.sqrt(np.maximum(variance, 1e-6 * v + 1e-12))

    def _spread(self, kept: Ints, share: Floats, v: float) -> float:
        """By how much counts vary more between units than single segments would, in all of these pairs; at least 1."""
        of = np.full(len(self.m), -1)
        of[kept] = np.arange(len(kept))
        mine = of[self.row] >= 0
        pair = of[self.row[mine]]
        cell, at = np.unique(np.stack([pair, self.unit[mine]], axis=1), axis=0, return_inverse=True)
        rest = np.bincount(at.reshape(-1), self.up[mine] - share[pair], len(cell))
        return max(1.0, float((rest**2).sum()) / max(v, 1e-12))

    def confusion(self, pair: int, expected: float, p: float) -> CategoryConfusion:
        """What is told of a pair, of which so many hits were expected."""
        rising = bool(self.hits[pair] > expected)
        m, hits = int(self.m[pair]), int(self.hits[pair])
        n = hits if rising else m - hits
        images = len(np.unique(self.unit[(self.row == pair) & (self.up == rising)]))
        smaller, larger = self.names[pair].tolist()
        given, seen = (smaller, larger) if rising else (larger, smaller)
        return CategoryConfusion(given, seen, n, m - n, expected if rising else m - expected, images, min(p, 1.0))


def _preferences(names: Ints, m: Floats, hits: Ints) -> tuple[Floats, Floats]:
    """The design (P, K) of pairs, and the shares (P,) of hits that are expected at the most likely preferences."""
    categories = np.unique(names)
    design = np.zeros((len(names), len(categories)))
    pairs = np.arange(len(names))
    design[pairs, np.searchsorted(categories, names[:, 1])] = 1.0
    design[pairs, np.searchsorted(categories, names[:, 0])] = -1.0
    believed = np.eye(len(categories)) / PREFERENCE_DEVIATION**2
    b, share = np.zeros(len(categories)), np.full(len(names), 0.5)
    for _ in range(_STEPS):
        gradient = design.T @ (hits - m * share) - believed @ b
        step = np.linalg.solve(design.T @ (design * (m * share * (1 - share))[:, None]) + believed, gradient)
        b = b + step / max(1.0, float(np.abs(step).max()))
        share = 1 / (1 + np.exp(-(design @ b)))
        if np.abs(step).max() < 1e-10:
            break
    return design, share


def _tail(z: float) -> float:
    """The chance that a normal value is so far out, on either side."""
    return math.erfc(z / math.sqrt(2))
