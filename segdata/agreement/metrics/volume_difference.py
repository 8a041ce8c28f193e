"""Volume difference: by which share one annotator draws larger, wherever it is."""

import numpy as np
from numpy.typing import ArrayLike

from segdata.core.runs import Floats


def volume_difference(volume_a: ArrayLike, volume_b: ArrayLike) -> Floats:
    """(B - A) / mean of both, (...) in [-2, 2]: 0 for equal volumes, 2 or -2 where only one has any.

    Takes volumes, or areas, (...) in any unit. Swapping A and B changes the sign. Equal volumes may lie anywhere, and
    a small overlap may be of equal volumes: it says what overlap does not, and the reverse. NaN where both are empty.
    Source: Taha, Hanbury (2015), BMC Medical Imaging 15:29, whose volumetric similarity is 1 - |this| / 2.

    >>> volume_difference([90, 0, 0], [110, 5, 0]).tolist()
    [0.2, 2.0, nan]
    """
    a, b = np.asarray(volume_a, float), np.asarray(volume_b, float)
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * (b - a) / (a + b))
