"""Centre: the pixels whose centres lie inside polygons, by the even-odd rule."""

import numpy as np

from segdata.core.runs import Ints, Runs, expand_ranges
from segdata.formats.shapes.flat import Flat
from segdata.formats.shapes.shape import Floats


def fill_centres(flat: Flat, height: Ints, width: Ints) -> Runs:
    """The pixels whose centres lie inside each of n polygons; owners are the polygons.

    Even-odd over all rings of a polygon. A centre on an edge belongs to what lies below it or to its right, so that
    polygons with a common edge share no pixel and leave none out. Sizes (n,) of the images are in pixels.
    """
    x, y, owner = _crossings(flat, width)
    high = height[owner]
    row = np.clip(np.ceil(y - 0.5), 0, high).astype(np.int64)
    # One number line for all polygons, with a spare place below each column: nothing joins across columns.
    room = width * (height + 1)
    base = np.cumsum(room) - room
    place = np.sort(base[owner] + x * (high + 1) + row, kind="stable")  # ten times as fast: edges come in order
    # Every ring crosses a column's centre line an even number of times, so that no pair leaves its column.
    begin, end = place[0::2], place[1::2]
    some = end > begin
    begin, end = begin[some], end[some]
    apart = np.flatnonzero(end[:-1] != begin[1:])
    begin, end = np.append(begin[:1], begin[apart + 1]), np.append(end[apart], end[-1:])
    owner = np.searchsorted(base + room, begin, side="right")
    column, top = np.divmod(begin - base[owner], height[owner] + 1)
    return Runs(column * height[owner] + top, end - begin, owner.astype(np.int32))


def _crossings(flat: Flat, width: Ints) -> tuple[Ints, Floats, Ints]:
    """Where edges cross the centre lines of columns: the column, y, and the polygon of each crossing."""
    following = np.arange(1, len(flat.points) + 1)
    following[flat.ring[1:] - 1] = flat.ring[:-1]
    a, b = flat.points, flat.points[following]
    # From left to right whichever way the ring goes: polygons with a common edge get the same numbers.
    swap = (a[:, 0] > b[:, 0])[:, None]
    x0, y0 = np.where(swap, b, a).T.copy()
    x1, y1 = np.where(swap, a, b).T.copy()
    polygon = np.repeat(flat.polygon_of_ring, np.diff(flat.ring))
    first = np.maximum(np.ceil(x0 - 0.5), 0).astype(np.int64)
    last = np.minimum(np.ceil(x1 - 0.5), width[polygon]).astype(np.int64)
    count = np.maximum(last - first, 0)
    edge, column = np.repeat(np.arange(len(a)), count), expand_ranges(first, count)
    dx, dy = x1 - x0, y1 - y0
    y = y0[edge] + (column + 0.5 - x0[edge]) * dy[edge] / dx[edge]  # in this order, exact wherever a double can be
    return column, y, polygon[edge]
