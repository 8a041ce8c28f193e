"""Keyholes: all rings of a segment joined to one, by ways that are gone there and back.

Under the even-odd rule a way that is gone in both directions changes nothing, so one ring can hold parts and holes.
`segdata.core.unkeyhole` takes them apart again.
"""

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.outline import Number, Rings, ahead_of
from segdata.core.runs import Ints


def keyhole(rings: Rings[Number]) -> Rings[Number]:
    """One ring for every owner that has any, around all of its rings.

    Each ring is joined to one before it by a bridge, two edges between the same points in opposite directions: a hole
    to its part, a part to another part; from the ring's first point to the nearest one there, or rather from the
    ring's point that is nearest to that. Where the two are the same point there is no bridge. So a rule that takes
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
    after, point = _spliced(rings.ring // 2, here[joined], there[joined])
    stop, cycle = kernels.cycles(after)
    xy, ring = _moving(rings.xy.reshape(-1, 2)[point[stop]], cycle)
    owner = rings.owner[first_of_owner == np.arange(len(rings))]
    return Rings(xy, ring, owner, np.arange(len(owner)))


def _spliced(ring: Ints, here: Ints, there: Ints) -> tuple[Ints, Ints]:
    """What comes after each stop on the way, and the point of each stop; ring j has the points ``ring[j]:ring[j + 1]``.

    Stop i is point i. Each bridge adds two: stop n + 2 k is point `here[k]` again, when its ring is done, and stop
    n + 2 k + 1 is point `there[k]` again, when the way is back over the bridge.
    """
    n = int(ring[-1])
    home = n + 2 * np.arange(len(here))
    closing = np.arange(n)
    closing[here] = home
    around = closing[ahead_of(ring)]
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


def _moving(points: NDArray[Number], cycle: Ints) -> tuple[NDArray[Number], Ints]:
    """Coordinates and offsets of rings whose points (n, 2) are cut by `cycle`, without points that repeat."""
    kept = (points != points[ahead_of(cycle)]).any(axis=1)
    count = np.concatenate([[0], np.cumsum(kept)])[cycle]
    return points[kept].reshape(-1), 2 * count
