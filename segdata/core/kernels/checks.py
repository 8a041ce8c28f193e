"""Checks of the arguments of kernels, compiled or not; compiled code would read beyond the end of wrong ones."""

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
    edge: Array,
    first: Array,
    other: Array,
    other_first: Array,
    area: Array,
    area_first: Array,
    sheets: Array,
    sizes: Array,
    reach: Array,
    known: Array,
) -> None:
    """Raise ValueError for columns of other lengths, and for rows that are not there."""
    for name, strips, begin in (("edge", edge, first), ("other", other, other_first), ("area", area, area_first)):
        if len(strips) != 3 or np.any(strips[2] < strips[1]):
            raise ValueError(f"strips of `{name}` have an x, a top, and a bottom that is not above it")
        if not len(begin) or begin[0] != 0 or begin[-1] != strips.shape[1] or np.any(begin[1:] < begin[:-1]):
            raise ValueError(f"the sheets of `{name}` part other strips than the {strips.shape[1]} there are")
    if len(other_first) != len(area_first):
        raise ValueError(f"{len(other_first) - 1} sheets of outlines come with {len(area_first) - 1} of areas")
    if len(sheets) != 5 or len(sizes) != 3 or sheets.shape[1] != sizes.shape[1] or len(reach) != 2:
        raise ValueError("sheets have 5 rows of numbers and 3 sizes each, shapes a tolerance and a reach")
    for row, stop in ((0, len(first) - 1), (1, len(other_first) - 1), (2, reach.shape[1])):
        if sheets.shape[1] and not (int(sheets[row].min()) >= 0 and int(sheets[row].max()) < stop):
            raise ValueError(f"row {row} of the sheets holds {int(sheets[row].max())}: 0 to {stop - 1} are possible")
    if not np.all(sizes[:2] > 0):
        raise ValueError("pixels have a width and a height above 0")
