"""Segmentation covering: how well each segment is covered by the one of the other annotator that fits it best."""

import numpy as np
from numpy.typing import ArrayLike

from segdata.core.runs import Floats


def segmentation_covering(covered_a: ArrayLike, area_a: ArrayLike, covered_b: ArrayLike, area_b: ArrayLike) -> Floats:
    """The mean of both directions (...) of the covering of one annotator's segments by the other's, in [0, 1].

    The covering of A by B is the mean, over A's segments R weighted by their pixels, of the largest IoU of R with a
    segment of B. Takes sum |R| max IoU and sum |R| of either annotator, (...) each; pixels that no segment has are no
    segment. Swapping A and B changes nothing. 0 where one of the two has no segment, NaN where neither has one.
    Source: Arbelaez, Maire, Fowlkes, Malik (2011), Contour Detection and Hierarchical Image Segmentation, IEEE TPAMI
    33(5), section 3.1.2, which has one direction.

    >>> segmentation_covering([3.0, 0.0, 0.0], [4, 5, 0], [2.0, 0.0, 0.0], [4, 0, 0]).tolist()
    [0.625, 0.0, nan]
    """
    a, b = (
        np.asarray(covered, float) / np.maximum(area, 1) for covered, area in ((covered_a, area_a), (covered_b, area_b))
    )
    defined = np.asarray(area_a, float) + np.asarray(area_b, float) > 0
    return np.where(defined, (a + b) / 2, np.nan)
