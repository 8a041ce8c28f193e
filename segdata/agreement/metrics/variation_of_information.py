"""Variation of information: how many bits a pixel's segment in one annotation leaves open about the other's."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from segdata.core.runs import Floats


class VariationOfInformation(NamedTuple):
    """Bits (...): `split`, of B's segment where A's is known; `merge`, of A's where B's is known; `total`, both."""

    split: Floats
    merge: Floats
    total: Floats


def variation_of_information(
    logs_both: ArrayLike, logs_a: ArrayLike, logs_b: ArrayLike, pixels: ArrayLike
) -> VariationOfInformation:
    """The conditional entropies of two partitions of the same pixels, and their sum; 0 where they are the same.

    Takes the sums of n log2 n, of the pixels n that a segment of A and one of B share, of A's segments and of B's
    segments, and how many pixels there are, (...) each. Pixels without a segment are one more segment of that
    annotator. Swapping A and B swaps split and merge. NaN without pixels.
    Source: Meila (2007), Comparing clusterings: an information based distance, Journal of Multivariate Analysis 98(5),
    873-895; split and merge as in Nunez-Iglesias et al. (2013), PLOS ONE 8(8), e71715.

    >>> [float(bits) for bits in variation_of_information(0.0, 2.0, 0.0, 2)]
    [1.0, 0.0, 1.0]
    """
    both, a, b, n = (np.asarray(amount, float) for amount in (logs_both, logs_a, logs_b, pixels))
    with np.errstate(divide="ignore", invalid="ignore"):
        split, merge = ((np.maximum(marginal - both, 0)) / n for marginal in (a, b))
    return VariationOfInformation(split, merge, split + merge)
