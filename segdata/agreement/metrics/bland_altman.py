"""Bland-Altman limits: between which differences of two annotators' volumes, or areas, nearly all lie."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from segdata.core.runs import Floats

_LIMIT = 1.96  # standard deviations: 95 % of normal differences


class BlandAltman(NamedTuple):
    """Bias, standard deviation and limits of agreement of differences, each (...)."""

    bias: Floats  # by how much B is larger on average
    lower: Floats  # lower limit of agreement
    upper: Floats  # upper limit: 95 % of normal differences lie between both
    sd: Floats  # standard deviation of the differences


def bland_altman(a: ArrayLike, b: ArrayLike) -> BlandAltman:
    """The mean difference of two annotators and the limits that hold 95 % of their differences, if these are normal.

    Takes the values (..., n) of both in the same n cases; NaN is a missing value, and such a case is left out. The
    spread of differences is taken as the same for small and large values: look at them over their means first.
    Swapping A and B changes all signs, and so lower and upper. NaN with fewer than two cases.
    Source: Bland, Altman (1986), Lancet 327, 307-310.

    >>> found = bland_altman([1.0, 2, 3, 4], [2.0, 2, 4, 4])
    >>> round(float(found.bias), 3), round(float(found.lower), 3), round(float(found.upper), 3)
    (0.5, -0.632, 1.632)
    """
    difference = np.asarray(b, float) - np.asarray(a, float)
    defined = ~np.isnan(difference)
    n = defined.sum(axis=-1).astype(float)
    n = np.where(n < 2, np.nan, n)
    mean = np.where(defined, difference, 0).sum(axis=-1) / n
    square = np.where(defined, (difference - mean[..., None]) ** 2, 0).sum(axis=-1)
    sd = np.sqrt(square / (n - 1))
    return BlandAltman(mean, mean - _LIMIT * sd, mean + _LIMIT * sd, sd)
