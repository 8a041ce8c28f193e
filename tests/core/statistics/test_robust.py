"""Robust scores against scipy, and what outliers may not do to them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segdata.core.statistics.robust import group_median, outlier_limit, robust_z

NUMBERS = st.lists(st.tuples(st.integers(0, 3), st.floats(-100, 100)), min_size=1, max_size=40)


@given(NUMBERS)
def test_medians_by_group(pairs: list[tuple[int, float]]) -> None:
    group, values = (np.array(column) for column in zip(*pairs, strict=True))
    expected = [np.median(values[group == each]) for each in group]
    np.testing.assert_allclose(group_median(values, group), expected)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30))
def test_each_side_has_the_scale_of_the_sample_mirrored_at_its_median(numbers: list[int]) -> None:
    values = np.array(numbers, float)
    score, median = robust_z(values, np.zeros(len(values), int), least_scale=1e-6)
    for side in (values <= median, values >= median):
        mirrored = np.concatenate([values[side], 2 * median[side] - values[side]])
        scale = max(1.4826 * stats.median_abs_deviation(mirrored), 1e-6) if side.any() else 1
        np.testing.assert_allclose(score[side], (values - median)[side] / scale, rtol=1e-9)


def test_one_outlier_changes_no_other_score_much() -> None:
    values = np.concatenate([np.random.default_rng(0).normal(size=201), [3.0]])
    group = np.zeros(202, int)
    before = robust_z(values, group)[0]
    after = robust_z(np.append(values[:-1], 1e9), group)[0]
    np.testing.assert_array_equal(before[:-1], after[:-1])


def test_a_skewed_group_has_few_outliers_on_its_long_side() -> None:
    """Of 10,000 exponential values the usual score by MAD puts three times as many beyond the limit."""
    values = np.random.default_rng(1).exponential(size=10_000)
    limit = outlier_limit(np.array([10_000]), 0.05)[0]
    usual = np.abs(values - np.median(values)) / stats.median_abs_deviation(values, scale="normal") > limit
    two_sided = np.abs(robust_z(values, np.zeros(10_000, int))[0]) > limit
    assert 3 * two_sided.sum() < usual.sum()


def test_normal_values_have_an_outlier_as_often_as_said() -> None:
    rng = np.random.default_rng(2)
    limit = outlier_limit(np.array([500]), 0.05)[0]
    hits = [np.abs(robust_z(rng.normal(size=500), np.zeros(500, int))[0]).max() > limit for _ in range(400)]
    assert 0.02 <= np.mean(hits) <= 0.12  # the scale is estimated, too


def test_the_least_scale_keeps_equal_values_quiet() -> None:
    values = np.array([5.0, 5.0, 5.0, 5.1])
    assert robust_z(values, np.zeros(4, int), least_scale=0.1)[0].tolist() == [0, 0, 0, np.float64(values[3] - 5) / 0.1]
    assert np.isinf(robust_z(values, np.zeros(4, int))[0][3])
