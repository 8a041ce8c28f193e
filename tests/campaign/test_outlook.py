"""What a campaign will hold, counted by hand from small pictures."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.campaign.outlook import CampaignPlan, CategoryOutlook, Outlook, project_campaign
from segdata.campaign.projection import ProjectedRange
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture

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
