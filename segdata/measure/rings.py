"""Rings: the source's polygon rings of a batch's segments."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core import kernels, outline
from segdata.core.runs import Ints, Runs, boxes, spread
from segdata.core.unkeyhole import unkeyhole

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rings:
    """The rings of the segments that have any.

    Attributes
    ----------
    segment : (n,) int64, segment rows, ascending
    first_ring : (n + 1,) int64, the rings of the i-th are ``first_ring[i]:first_ring[i + 1]``
    first_number : (n_rings + 1,) int64, the numbers of a ring; a point is two
    xy : (m,) float64, x and y in turn, in pixels from the image's top left corner
    """

    segment: Ints
    first_ring: Ints
    first_number: Ints
    xy: Floats

    @staticmethod
    def of(segments: pa.ChunkedArray) -> "Rings":
        """The rings in the column `rings` of a batch's segments."""
        column = segments.chunk(0) if segments.num_chunks == 1 else segments.combine_chunks()  # which copies
        count = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        segment = np.flatnonzero(count)
        rings = column.flatten()
        return Rings(
            segment.astype(np.int64),
            _sums(count[segment]),
            _offsets(pc.list_value_length(rings)),
            rings.flatten().to_numpy(zero_copy_only=False),
        )

    @staticmethod
    def among(column: pa.ChunkedArray, segments: Ints) -> "Rings":
        """The rings of some segments, given by row, in ascending order."""
        rings = Rings.of(column.take(pa.array(segments)))
        return replace(rings, segment=segments[rings.segment])

    @property
    def ring_segment(self) -> Ints:
        """(n_rings,) which of `segment` each ring belongs to."""
        return np.repeat(np.arange(len(self.segment)), np.diff(self.first_ring))

    def take(self, chosen: Ints) -> "Rings":
        """The rings of some segments, given by position in `segment`."""
        n_rings = np.diff(self.first_ring)[chosen]
        ring = spread(self.first_ring[chosen], n_rings)
        n_numbers = np.diff(self.first_number)[ring]
        number = spread(self.first_number[ring], n_numbers)
        return Rings(self.segment[chosen], _sums(n_rings), _sums(n_numbers), self.xy[number])

    def opened(self) -> "Rings":
        """The same segments, rings that bridges join taken apart (`segdata.core.unkeyhole`)."""
        apart = self._apart()
        return Rings(self.segment, apart.offsets(len(self.segment)), apart.ring, apart.xy)

    def holes(self) -> "Rings":
        """The same segments with the holes alone that bridges join to other rings."""
        apart = self._apart()
        rows = np.flatnonzero(apart.hole)
        rings = outline.Rings.alone(apart.xy, apart.ring).take(rows)
        first_ring = np.searchsorted(apart.owner[rows], np.arange(len(self.segment) + 1))
        return Rings(self.segment, first_ring, rings.ring, rings.xy)

    def _apart(self) -> outline.Rings[np.float64]:
        """The rings taken apart; owners are positions in `segment`. Rings with half a point are left out."""
        owner = self.ring_segment.astype(np.int32)
        rings = outline.Rings(self.xy, self.first_number, owner, np.arange(len(owner)))
        return unkeyhole(rings.take(np.flatnonzero(np.diff(self.first_number) % 2 == 0)))


def are_rings(regions: pa.Table, rings: Rings, height: Ints, width: Ints) -> NDArray[np.bool_]:
    """(n_regions,) whether a ring of the region's segment has the same area and box.

    `regions` has the columns segment, area, x, y, width, height; sizes (n_segments,) are of the images, in pixels.
    """
    of = rings.segment[rings.ring_segment]
    single = np.arange(len(of) + 1, dtype=np.int64)
    runs = Runs(*kernels.rasterise(rings.xy, rings.first_number, single, height[of], width[of]))
    of_rings = np.column_stack([of, runs.areas(len(of)), *boxes(runs, height[of], len(of))])
    of_regions = np.column_stack(
        [regions[name].to_numpy() for name in ("segment", "area", "x", "y", "width", "height")]
    )
    _, number = np.unique(np.concatenate([of_regions, of_rings]), axis=0, return_inverse=True)
    return np.isin(number[: len(of_regions)], number[len(of_regions) :])


def _offsets(length: pa.Array) -> Ints:
    return _sums(pc.fill_null(length, 0).to_numpy(zero_copy_only=False).astype(np.int64))


def _sums(count: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
