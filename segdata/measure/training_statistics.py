"""Training statistics: means of image channels, class weights, and how much of a model's work people kept."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.image_files import read_channels
from segdata.core.runs import Floats, Ints
from segdata.core.schema import runs_to_rle
from segdata.core.table import Table

EFFECTIVE_BETA = 0.999  # of the effective number of samples


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
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
class _ChannelSums:
    """Sums over images of one sort: pixels, and for each channel the mean and the sum of squares about it."""

    sort: tuple[str, int]
    n_images: int
    n_pixels: int
    mean: Floats
    squares: Floats

    def __add__(self, other: "_ChannelSums") -> "_ChannelSums":
        """Source: Chan, Golub and LeVeque (1979), Stanford STAN-CS-79-773: exact where plain sums cancel."""
        n, apart = self.n_pixels + other.n_pixels, other.mean - self.mean
        mean = self.mean + apart * (other.n_pixels / n)
        squares = self.squares + other.squares + apart**2 * (self.n_pixels * other.n_pixels / n)
        return _ChannelSums(self.sort, self.n_images + other.n_images, n, mean, squares)


def channel_statistics(images: Table, jobs: int = 0) -> tuple[tuple[ChannelStatistics, ...], int]:
    """The channels of the image files, those of most images first, and how many images could not be read.

    One image is decoded at a time by each of `jobs` threads. Images of another type or number of channels are another
    sort.
    """
    sums_by_sort: dict[tuple[str, int], _ChannelSums] = {}
    unread = 0
    lines = images.lines("uri", "height", "width")
    for sums in run_ordered(_image_sums, lines, jobs):
        if sums is None:
            unread += 1
        else:
            sums_by_sort[sums.sort] = sums_by_sort[sums.sort] + sums if sums.sort in sums_by_sort else sums
    return tuple(_statistics_of(sorted(sums_by_sort.values(), key=lambda sums: (-sums.n_images, sums.sort)))), unread


def _image_sums(line: tuple[str | None, int, int]) -> _ChannelSums | None:
    """The sums of one image; None if it cannot be read."""
    uri, height, width = line
    if uri is None:
        return None
    try:
        pixels = read_channels(uri, (height, width))
    except (OSError, SegdataError):
        return None  # reported by another rule
    values = pixels.reshape(len(pixels), -1).astype(np.float64)
    mean = values.mean(axis=1)
    squares = ((values - mean[:, None]) ** 2).sum(axis=1)
    return _ChannelSums((pixels.dtype.name, len(pixels)), 1, values.shape[1], mean, squares)


def _statistics_of(sums: Iterable[_ChannelSums]) -> Iterator[ChannelStatistics]:
    for total in sums:
        dtype = np.dtype(total.sort[0])
        top = float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
        mean, std = total.mean, np.sqrt(total.squares / total.n_pixels)
        yield ChannelStatistics(
            total.sort[0], tuple(mean.tolist()), tuple(std.tolist()), top, total.n_images, total.n_pixels
        )


def inverse_frequency(count: Ints | Floats) -> Floats:
    """Weights (k,) that make all categories count the same: the total over k times the count; 0 where a count is 0.

    k counts the categories that occur. The mean weight over all that was counted is 1.

    >>> inverse_frequency(np.array([6, 2, 0])).round(3).tolist()
    [0.667, 2.0, 0.0]
    """
    weights, some = np.zeros(len(count)), count > 0
    weights[some] = count.sum() / (some.sum() * count[some])
    return weights


def median_frequency(pixels: Ints | Floats, of_images: Ints | Floats) -> Floats:
    """Weights (k,): the median frequency over each category's own; 0 where a category does not occur.

    Takes the pixels of each category, and those of all images in which it occurs.
    Source: Eigen and Fergus (2015), ICCV, 2650-2658, section 6.3.2.

    >>> median_frequency(np.array([50, 10, 0]), np.array([100, 40, 0])).tolist()
    [0.75, 1.5, 0.0]
    """
    weights, some = np.zeros(len(pixels)), pixels > 0
    frequency = pixels[some] / of_images[some]
    weights[some] = np.median(frequency) / frequency if some.any() else 0
    return weights


def effective_weights(samples: Ints | Floats, beta: float = EFFECTIVE_BETA) -> Floats:
    """Weights (k,) by the effective number of samples, (1 - beta^n) / (1 - beta), with a mean of 1; 0 for none.

    Source: Cui and others (2019), "Class-Balanced Loss Based on Effective Number of Samples", CVPR, 9268-9277.

    >>> effective_weights(np.array([1, 10_000, 0])).round(3).tolist()
    [1.998, 0.002, 0.0]
    """
    weights, some = np.zeros(len(samples)), samples > 0
    weights[some] = (1 - beta) / -np.expm1(samples[some] * np.log(beta))
    return weights / weights[some].mean() if some.any() else weights


@dataclass(frozen=True, slots=True)
class AcceptedSegments:
    """Segments of people's annotations on images that a model annotated, too.

    Attributes
    ----------
    segments : how many segments these have
    unchanged : how many of them have the same pixels as one of the model's, in any category
    """

    segments: int = 0
    unchanged: int = 0


def count_accepted(batches: Iterable[Batch]) -> AcceptedSegments:
    """Count accepted segments: once for each annotator, without empty segments."""
    segments = unchanged = 0
    for batch in batches:
        source = batch.annotations["source"].to_pylist()
        if "model" not in source or set(source) == {"model"}:
            continue
        counts = runs_to_rle(batch.runs, *batch.segment_size).to_pylist()
        masks: dict[tuple[int, int], Counter[bytes]] = {}  # by image and annotation
        empty = (batch.runs.areas(batch.n_segments) == 0).tolist()
        rows = zip(batch.segment_image.tolist(), batch.segment_annotation.tolist(), counts, empty, strict=True)
        for image, annotation, pixels, is_empty in rows:
            if not is_empty:
                masks.setdefault((image, annotation), Counter())[pixels] += 1
        models: dict[int, Counter[bytes]] = {}
        for (image, annotation), own in masks.items():
            if source[annotation] == "model":
                models.setdefault(image, Counter()).update(own)
        for (image, annotation), own in masks.items():
            if source[annotation] != "model" and image in models:
                segments += own.total()
                unchanged += (own & models[image]).total()
    return AcceptedSegments(segments, unchanged)
