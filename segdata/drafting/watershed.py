"""Watershed: the foreground, divided where objects that touch have a waist."""

import numpy as np

from segdata.drafting.brightness import Colours, foreground, grey
from segdata.drafting.tidy import Labels, filled, without_small


def watershed(
    colours: Colours,
    *,
    polarity: str = "auto",
    window: int = 0,
    min_pixels: int = 30,
    max_hole: int = 30,
    waist: float = 0.25,
    smooth: float = 2.0,
) -> Labels:
    """(height, width) objects, numbered from 1.

    Seeds are the places deepest inside the foreground, those apart by a waist of less than `waist` of their depth; from
    there the foreground is flooded along the distance to its border. `smooth` pixels of Gaussian blur come before the
    threshold. Source: Meyer (1994), Signal Processing 38(1), 113-125; h-maxima: Soille (1999), Morphological Image
    Analysis, section 6.3.4, with h a share of the depth.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter, label
    from skimage.morphology import reconstruction
    from skimage.segmentation import watershed as flooded

    soft = gaussian_filter(grey(colours), smooth)[:, :, None] if smooth else colours
    inside = filled(foreground(soft, polarity, window), max_hole)
    if not inside.any():
        return np.zeros(inside.shape, np.int32)
    depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    lowered = reconstruction(depth * (1 - waist), depth)  # type: ignore[no-untyped-call]  # scikit-image has no types
    seeds, _ = label((depth > lowered) & inside, structure=np.ones((3, 3)))
    found = flooded(-depth, seeds, mask=inside)  # type: ignore[no-untyped-call]  # as above
    return without_small(np.asarray(found, np.int32), min_pixels)
