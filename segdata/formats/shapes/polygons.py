"""Polygons of segments: read the column `rings`, check that it draws the pixels, and trace exact polygons.

The column has no place for a ring's role. So a polygon's rings come one after the other, its exterior first, and a ring
is a hole if less than half of what it encloses are pixels of the segment. If that misleads (a hole nearly filled by
another part), the polygons no longer draw the segment's pixels. Writers check this before they use them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns
from segdata.core.polygons import trace_outlines
from segdata.core.profile import RasterRule
from segdata.core.runs import Flags, Floats, Ints, NumberLine, Runs, expand_ranges, group_offsets
from segdata.formats.shapes.geometry import (
    MAX_COORDINATE,
    Polygon,
    PolygonArrays,
    Ring,
    Rounding,
    count_differing_pixels,
    crop_bitmaps,
    fill_rings,
    rasterise,
    rasterise_polygons,
    unite_owners,
)


@dataclass(frozen=True, slots=True)
class SourcePolygons:
    """The source's polygons in a batch, for segments whose polygons can all be drawn."""

    polygons: PolygonArrays  # n polygons
    segment: Ints  # (n,) int64, the row of each polygon's segment, ascending
    height: Ints  # (n_segments,) int64, of the segments' images, in pixels
    width: Ints  # likewise

    @staticmethod
    def from_batch(batch: Batch) -> "SourcePolygons":
        """The polygons in a batch's column `rings`, for segments whose rings can all be drawn."""
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

    def fill_holes(self) -> "SourcePolygons":
        """The polygons with every hole as a separate polygon, as COCO reads the rings."""
        flat = self.polygons
        single = PolygonArrays(flat.points, flat.ring, np.arange(len(flat.ring)))
        return SourcePolygons(single, self.segment[flat.polygon_of_ring], self.height, self.width)

    def rasterise(self, rule: RasterRule, rounding: Rounding = "truncate") -> Runs:
        """The pixels of the polygons, united for each segment; owners are segments."""
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
    """The numbers of a list<list<double>> column, the start of each ring, and the row of each ring."""
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
    line = NumberLine.from_sizes(height, width)
    a, b = SweepRuns.from_runs(inside, line, segment), SweepRuns.from_runs(runs, line, np.arange(len(height)))
    which, _, _, length = a.strips_with(b)
    shared = np.bincount(which, weights=length, minlength=len(later))
    hole[later] = 2 * shared < inside.areas(len(later))
    return hole


@dataclass(frozen=True, slots=True)
class RasterDisagreement:
    """The difference between a raster rule and the pixels of segments, summed over batches."""

    drawn: int = 0  # segments with polygons that can be drawn
    differing: int = 0  # segments whose pixels would change
    pixels: int = 0  # pixels that these gain or lose

    def __add__(self, other: "RasterDisagreement") -> "RasterDisagreement":
        return RasterDisagreement(
            self.drawn + other.drawn, self.differing + other.differing, self.pixels + other.pixels
        )


def raster_disagreement(batch: Batch, rule: RasterRule = "coco") -> RasterDisagreement:
    """The difference for a reader that draws the polygons of `batch` by `rule`.

    By "coco" holes are filled, since COCO's polygons have none. Segments without polygons do not count; segments with
    changed pixels keep none.
    """
    source = SourcePolygons.from_batch(batch)
    redrawn = (source.fill_holes() if rule == "coco" else source).rasterise(rule)
    rows = np.unique(source.segment)
    differing = count_differing_pixels(batch.runs, redrawn, source.height, source.width)[rows]
    return RasterDisagreement(len(rows), int(np.count_nonzero(differing)), int(differing.sum()))


Points = NDArray[np.int32]
Pixels = NDArray[np.uint8]


def bridge_rings(rings: list[Points]) -> Points:
    """One ring (m, 2) along all of the rings (n, 2), of whole numbers in pixels.

    The bridges join nearest points and are as short in sum as they can be: the shortest tree that joins points is part
    of their Delaunay triangulation, so that even a thousand rings take little more time than to read them.
    Source: Shamos and Hoey (1975), Closest-point problems, 16th Annual Symposium on Foundations of Computer Science.

    >>> bridge_rings([np.array([[0, 0], [4, 0], [4, 4]]), np.array([[6, 4], [9, 9], [6, 9]])]).tolist()
    [[0, 0], [4, 0], [4, 4], [6, 4], [9, 9], [6, 9], [6, 4], [4, 4]]
    """
    if len(rings) == 1:
        return rings[0]
    ring = np.repeat(np.arange(len(rings)), [len(points) for points in rings])
    first = np.searchsorted(ring, np.arange(len(rings)))
    points = np.concatenate(rings)
    order, parent, leave, arrive = _shortest_bridges(points, ring, len(rings))
    children: list[list[tuple[int, int]]] = [[] for _ in rings]
    way = np.empty(0, np.int64)
    ways: dict[int, Ints] = {}
    for row in order[::-1].tolist():  # children before their parent
        begin, size = int(arrive[row]), len(rings[row])
        indices = np.concatenate([np.arange(begin, first[row] + size), np.arange(first[row], begin)])
        pieces, index = [], 0
        for stop, child in sorted(((point - begin) % size, child) for point, child in children[row]):
            pieces += [indices[index : stop + 1], ways.pop(child)]
            index = stop  # the bridge returns to its start
        way = np.concatenate([*pieces, indices[index:], indices[:1]])
        ways[row] = way
        children[parent[row]].append((int(leave[row]), row))
    return points[way[:-1]]


def _shortest_bridges(points: Points, ring: Ints, n_rings: int) -> tuple[Ints, Ints, Ints, Ints]:
    """The shortest bridges that join all rings: the rings from the first one outwards, and of each ring its parent.

    Also the points (rows of `points`) where the bridge to each ring leaves its parent and arrives; the first ring is
    its own parent and "arrives" at its first point.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    a, b = _neighbour_pairs(points)
    apart = ring[a] != ring[b]
    a, b = a[apart], b[apart]
    swap = ring[a] > ring[b]
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    pair = ring[a] * n_rings + ring[b]
    gap = np.hypot(*(points[a] - points[b]).T.astype(np.float64)) + 1  # a zero distance still must be an edge
    best = np.lexsort((gap, pair))
    best = best[np.diff(pair[best], prepend=-1) > 0]
    a, b, pair, gap = a[best], b[best], pair[best], gap[best]
    ends = (ring[a].astype(np.int32), ring[b].astype(np.int32))  # scipy before 1.15 accepts no other type
    tree = minimum_spanning_tree(coo_array((gap, ends), (n_rings, n_rings)).tocsr())
    order, parent = breadth_first_order(tree, 0, directed=False)
    parent[0] = 0
    row = np.arange(n_rings)
    bridge = np.searchsorted(pair, np.minimum(row, parent) * n_rings + np.maximum(row, parent))[1:]
    leave, arrive = np.zeros(n_rings, np.int64), np.zeros(n_rings, np.int64)
    upward = parent[1:] < row[1:]
    leave[1:], arrive[1:] = np.where(upward, a[bridge], b[bridge]), np.where(upward, b[bridge], a[bridge])
    return order, parent, leave, arrive


def _neighbour_pairs(points: Points) -> tuple[Ints, Ints]:
    """Pairs of points (rows) that hold the shortest tree over all points: of the same place, and next to each other."""
    x, y = points.astype(np.int64).T
    _, point_of_place, row = np.unique((x << 32) + y, return_index=True, return_inverse=True)
    order = np.argsort(row, kind="stable")
    same = np.flatnonzero(np.diff(row[order]) == 0)
    # The next place in reading order: a way to each point, whatever rounding may do to the triangles.
    edges = [
        np.column_stack([point_of_place[:-1], point_of_place[1:]]),
        np.column_stack([order[same], order[same + 1]]),
        point_of_place[kernels.triangulate(x[point_of_place], y[point_of_place])],
    ]
    a, b = np.concatenate(edges).T
    return a, b


@dataclass(frozen=True, slots=True)
class TracedPolygons:
    """The polygons of n segments.

    Attributes
    ----------
    polygons : of each segment; none for a segment without pixels
    wrong : (n,) int64, pixels that the polygons have and the segment has not, or the reverse
    """

    polygons: list[list[Polygon]]
    wrong: Ints


def trace_polygons(runs: Runs, rule: RasterRule, height: Ints, width: Ints) -> TracedPolygons:
    """A polygon with its holes for each part of each segment; sizes (n,) of their images are in pixels.

    Exact by each of the four rules. By "coco" and "centre-evenodd" rings run along the edges of pixels. By "pil" and
    "cv2", which draw the edges too, they run from centre to centre of the border pixels, at whole numbers (readers that
    truncate scaled numbers keep the pixels if you add half a pixel). Parts are 8-connected; if a hole closes diagonally
    around pixels of its part, these are one more polygon.
    """
    from_centres = rule in ("pil", "cv2")
    polygons = _trace_bitmaps(runs, height, _trace_parts) if from_centres else _trace_edges(runs, height)
    return TracedPolygons(
        polygons, count_differing_pixels(runs, rasterise(polygons, rule, height, width), height, width)
    )


def _trace_edges(runs: Runs, height: Ints) -> list[list[Polygon]]:
    rings = trace_outlines(runs, height)
    points = rings.xy.reshape(-1, 2).astype(np.float64)
    polygons: list[list[Polygon]] = [[] for _ in height]
    ring_points = [
        points[i:j] for i, j in zip((rings.ring[:-1] // 2).tolist(), (rings.ring[1:] // 2).tolist(), strict=True)
    ]
    first = np.flatnonzero(~rings.hole)
    last = np.append(first, len(rings))[1:]
    for owner, i, j in zip(rings.owner[first].tolist(), first.tolist(), last.tolist(), strict=True):
        polygons[owner].append(Polygon(ring_points[i], tuple(ring_points[i + 1 : j])))
    return polygons


def _trace_bitmaps(runs: Runs, height: Ints, outline: Callable[[Pixels], list[Polygon]]) -> list[list[Polygon]]:
    """The polygons that `outline` makes of each segment's bitmap, at its place in the image."""
    polygons = []
    for bitmap in crop_bitmaps(runs, height, len(height)):
        traced = outline(bitmap.mask.view(np.uint8)) if bitmap.mask.size else []
        corner = np.array([bitmap.x, bitmap.y], np.float64)
        polygons.append(
            [Polygon(polygon.exterior + corner, tuple(hole + corner for hole in polygon.holes)) for polygon in traced]
        )
    return polygons


def _trace_parts(mask: Pixels) -> list[Polygon]:
    """Trace polygons whose union is the mask (height, width) of zeros and ones."""
    polygons: list[Polygon] = []
    left, holed = mask, True
    while holed and left.any():
        xy, ring, hole, parent = kernels.borders(left)
        with_holes = set(parent[hole].tolist())
        holed = bool(with_holes)
        left = left.copy() if holed else left
        for row in np.flatnonzero(~hole).tolist():
            points = xy[ring[row] : ring[row + 1]]
            corner = points.min(axis=0)
            inside = fill_rings([points - corner], *(np.ptp(points, axis=0) + 1)[::-1].tolist()) if holed else None
            holes: list[Points] = []
            if inside is not None:
                (x, y), (high, wide) = corner.tolist(), inside.shape
                window = slice(y, y + high), slice(x, x + wide)
                if row in with_holes:
                    # The border of a hole runs along the pixels around it; the hole's own pixels are needed here.
                    holes = _outermost_rings(inside & (mask[window] == 0))
                    inside &= ~fill_rings(holes, *inside.shape)
                left[window][inside] = 0
            polygons.append(Polygon(_as_ring(points), tuple(_as_ring(points + corner) for points in holes)))
    return polygons


def _outermost_rings(mask: Flags) -> list[Points]:
    """The rings along the border pixels of the outermost parts of a mask."""
    xy, ring, _, parent = kernels.borders(mask.view(np.uint8))
    return [xy[ring[row] : ring[row + 1]] for row in np.flatnonzero(parent < 0).tolist()]


def _as_ring(points: Points) -> Ring:
    """The points as numbers, at least three: tools refuse fewer, even for a tiny part."""
    ring = points.astype(np.float64)
    return ring if len(ring) >= 3 else np.concatenate([ring, np.repeat(ring[-1:], 3 - len(ring), axis=0)])
