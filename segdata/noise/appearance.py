"""Appearance: an image's grey values and edges, and features of the whole image, without any model."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segdata.core.errors import SegdataError
from segdata.core.image_files import ChannelArray, read_channels
from segdata.core.label_maps import LabelMaps
from segdata.core.runs import Floats
from segdata.noise.predictor import PixelValues

_PERCENTILES = 1.0, 99.0  # of grey values, which become 0 and 1
_QUANTILES = 0.1, 0.5, 0.9
_TEXTURE_SCALES = 1, 4  # pixels over which an image is smoothed before differences are taken


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


def grey_values(pixels: ChannelArray) -> PixelValues:
    """(width, height) grey values of an image (C, height, width), mostly from 0 to 1: the mean of up to three channels.

    >>> [[round(float(value), 1) for value in column] for column in grey_values(np.array([[[0, 50], [100, 100]]]))]
    [[-0.0, 1.0], [0.5, 1.0]]
    """
    grey = np.nan_to_num(pixels[:3].astype(np.float32)).mean(axis=0)
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
    shown = np.nan_to_num(pixels[:3, ::step, ::step].astype(np.float32))
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
