"""Bridges: many rings as one, joined by ways that it takes there and back."""

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints

Points = NDArray[np.int32]


def bridged(rings: list[Points]) -> Points:
    """One ring (m, 2) along all of the rings (n, 2), of whole numbers in pixels.

    The bridges join nearest points and are as short in sum as they can be: the shortest tree that joins points is part
    of their Delaunay triangulation, so that even a thousand rings take little more time than to read them.
    Source: Shamos and Hoey (1975), Closest-point problems, 16th Annual Symposium on Foundations of Computer Science.

    >>> bridged([np.array([[0, 0], [4, 0], [4, 4]]), np.array([[6, 4], [9, 9], [6, 9]])]).tolist()
    [[0, 0], [4, 0], [4, 4], [6, 4], [9, 9], [6, 9], [6, 4], [4, 4]]
    """
    if len(rings) == 1:
        return rings[0]
    ring = np.repeat(np.arange(len(rings)), [len(each) for each in rings])
    first = np.searchsorted(ring, np.arange(len(rings)))
    points = np.concatenate(rings)
    order, parent, leave, arrive = _tree(points, ring, len(rings))
    children: list[list[tuple[int, int]]] = [[] for _ in rings]
    way = np.empty(0, np.int64)
    ways: dict[int, Ints] = {}
    for row in order[::-1].tolist():  # every ring after its children
        begin, size = int(arrive[row]), len(rings[row])
        here = np.concatenate([np.arange(begin, first[row] + size), np.arange(first[row], begin)])
        pieces, at = [], 0
        for stop, child in sorted(((point - begin) % size, child) for point, child in children[row]):
            pieces += [here[at : stop + 1], ways.pop(child)]
            at = stop  # the bridge comes back to where it left
        way = np.concatenate([*pieces, here[at:], here[:1]])
        ways[row] = way
        children[parent[row]].append((int(leave[row]), row))
    return points[way[:-1]]


def _tree(points: Points, ring: Ints, n_rings: int) -> tuple[Ints, Ints, Ints, Ints]:
    """The shortest bridges that join all rings: the rings from the first one outwards, and of each ring its parent.

    Also the points (rows of `points`) where the bridge to each ring leaves its parent and arrives; the first ring is
    its own parent and "arrives" at its first point.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    a, b = _neighbours(points)
    apart = ring[a] != ring[b]
    a, b = a[apart], b[apart]
    swap = ring[a] > ring[b]
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    pair = ring[a] * n_rings + ring[b]
    gap = np.hypot(*(points[a] - points[b]).T.astype(np.float64)) + 1  # no gap is still an edge of the tree
    best = np.lexsort((gap, pair))
    best = best[np.diff(pair[best], prepend=-1) > 0]
    a, b, pair, gap = a[best], b[best], pair[best], gap[best]
    tree = minimum_spanning_tree(coo_array((gap, (ring[a], ring[b])), (n_rings, n_rings)).tocsr())
    order, parent = breadth_first_order(tree, 0, directed=False)
    parent[0] = 0
    row = np.arange(n_rings)
    bridge = np.searchsorted(pair, np.minimum(row, parent) * n_rings + np.maximum(row, parent))[1:]
    leave, arrive = np.zeros(n_rings, np.int64), np.zeros(n_rings, np.int64)
    upward = parent[1:] < row[1:]
    leave[1:], arrive[1:] = np.where(upward, a[bridge], b[bridge]), np.where(upward, b[bridge], a[bridge])
    return order, parent, leave, arrive


def _neighbours(points: Points) -> tuple[Ints, Ints]:
    """Pairs of points (rows) that hold the shortest tree over all points: of the same place, and next to each other."""
    x, y = points.astype(np.int64).T
    place, of, row = np.unique((x << 32) + y, return_index=True, return_inverse=True)
    order = np.argsort(row, kind="stable")
    same = np.flatnonzero(np.diff(row[order]) == 0)
    # The next place in reading order: a way to each point, whatever rounding may do to the triangles.
    edges = [np.column_stack([of[:-1], of[1:]]), np.column_stack([order[same], order[same + 1]])]
    ends = _triangulation(points[of])
    edges.append(of[np.searchsorted(place, (ends[..., 0] << 32) + ends[..., 1])])
    a, b = np.concatenate(edges).T
    return a, b


def _triangulation(points: Points) -> Ints:
    """The edges (m, 2, 2) of a Delaunay triangulation, from point to point."""
    corner, size = points.min(axis=0), np.ptp(points, axis=0) + 1
    plane = cv2.Subdiv2D((0, 0, *size.tolist()))
    plane.insert((points - corner).astype(np.float32))
    ends = np.asarray(plane.getEdgeList()).reshape(-1, 2, 2)
    inside = ((ends >= 0) & (ends < size)).all(axis=(1, 2))  # there are three more points, far outside
    edges: Ints = ends[inside].astype(np.int64) + corner
    return edges
