"""Balance: weights of categories for a loss, exact, to paste into training."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints

Floats = NDArray[np.float64]
BETA = 0.999  # of the effective number of samples


def inverse_frequency(count: Ints | Floats) -> Floats:
    """Weights (k,) that make all categories count the same: the total over k times the count; 0 where a count is 0.

    k counts the categories that occur. The mean weight over all that was counted is 1.

    >>> inverse_frequency(np.array([6, 2, 0])).round(3).tolist()
    [0.667, 2.0, 0.0]
    """
    found, some = np.zeros(len(count)), count > 0
    found[some] = count.sum() / (some.sum() * count[some])
    return found


def median_frequency(pixels: Ints | Floats, of_images: Ints | Floats) -> Floats:
    """Weights (k,): the median frequency over each category's own; 0 where a category does not occur.

    Takes the pixels of each category, and those of all images in which it occurs.
    Source: Eigen and Fergus (2015), ICCV, 2650-2658, section 6.3.2.

    >>> median_frequency(np.array([50, 10, 0]), np.array([100, 40, 0])).tolist()
    [0.75, 1.5, 0.0]
    """
    found, some = np.zeros(len(pixels)), pixels > 0
    frequency = pixels[some] / of_images[some]
    found[some] = np.median(frequency) / frequency if some.any() else 0
    return found


def effective_weights(samples: Ints | Floats, beta: float = BETA) -> Floats:
    """Weights (k,) by the effective number of samples, (1 - beta^n) / (1 - beta), with a mean of 1; 0 for none.

    Source: Cui and others (2019), "Class-Balanced Loss Based on Effective Number of Samples", CVPR, 9268-9277.

    >>> effective_weights(np.array([1, 10_000, 0])).round(3).tolist()
    [1.998, 0.002, 0.0]
    """
    found, some = np.zeros(len(samples)), samples > 0
    found[some] = (1 - beta) / -np.expm1(samples[some] * np.log(beta))
    return found / found[some].mean() if some.any() else found
