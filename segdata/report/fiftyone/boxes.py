"""Boxes: whole pixels as the fractions of the image's size that FiftyOne keeps, and back, without losing one."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints

Floats = NDArray[np.float64]


def relative(x: Ints, y: Ints, wide: Ints, high: Ints, width: int, height: int) -> Floats:
    """(n, 4) left, top, width and height of boxes as fractions of an image of `width` x `height` pixels.

    They give back the same pixels whether the reader rounds or, as FiftyOne's own code does, cuts off what is behind
    the point: 29 / 100 * 100 is 28.999..., so that the plain quotient would move the box, and resize its mask.
    """
    left, top = _edge(x, width), _edge(y, height)
    return np.stack([left, top, _side(left, _edge(x + wide, width)), _side(top, _edge(y + high, height))], axis=1)


def _edge(pixel: Ints, size: int) -> Floats:
    """The smallest number next to ``pixel / size`` that times `size` is not below `pixel`."""
    found: Floats = pixel / size
    return np.where(found * size < pixel, np.nextafter(found, np.inf), found)


def _side(begin: Floats, end: Floats) -> Floats:
    """What added to `begin` is not below `end`."""
    found: Floats = end - begin
    return np.where(begin + found < end, found + np.spacing(end), found)
