"""Rates: intervals of a rate from the number of hits among a number of trials."""

import math

import numpy as np

from segdata.core.resampling import Floats


def wilson_interval(hits: Floats, of: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """(...) the ends of the interval of a rate, NaN where `of` is 0; close to its confidence on average over rates.

    Source: Wilson (1927), Journal of the American Statistical Association 22(158), 209-212.

    >>> [round(float(end), 4) for end in wilson_interval(np.array(0.0), np.array(10.0))]
    [0.0, 0.2775]
    """
    z, of = _normal_quantile(confidence), np.asarray(of, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (hits + z**2 / 2) / (of + z**2)
        half = z / (of + z**2) * np.sqrt(hits * (of - hits) / of + z**2 / 4)
        return np.where(of > 0, np.maximum(middle - half, 0), np.nan), np.where(
            of > 0, np.minimum(middle + half, 1), np.nan
        )


def exact_interval(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """The ends of the interval of a rate that holds it at least as often as it says, whatever the rate.

    Source: Clopper and Pearson (1934), Biometrika 26(4), 404-413.

    >>> [round(end, 4) for end in exact_interval(0, 10)]
    [0.0, 0.3085]
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, of - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1 - tail)) if hits < of else 1.0
    return low, high


def highest_unseen_rate(of: int, confidence: float = 0.95) -> float:
    """The highest rate that is consistent with no hit in `of` trials: nearly 3 / of at 95 %, the rule of three.

    Source: Hanley and Lippman-Hand (1983), JAMA 249(13), 1743-1745.

    >>> round(highest_unseen_rate(100), 4), highest_unseen_rate(0)
    (0.0295, 1.0)
    """
    return 1 - (1 - confidence) ** (1 / of) if of else 1.0


def trials_to_see(rate: float, confidence: float = 0.95) -> int:
    """How many trials have at least one hit with this confidence, when so many are hits: nearly 3 / rate at 95 %.

    >>> trials_to_see(0.01), trials_to_see(1.0)
    (299, 1)
    """
    if not 0 < rate <= 1:
        raise ValueError(f"a rate of {rate}: it must be above 0 and at most 1")
    return 1 if rate == 1 else max(1, math.ceil(math.log(1 - confidence) / math.log1p(-rate)))


def trials_needed(rate: float, half_width: float, confidence: float = 0.95) -> int:
    """The fewest trials after which Wilson's interval of such a rate is no wider than plus and minus `half_width`.

    >>> trials_needed(0.05, 0.02), trials_needed(0.8, 0.078)
    (469, 100)
    """
    if not half_width > 0:
        raise ValueError(f"an interval of plus and minus {half_width}: it must be above 0")
    z2 = _normal_quantile(confidence) ** 2
    # The half width h of n trials obeys h^2 (n + z^2)^2 = z^2 (n p (1 - p) + z^2 / 4), a quadratic in n + z^2.
    p, h2 = rate * (1 - rate), half_width**2
    root = (z2 * p + math.sqrt((z2 * p) ** 2 + 4 * h2 * z2 * z2 * (0.25 - p))) / (2 * h2)
    return max(1, math.ceil(root - z2 - 1e-9))


def _normal_quantile(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))
