"""Offsets, which cut a column into groups."""

import numpy as np
from numpy.typing import NDArray


def check_offsets(offset: NDArray[np.int64], groups: int, size: int) -> None:
    """Refuse offsets that do not cut `size` items into so many `groups`: compiled code would read beyond the end.

    Group i is `offset[i]:offset[i + 1]`; items before the first group and after the last belong to none.

    >>> check_offsets(np.array([0, 2, 9]), groups=2, size=5)
    Traceback (most recent call last):
    ValueError: 3 offsets from 0 to 9 do not cut 5 items into 2 groups
    """
    fits = 0 < len(offset) == groups + 1 and offset[0] >= 0 and offset[-1] <= size
    if not fits or np.any(offset[1:] < offset[:-1]):
        ends = f" from {offset.min()} to {offset.max()}" if len(offset) else ""
        raise ValueError(f"{len(offset)} offsets{ends} do not cut {size} items into {groups} groups")
