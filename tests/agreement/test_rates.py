"""Rates against scipy, and counts against looking at every count."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segdata.agreement.rates import exact_interval, highest_unseen_rate, trials_needed, trials_to_see, wilson_interval


@given(st.integers(1, 500), st.data(), st.sampled_from([0.8, 0.95]))
def test_intervals_are_scipys(of: int, data: st.DataObject, confidence: float) -> None:
    hits = data.draw(st.integers(0, of))
    trial = stats.binomtest(hits, of)
    assert exact_interval(hits, of, confidence) == pytest.approx(
        tuple(trial.proportion_ci(confidence, "exact")), abs=1e-12
    )
    found = wilson_interval(np.array(float(hits)), np.array(float(of)), confidence)
    assert found == pytest.approx(tuple(trial.proportion_ci(confidence, "wilson")), abs=1e-12)


@given(st.integers(1, 500), st.data(), st.sampled_from([0.8, 0.95]))
def test_intervals_are_statsmodels(of: int, data: st.DataObject, confidence: float) -> None:
    package = pytest.importorskip("statsmodels.stats.proportion")
    hits = data.draw(st.integers(0, of))
    found = wilson_interval(np.array(float(hits)), np.array(float(of)), confidence)
    assert found == pytest.approx(package.proportion_confint(hits, of, 1 - confidence, "wilson"), abs=1e-12)
    wanted = package.proportion_confint(hits, of, 1 - confidence, "beta")
    assert exact_interval(hits, of, confidence) == pytest.approx(wanted, abs=1e-12)


def test_nothing_says_nothing() -> None:
    assert np.isnan(wilson_interval(np.array([0.0]), np.array([0.0]))).all()
    assert highest_unseen_rate(0) == 1


@given(st.floats(0, 1), st.floats(0.01, 0.6))
def test_trials_needed_is_the_first_that_is_enough(rate: float, half_width: float) -> None:
    def half(n: int) -> float:
        low, high = wilson_interval(np.array(rate * n), np.array(float(n)))
        return float(high - low) / 2

    n = trials_needed(rate, half_width)
    # Where an end lies at 0 or 1 exactly, rounding cuts it there.
    assert half(n) <= half_width + 1e-9
    assert n == 1 or half(n - 1) >= half_width - 1e-6


@given(st.floats(1e-4, 1), st.floats(0.5, 0.99))
def test_trials_to_see_is_the_first_that_is_enough(rate: float, confidence: float) -> None:
    n = trials_to_see(rate, confidence)
    assert 1 - (1 - rate) ** n >= confidence - 1e-9
    assert n == 1 or 1 - (1 - rate) ** (n - 1) <= confidence + 1e-9


@pytest.mark.parametrize("of", [10, 300, 10_000])
def test_rule_of_three(of: int) -> None:
    assert highest_unseen_rate(of) == pytest.approx(exact_interval(0, of, 0.9)[1])  # one-sided 95 % is two-sided 90 %
    assert highest_unseen_rate(of) == pytest.approx(3 / of, rel=0.2)


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.5, math.nan])
def test_no_rate(rate: float) -> None:
    with pytest.raises(ValueError, match="a rate of"):
        trials_to_see(rate)


def test_no_width() -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        trials_needed(0.1, 0.0)
