"""Panoptic quality, precision, recall and F1 from numbers of segments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.detection import detection_scores
from segdata.agreement.metrics.panoptic_quality import panoptic_quality

NUMBERS = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.floats(0.51, 1))


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((1, 1, 1, 0.75), (0.375, 0.75, 0.5)),
        ((1, 0, 0, 1.0), (1, 1, 1)),
        ((2, 1, 1, 1.75), (0.5833333, 0.875, 0.6666667)),
        ((0, 1, 0, 0), (0, 0, 0)),
        ((0, 0, 0, 0), (np.nan, np.nan, np.nan)),
    ],
)
def test_known_qualities(numbers: tuple[float, ...], expected: tuple[float, ...]) -> None:
    np.testing.assert_allclose(panoptic_quality(*numbers), expected, atol=1e-7)


@given(NUMBERS)
def test_it_is_a_product_within_bounds_and_has_no_direction(numbers: tuple[int, int, int, float]) -> None:
    tp, fp, fn, mean = numbers
    pq, sq, rq = panoptic_quality(tp, fp, fn, tp * mean)
    np.testing.assert_array_equal(panoptic_quality(tp, fn, fp, tp * mean), (pq, sq, rq))
    np.testing.assert_allclose(pq, sq * rq)
    np.testing.assert_array_equal(rq, detection_scores(tp, fp, fn).f1)
    if tp + fp + fn:
        assert 0 <= float(pq) <= min(float(sq), float(rq)) + 1e-12
        assert max(float(sq), float(rq)) <= 1 + 1e-12


@given(NUMBERS)
def test_f1_is_the_harmonic_mean(numbers: tuple[int, int, int, float]) -> None:
    tp, fp, fn, _ = numbers
    precision, recall, f1 = (float(each) for each in detection_scores(tp, fp, fn))
    np.testing.assert_array_equal(detection_scores(tp, fn, fp), (recall, precision, f1))
    if tp:
        assert f1 == pytest.approx(2 / (1 / precision + 1 / recall))
    assert np.isnan(precision) == (tp + fp == 0)
    assert np.isnan(recall) == (tp + fn == 0)
    assert np.isnan(f1) == (tp + fp + fn == 0)


def test_sums_of_many_categories_and_weights_at_once() -> None:
    found = panoptic_quality(
        np.array([[1, 0], [2, 0]]), np.zeros((2, 2)), np.array([[1, 1], [0, 0]]), [[0.8, 0], [2, 0]]
    )
    np.testing.assert_allclose(found.pq, [[0.8 / 1.5, 0], [1, np.nan]])
