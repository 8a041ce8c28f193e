"""Krippendorff's alpha: agreement of any number of annotators beyond chance, votes may be missing."""

import numpy as np
from numpy.typing import ArrayLike

from segdata.core.runs import Floats

_ROUNDING = 1e-12


def krippendorff_alpha(agreeing: ArrayLike, votes: ArrayLike) -> Floats:
    """Alpha = 1 - Do / De for nominal values, at most 1, over all categories; unlabelled is one like others.

    Do is the share of disagreeing pairs among the votes of single pixels, De that among all votes, n of them:
    1 - sum of n_c (n_c - 1) / (n (n - 1)). Takes what `segdata.agreement.metrics.coincidences` gives, of one case or
    summed over many: `agreeing` (...) and `votes` (..., C). Order of annotators and names of categories change
    nothing. NaN where fewer than two votes can be compared, and where all are for one category: then nothing could
    have disagreed.
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
