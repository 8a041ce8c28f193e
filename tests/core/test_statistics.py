"""Robust scores against scipy, and what outliers may not do to them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segdata.core.statistics import (
    absence_probability,
    benjamini_hochberg,
    binomial_lower_bound,
    class_weights,
    effective_number,
    gap_probability,
    group_median,
    outlier_limit,
    proves_rate,
    robust_z,
    tail_probability,
)

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


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.01, 0.5))
def test_discoveries_are_those_of_scipy(p: list[float], rate: float) -> None:
    adjusted = stats.false_discovery_control(p) if p else np.zeros(0)
    sure = np.abs(adjusted - rate) > 1e-12
    np.testing.assert_array_equal(benjamini_hochberg(np.array(p), rate)[sure], (adjusted <= rate)[sure])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([0.01, 0.05, 0.2]))
def test_discoveries_are_those_of_statsmodels(p: list[float], rate: float) -> None:
    package = pytest.importorskip("statsmodels.stats.multitest")
    stands, adjusted, _, _ = package.multipletests(p, rate, method="fdr_bh")
    sure = np.abs(adjusted - rate) > 1e-12
    np.testing.assert_array_equal(benjamini_hochberg(np.array(p), rate)[sure], stands[sure])


@given(st.one_of(st.integers(1, 300), st.integers(1, 10**6)), st.data())
def test_the_proven_rate_is_clopper_and_pearsons(of: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, of))
    expected = stats.binomtest(hits, of, alternative="greater").proportion_ci(0.95, method="exact").low
    assert binomial_lower_bound(hits, of) == pytest.approx(expected, abs=1e-9)


@given(st.one_of(st.integers(1, 300), st.integers(1, 10**5)), st.floats(0, 1), st.data())
def test_a_rate_is_proven_if_the_lower_bound_is_no_lower(of: int, rate: float, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, of))
    bound = binomial_lower_bound(hits, of)
    if abs(bound - rate) > 1e-9:
        assert proves_rate(hits, of, rate) == (bound >= rate)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-50, 50)), max_size=60), st.floats(0, 2))
def test_tails_are_measured_from_the_quantiles_of_each_group(pairs: list[tuple[int, float]], least: float) -> None:
    group, values = np.array(pairs, float).reshape(-1, 2).T
    group = group.astype(np.int64)
    chances, medians = tail_probability(values, group, least)
    for one in np.unique(group):
        own = values[group == one]
        lower, middle, upper = np.quantile(own, [0.25, 0.5, 0.75])
        low, high = np.quantile(own, 0.1, method="higher"), np.quantile(own, 0.9, method="lower")
        below = max((middle - lower) / math.log(2), (middle - low) / math.log(5), least)
        above = max((upper - middle) / math.log(2), (high - middle) / math.log(5), least)
        np.testing.assert_allclose(medians[group == one], middle, rtol=1e-12)
        away, m = own - middle, len(own) / 2
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            expected = (1 + np.abs(away) / (m * np.where(away < 0, below, above))) ** -m
        np.testing.assert_allclose(chances[group == one], np.where(away == 0, 1.0, expected), rtol=1e-9)


@given(st.integers(1, 60), st.data())
def test_absence_is_hypergeometric(total: int, data: st.DataObject) -> None:
    having, drawn = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    expected = stats.hypergeom(total, having, drawn).pmf(0)
    assert absence_probability(total, having, drawn) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_effective_number_is_exp_of_entropy(counts: list[int]) -> None:
    found = effective_number(np.array(counts))
    if sum(counts) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(np.exp(stats.entropy(counts)))
        assert 1 - 1e-9 <= found <= np.count_nonzero(counts) + 1e-9


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=9), st.integers(2, 100))
def test_weights_have_a_mean_of_one_and_favour_the_rare(counts: list[int], times: int) -> None:
    found, some = class_weights(np.array(counts)), np.array(counts) > 0
    np.testing.assert_array_equal(found > 0, some)
    if some.any():
        assert found[some].mean() == pytest.approx(1)
        order = np.argsort(np.array(counts)[some], kind="stable")
        assert (np.diff(found[some][order]) <= 1e-12).all()
    np.testing.assert_allclose(class_weights(times * np.array(counts)), found)


@pytest.mark.parametrize("seed", range(20))
def test_gaps_at_the_ends_of_small_groups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 12, 130)
    values = rng.normal(0, 1, 130) ** 3
    least = float(rng.choice([0.0, 0.5]))
    expected = np.ones(130)
    for number in set(group.tolist()):
        rows = np.flatnonzero(group == number)
        n = len(rows)
        for sign in (1, -1):
            ranked = rows[np.argsort(-sign * values[rows])]
            for j in (1, 2):
                if 5 * j <= n <= 20:
                    gap = abs(values[ranked[j - 1]] - values[ranked[j]])
                    others = max(abs(values[ranked[j]] - values[ranked[-1]]), least * math.log(n))
                    chance = math.prod(k / (k + j * gap / others) for k in range(j + 1, n))
                    expected[ranked[:j]] = np.minimum(expected[ranked[:j]], chance * (4 if n >= 10 else 2))
    np.testing.assert_allclose(gap_probability(values, group, least), expected, rtol=1e-12)


@pytest.mark.parametrize("n", [5, 9, 10, 20])
def test_the_chance_of_a_gap_is_that_of_exponential_values(n: int) -> None:
    group = np.repeat(np.arange(20_000), n)
    chance = gap_probability(np.random.default_rng(n).exponential(size=len(group)), group)
    largest = chance.reshape(-1, n).min(axis=1)
    gaps = 4 if n >= 10 else 2
    for rate in (0.02, 0.1):  # of each end and number the gap that is tried may be the one
        assert rate / gaps * 0.9 < (largest <= rate).mean() < rate * 1.1


def test_groups_too_small_or_large_have_no_gaps() -> None:
    for n in (1, 4, 21):
        assert gap_probability(np.append(np.arange(n - 1.0), 1e9), np.zeros(n, int)).tolist() == [1.0] * n
    assert gap_probability(np.zeros(8), np.zeros(8, int)).tolist() == [1.0] * 8
    assert gap_probability(np.zeros(0), np.zeros(0, int)).tolist() == []
