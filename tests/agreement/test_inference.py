"""Rates against scipy, and counts against looking at every count."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from segdata.agreement.inference import (
    exact_interval,
    exchange_test,
    highest_unseen_rate,
    limits_by_person,
    share_interval,
    shuffle_within_blocks,
    wilson_interval,
)
from segdata.core.resampling import Statistic
from segdata.core.runs import Floats
from segdata.core.statistics import benjamini_hochberg


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


@pytest.mark.parametrize("of", [10, 300, 10_000])
def test_rule_of_three(of: int) -> None:
    assert highest_unseen_rate(of) == pytest.approx(exact_interval(0, of, 0.9)[1])  # one-sided 95 % is two-sided 90 %
    assert highest_unseen_rate(of) == pytest.approx(3 / of, rel=0.2)


DIFFERENCES = npst.arrays(np.float64, st.integers(2, 9), elements=st.integers(-8, 8).map(float))


def mean_of(values: Floats) -> Statistic:
    return lambda weights: np.asarray((weights @ values).T / weights.sum(axis=1)).T


def exchange_p(differences: Floats, seed: int = 0, n_draws: int = 9999) -> Floats:
    """The p-values of the mean of clusters' differences (n, ...)."""
    sides = np.concatenate([np.zeros(differences.shape), differences])
    return exchange_test(mean_of(sides), len(differences), seed, n_draws=n_draws)[1]


@given(DIFFERENCES)
def test_which_side_is_first_does_not_matter(differences: Floats) -> None:
    assert exchange_p(differences) == exchange_p(-differences)


@given(DIFFERENCES, st.integers(-5, 5))
def test_exchange_of_means_is_the_sign_flip_of_scipy(differences: Floats, shift: int) -> None:
    n = len(differences)
    both = mean_of(np.concatenate([np.full(n, float(shift)), shift + differences]))
    found, p = exchange_test(both, n, 0)
    assert found == pytest.approx(differences.mean())
    expected = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    # scipy doubles the smaller tail; both tails of sign flips are alike.
    assert p == pytest.approx(min(1.0, expected.pvalue))


def test_many_clusters_are_sampled() -> None:
    differences = np.random.default_rng(0).normal(0.5, 1, size=(30, 2))
    p = exchange_p(differences)
    expected = stats.ttest_1samp(differences, 0).pvalue
    np.testing.assert_allclose(p, expected, atol=0.02)
    assert (p * 10_000 == np.round(p * 10_000)).all()
    assert exchange_p(differences + 10).tolist() == [1e-4, 1e-4]


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
    assert np.isnan(exchange_test(lambda w: np.full(len(w), np.nan), 3, 0)[1])


def test_p_values_are_uniform_where_nothing_differs() -> None:
    """Of 2,000 tests of nothing one in twenty is below 0.05; the tolerance is four standard errors."""
    p = exchange_p(np.random.default_rng(5).standard_t(3, size=(25, 2000)), 1, n_draws=999)
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.02)
    assert p.min() >= 1e-3


def test_shuffled_stays_within_blocks() -> None:
    stratum, block = np.array([0, 1, 2, 0, 1]), np.array([1, 0, 1, 0, 1])
    drawn = np.concatenate(list(shuffle_within_blocks(stratum, block, 0, 200, width=10_000)))
    assert drawn.shape == (201, 5)
    assert drawn[0].tolist() == stratum.tolist()
    assert {tuple(row) for row in drawn[:, [0, 2, 4]]} == set(permutations([0, 1, 2]))
    assert {tuple(row) for row in drawn[:, [1, 3]]} == {(0, 1), (1, 0)}


def test_a_share_that_all_images_have_is_sure() -> None:
    """22 % of each of eight images is no coin thrown eight times: the interval is about that of Student's t."""
    share = np.array([0.20, 0.24, 0.22, 0.23, 0.21, 0.25, 0.19, 0.22])
    low, high = share_interval(share * 1000, np.full(8, 1000.0))
    half = stats.t.ppf(0.975, 7) * share.std(ddof=1) / np.sqrt(8)
    assert low == pytest.approx(0.22 - half, abs=0.01)
    assert high == pytest.approx(0.22 + half, abs=0.01)


def test_a_share_that_one_image_decides_is_not() -> None:
    low, high = share_interval(np.array([1000.0, *[0.0] * 7]), np.full(8, 1000.0))
    assert low < 0.01
    assert high > 0.5


def test_no_hit_is_worth_more_than_images_and_less_than_trials() -> None:
    """None of 300 segments in ten images: their likeness, which no image shows, has a say."""
    _, of_segments = share_interval(np.zeros(10), np.full(10, 30.0), trials=300)
    _, of_pixels = share_interval(np.zeros(10), np.full(10, 30.0))
    assert exact_interval(0, 300)[1] < of_segments < of_pixels < 0.5


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=6, max_size=30), st.booleans())
def test_the_interval_holds_its_share(images: list[tuple[int, int]], is_counted: bool) -> None:
    hits, total = (np.array(column, float) for column in zip(*[(min(h, t), t) for h, t in images], strict=True))
    low, high = share_interval(hits, total, trials=float(total.sum()) if is_counted else None)
    share = hits.sum() / total.sum()
    assert 0 <= low <= share <= high <= 1
    turned = share_interval(total - hits, total, trials=float(total.sum()) if is_counted else None)
    assert (1 - turned[1], 1 - turned[0]) == pytest.approx((low, high), abs=1e-9)


def test_few_clusters_have_no_interval() -> None:
    assert np.isnan(share_interval(np.ones(5), np.full(5, 2.0))).all()


@pytest.mark.parametrize(
    ("share", "icc", "n", "sizes"),
    [(0.2, 0.1, 24, 0.0), (0.02, 0.3, 24, 0.0), (0.02, 0.3, 60, 0.0), (0.05, 0.2, 24, 1.0)],
    ids=["usual", "rare", "rare in many images", "images of very different numbers"],
)
def test_an_interval_of_a_share_holds_it_as_often_as_it_says(share: float, icc: float, n: int, sizes: float) -> None:
    """Of 400 campaigns, four standard errors below 0.95."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        total = 1.0 + rng.poisson(9 * rng.lognormal(0, sizes, n))
        own = rng.beta(share * (1 / icc - 1), (1 - share) * (1 / icc - 1), n)
        low, high = share_interval(rng.binomial(total.astype(int), own).astype(float), total, trials=float(total.sum()))
        held += low <= share <= high
    assert held / 400 > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 400)


def test_the_habits_of_one_do_not_accuse_another() -> None:
    """Annotator 0 has ten habits, three others none. A false discovery rate over all tests names these too often."""
    rng = np.random.default_rng(8)
    person, names, pooled = np.repeat(np.arange(4), 40), 0, 0
    for _ in range(1000):
        p = rng.random(160)
        p[:10] = 1e-6
        names += bool((p <= limits_by_person(p, person))[40:].any())
        pooled += bool(benjamini_hochberg(p, 0.05)[40:].any())
    assert names <= 70  # 5 % of 1,000, and three standard deviations
    assert pooled > 250


@given(
    p=npst.arrays(float, st.integers(1, 30), elements=st.floats(0, 1)),
    seed=st.integers(0, 1000),
    rate=st.sampled_from([0.01, 0.05, 0.2]),
)
def test_limits_are_those_of_holm_and_simes(p: Floats, seed: int, rate: float) -> None:
    person = np.random.default_rng(seed).integers(0, 4, len(p))
    limits = limits_by_person(p, person, rate)
    simes = {k: stats.false_discovery_control(p[person == k]).min() for k in np.unique(person).tolist()}
    left, named = len(simes), []
    for k in sorted(simes, key=lambda k: simes[k]):
        if simes[k] > rate / left * (1 + 1e-12):
            break
        named.append(k)
        left -= 1
    assert sorted(named) == np.unique(person[limits > 0]).tolist()
    for k in named:
        own = person == k
        level = rate * len(named) / len(simes)
        assert (p[own] <= limits[own]).tolist() == benjamini_hochberg(p[own], level).tolist()
        assert (p[own] <= limits[own]).any()


def test_of_one_annotator_the_limit_is_benjamini_and_hochbergs() -> None:
    p = np.array([0.001, 0.02, 0.03, 0.9])
    assert (p <= limits_by_person(p, np.zeros(4, int), 0.05)).tolist() == benjamini_hochberg(p, 0.05).tolist()
    assert len(limits_by_person(np.zeros(0), np.zeros(0, int))) == 0
