"""Polygons: their pixels as COCO, OpenCV and Pillow draw them, their crossings, and their coordinates in JSON."""

import json
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._reference.labels import label_runs
from segdata.core.kernels._reference.sweep import cover, expand
from segdata.core.kernels.checks import check_offsets

Int64 = NDArray[np.int64]
Pixels = NDArray[np.uint8]
Rings = list[NDArray[np.int32]]


def rasterise(
    xy: NDArray[np.float64], ring: Int64, segment: Int64, height: Int64, width: Int64
) -> tuple[Int64, Int64, NDArray[np.int32]]:
    """Runs of polygons: of each segment, the union of its rings.

    Takes coordinates `xy` in pixels (x, y, x, y, ...; finite, at most 10^7 from the frame); ring j is
    `xy[ring[j]:ring[j + 1]]`, a last odd number is ignored; segment i owns the rings `segment[i]:segment[i + 1]` and
    lies in an image of `height[i]` x `width[i]` pixels. Returns `start`, `length` in pixels and `owner`, the
    segment's number, sorted by (owner, start), each run inside one column and as long as it can be. Source: rleFrPoly
    in cocodataset/cocoapi, common/maskApi.c, which walks every fifth of a pixel along every edge; here only the steps
    over the centre lines of columns are computed, by the same expressions.

    >>> square = np.array([1.0, 1, 3, 1, 3, 3, 1, 3])
    >>> start, length, owner = rasterise(square, np.array([0, 8]), np.array([0, 1]), np.array([4]), np.array([4]))
    >>> start.tolist(), length.tolist(), owner.tolist()
    ([5, 9], [2, 2], [0, 0])
    """
    check_offsets(ring, len(ring) - 1, len(xy))
    check_offsets(segment, len(height), len(ring) - 1)
    ring, segment = ring[segment[0] : segment[-1] + 1], segment - segment[0]
    owner_of_ring = np.repeat(np.arange(len(height)), np.diff(segment))
    xs, ys, xe, ye, ring_of_edge = _edges(xy, ring)
    k, row, edge = _crossings(xs, ys, xe, ye, width[owner_of_ring[ring_of_edge]])
    crossed = ring_of_edge[edge]
    owner = owner_of_ring[crossed]
    row = np.where(row < 2, 0, np.minimum(height[owner], (row + 2) // 5))  # ceil((row - 2) / 5) in the column
    return _fill(k * height[owner] + row, crossed, owner_of_ring, height, width)


def _edges(xy: NDArray[np.float64], ring: Int64) -> tuple[Int64, Int64, Int64, Int64, Int64]:
    """The edges of the rings, in fifths of a pixel, and the ring of each."""
    size = np.diff(ring) // 2
    point, ring_of_point = expand(np.zeros_like(size), size)
    number = ring[ring_of_point] + 2 * point
    x = (5 * xy[number] + 0.5).astype(np.int64)
    y = (5 * xy[number + 1] + 0.5).astype(np.int64)
    first = np.cumsum(size) - size
    following = np.where(point == size[ring_of_point] - 1, first[ring_of_point], np.arange(len(point)) + 1)
    return x, y, x[following], y[following], ring_of_point


def _crossings(xs: Int64, ys: Int64, xe: Int64, ye: Int64, width: Int64) -> tuple[Int64, Int64, Int64]:
    """The columns k in which edges step from x = 5 k + 2 to 5 k + 3, the row of the lower x, and the edge of each."""
    dx, dy = np.abs(xe - xs), np.abs(ye - ys)
    flat: NDArray[np.bool_] = dx >= dy
    flip: NDArray[np.bool_] = (flat & (xs > xe)) | (~flat & (ys > ye))
    xs, xe = np.where(flip, xe, xs), np.where(flip, xs, xe)
    ys, ye = np.where(flip, ye, ys), np.where(flip, ys, ye)
    low = np.maximum(0, (np.minimum(xs, xe) + 2) // 5)
    high = np.minimum(width - 1, (np.maximum(xs, xe) - 3) // 5)
    k, edge = expand(low, high + 1)
    xs, ys, xe, ye, dx, dy = (column[edge] for column in (xs, ys, xe, ye, dx, dy))
    flat, flip = flat[edge], flip[edge]
    row = np.empty_like(k)
    slope = (ye - ys)[flat] / dx[flat]
    # The lower of the two points on a flat edge: its row is monotonous in t, rounding included.
    t = 5 * k[flat] + 2 - xs[flat] + (slope < 0)
    row[flat] = (ys[flat] + slope * t + 0.5).astype(np.int64)
    t = np.zeros_like(k)
    t[~flat] = _step_over(xs[~flat], xe[~flat], dy[~flat], 5 * k[~flat] + 2, flip[~flat])
    row[~flat] = (ys + t - 1)[~flat]
    kept = flat | (t > 0)
    return k[kept], row[kept], edge[kept]


def _step_over(xs: Int64, xe: Int64, dy: Int64, level: Int64, flip: NDArray[np.bool_]) -> Int64:
    """The t in 1..dy at which steep edges step over the line between x = level and level + 1; 0 where one jumps it.

    The column of a point is (int)(xs + s t + .5), which is monotonous in t, rounding included: an estimate of t,
    corrected by the expression itself, finds the step that a walk over every t would find.
    """
    slope = (xe - xs) / dy
    rises = xe > xs

    def column(t: Int64) -> Int64:
        return (xs + slope * t + 0.5).astype(np.int64)

    t = np.clip(((level + 0.5 - xs) / slope).astype(np.int64), 1, dy)
    while (late := (t > 1) & ((column(t - 1) > level) == rises)).any():
        t = t - late
    while (early := (t < dy) & ((column(t) > level) != rises)).any():
        t = t + early
    # The walk looks at the point it arrives at: with edges of 10^8 steps rounding can skip a column.
    arrived = np.where(flip, column(t - 1) == level + ~rises, column(t) == level + rises)
    return np.where(arrived, t, 0)


def _fill(
    position: Int64, ring: Int64, owner_of_ring: Int64, height: Int64, width: Int64
) -> tuple[Int64, Int64, NDArray[np.int32]]:
    """Runs from the first crossing of a ring to the second, from the third to the fourth; united and cut by column."""
    pixels = height * width
    odd = np.flatnonzero(np.bincount(ring, minlength=len(owner_of_ring)) % 2)
    position = np.concatenate([position, pixels[owner_of_ring[odd]]])
    ring = np.concatenate([ring, odd])
    order = np.lexsort((position, ring))
    begin, end = position[order].reshape(-1, 2).T
    owner = owner_of_ring[ring[order][::2]]
    # One number line for all segments; a gap keeps those of neighbouring segments apart.
    base = np.cumsum(pixels + 1) - (pixels + 1)
    order = np.argsort(begin + base[owner], kind="stable")
    start, length, _ = cover((begin + base[owner])[order], (end + base[owner])[order])
    owner = np.searchsorted(base, start, side="right") - 1
    start -= base[owner]
    tall = height[owner]
    k, place = expand(start // tall, (start + length - 1) // tall + 1)
    top = np.maximum(start[place], k * tall[place])
    bottom = np.minimum((start + length)[place], (k + 1) * tall[place])
    return top, bottom - top, owner[place].astype(np.int32)


EPSILON = 1e-6  # square pixels: what is flatter than this does not cross


def crossings(
    xy: NDArray[np.float64], ring: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Proper crossings of each ring with itself: pairs of its edges that meet in a point inside both.

    So rings that only touch themselves, and bridges that are walked back and forth, do not cross.

    Parameters
    ----------
    xy : (m,) x and y in turn, pixels
    ring : (n + 1,) ring i is the numbers ``xy[ring[i]:ring[i + 1]]``; it is closed from its last point to its first

    Returns count (n,), and x and y (n,) of the crossing of the first edge that crosses (NaN without one).
    """
    n_rings = len(ring) - 1
    count, cross_x, cross_y = np.zeros(n_rings, np.int64), np.full(n_rings, np.nan), np.full(n_rings, np.nan)
    for row in range(n_rings):
        n_points = (ring[row + 1] - ring[row]) // 2
        if n_points > 3:
            points = xy[ring[row] : ring[row] + 2 * n_points].reshape(-1, 2)
            count[row], cross_x[row], cross_y[row] = _find_crossings(points)
    return count, cross_x, cross_y


def recurring(xy: NDArray[np.float64], ring: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) whether a ring is at some point twice.

    Takes rings as `crossings` does.

    >>> recurring(np.array([0.0, 0, 1, 1, 0, 0, 2, 2, 3, 3]), np.array([0, 6, 10])).tolist()
    [True, False]
    """
    n_points = np.diff(ring) // 2
    ring_of = np.repeat(np.arange(len(n_points)), n_points)
    position = np.arange(len(ring_of)) - np.repeat(np.cumsum(n_points) - n_points, n_points)
    x, y = (xy[np.repeat(ring[:-1], n_points) + 2 * position + side] for side in (0, 1))
    order = np.lexsort((y, x, ring_of))
    again = (
        (ring_of[order[1:]] == ring_of[order[:-1]]) & (x[order[1:]] == x[order[:-1]]) & (y[order[1:]] == y[order[:-1]])
    )
    recurs = np.zeros(len(n_points), bool)
    recurs[ring_of[order[1:][again]]] = True
    return recurs


def _find_crossings(a: NDArray[np.float64]) -> tuple[int, float, float]:
    """How often the closed ring through the points (n, 2) crosses itself, and where first."""
    b = np.roll(a, -1, axis=0)
    along = b - a
    # turn_a[i, j]: which side of edge i the start of edge j lies on; turn_b: its end.
    turn_a = along[:, None, 0] * (a[None, :, 1] - a[:, None, 1]) - along[:, None, 1] * (a[None, :, 0] - a[:, None, 0])
    turn_b = along[:, None, 0] * (b[None, :, 1] - a[:, None, 1]) - along[:, None, 1] * (b[None, :, 0] - a[:, None, 0])
    splits = ((turn_a > EPSILON) & (turn_b < -EPSILON)) | ((turn_a < -EPSILON) & (turn_b > EPSILON))
    first, second = np.nonzero(np.triu(splits & splits.T, 1))
    if len(first) == 0:
        return 0, np.nan, np.nan
    i, j = first[0], second[0]
    t = turn_a[j, i] / (turn_a[j, i] - turn_b[j, i])
    x, y = a[i] + t * along[i]
    return len(first), float(x), float(y)


def flawed_rings(xy: NDArray[np.float64], ring: Int64, most: float) -> NDArray[np.bool_]:
    """(n_rings,) rings of an odd number of numbers, of under 3 points, without width or height, or far away.

    Ring j is ``xy[ring[j]:ring[j + 1]]``, x and y in turn; no coordinate may be beyond `most` or NaN.

    >>> flawed_rings(np.array([0.0, 0, 1, 0, 1, 1, 0, 0, 5, 0, 9, 0]), np.array([0, 6, 12]), 7.0).tolist()
    [False, True]
    """
    count = np.diff(ring)
    wrong: NDArray[np.bool_] = (count % 2 == 1) | (count < 6)
    far = ~(np.abs(xy) <= most)
    wrong[np.repeat(np.arange(len(count)), count)[far]] = True
    for j in np.flatnonzero(~wrong).tolist():
        points = xy[ring[j] : ring[j + 1]].reshape(-1, 2)
        wrong[j] = (points == points[0]).all(axis=0).any()
    return wrong


def convex_rings(xy: NDArray[np.float64], ring: Int64, shallow: float) -> NDArray[np.bool_]:
    """(n_rings,) rings that turn to one side alone, but for points up to `shallow` pixels from their neighbours' chord.

    Takes rings as `flawed_rings` does. One of an odd number of numbers, without a point or with NaN is none.

    >>> arrow = np.array([0.0, 0, 4, 2, 0, 4, 1, 2])
    >>> convex_rings(arrow, np.array([0, 8]), 0.5).tolist(), convex_rings(arrow, np.array([0, 8]), 1.0).tolist()
    ([False], [True])
    """
    check_offsets(ring, len(ring) - 1, len(xy))
    convex = np.zeros(len(ring) - 1, bool)
    for j in np.flatnonzero((np.diff(ring) > 0) & (np.diff(ring) % 2 == 0)).tolist():
        points = xy[ring[j] : ring[j + 1]].reshape(-1, 2)
        before = np.roll(points, 1, axis=0)
        to, chord = points - before, np.roll(points, -1, axis=0) - before
        cross = to[:, 0] * chord[:, 1] - to[:, 1] * chord[:, 0]
        least = shallow * np.sqrt(chord[:, 0] ** 2 + chord[:, 1] ** 2)
        convex[j] = (cross >= -least).all() or (cross <= least).all()
    return convex


def ring_lengths(xy: NDArray[np.float64], ring: Int64, segment: Int64) -> NDArray[np.float64]:
    """The length of the rings of each segment (n_segments,), from the last point back to the first, in pixels.

    Takes rings and segments as `rasterise` does.

    >>> square = np.array([1.0, 1, 3, 1, 3, 3, 1, 3])
    >>> ring_lengths(square, np.array([0, 8]), np.array([0, 1])).tolist()
    [8.0]
    """
    check_offsets(ring, len(ring) - 1, len(xy))
    check_offsets(segment, len(segment) - 1, len(ring) - 1)
    size = np.diff(ring) // 2
    point, ring_of_point = expand(np.zeros_like(size), size)
    following = np.where(point == size[ring_of_point] - 1, 0, point + 1)
    number, next_number = (ring[ring_of_point] + 2 * rows for rows in (point, following))
    edge = np.sqrt((xy[next_number] - xy[number]) ** 2 + (xy[next_number + 1] - xy[number + 1]) ** 2)
    owner = np.searchsorted(segment, ring_of_point, side="right") - 1
    within = (owner >= 0) & (ring_of_point < segment[-1])
    return np.bincount(owner[within], edge[within], len(segment) - 1).astype(np.float64, copy=False)


def ring_boxes(xy: NDArray[np.float64], ring: Int64, segment: Int64) -> NDArray[np.float64]:
    """Left, top, right and bottom (4, n_segments) of the points of each segment, in pixels.

    Takes rings and segments as `rasterise` does. NaN for segments without points, and with a coordinate that is no
    number.

    >>> ring_boxes(np.array([1.0, 2, 3, 2, 3, 5]), np.array([0, 6]), np.array([0, 1])).ravel().tolist()
    [1.0, 2.0, 3.0, 5.0]
    """
    check_offsets(ring, len(ring) - 1, len(xy))
    check_offsets(segment, len(segment) - 1, len(ring) - 1)
    boxes = np.full((4, len(segment) - 1), np.nan)
    low, high = (np.full((2, len(segment) - 1), side) for side in (np.inf, -np.inf))
    size = np.diff(ring) // 2
    point, ring_of_point = expand(np.zeros_like(size), size)
    owner = np.searchsorted(segment, ring_of_point, side="right") - 1
    within = (owner >= 0) & (ring_of_point < segment[-1])
    number, owner = (ring[ring_of_point] + 2 * point)[within], owner[within]
    for k in range(2):
        np.fmin.at(low[k], owner, xy[number + k])
        np.fmax.at(high[k], owner, xy[number + k])
    is_known = np.bincount(owner, minlength=len(segment) - 1) > 0
    is_known[owner[np.isnan(xy[number]) | np.isnan(xy[number + 1])]] = False
    boxes[:, is_known] = np.vstack([low, high])[:, is_known]
    return boxes


def parse_rings(
    text: bytes | bytearray | memoryview | NDArray[np.uint8], first: Int64, last: Int64
) -> tuple[NDArray[np.float64], Int64, Int64, NDArray[np.uint8]]:
    """Coordinates of polygons `[[x, y, ...], ...]` in JSON.

    Takes the bytes, and where each of the n polygons begins and ends in them. Returns `xy` (m,), the numbers as
    Python's `float` reads them; `ring` (r + 1,), where each ring begins in `xy`; `segment` (n + 1,), where each
    polygon's rings begin in `ring`; and `error` (n,): 0 fine, 1 not a list of lists of numbers, 2 a NaN or Infinity
    among the numbers. A polygon with an error has no rings. Rings come as they are, empty or with an odd count of
    numbers.

    >>> xy, ring, segment, error = parse_rings(b"[[1, 2.5], [-3e1]]", np.array([0]), np.array([18]))
    >>> xy.tolist(), ring.tolist(), segment.tolist(), error.tolist()
    ([1.0, 2.5, -30.0], [0, 2, 3], [0, 2], [0])
    """
    view = np.frombuffer(text, np.uint8)
    read = [_read(view, int(i), int(j)) for i, j in zip(first, last, strict=True)]
    rings = [np.array(ring, np.float64) for polygon, _ in read for ring in polygon]
    return (
        np.concatenate([np.zeros(0), *rings]),
        np.cumsum([0, *map(len, rings)], dtype=np.int64),
        np.cumsum([0, *(len(polygon) for polygon, _ in read)], dtype=np.int64),
        np.array([error for _, error in read], np.uint8),
    )


def _read(view: NDArray[np.uint8], first: int, last: int) -> tuple[list[list[float]], int]:
    """One polygon and its error."""
    strange: list[str] = []

    def constant(name: str) -> float:
        strange.append(name)
        return 0.0

    if not 0 <= first <= last <= len(view):
        return [], 1
    try:
        # Latin-1 keeps every byte one character: json.loads would guess an encoding from bytes.
        rings = json.loads(view[first:last].tobytes().decode("latin-1"), parse_int=float, parse_constant=constant)
    except (ValueError, RecursionError):
        return [], 1
    lists = isinstance(rings, list) and all(isinstance(ring, list) for ring in rings)
    if not lists or not all(isinstance(number, float) for ring in rings for number in ring):
        return [], 1
    return ([], 2) if strange else (rings, 0)


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
    """The pixels of an image of this size that rings cover, edges included."""
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
