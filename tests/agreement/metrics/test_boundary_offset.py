"""Offsets: who draws larger, and by how much that varies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.boundary_offset import boundary_offset, offset_spread

signed = st.lists(st.floats(-50, 50), min_size=1, max_size=20)


def moments(values: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(np.mean(values)), np.array(np.mean(np.square(values)))


@given(a=signed, b=signed)
def test_antisymmetric_with_a_symmetric_spread(a: list[float], b: list[float]) -> None:
    (mean_a, square_a), (mean_b, square_b) = moments(a), moments(b)
    assert boundary_offset(mean_a, mean_b) == -boundary_offset(mean_b, mean_a)
    spread = offset_spread(mean_a, square_a, mean_b, square_b)
    assert spread == pytest.approx(float(offset_spread(mean_b, square_b, mean_a, square_a)), abs=1e-6)
    offset = float(boundary_offset(mean_a, mean_b))
    deviations = [np.mean([(-value - offset) ** 2 for value in a]), np.mean([(value - offset) ** 2 for value in b])]
    assert spread == pytest.approx(np.sqrt(np.mean(deviations)), abs=1e-5)


def test_the_square_that_is_larger_by_three() -> None:
    assert boundary_offset(np.array(-3.0), np.array(3.0427431)) == pytest.approx(3.0213715, abs=1e-7)


def test_a_mere_shift_is_no_offset() -> None:
    """As far outside on one side as inside on the other."""
    mean, square = moments([-2.0, 2.0, 0.0, 0.0])
    assert boundary_offset(mean, mean) == 0
    assert offset_spread(mean, square, mean, square) == pytest.approx(np.sqrt(2))


def test_undefined_where_a_side_is() -> None:
    nan, one = np.array([np.nan]), np.array([1.0])
    assert np.isnan(boundary_offset(nan, one)).all()
    assert np.isnan(offset_spread(one, one, nan, nan)).all()


def test_a_spread_that_rounding_makes_negative_is_none() -> None:
    square = np.nextafter(np.array(9.0), 0)
    assert offset_spread(np.array(-3.0), square, np.array(3.0), square) == 0
