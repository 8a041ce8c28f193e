"""Colours: compare the colours of pixels with those of their labelled category, without any model.

The image often shows that a network errs about a part of stuff: pale cytoplasm that is predicted as background has
the colours of cytoplasm. Colours are evidence that is independent of the network.
"""

from dataclasses import dataclass

import numpy as np

from segdata.core.image_files import ChannelArray
from segdata.core.runs import Floats, Ints
from segdata.noise.segments import SegmentPixels

_LEVELS, _GREY_LEVELS = 8, 32  # of each of three channels, and of a single one
_SMOOTHED = 3  # pixels on a side over which a colour is a mean
_PERCENTILES = 1.0, 99.0  # of a channel, between which its levels lie
_PRIOR_PIXELS = 50.0  # of the whole image, that count beside those of a category
_MAX_LOG_RATIO = 2.0  # of one pixel


@dataclass(frozen=True, slots=True)
class CoarseColours:
    """The quantised colours of an image."""

    code: Ints  # (width * height,) from 0, column by column
    n: int  # how many there can be

    @staticmethod
    def from_pixels(pixels: ChannelArray) -> "CoarseColours":
        """Quantise an image (C, height, width): its first three channels, or one if they are equal."""
        from scipy.ndimage import uniform_filter

        shown = np.nan_to_num(pixels[:3].astype(np.float32))
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
    counts = np.zeros((n_categories, colours.n))
    is_drawn = drawn >= 0
    np.add.at(counts, (drawn[is_drawn], colours.code[is_drawn]), 1.0)
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
