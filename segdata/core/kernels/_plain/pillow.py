"""Polygons as Pillow draws them, by Pillow itself."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._plain.canvas import Pixels, Rings, runs_of_drawings

Int64 = NDArray[np.int64]


def draw_pillow(
    xy: NDArray[np.float64], ring: Int64, segment: Int64, height: Int64, width: Int64
) -> tuple[Int64, Int64, NDArray[np.int32]]:
    """Runs of polygons: of each segment, all that `ImageDraw.polygon` fills of its rings, one after the other.

    Takes and returns what `rasterise` does; coordinates are truncated. Compiled, it is the rule of Pillow since 11.2:
    for every row, from where one edge meets it to where the next one does, in single precision, rounded outwards; where
    two edges form a corner, the span in its row reaches to the one of the next row. Horizontal edges are drawn whole.
    Source: polygon_generic in python-pillow/Pillow, src/libImaging/Draw.c.

    >>> square = np.array([1.0, 1, 3, 1, 3, 3, 1, 3])
    >>> start, length, owner = draw_pillow(square, np.array([0, 8]), np.array([0, 1]), np.array([4]), np.array([4]))
    >>> start.tolist(), length.tolist(), owner.tolist()
    ([5, 9, 13], [3, 3, 3], [0, 0, 0])
    """
    return runs_of_drawings(_draw, xy, ring, segment, height, width)


def _draw(rings: Rings, height: int, width: int) -> Pixels:
    from PIL import Image, ImageDraw

    image = Image.new("L", (width, height))
    canvas = ImageDraw.Draw(image)
    for ring in rings:
        if len(ring) > 1:
            canvas.polygon(ring.ravel().tolist(), fill=1)
    return np.asarray(image, np.uint8).reshape(height, width)
