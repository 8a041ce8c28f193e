"""Colour masks changed without leaving specks behind, which would be defects that nobody meant."""

import numpy as np

from segdata.sample import write
from segdata.sample.defects.site import Mask
from segdata.sample.tidy import nearest_label, tidy


def without_crumbs(mask: np.ndarray, min_pixels: int = 20) -> np.ndarray:
    """A colour mask whose smallest parts are given to their surroundings."""
    labels, kept = tidy((mask.astype(np.int32) @ np.array([1, 256, 65536])).astype(np.int32), min_pixels)
    return write.packed_png(np.array([0, *kept])[labels])


def nearest_colour(mask: np.ndarray, erased: Mask, thing: Mask) -> np.ndarray:
    """A colour mask in which some pixels of a thing take the colour of the nearest pixel that is not the thing."""
    packed = (mask.astype(np.int32) @ np.array([1, 256, 65536])).astype(np.int32)
    return write.packed_png(np.where(erased, nearest_label(packed, ~thing), packed).astype(np.int64))
