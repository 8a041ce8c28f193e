"""Bridges: ways that a polygon goes there and back, to join parts and holes in a format that has one ring for all.

Pillow and OpenCV draw edges, and so every bridge as a line of pixels that nobody meant. Ways that a ring goes in both
directions, between the very same points, are taken for bridges where without them several rings are left. Dead ends
are none: so an outline goes along what is one pixel wide.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.core import kernels
from segdata.core.polygons import Rings, has_bridges, spurs, unkeyhole
from segdata.core.runs import Ints
from segdata.formats.shapes.flat import Flat, sums
from segdata.formats.shapes.shape import Bitmap
from segdata.formats.tools.written import polygon_of_point, taken


def parts_of(flat: Flat) -> dict[int, Rings[np.float64]]:
    """The rings that bridged polygons, of one ring each, consist of, by their rows; last the edges of dead ends."""
    rows = _revisiting(flat)
    if len(rows) == 0:
        return {}
    few = taken(flat, rows)
    rings = Rings.alone(few.points.ravel(), 2 * few.ring)
    back = np.flatnonzero(has_bridges(rings))
    if len(back) == 0:
        return {}
    parts = unkeyhole(rings.take(back))
    several = np.flatnonzero(np.diff(parts.offsets(len(rows))) > 1)
    parts = parts.merged(spurs(rings.take(several)))
    offset = parts.offsets(len(rows)).tolist()
    return {int(rows[k]): parts.take(np.arange(offset[k], offset[k + 1])) for k in several.tolist()}


def goes_back(flat: Flat) -> NDArray[np.bool_]:
    """(n,) which polygons, of one ring each, go some way in both directions, between the same two points."""
    found = np.zeros(len(flat.polygon) - 1, bool)
    rows = _revisiting(flat)
    few = taken(flat, rows)
    found[rows] = has_bridges(Rings.alone(few.points.ravel(), 2 * few.ring))
    return found


def _revisiting(flat: Flat) -> Ints:
    """The rows of polygons, of one ring each, that come to a point again after others, as on their own way back."""
    rows = _recurring(flat)
    few = taken(flat, rows)
    following = np.arange(1, len(few.points) + 1)
    following[few.ring[1:] - 1] = few.ring[:-1]
    kept = (few.points != few.points[following]).any(axis=1)  # a point that is repeated at once is no way back
    count = np.bincount(polygon_of_point(few)[kept], minlength=len(rows))
    return rows[_recurring(Flat(few.points[kept], sums(count), few.polygon))]


def _recurring(flat: Flat) -> Ints:
    """The rows of polygons, of one ring each, that have a point twice."""
    rows: Ints = np.flatnonzero(kernels.recurring(flat.points.ravel(), 2 * flat.ring))
    return rows


def unbridged(flat: Flat, height: Ints, width: Ints) -> dict[int, Bitmap]:
    """The pixels of those of n polygons that have bridges, without these, by Pillow's rule and by their rows.

    Edges of holes are pixels of the segment, as they are in the ring. Sizes (n,) of the images are in pixels.
    """
    return {row: _drawn(parts, int(height[row]), int(width[row])) for row, parts in parts_of(flat).items()}


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
