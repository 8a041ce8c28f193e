"""Bridges: a line has one ring, so parts and holes are joined by ways there and back, which are no pixels of theirs.

OpenCV draws edges, and so every bridge as a line of pixels.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.core.polygons import Rings
from segdata.core.runs import Ints, Runs
from segdata.formats.shapes.bitmap import crop_bitmaps
from segdata.formats.shapes.bridge import bridged
from segdata.formats.shapes.flat import Flat
from segdata.formats.shapes.shape import Bitmap, Floats, Polygon, Shape
from segdata.formats.tools.bridges import parts_of

_STEPS = 32  # within a pixel, where rings may pass without meeting
_LAST = _STEPS // 2 - 1  # before the middle: whether one truncates, as Ultralytics, or rounds, as supervision
_FEWEST = 3  # points of a ring


def in_pixels(shares: Floats, sides: Floats) -> Floats:
    """Points (n, 2) in pixels, of shares of the image's `sides`: in single precision, as Ultralytics computes them.

    `sides` (2,) or (n, 2) are width and height in pixels.
    """
    pixels: Floats = (shares.astype(np.float32) * sides.astype(np.float32)).astype(np.float64)
    return pixels


def unbridged(flat: Flat, height: Ints, width: Ints) -> dict[int, Bitmap]:
    """The pixels of those of n polygons that have bridges, without these, by their rows.

    Sizes (n,) of the images are in pixels.
    """
    return {row: _drawn(parts, int(height[row]), int(width[row])) for row, parts in parts_of(flat).items()}


def shapes_of(rings: Sequence[Floats], height: Ints, width: Ints) -> list[Shape]:
    """What n rings (m, 2), in pixels, stand for: polygons, and where they are bridged, bitmaps without the bridges.

    Sizes (n,) of the images are in pixels.
    """
    shapes: list[Shape] = [Polygon(each) for each in rings]
    for row, bitmap in unbridged(Flat.of([Polygon(each) for each in rings]), height, width).items():
        shapes[row] = bitmap
    return shapes


def _drawn(rings: Rings[np.float64], height: int, width: int) -> Bitmap:
    """The pixels that OpenCV makes of rings, all at once: by even-odd, and their edges."""
    points = [np.array(each).reshape(-1, 2).astype(np.int32) for each in rings.as_lists()]
    low, high = np.concatenate(points).min(axis=0), np.concatenate(points).max(axis=0) + 1
    corner, end = np.maximum(low, 0), np.minimum(high, [width, height])
    if (end <= corner).any():
        return Bitmap(0, 0, np.zeros((0, 0), bool))
    pixels = np.zeros((end - corner)[::-1], np.uint8)
    cv2.fillPoly(pixels, [each - corner.astype(np.int32) for each in points], 1)
    return Bitmap(int(corner[0]), int(corner[1]), pixels > 0)


def single_rings(runs: Runs, height: Ints) -> list[Floats]:
    """One ring (m, 2) in pixels for each segment, that `shapes_of` makes exactly the segment of; (0, 2) without pixels.

    `height` (n,) is that of the segments' images, in pixels.

    Points lie within the pixels at the borders, no two at the same place: so nothing but bridges is gone back, not even
    along parts that are one pixel wide.
    """
    found: list[Floats] = []
    for bitmap in crop_bitmaps(runs, height, len(height)):
        if not bitmap.mask.size:
            found.append(np.empty((0, 2)))
            continue
        mask = np.ascontiguousarray(bitmap.mask, np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        rings = [_padded(contour[:, 0].astype(np.int32)) for contour in contours]
        found.append(bridged(_apart(rings)) / _STEPS + [bitmap.x, bitmap.y])
    return found


def _padded(ring: NDArray[np.int32]) -> NDArray[np.int32]:
    """The ring, its last point repeated until there are three."""
    return np.concatenate([ring, np.repeat(ring[-1:], max(_FEWEST - len(ring), 0), axis=0)])


def _apart(rings: list[NDArray[np.int32]]) -> list[NDArray[np.int32]]:
    """The rings in steps within pixels, each pixel passed at another place every time."""
    points = np.concatenate(rings).astype(np.int64)
    _, pixel = np.unique(points[:, 0] << 32 | points[:, 1], return_inverse=True)
    time = _times(pixel)
    within = np.stack([1 + time % (_LAST - 1), 1 + time * time % _LAST], axis=1)
    apart = (points * _STEPS + np.minimum(within, _LAST)).astype(np.int32)
    return np.split(apart, np.cumsum([len(ring) for ring in rings])[:-1])


def _times(value: Ints) -> Ints:
    """(n,) how often each value came before.

    >>> _times(np.array([5, 7, 5, 5])).tolist()
    [0, 0, 1, 2]
    """
    order = np.argsort(value, kind="stable")
    ordered = value[order]
    times = np.empty(len(value), np.int64)
    times[order] = np.arange(len(value)) - np.searchsorted(ordered, ordered)
    return times
