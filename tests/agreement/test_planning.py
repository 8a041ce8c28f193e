"""Plans in images and segments."""

import math

import numpy as np
import pytest
from scipy import stats

from segdata.agreement.estimates import PairAmounts, Resampling, overall_scores
from segdata.agreement.planning import estimate_clusters, plan_sample_sizes
from segdata.core.errors import SegdataError
from segdata.core.resampling import Statistic, bootstrap_interval, intraclass_correlation
from segdata.core.runs import Floats
from tests.generators.agreement_tables import CATEGORIES, simulate_two_annotators, tables_of_maps


def test_plans_have_the_width() -> None:
    """A campaign of the planned size has nearly the width that was asked for."""
    rng = np.random.default_rng(0)
    found = {(each.score, each.category): each for each in plan_sample_sizes(simulate_two_annotators(rng, 80), 0.03)}
    assert set(found) == {
        *((score, None) for score in ("iou", "pq", "kappa")),
        *((score, each.name) for score in ("iou", "pq") for each in CATEGORIES),
    }
    for score in ("iou", "pq", "kappa"):
        planned = found[score, None]
        assert planned.images is not None
        assert planned.reached <= 0.0315
        amounts = PairAmounts.from_pairs(simulate_two_annotators(rng, planned.images))
        reached = overall_scores(amounts, amounts.all_rows, Resampling(n_draws=300))[score]
        assert (reached.high - reached.low) / 2 == pytest.approx(0.03, rel=0.35)


def test_rare_categories_take_more_images_and_30_segments() -> None:
    found = {
        (each.score, each.category): each
        for each in plan_sample_sizes(simulate_two_annotators(np.random.default_rng(1), 80), 0.1)
    }
    rare, common = found["iou", "rare"], found["iou", "common"]
    assert rare.images is not None
    assert common.images is not None
    assert rare.images > common.images
    assert all(each.instances >= 30 for each in found.values() if each.category and each.instances is not None)


def test_sequences_of_images_that_are_alike() -> None:
    """Five images a sequence: more images are needed, by the design effect, and whole sequences."""
    found = {
        each.score: each
        for each in plan_sample_sizes(simulate_two_annotators(np.random.default_rng(2), 60, 5, alike=1.0), 0.02)[:3]
    }
    for each in found.values():
        assert each.clusters is not None
        assert each.images == 5 * each.clusters
    assert found["kappa"].design_effect > 1.5
    single = plan_sample_sizes(simulate_two_annotators(np.random.default_rng(2), 60), 0.02)
    assert {each.design_effect for each in single} == {1.0}


def test_nothing_to_plan_from_and_no_width() -> None:
    assert plan_sample_sizes(tables_of_maps([[np.array([[0, 1]])]], CATEGORIES)) == ()
    for half_width in (0.0, 1.0, -1.0):
        with pytest.raises(SegdataError, match="half width"):
            plan_sample_sizes(simulate_two_annotators(np.random.default_rng(4), 5), half_width)


def means_of(values: Floats) -> Statistic:
    """Means of values (n, k)."""
    return lambda weights: np.asarray(weights @ values / weights.sum(axis=1, keepdims=True))


def clusters_by_formula(sd: float, half_width: float) -> int:
    """(z SD / h)^2; a standard deviation of 0.10 and plus and minus 0.02 are 97 images."""
    return max(2, math.ceil((stats.norm.ppf(0.975) * sd / half_width) ** 2))


def test_plan_of_a_mean_is_the_formula() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, size=(200, 2)) * [1, 3]
    found = estimate_clusters(means_of(values), 200, 0.02, 0)
    for each, sd in zip(found, values.std(axis=0, ddof=1), strict=True):
        assert each.sd == pytest.approx(sd, rel=0.1)
        assert each.half_width == pytest.approx(1.97 * sd / np.sqrt(200), rel=0.1)
        assert each.clusters is not None
        assert each.clusters == pytest.approx(clusters_by_formula(sd, 0.02), rel=0.2)
        assert each.reached <= 0.021


def test_the_planned_campaign_has_the_width() -> None:
    """Plans from pilots of 60; campaigns of the planned size have, in the median, the width that was asked for."""
    rng, widths = np.random.default_rng(1), []
    for seed in range(30):
        (plan,) = estimate_clusters(means_of(rng.beta(4, 1, size=(60, 1))), 60, 0.02, seed)
        assert plan.clusters is not None
        campaign = rng.beta(4, 1, size=(plan.clusters, 1))
        found = bootstrap_interval(means_of(campaign), plan.clusters, seed, n_draws=300)
        widths.append(float(found.high[0] - found.low[0]) / 2)
    assert np.median(widths) == pytest.approx(0.02, rel=0.15)


def test_a_skewed_ratio_is_mended_by_the_check() -> None:
    """A rare category: one cluster in ten has all of it; intervals are wider than the formula says."""
    rng = np.random.default_rng(2)
    size = np.where(rng.random(300) < 0.1, rng.integers(50, 500, 300), 1).astype(float)
    hits = np.where(size > 1, size * rng.random(300), size)
    (plan,) = estimate_clusters(lambda w: ((w @ hits) / (w @ size))[:, None], 300, 0.2, 0)
    assert plan.clusters is not None
    assert plan.clusters >= clusters_by_formula(plan.sd, 0.2)
    assert plan.reached <= 0.21


def test_images_that_are_alike_need_more() -> None:
    """Ten images a sequence that are all the same: as many sequences as there would be single images."""
    rng = np.random.default_rng(3)
    of_sequence = rng.normal(0.8, 0.1, 40)
    values, cluster = np.repeat(of_sequence, 10), np.repeat(np.arange(40), 10)
    assert intraclass_correlation(values, cluster) == pytest.approx(1)
    effect = 10  # 1 + (images of a sequence - 1) * correlation
    (by_image,) = estimate_clusters(means_of(values[:, None]), 400, 0.02, 0)
    (by_sequence,) = estimate_clusters(means_of(of_sequence[:, None]), 40, 0.02, 0)
    assert by_image.clusters is not None
    assert by_sequence.clusters is not None
    assert 10 * by_sequence.clusters == pytest.approx(effect * by_image.clusters, rel=0.3)


def test_nothing_to_plan_from() -> None:
    assert estimate_clusters(means_of(np.ones((1, 2))), 1, 0.1, 0)[1].clusters is None
    undefined, sure, endless = estimate_clusters(
        means_of(np.array([[np.nan, 1, 1e9], [np.nan, 1, -1e9]] * 9)), 18, 0.1, 0
    )
    assert undefined.clusters is None
    assert (sure.clusters, sure.reached) == (6, 0)
    assert endless.clusters is None


def test_t_of_few_clusters_is_planned_for() -> None:
    """Where three clusters would do by the normal, t asks for more."""
    values = np.random.default_rng(5).normal(size=(500, 1))
    (plan,) = estimate_clusters(means_of(values), 500, 1.2, 0)
    assert plan.clusters is not None
    assert plan.clusters > clusters_by_formula(1.0, 1.2) == 3
    assert stats.t.ppf(0.975, plan.clusters - 1) / np.sqrt(plan.clusters) == pytest.approx(1.2, rel=0.35)
