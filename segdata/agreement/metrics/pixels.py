"""Agreement on pixels: accuracy, the kappas and alpha, prevalence, and what disagreement is due to."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.agreement.plugin import metric
from segdata.core.runs import Floats

_ROUNDING = 1e-12  # two who both use one category only agree by chance entirely
Ints = NDArray[np.int64]


def accuracy(category_a: ArrayLike, category_b: ArrayLike, pixels: ArrayLike) -> Floats:
    """The share of all pixels, in [0, 1], on which A and B agree; unlabelled is a category like others.

    Takes the D cells of a contingency table, categories (D,) and pixels (..., D). Swapping A and B changes nothing.
    A large background makes it large: see Cohen's kappa. NaN without pixels.

    >>> float(accuracy([0, 0, 1], [0, 1, 1], [6, 1, 1]))
    0.875
    """
    n = np.asarray(pixels, float)
    same = np.asarray(category_a) == np.asarray(category_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((n * same).sum(axis=-1) / n.sum(axis=-1))


@metric(
    "prevalence",
    takes=("area_a", "area_b", "pixels"),
    higher_is_better=True,
    source="Byrt, Bishop, Carlin (1993), Journal of Clinical Epidemiology 46(5), 423-429",
)
def prevalence(area_a: ArrayLike, area_b: ArrayLike, pixels: ArrayLike) -> Floats:
    """The share of all pixels (...), in [0, 1], that an annotator gives the category, the mean of the two.

    Takes the pixels that A and B gave it, and all that count, void left out. The nearer to 0 or 1, the lower kappa is
    for as many differing pixels. Swapping A and B changes nothing. NaN without pixels.

    >>> float(prevalence(2, 4, 12))
    0.25
    """
    a, b, n = (np.asarray(counts, float) for counts in (area_a, area_b, pixels))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((a + b) / (2 * n))


def cohen_kappa(category_a: ArrayLike, category_b: ArrayLike, pixels: ArrayLike) -> Floats:
    """Kappa = (po - pe) / (1 - pe), at most 1, over all categories; unlabelled is one like others.

    po is the share of pixels on which both agree, pe the share on which they would if each gave out their own
    categories at random. Takes the D cells of a contingency table, categories (D,) and pixels (..., D), of one image or
    summed over many; 60 000 cells need no table of all categories. Swapping A and B, and renaming categories, change
    nothing.
    NaN without pixels, and where both give all pixels one and the same category.
    Source: Cohen (1960), Educational and Psychological Measurement 20(1), 37-46.

    >>> round(float(cohen_kappa([0, 0, 1, 1], [0, 1, 0, 1], [20, 5, 10, 15])), 6)
    0.4
    """
    n = np.asarray(pixels, float)
    categories = np.union1d(category_a, category_b)
    a, b = (marginals(category, n, categories) for category in (category_a, category_b))
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = ((a / n.sum(axis=-1)[..., None]) * (b / n.sum(axis=-1)[..., None])).sum(axis=-1)
    return _beyond_chance(accuracy(category_a, category_b, n), expected)


def category_kappa(both: ArrayLike, area_a: ArrayLike, area_b: ArrayLike, pixels: ArrayLike) -> Floats:
    """Cohen's kappa of one category against all others together.

    Takes the pixels that both, A and B gave it, and all pixels that count, void left out, (...) each. NaN without
    pixels, and where both give it to all pixels or to none.

    >>> category_kappa([12, 0], [16, 0], [16, 0], [64, 64]).round(6).tolist()
    [0.666667, nan]
    """
    shared, a, b, n = (np.asarray(amount, float) for amount in (both, area_a, area_b, pixels))
    with np.errstate(divide="ignore", invalid="ignore"):
        p_a, p_b = a / n, b / n
        return _beyond_chance((n - a - b + 2 * shared) / n, p_a * p_b + (1 - p_a) * (1 - p_b))


def marginals(category: ArrayLike, pixels: ArrayLike, categories: ArrayLike) -> Floats:
    """(..., C) pixels of each of the `categories` (C,), ascending, in cells (..., D) with a category (D,) each.

    >>> marginals([1, 0, 1], [4, 5, 6], [0, 1, 2]).tolist()
    [5.0, 10.0, 0.0]
    """
    code, n, columns = np.asarray(category), np.asarray(pixels, float), np.asarray(categories)
    order = np.argsort(code, kind="stable")
    total = np.zeros((*n.shape[:-1], len(columns)))
    if len(code):
        present, first = np.unique(code[order], return_index=True)
        total[..., np.searchsorted(columns, present)] = np.add.reduceat(n[..., order], first, axis=-1)
    return total


def _beyond_chance(observed: Floats, expected: Floats) -> Floats:
    """NaN where chance explains everything."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(1 - expected > _ROUNDING, (observed - expected) / (1 - expected), np.nan)


def fleiss_kappa(agreeing: ArrayLike, votes: ArrayLike, votes_a_pixel: int | None) -> Floats:
    """Kappa = (po - pe) / (1 - pe), at most 1, of m annotators over all categories; unlabelled is one like others.

    po is the mean share of pairs of a pixel's votes that agree, pe = sum of p_c^2, p_c being a category's share of all
    votes. Takes what `coincidences` gives, of one case or summed over many: `agreeing` (...) and
    `votes` (..., C), and how many votes each pixel got. Order of annotators and names of categories change nothing. NaN
    where pixels got different numbers of votes (None: Krippendorff's alpha is made for that) or fewer than 2, and where
    all votes are for one category.
    Source: Fleiss (1971), Psychological Bulletin 76(5), 378-382.

    >>> round(float(fleiss_kappa(3 * (1 + 1 / 3 + 1 + 1 / 3), [6, 6], 3)), 6)
    0.333333
    """
    same, n = np.asarray(agreeing, float), np.asarray(votes, float)
    if votes_a_pixel is None or votes_a_pixel < 2:
        return np.full(same.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = n / n.sum(axis=-1, keepdims=True)
        by_chance = (share**2).sum(axis=-1)
        kappa = (same / n.sum(axis=-1) - by_chance) / (1 - by_chance)
        return np.where(1 - by_chance > _ROUNDING, kappa, np.nan)


@dataclass(frozen=True, slots=True)
class Coincidences:
    """What kappa and alpha of many annotators are made of; sums over cases are those of the cases together."""

    agreeing: Floats  # (...) votes of pixels, each weighted with the share of its pixel's other votes that are the same
    votes: Floats  # (..., C) votes for each category, of pixels with two votes or more


def coincidences(
    pattern: ArrayLike, category: ArrayLike, pixels: ArrayLike, case: ArrayLike, n_cases: int, n_categories: int
) -> Coincidences:
    """The coincidences (n_cases,) of each case.

    Takes V votes, the pattern (V,) that each is for and its category (V,), -1 for unlabelled, and of P patterns the
    `pixels` (P,) and the `case` (P,). Column 0 of `votes` is unlabelled, column c + 1 is category c. Pixels with fewer
    than two votes say nothing and are left out.
    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability.
    """
    pattern_of, n, where = np.asarray(pattern, np.int64), np.asarray(pixels, float), np.asarray(case, np.int64)
    wide = n_categories + 1
    per_pixel = np.bincount(pattern_of, minlength=len(n))
    votes = pattern_of * wide + 1
    np.add(votes, category, out=votes, casting="unsafe")  # in place, since there may be tens of millions
    votes = votes[per_pixel[pattern_of] > 1]
    votes.sort()
    first = np.flatnonzero(np.diff(votes, prepend=-1))
    pattern_at, code = np.divmod(votes[first], wide)
    count = np.diff(first, append=len(votes))
    same = n[pattern_at] * count * (count - 1) / (per_pixel[pattern_at] - 1)
    return Coincidences(
        np.bincount(where[pattern_at], same, n_cases).astype(np.float64),
        np.bincount(where[pattern_at] * wide + code, n[pattern_at] * count, n_cases * wide)
        .reshape(n_cases, wide)
        .astype(np.float64),
    )


def votes_a_pixel(pattern: ArrayLike, pixels: ArrayLike) -> int | None:
    """How many votes every pixel got; None where not all got as many, or there is no pixel.

    Takes the pattern (V,) of each vote, and the pixels (P,) of each pattern.
    """
    n = np.asarray(pixels)
    per_pixel = np.unique(np.bincount(np.asarray(pattern, np.int64), minlength=len(n))[n > 0])
    return int(per_pixel[0]) if len(per_pixel) == 1 else None


def krippendorff_alpha(agreeing: ArrayLike, votes: ArrayLike) -> Floats:
    """Alpha = 1 - Do / De for nominal values, at most 1, over all categories; unlabelled is one like others.

    Do is the share of disagreeing pairs among the votes of single pixels, De that among all votes, n of them:
    1 - sum of n_c (n_c - 1) / (n (n - 1)). Takes what `coincidences` gives, of one case or summed over many:
    `agreeing` (...) and `votes` (..., C). Order of annotators and names of categories change nothing. NaN where fewer
    than two votes can be compared, and where all are for one category: then nothing could have disagreed.
    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; Hayes and Krippendorff (2007),
    Communication Methods and Measures 1(1), 77-89.

    >>> round(float(krippendorff_alpha(2 + 0 + 2 + 2, [5, 3])), 6)
    0.533333
    """
    same, counts = np.asarray(agreeing, float), np.asarray(votes, float)
    n = counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = 1 - (counts / n[..., None] * ((counts - 1) / (n - 1)[..., None])).sum(axis=-1)
        alpha = 1 - (1 - same / n) / expected
        return np.where(expected > _ROUNDING, alpha, np.nan)


class Decomposition(NamedTuple):
    """Shares of all pixels on which two annotators disagree, each (...) in [0, 1]; together 1."""

    # missed, extra: in segments that only A, only B has
    missed: Floats
    extra: Floats
    confused: Floats  # in segments that both have, under different categories
    boundary: Floats  # at the edges of segments that both have, under one category


def decomposition(missed: ArrayLike, extra: ArrayLike, confused: ArrayLike, boundary: ArrayLike) -> Decomposition:
    """The shares of four kinds of disagreement, from their pixels (...).

    A segment that lies elsewhere is missed and extra, one that is matched (IoU > 0.5) is a matter of its category or
    its edge: the first asks for a search of the image, the others for a sentence in the guideline. Swapping A and B
    swaps missed and extra. NaN where the two agree on every pixel.
    Source: in the spirit of Bolya, Foley, Hays, Hoffman (2020), TIDE: A General Toolbox for Identifying Object
    Detection Errors, ECCV; pixels here, and parts of a whole.

    >>> [float(score) for score in decomposition(1, 2, 3, 4)]
    [0.1, 0.2, 0.3, 0.4]
    """
    kinds = [np.asarray(amount, float) for amount in (missed, extra, confused, boundary)]
    total = np.sum(np.broadcast_arrays(*kinds), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Decomposition(*(amount / total for amount in kinds))
