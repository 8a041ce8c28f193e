"""Adjusted Rand index: which pixels two annotators put into one segment, beyond what chance would put there."""

import numpy as np
from numpy.typing import ArrayLike

from segdata.core.runs import Floats

_ROUNDING = 1e-12  # of all pairs of pixels: what is less is rounding


def adjusted_rand(squares_both: ArrayLike, squares_a: ArrayLike, squares_b: ArrayLike, pixels: ArrayLike) -> Floats:
    """The adjusted Rand index (...) of two partitions of the same pixels, at most 1; 0 is what chance gives.

    Takes the sums of the squares of the pixels that a segment of A and one of B share, of A's segments and of B's
    segments, and how many pixels there are, (...) each. Pixels without a segment are one more segment of that
    annotator. Swapping A and B, and numbering segments anew, changes nothing. NaN where both have all pixels in one
    segment, or each pixel in its own: there is nothing to tell.
    Source: Hubert and Arabie (1985), Comparing partitions, Journal of Classification 2, 193-218.

    >>> adjusted_rand([4 + 1 + 1], [4 + 4], [9 + 1], [4]).round(6).tolist()
    [0.0]
    >>> adjusted_rand([8, 16, 4], [8, 16, 8], [8, 16, 4], [4, 4, 4]).tolist()
    [1.0, nan, 0.0]
    """
    both, a, b, n = (np.asarray(amount, float) for amount in (squares_both, squares_a, squares_b, pixels))
    together, of_a, of_b, total = ((amount - n) / 2 for amount in (both, a, b, n * n))
    with np.errstate(divide="ignore", invalid="ignore"):
        by_chance = of_a * of_b / total
        most = (of_a + of_b) / 2
        return np.where(most - by_chance > _ROUNDING * total, (together - by_chance) / (most - by_chance), np.nan)
