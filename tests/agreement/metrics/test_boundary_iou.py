"""Boundary IoU of bands: bounds, symmetry, and what is undefined; the bands themselves are in test_surfaces."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.agreement.metrics.boundary_iou import boundary_iou

bands = arrays(bool, (2, 20))


@given(bands)
def test_it_is_the_iou_of_the_bands(band: np.ndarray) -> None:
    a, b = (set(np.flatnonzero(each).tolist()) for each in band)
    found = boundary_iou(np.array(len(a & b)), np.array(len(a | b)))
    if a | b:
        assert found == len(a & b) / len(a | b)
        assert 0 <= found <= 1
    else:
        assert np.isnan(found)


@given(st.integers(1, 9))
def test_the_same_band_is_one(pixels: int) -> None:
    assert boundary_iou(np.array(pixels), np.array(pixels)) == 1


def test_the_square_that_moved_by_two() -> None:
    assert boundary_iou(np.array([456, 0]), np.array([912, 1440])).tolist() == [0.5, 0.0]


def test_sums_of_a_bootstrap() -> None:
    both, either = np.array([[1, 0], [2, 0]]), np.array([[2, 0], [8, 4]])
    np.testing.assert_array_equal(boundary_iou(both, either), [[0.5, np.nan], [0.25, 0]])
