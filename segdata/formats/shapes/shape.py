"""Shapes: what annotation tools draw, as far as it has pixels. A segment is the union of its shapes.

All in the corner frame: pixel (x, y) covers [x, x + 1) times [y, y + 1), so (0, 0) is the top left corner of the image.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ring = NDArray[np.float64]  # (n, 2), x and y in pixels; the last point is joined to the first


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

    def turned(self, degrees: float, x: float, y: float) -> "Polygon":
        """The polygon turned about (x, y), clockwise as one sees it.

        >>> box(1, 1, 3, 2).turned(90, 1, 1).exterior.round(6).tolist()
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
    """A picture of some pixels.

    Attributes
    ----------
    x, y : where its top left pixel lies in the image; it may reach beyond the frame
    mask : (height, width) bool
    """

    x: int
    y: int
    mask: NDArray[np.bool_]


Shape = Polygon | Ellipse | Bitmap


def box(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    """The rectangle between two opposite corners; every tool draws it as the polygon of its four corners."""
    return Polygon(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64))
