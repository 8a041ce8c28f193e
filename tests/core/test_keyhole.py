"""Keyhole rings: one ring with exactly the pixels of many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from segdata.core import kernels
from segdata.core.polygons import Rings, has_bridges, keyhole, trace_outlines, unkeyhole
from segdata.testing.pictures import runs_of_masks

Mask = np.ndarray
masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


def traced(*masks: Mask) -> Rings[np.int64]:
    return trace_outlines(runs_of_masks(masks), np.array([mask.shape[0] for mask in masks], np.int64))


def painted(ring: list[float], height: int, width: int) -> Mask:
    """The pixels of a ring, in COCO's own code."""
    return np.asarray(coco_mask.decode(coco_mask.frPyObjects([ring], height, width))[..., 0], bool)


def assert_same(a: Rings[np.generic], b: Rings[np.generic]) -> None:
    assert a.as_lists() == b.as_lists()
    assert a.owner.tolist() == b.owner.tolist()
    assert a.outer.tolist() == b.outer.tolist()


@given(several=st.lists(masks, max_size=3))
def test_one_ring_has_exactly_the_pixels(several: list[Mask]) -> None:
    one = keyhole(traced(*several))
    assert one.owner.tolist() == [owner for owner, mask in enumerate(several) if mask.any()]
    for ring, owner in zip(one.as_lists(), one.owner, strict=True):
        np.testing.assert_array_equal(painted(ring, *several[owner].shape), several[owner])


@given(several=st.lists(masks, max_size=3))
def test_unkeyhole_gives_the_rings_back(several: list[Mask]) -> None:
    """All of them, in their order, from the same points on; whatever the type of coordinates."""
    rings = traced(*several)
    one = keyhole(rings)
    assert_same(unkeyhole(one), rings)
    assert_same(unkeyhole(Rings(one.xy.astype(float) + 0.25, one.ring, one.owner, one.outer)), shifted(rings))


def shifted(rings: Rings[np.int64]) -> Rings[np.float64]:
    return Rings(rings.xy + 0.25, rings.ring, rings.owner, rings.outer)


@given(mask=masks)
def test_bridges_are_gone_in_both_directions(mask: Mask) -> None:
    """Without them the steps of a keyhole ring are those of its rings; without touching rings there is one each."""
    rings = traced(mask)
    one = keyhole(rings)

    def edges(each: Rings[np.int64]) -> list[tuple[int, ...]]:
        points = [np.reshape(ring, (-1, 2)) for ring in each.as_lists()]
        return [edge for some in points for edge in map(tuple, np.hstack([some, np.roll(some, -1, 0)]).tolist())]

    border, way = edges(rings), edges(one)
    for edge in border:
        way.remove(edge)
    assert all((*edge[2:], *edge[:2]) in way for edge in way)
    assert len(way) <= 2 * max(len(rings) - 1, 0)
    assert has_bridges(one).tolist() == [True] * bool(way) + [False] * (len(one) - bool(way))


def test_many_parts_are_one_ring() -> None:
    """Six hundred parts of sixteen points, with bridges no longer than to a neighbour."""
    cross = np.pad(np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool), ((0, 2), (0, 2)))
    rings = traced(np.tile(cross, (20, 30)))
    assert (len(rings), len(rings.xy) // 2) == (600, 7200)
    one = keyhole(rings)
    points = one.xy.reshape(-1, 2)
    steps = np.hypot(*(np.roll(points, -1, axis=0) - points).T)
    assert steps.max() < 6
    assert len(points) == 7200 + 2 * 599
    assert_same(unkeyhole(one), rings)


def test_rings_that_people_drew_are_joined_as_they_are() -> None:
    outer, hole, other = [0.5, 0.5, 9.5, 1, 9, 9.5, 1, 9], [3, 3, 3, 6, 6.25, 6, 6, 3.5], [12, 2, 15, 2.5, 13, 5]
    numbers = np.array([*outer, *hole, *other], float)
    drawn = Rings(numbers, np.array([0, 8, 16, 22]), np.zeros(3, np.int32), np.array([0, 0, 2]))
    (one,) = keyhole(drawn).as_lists()
    wanted = painted(outer, 10, 16) & ~painted(hole, 10, 16) | painted(other, 10, 16)
    np.testing.assert_array_equal(painted(one, 10, 16), wanted)
    _, length, _ = kernels.rasterise(np.array(one), np.array([0, len(one)]), np.arange(2), *np.array([[10], [16]]))
    assert length.sum() == wanted.sum()
    assert_same(unkeyhole(keyhole(drawn)), drawn)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_single_rings_stay_as_they_are(n: int) -> None:
    boxes = traced(*[np.ones((2, side + 1), bool) for side in range(n)])
    assert_same(keyhole(boxes), boxes)
    assert_same(unkeyhole(boxes), boxes)
