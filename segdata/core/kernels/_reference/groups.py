"""Sums, ranks and neighbours of groups."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._reference.sweep import expand
from segdata.core.kernels.checks import check_offsets, check_scales

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)


def order_by(owner: Int32, n_owners: int) -> Int64:
    """The order that sorts rows by owner and else leaves them as they are.

    Takes `owner` (n,) from 0 to `n_owners` - 1. Returns (n,) row numbers.

    >>> order_by(np.array([1, 0, 1], np.int32), 2).tolist()
    [1, 0, 2]
    """
    strange = owner[(owner < 0) | (owner >= n_owners)]
    if len(strange):
        raise ValueError(f"owner {strange[0]} of {n_owners} owners: 0 to {n_owners - 1} are possible")
    return np.argsort(owner, kind="stable").astype(np.int64, copy=False)


def sums(group: Int32 | Int64, values: Int64, n_groups: int) -> Int64:
    """The sum (n_groups,) of each group's values.

    Takes the group (n,) of each value, from 0 to `n_groups` - 1.

    >>> sums(np.array([1, 0, 1]), np.array([5, 6, 7]), 3).tolist()
    [6, 12, 0]
    """
    _check_groups(group, n_groups)
    total = np.zeros(n_groups, np.int64)
    np.add.at(total, group, values)
    return total


def expand_ranges(first: Int64, count: Int64) -> Int64:
    """The rows ``first[i], first[i] + 1, …``, `count[i]` of them, of every range i (n,), one after the other.

    >>> expand_ranges(np.array([3, 8]), np.array([2, 1])).tolist()
    [3, 4, 8]
    """
    if len(first) != len(count) or (count < 0).any():
        raise ValueError(f"{len(first)} ranges come with {len(count)} counts, or one is negative or too large")
    rows: Int64 = np.repeat(first - (np.cumsum(count) - count), count)
    rows += np.arange(len(rows))
    return rows


def take_ranges(values: NDArray[Number], first: Int64, count: Int64) -> NDArray[Number]:
    """The values in the rows ``first[i], first[i] + 1, …``, `count[i]` of them, of every range i, one after the other.

    >>> take_ranges(np.array([0.5, 1.5, 2.5]), np.array([2, 0]), np.array([1, 2])).tolist()
    [2.5, 0.5, 1.5]
    """
    inside = len(first) == len(count) and ((first >= 0) & (count >= 0) & (first <= len(values) - count)).all()
    if not inside:
        raise ValueError(f"{len(count)} ranges of {len(values)} values: one is negative, or does not lie among them")
    return values[expand_ranges(first, count)]


def fill_ranges(target: NDArray[Number], first: Int64, count: Int64, values: NDArray[Number]) -> None:
    """Write `values[i]` into the cells ``first[i], first[i] + 1, …``, `count[i]` of them; of several the last one wins.

    >>> cells = np.zeros(5, np.uint8)
    >>> fill_ranges(cells, np.array([0, 2]), np.array([3, 2]), np.array([7, 8], np.uint8))
    >>> cells.tolist()
    [7, 7, 8, 8, 0]
    """
    if target.ndim != 1 or target.dtype != values.dtype or target.itemsize not in (1, 2, 4, 8):
        raise ValueError(f"{values.dtype} values do not fit {target.ndim} axes of {target.dtype}")
    inside = len(first) == len(count) == len(values)
    if not inside or not ((first >= 0) & (count >= 0) & (first <= len(target) - count)).all():
        raise ValueError(
            f"{len(count)} ranges of {len(target)} cells and {len(values)} values: one is negative, or not among them"
        )
    target[expand_ranges(first, count)] = np.repeat(values, count)


def extents(
    group: Int32 | Int64, x: Int64, top: Int64, bottom: Int64, n_groups: int
) -> tuple[Int64, Int64, Int64, Int64, Int64]:
    """Area, x, y, width and height (n_groups,) in pixels of the runs of each group; all 0 for a group without runs.

    Takes runs in column `x` from row `top` up to, not including, `bottom`, in any order, and the group of each, from
    0 to `n_groups` - 1.

    >>> runs = np.array([[0, 0], [4, 5], [2, 3], [3, 9]])
    >>> [values.tolist() for values in extents(*runs, 1)]
    [[7], [4], [2], [2], [7]]
    """
    _check_groups(group, n_groups)
    order = np.argsort(group, kind="stable")
    some, first = np.unique(group[order], return_index=True)
    result = np.zeros((5, n_groups), np.int64)
    if len(some):
        x, top, bottom = x[order], top[order], bottom[order]
        left, upper = np.minimum.reduceat(x, first), np.minimum.reduceat(top, first)
        right, lower = np.maximum.reduceat(x, first) + 1, np.maximum.reduceat(bottom, first)
        area = np.add.reduceat(bottom - top, first)
        result[:, some] = area, left, upper, right - left, lower - upper
    return result[0], result[1], result[2], result[3], result[4]


def first_rows(numbers: Int64, low: int, high: int) -> tuple[Int64, Int64]:
    """The first row (k,) of each different number, in ascending order, and (n,) the place of each number among these.

    Takes numbers (n,) from `low` to `high`, which should not be far apart: there is a table of all that lies between.

    >>> [array.tolist() for array in first_rows(np.array([7, 5, 7]), 5, 7)]
    [[1, 0], [1, 0, 1]]
    """
    strange = numbers[(numbers < low) | (numbers > high)]
    if len(strange):
        raise ValueError(f"{strange[0]} is not from {low} to {high}")
    occurs = np.zeros(high - low + 1, bool)
    occurs[numbers - low] = True
    place = (np.cumsum(occurs) - 1)[numbers - low]
    return np.unique(place, return_index=True)[1], place


def medians(values: NDArray[np.float64], group: Int64, n_groups: int) -> NDArray[np.float64]:
    """The median (n_groups,) of each group's values, the mean of the two in the middle; NaN for a group without any.

    Takes the group (n,) of each value, from 0 to `n_groups` - 1. NaN counts as larger than all numbers.

    >>> medians(np.array([5.0, 1.0, 2.0, 9.0]), np.array([1, 0, 0, 1]), 2).tolist()
    [1.5, 7.0]
    """
    _check_groups(group, n_groups)
    ordered = values[np.lexsort((values, group))]
    count = np.bincount(group, minlength=n_groups)
    first, some = np.cumsum(count) - count, count > 0
    result = np.full(n_groups, np.nan)
    low, high = (first + (count - 1) // 2)[some], (first + count // 2)[some]
    result[some] = (ordered[low] + ordered[high]) / 2
    return result


def _check_groups(group: Int32 | Int64, n_groups: int) -> None:
    """Refuse groups that do not exist."""
    strange = group[(group < 0) | (group >= n_groups)]
    if len(strange):
        raise ValueError(f"group {strange[0]} of {n_groups} groups: 0 to {n_groups - 1} are possible")


Float64 = NDArray[np.float64]


def quantiles(values: Float64, offset: Int64, share: float) -> Float64:
    """The value of each group that a share of its values lie below, interpolated as numpy does by default.

    Takes `values` (p,), those of group i being `offset[i]:offset[i + 1]`, and a share from 0 to 1. Returns (n,) values;
    NaN for a group without.

    >>> quantiles(np.array([4.0, 0.0, 2.0, 7.0]), np.array([0, 3, 3, 4]), 0.75).tolist()
    [3.0, nan, 7.0]
    """
    check_offsets(offset, len(offset) - 1, len(values))
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share}: 0 to 1 is possible")
    count = np.diff(offset)
    first = offset[:-1][count > 0] - offset[0]
    group = np.repeat(np.arange(len(count)), count)
    ascending = values[offset[0] : offset[-1]]
    ascending = ascending[np.lexsort((ascending, group))]
    place = (count[count > 0] - 1) * share
    low = np.floor(place).astype(np.int64)
    below, above = ascending[first + low], ascending[first + np.ceil(place).astype(np.int64)]
    result = np.full(len(count), np.nan)
    apart = np.subtract(above, below, out=np.zeros(len(low)), where=above != below)  # both may be infinite
    result[count > 0] = below + np.multiply(apart, place - low, out=np.zeros(len(low)), where=apart > 0)
    return result


def nearest(
    x: Int64,
    top: Int64,
    bottom: Int64,
    group: Int32,
    b_x: Int64,
    b_top: Int64,
    b_bottom: Int64,
    b_group: Int32,
    scale_x: Float64,
    scale_y: Float64,
) -> Float64:
    """The distance from each pixel of side a to the nearest pixel of side b in its group.

    Takes strips of pixels in column `x`, rows `top` up to, not including, `bottom`, sorted by (group, x, top), those of
    a group disjoint; and (n_groups,) how wide and how high a pixel of each group is. Returns the distances (p,)
    between the centres of pixels, of a's pixels strip by strip; infinite where side b has none.

    >>> one, two, group = np.array([1]), np.array([4]), np.zeros(1, np.int32)
    >>> nearest(one, one, one + 2, group, two, two, two + 2, group, np.ones(1), np.ones(1)).round(3).tolist()
    [4.243, 3.606]
    """
    check_scales(group, b_group, scale_x, scale_y)
    y, strip_of = expand(top, bottom)
    b_y, b_of = expand(b_top, b_bottom)
    if len(y) == 0 or len(b_y) == 0:
        return np.full(len(y), np.inf)
    low = min(top.min(), b_top.min())
    high = max(bottom.max(), b_bottom.max()) - low
    left, right = min(x.min(), b_x.min()), max(x.max(), b_x.max())
    pitch = 2 * high + 1  # pixels less than this half apart on the line are in one column
    wide = right - left + 1

    def place(group: Int32, x: Int64, y: Int64) -> Int64:
        """Each pixel on one line: no column reaches another, nor any group when columns are moved by its width."""
        placed: Int64 = (group.astype(np.int64) * 2 * wide + x - left) * pitch + y - low
        return placed

    a, b = place(group[strip_of], x[strip_of], y), place(b_group[b_of], b_x[b_of], b_y)
    b = np.concatenate([[-(pitch * wide)], b, [b[-1] + 4 * pitch * wide * len(scale_x)]])
    across, down = scale_x[group[strip_of]], scale_y[group[strip_of]]
    best = np.full(len(a), np.inf)
    for step in range(wide):
        rows = np.flatnonzero((step * across) ** 2 < best)
        if len(rows) == 0:
            break
        for sign in (-1, 1):
            target = a[rows] + sign * step * pitch
            position = np.searchsorted(b, target, side="right")
            for neighbour in (b[position - 1], b[np.minimum(position, len(b) - 1)]):
                away = np.abs(neighbour - target)
                apart = np.where(away <= high, (step * across[rows]) ** 2 + (away * down[rows]) ** 2, np.inf)
                best[rows] = np.minimum(best[rows], apart)
    distance: Float64 = np.sqrt(best)
    return distance
