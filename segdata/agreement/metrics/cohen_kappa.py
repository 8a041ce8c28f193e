"""Cohen's kappa: agreement of two annotators beyond what their habits alone would bring about."""

import numpy as np
from numpy.typing import ArrayLike

from segdata.agreement.metrics.accuracy import accuracy
from segdata.core.runs import Floats

_ROUNDING = 1e-12  # if both use one category only, all agreement is by chance


def cohen_kappa(category_a: ArrayLike, category_b: ArrayLike, pixels: ArrayLike) -> Floats:
    """Kappa = (po - pe) / (1 - pe), at most 1, over all categories; unlabelled is one like others.

    po is the share of pixels on which both agree, pe the share on which they would if each gave out their own
    categories at random. Takes the D cells of a contingency table, categories (D,) and pixels (..., D), of one image or
    summed over many; 60 000 cells need no table of all categories. Swapping A and B, and renaming categories, change
    nothing.
    NaN without pixels, and where both give all pixels one and the same category.
    Source: Cohen (1960), Educational and Psychological Measurement 20(1), 37-46.

    >>> round(float(cohen_kappa([0, 0, 1, 1], [0, 1, 0, 1], [20, 5, 10, 15])), 6)
    0.4
    """
    n = np.asarray(pixels, float)
    categories = np.union1d(category_a, category_b)
    a, b = (marginals(category, n, categories) for category in (category_a, category_b))
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = ((a / n.sum(axis=-1)[..., None]) * (b / n.sum(axis=-1)[..., None])).sum(axis=-1)
    return _beyond_chance(accuracy(category_a, category_b, n), expected)


def category_kappa(both: ArrayLike, area_a: ArrayLike, area_b: ArrayLike, pixels: ArrayLike) -> Floats:
    """Cohen's kappa of one category against all others together.

    Takes the pixels that both, A and B gave it, and all pixels that count, void left out, (...) each. NaN without
    pixels, and where both give it to all pixels or to none.

    >>> category_kappa([12, 0], [16, 0], [16, 0], [64, 64]).round(6).tolist()
    [0.666667, nan]
    """
    shared, a, b, n = (np.asarray(amount, float) for amount in (both, area_a, area_b, pixels))
    with np.errstate(divide="ignore", invalid="ignore"):
        p_a, p_b = a / n, b / n
        return _beyond_chance((n - a - b + 2 * shared) / n, p_a * p_b + (1 - p_a) * (1 - p_b))


def marginals(category: ArrayLike, pixels: ArrayLike, categories: ArrayLike) -> Floats:
    """(..., C) pixels of each of the `categories` (C,), ascending, in cells (..., D) with a category (D,) each.

    >>> marginals([1, 0, 1], [4, 5, 6], [0, 1, 2]).tolist()
    [5.0, 10.0, 0.0]
    """
    code, n, columns = np.asarray(category), np.asarray(pixels, float), np.asarray(categories)
    order = np.argsort(code, kind="stable")
    total = np.zeros((*n.shape[:-1], len(columns)))
    if len(code):
        present, first = np.unique(code[order], return_index=True)
        total[..., np.searchsorted(columns, present)] = np.add.reduceat(n[..., order], first, axis=-1)
    return total


def _beyond_chance(observed: Floats, expected: Floats) -> Floats:
    """NaN where chance explains everything."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(1 - expected > _ROUNDING, (observed - expected) / (1 - expected), np.nan)
