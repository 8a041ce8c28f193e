"""The camera of the sample street: metres to pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """A pinhole camera that looks along a street: `x` to the right, `up` from the ground, `z` ahead, all in metres."""

    width: int
    height: int
    horizon: float
    vanish_x: float
    focal: float
    eye: float

    def project(self, x: object, up: object, z: object) -> Points:
        """Pixel positions, shape (n, 2), of the points with these coordinates in metres (each broadcast to n)."""
        across, above, ahead = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (x, up, z)))
        scale = self.focal / ahead
        return np.stack([self.vanish_x + across * scale, self.horizon + (self.eye - above) * scale], axis=-1)

    def board(self, x: float, z: float, outline: object) -> Points:
        """An outline of (right, up) metres, shape (n, 2), standing upright at (x, z)."""
        points = np.asarray(outline, dtype=float)
        return self.project(x + points[:, 0], points[:, 1], z)

    def pixels(self, metres: float, z: float) -> float:
        """How many pixels a length has at a distance."""
        return metres * self.focal / z


def circle(x: float, y: float, radius: float, n: int = 24, squeeze: float = 1.0) -> Points:
    """An ellipse as a ring of n points; `squeeze` is its width over its height."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([x + radius * squeeze * np.cos(angle), y + radius * np.sin(angle)], axis=-1)


def box(left: float, bottom: float, right: float, top: float) -> Points:
    """An upright rectangle as a ring of four points."""
    return np.array([(left, bottom), (right, bottom), (right, top), (left, top)], dtype=float)
