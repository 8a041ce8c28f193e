"""Macro: means over images, then over categories, of values that are not defined everywhere."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Macro(NamedTuple):
    """Means, and of how many values.

    Attributes
    ----------
    categories : (..., C) the mean over images
    n : (..., C) images with a value, counted by weight
    overall : (...) the mean over the categories that have one
    """

    categories: Floats
    n: Floats
    overall: Floats


def macro(
    value: ArrayLike, image: ArrayLike, category: ArrayLike, n_categories: int, weight: ArrayLike | None = None
) -> Macro:
    """Every image counts the same for its categories, and every category the same overall, however large it is.

    Takes n values, NaN where undefined, with the image and the category of each (n,), and how often each image counts
    (..., n_images), by default once. A category without a value is NaN and not averaged in.

    >>> macro([0.5, np.nan, 0.8], [0, 0, 1], [0, 1, 0], 2)
    Macro(categories=array([0.65,  nan]), n=array([2., 0.]), overall=array(0.65))
    """
    number, at, code = np.asarray(value, float), np.asarray(image, np.int64), np.asarray(category, np.int64)
    times = np.ones(int(at.max(initial=-1)) + 1) if weight is None else np.asarray(weight, float)
    kept = np.flatnonzero(~np.isnan(number))
    kept = kept[np.argsort(code[kept], kind="stable")]
    total, n = np.zeros((2, *times.shape[:-1], n_categories))
    if len(kept):
        found, first = np.unique(code[kept], return_index=True)
        weights = times[..., at[kept]]
        n[..., found] = np.add.reduceat(weights, first, axis=-1)
        total[..., found] = np.add.reduceat(weights * number[kept], first, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(n > 0, total / n, np.nan)
        overall = np.nansum(mean, axis=-1) / (n > 0).sum(axis=-1)
    return Macro(mean, n, np.asarray(overall))
