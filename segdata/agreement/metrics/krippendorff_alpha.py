"""Krippendorff's alpha: agreement of any number of annotators beyond chance, votes may be missing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from segdata.core.runs import Floats

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Coincidences:
    """The sums that kappa and alpha of many annotators are computed from; add them to join cases."""

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
