"""Bridges: ways that a polygon goes there and back, to join parts and holes in a format that has one ring for all.

Pillow and OpenCV draw edges, and so every bridge as a line of pixels that nobody meant. Ways that a ring goes in both
directions, between the very same points, are taken for bridges where without them several rings are left. Dead ends
are none: so an outline goes along what is one pixel wide.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.core.outline import Rings
from segdata.core.runs import Ints
from segdata.core.unkeyhole import bridged, spurs, unkeyhole
from segdata.formats.shapes.flat import Flat
from segdata.formats.shapes.shape import Bitmap
from segdata.formats.tools.written import polygon_of_point, taken

_DRAWERS = 20  # the logarithm of the most in a table, which is to stay in the processor's cache
_MIX = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: a hash by multiplication


def parts_of(flat: Flat) -> dict[int, Rings[np.float64]]:
    """The rings that bridged polygons, of one ring each, consist of, by their rows; last the edges of dead ends."""
    rows = _revisiting(flat)
    if len(rows) == 0:
        return {}
    few = taken(flat, rows)
    rings = Rings.alone(few.points.ravel(), 2 * few.ring)
    back = np.flatnonzero(bridged(rings))
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
    found[rows] = bridged(Rings.alone(few.points.ravel(), 2 * few.ring))
    return found


def _revisiting(flat: Flat) -> Ints:
    """The rows of polygons that have a point twice, as all do that go their own way back.

    Points are compared by a hash, which is faster to sort than three columns; one polygon too many in many millions
    would be no harm. Only those that share a drawer of a table with another point are sorted.
    """
    n = len(flat.polygon) - 1
    bits = np.uint64(64 - max(n, 1).bit_length())
    x, y = (flat.points + 0.0).T.copy().view(np.uint64)  # which makes -0 to 0
    key = (x * _MIX ^ y >> np.uint64(1)) * _MIX ^ y
    key = (key * _MIX >> np.uint64(64) - bits) | polygon_of_point(flat).astype(np.uint64) << bits
    following = np.arange(1, len(key) + 1)
    following[flat.ring[1:] - 1] = flat.ring[:-1]
    key = key[key != key[following]]  # a point that is repeated at once is no way back
    n_bits = min((16 * len(key)).bit_length(), _DRAWERS)
    drawer = (key * _MIX >> np.uint64(64 - n_bits)).astype(np.int64) if n_bits else np.zeros(0, np.int64)
    last = np.zeros(1 << n_bits, np.int32)
    last[drawer] = np.arange(len(key), dtype=np.int32)
    shared = np.zeros(len(last), bool)
    shared[drawer[last[drawer] != np.arange(len(key))]] = True
    key = key[shared[drawer]]
    key.sort()
    rows: Ints = np.unique((key[1:][key[1:] == key[:-1]] >> bits).astype(np.int64))
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
