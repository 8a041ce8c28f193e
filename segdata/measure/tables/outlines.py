"""Outlines: the source's polygon rings, and measures of defects that only rings show."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns, find_overlaps_within
from segdata.core.polygons import Rings, SourceRings, unkeyhole
from segdata.core.runs import (
    Flags,
    Floats,
    Ints,
    NumberLine,
    Runs,
    bounding_boxes,
    expand_ranges,
    group_offsets,
    take_ranges,
)
from segdata.core.strata import joint_codes
from segdata.measure.registry import BatchView, measure

_MAX_RINGS_COMPARED = 100  # per segment; boxes of more are not compared
_MIN_STUTTERING = 12  # numbers of a ring of three points that are there twice
_SHALLOW = 0.05  # pixels: a dent that rounded coordinates may have
_MAX_COUNTED_DISTANCE = 4096  # pixels beyond the frame; farther polygons are not drawn but computed by area


def matches_ring(regions: pa.Table, rings: SourceRings, height: Ints, width: Ints) -> Flags:
    """(n_regions,) whether a ring of the region's segment has the same area and box.

    `regions` has the columns segment, area, x, y, width, height; sizes (n_segments,) are of the images, in pixels.
    """
    if not len(rings.segment):
        return np.zeros(regions.num_rows, bool)
    ring_owner = rings.segment[rings.ring_segment]
    single = np.arange(len(ring_owner) + 1, dtype=np.int64)
    runs = Runs(*kernels.rasterise(rings.xy, rings.first_number, single, height[ring_owner], width[ring_owner]))
    n, names = len(ring_owner), ("segment", "area", "x", "y", "width", "height")
    of_rings = [ring_owner, runs.areas(n), *bounding_boxes(runs, height[ring_owner], n)]
    return are_among([regions[name].to_numpy() for name in names], of_rings)


def are_among(rows: Sequence[Ints], others: Sequence[Ints]) -> Flags:
    """(n,) whether each of some rows is among the others (m,); both are given column by column."""
    number, _ = joint_codes(*(np.concatenate(columns) for columns in zip(rows, others, strict=True)))
    n = len(rows[0])
    return np.isin(number[:n], number[n:])


@measure("outlines", tables={"outlines": {"segment": "segments"}})
def measure_outlines(view: BatchView) -> pa.Table:
    """The table `outlines`: one row per segment that has rings.

    segment (row), rings, vertices, around (the length of all rings in pixels), skew (of one ring of four points: how
    far the middles of its diagonals are apart, over the longer one; 0 for a parallelogram; else NaN), convex (whether
    all rings are), crossings (proper crossings of a ring's edges with edges of the same ring), cross_x and cross_y
    (where the first one is, in pixels), left, top, right and bottom of the vertices, outside (vertices beyond the
    frame), overshoot (how far, pixels), outside_pixels, filled (rings that lie wholly inside another of the same
    segment), filled_pixels, filled_x … filled_height (the box of the first such ring), repeated (rings with the points
    and pixels of an earlier one of the segment), stuttering (rings each of whose points is there twice in a row).
    """
    batch = view.batch
    rings = batch.rings
    height, width = batch.segment_size
    count, cross_x, cross_y = _crossings(rings)
    per_segment = rings.first_ring[:-1]
    first_crossed = np.full(len(rings.segment), -1, np.int64)
    crossed = np.flatnonzero(count > 0)[::-1]  # reversed: the first ring of each segment is written last
    first_crossed[rings.ring_segment[crossed]] = crossed
    columns = {
        "segment": rings.segment,
        "rings": np.diff(rings.first_ring).astype(np.int32),
        "vertices": np.diff(rings.first_number[rings.first_ring]) // 2,
        "around": kernels.ring_lengths(rings.xy, rings.first_number, rings.first_ring),
        "skew": _skew(rings),
        "convex": np.logical_and.reduceat(kernels.convex_rings(rings.xy, rings.first_number, _SHALLOW), per_segment)
        if len(per_segment)
        else np.empty(0, bool),
        "stuttering": _stuttering(rings),
        "crossings": np.add.reduceat(count, per_segment) if len(per_segment) else np.empty(0, np.int64),
        "cross_x": np.where(first_crossed >= 0, cross_x[first_crossed], np.nan) if len(count) else cross_x,
        "cross_y": np.where(first_crossed >= 0, cross_y[first_crossed], np.nan) if len(count) else cross_y,
    }
    extents = _extents(rings)
    columns |= extents
    columns |= _outside_columns(rings, extents, height[rings.segment], width[rings.segment])
    columns |= _filled_columns(rings, batch, height[rings.segment], width[rings.segment])
    return pa.table(columns)


def _crossings(rings: SourceRings) -> tuple[Ints, Floats, Floats]:
    """(n_rings,) proper crossings of each ring with itself, and x and y of the first one.

    Bridges do not count: an edge traversed in both directions separates nothing (`segdata.core.polygons`).
    """
    count, x, y = kernels.crossings(rings.xy, rings.first_number)
    crossed = np.flatnonzero((count > 0) & (np.diff(rings.first_number) % 2 == 0))
    opened = unkeyhole(Rings.outer_rings(rings.xy, rings.first_number).take(crossed))
    left, left_x, left_y = kernels.crossings(opened.xy, opened.ring)
    count[crossed] = np.bincount(opened.owner, left, len(count))[crossed]
    for places, of_opened in ((x, left_x), (y, left_y)):
        places[crossed] = np.nan
        places[opened.owner[left > 0][::-1]] = of_opened[left > 0][::-1]  # reversed: the first is written last
    return count, x, y


def _skew(rings: SourceRings) -> Floats:
    """The deviation of quadrilaterals from parallelograms; see `measure_outlines`."""
    skew = np.full(len(rings.segment), np.nan)
    first = rings.first_ring[:-1]
    quads = np.flatnonzero((np.diff(rings.first_ring) == 1) & (np.diff(rings.first_number)[first] == 8))
    points = rings.xy[rings.first_number[first[quads]][:, None] + np.arange(8)].reshape(-1, 4, 2)
    one, two = points[:, 2] - points[:, 0], points[:, 3] - points[:, 1]
    apart = np.linalg.norm((points[:, 0] + points[:, 2] - points[:, 1] - points[:, 3]) / 2, axis=1)
    longer = np.maximum(np.linalg.norm(one, axis=1), np.linalg.norm(two, axis=1))
    skew[quads] = apart / np.maximum(longer, np.finfo(float).tiny)
    return skew


def _stuttering(rings: SourceRings) -> Ints:
    """(n,) the rings of each segment of which every point is there twice in a row."""
    first, n_numbers = rings.first_number[:-1], np.diff(rings.first_number)
    rows = np.flatnonzero((n_numbers >= _MIN_STUTTERING) & (n_numbers % 4 == 0))
    for pair in range(3):  # hardly any ring has three such pairs
        x, y, next_x, next_y = (rings.xy[first[rows] + 4 * pair + k] for k in range(4))
        rows = rows[(x == next_x) & (y == next_y)]
    if len(rows) == 0:
        return np.zeros(len(rings.segment), np.int64)
    pairs = take_ranges(rings.xy, first[rows], n_numbers[rows]).reshape(-1, 2, 2)
    is_same = (pairs[:, 0] == pairs[:, 1]).all(axis=1)
    is_whole = np.logical_and.reduceat(is_same, group_offsets(n_numbers[rows] // 4)[:-1])
    return np.bincount(rings.ring_segment[rows[is_whole]], minlength=len(rings.segment))


def _extents(rings: SourceRings) -> dict[str, Floats]:
    """The extent of the vertices of each segment, in pixels from the image's top left corner."""
    boxes = kernels.ring_boxes(rings.xy, rings.first_number, rings.first_ring)
    return dict(zip(("left", "top", "right", "bottom"), boxes, strict=True))


def _outside_columns(
    rings: SourceRings, extents: dict[str, Floats], height: Ints, width: Ints
) -> dict[str, Floats | Ints]:
    """Vertices beyond the frame, the distance of the farthest one, and the pixels that the polygon covers there.

    Segments whose `extents` are inside the frame are skipped.
    """
    reach = np.maximum.reduce([-extents["left"], -extents["top"], extents["right"] - width, extents["bottom"] - height])
    overshoot = np.maximum(reach, 0)
    outside = np.zeros(len(rings.segment), np.int64)
    some = np.flatnonzero(overshoot > 0)
    moved = rings.take(some)
    point = np.repeat(some, np.diff(moved.first_number[moved.first_ring]) // 2)
    x, y = moved.xy[0::2], moved.xy[1::2]
    beyond = (x < 0) | (y < 0) | (x > width[point]) | (y > height[point])
    outside[some] = np.bincount(point[beyond], minlength=len(rings.segment))[some]
    pixels = np.zeros(len(rings.segment), np.int64)
    far = np.flatnonzero(overshoot > _MAX_COUNTED_DISTANCE)
    pixels[far] = _area_beyond(rings.take(far), height[far], width[far])
    some = np.flatnonzero((outside > 0) & (overshoot <= _MAX_COUNTED_DISTANCE))
    if len(some):
        moved = rings.take(some)
        room = np.ceil(overshoot[some]).astype(np.int64) + 1
        numbers = np.repeat(room, np.diff(moved.first_number[moved.first_ring]))
        larger = height[some] + 2 * room
        start, length, owner = kernels.rasterise(
            moved.xy + numbers, moved.first_number, moved.first_ring, larger, width[some] + 2 * room
        )
        column, top = np.divmod(start, larger[owner])
        shift, high = room[owner], height[some][owner]
        within = (column >= shift) & (column < shift + width[some][owner])
        inner = np.minimum(top + length, shift + high) - np.maximum(top, shift)
        beyond_frame = length - np.where(within, np.maximum(inner, 0), 0)
        pixels[some] = np.bincount(owner, beyond_frame, len(some)).astype(np.int64)
    return {"outside": outside, "overshoot": overshoot, "outside_pixels": pixels}


def _area_beyond(rings: SourceRings, height: Ints, width: Ints) -> Ints:
    """(n_segments,) the pixels beyond the frame, by areas: coordinates in wrong units reach too far to be drawn.

    Exact but for the rounding of edges if rings do not cross themselves or one another.
    """
    if len(rings.segment) == 0:
        return np.empty(0, np.int64)
    x, y = rings.xy[0::2], rings.xy[1::2]
    first = rings.first_number // 2
    following = np.arange(1, len(x) + 1)
    following[first[1:] - 1] = first[:-1]
    ring = np.abs(np.add.reduceat(x * y[following] - x[following] * y, first[:-1])) / 2
    _, length, owner = kernels.rasterise(rings.xy, rings.first_number, rings.first_ring, height, width)
    inside = np.bincount(owner, weights=length, minlength=len(rings.segment))
    beyond = np.add.reduceat(ring, rings.first_ring[:-1]) - inside
    return np.maximum(np.rint(beyond), 0).astype(np.int64)


def _filled_columns(rings: SourceRings, batch: Batch, height: Ints, width: Ints) -> dict[str, Ints]:
    """Rings whose pixels lie inside another ring of the same segment and belong to it; and those that are repeated."""
    several = _segments_with_nested_rings(rings, height, width)
    names = ("filled", "filled_pixels", "filled_x", "filled_y", "filled_width", "filled_height", "repeated")
    columns = {name: np.zeros(len(rings.segment), np.int64) for name in names}
    if len(several) == 0:
        return columns
    several_rings = rings.take(several)
    n_rings = len(several_rings.first_number) - 1
    segment = several_rings.ring_segment
    ring_height, ring_width = height[several][segment], width[several][segment]
    single = np.arange(n_rings + 1, dtype=np.int64)
    runs = Runs(*kernels.rasterise(several_rings.xy, several_rings.first_number, single, ring_height, ring_width))
    area = runs.areas(n_rings)
    line = NumberLine.from_sizes(height[several], width[several])
    overlaps = find_overlaps_within(SweepRuns.from_runs(runs, line, segment))
    small, large = np.where(area[overlaps.a] < area[overlaps.b], (overlaps.a, overlaps.b), (overlaps.b, overlaps.a))
    within = (overlaps.pixels == area[small]) & (area[small] != area[large])
    of_segment = SweepRuns.from_runs(
        batch.runs.take(rings.segment[several], batch.n_segments), line, np.arange(len(several))
    )
    ring = SweepRuns.from_runs(runs, line, segment)
    which, _, _, length = ring.strips_with(of_segment)
    shared = np.bincount(which, weights=length, minlength=n_rings).astype(np.int64)
    n_numbers = np.diff(several_rings.first_number)
    twice = (overlaps.pixels == area[small]) & (area[small] == area[large]) & (n_numbers[small] == n_numbers[large])
    later = np.unique(np.maximum(small, large)[twice & (shared[small] == area[small])])
    columns["repeated"] = np.bincount(several[segment[later]], minlength=len(rings.segment))
    inner = _even_odd_holes(small[within], large[within], area, shared)
    box = bounding_boxes(runs, ring_height, n_rings)
    owner = several[segment[inner]]
    np.add.at(columns["filled"], owner, 1)
    np.add.at(columns["filled_pixels"], owner, area[inner])
    for name, values in zip(names[2:6], box, strict=True):
        columns[name][owner[::-1]] = values[inner[::-1]]  # reversed: the first of each segment is written last
    return columns


def _segments_with_nested_rings(rings: SourceRings, height: Ints, width: Ints) -> Ints:
    """The segments, by position, with a ring whose box lies in that of another, or with many rings."""
    count = np.diff(rings.first_ring)
    few = np.flatnonzero((count > 1) & (count <= _MAX_RINGS_COMPARED))
    few = few[_have_rings_that_meet(rings.take(few))]
    few_rings = rings.take(few)
    segment = few[few_rings.ring_segment]
    single = np.arange(len(segment) + 1, dtype=np.int64)
    runs = Runs(*kernels.rasterise(few_rings.xy, few_rings.first_number, single, height[segment], width[segment]))
    x, y, wide, high = bounding_boxes(runs, height[segment], len(segment))
    first = np.repeat(single[:-1], count[segment])
    other = expand_ranges(few_rings.first_ring[few_rings.ring_segment], count[segment])
    inside = (first != other) & (wide[first] > 0) & (x[first] >= x[other]) & (y[first] >= y[other])
    inside &= (x[first] + wide[first] <= x[other] + wide[other]) & (y[first] + high[first] <= y[other] + high[other])
    is_nested = count > _MAX_RINGS_COMPARED
    is_nested[segment[first[inside]]] = True
    return np.flatnonzero(is_nested)


def _have_rings_that_meet(rings: SourceRings) -> Flags:
    """(n,) whether the boxes of two rings of a segment overlap, or are so near that the boxes of their pixels may.

    A box of vertices says no more: what lies beyond the frame, or is narrower than a pixel, is not drawn.
    """
    count = np.diff(rings.first_ring)
    single = np.arange(len(rings.first_number), dtype=np.int64)
    left, top, right, bottom = kernels.ring_boxes(rings.xy, rings.first_number, single)
    one = np.repeat(single[:-1], count[rings.ring_segment])
    other = expand_ranges(rings.first_ring[:-1][rings.ring_segment], count[rings.ring_segment])
    # Drawing moves a ring by less than a pixel. Numbers that are not finite, and rings without points, exclude nothing.
    apart = (left[one] > right[other] + 2) | (top[one] > bottom[other] + 2)
    meets = ~(apart | (left[other] > right[one] + 2) | (top[other] > bottom[one] + 2)) & (one != other)
    return np.bincount(rings.ring_segment[one[meets]], minlength=len(count)) > 0


def _even_odd_holes(inner: Ints, outer: Ints, area: Ints, shared: Ints) -> Ints:
    """Rings that are holes by the even-odd rule although at least half of their pixels belong to the segment.

    `inner` lies in `outer`, pair by pair; `shared` (n_rings,) are the pixels of each ring that belong to the segment.
    """
    depth = np.bincount(inner, minlength=len(area))
    sign = 1 - 2 * ((depth[inner] - depth[outer]) % 2)  # an island in a hole is no part of it
    hole = area + np.bincount(outer, sign * area[inner], len(area))
    filled = shared + np.bincount(outer, sign * shared[inner], len(area))
    return np.flatnonzero((depth % 2 == 1) & (hole > 0) & (2 * filled >= hole))
