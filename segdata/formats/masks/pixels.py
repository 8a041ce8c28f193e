"""Pixels: those of an image as Pillow holds them, not copied where that is possible."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

_HELD = {"L": "u1", "P": "u1", "I;16": "<u2"}  # Pillow's mode -> type of pixels
_FOUR_BYTES = frozenset({"RGB", "RGBA"})


def pixels_of(image: Image.Image) -> NDArray[Any]:  # Any: of the image's type
    """The decoded pixels (height, width) of an image, (height, width, channels) of colours; not to be written to.

    Colours without alpha may have a fourth channel, which means nothing. Raises what Pillow raises where they cannot be
    decoded.
    """
    image.load()
    mapped = getattr(image, "map", None) is not None  # to a file, which may change
    if mapped or image.mode not in _HELD.keys() | _FOUR_BYTES or not hasattr(image, "__arrow_c_array__"):
        return np.asarray(image)
    try:
        held: Any = pa.array(image).buffers()[-1]  # Any: pyarrow has no types
    except ValueError:  # Pillow keeps large images in several pieces
        return np.asarray(image)
    if image.mode in _FOUR_BYTES:
        return np.frombuffer(held, np.uint8).reshape(image.height, image.width, 4)
    return np.frombuffer(held, _HELD[image.mode]).reshape(image.height, image.width)
