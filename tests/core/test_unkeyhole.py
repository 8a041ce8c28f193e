"""Rings taken apart that others joined: pixels, directions and holes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from segdata.core.polygons import Rings, has_bridges, spurs, unkeyhole

SIDE = 20
Points = list[list[float]]
coordinates = st.floats(0, SIDE, width=16) | st.integers(0, SIDE).map(float)
polygons = st.lists(st.lists(coordinates, min_size=2, max_size=2), min_size=3, max_size=6, unique_by=tuple)
LEFT, MIDDLE, RIGHT = (
    [[x + dx, dy] for dx, dy in ((0.0, 1.0), (4.0, 1.0), (4.0, 5.0), (0.0, 5.0))] for x in (0, 6, 12)
)


def painted(ring: list[float]) -> np.ndarray:
    return np.asarray(coco_mask.decode(coco_mask.frPyObjects([ring], SIDE, SIDE))[..., 0], bool)


def opened(*rings: Points) -> Rings[np.float64]:
    numbers = [np.ravel(ring) for ring in rings]
    return unkeyhole(Rings.outer_rings(np.concatenate(numbers), np.cumsum([0, *map(len, numbers)])))


def joined(a: Points, b: Points, at: int = 0, to: int = 0) -> Points:
    """Around `a` from a point on, over to a point of `b` and around it, and back."""
    return [*a[at:], *a[:at], a[at], *b[to:], *b[:to], b[to]]


@given(a=polygons, b=polygons, at=st.integers(0, 2), to=st.integers(0, 2))
def test_pixels_by_the_even_odd_rule_stay(a: Points, b: Points, at: int, to: int) -> None:
    """Whatever the polygons do: cross themselves or each other, share points or edges."""
    one = joined(a, b, at, to)
    pixels = np.zeros((SIDE, SIDE), bool)
    for ring in opened(one).as_lists():
        if len(ring) >= 6:
            pixels ^= painted(ring)
    np.testing.assert_array_equal(pixels, painted(np.ravel(one).tolist()))


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("other_turn", [1, -1])
def test_parts_are_clockwise_whatever_they_were(turn: int, other_turn: int) -> None:
    rings = opened(joined(LEFT[::turn], RIGHT[::other_turn], at=1))
    assert rings.as_lists() == [np.ravel(LEFT).tolist(), np.ravel(RIGHT).tolist()]
    assert rings.outer.tolist() == [0, 1]
    assert rings.owner.tolist() == [0, 0]


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("other_turn", [1, -1])
def test_holes_are_what_lies_inside(turn: int, other_turn: int) -> None:
    """A hole, and a part in that hole, joined in either direction."""
    outer = [[1.0, 0.0], [19.0, 1.0], [18.0, 19.0], [2.0, 17.5]]
    hole, inner = [[4.0, 4.0], [4.5, 15.0], [15.0, 14.0], [14.0, 4.5]], [[7.0, 7.0], [10.0, 7.5], [9.0, 10.0]]
    rings = opened(joined(joined(outer[::turn], hole[::other_turn]), inner[::turn]))
    assert rings.as_lists() == [np.ravel(each).tolist() for each in (outer, hole, inner)]
    assert rings.outer.tolist() == [0, 0, 2]


def test_a_chain_whose_middle_is_gone_around_in_halves() -> None:
    """As YOLO's converter joins parts: to the next from one point, and back to the one before from another."""
    one = [*LEFT, LEFT[0], *MIDDLE[:3], *RIGHT, RIGHT[0], *MIDDLE[2:], MIDDLE[0]]
    assert opened(one).as_lists() == [np.ravel(each).tolist() for each in (LEFT, MIDDLE, RIGHT)]


def test_rings_that_are_nowhere_twice_come_back_as_they_are() -> None:
    """Their first points and directions, too, and a last point that repeats the first; others beside them do not."""
    plain, closed = MIDDLE[::-1], [*RIGHT[2:], *RIGHT[:3]]
    rings = opened(plain, joined(LEFT, MIDDLE), closed)
    assert rings.as_lists() == [np.ravel(each).tolist() for each in (plain, LEFT, MIDDLE, closed)]
    assert rings.owner.tolist() == [0, 1, 1, 2]
    assert rings.outer.tolist() == [0, 1, 2, 3]


def test_rings_of_one_owner_are_looked_at_alone() -> None:
    """Two rings of a segment, of which one is bridged, and another segment's."""
    numbers = np.concatenate([np.ravel(each) for each in (joined(LEFT, RIGHT), MIDDLE, MIDDLE)])
    drawn = Rings(numbers, np.array([0, 20, 28, 36]), np.array([3, 3, 5], np.int32), np.arange(3))
    rings = unkeyhole(drawn)
    assert rings.as_lists() == [np.ravel(each).tolist() for each in (LEFT, RIGHT, MIDDLE, MIDDLE)]
    assert rings.owner.tolist() == [3, 3, 3, 5]


def test_only_ways_between_the_same_points_are_bridges() -> None:
    spike = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [9.0, 0.0]]
    rings = Rings.outer_rings(np.concatenate([np.ravel(LEFT), np.ravel(spike), np.ravel(joined(LEFT, RIGHT))]),
                        np.array([0, 8, 16, 36]))  # fmt: skip
    assert has_bridges(rings).tolist() == [False, True, True]
    touching = joined(LEFT, [LEFT[0], [-3.0, 1.0], [-3.0, -2.0]])
    assert has_bridges(Rings.outer_rings(np.ravel(touching), np.array([0, 18]))).tolist() == [False]


def test_a_way_there_and_back_and_nothing_else_is_no_ring() -> None:
    assert opened([[0.0, 0.0], [5.0, 5.0], [9.0, 0.0], [5.0, 5.0]]).as_lists() == []


def test_spurs_are_ways_back_that_lead_nowhere() -> None:
    """Out of the left square and within it, but not the bridge to the right one."""
    ring = [*LEFT[:2], (5.0, 0.0), (5.5, 0.0), (5.0, 0.0), *LEFT[1:3], *RIGHT, RIGHT[0], *LEFT[2:], (2.0, 3.0), LEFT[3]]
    numbers = np.ravel(ring)
    found = spurs(Rings.outer_rings(np.concatenate([numbers, numbers]), np.array([0, len(numbers), 2 * len(numbers)])))
    assert found.owner.tolist() == [0, 0, 0, 1, 1, 1]
    ways = {frozenset(map(tuple, np.reshape(each, (-1, 2)))) for each in found.as_lists()[:3]}
    corner, stub = (4.0, 1.0), (5.0, 0.0)
    assert ways == {frozenset(each) for each in ((corner, stub), (stub, (5.5, 0.0)), ((0.0, 5.0), (2.0, 3.0)))}


@given(a=polygons, b=polygons, at=st.integers(0, 2), to=st.integers(0, 2))
def test_spurs_are_gone_both_ways(a: Points, b: Points, at: int, to: int) -> None:
    one = joined(a, b, at, to)
    steps = list(zip(map(tuple, one), [*map(tuple, one[1:]), tuple(one[0])], strict=True))
    numbers = np.ravel(one)
    for each in spurs(Rings.outer_rings(numbers, np.array([0, len(numbers)]))).as_lists():
        first, last = (each[0], each[1]), (each[2], each[3])
        assert (first, last) in steps
        assert (last, first) in steps
