"""Surface Dice: how much of two boundaries lies within a tolerance of each other (NSD)."""

import numpy as np

from segdata.core.runs import Floats, Ints
from segdata.core.statistics import ratio

Numbers = Ints | Floats


def surface_dice(near_a: Numbers, near_b: Numbers, edge_a: Numbers, edge_b: Numbers) -> Floats:
    """Boundary pixels of either side that the other's boundary is near, over all boundary pixels.

    Takes (...) the boundary pixels `edge_a` and `edge_b` of two sides, and how many of these are within the tolerance
    of the other's boundary. Symmetric.
    Returns (...) ratios in [0, 1]: 0 where only one side has a boundary, NaN where neither has.
    Source: Nikolov et al. (2021), Journal of Medical Internet Research 23(7), e26151; pixels are counted, where they
    weigh each by the length of the contour through it.

    >>> surface_dice(np.array([6, 0]), np.array([6, 0]), np.array([12, 12]), np.array([12, 0])).tolist()
    [0.5, 0.0]
    """
    return ratio(np.add(near_a, near_b), np.add(edge_a, edge_b))
