"""Sampling plans keep their risks, are the smallest that do, and are those that others publish."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from segdata.agreement.acceptance import SamplingPlan, judge_sample, operating_curve, plan_sampling, strictest_plan
from segdata.core.errors import SegdataError

RISKS = st.floats(0.02, 0.3)


# Truong (2025), the R package AccSamplingDesign, vignette: sample, accept, both risks, and a chance of acceptance.
@pytest.mark.parametrize(
    ("producer", "consumer", "plan", "risks", "at_3_percent"),
    [
        (0.05, 0.10, SamplingPlan(132, 3), (0.04425251, 0.0992283), 0.4384354),
        (0.02, 0.15, SamplingPlan(144, 4), (0.01534843, 0.1487162), 0.5656415),
    ],
)
def test_published_plans(
    producer: float, consumer: float, plan: SamplingPlan, risks: tuple[float, float], at_3_percent: float
) -> None:
    assert plan_sampling(0.01, 0.05, producer_risk=producer, consumer_risk=consumer) == plan
    good, bad, between = plan.chance(np.array([0.01, 0.05, 0.03]))
    assert (1 - good, bad, between) == pytest.approx((*risks, at_3_percent), rel=1e-6)


@given(st.integers(1, 60), st.data(), RISKS, RISKS)
def test_smallest_plan_of_a_lot(lot: int, data: st.DataObject, producer: float, consumer: float) -> None:
    """No plan of fewer items keeps both risks, by the definition over all plans."""
    good, bad = sorted((data.draw(st.integers(0, lot)), data.draw(st.integers(0, lot))))
    assume(good < bad)
    plan = plan_sampling(good / lot, bad / lot, lot=lot, producer_risk=producer, consumer_risk=consumer)
    sample, accept = np.mgrid[0 : lot + 1, 0 : lot + 1]
    keeps = (stats.hypergeom.cdf(accept, lot, good, sample) >= 1 - producer - 1e-9) & (
        stats.hypergeom.cdf(accept, lot, bad, sample) <= consumer
    )
    assert keeps[plan.sample, plan.accept]
    assert plan.sample == np.flatnonzero(keeps.any(axis=1))[0]


@given(st.floats(0, 0.2), st.floats(1.5, 10), RISKS, RISKS)
def test_risks_hold_without_end(quality: float, times: float, producer: float, consumer: float) -> None:
    limit = min(1.0, quality * times + 0.02)
    plan = plan_sampling(quality, limit, producer_risk=producer, consumer_risk=consumer)
    better, worse = np.linspace(0, quality, 9), np.linspace(limit, 1, 9)
    assert (plan.chance(better) >= 1 - producer - 1e-6).all()
    assert (plan.chance(worse) <= consumer + 1e-9).all()


def test_a_large_lot_is_nearly_without_end() -> None:
    assert plan_sampling(0.02, 0.08, lot=2_000_000) == SamplingPlan(98, 4, 2_000_000)
    assert plan_sampling(0.02, 0.08) == SamplingPlan(98, 4)


def test_a_small_lot_is_inspected_whole() -> None:
    """Of 10 items none may be wrong, and one is too many: only all of them tell."""
    assert plan_sampling(0, 0.1, lot=10, consumer_risk=0.05) == SamplingPlan(10, 0, 10)


def test_simulated_deliveries() -> None:
    """Of 4,000 deliveries as many are accepted as the curve says; the tolerance is four standard errors."""
    rng, plan = np.random.default_rng(0), plan_sampling(0.02, 0.1, lot=400)
    for wrong in (8, 24, 40):
        drawn = rng.hypergeometric(wrong, 400 - wrong, plan.sample, 4000)
        accepted = np.mean([judge_sample(plan, each).accepted for each in drawn.tolist()])
        assert accepted == pytest.approx(float(plan.chance(wrong / 400)), abs=0.032)


def test_verdict() -> None:
    plan = SamplingPlan(98, 4)
    assert judge_sample(plan, 4).accepted
    assert not judge_sample(plan, 5).accepted
    found = judge_sample(plan, 5)
    expected = stats.binomtest(5, 98).proportion_ci(method="exact")
    assert (found.rate, found.low, found.high) == pytest.approx((5 / 98, expected.low, expected.high))


def test_operating_curve() -> None:
    curve = operating_curve(SamplingPlan(50, 1, 200))
    assert curve["accepted"][0] == 1
    assert (np.diff(curve["accepted"]) <= 0).all()
    assert curve["accepted"][-1] <= 0.01 < curve["accepted"][-2]
    np.testing.assert_allclose(curve["outgoing"], curve["rate"] * curve["accepted"] * 0.75)
    assert operating_curve(SamplingPlan(50, 1), np.array([0.04]))["accepted"] == pytest.approx(
        stats.binom.cdf(1, 50, 0.04)
    )
    assert operating_curve(SamplingPlan(3, 3))["accepted"].tolist() == [1] * 51


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        ({"quality": 0.05, "limit": 0.05}, "the limit larger"),
        ({"quality": -0.1, "limit": 0.05}, "shares of 0 to 100 %"),
        ({"quality": 0.01, "limit": 0.02, "lot": 0}, "a lot of 0"),
        ({"quality": 0.01, "limit": 0.02, "producer_risk": 0.0}, "risks"),
    ],
)
def test_misuse(ask: dict[str, float], said: str) -> None:
    with pytest.raises(SegdataError, match=said):
        plan_sampling(**ask)  # type: ignore[arg-type]  # as asked


def test_more_wrong_than_inspected() -> None:
    with pytest.raises(SegdataError, match="11 wrong items in a sample of 10"):
        judge_sample(SamplingPlan(10, 0), 11)


@pytest.mark.parametrize("sample", [5, 22, 45, 46, 120])
@pytest.mark.parametrize(("lot", "bad"), [(None, 0.05), (150, 8)])
def test_the_strictest_number_keeps_the_risk_and_one_more_would_not(sample: int, lot: int | None, bad: float) -> None:
    """5 % of 150 are 7.5, and 7 are less than the limit."""
    found = strictest_plan(sample, 0.05, lot=lot)
    most = -1 if found is None else found.accept
    chance = [
        stats.binom.cdf(accept, sample, bad) if lot is None else stats.hypergeom.cdf(accept, lot, int(bad), sample)
        for accept in (most, most + 1)
    ]
    assert chance[1] > 0.1
    assert most < 0 or chance[0] <= 0.1
