"""Intraclass correlations of volumes, against published values and simulated annotators."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import f

from segdata.agreement.metrics.intraclass_correlation import absolute_agreement, consistency

Values = NDArray[np.float64]
# Shrout and Fleiss (1979), table 2: four judges, six targets.
JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def tables() -> st.SearchStrategy[Values]:
    return arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(2, 4)), elements=st.integers(0, 9).map(float))


def test_published_values() -> None:
    """Of Shrout and Fleiss; the intervals are those of psych::ICC in R, which others reproduce."""
    np.testing.assert_allclose(absolute_agreement(JUDGES), [0.29, 0.019, 0.76], atol=0.005)
    np.testing.assert_allclose(consistency(JUDGES), [0.71, 0.342, 0.95], atol=0.005)
    n, k, rows, columns, rest = 6, 4, 56.208333 / 5, 97.458333 / 3, 15.291667 / 15  # of the paper, sums of squares
    icc = (rows - rest) / (rows + (k - 1) * rest + k * (columns - rest) / n)
    a, b = k * icc / n / (1 - icc), 1 + k * icc * (n - 1) / n / (1 - icc)  # McGraw and Wong (1996), table 7
    freedom = (a * columns + b * rest) ** 2 / ((a * columns) ** 2 / (k - 1) + (b * rest) ** 2 / (n - 1) / (k - 1))
    low, high = f.ppf(0.975, n - 1, freedom), f.ppf(0.975, freedom, n - 1)
    noise = k * columns + (k * n - k - n) * rest
    ends = [n * (rows - low * rest) / (low * noise + n * rows), n * (high * rows - rest) / (noise + n * high * rows)]
    np.testing.assert_allclose(absolute_agreement(JUDGES)[1:], ends, atol=1e-6)


@given(tables())
@example(np.array([[0.0, 1, 3], [0, 0, 4]]))  # cases are alike, and degrees of freedom 0 but for rounding errors
@example(np.array([[0.0, 6, 0], [0, 0, 8]]))  # there are so few that quantiles are greater than any number
@example(np.array([[0.0, 5, 1], [0, 0, 8]]))
def test_cases_and_annotators_have_no_order(values: Values) -> None:
    for metric in (absolute_agreement, consistency):
        expected = metric(values)
        for changed in (values[::-1], values[:, ::-1], 3 * values):
            np.testing.assert_allclose(metric(changed), expected, atol=1e-9)
        value, low, high = (float(each) for each in expected)
        assert not value > 0 or low - 1e-9 <= value <= high + 1e-9 <= 1 + 2e-9


@given(tables())
def test_by_mean_squares_written_out(values: Values) -> None:
    n, k = values.shape
    mean = values.mean()
    rows = k * sum((row.mean() - mean) ** 2 for row in values) / (n - 1)
    columns = n * sum((column.mean() - mean) ** 2 for column in values.T) / (k - 1)
    total = sum((value - mean) ** 2 for value in values.ravel())
    rest = (total - (n - 1) * rows - (k - 1) * columns) / ((n - 1) * (k - 1))
    below = rows + (k - 1) * rest + k * (columns - rest) / n
    if below > 1e-9:
        assert float(absolute_agreement(values).value) == pytest.approx((rows - rest) / below)
    if rows + (k - 1) * rest > 1e-9 and rows > 1e-9:
        assert float(consistency(values).value) == pytest.approx((rows - rest) / (rows + (k - 1) * rest))


def test_one_who_always_draws_larger_is_consistent() -> None:
    values = np.array([[1.0, 2], [4, 5], [7, 8]])
    np.testing.assert_allclose(consistency(values), 1)
    assert float(absolute_agreement(values).value) == pytest.approx(9 / 9.5)
    np.testing.assert_allclose(absolute_agreement(values[:, [0, 0]]), 1)
    np.testing.assert_array_equal(absolute_agreement([[0, 3], [0, 3], [0, 3]]), 0)  # nothing but annotators differs


def test_undefined_is_nan() -> None:
    for metric in (absolute_agreement, consistency):
        for values in (np.ones((3, 2)), np.array([[1.0, 2]]), np.array([[1.0], [2]])):
            assert np.isnan(metric(values)).all()


def coverage(n: int, k: int, habit: float) -> list[float]:
    """How often the intervals of absolute agreement and of consistency hold the truth; the noise is 1, cases 2."""
    rng, n_runs = np.random.default_rng(7), 4000
    case, annotator = rng.normal(0, 2, (n_runs, n, 1)), rng.normal(0, habit, (n_runs, 1, k))
    values = case + annotator + rng.normal(0, 1, (n_runs, n, k))
    found = [(absolute_agreement(values), 4 / (5 + habit**2)), (consistency(values), 4 / 5)]
    return [float(((each.low <= truth) & (truth <= each.high)).mean()) for each, truth in found]


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    np.testing.assert_allclose(coverage(12, 3, 0.2), 0.95, atol=0.01)
    # Few annotators with habits of their own are what the approximation is documented to be narrow for.
    np.testing.assert_allclose(coverage(50, 3, 1), [0.88, 0.95], atol=0.01)
    np.testing.assert_allclose(coverage(50, 20, 1), [0.94, 0.95], atol=0.01)
