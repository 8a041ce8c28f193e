"""Distinct: the different values among whole numbers, and which of them each is."""

import numpy as np

from segdata.core import kernels
from segdata.core.runs import Ints

_ROOM = 64  # places for each number, up to which a table of all places is faster than sorting


def distinct(numbers: Ints) -> tuple[Ints, Ints]:
    """The different numbers (k,) in ascending order, and for each of `numbers` (n,) its place among these.

    As ``np.unique(numbers, return_inverse=True)``; rows and ids lie close together, and then nothing is sorted.

    >>> [each.tolist() for each in distinct(np.array([7, 5, 7]))]
    [[5, 7], [1, 0, 1]]
    """
    low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    if high - low >= _ROOM * len(numbers) + 1024:
        found, which = np.unique(numbers, return_inverse=True)
        return found, which.astype(np.int64, copy=False)
    return kernels.dense(numbers.astype(np.int64, copy=False), low, high)
