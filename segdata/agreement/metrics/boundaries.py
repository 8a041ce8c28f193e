"""Boundaries: the IoU of the bands along them, and how far they are apart: surface Dice, ASSD, Hausdorff, offset."""

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Floats
from segdata.core.statistics import ratio

Numbers = NDArray[np.int64] | NDArray[np.float64]


def boundary_iou(
    both: NDArray[np.int64] | NDArray[np.float64], either: NDArray[np.int64] | NDArray[np.float64]
) -> Floats:
    """Pixels in both bands over pixels in either.

    Takes `both` and `either` (...), in pixels; a band are the pixels of a segment at most 2 % of the image's diagonal
    from a pixel outside. Of a segment that is all band it is the IoU. Symmetric.
    Returns (...) ratios in [0, 1]; NaN where neither has a band.
    Source: Cheng et al. (2021), Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR.

    >>> boundary_iou(np.array([456, 0]), np.array([912, 0])).tolist()
    [0.5, nan]
    """
    return ratio(both, either)


def surface_dice(near_a: Numbers, near_b: Numbers, edge_a: Numbers, edge_b: Numbers) -> NDArray[np.float64]:
    """Boundary pixels of either side that the other's boundary is near, over all boundary pixels.

    Takes (...) the boundary pixels `edge_a` and `edge_b` of two sides, and how many of these are within the tolerance
    of the other's boundary. Symmetric.
    Returns (...) ratios in [0, 1]: 0 where only one side has a boundary, NaN where neither has.
    Source: Nikolov et al. (2021), Journal of Medical Internet Research 23(7), e26151; pixels are counted, where they
    weigh each by the length of the contour through it.

    >>> surface_dice(np.array([6, 0]), np.array([6, 0]), np.array([12, 12]), np.array([12, 0])).tolist()
    [0.5, 0.0]
    """
    return ratio(np.add(near_a, near_b), np.add(edge_a, edge_b))


def symmetric_surface_distance(sum_a: Numbers, sum_b: Numbers, edge_a: Numbers, edge_b: Numbers) -> Floats:
    """The mean distance of all boundary pixels of both sides to the boundary of the other (ASSD). Symmetric.

    Takes (...) sums of distances, and numbers of boundary pixels. Returns (...) means; NaN where one side has no
    boundary.
    Source: Heimann et al. (2009), IEEE Transactions on Medical Imaging 28(8), 1251-1265.

    >>> symmetric_surface_distance(np.array([708.0]), np.array([792.0]), np.array([236]), np.array([264])).tolist()
    [3.0]
    """
    both = (np.asarray(edge_a) > 0) & (np.asarray(edge_b) > 0)
    return ratio(np.add(sum_a, sum_b), np.where(both, np.add(edge_a, edge_b), 0))


def directed_hausdorff(distance: Floats, offset: NDArray[np.int64], percent: float = 100.0) -> Floats:
    """The largest distance of each boundary's pixels to the other boundary, or a percentile of these.

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
            farthest[has_points] = np.maximum.reduceat(distance[: offset[-1]], offset[:-1][has_points])
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


def boundary_offset(mean_a: Floats, mean_b: Floats) -> Floats:
    """By how much B draws larger than A, in the unit of the distances.

    Takes (...) the mean signed distances of A's boundary pixels to B's boundary, and of B's to A's: above 0 outside
    what the other drew, below 0 inside.
    Returns (...) half of what B's mean is above A's: positive where B draws larger, 0 where one drew the same as the
    other, moved. NaN where either is. Antisymmetric.

    >>> boundary_offset(np.array([-3.0]), np.array([3.0])).tolist()
    [3.0]
    """
    return (np.asarray(mean_b) - np.asarray(mean_a)) / 2


def offset_spread(mean_a: Floats, square_a: Floats, mean_b: Floats, square_b: Floats) -> Floats:
    """How much the offset varies along the boundaries: its standard deviation. Symmetric.

    Takes (...) the mean signed distances of both sides, as `boundary_offset` does, and the means of their squares.
    Returns (...) the root of the mean square of what pixels deviate from the offset, both sides having the same weight.

    >>> offset_spread(np.array([-3.0]), np.array([9.0]), np.array([3.0]), np.array([9.0])).tolist()
    [0.0]
    """
    squares = (np.asarray(square_a) + np.asarray(square_b)) / 2
    return np.sqrt(np.maximum(squares - boundary_offset(mean_a, mean_b) ** 2, 0))
