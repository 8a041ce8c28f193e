"""Delaunay triangulations of points."""

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]

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
    [[0, 2], [0, 1], [3, 2], [0, 3], [1, 3]]
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
