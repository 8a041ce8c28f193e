"""Intervals hold the truth as often as they say, and are scipy's where scipy has them."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from segdata.core.resampling import (
    Statistic,
    _corrected_levels,
    _levels,
    _quantiles,
    bootstrap_interval,
    least_clusters,
    resampled_values,
)
from segdata.core.runs import Floats

VALUES = npst.arrays(np.float64, st.integers(6, 12), elements=st.floats(-100, 100, allow_subnormal=False))


def mean_of(values: Floats) -> Statistic:
    """The mean of values (n,) or (n, k), those that are NaN left out."""
    known = np.isfinite(values)

    def weighted(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.asarray((weights @ np.where(known, values, 0.0)) / (weights @ known))

    return weighted


def test_levels_without_t_and_shift_are_plain_bca() -> None:
    """The correction is scipy's BCa on the same resamples."""
    values = np.random.default_rng(3).gamma(1.0, size=12)
    draws = resampled_values(mean_of(values), 12, np.random.default_rng(0), n_draws=999)
    plain = np.array([0.025, 0.975])
    levels = _corrected_levels(plain, np.array(values.mean()), draws, mean_of(values)(1 - np.eye(12)))
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=0, method="BCa", bootstrap_result=SimpleNamespace(bootstrap_distribution=draws)
    ).confidence_interval
    np.testing.assert_allclose(_quantiles(draws, levels), list(expected), rtol=1e-9)


def test_many_clusters_have_percentiles() -> None:
    values = np.random.default_rng(4).normal(size=200)
    draws = resampled_values(mean_of(values), 200, np.random.default_rng(7), n_draws=500)
    found = bootstrap_interval(mean_of(values), 200, 7, n_draws=500)
    np.testing.assert_allclose([found.low, found.high], np.quantile(draws, _levels(np.array(200), 0.95)))
    t = stats.t.interval(0.95, 199, values.mean(), stats.sem(values))
    np.testing.assert_allclose([found.low, found.high], t, atol=0.03)


@pytest.mark.parametrize("n", [4, 30, 10_000])
def test_levels_make_an_interval_of_a_mean_as_wide_as_that_of_t(n: int) -> None:
    """Resamples vary by sqrt((n - 1) / n) of the standard error; the levels give that back, and t for the normal."""
    reach = stats.norm.ppf(_levels(np.array(n), 0.95)[1]) * np.sqrt((n - 1) / n)
    assert reach == pytest.approx(stats.t.ppf(0.975, n - 1), rel=1e-6)


@given(VALUES)
def test_ends_lie_around_and_within_the_values(values: Floats) -> None:
    found = bootstrap_interval(mean_of(values), len(values), 0, n_draws=50)
    slack = 1e-9 * np.abs(values).max()
    assert values.min() - slack <= found.low <= found.high <= values.max() + slack


@given(VALUES, st.floats(0.5, 4), st.floats(-10, 10))
def test_another_unit_changes_nothing_else(values: Floats, scale: float, shift: float) -> None:
    """Intervals of a * x + b are a * intervals of x + b, where the values are apart enough to tell draws by."""
    values = np.round(values)
    one, other = (
        bootstrap_interval(mean_of(each), len(values), 1, n_draws=60) for each in (values, values * scale + shift)
    )
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name) * scale + shift, atol=1e-6)


@pytest.mark.parametrize("n", [9, 40])
def test_several_values_are_those_of_each_alone(n: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, 3))
    values[rng.random((n, 3)) < 0.2] = np.nan
    together = bootstrap_interval(mean_of(values), n, 5, n_draws=300)
    for k in range(3):
        alone = bootstrap_interval(mean_of(values[:, k]), n, 5, n_draws=300)
        np.testing.assert_allclose([together.low[k], together.high[k]], [alone.low, alone.high])


def test_support_is_what_a_value_is_made_of() -> None:
    """A category in 6 of 60 clusters: its interval is nearly that of the 6 alone, not that of 60."""
    values = np.full((60, 2), np.nan)
    values[:6, 0] = values[::10, 1] = np.random.default_rng(0).normal(size=6)
    few = bootstrap_interval(mean_of(values), 60, 0, support=np.array([6, 6]))
    many = bootstrap_interval(mean_of(values), 60, 0)
    assert (few.high - few.low > many.high - many.low).all()
    single = bootstrap_interval(mean_of(values), 60, 0, support=np.array([6, 1]))
    assert np.isnan(single.low).tolist() == [False, True]


def test_memory_bound_changes_nothing() -> None:
    values = np.random.default_rng(1).normal(size=50)
    one, many = (bootstrap_interval(mean_of(values), 50, 2, n_draws=300, width=width) for width in (1, 1_000_000))
    assert (one.low, one.high) == (many.low, many.high)


def test_a_constant_is_sure() -> None:
    found = bootstrap_interval(mean_of(np.full(7, 0.3)), 7, 0, n_draws=99)
    np.testing.assert_allclose([found.value, found.low, found.high], 0.3)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_too_few_clusters_have_no_interval(confidence: float) -> None:
    """The range of n normal values holds the mean as often as an interval should only from this n on."""
    n = least_clusters(confidence)
    rng = np.random.default_rng(0)
    for size, enough in ((n - 1, False), (n, True)):
        values = rng.normal(size=(20_000, size))
        held = ((values.min(axis=1) < 0) & (values.max(axis=1) > 0)).mean()
        assert (held >= confidence) == enough
        found = bootstrap_interval(mean_of(values[0]), size, 0, n_draws=50, confidence=confidence)
        assert np.isfinite(found.low) == enough


def test_one_cluster_has_no_interval() -> None:
    found = bootstrap_interval(mean_of(np.array([0.4])), 1, 0)
    assert found.value == 0.4
    assert np.isnan([found.low, found.high]).all()


def test_undefined_has_no_interval() -> None:
    """A value that nothing defines; one that a single cluster of ten defines: two resamples in three have it."""
    values = np.full((10, 3), np.nan)
    values[0, 1] = 1.0
    values[:, 2] = np.arange(10)
    found = bootstrap_interval(mean_of(values), 10, 0, n_draws=400)
    assert np.isnan(found.value).tolist() == [True, False, False]
    assert np.isnan(found.low).tolist() == [True, False, False]
    many = np.full((90, 1), np.nan)
    many[:, 0] = np.where(np.arange(90) < 1, 0.5, np.nan)
    rare = bootstrap_interval(
        lambda weights: np.where(weights[:, :2].all(axis=1)[:, None], 1.0, np.nan), 90, 0, n_draws=400
    )
    assert rare.value == 1
    assert np.isnan(rare.low)


def test_clusters_that_repeat_are_not_more_evidence() -> None:
    """Ten copies of each image in a cluster: intervals are those of one copy each."""
    values = np.random.default_rng(8).normal(size=12)
    cluster = np.repeat(np.arange(12), 10)
    copies = np.repeat(values, 10)
    spread = bootstrap_interval(lambda weights: mean_of(copies)(weights[:, cluster]), 12, 3)
    single = bootstrap_interval(mean_of(values), 12, 3)
    np.testing.assert_allclose([spread.low, spread.high], [single.low, single.high], rtol=1e-9)


@pytest.mark.parametrize(("n", "skewed"), [(8, False), (20, True), (60, True)])
def test_intervals_cover_the_truth(n: int, skewed: bool) -> None:
    """Of 400 campaigns nine in ten intervals of 90 % hold the mean; 0.85 is three standard errors below."""
    rng = np.random.default_rng([n, skewed])
    held = 0
    for seed in range(400):
        values = rng.beta(4, 1, size=n) if skewed else rng.normal(0.8, 0.1, size=n)
        found = bootstrap_interval(mean_of(values), n, seed, n_draws=200, confidence=0.9)
        held += bool(found.low <= 0.8 <= found.high)
    assert 0.85 <= held / 400 <= 0.95
