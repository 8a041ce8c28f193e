"""Robust scores: how far a value is from the middle of its group, in a scale that outliers do not stretch."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints

Floats = NDArray[np.float64]
_NORMAL = 1.4826  # times the median absolute deviation it is the standard deviation of a normal distribution


def robust_z(values: Floats, group: Ints, least_scale: float = 0.0) -> tuple[Floats, Floats]:
    """The scores (n,) of values (n,) within their groups (n,), and the medians (n,) that they are counted from.

    Below and above the median the scale is that side's own median absolute deviation, so that a skewed group has no
    outliers for its skewness alone; it is never less than `least_scale`. Where it is 0, the score of the median is 0,
    of others infinite.
    Source: Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers, ASQC; two sides: Rosenmai (2013).

    >>> scores, medians = robust_z(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 60.0]), np.zeros(7, int))
    >>> float(medians[0]), [round(float(score), 2) for score in scores]
    (4.0, [-1.01, -0.67, -0.34, 0.0, 0.34, 0.67, 18.89])
    """
    medians = group_median(values, group)
    away = values - medians
    upper = away > 0
    side = 2 * group + upper
    on_median = away == 0
    # The median itself belongs to both sides, and tells of neither.
    scale = np.zeros(len(values))
    scale[~on_median] = group_median(np.abs(away[~on_median]), side[~on_median])
    scale = np.maximum(scale * _NORMAL, least_scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(on_median, 0.0, away / scale), medians


def group_median(values: Floats, group: Ints) -> Floats:
    """(n,) the median of each value's group."""
    if len(values) == 0:
        return values
    name, which, count = np.unique(group, return_inverse=True, return_counts=True)
    ordered = values[np.lexsort((values, which))]
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    middle: Floats = (ordered[first + (count - 1) // 2] + ordered[first + count // 2]) / 2
    return middle[which]
