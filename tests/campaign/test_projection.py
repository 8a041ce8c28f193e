"""Ranges: exact where a closed answer is known, honest where it is not, and right in simulated campaigns."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from segdata.campaign.projection import (
    CampaignPlan,
    CategoryOutlook,
    Outlook,
    ProjectedRange,
    SampleUnits,
    project_amounts,
    project_campaign,
    project_shares,
)
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture
from tests.generators.populations import SKEWS, Population, Skew

COUNTS = st.integers(4, 30).flatmap(lambda n: arrays(np.float64, (n, 3), elements=st.integers(0, 9)))


def alone(n: int) -> SampleUnits:
    return SampleUnits.from_ids(np.arange(n))


@given(COUNTS, st.integers(1, 4), st.sampled_from([30, 1000, math.inf]))
def test_the_best_guess_lies_within(counts: np.ndarray, group_size: int, campaign: float) -> None:
    units = SampleUnits.from_ids(np.arange(len(counts)) // group_size)
    for found in (project_amounts(units, counts, campaign), project_shares(units, counts > 0, campaign)):
        if len(units.images) > 1:
            assert (found.low <= found.value + 1e-9).all()
            assert (found.value <= found.high + 1e-9).all()
            assert (found.low >= 0).all()


@given(COUNTS, st.floats(0.01, 1e6))
def test_units_of_measurement_do_not_matter(counts: np.ndarray, factor: float) -> None:
    plain, scaled = (project_amounts(alone(len(counts)), values, 1000) for values in (counts, counts * factor))
    for one, other in ((plain.low, scaled.low), (plain.value, scaled.value), (plain.high, scaled.high)):
        np.testing.assert_allclose(one * factor, other, rtol=1e-9, atol=1e-12)


@given(COUNTS)
def test_of_a_whole_campaign_all_is_known(counts: np.ndarray) -> None:
    n = len(counts)
    mean, having = project_amounts(alone(n), counts, n), project_shares(alone(n), counts > 0, n)
    for found in (mean, having):
        np.testing.assert_allclose(found.low, found.value, atol=1e-4)
        np.testing.assert_allclose(found.high, found.value, atol=1e-4)


@given(st.integers(0, 40), st.integers(0, 40))
def test_shares_of_single_images_are_those_of_clopper_and_pearson(hits: int, misses: int) -> None:
    n = max(hits + misses, 2)
    has = (np.arange(n) < hits)[:, None]
    found = project_shares(alone(n), has, math.inf)
    exact = stats.binomtest(int(has.sum()), n).proportion_ci(0.95, method="exact")
    # The variance between few images is n / (n - 1) of that of a known rate, so they are worth one image less.
    spread = n - 1 if 0 < has.sum() < n else n
    near = stats.binomtest(round(has.mean() * spread), spread).proportion_ci(0.95, method="exact")
    assert found.low[0] <= exact.low + 1e-9
    assert exact.high - 1e-9 <= found.high[0]
    if spread == n:
        assert (found.low[0], found.high[0]) == pytest.approx((near.low, near.high))


def test_a_category_that_was_never_seen_has_the_rule_of_three() -> None:
    found = project_shares(alone(100), np.zeros((100, 1), bool), math.inf, confidence=0.9)  # one-sided 95 %
    assert found.high[0] == pytest.approx(3 / 100, rel=0.02)


@pytest.mark.parametrize("events", [1, 2, 5])
def test_rare_counts_have_at_least_the_range_of_a_poisson_count(events: int) -> None:
    n = 2000
    counts = np.zeros((n, 1))
    counts[:events] = 1
    found = project_amounts(alone(n), counts, math.inf)
    low, high = stats.chi2.ppf(0.025, 2 * events) / 2 / n, stats.chi2.ppf(0.975, 2 * events + 2) / 2 / n
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), rel=0.01)


@given(COUNTS, st.integers(2, 4))
def test_copies_of_an_image_tell_nothing_new(counts: np.ndarray, copies: int) -> None:
    many = np.repeat(counts, copies, axis=0)
    units = SampleUnits.from_ids(np.repeat(np.arange(len(counts)), copies))
    once, again = project_amounts(alone(len(counts)), counts, math.inf), project_amounts(units, many, math.inf)
    np.testing.assert_allclose(once.high, again.high, rtol=1e-9)
    having, twice = project_shares(alone(len(counts)), counts > 0, math.inf), project_shares(units, many > 0, math.inf)
    assert (twice.high >= having.high - 1e-9).all()
    assert (twice.low <= having.low + 1e-9).all()


def test_one_group_alone_tells_no_amounts() -> None:
    found = project_amounts(SampleUnits.from_ids(np.zeros(20, int)), np.ones((20, 1)), 1000)
    assert np.isnan([found.low[0], found.high[0]]).all()


@pytest.mark.parametrize(("group_size", "skew"), [(1, skew) for skew in SKEWS] + [(5, "poisson"), (10, "lognormal")])
def test_ranges_hold_the_truth_of_simulated_campaigns(group_size: int, skew: Skew) -> None:
    """34 campaigns of each sort, 204 in all; `benchmarks/agreement/pilots.py` has more, and a bootstrap."""
    rng = np.random.default_rng([1, group_size, SKEWS.index(skew)])
    held: dict[str, list[bool]] = {"segments": [], "images": [], "pixels": [], "whole": []}
    for at in range(34):
        truth = Population.of(rng, 1000, group_size, skew)
        found = project_campaign(
            truth.pilot(rng, (20, 50, 100)[at % 3] if group_size < 5 else 50), CampaignPlan(campaign=1000)
        )
        for row, each in enumerate(found.categories):
            held["segments"].append(each.segments.low <= truth.segments[:, row].sum() <= each.segments.high)
            held["images"].append(each.images.low <= (truth.segments[:, row] > 0).sum() <= each.images.high)
            share = (truth.segments[:, row] * truth.area[:, row] / 10_000).mean()
            held["pixels"].append(each.pixel_share.low <= share <= each.pixel_share.high)
        assert found.hours is not None
        held["whole"].append(found.hours.low <= truth.seconds.sum() / 3600 <= found.hours.high)
        held["whole"].append(found.void.low <= truth.void.mean() / 10_000 <= found.void.high)
    assert min(np.mean(values) for values in held.values()) >= 0.93


PICTURES = """
    aabb..
    aabb..

    cc...v
    cc...v

    aa....
    aa....

    a, b: car
    c: bus (crowd)
    v: haze (void)
    category: car
    category: bus
    category: tram
    category: haze (void)
"""


def measured(text: str) -> Tables:
    return measure_source(draw_picture(text), frozenset({"coverage"}), jobs=1)


def named(found: Outlook) -> dict[str, CategoryOutlook]:
    return {each.name: each for each in found.categories}


def test_counts_of_the_pilot() -> None:
    found = named(project_campaign(measured(PICTURES), CampaignPlan(campaign=300)))
    assert {name: (each.n_images, each.n_segments, each.pixels) for name, each in found.items()} == {
        "car": (2, 3, 12),
        "bus": (1, 0, 4),  # a crowd is no instance, though it is there
        "tram": (0, 0, 0),
    }
    assert found["car"].segments.value == pytest.approx(300)
    assert found["car"].images.value == pytest.approx(200)
    assert found["car"].pixel_share.value == pytest.approx(12 / 36)
    assert found["tram"].images_needed is None
    assert found["tram"].images.high > 0


def test_void_and_unlabelled_are_shares_of_the_pixels() -> None:
    found = project_campaign(measured(PICTURES), CampaignPlan(campaign=300))
    assert found.void.value == pytest.approx(2 / 36)
    assert found.unlabelled.value == pytest.approx((4 + 6 + 8) / 36)


def test_parents_without_segments_are_no_categories() -> None:
    text = "aab\n\na: car\nb: bus\ncategory: vehicle\ncategory: car (parent vehicle)\ncategory: bus (parent vehicle)"
    assert list(named(project_campaign(measured(text), CampaignPlan()))) == ["car", "bus"]


def test_without_a_number_totals_are_for_1000_images() -> None:
    found = project_campaign(measured(PICTURES), CampaignPlan())
    assert named(found)["car"].segments.value == pytest.approx(1000)


def test_what_is_annotated_twice_counts_once() -> None:
    tables = measured(PICTURES)
    annotations = np.array([0, 1, 2, 2])  # the last image by two annotators
    segments = tables.segments.take(np.array([*range(len(tables.segments)), len(tables.segments) - 1]))
    owner = segments["annotation"].copy()
    owner[-1] = 3
    twice = replace(
        tables, annotations=tables.annotations.take(annotations), segments=segments.beside(annotation=owner)
    )
    once, again = (named(project_campaign(each, CampaignPlan(campaign=300)))["car"] for each in (tables, twice))
    assert once.segments == pytest.approx(again.segments)
    assert once.pixel_share == pytest.approx(again.pixel_share)


def test_in_semantic_data_an_image_has_a_category_once() -> None:
    text = "aab\n\naab\n\naab\n\ntask: semantic\na: road\nb: sky"
    for each in project_campaign(measured(text), CampaignPlan(campaign=500)).categories:
        assert each.segments.high <= 500
        assert each.segments == each.images


def timed(seconds: list[float]) -> Tables:
    tables = measured(PICTURES)
    return replace(tables, annotations=tables.annotations.beside(seconds=np.array(seconds)))


def test_hours_and_cost_come_from_measured_times() -> None:
    found = project_campaign(timed([60.0, 120.0, 180.0]), CampaignPlan(campaign=300, rate=10))
    assert found.hours is not None
    assert found.cost is not None
    assert found.hours.value == pytest.approx(300 * 120 / 3600)
    assert found.hours.low < found.hours.value < found.hours.high
    assert [*found.cost] == pytest.approx([10 * each for each in found.hours])


def test_hours_of_those_that_were_timed() -> None:
    found = project_campaign(timed([60.0, np.nan, 180.0]), CampaignPlan(campaign=300))
    assert found.hours is not None
    assert found.hours.value == pytest.approx(300 * 120 / 3600)
    assert found.timed_by == "the times of 2 annotated images"
    assert project_campaign(timed([np.nan] * 3), CampaignPlan(campaign=300)).hours is None


def test_minutes_go_before_times() -> None:
    by_image = project_campaign(timed([60.0] * 3), CampaignPlan(campaign=300, minutes_per_image=2)).hours
    by_segment = project_campaign(timed([60.0] * 3), CampaignPlan(campaign=300, minutes_per_segment=2)).hours
    assert by_image == ProjectedRange(10, 10, 10)
    assert by_segment is not None
    assert by_segment.value == pytest.approx(300 * 2 / 60)  # a segment an image, the crowd left out


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"campaign": 2}, "the campaign has 2 images, and its pilot 3"),
        ({"minutes_per_image": 1, "minutes_per_segment": 1}, "both per image and per segment"),
        ({"rate": -1.0}, "rate is -1.0, a number above 0 is needed"),
        ({"min_instances": 0}, "min_instances is 0"),
    ],
)
def test_numbers_that_make_no_sense(plan: dict[str, float], said: str) -> None:
    with pytest.raises(SegdataError, match=said):
        project_campaign(measured(PICTURES), CampaignPlan(**plan))  # type: ignore[arg-type]  # numbers


def test_a_pilot_without_annotations() -> None:
    with pytest.raises(SegdataError, match="no image is annotated"):
        project_campaign(measured("category: car"), CampaignPlan())
