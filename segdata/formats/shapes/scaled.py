"""Scaled: rings that files keep as shares of the image's sides, in pixels, without the noise of the arithmetic."""

import numpy as np

from segdata.formats.shapes.shape import Floats

_DECIMALS = 9  # of a pixel: what anybody wrote down with fewer comes back as it was


def scaled(shares: Floats, sides: Floats) -> Floats:
    """Points (n, 2) in pixels, to nine decimals; `shares` (n, 2) are of the `sides` (2,) width and height.

    >>> (np.array([3.3, 7.7]) / 49 * 49).tolist(), scaled(np.array([3.3, 7.7]) / 49, np.array([49.0, 49.0])).tolist()
    ([3.3000000000000003, 7.7], [3.3, 7.7])
    """
    return np.round(shares * sides, _DECIMALS)
