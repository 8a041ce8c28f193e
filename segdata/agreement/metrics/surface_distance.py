"""Surface distance: how far two boundaries are apart on average (ASD, ASSD)."""

import numpy as np

from segdata.core.runs import Floats, Ints
from segdata.core.statistics import ratio

Numbers = Ints | Floats


def symmetric_surface_distance(sum_a: Numbers, sum_b: Numbers, edge_a: Numbers, edge_b: Numbers) -> Floats:
    """The mean distance of all boundary pixels of both sides to the boundary of the other (ASSD). Symmetric.

    Takes (...) sums of distances, and numbers of boundary pixels. Returns (...) means; NaN where one side has no
    boundary.
    Source: Heimann et al. (2009), IEEE Transactions on Medical Imaging 28(8), 1251-1265.

    >>> symmetric_surface_distance(np.array([708.0]), np.array([792.0]), np.array([236]), np.array([264])).tolist()
    [3.0]
    """
    both = np.logical_and(edge_a, edge_b)
    return ratio(np.add(sum_a, sum_b), np.where(both, np.add(edge_a, edge_b), 0))
