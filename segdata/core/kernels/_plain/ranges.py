"""Ranges of numbers, written out."""

import numpy as np
from numpy.typing import NDArray


def expand(first: NDArray[np.int64], stop: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All numbers of the half-open ranges `first:stop` (n,), and for each the range that it came from.

    >>> numbers, place = expand(np.array([3, 8]), np.array([5, 9]))
    >>> numbers.tolist(), place.tolist()
    ([3, 4, 8], [0, 0, 1])
    """
    size = np.maximum(stop - first, 0)
    place = np.repeat(np.arange(len(size)), size)
    return np.arange(len(place)) + (first - (np.cumsum(size) - size))[place], place
