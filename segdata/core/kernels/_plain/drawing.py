"""Polygons as OpenCV and Pillow draw them, on canvases of the images' sizes."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._plain.labels import label_runs
from segdata.core.kernels._plain.sweep import expand
from segdata.core.kernels.checks import check_offsets

Int64 = NDArray[np.int64]
Pixels = NDArray[np.uint8]
Rings = list[NDArray[np.int32]]


def runs_of_drawings(
    draw: Callable[[Rings, int, int], Pixels],
    xy: NDArray[np.float64],
    ring: Int64,
    segment: Int64,
    height: Int64,
    width: Int64,
) -> tuple[Int64, Int64, NDArray[np.int32]]:
    """Start, length and owner of the runs of what `draw` makes of each segment's rings; see `draw_pillow`.

    `draw` takes the rings (m, 2) of a segment, height and width, and returns pixels (height, width).
    """
    check_offsets(ring, len(ring) - 1, len(xy))
    check_offsets(segment, len(height), len(ring) - 1)
    if len(width) != len(height):
        raise ValueError(f"{len(height)} heights come with {len(width)} widths")
    sizes = zip(height.tolist(), width.tolist(), strict=True)
    starts, lengths, owners = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    for owner, (tall, wide) in enumerate(sizes):
        first, last = segment[owner : owner + 2].tolist()
        rings = [_points(xy[ring[j] : ring[j + 1]]) for j in range(first, last)]
        start, length, value = label_runs(draw([ring for ring in rings if len(ring)], tall, wide))
        is_drawn = value > 0
        starts.append(start[is_drawn])
        lengths.append(length[is_drawn])
        owners.append(np.full(np.count_nonzero(is_drawn), owner, np.int32))
    return np.concatenate(starts), np.concatenate(lengths), np.concatenate(owners)


def _points(numbers: NDArray[np.float64]) -> NDArray[np.int32]:
    """The points (m, 2), truncated; a last odd number is none."""
    return numbers[: len(numbers) // 2 * 2].reshape(-1, 2).astype(np.int32)


_POINT = 16
_UNIT = 1 << _POINT


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
    return runs_of_drawings(_fill_like_opencv, xy, ring, segment, height, width)


def _fill_like_opencv(rings: Rings, height: int, width: int) -> Pixels:
    """What rings cover, edges included, of an image of this size."""
    pixels = np.zeros((height, width), np.uint8)
    if not rings or not pixels.size:
        return pixels
    ends = np.concatenate(rings).astype(np.int64)
    begins = np.concatenate([np.roll(ring, 1, axis=0) for ring in rings]).astype(np.int64)
    full, inside = np.concatenate([begins, ends], axis=1), np.concatenate([begins, ends], axis=1)
    is_inside = _shorten(inside, height, width)
    x, y = _line_pixels(inside[is_inside])
    pixels[y, x] = 1
    row, left, right = _spans(full, inside, height)
    left, right = np.clip(left, 0, width), np.clip(right + 1, 0, width)
    row, left, right = row[right > left], left[right > left], right[right > left]
    change = np.zeros((height, width + 1), np.int32)
    np.add.at(change, (row, left), 1)
    np.subtract.at(change, (row, right), 1)
    pixels[np.cumsum(change[:, :width], axis=1) > 0] = 1
    return pixels


def _outside(x: Int64, y: Int64, height: int, width: int) -> tuple[Int64, Int64]:
    """Beyond which side points lie: -1 left or above, 1 right or below, 0 neither."""
    return (x >= width).astype(np.int64) - (x < 0), (y >= height).astype(np.int64) - (y < 0)


def _shorten(line: Int64, height: int, width: int) -> NDArray[np.bool_]:
    """Move the ends of lines (n, 4: x, y, x, y) to the borders of the image, as far as needed; False: nothing inside.

    First to the upper or lower border, one end after the other, then to the left or right one: each end on the line
    that the moves before it have left, so that slopes change a little.
    """
    is_inside = np.zeros(len(line), bool)
    sides = [np.stack(_outside(line[:, i], line[:, i + 1], height, width)) for i in (0, 2)]
    apart = ((sides[0] == sides[1]) & (sides[0] != 0)).any(axis=0)
    is_cut = ~apart & ((sides[0] != 0) | (sides[1] != 0)).any(axis=0)
    is_inside[~apart & ~is_cut] = True
    cut = line[is_cut]
    for axis, last in ((1, height - 1), (0, width - 1)):  # rows, then columns
        for i in (0, 2):
            side = _outside(cut[:, i], cut[:, i + 1], height, width)[axis]
            moved = np.flatnonzero(side)
            to = np.where(side[moved] < 0, 0, last)
            rise = (cut[moved, 3 - axis] - cut[moved, 1 - axis]).astype(np.float64)
            run = (cut[moved, 2 + axis] - cut[moved, axis]).astype(np.float64)
            cut[moved, i + 1 - axis] += ((to - cut[moved, i + axis]) * rise / run).astype(np.int64)
            cut[moved, i + axis] = to
        if axis == 1:
            columns = [_outside(cut[:, i], cut[:, i + 1], height, width)[0] for i in (0, 2)]
            kept = (columns[0] != columns[1]) | (columns[0] == 0)
            line[np.flatnonzero(is_cut)[~kept]] = cut[~kept]
            is_cut[np.flatnonzero(is_cut)[~kept]] = False
            cut = cut[kept]
    line[is_cut] = cut
    is_inside[is_cut] = True
    return is_inside


def _line_pixels(line: Int64) -> tuple[Int64, Int64]:
    """The pixels of lines (n, 4) within the image, by Bresenham's algorithm, from left to right."""
    x0, y0, x1, y1 = np.where(line[:, :1] > line[:, 2:3], line[:, [2, 3, 0, 1]], line).T
    dx, dy = x1 - x0, np.abs(y1 - y0)
    long, short = np.maximum(dx, dy), np.minimum(dx, dy)
    step, edge = expand(np.zeros_like(long), long + 1)
    aside = np.maximum(-((long[edge] - 2 * short[edge] * step) // np.maximum(2 * long[edge], 1)), 0)
    is_steep = (dy > dx)[edge]
    down = np.where(y1 < y0, -1, 1)[edge]
    return x0[edge] + np.where(is_steep, aside, step), y0[edge] + down * np.where(is_steep, step, aside)


def _spans(full: Int64, inside: Int64, height: int) -> tuple[Int64, Int64, Int64]:
    """Row, first and last column of what lies between edges, by even-odd.

    `full` (n, 4) are the edges, `inside` the same after they were shortened, which gives them their slopes.
    """
    is_crossing = full[:, 1] != full[:, 3]
    full, inside = full[is_crossing], inside[is_crossing]
    level = inside[:, 1] == inside[:, 3]  # only the columns were cut, of a line along the border
    inside[level, 1], inside[level, 3] = full[level, 1], full[level, 3]
    rise, run = (inside[:, 2] - inside[:, 0]) * _UNIT, inside[:, 3] - inside[:, 1]
    slope = np.sign(rise) * np.sign(run) * (np.abs(rise) // np.abs(run))  # truncated
    upper = np.where(full[:, 1] < full[:, 3], 0, 2)
    rows = np.arange(len(full))
    top, bottom = full[rows, upper + 1], full[rows, 3 - upper]
    x = inside[rows, upper] * _UNIT + (top - inside[rows, upper + 1]) * slope
    row, edge = expand(np.maximum(top, 0), np.minimum(bottom, height))
    crossing = x[edge] + (row - top[edge]) * slope[edge]
    order = np.lexsort((crossing, row))
    row, crossing = row[order], crossing[order]  # each ring crosses each row an even number of times
    return row[::2], (crossing[::2] + _UNIT - 1) >> _POINT, crossing[1::2] >> _POINT


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
    return runs_of_drawings(_fill_like_pillow, xy, ring, segment, height, width)


def _fill_like_pillow(rings: Rings, height: int, width: int) -> Pixels:
    from PIL import Image, ImageDraw

    image = Image.new("L", (width, height))
    canvas = ImageDraw.Draw(image)
    for ring in rings:
        if len(ring) > 1:
            canvas.polygon(ring.ravel().tolist(), fill=1)
    return np.asarray(image, np.uint8).reshape(height, width)
