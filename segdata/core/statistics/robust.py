"""Robust scores: how far a value is from the middle of its group, in a scale that outliers do not stretch."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.distinct import distinct
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
_NORMAL = 1.4826  # times the median absolute deviation it is the standard deviation of a normal distribution


def robust_z(values: Floats, group: Ints, least_scale: float | Floats = 0.0) -> tuple[Floats, Floats]:
    """The scores (n,) of values (n,) within their groups (n,), and the medians (n,) that they are counted from.

    Below and above the median the scale is that side's own median absolute deviation, so that a skewed group has no
    outliers for its skewness alone; it is never less than `least_scale` (of all, or of each value). Where it is 0, the
    score of the median is 0, of others infinite.
    Source: Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers, ASQC; two sides: Rosenmai (2013).

    >>> scores, medians = robust_z(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 60.0]), np.zeros(7, int))
    >>> float(medians[0]), [round(float(score), 2) for score in scores]
    (4.0, [-1.35, -0.9, -0.45, 0.0, 0.45, 0.9, 25.18])
    """
    medians = group_median(values, group)
    away = values - medians
    on_median = away == 0
    side = 2 * group + (away > 0)
    # What lies on the median belongs to both sides.
    both = np.concatenate([side, side[on_median] + 1])
    scale = group_median(np.concatenate([np.abs(away), np.zeros(int(on_median.sum()))]), both)[: len(values)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(on_median, 0.0, away / np.maximum(scale * _NORMAL, least_scale)), medians


def outlier_limit(n: Ints, rate: float) -> Floats:
    """(k,) the score beyond which a group of n normal values (k,) has an outlier with a chance of `rate` only.

    It grows with the group, whose largest values are far out by nature.
    Source: Davies and Gather (1993), Journal of the American Statistical Association 88(423), 782-792.

    >>> outlier_limit(np.array([1, 41, 100_000]), 0.05).round(2).tolist()
    [1.96, 3.23, 5.03]
    """
    normal = NormalDist()
    sizes, which = np.unique(n, return_inverse=True)
    return np.array([normal.inv_cdf(1 - rate / (2 * size)) for size in sizes.tolist()])[which]


def group_median(values: Floats, group: Ints) -> Floats:
    """(n,) the median of each value's group."""
    found, which = distinct(group)
    return kernels.medians(values, which, len(found))[which]
