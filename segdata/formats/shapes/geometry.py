"""Shapes of annotation tools that have an area. A segment is the union of its shapes.

All in the corner frame: pixel (x, y) covers [x, x + 1) times [y, y + 1), so (0, 0) is the top left corner of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import count_noun
from segdata.core.runs import Flags, Floats, Ints, group_offsets

Ring = NDArray[np.float64]  # (n, 2), x and y in pixels; the last point is joined to the first
_DECIMALS = 9  # of a pixel: numbers with fewer decimals survive a round trip exactly
MAX_COORDINATE = 1e7  # in pixels; rasterisers walk along edges, so farther points are refused


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """The inside of a ring, without its holes.

    Attributes
    ----------
    exterior : (n, 2) float64, pixels
    holes : each (n, 2) float64, pixels
    """

    exterior: Ring
    holes: tuple[Ring, ...] = ()

    @property
    def rings(self) -> tuple[Ring, ...]:
        """The exterior, then the holes."""
        return (self.exterior, *self.holes)

    def rotate(self, degrees: float, x: float, y: float) -> "Polygon":
        """The polygon turned about (x, y), clockwise as one sees it.

        >>> box(1, 1, 3, 2).rotate(90, 1, 1).exterior.round(6).tolist()
        [[1.0, 1.0], [1.0, 3.0], [0.0, 3.0], [0.0, 1.0]]
        """
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        about, turn = np.array([x, y]), np.array([[cos, sin], [-sin, cos]])
        exterior, *holes = ((ring - about) @ turn + about for ring in self.rings)
        return Polygon(exterior, tuple(holes))


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse about (x, y), in pixels; `degrees` turn its first radius clockwise away from the x axis."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    degrees: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Bitmap:
    """A mask at a position in the image."""

    # x, y of its top left pixel in the image; it may extend beyond the frame
    x: int
    y: int
    mask: Flags  # (height, width) bool


Shape = Polygon | Ellipse | Bitmap


def box(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    """The rectangle between two opposite corners; every tool draws it as the polygon of its four corners."""
    return Polygon(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64))


@dataclass(frozen=True, slots=True)
class PolygonArrays:
    """The rings of n polygons, each polygon's exterior first.

    Attributes
    ----------
    points : (m, 2) float64, pixels
    ring : (n_rings + 1,) int64, ring j is ``points[ring[j]:ring[j + 1]]``
    polygon : (n + 1,) int64, polygon i owns the rings ``polygon[i]:polygon[i + 1]``
    """

    points: Floats
    ring: Ints
    polygon: Ints

    @staticmethod
    def of(polygons: Sequence[Polygon]) -> "PolygonArrays":
        """The rings of these polygons, in order."""
        rings = [ring for polygon in polygons for ring in polygon.rings]
        return PolygonArrays(
            np.concatenate([np.empty((0, 2)), *rings]),
            group_offsets(np.fromiter(map(len, rings), np.int64, len(rings))),
            group_offsets(np.fromiter((1 + len(polygon.holes) for polygon in polygons), np.int64, len(polygons))),
        )

    @property
    def polygon_of_ring(self) -> Ints:
        """(n_rings,) the polygon of each ring."""
        return np.repeat(np.arange(len(self.polygon) - 1), np.diff(self.polygon))

    @property
    def following(self) -> Ints:
        """(m,) the next point of each point in its ring; the first one follows the last one."""
        following = np.arange(1, len(self.points) + 1)
        following[self.ring[1:] - 1] = self.ring[:-1]
        return following


def scale_points(shares: Floats, sides: Floats) -> Floats:
    """Points (n, 2) in pixels, to nine decimals; `shares` (n, 2) are of the `sides` (2,) width and height.

    >>> shares, sides = np.array([3.3, 7.7]) / 49, np.array([49.0, 49.0])
    >>> (shares * 49).tolist(), scale_points(shares, sides).tolist()
    ([3.3000000000000003, 7.7], [3.3, 7.7])
    """
    return np.round(shares * sides, _DECIMALS)


def check_ring(points: object) -> str | None:
    """Why a ring cannot be drawn, as a sentence without its subject; None if it can.

    Takes numbers x, y, x, y, ... or pairs of them, as in a file.

    >>> check_ring([1, 2, 5, 2])
    'has 2 points; at least 3 are needed'
    """
    try:
        array = np.asarray(points)
    except ValueError:
        return "has points that are not pairs of numbers"
    pairs = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 2)
    if not pairs or array.dtype.kind not in "iuf":  # texts, null and true are no numbers
        return "has points that are not pairs of numbers"
    numbers = array.ravel().astype(np.float64)
    if numbers.size % 2:
        return f"has {count_noun(numbers.size, 'number')}; x and y come in pairs"
    if numbers.size < 6:
        return f"has {count_noun(numbers.size // 2, 'point')}; at least 3 are needed"
    return _check_reach(numbers)


def check_numbers(*numbers: float) -> str | None:
    """Why an ellipse or a box cannot be drawn, as a sentence without its subject; None if it can.

    >>> check_numbers(3, float("nan"))
    'has the coordinate nan'
    """
    return _check_reach(np.asarray(numbers, np.float64))


def _check_reach(numbers: Floats) -> str | None:
    beyond = numbers[~(np.abs(numbers) <= MAX_COORDINATE)]
    if len(beyond) == 0:
        return None
    if not np.isfinite(beyond[0]):
        return f"has the coordinate {beyond[0]:g}"
    return f"has the coordinate {beyond[0]:g}, more than {MAX_COORDINATE:,.0f} px from the frame"
