"""How far pixels are from others."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._plain.ranges import expand
from segdata.core.kernels.scales import check_scales

Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


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
