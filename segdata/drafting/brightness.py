"""Brightness: images of any depth and number of channels on one scale, and what of them stands out."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.planes import Planes

Colours = NDArray[np.float32]
Mask = NDArray[np.bool_]
_DARK, _BRIGHT = 1.0, 99.5  # percentiles that become 0 and 1
_WITH_ALPHA = (2, 4)  # channels


def scaled(pixels: Planes) -> Colours:
    """(height, width, channels) from 0 to 1 of an image (channels, height, width); alpha is left out."""
    colours = pixels[:-1] if len(pixels) in _WITH_ALPHA else pixels
    values = np.nan_to_num(colours.astype(np.float32).transpose(1, 2, 0), posinf=0, neginf=0)
    low, high = np.percentile(values, [_DARK, _BRIGHT])
    return np.asarray(np.clip((values - np.float32(low)) / np.float32(max(high - low, 1e-6)), 0, 1), np.float32)


def grey(colours: Colours) -> NDArray[np.float32]:
    """(height, width) the mean of the channels."""
    return np.asarray(colours.mean(axis=2), np.float32)


def foreground(colours: Colours, polarity: str = "auto", window: int = 0) -> Mask:
    """(height, width) what is brighter, or darker, than Otsu's threshold.

    `polarity` is ``bright``, ``dark`` or ``auto``: the side of which less lies at the frame, since objects are in the
    picture and the background goes on beyond it. `window` (pixels, 0: none): the threshold is the mean of such a
    neighbourhood plus what Otsu's is above the mean of the image, where light is uneven. An image of one value has no
    foreground. Source: Otsu (1979), IEEE Transactions on Systems, Man, and Cybernetics 9(1), 62-66.
    """
    from skimage.filters import threshold_otsu

    values = grey(colours)
    if values.min() == values.max():
        return np.zeros(values.shape, bool)
    limit = float(threshold_otsu(values))  # type: ignore[no-untyped-call]  # scikit-image has no types
    if window:
        from scipy.ndimage import uniform_filter

        bright = values - uniform_filter(values, window) > limit - float(values.mean())
    else:
        bright = values > limit
    if polarity == "auto":
        frame = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
        polarity = "bright" if frame.mean() <= 0.5 else "dark"
    return np.asarray(bright if polarity == "bright" else ~bright, bool)
