"""Checks of arguments that both twins of a kernel make; compiled code would read beyond the end of wrong ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # Any: several types
Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]


def check_offsets(offset: Int64, groups: int, size: int) -> None:
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


def check_scales(group: Int32, b_group: Int32, scale_x: Float64, scale_y: Float64) -> None:
    """Refuse groups without a scale, groups that do not ascend, and scales that are no sizes."""
    if len(scale_x) != len(scale_y):
        raise ValueError(f"{len(scale_x)} widths of pixels come with {len(scale_y)} heights")
    for groups in (group, b_group):
        if len(groups) and (groups[0] < 0 or groups[-1] >= len(scale_x) or np.any(groups[1:] < groups[:-1])):
            raise ValueError(f"groups from {groups.min()} to {groups.max()} are not 0 to {len(scale_x) - 1}, ascending")
    if not (np.all(scale_x > 0) and np.all(scale_y > 0)):
        raise ValueError("pixels have a width and a height above 0")


def check_outlines(
    distance: Array, strips: Sequence[Array], sheets: Sequence[Array], within: Array, far: Array
) -> None:
    """Raise ValueError for columns of strips, sheets or shapes of different lengths, or rows that are not there."""
    length, *_, sheet = strips
    shape = sheets[0]
    if len({len(column) for column in strips}) > 1 or len({len(column) for column in sheets}) > 1:
        raise ValueError("columns of strips, and of sheets, must be equally long")
    if len(within) != len(far):
        raise ValueError(f"{len(within)} tolerances come with {len(far)} reaches")
    if len(length) and (int(length.min()) < 0 or int(length.sum()) != len(distance)):
        raise ValueError(f"strips of {int(length.sum())} pixels come with {len(distance)} distances")
    if len(sheet) and (int(sheet.min()) < 0 or int(sheet.max()) >= len(shape)):
        raise ValueError(f"a strip is on sheet {int(sheet.max())} of {len(shape)}")
    if len(shape) and (int(np.min(shape)) < 0 or int(np.max(shape)) >= len(within)):
        raise ValueError(f"a sheet is of shape {int(np.max(shape))} of {len(within)}")
