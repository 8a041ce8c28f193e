"""Plans in images and segments."""

import numpy as np
import pytest

from segdata.agreement.estimates import PairAmounts, Resampling, overall_scores
from segdata.agreement.planning import plan_sample_sizes
from segdata.core.errors import SegdataError
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
        amounts = PairAmounts.of(simulate_two_annotators(rng, planned.images))
        reached = overall_scores(amounts, amounts.every, Resampling(n_draws=300))[score]
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


def test_a_finite_campaign_needs_fewer() -> None:
    opposed = simulate_two_annotators(np.random.default_rng(3), 60)
    endless, finite = plan_sample_sizes(opposed, 0.02)[0], plan_sample_sizes(opposed, 0.02, population=150)[0]
    assert endless.images is not None
    assert finite.images is not None
    assert finite.images < min(endless.images, 150)


def test_nothing_to_plan_from_and_no_width() -> None:
    assert plan_sample_sizes(tables_of_maps([[np.array([[0, 1]])]], CATEGORIES)) == ()
    for half_width in (0.0, 1.0, -1.0):
        with pytest.raises(SegdataError, match="half width"):
            plan_sample_sizes(simulate_two_annotators(np.random.default_rng(4), 5), half_width)
