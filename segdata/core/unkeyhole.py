"""Unkeyhole: the parts and holes of rings that were joined to one (`segdata.core.keyhole`), by whomever."""

from dataclasses import dataclass, replace
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.nesting import smallest_around
from segdata.core.outline import Number, Rings, ahead_of
from segdata.core.runs import Ints

Flags = NDArray[np.bool_]


def bridged(rings: Rings[Number]) -> Flags:
    """(n_rings,) which rings go some way in both directions, between the same two points."""
    edges = _Edges.of(rings)
    found = np.zeros(len(rings), bool)
    found[edges.ring[_cancelled(edges)]] = True
    return found


def unkeyhole(rings: Rings[Number]) -> Rings[Number]:
    """The rings without bridges: ways that a ring goes in both directions are left out, and what remains is closed.

    Each ring is looked at alone. One that is nowhere twice comes back as it is, as an outer ring. Of any other, what
    lies inside an even number of its rings are outer rings, clockwise, and the others holes, against the clock, of
    the smallest outer ring around them. They begin at their leftmost point, the upper one of several, and come in the
    order of those. Where rings touch at a point they part so that pixels that touch at a corner are not connected,
    wherever they were joined. The even-odd rule takes the same pixels as before: those inside outer rings, less those
    inside holes.

    ``unkeyhole(keyhole(r))`` is r for the rings of `segdata.core.outline.outlines`, and for others that are in this
    order and of which no two share an edge: a shared edge cannot be told from a bridge.

    >>> xy = np.array([0, 0, 2, 2, 2, 3, 3, 3, 3, 2, 2, 2, 0, 0, 5, 0, 5, 5, 0, 5])
    >>> unkeyhole(Rings.alone(xy, np.array([0, 20]))).as_lists()
    [[0, 0, 5, 0, 5, 5, 0, 5], [2, 2, 2, 3, 3, 3, 3, 2]]
    """
    alone, found = Rings.alone(rings.xy, rings.ring), np.zeros(len(rings), bool)
    # A ring that is nowhere twice has no bridges, and to know that is cheap.
    twice = np.flatnonzero(kernels.recurring(rings.xy.astype(np.float64, copy=False), rings.ring))
    edges = _Edges.of(alone.take(twice))
    moving = edges.tail != edges.head
    found[twice[edges.ring[moving & (np.bincount(edges.tail, moving)[edges.tail] > 1)]]] = True
    both = alone.take(np.flatnonzero(~found)).merged(_opened(alone.take(np.flatnonzero(found))))
    return replace(both, owner=rings.owner[both.owner])


def spurs(rings: Rings[Number]) -> Rings[Number]:
    """The dead ends among the ways that rings go in both directions: each edge of them a ring of two points.

    What else a ring goes in both directions is a bridge, or part of the way from one bridge to another. A spur has no
    pixels by the even-odd rule; where edges are drawn it has, as a line one pixel wide.
    """
    edges = _Edges.of(rings)
    both = _cancelled(edges)
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
    """(n,) which ways between points lead nowhere, neither to a fixed point nor around; `fixed` (n_points,)."""
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


@dataclass(frozen=True, slots=True)
class _Edges(Generic[Number]):
    """The edges of rings: points (n, 2) in the order of their rings, x and y, each once; edges as two of these."""

    points: NDArray[Number]
    tail: Ints
    head: Ints
    ring: Ints

    @staticmethod
    def of(rings: Rings[Number]) -> "_Edges[Number]":
        """Edge i begins at point i of the rings."""
        points, ring = rings.xy.reshape(-1, 2), np.repeat(np.arange(len(rings)), np.diff(rings.ring) // 2)
        order = np.lexsort((points[:, 1], points[:, 0], ring))
        another = np.ones(len(order), bool)
        another[1:] = (points[order[1:]] != points[order[:-1]]).any(axis=1) | (ring[order[1:]] != ring[order[:-1]])
        tail = np.empty(len(order), np.int64)
        tail[order] = np.cumsum(another) - 1
        return _Edges(points[order[another]], tail, tail[ahead_of(rings.ring // 2)], ring)

    def take(self, chosen: Ints) -> "_Edges[Number]":
        """Some edges between the same points."""
        return _Edges(self.points, self.tail[chosen], self.head[chosen], self.ring[chosen])

    def turned(self, chosen: Flags) -> "_Edges[Number]":
        """The same edges, the chosen ones (n,) in the other direction."""
        tail, head = np.where(chosen, self.head, self.tail), np.where(chosen, self.tail, self.head)
        return _Edges(self.points, tail, head, self.ring)


def _cancelled(edges: _Edges[Number]) -> Flags:
    """(n_edges,) which edges have another in the opposite direction, one each."""
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


def _opened(rings: Rings[Number]) -> Rings[Number]:
    """The rings that bridged rings consist of, in the order of these."""
    edges = _Edges.of(rings)
    kept = np.flatnonzero(~_cancelled(edges) & (edges.tail != edges.head))
    edges = edges.turned((rings.areas < 0)[edges.ring]).take(kept)
    edges = edges.take(np.argsort(edges.tail, kind="stable"))  # so that cycles begin at their leftmost points
    edge, cycle = kernels.cycles(_following(edges))
    points, owner = edges.points[edges.tail[edge]], rings.owner[edges.ring[edge[cycle[:-1]]]]
    found = Rings(points.reshape(-1), 2 * cycle, owner, np.arange(len(owner)))
    found = replace(found, outer=smallest_around(found))
    turned = _turned(cycle, (found.areas > 0) == found.hole)
    return replace(found, xy=points[turned].reshape(-1)).take(np.lexsort((found.hole, found.outer)))


def _following(edges: _Edges[Number]) -> Ints:
    """The edge after each: of several that leave the point where it arrives, the first one to the right."""
    points = edges.points.astype(np.float64)
    x, y = (points[edges.head] - points[edges.tail]).T
    angle = np.concatenate([np.arctan2(-y, -x), np.arctan2(y, x)])
    point = np.concatenate([edges.head, edges.tail])
    # Arriving and leaving edges at each point by their directions from there; as many leave as arrive.
    order = np.lexsort((angle, point))
    n, point = len(edges.tail), point[order]
    leaves = order >= n
    arriving, leaving = order[~leaves], order[leaves] - n
    at = point[~leaves]
    first = np.searchsorted(at, at)
    count = np.searchsorted(at, at, side="right") - first
    # What is left on the right hand lies between an arriving edge and the leaving one before it in this order.
    before = np.cumsum(leaves)[~leaves][first] - first
    rank = np.arange(n) - first
    after = np.empty(n, np.int64)
    after[arriving] = leaving[first + (rank + before - 1) % count]
    return after


def _turned(offset: Ints, backwards: Flags) -> Ints:
    """The order of points that turns some rings round, each from the same first point; `offset` (n + 1,) cuts them."""
    size = np.diff(offset)
    first = np.repeat(offset[:-1], size)
    place = np.arange(offset[-1]) - first
    return first + np.where(np.repeat(backwards, size), -place % np.repeat(size, size), place)
