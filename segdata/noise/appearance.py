"""Appearance: an image's grey values, edges and colours, and features of the whole image, without any model.

The image often shows that a network errs about a part of stuff: pale cytoplasm that is predicted as background has
the colours of cytoplasm. Colours are evidence that is independent of the network.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segdata.core.errors import SegdataError
from segdata.core.image_files import ChannelArray, read_channels
from segdata.core.label_maps import LabelMaps
from segdata.core.runs import Floats, Ints
from segdata.noise.predictor import PixelValues
from segdata.noise.segments import SegmentPixels

_PERCENTILES = 1.0, 99.0  # of grey values, which become 0 and 1, and of a channel, between which its levels lie
_QUANTILES = 0.1, 0.5, 0.9
_TEXTURE_SCALES = 1, 4  # pixels over which an image is smoothed before differences are taken
_LEVELS, _GREY_LEVELS = 8, 32  # of each of three channels, and of a single one
_SMOOTHED = 3  # pixels on a side over which a colour is a mean
_PRIOR_PIXELS = 50.0  # of the whole image, that count beside those of a category
_MAX_LOG_RATIO = 2.0  # of one pixel


def read_picture(maps: LabelMaps, row: int) -> ChannelArray | None:
    """Read an image of a dataset, (C, height, width); None if its file is missing, damaged or of another size.

    If the image has several files, the first one is read.
    """
    uri, size = maps.uris[row], (int(maps.height[row]), int(maps.width[row]))
    first = next(iter(maps.channels[row] or (() if uri is None else (uri,))), None)
    if first is None:
        return None
    try:
        pixels = read_channels(first, size)
    except (OSError, SegdataError):
        return None
    return pixels if pixels.shape[1:] == size else None


def _real_values(pixels: ChannelArray) -> PixelValues:
    """The same in floats of 32 bits, without NaN and infinity, which whole numbers cannot be."""
    values = pixels.astype(np.float32)
    return values if pixels.dtype.kind in "iub" else np.nan_to_num(values)


def grey_values(pixels: ChannelArray) -> PixelValues:
    """(width, height) grey values of an image (C, height, width), mostly from 0 to 1: the mean of up to three channels.

    >>> [[round(float(value), 1) for value in column] for column in grey_values(np.array([[[0, 50], [100, 100]]]))]
    [[-0.0, 1.0], [0.5, 1.0]]
    """
    grey = _real_values(pixels[:3]).mean(axis=0)
    low, high = np.percentile(grey[:: max(grey.shape[0] // 300, 1), :: max(grey.shape[1] // 300, 1)], _PERCENTILES)
    return np.ascontiguousarray(((grey - low) / max(float(high - low), 1e-6)).T, np.float32)


@dataclass(frozen=True)
class GreyImage:
    """Grey values of an image (width, height), see `grey_values`, and its edges."""

    values: PixelValues

    @cached_property
    def edges(self) -> PixelValues:
        """(width, height), see `edge_strength`."""
        return edge_strength(self.values)


def edge_strength(grey: PixelValues) -> PixelValues:
    """(width, height) the strength of edges in grey values: the length of the smoothed gradient."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(grey, 1.0)
    return np.asarray(np.hypot(*np.gradient(smooth)) if min(grey.shape) > 1 else np.zeros_like(grey), np.float32)


def describe_appearance(pixels: ChannelArray) -> Floats:
    """(12,) features of an image (C, height, width), such that images of one kind are near each other.

    They are the logs of its sides, quantiles and spread of its grey values, its colour (three means of channels
    relative to grey), and the log of its variation from pixel to pixel at two scales.
    """
    from scipy.ndimage import gaussian_filter

    step = max(max(pixels.shape[1:]) // 512, 1)
    shown = _real_values(pixels[:3, ::step, ::step])
    full = float(np.iinfo(pixels.dtype.str).max) if pixels.dtype.kind in "iu" else max(float(np.abs(shown).max()), 1e-9)
    shown /= full
    grey = shown.mean(axis=0)
    spread = max(float(grey.std()), 1e-3)
    colour = np.zeros(3)
    colour[: len(shown)] = (shown - grey).mean(axis=(1, 2))
    texture = [float((grey - gaussian_filter(grey, scale)).std()) / spread for scale in _TEXTURE_SCALES]
    return np.array(
        [
            *np.log(pixels.shape[1:]),
            *np.quantile(grey, _QUANTILES),
            spread,
            *colour * 4,
            float(np.abs(shown - grey).mean()) * 4,
            *np.log(np.maximum(texture, 1e-3)),
        ]
    )


@dataclass(frozen=True, slots=True)
class CoarseColours:
    """The quantised colours of an image."""

    code: Ints  # (width * height,) from 0, column by column
    n: int  # how many there can be

    @staticmethod
    def from_pixels(pixels: ChannelArray) -> "CoarseColours":
        """Quantise an image (C, height, width): its first three channels, or one if they are equal."""
        from scipy.ndimage import uniform_filter

        shown = _real_values(pixels[:3])
        grey = len(shown) < 3 or not np.ptp(shown, axis=0).any()
        n_levels, code = _GREY_LEVELS if grey else _LEVELS, np.zeros(shown.shape[1:], np.int64)
        channels = shown[:1] if grey else shown
        for channel in channels:
            smooth = uniform_filter(channel, _SMOOTHED)
            low, high = np.percentile(smooth[::2, ::2], _PERCENTILES)
            level = (smooth - low) / max(float(high - low), 1e-6) * n_levels
            code = code * n_levels + level.clip(0, n_levels - 1).astype(np.int64)
        return CoarseColours(np.ascontiguousarray(code.T).ravel(), n_levels ** len(channels))


def colour_evidence(colours: CoarseColours, pixels: SegmentPixels, given: Ints, seen: Ints, drawn: Ints) -> Floats:
    """(n,) the mean log ratio of the colours of each segment under another category to those under its own.

    Parameters
    ----------
    pixels : of n segments that are labelled as `given` (n,)
    seen : (n,) the other category; -1: all pixels that are not labelled as `given`
    drawn : (width * height,) the category of each pixel of the image, below 0 where none counts

    The pixels of a segment do not count as examples of its own category. A category with few
    other pixels in the image is little known, so it gets the colours of the whole image.
    """
    n_categories = int(max(drawn.max(initial=0), given.max(initial=0), seen.max(initial=0))) + 1
    # Those below 0 come first: their rows are left out.
    below = max(-int(drawn.min(initial=0)), 0)
    coloured = np.bincount((drawn + below) * colours.n + colours.code, minlength=(n_categories + below) * colours.n)
    counts = coloured.reshape(-1, colours.n)[below:].astype(np.float64)
    whole = counts.sum(axis=0)
    key, own = np.unique(pixels.owner * colours.n + colours.code[pixels.index], return_counts=True)
    of, colour = np.divmod(key, colours.n)
    area = np.maximum(pixels.areas, 1)
    usual = (np.maximum(whole[colour] - own, 0) + 1) / (np.maximum(whole.sum() - area, 0)[of] + colours.n)
    of_given, n_given = counts[given[of], colour], counts.sum(axis=1)[given]
    any_other = seen < 0
    of_seen = np.where(any_other[of], whole[colour] - of_given, counts[np.maximum(seen, 0)[of], colour])
    n_seen = np.where(any_other, whole.sum() - n_given, counts.sum(axis=1)[np.maximum(seen, 0)])
    p_given = (np.maximum(of_given - own, 0) + _PRIOR_PIXELS * usual) / (
        np.maximum(n_given - area, 0)[of] + _PRIOR_PIXELS
    )
    p_seen = (of_seen + _PRIOR_PIXELS * usual) / (n_seen[of] + _PRIOR_PIXELS)
    ratio = np.clip(np.log(p_seen) - np.log(p_given), -_MAX_LOG_RATIO, _MAX_LOG_RATIO)
    return np.bincount(of, ratio * own, pixels.n) / area
