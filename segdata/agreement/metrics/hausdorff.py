"""Hausdorff distance: how far two boundaries are apart where they are farthest, or nearly so (HD95)."""

import numpy as np

from segdata.core import kernels
from segdata.core.runs import Floats, Ints


def directed_hausdorff(distance: Floats, offset: Ints, percent: float = 100.0) -> Floats:
    """The largest distance of each boundary's pixels to the other boundary, or a percentile of the distances.

    Takes `distance` (p,), those of boundary i being `offset[i]:offset[i + 1]`; infinite where the other boundary has
    no pixels. Percentiles between two distances are interpolated, as numpy does.
    Returns (n,) distances; NaN for a boundary without pixels, or with none to be near to. Not symmetric.

    >>> directed_hausdorff(np.array([0.0, 0.0, 2.0, 4.0]), np.array([0, 3, 3, 4]), 95).round(2).tolist()
    [1.8, nan, 4.0]
    """
    if percent == 100:
        farthest = np.full(len(offset) - 1, np.nan)
        has_points = np.diff(offset) > 0
        if has_points.any():
            farthest[has_points] = np.maximum.reduceat(distance, offset[:-1][has_points])
    else:
        farthest = kernels.quantiles(distance, offset, percent / 100)
    return np.where(np.isfinite(farthest), farthest, np.nan)


def hausdorff(a_to_b: Floats, b_to_a: Floats) -> Floats:
    """The larger of both directed distances (...); NaN where one of them is. Symmetric in its arguments.

    HD95 is the larger of both 95th percentiles, not a percentile of all distances of both sides.
    Source: Huttenlocher et al. (1993), IEEE Transactions on Pattern Analysis and Machine Intelligence 15(9), 850-863.

    >>> hausdorff(np.array([3.0, np.nan]), np.array([4.0, 1.0])).tolist()
    [4.0, nan]
    """
    return np.maximum(a_to_b, b_to_a)
