"""Bland-Altman limits, against the authors' own example."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.metrics.bland_altman import bland_altman
from segdata.agreement.metrics.volume_difference import volume_difference

# Bland and Altman (1986), table: peak expiratory flow (l/min) of 17 subjects, first measurements with both meters.
LARGE = np.array([494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427], float)
MINI = np.array([512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451], float)
PAIRS = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=2, max_size=9)


def test_published_values() -> None:
    """Their limits are at 2 standard deviations."""
    found = bland_altman(MINI, LARGE)
    np.testing.assert_allclose(found[:3], [-2.1, -79.7, 75.5], atol=2.5)
    np.testing.assert_allclose([found.bias, found.sd], [-2.1, 38.8], atol=0.06)


@given(PAIRS)
def test_the_other_way_round_changes_signs(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, float).T
    one, other = bland_altman(a, b), bland_altman(b, a)
    np.testing.assert_allclose(one.bias, -other.bias, atol=1e-9)
    np.testing.assert_allclose(one.lower, -other.upper, atol=1e-9)
    np.testing.assert_allclose(one.sd, np.std(b - a, ddof=1), atol=1e-9)
    np.testing.assert_array_equal(bland_altman(a, a).upper, 0)


def test_missing_values_are_left_out() -> None:
    several = bland_altman([[1, 2, np.nan, 4], [1, 2, 9, 4]], [[2, 2, 3, 5], [2, 2, np.nan, 5]])
    single = bland_altman([1, 2, 4], [2, 2, 5])
    for found, expected in zip(several[:3], single[:3], strict=True):
        np.testing.assert_allclose(found, [expected, expected])
    assert np.isnan(bland_altman([1.0], [2.0]).bias).all()


@given(st.integers(0, 99), st.integers(0, 99))
def test_volume_difference_is_a_signed_share(a: int, b: int) -> None:
    found = float(volume_difference(a, b))
    if a + b == 0:
        assert np.isnan(found)
    else:
        np.testing.assert_allclose(found, -float(volume_difference(b, a)))
        np.testing.assert_allclose(found, (b - a) / ((a + b) / 2))
        assert -2 <= found <= 2
