"""Fleiss' kappa: agreement of several annotators beyond chance, where every pixel has as many votes."""

import numpy as np
from numpy.typing import ArrayLike

from segdata.core.runs import Floats

_ROUNDING = 1e-12


def fleiss_kappa(agreeing: ArrayLike, votes: ArrayLike, votes_a_pixel: int | None) -> Floats:
    """Kappa = (po - pe) / (1 - pe), at most 1, of m annotators over all categories; unlabelled is one like others.

    po is the mean share of pairs of a pixel's votes that agree, pe = sum of p_c^2, p_c being a category's share of all
    votes. Takes what `krippendorff_alpha.coincidences` gives, of one case or summed over many: `agreeing` (...) and
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
