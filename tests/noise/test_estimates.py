import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.inference import exact_interval, wilson_interval
from segdata.core.runs import Flags, Floats
from segdata.noise.budget import Budget, ErrorEstimate, ReviewSample, choose_sample, estimate_errors, expected_errors


def population(seed: int, n: int = 1500, offset: float = -4.5) -> tuple[Floats, Flags]:
    """Probabilities that are wrong in a way that nobody knows, and what is wrong: 5 % or so."""
    rng = np.random.default_rng(seed)
    odds = offset + 2 * rng.normal(size=n)
    return 1 / (1 + np.exp(-odds - rng.normal(0, 1, n))), rng.random(n) < 1 / (1 + np.exp(-odds))


def reviewed(p: Floats, wrong: Flags, n: int, seed: int) -> ErrorEstimate:
    what = choose_sample(p, np.ones(len(p)), Budget(items=n), seed=seed)
    return estimate_errors(what, np.arange(len(what.rows)), wrong[what.rows])


def test_the_estimate_is_unbiased_and_its_interval_holds_the_truth() -> None:
    p, wrong = population(0)
    found = [reviewed(p, wrong, 150, seed) for seed in range(150)]
    each = np.array([one.n for one in found])
    assert abs(each.mean() - wrong.sum()) < 4 * each.std() / 150**0.5
    covers = np.mean([one.low <= wrong.sum() <= one.high for one in found])
    assert 0.9 <= covers <= 1


def test_scores_that_say_nothing_do_not_bias_it() -> None:
    _, wrong = population(1)
    p = np.random.default_rng(1).random(len(wrong))
    found = [reviewed(p, wrong, 150, seed) for seed in range(150)]
    each = np.array([one.n for one in found])
    assert abs(each.mean() - wrong.sum()) < 4 * each.std() / 150**0.5
    assert np.mean([one.low <= wrong.sum() <= one.high for one in found]) >= 0.9


@given(st.integers(1, 40), st.data())
def test_of_one_stratum_of_a_large_whole_it_is_between_wilsons_interval_and_the_exact_one(
    n: int, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, n))
    size = 10**8
    what = ReviewSample(np.arange(n), np.zeros(n, np.int64), np.array([size]))
    found = estimate_errors(what, np.arange(n), np.arange(n) < hits)
    low, high = wilson_interval(np.array(float(hits)), np.array(float(n)))
    rate, least, most = found.rate
    assert (rate, most) == pytest.approx((hits / n, float(high)), abs=1e-5)
    assert exact_interval(hits, n)[0] - 1e-5 <= least <= low + 1e-5
    assert hits < 10 or n - hits < 10 or least == pytest.approx(float(low), abs=1e-5)


@given(st.integers(0, 400))
def test_who_looks_at_everything_knows(seed: int) -> None:
    p, wrong = population(seed, 30, -1.0)
    assert reviewed(p, wrong, 30, seed) == ErrorEstimate(wrong.sum(), wrong.sum(), wrong.sum(), 30)


@given(st.integers(0, 200), st.integers(0, 30))
def test_the_interval_is_possible_and_holds_the_estimate(seed: int, seen: int) -> None:
    p, wrong = population(seed, 100, -1.0)
    what = choose_sample(p, np.ones(100), Budget(items=30), seed=seed)
    found = estimate_errors(what, np.arange(seen), wrong[what.rows[:seen]])
    known = int(wrong[what.rows[:seen]].sum())
    assert known <= found.low <= found.high <= known + 100 - seen
    assert np.isnan(found.n) or found.low - 1e-6 <= found.n <= found.high + 1e-6


def test_without_verdicts_nothing_is_known() -> None:
    what = choose_sample(np.full(50, 0.1), np.ones(50), Budget(items=10))
    found = estimate_errors(what, np.empty(0, np.int64), np.empty(0, bool))
    assert np.isnan(found.n)
    assert (found.low, found.high) == (0, 50)
    none = estimate_errors(
        choose_sample(np.empty(0), np.empty(0), Budget(items=1)), np.empty(0, np.int64), np.empty(0, bool)
    )
    assert (none.n, none.of) == (0, 0)


def test_a_stratum_that_nobody_looked_into_may_be_anything() -> None:
    what = ReviewSample(np.arange(30), np.repeat([-1, 0, 1], 10), np.array([1000, 40]))
    seen = np.flatnonzero(what.stratum != 0)
    found = estimate_errors(what, seen, np.arange(20) < 5)
    assert found.low <= 5
    assert found.high >= 1005
    assert found.n == 5
    wrong = estimate_errors(what, seen, np.arange(20) >= 10)
    assert (wrong.n, wrong.of) == (1040, 1050)


def test_whoever_stops_early_has_an_unbiased_estimate_still() -> None:
    p, wrong = population(2, 600, -2.0)
    p[:] = 0.1  # so that the part taken for its probability is as any other
    errors = []
    for seed in range(150):
        what = choose_sample(p, np.ones(600), Budget(items=120), seed=seed)
        found = estimate_errors(what, np.arange(60), wrong[what.rows[:60]])
        errors.append(found.n - wrong.sum())
        assert found.low <= wrong.sum() * 1.5
    assert abs(np.mean(errors)) < 4 * np.std(errors) / 150**0.5 + 0.02 * wrong.sum()


def test_what_is_expected_is_what_is_found_if_the_probabilities_are_right() -> None:
    rng = np.random.default_rng(3)
    p = rng.beta(0.5, 2, 200)
    told = expected_errors(p)
    found = (rng.random((2000, 200)) < p).sum(axis=1)
    assert told.n == pytest.approx(p.sum())
    assert 0.93 <= np.mean((found >= told.low) & (found <= told.high)) <= 0.99
    assert np.abs(np.quantile(found, [0.025, 0.975]) - [told.low, told.high]).max() <= 1.5


def test_probabilities_that_are_not_known_widen_the_interval() -> None:
    p = np.full(100, 0.3)
    narrow, wide = expected_errors(p), expected_errors(np.stack([p * 0.5, p, p * 1.5]))
    assert narrow.low > wide.low
    assert narrow.high < wide.high
    assert expected_errors(np.empty(0)) == ErrorEstimate(0, 0, 0, 0)
    assert expected_errors(np.ones(7)).low == expected_errors(np.ones(7)).high == 7
