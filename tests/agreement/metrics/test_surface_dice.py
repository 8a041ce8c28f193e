"""Surface Dice: bounds, symmetry, and what is undefined."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.surface_dice import surface_dice

sides = st.integers(0, 20).flatmap(lambda edge: st.tuples(st.integers(0, edge), st.just(edge)))


def of(a: tuple[int, int], b: tuple[int, int]) -> float:
    return float(surface_dice(np.array(a[0]), np.array(b[0]), np.array(a[1]), np.array(b[1])))


@given(a=sides, b=sides)
def test_symmetric_and_within_bounds(a: tuple[int, int], b: tuple[int, int]) -> None:
    np.testing.assert_equal(of(a, b), of(b, a))
    assert np.isnan(of(a, b)) == (a[1] + b[1] == 0)
    if a[1] + b[1]:
        assert of(a, b) == (a[0] + b[0]) / (a[1] + b[1])


@given(st.integers(1, 50))
def test_all_near_is_one_and_an_empty_side_none(edge: int) -> None:
    assert of((edge, edge), (edge, edge)) == 1
    assert of((0, edge), (0, 0)) == 0


def test_the_square_that_is_larger_by_three() -> None:
    """All 236 pixels, and those 252 of 260 that are not around its corners, are within 3 of the other's boundary."""
    assert round(of((236, 236), (252, 260)), 6) == 0.983871


def test_sums_of_a_bootstrap() -> None:
    near, edge = np.array([[1.0, 0.0]]), np.array([[4.0, 0.0]])
    np.testing.assert_array_equal(surface_dice(near, near, edge, edge), [[0.25, np.nan]])
