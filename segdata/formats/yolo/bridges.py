"""Bridges: a line has one ring, so parts and holes are joined by ways there and back, which are no pixels of theirs.

OpenCV draws edges, and so every bridge as a line of pixels. Ways that a ring goes in both directions, between the very
same points, are taken for bridges where without them several rings are left.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.core.outline import Rings
from segdata.core.runs import Ints, Runs
from segdata.core.unkeyhole import bridged as goes_back
from segdata.core.unkeyhole import unkeyhole
from segdata.formats.shapes.bitmap import crop_bitmaps
from segdata.formats.shapes.bridge import bridged
from segdata.formats.shapes.shape import Bitmap, Floats, Polygon, Shape

_STEPS = 16  # within a pixel, where rings may pass without meeting
_LAST = _STEPS - 1
_FEWEST = 3  # points of a ring


def in_pixels(shares: Floats, height: int, width: int) -> Floats:
    """Points (n, 2) in pixels, of shares of the image's sides: in single precision, as Ultralytics computes them."""
    sides = np.array([width, height], np.float32)
    pixels: Floats = (shares.astype(np.float32) * sides).astype(np.float64)
    return pixels


def shapes_of(rings: Sequence[Floats], height: int, width: int) -> list[Shape]:
    """What n rings (m, 2), in pixels, stand for: polygons, and where they are bridged, bitmaps without the bridges."""
    shapes: list[Shape] = [Polygon(each) for each in rings]
    for row in _meeting(rings):
        alone = Rings.alone(rings[row].ravel(), np.array([0, rings[row].size]))
        parts = unkeyhole(alone) if goes_back(alone)[0] else alone
        if len(parts) > 1:
            shapes[row] = _drawn(parts, height, width)
    return shapes


def _meeting(rings: Sequence[Floats]) -> list[int]:
    """The rows of rings that have a point twice; only these can go back their own way."""
    points = np.concatenate([np.empty((0, 2)), *rings])
    ring = np.repeat(np.arange(len(rings)), np.fromiter(map(len, rings), np.int64, len(rings)))
    order = np.lexsort((points[:, 1], points[:, 0], ring))
    again = (points[order[1:]] == points[order[:-1]]).all(axis=1) & (ring[order[1:]] == ring[order[:-1]])
    rows: list[int] = np.unique(ring[order[1:][again]]).tolist()
    return rows


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


def single_rings(runs: Runs, height: int, n_owners: int) -> list[Floats]:
    """One ring (m, 2) in pixels for each segment, that `shapes_of` makes exactly the segment of; (0, 2) without pixels.

    Points lie within the pixels at the borders, no two at the same place: so nothing but bridges is gone back, not even
    along parts that are one pixel wide.
    """
    found: list[Floats] = []
    for bitmap in crop_bitmaps(runs, np.full(n_owners, height, np.int64), n_owners):
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
    """The rings in sixteenths of pixels, each pixel passed at another place every time."""
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
