"""Crossings of rings: both kinds of kernel against lines intersected one by one in exact arithmetic."""

from fractions import Fraction
from itertools import combinations
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.kernels import _reference

RINGS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=0, max_size=9)


def turn(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    """1: c lies left of the line from a to b, -1: right, 0: on it."""
    area = Fraction(b[0] - a[0]) * (c[1] - a[1]) - Fraction(b[1] - a[1]) * (c[0] - a[0])
    return (area > 0) - (area < 0)


def properly_crossed(ring: list[tuple[int, int]]) -> int:
    edges = [(ring[i], ring[(i + 1) % len(ring)]) for i in range(len(ring))]
    return sum(
        turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0
        for (a, b), (c, d) in combinations(edges, 2)
    )


def packed(rings: list[list[tuple[int, int]]]) -> tuple[np.ndarray, np.ndarray]:
    offset = np.concatenate([[0], np.cumsum([2 * len(ring) for ring in rings])]).astype(np.int64)
    return np.array([value for ring in rings for point in ring for value in point], np.float64), offset


@given(st.lists(RINGS, max_size=4))
def test_plain_counts_the_crossings(rings: list[list[tuple[int, int]]]) -> None:
    count, x, y = _reference.crossings(*packed(rings))
    assert count.tolist() == [properly_crossed(ring) if len(ring) > 3 else 0 for ring in rings]
    assert (np.isnan(x) == (count == 0)).all()
    assert (np.isnan(y) == (count == 0)).all()


@pytest.mark.parametrize("n_points", [5, 40, 300])  # 300: edges are sorted first
def test_compiled_is_the_reference(kernels: ModuleType, n_points: int) -> None:
    rng = np.random.default_rng(n_points)
    offset = np.arange(0, 2 * n_points * 4 + 1, 2 * n_points, dtype=np.int64)
    xy = rng.random(int(offset[-1])) * 50
    for ours, expected in zip(kernels.crossings(xy, offset), _reference.crossings(xy, offset), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_a_bow_tie_crosses_once_in_its_middle(kernels: ModuleType) -> None:
    count, x, y = kernels.crossings(np.array([0, 0, 4, 4, 4, 0, 0, 4.0]), np.array([0, 8]))
    assert (count.tolist(), x.tolist(), y.tolist()) == ([1], [2.0], [2.0])


def test_a_keyhole_and_a_touch_do_not_cross(kernels: ModuleType) -> None:
    keyhole = [0, 0, 9, 0, 9, 9, 0, 9, 0, 0, 3, 3, 3, 6, 6, 6, 6, 3, 3, 3]
    touch = [0, 0, 4, 4, 8, 0, 8, 8, 4, 4, 0, 8]
    count, _, _ = kernels.crossings(np.array(keyhole + touch, np.float64), np.array([0, 20, 32]))
    assert count.tolist() == [0, 0]


@given(st.lists(RINGS, max_size=4))
def test_rings_that_are_somewhere_twice(kernels: ModuleType, rings: list[list[tuple[int, int]]]) -> None:
    found = kernels.recurring(*packed(rings))
    assert found.dtype == np.bool_
    assert found.tolist() == [len(set(ring)) < len(ring) for ring in rings]


def test_minus_zero_is_the_same_point(kernels: ModuleType) -> None:
    xy = np.array([0.0, 0.0, 5.0, 1.0, -0.0, -0.0, 0.0, 1.0, np.nan, 1.0, np.nan, 1.0])
    assert kernels.recurring(xy, np.array([0, 6, 12])).tolist() == [True, False]
