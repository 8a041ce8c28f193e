"""Channels: mean and standard deviation of the images' channels, to paste into training."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.planes import planes
from segdata.core.table import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels of all images of one sort.

    Attributes
    ----------
    dtype : of their values, ``uint8``
    mean, std : (n_channels,) over all pixels of all images, of the values as they are
    top : the largest value that the type holds; 1 for floats: divided by it values are in [0, 1]
    n_images, n_pixels : how many
    """

    dtype: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    top: float
    n_images: int
    n_pixels: int


@dataclass(frozen=True, slots=True)
class _Sums:
    """Of images of one sort: pixels, and for each channel the mean and the sum of squares about it."""

    sort: tuple[str, int]
    n_images: int
    n_pixels: int
    mean: Floats
    squares: Floats

    def __add__(self, other: "_Sums") -> "_Sums":
        """Source: Chan, Golub and LeVeque (1979), Stanford STAN-CS-79-773: exact where plain sums cancel."""
        n, apart = self.n_pixels + other.n_pixels, other.mean - self.mean
        mean = self.mean + apart * (other.n_pixels / n)
        squares = self.squares + other.squares + apart**2 * (self.n_pixels * other.n_pixels / n)
        return _Sums(self.sort, self.n_images + other.n_images, n, mean, squares)


def channels(images: Table, jobs: int = 0) -> tuple[tuple[Channels, ...], int]:
    """The channels of the image files, those of most images first, and how many images could not be read.

    One image is decoded at a time by each of `jobs` threads. Images of another type or number of channels are another
    sort.
    """
    found: dict[tuple[str, int], _Sums] = {}
    unread = 0
    lines = images.lines("uri", "height", "width")
    for each in run_ordered(_sums, lines, jobs):
        if each is None:
            unread += 1
        else:
            found[each.sort] = found[each.sort] + each if each.sort in found else each
    return tuple(_told(sorted(found.values(), key=lambda each: (-each.n_images, each.sort)))), unread


def _sums(line: tuple[str | None, int, int]) -> _Sums | None:
    """Of one image; None where it cannot be read."""
    uri, height, width = line
    if uri is None:
        return None
    try:
        pixels = planes(uri, (height, width))
    except (OSError, SegdataError):
        return None  # another rule's business
    values = pixels.reshape(len(pixels), -1).astype(np.float64)
    mean = values.mean(axis=1)
    squares = ((values - mean[:, None]) ** 2).sum(axis=1)
    return _Sums((pixels.dtype.name, len(pixels)), 1, values.shape[1], mean, squares)


def _told(sums: Iterable[_Sums]) -> Iterator[Channels]:
    for each in sums:
        dtype = np.dtype(each.sort[0])
        top = float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
        mean, std = each.mean, np.sqrt(each.squares / each.n_pixels)
        yield Channels(each.sort[0], tuple(mean.tolist()), tuple(std.tolist()), top, each.n_images, each.n_pixels)
