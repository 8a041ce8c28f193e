import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from segdata.core.runs import Flags, Floats
from segdata.noise.budget import expected_errors
from segdata.noise.calibration import MIN_SLOPE, OFFSET_DEVIATION, SLOPE_DEVIATION, recalibrate


def loss(p: Floats, wrong: Flags) -> float:
    return float(-np.log(np.where(wrong, p, 1 - p).clip(1e-12)).mean())


def drawn(seed: int, n: int, slope: float = 1.0, offset: float = 0.0) -> tuple[Floats, Flags]:
    """Log odds as told, and what is wrong: as probably as log odds with another slope and offset say."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-2, 2, n)
    return odds, rng.random(n) < 1 / (1 + np.exp(-slope * odds - offset))


def test_no_verdict_moves_nothing_and_many_decide() -> None:
    odds, wrong = drawn(0, 20_000, 0.6, 1.2)
    none = recalibrate(odds[:0], wrong[:0])
    assert (none.slope, none.offset) == (1, 0)
    many = recalibrate(odds, wrong)
    assert (many.slope, many.offset) == pytest.approx((0.6, 1.2), abs=0.08)
    assert np.sqrt(np.diag(many.covariance)).max() < 0.05 < np.sqrt(np.diag(none.covariance)).min()


@given(st.integers(0, 1000), st.integers(0, 30))
def test_it_is_the_most_probable_slope_and_offset(seed: int, n: int) -> None:
    (odds, wrong), base = drawn(seed, n), -(seed % 5)
    found = recalibrate(odds, wrong, base=base)

    def minus_log(at: Floats) -> float:
        z = at[0] * odds + at[1]
        at_base = at[1] + (at[0] - 1) * base
        believed = ((at[0] - 1) / SLOPE_DEVIATION) ** 2 + (at_base / OFFSET_DEVIATION) ** 2
        return float((np.logaddexp(0, z) - wrong * z).sum() + believed / 2)

    best = minimize(minus_log, np.array([1.0, 0.0]), tol=1e-9).x
    assert (found.slope, found.offset) == pytest.approx((max(best[0], MIN_SLOPE), best[1]), abs=1e-4)


def test_fifty_verdicts_on_what_was_suspected_most_mend_probabilities_and_harm_none_much() -> None:
    gains = {}
    for slope, offset in ((1.0, -2.0), (0.5, -1.0), (1.0, 0.0)):
        of = []
        for seed in range(40):
            odds, wrong = drawn(seed, 2000, slope, offset)
            rows = np.argsort(-odds)[:50]
            after = recalibrate(odds[rows], wrong[rows], base=-2.0)
            of.append(loss(1 / (1 + np.exp(-odds)), wrong) - loss(after.probability(odds), wrong))
        gains[slope, offset] = of
    assert np.mean(gains[1.0, -2.0]) > 0.03
    assert np.mean(gains[0.5, -1.0]) > 0
    assert np.quantile(gains[1.0, 0.0], 0.05) > -0.05  # they were right, and stay so


def test_verdicts_never_turn_the_order_round() -> None:
    odds = np.linspace(-3, 3, 60)
    found = recalibrate(odds, odds < 0)
    assert (np.diff(found.probability(odds)) > 0).all()


@pytest.mark.parametrize("n", [0, 3, 40])
def test_a_probability_is_the_mean_of_what_is_possible_and_adds_up_to_what_is_expected(n: int) -> None:
    odds, wrong = drawn(3, 300, 0.7, 1.0)
    found, every = recalibrate(odds[:n], wrong[:n]), np.sort(odds)
    p, draws = found.probability(every), found.draws(every, 4000)
    np.testing.assert_allclose(p, draws.mean(axis=0), atol=0.02)
    assert p.sum() == pytest.approx(expected_errors(draws).n, rel=0.03)
    assert (np.diff(p) > 0).all()
    likely = 1 / (1 + np.exp(-found.slope * every - found.offset))
    assert (abs(p - 0.5) <= abs(likely - 0.5) + 0.02).all()  # never surer than the most likely slope and offset


def test_the_more_evidence_a_probability_rests_on_the_less_certain_it_is() -> None:
    odds = np.linspace(-4, 6, 21)
    none = recalibrate(odds[:0], odds[:0] > 0, base=-4.0)
    low, high = (np.log(end) - np.log1p(-end) for end in none.probability_range(odds))
    width = (high - low) / (2 * 1.96)
    assert width[0] == pytest.approx(OFFSET_DEVIATION, rel=1e-3)  # without evidence: how common errors are
    assert (np.diff(width) > 0).all()
    np.testing.assert_allclose(width**2, OFFSET_DEVIATION**2 + (SLOPE_DEVIATION * (odds + 4)) ** 2, rtol=1e-3)


def test_weights_are_repetitions() -> None:
    odds, wrong = drawn(1, 20)
    twice = recalibrate(np.tile(odds, 2), np.tile(wrong, 2))
    weighed = recalibrate(odds, wrong, np.full(20, 2.0))
    assert (weighed.slope, weighed.offset) == pytest.approx((twice.slope, twice.offset))


def test_draws_are_around_the_middle_and_as_wide_as_is_unknown() -> None:
    odds, wrong = drawn(2, 400)
    few, many = recalibrate(odds[:10], wrong[:10]), recalibrate(odds, wrong)
    for each in (few, many):
        draws = each.draws(np.array([0.0]), 4000)
        assert draws.shape == (4000, 1)
        z = np.log(draws / (1 - draws))
        assert z.mean() == pytest.approx(each.offset, abs=0.1)
        assert z.std() == pytest.approx(each.covariance[1, 1] ** 0.5, rel=0.1)
    assert np.ptp(few.draws(odds), axis=0).mean() > np.ptp(many.draws(odds), axis=0).mean()
