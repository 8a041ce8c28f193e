"""Soundness: what keeps a ring from being drawn, and how far one leaves its image."""

import numpy as np

from segdata.formats.shapes.shape import Floats, Ring

MAX_COORDINATE = 1e7  # pixels from the frame: rasterisers walk along edges, so what is farther is not handed on


def check_ring(points: object) -> str | None:
    """What is wrong with a ring, as a sentence without its subject; None where it can be drawn.

    Takes numbers x, y, x, y, ... or pairs of them, as a file has them.

    >>> check_ring([1, 2, 5, 2])
    'has 2 points; at least 3 are needed'
    """
    try:
        given = np.asarray(points)
    except ValueError:
        return "has points that are not pairs of numbers"
    pairs = given.ndim == 1 or (given.ndim == 2 and given.shape[1] == 2)
    if not pairs or given.dtype.kind not in "iuf":  # numbers as text, null and true are none
        return "has points that are not pairs of numbers"
    numbers = given.ravel().astype(np.float64)
    if numbers.size % 2:
        return f"has {numbers.size} numbers; x and y come in pairs"
    if numbers.size < 6:
        return f"has {numbers.size // 2} points; at least 3 are needed"
    return _check_reach(numbers)


def check_numbers(*numbers: float) -> str | None:
    """What is wrong with the numbers of an ellipse or a box, as a sentence without its subject; None if nothing.

    >>> check_numbers(3, float("nan"))
    'has the coordinate nan'
    """
    return _check_reach(np.asarray(numbers, np.float64))


def _check_reach(numbers: Floats) -> str | None:
    far = numbers[~(np.abs(numbers) <= MAX_COORDINATE)]
    if len(far) == 0:
        return None
    if not np.isfinite(far[0]):
        return f"has the coordinate {far[0]:g}"
    return f"has the coordinate {far[0]:g}, more than {MAX_COORDINATE:,.0f} px from the frame"


def outside(points: Ring, height: int, width: int) -> float:
    """How far the farthest of the points (n, 2) lies beyond the frame, in pixels; 0.0 if none does.

    >>> outside(np.array([[0.0, 1], [12, 1], [5, 3]]), height=10, width=10)
    2.0
    """
    beyond = np.maximum(-points, points - (width, height))
    return float(beyond.max(initial=0))
