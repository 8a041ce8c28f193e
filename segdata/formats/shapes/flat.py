"""Flat: the rings of many polygons in a few arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints
from segdata.formats.shapes.shape import Floats, Polygon


@dataclass(frozen=True, slots=True)
class Flat:
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
    def of(polygons: Sequence[Polygon]) -> "Flat":
        """The rings of these polygons, in order."""
        rings = [ring for polygon in polygons for ring in polygon.rings]
        return Flat(
            np.concatenate([np.empty((0, 2)), *rings]),
            sums(np.fromiter(map(len, rings), np.int64, len(rings))),
            sums(np.fromiter((1 + len(polygon.holes) for polygon in polygons), np.int64, len(polygons))),
        )

    @property
    def polygon_of_ring(self) -> Ints:
        """(n_rings,) the polygon that each ring belongs to."""
        return np.repeat(np.arange(len(self.polygon) - 1), np.diff(self.polygon))


def sums(count: Ints) -> Ints:
    """(n + 1,): where each of n groups of these sizes begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
