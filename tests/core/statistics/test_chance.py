"""Chance against scipy: discoveries, bounds of rates, absence by chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segdata.core.statistics.chance import absent_by_chance, at_least, discoveries
from segdata.core.statistics.diversity import effective_number, weights


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.01, 0.5))
def test_discoveries_are_those_of_scipy(p: list[float], rate: float) -> None:
    adjusted = stats.false_discovery_control(p) if p else np.zeros(0)
    sure = np.abs(adjusted - rate) > 1e-12
    np.testing.assert_array_equal(discoveries(np.array(p), rate)[sure], (adjusted <= rate)[sure])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([0.01, 0.05, 0.2]))
def test_discoveries_are_those_of_statsmodels(p: list[float], rate: float) -> None:
    package = pytest.importorskip("statsmodels.stats.multitest")
    stands, adjusted, _, _ = package.multipletests(p, rate, method="fdr_bh")
    sure = np.abs(adjusted - rate) > 1e-12
    np.testing.assert_array_equal(discoveries(np.array(p), rate)[sure], stands[sure])


@given(st.integers(1, 300), st.data())
def test_the_proven_rate_is_clopper_and_pearsons(of: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, of))
    expected = stats.binomtest(hits, of, alternative="greater").proportion_ci(0.95, method="exact").low
    assert at_least(hits, of) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 60), st.data())
def test_absence_is_hypergeometric(total: int, data: st.DataObject) -> None:
    having, drawn = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    expected = stats.hypergeom(total, having, drawn).pmf(0)
    assert absent_by_chance(total, having, drawn) == pytest.approx(expected, abs=1e-9)


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
    found, some = weights(np.array(counts)), np.array(counts) > 0
    np.testing.assert_array_equal(found > 0, some)
    if some.any():
        assert found[some].mean() == pytest.approx(1)
        order = np.argsort(np.array(counts)[some], kind="stable")
        assert (np.diff(found[some][order]) <= 1e-12).all()
    np.testing.assert_allclose(weights(times * np.array(counts)), found)
