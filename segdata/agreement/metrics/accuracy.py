"""Accuracy: the share of pixels that two annotators gave the same category."""

import numpy as np
from numpy.typing import ArrayLike

from segdata.core.runs import Floats


def accuracy(category_a: ArrayLike, category_b: ArrayLike, pixels: ArrayLike) -> Floats:
    """The share of all pixels, in [0, 1], on which A and B agree; unlabelled is a category like others.

    Takes the D cells of a contingency table, categories (D,) and pixels (..., D). Swapping A and B changes nothing.
    A large background makes it large: see Cohen's kappa. NaN without pixels.

    >>> float(accuracy([0, 0, 1], [0, 1, 1], [6, 1, 1]))
    0.875
    """
    n = np.asarray(pixels, float)
    same = np.asarray(category_a) == np.asarray(category_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((n * same).sum(axis=-1) / n.sum(axis=-1))
