"""Boundary offset: by how much the second of two annotators draws larger than the first."""

import numpy as np

from segdata.core.runs import Floats


def boundary_offset(mean_a: Floats, mean_b: Floats) -> Floats:
    """By how much B draws larger than A, in the unit of the distances.

    Takes (...) the mean signed distances of A's boundary pixels to B's boundary, and of B's to A's: above 0 outside
    what the other drew, below 0 inside.
    Returns (...) half of the difference of the means: positive if B draws larger, 0 if both drew the same outline,
    even if one is moved; NaN if a mean is NaN. Antisymmetric.

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
