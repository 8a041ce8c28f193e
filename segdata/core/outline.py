"""Outlines: the rings around segments along the edges of their pixels, exact to the pixel."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Ints, Rows, Runs, columns, spread

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Rings(Generic[Number]):
    """Closed rings of many segments. Pixel (x, y) covers [x, x + 1) times [y, y + 1).

    Ordered by owner; each outer ring is followed by its holes.

    Attributes
    ----------
    xy : (m,) the points of all rings, x and y in turn, in pixels; int64 along pixels, float64 where a person drew
    ring : (n_rings + 1,) int64, ring j is ``xy[ring[j]:ring[j + 1]]``; its last point is joined to its first
    owner : (n_rings,) int32, the segment that the ring belongs to
    outer : (n_rings,) int64, the outer ring that a hole lies in; for an outer ring, itself
    """

    xy: NDArray[Number]
    ring: Ints
    owner: Rows
    outer: Ints

    def __len__(self) -> int:
        return len(self.owner)

    @staticmethod
    def alone(xy: NDArray[Number], ring: Ints) -> "Rings[Number]":
        """Rings that are outer rings of segments of their own."""
        row = np.arange(len(ring) - 1)
        return Rings(xy, ring, row.astype(np.int32), row)

    @property
    def hole(self) -> NDArray[np.bool_]:
        """(n_rings,) whether each ring is a hole."""
        hole: NDArray[np.bool_] = self.outer != np.arange(len(self))
        return hole

    @property
    def areas(self) -> NDArray[np.float64]:
        """(n_rings,) the area inside each ring, in square pixels; negative against the clock."""
        points = self.xy.reshape(-1, 2).astype(np.float64)
        (x, y), (x_ahead, y_ahead) = points.T, points[ahead_of(self.ring // 2)].T
        of = np.repeat(np.arange(len(self)), np.diff(self.ring) // 2)
        return np.bincount(of, x * y_ahead - x_ahead * y, len(self)) / 2

    def offsets(self, n_owners: int) -> Ints:
        """(n_owners + 1,): the rings of owner i are ``offsets[i]:offsets[i + 1]``."""
        return np.searchsorted(self.owner, np.arange(n_owners + 1, dtype=np.int32)).astype(np.int64)

    def take(self, chosen: Ints) -> "Rings[Number]":
        """Only some rings, in the order given; no hole may come without its outer ring."""
        size = np.diff(self.ring)[chosen]
        row = np.full(len(self), -1)
        row[chosen] = np.arange(len(chosen))
        ring = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        return Rings(self.xy[spread(self.ring[chosen], size)], ring, self.owner[chosen], row[self.outer[chosen]])

    def merged(self, other: "Rings[Number]") -> "Rings[Number]":
        """These rings and others in the order of owners; of one owner, these come first."""
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


def outlines(runs: Runs, height: Ints) -> Rings[np.int64]:
    """The rings along the pixel edges of every owner; `height` (n_owners,) is that of the owner's image, in pixels.

    Outer rings go clockwise and holes against the clock: pixels of the segment are on the right hand, y down. Parts
    are 4-connected and holes 8-connected, as in `segdata.core.parts`: a ring may touch itself or another ring at a
    corner, but never crosses one. No three points in a row lie on one line. A ring begins at the upper left corner of
    the first pixel (in column-major order) of its part or hole; the parts of an owner come in the order of their
    first pixels, and so do the holes of a part. By any rule that takes pixels whose centres are inside, COCO's among
    them, an outer ring covers its part and the part's holes, and a hole's ring the hole.

    >>> square = Runs(np.array([5, 9]), np.array([2, 2]), np.zeros(2, np.int32))
    >>> outlines(square, np.array([4])).as_lists()
    [[1, 1, 3, 1, 3, 3, 1, 3]]
    """
    x, top = columns(runs, height)
    edge, cycle = kernels.cycles(kernels.follow(x, top, top + runs.length, runs.owner))
    run, bottom = edge // 2, edge % 2
    y = top[run] + runs.length[run] * bottom
    y_ahead = y[ahead_of(cycle)]
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
    outer = _outer(first, edge, cycle)
    rings = Rings(points[shifted].reshape(-1), 2 * ring, runs.owner[first // 2], outer)
    return rings if (outer[1:] >= outer[:-1]).all() else rings.take(np.argsort(outer, kind="stable"))


def _outer(first: Ints, edge: Ints, cycle: Ints) -> Ints:
    """The outer ring of each ring, given its first edge; the rings are those of `edge`, cut by `cycle`."""
    ring_of = np.empty(len(edge), np.int64)
    ring_of[edge] = np.repeat(np.arange(len(first)), np.diff(cycle))
    # The run above a hole is of the hole's part; its top comes before its bottom, so its ring is an earlier one.
    outer: Ints = ring_of[first - first % 2]
    while not np.array_equal(outer, farther := outer[outer]):
        outer = farther
    return outer


def ahead_of(offset: Ints) -> Ints:
    """The point after each, in closed rings of points that `offset` (n_rings + 1,) cuts.

    >>> ahead_of(np.array([0, 3, 3, 5])).tolist()
    [1, 2, 0, 4, 3]
    """
    ahead = np.arange(1, offset[-1] + 1)
    some = offset[1:] > offset[:-1]
    ahead[offset[1:][some] - 1] = offset[:-1][some]
    return ahead
