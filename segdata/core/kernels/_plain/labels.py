"""Runs of label images."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Pixel = TypeVar("Pixel", bound=np.generic)


def label_runs(
    image: NDArray[np.integer],
) -> tuple[Int64, Int64, NDArray[np.integer]]:
    """Runs of equal value, column by column, the background included.

    Takes an image (height, width) of integers, or one of bytes (height, width, 3 or 4), whose values are colours as
    `pack_rgb` has them. Returns `start`, `length` in pixels and `value` (r,), with the image's dtype or that of packed
    colours: the longest vertical runs, which cover the image without gaps.

    >>> start, length, value = label_runs(np.array([[1, 2], [1, 3]], np.uint8))
    >>> start.tolist(), length.tolist(), value.tolist()
    ([0, 2, 3], [2, 1, 1], [1, 2, 3])
    """
    coloured = image.ndim == 3 and image.shape[2] in (3, 4) and image.dtype == np.uint8
    if image.ndim != 2 and not coloured:
        raise ValueError(f"the image has shape {image.shape}: (height, width) is needed, or 3 or 4 bytes a pixel")
    values: NDArray[Any] = pack_rgb(image) if coloured else image  # Any: of the image's dtype, or packed
    columns = np.ascontiguousarray(values.T)
    begins = np.ones(columns.shape, bool)
    np.not_equal(columns[:, 1:], columns[:, :-1], out=begins[:, 1:])
    start = np.flatnonzero(begins)
    return start, np.diff(start, append=values.size), columns.ravel()[start]


def pack_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """One number for each colour: red + 256 green + 65536 blue; alpha is ignored.

    Takes an image (height, width, 3 or 4). Returns (height, width).

    >>> pack_rgb(np.array([[[1, 2, 3]]], np.uint8)).tolist()
    [[197121]]
    """
    if image.shape[2] not in (3, 4):
        raise ValueError(f"the image has {image.shape[2]} channels: 3 or 4 are needed")
    place = np.array([1, 1 << 8, 1 << 16], np.uint32)
    packed: NDArray[np.uint32] = (image[..., :3] * place).sum(axis=2, dtype=np.uint32)
    return packed
