"""Bland-Altman limits: between which differences of two annotators' volumes, or areas, nearly all lie."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.agreement.inference import Estimate

Floats = NDArray[np.float64]
_LIMIT = 1.96  # standard deviations: 95 % of normal differences


class BlandAltman(NamedTuple):
    """What the differences are like."""

    bias: Estimate  # by how much B is larger on average
    # lower, upper: the limits of agreement, between which 95 % of differences lie
    lower: Estimate
    upper: Estimate
    sd: Floats  # standard deviation of the differences (...)


def bland_altman(a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> BlandAltman:
    """The mean difference of two annotators and the limits that hold 95 % of their differences, with intervals.

    Takes the values (..., n) of both in the same n cases; NaN is a missing value, and such a case is left out. The
    differences are taken as normal, their spread as the same for small and large values: look at them over their
    means first. Swapping A and B changes all signs, and so lower and upper. NaN with fewer than two cases.
    Source: Bland, Altman (1986), Lancet 327, 307-310; the limits' interval, Bland, Altman (1999), Statistical Methods
    in Medical Research 8, 135-160, where outliers make it wider: the variance of a standard deviation is that of
    Cramer (1946), Mathematical Methods of Statistics, section 27.4, with the kurtosis of the differences, at least 3.

    >>> found = bland_altman([1.0, 2, 3, 4], [2.0, 2, 4, 4])
    >>> round(float(found.bias.value), 3), round(float(found.lower.value), 3), round(float(found.upper.value), 3)
    (0.5, -0.632, 1.632)
    """
    from scipy.special import stdtrit

    difference = np.asarray(b, float) - np.asarray(a, float)
    defined = ~np.isnan(difference)
    n = defined.sum(axis=-1).astype(float)
    n = np.where(n < 2, np.nan, n)
    mean = np.where(defined, difference, 0).sum(axis=-1) / n
    square = np.where(defined, (difference - mean[..., None]) ** 2, 0).sum(axis=-1)
    sd = np.sqrt(square / (n - 1))
    wide = stdtrit(n - 1, (1 + level) / 2)
    fourth = np.where(defined, (difference - mean[..., None]) ** 4, 0).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        kurtosis = np.fmax(n * fourth / square**2, 3.0)  # of normal differences 3; of few it is seen too low
    of_limit = 1 / n + _LIMIT**2 * (kurtosis - 1) / (4 * (n - 1))
    of_bias, of_limit = (wide * sd * np.sqrt(variance) for variance in (1 / n, of_limit))
    lower, upper = mean - _LIMIT * sd, mean + _LIMIT * sd
    return BlandAltman(
        Estimate(mean, mean - of_bias, mean + of_bias),
        Estimate(lower, lower - of_limit, lower + of_limit),
        Estimate(upper, upper - of_limit, upper + of_limit),
        sd,
    )
