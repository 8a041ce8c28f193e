"""Moments: place, length, width and direction of segments, in closed form from their runs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints, Runs, columns

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of n owners; NaN for those without pixels.

    Attributes
    ----------
    x, y : (n,) the centroid, in pixels; the centre of the first pixel is at 0
    xx, yy, xy : (n,) the second central moments over the area, in pixels²
    """

    x: Floats
    y: Floats
    xx: Floats
    yy: Floats
    xy: Floats

    def axes(self, step_x: Floats | float = 1.0, step_y: Floats | float = 1.0) -> tuple[Floats, Floats, Floats]:
        """Length, width and direction (n,) of the ellipse with the same second moments.

        `step_x` and `step_y` are the sizes of a pixel, so that lengths are in their unit. The direction is that of the
        long axis, in degrees from the x axis towards y (clockwise as images are shown), in (-90, 90]; NaN where no
        axis is longer.
        Source: M. K. Hu (1962), IRE Transactions on Information Theory 8(2), 179-187; the lengths are those of
        `skimage.measure.regionprops`, four times the root of the eigenvalues.
        """
        xx, yy, xy = self.xx * step_x**2, self.yy * step_y**2, self.xy * step_x * step_y
        middle, apart = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        angle = np.degrees(np.arctan2(2 * xy, xx - yy)) / 2
        angle = np.where(apart <= 1e-12 * np.maximum(middle, 1e-300), np.nan, angle)
        length, width = (4 * np.sqrt(np.maximum(each, 0)) for each in (middle + apart, middle - apart))
        return length, width, np.where(angle == -90, 90.0, angle)


def moments(runs: Runs, height: Ints, n_owners: int) -> Moments:
    """The moments of every owner; `height` (n_owners,) is that of its image.

    A run of L pixels from row t on has Σy = L t + L (L - 1) / 2 and Σy² = L t² + t L (L - 1) + (L - 1) L (2 L - 1) / 6.
    """
    x, top = columns(runs, height)
    # Relative to the first run, so that squares stay small.
    first = np.searchsorted(runs.owner, np.arange(n_owners))
    some = first < len(runs)
    origin_x, origin_y = np.zeros(n_owners, np.int64), np.zeros(n_owners, np.int64)
    origin_x[some], origin_y[some] = x[first[some]], top[first[some]]
    u = (x - origin_x[runs.owner]).astype(np.float64)
    t = (top - origin_y[runs.owner]).astype(np.float64)
    n = runs.length.astype(np.float64)
    down = n * t + n * (n - 1) / 2
    squared = n * t * t + t * n * (n - 1) + (n - 1) * n * (2 * n - 1) / 6

    def total(weights: Floats) -> Floats:
        return np.bincount(runs.owner, weights, n_owners).astype(np.float64, copy=False)

    area = total(n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = total(n * u) / area, total(down) / area
        xx = total(n * u * u) / area - mean_x**2
        yy = total(squared) / area - mean_y**2
        xy = total(u * down) / area - mean_x * mean_y
    return Moments(mean_x + origin_x, mean_y + origin_y, np.maximum(xx, 0), np.maximum(yy, 0), xy)
