"""Label maps without slivers: what occlusion left over is given to its neighbours."""

import cv2
import numpy as np
from numpy.typing import NDArray


def tidy(labels: NDArray[np.int32], min_pixels: int) -> tuple[NDArray[np.int32], list[int]]:
    """Give parts under `min_pixels` to the nearest large part, then number the labels 1, 2, ...

    Takes and returns (height, width) maps, without 0; the list tells which old label each new one was.
    Parts are 4-connected.
    """
    while (loose := small_parts(labels, min_pixels)).any():
        if loose.all():
            raise ValueError(f"no part of the label map has {min_pixels} pixels")
        labels = nearest_label(labels, ~loose)
    kept, numbered = np.unique(labels, return_inverse=True)
    return (numbered.reshape(labels.shape) + 1).astype(np.int32), [int(label) for label in kept]


def small_parts(labels: NDArray[np.int32], min_pixels: int) -> NDArray[np.bool_]:
    """Which pixels of a label map lie in 4-connected parts of fewer pixels than that, (height, width)."""
    loose = np.zeros(labels.shape, bool)
    for label in np.unique(labels):
        _, parts, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=4)
        small = stats[:, cv2.CC_STAT_AREA] < min_pixels
        small[0] = False
        loose |= small[parts]
    return loose


def nearest_label(labels: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The map where each pixel outside `kept` has the label of the nearest pixel inside."""
    _, nearest = cv2.distanceTransformWithLabels(
        (~kept).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    label_of = np.zeros(int(nearest.max()) + 1, np.int32)
    label_of[nearest[kept]] = labels[kept]
    return np.asarray(label_of[nearest])
