"""Count agreement: whether two annotators count the same number of segments."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class CountAgreement(NamedTuple):
    """Attributes, each (...).

    Attributes
    ----------
    difference : mean of B's count less A's, in segments an image
    absolute : mean of how far apart they are, in segments an image
    ratio : B's segments to A's, all images together
    correlation : of the counts of an image, Pearson's, in [-1, 1]
    """

    difference: Floats
    absolute: Floats
    ratio: Floats
    correlation: Floats


def count_agreement(count_a: ArrayLike, count_b: ArrayLike, weight: ArrayLike | None = None) -> CountAgreement:
    """How two annotators' counts in n images differ.

    Takes the numbers of segments (n,), and how often each image counts (..., n), by default once. Images where neither
    has a segment say nothing and are left out. Swapping A and B changes the sign of the difference and inverts the
    ratio. All are NaN where no image is left, the ratio also where A has no segment, the correlation where one of them
    counts the same everywhere.
    Source: Pearson (1895), Proceedings of the Royal Society of London 58, 240-242.

    >>> [round(float(each), 6) for each in count_agreement([1, 2, 3, 0], [2, 3, 4, 0])]
    [1.0, 1.0, 1.5, 1.0]
    """
    a, b = np.asarray(count_a, float), np.asarray(count_b, float)
    times = np.ones(len(a)) if weight is None else np.asarray(weight, float)
    times = times * ((a > 0) | (b > 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        n = times.sum(axis=-1)
        mean_a, mean_b = times @ a / n, times @ b / n
        from_a, from_b = a - mean_a[..., None], b - mean_b[..., None]
        spread = [(times * each).sum(axis=-1) for each in (from_a**2, from_b**2, from_a * from_b)]
        flat = np.minimum(spread[0], spread[1]) <= 1e-12 * n * np.maximum(mean_a, mean_b) ** 2  # rounding errors only
        correlation = np.where(flat, np.nan, spread[2] / np.sqrt(spread[0] * spread[1]))
        return CountAgreement(
            mean_b - mean_a, times @ abs(b - a) / n, mean_b / np.where(mean_a > 0, mean_a, np.nan), correlation
        )
