"""Polygons as OpenCV draws them, by OpenCV itself."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._plain.canvas import Pixels, Rings, runs_of_drawings

Int64 = NDArray[np.int64]


def draw_opencv(
    xy: NDArray[np.float64], ring: Int64, segment: Int64, height: Int64, width: Int64
) -> tuple[Int64, Int64, NDArray[np.int32]]:
    """Runs of polygons: of each segment, what `fillPoly` fills of all its rings in one call.

    Takes and returns what `rasterise` does; coordinates are truncated. Edges are drawn by Bresenham's algorithm, and by
    even-odd what lies between them in every row, in fixed point with sixteen bits. Edges that leave the image are
    shortened first, which changes their slopes a little: so pixels depend on the image's size. Source:
    CollectPolyEdges, FillEdgeCollection and clipLine in opencv/opencv, modules/imgproc/src/drawing.cpp.

    >>> square = np.array([1.0, 1, 3, 1, 3, 3, 1, 3])
    >>> start, length, owner = draw_opencv(square, np.array([0, 8]), np.array([0, 1]), np.array([4]), np.array([4]))
    >>> start.tolist(), length.tolist(), owner.tolist()
    ([5, 9, 13], [3, 3, 3], [0, 0, 0])
    """
    return runs_of_drawings(_draw, xy, ring, segment, height, width)


def _draw(rings: Rings, height: int, width: int) -> Pixels:
    import cv2

    pixels = np.zeros((height, width), np.uint8)
    if rings and pixels.size:
        cv2.fillPoly(pixels, rings, 1)
    return pixels
