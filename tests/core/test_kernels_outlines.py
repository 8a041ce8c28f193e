"""Run edges in order, cycles and bridges: kernels and reference against each other and against the plainest code."""

from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from segdata.core.kernels import _reference

images = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9))
permutations = st.integers(0, 12).flatmap(lambda n: st.permutations(list(range(n))))


def strips(masks: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """X, top, bottom and owner of the runs of masks."""
    found = [
        (x, *pair, owner)
        for owner, mask in enumerate(masks)
        for x, column in enumerate(mask.T)
        for pair in np.flatnonzero(np.diff(np.pad(column, 1).astype(int))).reshape(-1, 2)
    ]
    x, top, bottom, owner = np.array(found, np.int64).reshape(-1, 4).T.copy()
    return x, top, bottom, owner.astype(np.int32)


@given(masks=st.lists(images, max_size=3))
def test_follow_links_edges_that_meet_and_keeps_pixels_on_the_right(
    kernels: ModuleType, masks: list[np.ndarray]
) -> None:
    x, top, bottom, owner = strips(masks)
    after = kernels.follow(x, top, bottom, owner)
    assert after.dtype == np.int64
    assert sorted(after.tolist()) == list(range(2 * len(x)))
    for edge, following in enumerate(after.tolist()):
        (i, is_bottom), (j, starts_right) = divmod(edge, 2), divmod(following, 2)
        # A top goes right and ends on the line to its right, a bottom goes left; they follow on one line.
        line = x[i] + 1 - is_bottom
        assert (line, owner[i]) == (x[j] + starts_right, owner[j])
        y, y_next = (bottom[i] if is_bottom else top[i]), (bottom[j] if starts_right else top[j])
        padded = np.pad(masks[owner[i]], 1)
        for row in range(min(y, y_next), max(y, y_next)):
            left, right = padded[row + 1, line], padded[row + 1, line + 1]
            assert (left, right) == ((True, False) if y_next > y else (False, True))


def test_follow_keeps_pixels_that_touch_at_a_corner_apart(kernels: ModuleType) -> None:
    for mask in (np.eye(2, dtype=bool), np.eye(2, dtype=bool)[::-1]):
        after = kernels.follow(*strips([mask]))
        assert after.tolist() == [1, 0, 3, 2]


@given(permutation=permutations)
def test_cycles_are_found_from_their_smallest_items(kernels: ModuleType, permutation: list[int]) -> None:
    order, offset = kernels.cycles(np.array(permutation, np.int64))
    wanted: list[list[int]] = []
    for item in range(len(permutation)):
        if not any(item in cycle for cycle in wanted):
            wanted.append([item])
            while (item := permutation[item]) != wanted[-1][0]:
                wanted[-1].append(item)
    assert (order.dtype, offset.dtype) == (np.int64, np.int64)
    assert [order[a:b].tolist() for a, b in pairwise(offset)] == wanted
    assert offset.tolist()[-1] == len(permutation)


@pytest.mark.parametrize("after", [[1, 1], [0, 2], [-1, 0], [1, 2, 1]])
def test_cycles_refuse_what_is_no_permutation(kernels: ModuleType, after: list[int]) -> None:
    with pytest.raises(ValueError, match="do not come after one another in cycles"):
        kernels.cycles(np.array(after, np.int64))


@st.composite
def groups_of_rings(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on a small grid, where many are equally far; rings of some; and what each may be joined to."""
    sizes = draw(st.lists(st.integers(1, 5), max_size=12))
    points = draw(arrays(np.int64, (sum(sizes), 2), elements=st.integers(-4, 4)))
    first: list[int] = []
    group = 0
    for j in range(len(sizes)):
        group = j if j == 0 or draw(st.integers(0, 3)) == 0 else group
        first.append(draw(st.integers(group, max(group, j - 1))))
    return points.astype(float).ravel(), 2 * np.cumsum([0, *sizes]), np.array(first, np.int64)


@given(rings=groups_of_rings())
def test_bridges_of_both_kinds_are_the_same(rings: tuple[np.ndarray, ...]) -> None:
    compiled = pytest.importorskip("segdata.core.kernels._compiled.outlines")
    for ours, expected in zip(compiled.bridges(*rings), _reference.bridges(*rings), strict=True):
        assert ours.dtype == expected.dtype == np.int64
        assert ours.tolist() == expected.tolist()


def test_bridges_of_many_rings_are_the_same() -> None:
    compiled = pytest.importorskip("segdata.core.kernels._compiled.outlines")
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 30, 400)
    points, ring = rng.uniform(0, 300, 2 * sizes.sum()), 2 * np.cumsum([0, *sizes])
    first = np.repeat(np.arange(0, 400, 100), 100)
    for ours, expected in zip(
        compiled.bridges(points, ring, first), _reference.bridges(points, ring, first), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)


@given(masks=st.lists(images, max_size=3))
def test_ways_around_of_both_kinds_are_the_same(masks: list[np.ndarray]) -> None:
    compiled = pytest.importorskip("segdata.core.kernels._compiled.outlines")
    after = compiled.follow(*strips(masks))
    assert after.tolist() == _reference.follow(*strips(masks)).tolist()
    for ours, expected in zip(compiled.cycles(after), _reference.cycles(after), strict=True):
        assert ours.tolist() == expected.tolist()


def test_bridges_reach_to_the_nearest_point(kernels: ModuleType) -> None:
    """Not to another group, and not before the first ring that is allowed."""
    points = np.array([0, 0, 3, 0, 4, 0, 9, 9, 4, 1], float)
    ring = np.array([0, 2, 4, 6, 8, 10])
    assert kernels.bridges(points, ring, np.array([0, 0, 0, 0, 0]))[1].tolist() == [-1, 0, 1, 2, 2]
    assert kernels.bridges(points, ring, np.array([0, 0, 0, 3, 3]))[1].tolist() == [-1, 0, 1, -1, 3]
    assert kernels.bridges(points, ring, np.array([0, 0, 0, 0, 3]))[1].tolist() == [-1, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("ring", "first", "message"),
    [
        ([0, 2, 4], [0, 2], "ring 1 may be joined to ring 2"),
        ([0, 2, 4], [1, 1], "ring 0 may be joined to ring 1"),
        ([0, 2, 4, 6], [0, 1, 0], "ring 2 may be joined to ring 0, its group begins at ring 1"),
        ([0, 2, 2], [0, 0], "ring 1 has the numbers 2 to 2"),
        ([0, 3, 6], [0, 0], "ring 0 has the numbers 0 to 3"),
        ([0, 2, 8], [0, 0], "do not cut 6 items"),
    ],
)
def test_bridges_refuse_what_does_not_fit(kernels: ModuleType, ring: list[int], first: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernels.bridges(np.zeros(6), np.array(ring), np.array(first))


def test_follow_refuses_columns_of_other_lengths() -> None:
    compiled = pytest.importorskip("segdata.core.kernels._compiled.outlines")
    with pytest.raises(ValueError, match="3 x come with 3 top, 3 bottom and 2 owner"):
        compiled.follow(*np.zeros((3, 3), np.int64), np.zeros(2, np.int32))


def test_nothing_at_all(kernels: ModuleType) -> None:
    none = np.zeros(0, np.int64)
    assert kernels.follow(none, none, none, none.astype(np.int32)).tolist() == []
    assert [column.tolist() for column in kernels.cycles(none)] == [[], [0]]
    assert [column.tolist() for column in kernels.bridges(np.zeros(0), np.zeros(1, np.int64), none)] == [[], []]
