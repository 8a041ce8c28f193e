"""Polygons: the rings around segments, exact to the pixel; nesting, and keyholes that join rings by bridges."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import (
    Flags,
    Floats,
    Ints,
    Number,
    Rows,
    Runs,
    expand_ranges,
    group_offsets,
    positions_in,
    run_columns,
    take_ranges,
)


@dataclass(frozen=True, slots=True)
class Rings(Generic[Number]):
    """Closed rings of many segments. Pixel (x, y) covers [x, x + 1) times [y, y + 1).

    Ordered by owner; each outer ring is followed by its holes.
    """

    # (m,) the points of all rings, x and y in turn, in pixels; int64 along pixels, float64 where a person drew
    xy: NDArray[Number]
    ring: Ints  # (n_rings + 1,) int64, ring j is ``xy[ring[j]:ring[j + 1]]``; its last point is joined to its first
    owner: Rows  # (n_rings,) int32, the segment that the ring belongs to
    outer: Ints  # (n_rings,) int64, the outer ring that a hole lies in; for an outer ring, itself

    def __len__(self) -> int:
        return len(self.owner)

    @staticmethod
    def outer_rings(xy: NDArray[Number], ring: Ints) -> "Rings[Number]":
        """Outer rings of segments of their own; `xy` and `ring` as in the class."""
        row = np.arange(len(ring) - 1)
        return Rings(xy, ring, row.astype(np.int32), row)

    @property
    def hole(self) -> Flags:
        """(n_rings,) whether each ring is a hole."""
        hole: Flags = self.outer != np.arange(len(self))
        return hole

    @property
    def areas(self) -> Floats:
        """(n_rings,) the area inside each ring, in square pixels; negative against the clock."""
        points = self.xy.reshape(-1, 2).astype(np.float64)
        (x, y), (x_ahead, y_ahead) = points.T, points[next_points(self.ring // 2)].T
        ring_of = np.repeat(np.arange(len(self)), np.diff(self.ring) // 2)
        return np.bincount(ring_of, x * y_ahead - x_ahead * y, len(self)) / 2

    def offsets(self, n_owners: int) -> Ints:
        """(n_owners + 1,): the rings of owner i are ``offsets[i]:offsets[i + 1]``."""
        return np.searchsorted(self.owner, np.arange(n_owners + 1, dtype=np.int32)).astype(np.int64)

    def take(self, rows: Ints) -> "Rings[Number]":
        """Only some rings, in the order given; no hole may come without its outer ring."""
        size = np.diff(self.ring)[rows]
        row = positions_in(rows, len(self))
        ring = group_offsets(size)
        return Rings(take_ranges(self.xy, self.ring[rows], size), ring, self.owner[rows], row[self.outer[rows]])

    def merge(self, other: "Rings[Number]") -> "Rings[Number]":
        """Merge two sets of rings in the order of their owners; of one owner, the rings of `self` come first."""
        both = Rings(
            np.concatenate([self.xy, other.xy]),
            np.concatenate([self.ring, self.ring[-1] + other.ring[1:]]),
            np.concatenate([self.owner, other.owner]),
            np.concatenate([self.outer, len(self) + other.outer]),
        )
        return both.take(np.argsort(both.owner, kind="stable"))

    def as_lists(self) -> list[list[Any]]:  # Any: int or float, as `xy`
        """The numbers of each ring: x, y, x, y and so on."""
        numbers = self.xy.tolist()
        return [
            numbers[first:last] for first, last in zip(self.ring[:-1].tolist(), self.ring[1:].tolist(), strict=True)
        ]


class SourceRings(msgspec.Struct, frozen=True):
    """The polygon rings of the segments that have any."""

    segment: Ints  # (n,) int64, segment rows, ascending
    first_ring: Ints  # (n + 1,) int64, the rings of the i-th are ``first_ring[i]:first_ring[i + 1]``
    first_number: Ints  # (n_rings + 1,) int64, the numbers of a ring; a point is two
    xy: Floats  # (m,) float64, x and y in turn, in pixels from the image's top left corner

    @staticmethod
    def from_column(segments: pa.ChunkedArray) -> "SourceRings":
        """The rings in the column `rings` of a batch's segments."""
        column = segments.chunk(0) if segments.num_chunks == 1 else segments.combine_chunks()  # which copies
        count = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        segment = np.flatnonzero(count)
        rings = column.flatten()
        return SourceRings(
            segment.astype(np.int64),
            group_offsets(count[segment]),
            group_offsets(pc.fill_null(pc.list_value_length(rings), 0).to_numpy(zero_copy_only=False)),
            rings.flatten().to_numpy(zero_copy_only=False),
        )

    def among(self, segments: Ints) -> "SourceRings":
        """The rings of some segments, given by row, in ascending order."""
        return self.take(np.flatnonzero(np.isin(self.segment, segments)))

    @property
    def ring_segment(self) -> Ints:
        """(n_rings,) the position in `segment` that each ring belongs to."""
        return np.repeat(np.arange(len(self.segment)), np.diff(self.first_ring))

    def take(self, rows: Ints) -> "SourceRings":
        """The rings of some segments, given by position in `segment`."""
        n_rings = np.diff(self.first_ring)[rows]
        ring = expand_ranges(self.first_ring[rows], n_rings)
        n_numbers = np.diff(self.first_number)[ring]
        xy = take_ranges(self.xy, self.first_number[ring], n_numbers)
        return SourceRings(self.segment[rows], group_offsets(n_rings), group_offsets(n_numbers), xy)

    def unkeyhole(self) -> "SourceRings":
        """The rings with bridges removed, see `unkeyhole`."""
        apart = self._apart()
        return SourceRings(self.segment, apart.offsets(len(self.segment)), apart.ring, apart.xy)

    def holes(self) -> "SourceRings":
        """The rings of holes that bridges join to other rings."""
        apart = self._apart()
        rows = np.flatnonzero(apart.hole)
        rings = Rings.outer_rings(apart.xy, apart.ring).take(rows)
        first_ring = np.searchsorted(apart.owner[rows], np.arange(len(self.segment) + 1))
        return SourceRings(self.segment, first_ring, rings.ring, rings.xy)

    def _apart(self) -> Rings[np.float64]:
        """The rings without bridges, owned by positions in `segment`, without rings of an odd number of coordinates."""
        owner = self.ring_segment.astype(np.int32)
        rings = Rings(self.xy, self.first_number, owner, np.arange(len(owner)))
        return unkeyhole(rings.take(np.flatnonzero(np.diff(self.first_number) % 2 == 0)))


def trace_outlines(runs: Runs, height: Ints) -> Rings[np.int64]:
    """Trace the rings along the pixel edges of every owner; `height` (n_owners,) is the height of its image.

    Outer rings go clockwise and holes against the clock: pixels of the segment are on the right hand, y down. Parts
    are 4-connected and holes 8-connected, as in `segdata.core.runs`: a ring may touch itself or another ring at a
    corner, but never crosses one. No three points in a row lie on one line. A ring begins at the upper left corner of
    the first pixel (in column-major order) of its part or hole; the parts of an owner come in the order of their
    first pixels, and so do the holes of a part. By any rule that takes pixels whose centres are inside, COCO's among
    them, an outer ring covers its part and the part's holes, and a hole's ring the hole.

    >>> square = Runs(np.array([5, 9]), np.array([2, 2]), np.zeros(2, np.int32))
    >>> trace_outlines(square, np.array([4])).as_lists()
    [[1, 1, 3, 1, 3, 3, 1, 3]]
    """
    x, top = run_columns(runs, height)
    edge, cycle = kernels.cycles(kernels.follow(x, top, top + runs.length, runs.owner))
    run, bottom = edge // 2, edge % 2
    y = top[run] + runs.length[run] * bottom
    y_ahead = y[next_points(cycle)]
    turns = np.flatnonzero(y != y_ahead)  # the others go straight on
    # A top ends at the line to the right of its column, a bottom at the one to the left.
    line = x[run[turns]] + 1 - bottom[turns]
    points = np.stack([line, y[turns], line, y_ahead[turns]], axis=1).reshape(-1, 2)
    ring = 2 * np.searchsorted(turns, cycle)
    first = edge[cycle[:-1]]
    # The smallest edge of an outer ring is the top of the first run, of a hole the bottom of the run above it.
    outer_ring = first % 2 == 0
    shifted = np.arange(len(points))
    shifted[np.repeat(outer_ring, np.diff(ring))] -= 1
    shifted[ring[:-1][outer_ring]] = ring[1:][outer_ring] - 1
    outer = _outer_rings(first, edge, cycle)
    rings = Rings(points[shifted].reshape(-1), 2 * ring, runs.owner[first // 2], outer)
    return rings if (outer[1:] >= outer[:-1]).all() else rings.take(np.argsort(outer, kind="stable"))


def _outer_rings(first: Ints, edge: Ints, cycle: Ints) -> Ints:
    """(n_rings,) the outer ring of each ring, found from its first edge; `cycle` cuts `edge` into the rings."""
    ring_of = np.empty(len(edge), np.int64)
    ring_of[edge] = np.repeat(np.arange(len(first)), np.diff(cycle))
    # The run above a hole is of the hole's part; its top comes before its bottom, so its ring is an earlier one.
    outer: Ints = ring_of[first - first % 2]
    while not np.array_equal(outer, farther := outer[outer]):
        outer = farther
    return outer


def next_points(offset: Ints) -> Ints:
    """(n,) the point after each point of closed rings; `offset` (n_rings + 1,) cuts the points into rings.

    >>> next_points(np.array([0, 3, 3, 5])).tolist()
    [1, 2, 0, 4, 3]
    """
    ahead = np.arange(1, offset[-1] + 1)
    some = offset[1:] > offset[:-1]
    ahead[offset[1:][some] - 1] = offset[:-1][some]
    return ahead


_MAX_COMPARISONS = 2_000_000  # at a time, to bound memory


def enclosing_rings(rings: Rings[Number]) -> Ints:
    """(n_rings,) the smallest outer ring around each hole; outer rings have themselves.

    Holes are rings inside an odd number of rings of their owner, whatever `rings.outer` says. The middle of a ring's
    first edge decides, which is right for rings that touch at points, but not for rings that cross.

    >>> xy = np.array([2, 2, 2, 3, 3, 3, 3, 2, 0, 0, 5, 0, 5, 5, 0, 5])
    >>> enclosing_rings(Rings(xy, np.array([0, 8, 16]), np.zeros(2, np.int32), np.arange(2))).tolist()
    [1, 1]
    """
    inner, around = _nested_pairs(rings)
    depth = np.bincount(inner, minlength=len(rings))
    fits = (depth[inner] % 2 == 1) & (depth[around] % 2 == 0)
    inner, around = inner[fits], around[fits]
    largest_first = np.lexsort((-np.abs(rings.areas)[around], inner))
    outer = np.arange(len(rings))
    outer[inner[largest_first]] = around[largest_first]  # the last one written, the smallest, stays
    return outer


def _nested_pairs(rings: Rings[Number]) -> tuple[Ints, Ints]:
    """Pairs of rings of one owner, the first inside the second: an odd number of edges of the second lies above it."""
    n, ahead = len(rings), next_points(rings.ring // 2)
    a = rings.xy.reshape(-1, 2).astype(np.float64)
    b = a[ahead]
    middle = ((a + b) / 2)[rings.ring[:-1] // 2]
    ring_of = np.repeat(np.arange(n), np.diff(rings.ring) // 2)
    # Owners one after the other on one line along x.
    different, place = np.unique(np.concatenate([a[:, 0], middle[:, 0]]), return_inverse=True)
    line = place + np.concatenate([rings.owner[ring_of], rings.owner]).astype(np.int64) * len(different)
    begin, end = np.sort([line[: len(a)], line[: len(a)][ahead]], axis=0)
    crossings = [np.empty(0, np.int64)]
    for edge, inner in stabbing_pairs(begin, end, line[len(a) :]):
        share = (middle[inner, 0] - a[edge, 0]) / (b[edge, 0] - a[edge, 0])
        above = a[edge, 1] + share * (b[edge, 1] - a[edge, 1]) < middle[inner, 1]
        above &= ring_of[edge] != inner
        crossings.append(inner[above] * n + ring_of[edge[above]])
    pair, times = np.unique(np.concatenate(crossings), return_counts=True)
    inner, around = np.divmod(pair[times % 2 == 1], max(n, 1))
    return inner, around


def stabbing_pairs(begin: Ints, end: Ints, points: Ints) -> Iterator[tuple[Ints, Ints]]:
    """All pairs of an interval and a point in it, ``begin <= point < end``, in portions."""
    ascending = np.argsort(points, kind="stable")
    first, last = (np.searchsorted(points[ascending], ends) for ends in (begin, end))
    count = np.maximum(last - first, 0)
    for intervals in row_portions(count):
        n = count[intervals]
        yield np.repeat(intervals, n), ascending[expand_ranges(first[intervals], n)]


def row_portions(count: Ints) -> Iterator[Ints]:
    """Split rows into portions that fit into memory; `count` (n,) is the number of comparisons of each row."""
    yield from np.split(np.arange(len(count)), np.flatnonzero(np.diff((np.cumsum(count) - 1) // _MAX_COMPARISONS)) + 1)


def keyhole(rings: Rings[Number]) -> Rings[Number]:
    """One ring for every owner that has any, around all of its rings.

    Each ring is joined to one before it by a bridge, two edges between the same points in opposite directions: a hole
    to its part, a part to another part; from the ring's first point to the nearest one there, or rather from the
    ring's point that is nearest to that. There is no bridge if the two are the same point. So a rule that takes
    pixels by even-odd crossings, as COCO's does (`kernels.rasterise`), takes what lies inside an odd number of the
    rings; a rule that draws edges too, as OpenCV's and Pillow's do, draws the bridges as lines.

    Costs grow with the rings times the points that are about as near to a ring's first point as its neighbour is.

    >>> xy = np.array([0, 0, 5, 0, 5, 5, 0, 5, 2, 2, 2, 3, 3, 3, 3, 2])
    >>> holed = Rings(xy, np.array([0, 8, 16]), np.zeros(2, np.int32), np.zeros(2, np.int64))
    >>> keyhole(holed).as_lists()
    [[0, 0, 2, 2, 2, 3, 3, 3, 3, 2, 2, 2, 0, 0, 5, 0, 5, 5, 0, 5]]
    """
    first_of_owner = np.searchsorted(rings.owner, rings.owner)
    first = np.where(rings.hole, rings.outer, first_of_owner).astype(np.int64)
    here, there = kernels.bridges(rings.xy.astype(np.float64), rings.ring, first)
    joined = np.flatnonzero(there >= 0)
    after, point = _splice(rings.ring // 2, here[joined], there[joined])
    stop, cycle = kernels.cycles(after)
    xy, ring = _drop_repeats(rings.xy.reshape(-1, 2)[point[stop]], cycle)
    owner = rings.owner[first_of_owner == np.arange(len(rings))]
    return Rings(xy, ring, owner, np.arange(len(owner)))


def _splice(ring: Ints, here: Ints, there: Ints) -> tuple[Ints, Ints]:
    """Splice rings at bridges: the stop after each stop, and the point of each; ring j is ``ring[j]:ring[j + 1]``.

    Stop i is point i. Each bridge adds two stops: n + 2 k is point `here[k]` again, after its ring is complete, and
    n + 2 k + 1 is point `there[k]` again, on the way back over the bridge.
    """
    n = int(ring[-1])
    home = n + 2 * np.arange(len(here))
    closing = np.arange(n)
    closing[here] = home
    around = closing[next_points(ring)]
    after = np.empty(n + 2 * len(here), np.int64)
    after[:n] = around
    after[home] = home + 1
    if len(here):
        # Several bridges that begin at one point are gone one after the other.
        order = np.argsort(there, kind="stable")
        point, entrance, back = there[order], here[order], home[order] + 1
        another = point[1:] == point[:-1]
        begins, ends = np.concatenate([[True], ~another]), np.concatenate([~another, [True]])
        after[point[begins]] = entrance[begins]
        after[back[:-1][another]] = entrance[1:][another]
        after[back[ends]] = around[point[ends]]
    return after, np.concatenate([np.arange(n), np.stack([here, there], axis=1).reshape(-1)])


def _drop_repeats(points: NDArray[Number], cycle: Ints) -> tuple[NDArray[Number], Ints]:
    """Coordinates and offsets of rings whose points (n, 2) are cut by `cycle`, without repeated points."""
    kept = (points != points[next_points(cycle)]).any(axis=1)
    count = np.concatenate([[0], np.cumsum(kept)])[cycle]
    return points[kept].reshape(-1), 2 * count


def has_bridges(rings: Rings[Number]) -> Flags:
    """(n_rings,) whether a ring has two points between which it goes in both directions."""
    edges = _Edges.from_rings(rings)
    bridged = np.zeros(len(rings), bool)
    bridged[edges.ring[_cancelled_edges(edges)]] = True
    return bridged


def unkeyhole(rings: Rings[Number]) -> Rings[Number]:
    """Remove bridges: edges that a ring goes in both directions are left out, and the rest is closed into rings.

    Each ring is treated alone. A ring without bridges is returned unchanged, as an outer ring. Any other ring falls
    into several: those inside an even number of the others are outer rings, clockwise, the rest are holes, against the
    clock, of the smallest outer ring around them. Each begins at its leftmost point, the upper one of several, and they
    are in the order of these points. Rings that touch at a point are separated so that pixels that touch at a corner
    are not connected. The even-odd rule takes the same pixels as before: those inside outer rings, less those inside
    holes.

    ``unkeyhole(keyhole(r))`` is r for the rings of `segdata.core.polygons.trace_outlines`, and for others that are in
    this order and of which no two share an edge: a shared edge cannot be told from a bridge.

    >>> xy = np.array([0, 0, 2, 2, 2, 3, 3, 3, 3, 2, 2, 2, 0, 0, 5, 0, 5, 5, 0, 5])
    >>> unkeyhole(Rings.outer_rings(xy, np.array([0, 20]))).as_lists()
    [[0, 0, 5, 0, 5, 5, 0, 5], [2, 2, 2, 3, 3, 3, 3, 2]]
    """
    alone, is_bridged = Rings.outer_rings(rings.xy, rings.ring), np.zeros(len(rings), bool)
    # A ring that is nowhere twice has no bridges, and to know that is cheap.
    twice = np.flatnonzero(kernels.recurring(rings.xy.astype(np.float64, copy=False), rings.ring))
    edges = _Edges.from_rings(alone.take(twice))
    moving = edges.tail != edges.head
    is_bridged[twice[edges.ring[moving & (np.bincount(edges.tail, moving)[edges.tail] > 1)]]] = True
    if not is_bridged.any():
        return replace(alone, owner=rings.owner)
    both = alone.take(np.flatnonzero(~is_bridged)).merge(_open_rings(alone.take(np.flatnonzero(is_bridged))))
    return replace(both, owner=rings.owner[both.owner])


def spurs(rings: Rings[Number]) -> Rings[Number]:
    """Find spurs: edges that a ring goes in both directions and that lead nowhere, each as a ring of two points.

    Other edges that a ring goes in both directions are bridges, or lie between bridges. A spur has no pixels by the
    even-odd rule; a rule that draws edges gives it a line one pixel wide.
    """
    edges = _Edges.from_rings(rings)
    both = _cancelled_edges(edges)
    there = edges.take(np.flatnonzero(both & (edges.tail < edges.head)))
    there = there.take(np.unique(np.column_stack([there.tail, there.head]), axis=0, return_index=True)[1])
    rest = ~both & (edges.tail != edges.head)
    fixed = np.zeros(len(edges.points), bool)
    fixed[edges.tail[rest]] = fixed[edges.head[rest]] = True
    loose = there.take(np.flatnonzero(_dead_ends(there.tail, there.head, fixed)))
    xy = np.stack([edges.points[loose.tail], edges.points[loose.head]], axis=1).reshape(-1)
    row = np.arange(len(loose.tail))
    return Rings(xy, 4 * np.arange(len(row) + 1), rings.owner[loose.ring], row)


def _dead_ends(tail: Ints, head: Ints, fixed: Flags) -> Flags:
    """(n,) whether an edge is a dead end, on no cycle and on no way between fixed points; `fixed` is (n_points,)."""
    dead = np.zeros(len(tail), bool)
    degree = np.bincount(np.concatenate([tail, head]), minlength=len(fixed))
    only = np.zeros(len(fixed), np.int64)  # the sum of the ways at a point: the way itself where there is one
    np.add.at(only, tail, np.arange(len(tail)))
    np.add.at(only, head, np.arange(len(tail)))
    ends = np.flatnonzero((degree == 1) & ~fixed)
    while len(ends):
        ways = np.unique(only[ends])
        dead[ways] = True
        points = np.concatenate([tail[ways], head[ways]])
        np.subtract.at(degree, points, 1)
        np.subtract.at(only, points, np.tile(ways, 2))
        points = np.unique(points)
        ends = points[(degree[points] == 1) & ~fixed[points]]
    return dead


class _Edges(msgspec.Struct, Generic[Number], frozen=True):
    """The edges of rings, as pairs of rows of `points` (n, 2), which holds each x and y once."""

    points: NDArray[Number]
    tail: Ints
    head: Ints
    ring: Ints

    @staticmethod
    def from_rings(rings: Rings[Number]) -> "_Edges[Number]":
        """Edge i begins at point i of the rings."""
        points, ring = rings.xy.reshape(-1, 2), np.repeat(np.arange(len(rings)), np.diff(rings.ring) // 2)
        order = np.lexsort((points[:, 1], points[:, 0], ring))
        another = np.ones(len(order), bool)
        another[1:] = (points[order[1:]] != points[order[:-1]]).any(axis=1) | (ring[order[1:]] != ring[order[:-1]])
        tail = np.empty(len(order), np.int64)
        tail[order] = np.cumsum(another) - 1
        return _Edges(points[order[another]], tail, tail[next_points(rings.ring // 2)], ring)

    def take(self, rows: Ints) -> "_Edges[Number]":
        """Only the chosen edges, with all points."""
        return _Edges(self.points, self.tail[rows], self.head[rows], self.ring[rows])

    def reverse(self, is_reversed: Flags) -> "_Edges[Number]":
        """The edges with `is_reversed` (n,) ones reversed."""
        tail, head = np.where(is_reversed, self.head, self.tail), np.where(is_reversed, self.tail, self.head)
        return _Edges(self.points, tail, head, self.ring)


def _cancelled_edges(edges: _Edges[Number]) -> Flags:
    """(n_edges,) whether an edge is paired with one in the opposite direction; each is in one pair at most."""
    low, high = np.minimum(edges.tail, edges.head), np.maximum(edges.tail, edges.head)
    forward = edges.tail < edges.head
    order = np.lexsort((forward, high, low))
    begins = np.ones(len(order), bool)
    begins[1:] = (low[order[1:]] != low[order[:-1]]) | (high[order[1:]] != high[order[:-1]])
    group = np.cumsum(begins) - 1
    size, n_forward = np.bincount(group), np.bincount(group, weights=forward[order]).astype(np.int64)
    n_back = (size - n_forward)[group]
    rank = np.arange(len(order)) - np.flatnonzero(begins)[group]
    rank[forward[order]] -= n_back[forward[order]]
    cancelled = np.zeros(len(order), bool)
    cancelled[order] = rank < np.minimum(n_forward[group], n_back)
    return cancelled


def _open_rings(rings: Rings[Number]) -> Rings[Number]:
    """The rings that remain of bridged rings, in the order of the bridged rings."""
    edges = _Edges.from_rings(rings)
    kept = np.flatnonzero(~_cancelled_edges(edges) & (edges.tail != edges.head))
    edges = edges.reverse((rings.areas < 0)[edges.ring]).take(kept)
    edges = edges.take(np.argsort(edges.tail, kind="stable"))  # so that cycles begin at their leftmost points
    edge, cycle = kernels.cycles(_following_edges(edges))
    points, owner = edges.points[edges.tail[edge]], rings.owner[edges.ring[edge[cycle[:-1]]]]
    opened = Rings(points.reshape(-1), 2 * cycle, owner, np.arange(len(owner)))
    opened = replace(opened, outer=enclosing_rings(opened))
    turned = _turned_order(cycle, (opened.areas > 0) == opened.hole)
    return replace(opened, xy=points[turned].reshape(-1)).take(np.lexsort((opened.hole, opened.outer)))


def _following_edges(edges: _Edges[Number]) -> Ints:
    """(n_edges,) the edge after each edge: the first to the right of those that leave the point where it arrives."""
    points = edges.points.astype(np.float64)
    x, y = (points[edges.head] - points[edges.tail]).T
    angle = np.concatenate([np.arctan2(-y, -x), np.arctan2(y, x)])
    point = np.concatenate([edges.head, edges.tail])
    # Arriving and leaving edges at each point by their directions from there; as many leave as arrive.
    order = np.lexsort((angle, point))
    n, point = len(edges.tail), point[order]
    leaves = order >= n
    arriving, leaving = order[~leaves], order[leaves] - n
    arrival_point = point[~leaves]
    first = np.searchsorted(arrival_point, arrival_point)
    count = np.searchsorted(arrival_point, arrival_point, side="right") - first
    # The area to the right lies between an arriving edge and the leaving edge before it in this order.
    before = np.cumsum(leaves)[~leaves][first] - first
    rank = np.arange(n) - first
    after = np.empty(n, np.int64)
    after[arriving] = leaving[first + (rank + before - 1) % count]
    return after


def _turned_order(offset: Ints, backwards: Flags) -> Ints:
    """The order of points that reverses some rings, each from the same first point; `offset` (n + 1,) cuts them."""
    size = np.diff(offset)
    first = np.repeat(offset[:-1], size)
    place = np.arange(offset[-1]) - first
    return first + np.where(np.repeat(backwards, size), -place % np.repeat(size, size), place)
