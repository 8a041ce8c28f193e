"""Boundary IoU: the IoU of the bands along two boundaries."""

from segdata.core.runs import Floats, Ints
from segdata.core.statistics import ratio


def boundary_iou(both: Ints | Floats, either: Ints | Floats) -> Floats:
    """Pixels in both bands over pixels in either.

    Takes `both` and `either` (...), in pixels; a band are the pixels of a segment at most 2 % of the image's diagonal
    from a pixel outside. It is the IoU for a segment that is all band. Symmetric.
    Returns (...) ratios in [0, 1]; NaN where neither has a band.
    Source: Cheng et al. (2021), Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR.

    >>> import numpy as np
    >>> boundary_iou(np.array([456, 0]), np.array([912, 0])).tolist()
    [0.5, nan]
    """
    return ratio(both, either)
