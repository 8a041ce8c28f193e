"""Rings in groups, where each may be joined to some of those before it."""

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


def check_reach(ring: Int64, first: Int64) -> Int64:
    """The group of each ring (n_rings,); refuses rings without points, and reaches that leave the ring's group.

    Takes `ring` (n_rings + 1,), where each begins among coordinates x, y, x, y, ...; and `first` (n_rings,), the
    first ring that each may be joined to. A ring that may be joined to none, `first[j]` = j, begins a group.

    >>> check_reach(np.array([0, 2, 4, 6, 8]), np.array([0, 0, 2, 2])).tolist()
    [0, 0, 1, 1]
    >>> check_reach(np.array([0, 2, 4, 6, 8]), np.array([0, 0, 2, 1])).tolist()
    Traceback (most recent call last):
    ValueError: ring 3 may be joined to ring 1, its group begins at ring 2
    """
    pointless = np.flatnonzero((np.diff(ring) < 2) | (ring[:-1] % 2 == 1) | (np.diff(ring) % 2 == 1))
    if len(pointless):
        j = pointless[0]
        raise ValueError(f"ring {j} has the numbers {ring[j]} to {ring[j + 1]}: pairs, and one at least, are needed")
    row = np.arange(len(first))
    begins = first == row
    group = np.cumsum(begins) - 1
    start = np.flatnonzero(begins)[group] if len(row) and begins[0] else row + 1
    strange = np.flatnonzero((first < start) | (first > row))
    if len(strange):
        j = strange[0]
        raise ValueError(f"ring {j} may be joined to ring {first[j]}, its group begins at ring {min(start[j], j)}")
    return group
