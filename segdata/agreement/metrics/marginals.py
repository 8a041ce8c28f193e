"""Marginals: how many pixels have each category, from cells of a contingency table."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def marginals(category: ArrayLike, pixels: ArrayLike, known: ArrayLike) -> Floats:
    """(..., C) pixels of each of the `known` categories (C,), ascending, in cells (..., D) with a category (D,) each.

    >>> marginals([1, 0, 1], [4, 5, 6], [0, 1, 2]).tolist()
    [5.0, 10.0, 0.0]
    """
    code, n, columns = np.asarray(category), np.asarray(pixels, float), np.asarray(known)
    order = np.argsort(code, kind="stable")
    total = np.zeros((*n.shape[:-1], len(columns)))
    if len(code):
        found, first = np.unique(code[order], return_index=True)
        total[..., np.searchsorted(columns, found)] = np.add.reduceat(n[..., order], first, axis=-1)
    return total
