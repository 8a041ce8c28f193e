"""Sums over the pixels of outlines."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels.outline_checks import check_outlines

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def outline_sums(
    distance: Float64,
    length: Int64,
    top: Int64,
    across: Int64,
    inside: NDArray[np.uint8],
    sheet: NDArray[np.int32],
    shape: Int64,
    height: Int64,
    wide: Float64,
    high: Float64,
    beside: Float64,
    within: Float64,
    far: Float64,
) -> tuple[Int64, Float64]:
    """Counts and sums of the pixels of each shape's outline.

    Takes the `distance` (p,) of each pixel to another outline, strip by strip; of the n strips their `length`, first
    row `top`, how many columns they are `across` from the end of the image, whether they are `inside` the other shape,
    and their `sheet`; of each sheet its `shape`, the `height` of its image in rows, how `wide` and `high` a pixel is,
    and how far the sheet is from the end of a volume (`beside`, infinite in an image); and of each of k shapes the
    distance `within` which outlines are one, and how `far` they may be apart to be compared.

    Returns (k, 3) how many pixels there are, how many of these are near, and how many are compared: those not farther
    than `far`, nor than the end of the image or volume; and (k, 3) the sums of the distances of all, and of those that
    are compared of the distances, below 0 inside the other shape, and of their squares.
    """
    check_outlines(distance, [length, top, across, inside, sheet], [shape, height, wide, high, beside], within, far)
    strip = np.repeat(np.arange(len(length)), length)
    on = sheet[strip]
    of = shape[on]
    row = top[strip] + np.arange(len(strip)) - np.repeat(np.cumsum(length) - length, length)
    room = np.minimum(across * wide[sheet], beside[sheet])[strip]
    end = np.minimum(room, np.minimum(row, height[on] - 1 - row) * high[on])
    compared = (distance <= far[of]) & np.isfinite(distance) & (distance < end)
    finite = np.where(compared, distance, 0.0)
    n = len(within)
    counts = [np.ones(len(of), bool), distance <= within[of], compared]
    signed = np.where(inside[strip].astype(bool), -finite, finite)
    return (
        np.stack([np.bincount(of[flags], minlength=n) for flags in counts], axis=1).astype(np.int64),
        np.stack([np.bincount(of, values, n) for values in (distance, signed, finite * finite)], axis=1),
    )
