"""Source polygons: the column `rings`, which keeps them, and whether they draw the pixels of their segments.

The column has no place for a ring's role. So a polygon's rings come one after the other, its exterior first, and a ring
is a hole if less than half of what it encloses are pixels of the segment. If that misleads (a hole nearly filled by
another part), the polygons no longer draw the segment's pixels. Writers check this before they use them.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns
from segdata.core.profile import RasterRule
from segdata.core.runs import Ints, NumberLine, Runs, expand_ranges
from segdata.formats.shapes.geometry import MAX_COORDINATE, Floats, Polygon, PolygonArrays, group_offsets
from segdata.formats.shapes.raster import Rounding, count_differing_pixels, rasterise_polygons, unite_owners

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SourcePolygons:
    """The source's polygons that a batch keeps, of segments whose polygons can all be drawn."""

    polygons: PolygonArrays  # n polygons
    segment: Ints  # (n,) int64, the row of the segment that each is of, ascending
    height: Ints  # (n_segments,) int64, of the segments' images, in pixels
    width: Ints  # likewise

    @staticmethod
    def from_batch(batch: Batch) -> "SourcePolygons":
        """The polygons of the segments whose rings can all be drawn."""
        height, width = batch.segment_size
        lists = batch.segments["rings"].combine_chunks()
        numbers, ring, owner = _flatten_rings(lists)
        size = np.diff(ring)
        is_invalid = (size % 2 == 1) | (size < 6)
        is_invalid[np.repeat(np.arange(len(size)), size)[~(np.abs(numbers) <= MAX_COORDINATE)]] = True
        is_drawable = np.ones(len(lists), bool)
        is_drawable[owner[is_invalid]] = False
        kept = np.flatnonzero(is_drawable[owner])
        points = numbers[expand_ranges(ring[kept], size[kept])].reshape(-1, 2)
        ring, owner = group_offsets(size[kept] // 2), owner[kept]
        first = np.flatnonzero(~_find_holes(points, ring, owner, batch.runs, height, width))
        return SourcePolygons(PolygonArrays(points, ring, np.append(first, len(owner))), owner[first], height, width)

    def filled(self) -> "SourcePolygons":
        """The same with every hole as a polygon of its own, as COCO reads the rings."""
        flat = self.polygons
        single = PolygonArrays(flat.points, flat.ring, np.arange(len(flat.ring)))
        return SourcePolygons(single, self.segment[flat.polygon_of_ring], self.height, self.width)

    def rasterise(self, rule: RasterRule, rounding: Rounding = "truncate") -> Runs:
        """The pixels of the polygons, united over each segment, which are the owners."""
        height, width = self.height[self.segment], self.width[self.segment]
        runs = rasterise_polygons(self.polygons, rule, height, width, rounding=rounding)
        return unite_owners(runs, self.segment, self.height, self.width)

    def exact(self, runs: Runs, rule: RasterRule, rounding: Rounding = "truncate") -> Flags:
        """(n_segments,) whether the polygons draw exactly the segment's pixels; False without polygons."""
        has = np.zeros(len(self.height), bool)
        has[self.segment] = True
        same: Flags = count_differing_pixels(runs, self.rasterise(rule, rounding), self.height, self.width) == 0
        return has & same

    def of_segment(self, row: int) -> list[Polygon]:
        """The polygons of one segment."""
        first, last = np.searchsorted(self.segment, [row, row + 1]).tolist()
        flat, polygons = self.polygons, []
        for i in range(first, last):
            cut = flat.ring[flat.polygon[i] : flat.polygon[i + 1] + 1].tolist()
            exterior, *holes = (flat.points[begin:end] for begin, end in pairwise(cut))
            polygons.append(Polygon(exterior, tuple(holes)))
        return polygons


def _flatten_rings(lists: pa.ListArray) -> tuple[Floats, Ints, Ints]:
    """All numbers of a list<list<double>> column, the start of each ring among them, and the row of each ring."""
    count = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    rings = lists.flatten()
    size = rings.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    numbers = rings.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return numbers, group_offsets(size), np.repeat(np.arange(len(count)), count)


def _find_holes(points: Floats, ring: Ints, owner: Ints, runs: Runs, height: Ints, width: Ints) -> Flags:
    """(n_rings,) whether a ring is a hole of the polygon before it: more of its pixels are outside its segment."""
    hole = np.zeros(len(owner), bool)
    later = np.flatnonzero(np.diff(owner, prepend=-1) == 0)
    if len(later) == 0:
        return hole
    size = np.diff(ring)[later]
    xy = points[expand_ranges(ring[later], size)].ravel()
    segment = owner[later]
    inside = Runs(
        *kernels.rasterise(xy, 2 * group_offsets(size), np.arange(len(later) + 1), height[segment], width[segment])
    )
    line = NumberLine.of(height, width)
    a, b = SweepRuns.of(inside, line, segment), SweepRuns.of(runs, line, np.arange(len(height)))
    which, _, _, length = kernels.strips(a.start, a.end, a.owner, b.start, b.end, b.owner)
    shared = np.bincount(which, weights=length, minlength=len(later))
    hole[later] = 2 * shared < inside.areas(len(later))
    return hole


@dataclass(frozen=True, slots=True)
class RasterDisagreement:
    """The difference between a raster rule and the pixels of segments; those of several batches add up."""

    drawn: int = 0  # segments whose polygons are kept and can be drawn
    differing: int = 0  # segments that are drawn with other pixels
    pixels: int = 0  # how many pixels these gain or lose

    def __add__(self, other: "RasterDisagreement") -> "RasterDisagreement":
        return RasterDisagreement(
            self.drawn + other.drawn, self.differing + other.differing, self.pixels + other.pixels
        )


def raster_disagreement(batch: Batch, rule: RasterRule = "coco", rounding: Rounding = "truncate") -> RasterDisagreement:
    """The difference for a reader that draws the polygons of `batch` by `rule`.

    By "coco" holes are filled, since COCO's polygons have none. Segments without polygons do not count; segments with
    changed pixels keep none.
    """
    source = SourcePolygons.from_batch(batch)
    redrawn = (source.filled() if rule == "coco" else source).rasterise(rule, rounding)
    rows = np.unique(source.segment)
    differing = count_differing_pixels(batch.runs, redrawn, source.height, source.width)[rows]
    return RasterDisagreement(len(rows), int(np.count_nonzero(differing)), int(differing.sum()))
