"""Bridges: ways that a polygon goes there and back, to join parts and holes in a format that has one ring for all.

Pillow draws edges, and so every bridge as a line of pixels that nobody meant.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.core.outline import Rings
from segdata.core.unkeyhole import bridged, unkeyhole
from segdata.formats.shapes.flat import sums
from segdata.formats.shapes.shape import Bitmap, Polygon, Ring, Shape


def unbridged(rings: Sequence[Ring], height: int, width: int) -> list[Shape]:
    """What n rings stand for in an image of this size: polygons, and of those with bridges the pixels without these.

    What a ring goes in both directions is a bridge where without it several rings are left. Edges of holes are pixels
    of the segment, as they are in the ring.
    """
    shapes: list[Shape] = [Polygon(ring) for ring in rings]
    offset = sums(np.array([ring.size for ring in rings], np.int64))
    every = Rings.alone(np.concatenate([np.empty(0), *(ring.ravel() for ring in rings)]), offset)
    for row in np.flatnonzero(bridged(every)).tolist():
        parts = unkeyhole(Rings.alone(rings[row].ravel(), np.array([0, rings[row].size])))
        if len(parts) > 1:
            shapes[row] = _drawn(parts, height, width)
    return shapes


def _drawn(parts: Rings[np.float64], height: int, width: int) -> Bitmap:
    """The pixels of rings and their holes by Pillow's rule, within the image."""
    points = [np.array(each).reshape(-1, 2).astype(np.int32) for each in parts.as_lists()]
    low = np.maximum(np.concatenate(points).min(axis=0), 0)
    high = np.minimum(np.concatenate(points).max(axis=0) + 1, [width, height])
    if (high <= low).any():
        return Bitmap(0, 0, np.zeros((0, 0), bool))
    canvas = Image.new("L", (int(high[0] - low[0]), int(high[1] - low[1])))
    draw = ImageDraw.Draw(canvas)
    for each, hole in zip(points, parts.hole.tolist(), strict=True):
        draw.polygon((each - low).ravel().tolist(), fill=0 if hole else 1, outline=1)
    mask: NDArray[np.bool_] = np.asarray(canvas) > 0
    return Bitmap(int(low[0]), int(low[1]), mask)
