"""Affine: what a matrix from voxel indices to millimetres (right, anterior, superior) says about a volume."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


def spacing_of(affine: Floats) -> tuple[float, float, float]:
    """Millimetres between voxel centres along i, j and k."""
    i, j, k = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return i, j, k


def axes_of(affine: Floats) -> str:
    """Where i, j and k point to, each by the world axis that it is nearest to; every world axis is taken once.

    >>> axes_of(np.diag([-1.0, 1.0, 2.0, 1.0]))
    'LAS'
    """
    direction = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    left = np.abs(direction)
    letters = [""] * 3
    for _ in range(3):
        world, voxel = np.unravel_index(int(left.argmax()), left.shape)
        letters[voxel] = _LETTERS[world][int(direction[world, voxel] > 0)]
        left[world, :] = left[:, voxel] = -1
    return "".join(letters)
