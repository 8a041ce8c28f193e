"""Outlines against pycocotools' pixels, scipy's components and the pixels themselves."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask
from scipy import ndimage

from segdata.core.polygons import Rings, stabbing_pairs, trace_outlines
from segdata.core.runs import Runs
from segdata.testing.pictures import runs_of_masks

Mask = np.ndarray
masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9))
ALL_EIGHT = np.ones((3, 3))


def traced(*masks: Mask) -> Rings[np.int64]:
    return trace_outlines(runs_of_masks(masks), np.array([mask.shape[0] for mask in masks], np.int64))


def painted(ring: list[float], mask: Mask) -> Mask:
    """The pixels of a ring on the canvas of a mask, in COCO's own code."""
    return np.asarray(coco_mask.decode(coco_mask.frPyObjects([ring], *mask.shape))[..., 0], bool)


def components(mask: Mask, structure: Mask | None = None) -> tuple[Mask, int]:
    """Scipy's components, numbered by their first pixels in column-major order."""
    labels, n = ndimage.label(mask.T, structure)
    return labels.T, n


def shoelace(ring: list[int]) -> float:
    x, y = np.reshape(ring, (-1, 2)).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


@given(mask=masks)
def test_even_odd_of_all_rings_is_the_mask(mask: Mask) -> None:
    pixels = np.zeros(mask.shape, bool)
    for ring in traced(mask).as_lists():
        pixels ^= painted(ring, mask)
    np.testing.assert_array_equal(pixels, mask)


@given(mask=masks)
def test_outer_rings_are_parts_with_their_holes_filled(mask: Mask) -> None:
    """And in the order of their first pixels."""
    rings, (parts, n) = traced(mask), components(mask)
    outer = [ring for ring, hole in zip(rings.as_lists(), rings.hole, strict=True) if not hole]
    assert len(outer) == n
    for number, ring in enumerate(outer, start=1):
        part = parts == number
        np.testing.assert_array_equal(painted(ring, mask), ndimage.binary_fill_holes(part, ALL_EIGHT))
        x, y = np.argwhere(part.T)[0].tolist()
        assert ring[:2] == [x, y]


@given(mask=masks)
def test_hole_rings_are_the_holes(mask: Mask) -> None:
    """8-connected parts of what is not the part, that do not reach out; each lies in its outer ring."""
    rings, (parts, n) = traced(mask), components(mask)
    lists = rings.as_lists()
    wanted = []
    for number in range(1, n + 1):
        regions, n_regions = components(np.pad(parts != number, 1, constant_values=True), ALL_EIGHT)
        holes = [regions[1:-1, 1:-1] == region for region in range(1, n_regions + 1) if region != regions[0, 0]]
        wanted += sorted(holes, key=lambda hole: np.argwhere(hole.T)[0].tolist())
    assert rings.hole.sum() == len(wanted)
    for k, hole in zip(np.flatnonzero(rings.hole), wanted, strict=True):
        np.testing.assert_array_equal(painted(lists[k], mask), hole)
        assert lists[k][:2] == np.argwhere(hole.T)[0].tolist()
        outer = rings.outer[k]
        assert outer == np.flatnonzero(~rings.hole[:k])[-1]  # holes follow their outer ring
        assert (hole <= painted(lists[outer], mask)).all()


@given(mask=masks)
def test_areas_are_pixels_clockwise_positive(mask: Mask) -> None:
    rings = traced(mask)
    areas = [shoelace(ring) for ring in rings.as_lists()]
    assert sum(areas) == mask.sum()
    assert [area < 0 for area in areas] == rings.hole.tolist()


@given(mask=masks)
def test_every_edge_is_a_border_and_turns(mask: Mask) -> None:
    """Unit steps are the pixel borders, each once and with the pixel on the right; no point could be left out."""
    steps = []
    for ring in traced(mask).as_lists():
        points = np.reshape(ring, (-1, 2))
        moves = np.roll(points, -1, axis=0) - points
        assert ((moves != 0).sum(axis=1) == 1).all()
        assert (moves[:, 0] * np.roll(moves[:, 0], -1) == 0).all()
        for (x, y), move in zip(points.tolist(), moves, strict=True):
            step = np.sign(move)
            steps += [(x + k * step[0], y + k * step[1], *step.tolist()) for k in range(abs(move).max())]
    padded = np.pad(mask, 1)
    wanted = []
    for y, x in np.argwhere(mask).tolist():
        around = padded[y : y + 3, x : x + 3]
        wanted += [(x, y, 1, 0)] * (not around[0, 1]) + [(x + 1, y + 1, -1, 0)] * (not around[2, 1])
        wanted += [(x, y + 1, 0, -1)] * (not around[1, 0]) + [(x + 1, y, 0, 1)] * (not around[1, 2])
    assert sorted(steps) == sorted(wanted)


@given(several=st.lists(masks, max_size=4))
def test_segments_are_outlined_on_their_own(several: list[Mask]) -> None:
    rings = traced(*several)
    offset = rings.offsets(len(several))
    assert offset[-1] == len(rings)
    for owner, mask in enumerate(several):
        alone, mine = traced(mask), rings.take(np.arange(offset[owner], offset[owner + 1]))
        assert mine.as_lists() == alone.as_lists()
        assert mine.outer.tolist() == alone.outer.tolist()
        assert set(mine.owner.tolist()) <= {owner}


def test_parts_in_holes_in_parts() -> None:
    mask = np.ones((9, 9), bool)
    mask[1:8, 1:8] = False
    mask[2:7, 2:7] = True
    mask[3:6, 3:6] = False
    mask[4, 4] = True
    rings = traced(mask)
    assert [ring[0] for ring in rings.as_lists()] == [0, 1, 2, 3, 4]
    assert rings.outer.tolist() == [0, 0, 2, 2, 4]


def test_touching_corners_keep_parts_apart_and_holes_together() -> None:
    parts = traced(np.eye(2, dtype=bool))
    assert parts.as_lists() == [[0, 0, 1, 0, 1, 1, 0, 1], [1, 1, 2, 1, 2, 2, 1, 2]]
    holes = np.ones((4, 4), bool)
    holes[1, 1] = holes[2, 2] = False
    assert traced(holes).as_lists()[1:] == [[1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 2, 2, 2, 2, 1]]


def test_no_pixels() -> None:
    rings = trace_outlines(Runs.empty(), np.array([3, 4]))
    assert (len(rings), rings.as_lists(), rings.offsets(2).tolist()) == (0, [], [0, 0, 0])


def test_merged_rings_are_in_the_order_of_owners() -> None:
    """Holes follow their outer rings wherever these go."""
    donut = np.ones((3, 3), bool)
    donut[1, 1] = False
    every = traced(donut, ~donut, donut)
    one, two = every.take(np.array([2])), every.take(np.array([0, 1, 3, 4]))
    for both in (one.merge(two), two.merge(one)):
        assert both.as_lists() == every.as_lists()
        assert both.owner.tolist() == every.owner.tolist() == [0, 0, 1, 2, 2]
        assert both.outer.tolist() == every.outer.tolist() == [0, 0, 2, 3, 3]


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9))), st.lists(st.integers(-9, 9)))
def test_stabbing_pairs_are_those_that_a_loop_finds(intervals: list[tuple[int, int]], points: list[int]) -> None:
    begin, end = np.array(intervals, np.int64).reshape(-1, 2).T
    found = [
        pair
        for some in stabbing_pairs(begin, end, np.array(points, np.int64))
        for pair in zip(*map(np.ndarray.tolist, some), strict=True)
    ]
    looped = [(i, k) for i, (a, b) in enumerate(intervals) for k, at in enumerate(points) if a <= at < b]
    assert sorted(found) == looped
