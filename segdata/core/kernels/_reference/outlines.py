"""Connected parts and outlines of segments, triangulations of points, and distances between outlines."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._reference.groups import nearest
from segdata.core.kernels._reference.sweep import expand
from segdata.core.kernels.checks import check_offsets, check_outlines, check_reach

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def parts(x: Int64, top: Int64, bottom: Int64, owner: NDArray[np.int32], diagonal: bool) -> tuple[Int64, Int64, Int64]:
    """The connected part of each run, how many of its pixels have their owner to the left, too, and its links.

    Takes runs in column `x` from row `top` up to, not including, `bottom`, sorted by (owner, x, top) and disjoint for
    each owner. Runs of one owner are connected where they share a row in adjacent columns, or touch in one column;
    with `diagonal` also where only corners touch. Returns `part` (n,), numbered from 0 in the order of first runs
    over all owners, `left` (n,) in pixels, and `links` (n,): the runs in the column to the left that a run touches,
    and the one above it where the two touch. Without `diagonal`, and where no run touches the one above it, a part's
    runs less its links are its Euler number: runs are simply connected, and no three of them meet.

    >>> x, top = np.array([0, 0, 1]), np.array([0, 5, 1])
    >>> part, left, links = parts(x, top, top + 2, np.zeros(3, np.int32), False)
    >>> part.tolist(), left.tolist(), links.tolist()
    ([0, 1, 0], [0, 0, 1], [0, 0, 1])
    """
    # Heavy, and only needed where nothing is compiled.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(x)
    i, j = _left_neighbours(x, top, bottom, owner, diagonal)
    shared = np.maximum(0, np.minimum(bottom[i], bottom[j]) - np.maximum(top[i], top[j]))
    left = np.zeros(n, np.int64)
    np.add.at(left, i, shared)
    same_column = (x[1:] == x[:-1]) & (owner[1:] == owner[:-1])
    below = np.flatnonzero(same_column & (top[1:] == bottom[:-1])) + 1
    i, j = np.concatenate([i, below]), np.concatenate([j, below - 1])
    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(n, n))
    label = connected_components(graph, directed=False)[1] if n else np.zeros(0, np.int32)
    _, first, part = np.unique(label, return_index=True, return_inverse=True)
    links = np.bincount(i, minlength=n).astype(np.int64, copy=False)
    return np.argsort(np.argsort(first))[part].astype(np.int64, copy=False), left, links


def _left_neighbours(
    x: Int64, top: Int64, bottom: Int64, owner: NDArray[np.int32], diagonal: bool
) -> tuple[Int64, Int64]:
    """Runs i and the runs j of the same owner in the column to their left that they touch."""
    new = np.ones(len(x), bool)
    new[1:] = (x[1:] != x[:-1]) | (owner[1:] != owner[:-1])
    group = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    adjacent = np.zeros(len(first), bool)
    adjacent[1:] = (owner[first[1:]] == owner[first[:-1]]) & (x[first[1:]] == x[first[:-1]] + 1)
    # All columns one after the other on one line, far enough apart that corners cannot touch.
    lowest = top.min(initial=0)
    line = group * (bottom.max(initial=0) - lowest + 2) - lowest
    before = line - (bottom.max(initial=0) - lowest + 2)
    touches = int(diagonal)
    low = np.searchsorted(line + bottom + touches, before + top, side="right")
    high = np.searchsorted(line + top, before + bottom + touches, side="left")
    j, i = expand(low, np.where(adjacent[group], high, low))
    return i, j


def follow(x: Int64, top: Int64, bottom: Int64, owner: NDArray[np.int32]) -> Int64:
    """Which edge of a run comes after each on the way around its segment, pixels of the segment on the right hand.

    Takes runs in column `x` from row `top` up to, not including, `bottom`, sorted by (owner, x, top), disjoint for
    each owner, and none touching another in its column. Edge 2 i is the top of run i, from left to right; edge 2 i + 1
    is its bottom, from right to left. Returns (2 n,): the edge after each; what leads from one to the other lies on
    the line between two columns. The way turns right at pixels that touch at a corner only: it stays on the pixel.

    >>> x, top = np.array([0, 1]), np.array([0, 1])
    >>> follow(x, top, top + 2, np.zeros(2, np.int32)).tolist()
    [2, 0, 3, 1]
    """
    edge = np.arange(2 * len(x))
    run, is_top = edge // 2, edge % 2 == 0
    y = np.where(is_top, top[run], bottom[run])
    # Each edge has an end on the line to its right and one on the line to its left. A top arrives at the right one.
    edges, tops = np.tile(edge, 2), np.tile(is_top, 2)
    arrives = tops == np.repeat([True, False], len(edge))
    line = np.concatenate([x[run] + 1, x[run]])
    # Down a line, every end begins or ends a stretch with the segment on one side only, so two by two they belong
    # together. Bottoms first: then it is pixels, not gaps, that a touching corner keeps apart.
    order = np.lexsort((tops, np.tile(y, 2), line, owner[np.tile(run, 2)]))
    upper, lower = order[0::2], order[1::2]
    begins = arrives[upper]
    after = np.empty(2 * len(x), np.int64)
    after[edges[np.where(begins, upper, lower)]] = edges[np.where(begins, lower, upper)]
    return after


def cycles(after: Int64) -> tuple[Int64, Int64]:
    """The cycles of a permutation.

    Takes what comes after each of n items. Returns `order` (n,), the items cycle by cycle, each cycle from its
    smallest item on and the cycles in the order of those; and `offset` (n_cycles + 1,), where each begins in `order`.

    >>> [column.tolist() for column in cycles(np.array([2, 1, 4, 3, 0]))]
    [[0, 2, 4, 1, 3], [0, 3, 4, 5]]
    """
    n = len(after)
    if not np.array_equal(np.sort(after), np.arange(n)):
        raise ValueError(f"{n} items do not come after one another in cycles")
    first, ahead = np.arange(n), after
    while not np.array_equal(first, smaller := np.minimum(first, first[ahead])):
        first, ahead = smaller, ahead[ahead]
    last = after == first
    steps = np.where(last, 0, 1)  # to the last item of the cycle, by doubling
    ahead = np.where(last, np.arange(n), after)
    while (more := steps[ahead]).any():
        steps, ahead = steps + more, ahead[ahead]
    order = np.lexsort((-steps, first))
    begins = np.flatnonzero(first == np.arange(n))
    return order, np.concatenate([np.searchsorted(first[order], begins), [n]]).astype(np.int64)


def bridges(xy: NDArray[np.float64], ring: Int64, first: Int64) -> tuple[Int64, Int64]:
    """A short way from each ring to one of those before it.

    Takes coordinates `xy` (x, y, x, y, ...); ring j is `xy[ring[j]:ring[j + 1]]`, with one point or more; it may be
    joined to rings `first[j]` to j - 1. Rings with `first[j]` = j begin a group of their own, which rings after them
    do not reach beyond. Returns points `here` (n_rings,) of the ring itself and `there` (n_rings,) of another, -1 for
    a ring with nowhere to go: `there` is the point nearest to the ring's first, and `here` the one nearest to that.
    Among equally near points it is the first.

    >>> points = np.array([0.0, 0, 9, 0, 9, 9, 12, 0, 10, 0])
    >>> [column.tolist() for column in bridges(points, np.array([0, 6, 10]), np.array([0, 0]))]
    [[-1, 4], [-1, 1]]
    """
    check_offsets(ring, len(first), len(xy))
    check_reach(ring, first)
    points, start = xy.reshape(-1, 2), ring // 2
    here, there = np.full(len(first), -1), np.full(len(first), -1)
    for j in np.flatnonzero(first < np.arange(len(first))).tolist():
        there[j] = _nearest(points, start[first[j]], start[j], start[j])
        here[j] = _nearest(points, start[j], start[j + 1], there[j])
    return here, there


def _nearest(points: NDArray[np.float64], low: int, high: int, to: int) -> int:
    """The first point of `low:high` that is nearest to the point `to`."""
    return low + int(((points[low:high] - points[to]) ** 2).sum(axis=1).argmin())


def borders(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.int32], Int64, NDArray[np.bool_], Int64]:
    """Rings along the border pixels of a bitmap (height, width), of what is not zero, and how they lie in each other.

    Parts are 8-connected. An outer border runs along the pixels of its part, a hole's border along the pixels of the
    part around it; points in the middle of straight lines (along rows, columns and diagonals) are left out. Returns
    `xy` (n, 2), the points x, y of all rings; `ring` (m + 1,), where each ring begins in `xy`; `hole` (m,), whether it
    is a hole's; and `parent` (m,), the ring directly around it, -1 for none. Rings come as `findContours` of OpenCV
    gives them: the one whose first pixel comes last, row by row, is the first.
    Source: S. Suzuki and K. Abe (1985), Topological structural analysis of digitized binary images by border following,
    Computer Vision, Graphics, and Image Processing 30(1), 32-46.

    >>> xy, ring, hole, parent = borders(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8))
    >>> xy.tolist()
    [[0, 1], [1, 0], [2, 1], [1, 2], [0, 0], [0, 2], [2, 2], [2, 0]]
    >>> ring.tolist(), hole.tolist(), parent.tolist()
    ([0, 4, 8], [True, False], [1, -1])
    """
    tracer = _Tracer(pixels)
    rings, parents = tracer.rings[::-1], np.array(tracer.parents[::-1], np.int64)
    places = np.array([place for ring in rings for place in ring], np.int64)
    return (
        np.stack([places % tracer.width - 1, places // tracer.width - 1], axis=1).astype(np.int32),
        np.cumsum([0, *map(len, rings)], dtype=np.int64),
        np.array(tracer.holes[::-1], bool),
        np.where(parents < 0, -1, len(rings) - 1 - parents),
    )


class _Tracer:
    """Follows borders; `mark` is 0, 1, or the number of a border + 2, negative where the part ends to the right."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        framed = np.pad(pixels != 0, 1)
        self.width = framed.shape[1]
        self.mark: list[int] = framed.ravel().astype(int).tolist()
        wide = self.width
        # To the neighbours: from the right one, counter-clockwise as images are shown.
        self.steps = (1, 1 - wide, -wide, -wide - 1, -1, wide - 1, wide, wide + 1)
        self.rings: list[list[int]] = []
        self.holes: list[bool] = []
        self.parents: list[int] = []
        inner = framed.copy()  # pixels without a border
        for dy, dx in ((1, 1), (1, 0), (1, -1), (0, 1)):
            inner &= np.roll(framed, (dy, dx), (0, 1)) & np.roll(framed, (-dy, -dx), (0, 1))
        edge = (framed & ~inner).ravel()
        edge[1:] |= edge[:-1]
        self._scan(np.flatnonzero(edge).tolist())

    def _scan(self, places: list[int]) -> None:
        """Follow the borders that begin in these pixels; all others lie in the middle of parts or outside them."""
        mark, row, last = self.mark, -1, -1
        for i in places:
            if i // self.width != row:
                row, last = i // self.width, -1
            before, value = mark[i - 1], mark[i]
            if value == before:
                continue
            if (before == 0 and value == 1) or (value == 0 and before >= 1):
                is_hole = value == 0
                if before > 1:
                    last = before - 2
                self._follow(i - is_hole, is_hole, last)
            if abs(mark[i]) > 1:
                last = abs(mark[i]) - 2

    def _follow(self, first: int, is_hole: bool, last: int) -> None:
        mark, steps, own = self.mark, self.steps, len(self.rings) + 2
        self.parents.append(self.parents[last] if last >= 0 and self.holes[last] == is_hole else last)
        self.holes.append(is_hole)
        ring: list[int] = []
        self.rings.append(ring)
        start = 0 if is_hole else 4
        end = next((s for s in ((start - k) & 7 for k in range(1, 8)) if mark[first + steps[s]]), None)
        if end is None:  # a single pixel
            mark[first] = -own
            ring.append(first)
            return
        arrived, here, came = first + steps[end], first, end ^ 4
        while True:
            ahead = end + 1
            while not mark[here + steps[ahead & 7]]:
                ahead += 1
            ahead &= 7
            if 0 < ahead <= end:  # the pixel to its right was looked at, and is none of the part
                mark[here] = -own
            elif mark[here] == 1:
                mark[here] = own
            if ahead != came:
                ring.append(here)
            came = ahead
            if here + steps[ahead] == first and here == arrived:
                return
            here, end = here + steps[ahead], (ahead + 4) & 7


# Edge 4 i + r is edge i turned r times by 90 degrees. From an edge: how it is turned before the step to the next edge
# counter-clockwise around its origin, and after.
_BEFORE_ORIGIN, _AFTER_TARGET, _AROUND_LEFT, _BEFORE_LEFT = (1, 1), (3, 3), (3, 1), (0, 2)


def triangulate(x: Int64, y: Int64) -> Int64:
    """The edges (m, 2) of a Delaunay triangulation of n different points, as their rows.

    Takes whole numbers of at most 2^20 apart. One point after the other is inserted into a large triangle, and edges
    that fail the test of the circle are swapped; edges come in the order in which they were added, and where four
    points lie on a circle the triangulation is that of OpenCV's `Subdiv2D` with the same points. Edges along the hull
    are missing where the corners of the large triangle are too near.
    Source: L. Guibas and J. Stolfi (1985), Primitives for the manipulation of general subdivisions and the computation
    of Voronoi diagrams, ACM Transactions on Graphics 4(2), 74-123.

    >>> triangulate(np.array([0, 0, 2, 1]), np.array([0, 1, 0, 1])).tolist()
    [[0, 2], [0, 1], [0, 3], [1, 3], [2, 3]]
    """
    if len(y) != len(x):
        raise ValueError(f"{len(x)} x come with {len(y)} y")
    if not len(x):
        return np.empty((0, 2), np.int64)
    subdivision = _Subdivision((x - x.min()).astype(float).tolist(), (y - y.min()).astype(float).tolist())
    for point in range(3, len(x) + 3):
        subdivision.insert(point)
    ends = np.array(subdivision.origin, np.int64).reshape(-1, 4)[:, ::2] - 3
    return ends[(ends >= 0).all(axis=1)]


class _Subdivision:
    """A triangulation as quad-edges: of each turned edge the next one around its origin, and its origin."""

    def __init__(self, x: list[float], y: list[float]) -> None:
        large = 6 * (max(*x, *y) + 1)
        self.x, self.y = [large, 0.0, -large, *x], [0.0, large, -large, *y]
        self.next: list[int] = []
        self.origin: list[int] = []
        self.unused: list[int] = []
        first, second, third = (self._add(a, b) for a, b in ((0, 1), (1, 2), (2, 0)))
        self._splice(first, third ^ 2)
        self._splice(second, first ^ 2)
        self._splice(third, second ^ 2)
        self.recent = first

    def insert(self, point: int) -> None:
        edge, is_new, on_edge = self._locate(point)
        if not is_new:
            return
        if on_edge:
            removed, edge = edge, self._step(edge, _BEFORE_ORIGIN)
            self.recent = edge
            for end in (removed, removed ^ 2):
                self._splice(end, self._step(end, _BEFORE_ORIGIN))
            self.unused.append(removed & ~3)
        first = self.origin[edge]
        base = self._add(first, point)
        self._splice(base, edge)
        while True:
            base = self._connect(edge, base ^ 2)
            edge = self._step(base, _BEFORE_ORIGIN)
            if self.origin[edge ^ 2] == first:
                break
        while True:
            beyond = self.origin[self._step(edge, _BEFORE_ORIGIN) ^ 2]
            start, end = self.origin[edge], self.origin[edge ^ 2]
            if self._side(beyond, edge) > 0 and self._circle(beyond, end, point, start) < 0:
                self._swap(edge)
                edge = self._step(edge, _BEFORE_ORIGIN)
            elif start == first:
                return
            else:
                edge = self._step(self.next[edge], _BEFORE_LEFT)

    def _add(self, start: int, end: int) -> int:
        """A new edge, connected to no other."""
        if self.unused:
            edge = self.unused.pop()
        else:
            edge = len(self.next)
            self.next += [0] * 4
            self.origin += [0] * 4
        self.next[edge : edge + 4] = edge, edge + 3, edge + 2, edge + 1
        self.origin[edge], self.origin[edge ^ 2] = start, end
        return edge

    def _step(self, edge: int, turns: tuple[int, int]) -> int:
        edge = self.next[(edge & ~3) + (edge + turns[0] & 3)]
        return (edge & ~3) + (edge + turns[1] & 3)

    def _splice(self, a: int, b: int) -> None:
        """Join the rings of edges around two origins, or part them."""
        after = self.next
        turned_a, turned_b = ((edge & ~3) + (edge + 1 & 3) for edge in (after[a], after[b]))
        after[a], after[b] = after[b], after[a]
        after[turned_a], after[turned_b] = after[turned_b], after[turned_a]

    def _connect(self, a: int, b: int) -> int:
        """A new edge from the target of one edge to the origin of another."""
        edge = self._add(self.origin[a ^ 2], self.origin[b])
        self._splice(edge, self._step(a, _AROUND_LEFT))
        self._splice(edge ^ 2, b)
        return edge

    def _swap(self, edge: int) -> None:
        """Replace the diagonal of two triangles by the other one."""
        a, b = (self._step(end, _BEFORE_ORIGIN) for end in (edge, edge ^ 2))
        self._splice(edge, a)
        self._splice(edge ^ 2, b)
        self.origin[edge], self.origin[edge ^ 2] = self.origin[a ^ 2], self.origin[b ^ 2]
        self._splice(edge, self._step(a, _AROUND_LEFT))
        self._splice(edge ^ 2, self._step(b, _AROUND_LEFT))

    def _area(self, a: int, b: int, c: int) -> float:
        x, y = self.x, self.y
        return (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])

    def _side(self, point: int, edge: int) -> int:
        """1: the point lies right of an edge, -1: left, 0: on its line."""
        area = self._area(point, self.origin[edge ^ 2], self.origin[edge])
        return (area > 0) - (area < 0)

    def _circle(self, a: int, b: int, c: int, d: int) -> float:
        """Below zero if the circle through three points holds a fourth one."""
        x, y = self.x, self.y
        value = (x[a] * x[a] + y[a] * y[a]) * self._area(b, c, d)
        value -= (x[b] * x[b] + y[b] * y[b]) * self._area(a, c, d)
        value += (x[c] * x[c] + y[c] * y[c]) * self._area(a, b, d)
        return value - (x[d] * x[d] + y[d] * y[d]) * self._area(a, b, c)

    def _locate(self, point: int) -> tuple[int, bool, bool]:
        """An edge of the triangle with a point, whether the point is none of its ends, and whether it lies on it."""
        edge = self.recent
        side = self._side(point, edge)
        if side > 0:
            edge, side = edge ^ 2, -side
        while True:
            ahead, behind = self.next[edge], self._step(edge, _AFTER_TARGET)
            right_of_ahead, right_of_behind = self._side(point, ahead), self._side(point, behind)
            if right_of_behind > 0:
                if right_of_ahead > 0 or (right_of_ahead == 0 and side == 0):
                    break
                side, edge = right_of_ahead, ahead
            elif right_of_ahead > 0:
                if right_of_behind == 0 and side == 0:
                    break
                side, edge = right_of_behind, behind
            elif side == 0 and self._side(self.origin[ahead ^ 2], edge) >= 0:
                edge ^= 2
            else:
                side, edge = right_of_ahead, ahead
        self.recent = edge
        start, end = self.origin[edge], self.origin[edge ^ 2]
        to_start, to_end, length = (
            abs(self.x[a] - self.x[b]) + abs(self.y[a] - self.y[b])
            for a, b in ((point, start), (point, end), (start, end))
        )
        on_edge = min(to_start, to_end) < length and self._area(point, start, end) == 0
        return edge, min(to_start, to_end) > 0, on_edge


def outline_distances(
    edge: Int64,
    first: Int64,
    other: Int64,
    other_first: Int64,
    area: Int64,
    area_first: Int64,
    sheets: Int64,
    sizes: Float64,
    reach: Float64,
    known: Float64,
) -> tuple[Float64, Int64, Float64]:
    """How far the pixels of outlines are from other outlines, and counts and sums of that for each shape.

    Takes strips of pixels: of outlines (`edge`), of the outlines that they are compared with (`other`) and of what
    these bound (`area`), each (3, n): x, and rows from top up to, not including, bottom. They are sorted by sheet, x
    and top, and apart; those of sheet i are `first[i]:first[i + 1]`. Each column of `sheets` (5, s) is a comparison:
    the sheet of `edge`, that of `other` and `area`, the shape, which ascends, and the width and the height of the
    image; each of `sizes` (3, s) how wide and high a pixel is, and how far the sheet is from the end of a volume
    (infinite in an image). `reach` (2, k) is, of each of k shapes, the distance within which outlines are one, and how
    far they may be apart to be compared. `known`: the distances, where they are known; else empty.

    Returns the distances (p,) of the pixels of `edge`, comparison by comparison; (k, 3) how many pixels there are, how
    many of these are near, and how many are compared: those not farther than their reach, nor than the end of the
    image or volume; and (k, 3) the sums of the distances of all, and of those that are compared of the distances, below
    0 inside the other shape, and of their squares.
    """
    check_outlines(edge, first, other, other_first, area, area_first, sheets, sizes, reach, known)
    mine, bounds, within = (
        _strips_of_sheets(strips, begin, sheet)
        for strips, begin, sheet in (
            (edge, first, sheets[0]),
            (other, other_first, sheets[1]),
            (area, area_first, sheets[1]),
        )
    )
    y, strip = expand(mine[1], mine[2])
    on, x = mine[3][strip], mine[0][strip]
    if len(known) not in (0, len(y)):
        raise ValueError(f"outlines of {len(y)} pixels come with {len(known)} distances")
    if len(known):
        distance = known.copy()
    else:
        a, b = mine[3].astype(np.int32), bounds[3].astype(np.int32)
        distance = nearest(mine[0], mine[1], mine[2], a, bounds[0], bounds[1], bounds[2], b, sizes[0], sizes[1])
    pixel, inside = (_places(*pixels) for pixels in ((on, x, y), _pixels_of(within)))
    shape, wide, high, beside = sheets[2][on], *sizes[:, on]
    width, height = sheets[3:, on]
    end = np.minimum(np.minimum(np.minimum(x, width - 1 - x) * wide, beside), np.minimum(y, height - 1 - y) * high)
    compared = (distance <= reach[1, shape]) & np.isfinite(distance) & (distance < end)
    finite = np.where(compared, distance, 0.0)
    n = reach.shape[1]
    counts = [np.ones(len(shape), bool), distance <= reach[0, shape], compared]
    signed = np.where(np.isin(pixel, inside), -finite, finite)
    return (
        distance,
        np.stack([np.bincount(shape[flags], minlength=n) for flags in counts], axis=1).astype(np.int64),
        np.stack([np.bincount(shape, values, n) for values in (distance, signed, finite * finite)], axis=1),
    )


def _strips_of_sheets(strips: Int64, first: Int64, sheet: Int64) -> Int64:
    """(4, m) the strips of sheets (s,), and which of these each is on."""
    row, on = expand(first[sheet], first[sheet + 1])
    return np.vstack([strips[:, row], on])


def _pixels_of(strips: Int64) -> tuple[Int64, Int64, Int64]:
    """The sheet, column and row of each pixel of strips."""
    y, strip = expand(strips[1], strips[2])
    return strips[3][strip], strips[0][strip], y


def _places(sheet: Int64, x: Int64, y: Int64) -> Int64:
    """One number for each pixel."""
    placed: Int64 = (sheet << 42) + (x << 21) + y
    return placed
