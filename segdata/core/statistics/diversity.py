"""Diversity: how many categories a dataset is really about."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints


def effective_number(count: Ints | NDArray[np.float64]) -> float:
    """The number of equally frequent categories that would be as diverse as these counts (k,), in [1, k].

    It is the exponential of the entropy of their shares; counts of 0 are no categories. NaN where all are 0.
    Source: Hill (1973), Ecology 54(2), 427-432, order 1.

    >>> effective_number(np.array([5, 5, 0])), round(effective_number(np.array([1000, 1])), 2)
    (2.0, 1.01)
    """
    some = count[count > 0]
    if len(some) == 0:
        return float("nan")
    share = some / some.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def weights(count: Ints | NDArray[np.float64]) -> NDArray[np.float64]:
    """Loss weights (k,) that balance categories of these counts, with a mean of 1 over those that occur.

    They are the inverse square roots of the counts: halfway, on a logarithmic scale, between none and inverse
    frequency, which lets a category of three pixels outweigh all others. 0 where a count is 0.
    Source: Mahajan and others (2018), ECCV, 181-196.

    >>> weights(np.array([100, 1, 0])).round(3).tolist()
    [0.182, 1.818, 0.0]
    """
    found = np.zeros(len(count))
    some = count > 0
    found[some] = 1 / np.sqrt(count[some])
    return found / found[some].mean() if some.any() else found
