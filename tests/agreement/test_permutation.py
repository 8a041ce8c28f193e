"""Permutation tests are scipy's where scipy has them, and find as much by chance as they say."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from segdata.agreement.permutation import exchange_test, shuffle_within_blocks, sign_flip_test
from segdata.core.resampling import Floats, Statistic

DIFFERENCES = npst.arrays(np.float64, st.integers(2, 9), elements=st.integers(-8, 8).map(float))


def mean_of(values: Floats) -> Statistic:
    return lambda weights: np.asarray(weights @ values / weights.sum(axis=1))


@given(DIFFERENCES)
def test_sign_flip_is_scipy(differences: Floats) -> None:
    expected = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    # scipy doubles the smaller tail; both tails of sign flips are alike.
    assert sign_flip_test(differences, 0) == pytest.approx(min(1.0, expected.pvalue))


@given(DIFFERENCES)
def test_which_side_is_first_does_not_matter(differences: Floats) -> None:
    assert sign_flip_test(differences, 0) == sign_flip_test(-differences, 0)


@given(DIFFERENCES, st.integers(-5, 5))
def test_exchange_of_means_is_a_sign_flip(differences: Floats, shift: int) -> None:
    n = len(differences)
    both = mean_of(np.concatenate([np.full(n, float(shift)), shift + differences]))
    found, p = exchange_test(both, n, 0)
    assert found == pytest.approx(differences.mean())
    assert p == pytest.approx(sign_flip_test(differences, 0))


def test_many_clusters_are_sampled() -> None:
    differences = np.random.default_rng(0).normal(0.5, 1, size=(30, 2))
    p = sign_flip_test(differences, 0)
    expected = stats.ttest_1samp(differences, 0).pvalue
    np.testing.assert_allclose(p, expected, atol=0.02)
    assert (p * 10_000 == np.round(p * 10_000)).all()
    assert sign_flip_test(differences + 10, 0).tolist() == [1e-4, 1e-4]


def test_exchange_of_a_ratio() -> None:
    """Sums over sums: the ratio of the second side is twice that of the first in every cluster."""
    rng = np.random.default_rng(1)
    below = rng.integers(1, 50, 40)
    above = np.concatenate([below * rng.uniform(0.2, 0.4, 20).repeat(2)] * 2)
    above[40:] *= 2
    below = np.concatenate([below, below])
    found, p = exchange_test(lambda w: np.asarray((w @ above) / (w @ below)), 40, 0, n_draws=999)
    assert found == pytest.approx(above[:40].sum() / below[:40].sum())
    assert p == 1e-3


def test_undefined_is_left_out() -> None:
    differences = np.array([[1.0, np.nan], [np.nan, np.nan], [2.0, np.nan], [3.0, np.nan]])
    p = sign_flip_test(differences, 0)
    assert p[0] == sign_flip_test(np.array([1.0, 2.0, 3.0]), 0) == 0.25
    assert np.isnan(p[1])
    assert np.isnan(exchange_test(lambda w: np.full(len(w), np.nan), 3, 0)[1])


def test_p_values_are_uniform_where_nothing_differs() -> None:
    """Of 2,000 tests of nothing one in twenty is below 0.05; the tolerance is four standard errors."""
    p = sign_flip_test(np.random.default_rng(5).standard_t(3, size=(25, 2000)), 1, n_draws=999)
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.02)
    assert p.min() >= 1e-3


def test_shuffled_stays_within_blocks() -> None:
    stratum, block = np.array([0, 1, 2, 0, 1]), np.array([1, 0, 1, 0, 1])
    drawn = np.concatenate(list(shuffle_within_blocks(stratum, block, 0, 200, width=10_000)))
    assert drawn.shape == (201, 5)
    assert drawn[0].tolist() == stratum.tolist()
    assert {tuple(row) for row in drawn[:, [0, 2, 4]]} == set(permutations([0, 1, 2]))
    assert {tuple(row) for row in drawn[:, [1, 3]]} == {(0, 1), (1, 0)}
