"""Conclusions: planted habits, unclear categories and mirrored files come out in words, in the right order."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import numpy as np
import pytest

from segdata.agreement.repeatability import ProposedTolerance
from segdata.agreement.summary import Agreement
from segdata.agreement.surface_distances import Tolerance
from segdata.api.agreement import AgreementRun, agree
from segdata.report.agreement.annotators import reported_biases as habits_of
from segdata.report.agreement.conclusions import conclusions, repeatability_conclusions
from segdata.report.agreement.wording import Conclusion

Compare = Callable[..., AgreementRun]


def of(compared: AgreementRun, topic: str) -> list[Conclusion]:
    return [each for each in conclusions(compared.agreement, compared.tables) if each.topic == topic]


def drawings(seed: int = 0, n: int = 12) -> tuple[np.random.Generator, list[Any]]:  # Any: masks
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(n):
        labels = np.zeros((40, 60), np.uint8)
        labels[16:] = 1
        top, left = (int(each) for each in rng.integers(17, 28, 2))
        labels[top : top + 9, left : left + 9] = 2
        images.append(labels)
    return rng, images


def test_persons_are_told_with_their_numbers_and_what_to_teach(habits: AgreementRun) -> None:
    people = {each.annotator: each for each in of(habits, "person")}
    assert set(people) == {"carl", "dora"}
    carl, dora = people["carl"], people["dora"]
    assert "of car as another category, mostly road" in carl.head
    assert "(others " in carl.head
    assert "[" in carl.head
    assert "Teach carl: car: “Everything on four wheels.”" in carl.act
    assert "Look first at " in carl.act
    assert re.search(r"draws car \d\.\d px \[\d\.\d, \d\.\d\] larger", dora.head + dora.details)
    assert "car: “Mirrors belong to it.”" in dora.act
    assert carl.codes == dora.codes == ("SEG406",)
    assert "smaller" not in carl.head + carl.details  # that his cars end earlier follows from there being fewer


def test_the_whole_comes_before_persons_and_persons_before_single_places(habits: AgreementRun) -> None:
    topics = [each.topic for each in conclusions(habits.agreement, habits.tables)]
    assert topics[0] == "agreement"
    assert topics == sorted(topics, key=["repair", "agreement", "person", "guideline", "place", "limit"].index)


def test_the_whole_has_the_numbers_of_the_result(habits: AgreementRun) -> None:
    (whole,) = of(habits, "agreement")
    iou = habits.agreement.overall.iou
    assert whole.head == f"IoU {iou.value:.2f} [{iou.low:.2f}, {iou.high:.2f}] over 4 annotators, 12 images"
    assert "Best: " in whole.details
    assert "least: " in whole.details


def test_mirrored_labels_come_first_and_nothing_else_is_held_against_them(compare: Compare) -> None:
    _, images = drawings()
    images = [np.where(each == 2, 2, 0).astype(np.uint8) for each in images]
    turned = [each[::-1, ::-1].copy() for each in images]
    compared = compare({"anna": images, "ben": turned, "carl": images})
    first, *rest = conclusions(compared.agreement, compared.tables)
    assert first.head == "ben: the labels are misplaced"
    assert "mirrored" in first.details
    assert first.act.startswith("Change the labels of ben")
    assert not any("ben" in (each.annotator or "") for each in rest)
    assert "without them 1.00" in of(compared, "agreement")[0].details
    assert not of(compared, "place")


def test_of_two_nobody_knows_whose_labels_are_mirrored(compare: Compare) -> None:
    _, images = drawings()
    images = [np.where(each == 2, 2, 0).astype(np.uint8) for each in images]
    compared = compare({"anna": images, "ben": [each[::-1, ::-1].copy() for each in images]})
    first = conclusions(compared.agreement, compared.tables)[0]
    assert first.topic == "repair"
    assert "one of them" in first.head
    assert {"anna", "ben"} <= set(first.head.replace(":", "").split())


def test_a_category_on_which_everybody_disagrees_is_the_guideline(compare: Compare) -> None:
    rng, images = drawings(n=40)
    drawn = {}
    for who in ("anna", "ben", "carl"):
        drawn[who] = []
        for labels in images:
            mine = labels.copy()
            left = int(rng.integers(0, 45))
            mine[2:14, left : left + 14] = 3
            drawn[who].append(mine)
    compared = compare(drawn)
    told = of(compared, "guideline")
    assert [each.category for each in told] == ["fence"]
    assert told[0].head.startswith("fence: all annotators disagree, Dice 0.")
    assert "It has no definition yet." in told[0].act
    (disputes,) = of(compared, "place")  # too many to settle one by one while their cause goes on
    assert "Clarify the guideline and annotate again" in disputes.act


def test_of_two_annotators_the_difference_is_told_and_nobody_blamed(compare: Compare) -> None:
    _, images = drawings()
    grown = []
    for labels in images:
        car = labels == 2
        car |= np.roll(car, 2, 0) | np.roll(car, -2, 0)
        car |= np.roll(car, 2, 1) | np.roll(car, -2, 1)
        grown.append(np.where(car, 2, np.where(labels == 2, 2, 0)).astype(np.uint8))
    only = [np.where(each == 2, 2, 0).astype(np.uint8) for each in images]
    compared = compare({"anna": only, "ben": grown})
    (told,) = of(compared, "person")
    assert told.annotator is None
    assert told.head.startswith("ben draws ")
    assert told.head.endswith(" larger than anna")
    assert "it is unknown which of them deviates" in told.details
    assert "--gold" in told.act


def test_two_who_are_alike_need_no_third(compare: Compare) -> None:
    _, images = drawings()
    (conclusion,) = of(compare(dict.fromkeys(("anna", "ben"), images)), "person")
    assert conclusion.head == "No difference between anna and ben stands out"
    assert conclusion.details == conclusion.act == ""


@pytest.mark.parametrize(
    ("gold", "expected"), [("anna", "ben draws .* larger than anna"), ("ben", "anna draws .* smaller than ben")]
)
def test_with_a_reference_the_other_of_two_deviates(compare: Compare, gold: str, expected: str) -> None:
    _, images = drawings()
    only = [np.where(labels == 2, 2, 0).astype(np.uint8) for labels in images]
    grown = []
    for labels in only:
        car = labels == 2
        car |= np.roll(car, 2, 0) | np.roll(car, -2, 0)
        car |= np.roll(car, 2, 1) | np.roll(car, -2, 1)
        grown.append(np.where(car, 2, 0).astype(np.uint8))
    (told,) = of(compare({"anna": only, "ben": grown}, gold=gold), "person")
    assert re.match(f"{expected}, the reference$", told.head)
    assert "unknown" not in told.details
    assert "--gold" not in told.act
    assert "Show " in told.act


def test_few_images_are_said_to_be_few(compare: Compare) -> None:
    _, images = drawings(n=3)
    compared = compare(dict.fromkeys(("anna", "ben", "carl"), images))
    assert "there are 3" in of(compared, "agreement")[0].act
    (told,) = of(compared, "person")
    assert told.head == "Too few images to tell who deviates"


def test_nobody_deviates_where_all_are_alike(compare: Compare) -> None:
    _, images = drawings()
    (told,) = of(compare(dict.fromkeys(("anna", "ben", "carl"), images)), "person")
    assert told.head == "No annotator deviates from the others more than chance explains"


def test_images_that_only_one_has_are_told_last(compare: Compare) -> None:
    _, images = drawings()
    last = conclusions(*_parts(compare({"anna": images, "ben": images[:9], "carl": images[:9]})))[-1]
    assert last.topic == "limit", last
    assert last.details.startswith("3 images of 12 images in anna are in no other dataset: ")


def test_one_portion_has_nothing_to_differ_from(compare: Compare) -> None:
    _, images = drawings(n=3)
    (told,) = of(compare(dict.fromkeys(("anna", "ben"), images), group_by="folder"), "portion")
    assert told.head == "All images are in one portion by folder"


def test_with_a_reference_everybody_is_held_against_it(compare: Compare) -> None:
    _, images = drawings(n=3)
    worse = [np.where(each == 2, 1, each).astype(np.uint8) for each in images]
    (whole,) = of(compare({"anna": images, "ben": worse, "carl": images}, gold="anna"), "agreement")
    assert re.search(r"^IoU against anna, the reference: carl 1\.00.* and ben 0\.", whole.head)
    assert re.search(r"ben misses [1-9]\d*% of anna's pixels, adds .*carl misses 0% of anna's pixels", whole.details)


def test_with_a_reference_only_pairs_with_it_count(compare: Compare) -> None:
    """Ben and carl make the same mistakes: they agree with each other, and that is not told of the reference."""
    _, images = drawings(n=3)
    worse = [np.where(each == 2, 1, each).astype(np.uint8) for each in images]
    found = compare({"anna": images, "ben": worse, "carl": worse}, gold="anna").agreement
    assert found.reference is not None
    pairs = {frozenset((each.a, each.b)): each for each in found.pairs}
    assert found.reference.iou.value == pytest.approx(pairs[frozenset(("anna", "ben"))].iou.value)
    assert found.overall.iou.value > found.reference.iou.value
    assert [each.annotator for each in found.reference.annotators] == ["ben", "carl"]


def _parts(compared: AgreementRun) -> tuple[Any, Any]:  # Any: as conclusions takes them
    return compared.agreement, compared.tables


def test_an_image_that_was_skipped(compare: Compare) -> None:
    """An empty mask where everybody else has three segments or more."""
    labels = np.zeros((20, 30), np.uint8)
    labels[:6], labels[6:12], labels[12:] = 1, 2, 3
    nothing = np.zeros_like(labels)
    found = compare({"anna": [labels] * 3, "ben": [labels, nothing, labels], "carl": [labels] * 3})
    (told,) = of(found, "repair")
    assert told.head == "ben labelled nothing in 1.png"


def test_one_who_drew_nothing_at_all(compare: Compare) -> None:
    labels = np.ones((20, 30), np.uint8)
    found = compare({"anna": [labels] * 2, "ben": [np.zeros_like(labels)] * 2})
    (told,) = of(found, "repair")
    assert told.head == "ben labelled nothing"
    assert told.details == "Everything that the others drew counts as missed."


def test_a_single_dispute_is_settled_by_itself(compare: Compare) -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[12:] = 1
    labels[2:8, 4:14] = 2
    without = labels.copy()
    without[2:8, 4:14] = 0
    found = compare({"anna": [labels] * 3, "ben": [labels, without, labels], "carl": [labels] * 3})
    (told,) = of(found, "place")
    assert told.head.startswith("1 dispute: ")
    assert told.act == "Settle it; it is in 1.png."


def test_the_reference_is_not_judged(compare: Compare) -> None:
    """Who is one of four deviates; who is the reference does not, and nothing is found about it."""
    _, images = drawings()
    late = [np.where(each == 2, 1, each).astype(np.uint8) for each in images]
    rng = np.random.default_rng(0)
    moved = {
        who: [np.roll(each, tuple(rng.integers(-1, 2, 2).tolist()), (0, 1)) for each in images]
        for who in ("anna", "ben", "carl")  # nobody draws the same twice
    }
    masks = moved | {"truth": late}
    judged = compare(masks, gold="truth")
    assert "truth" not in {each.annotator for each in of(judged, "person")}
    assert not [each for each in judged.agreement.findings if each.code == "SEG406" and each.annotator == "truth"]
    assert judged.tables.assessment is not None
    unjudged = replace(judged.tables, assessment=replace(judged.tables.assessment, gold=None))
    assert "truth" in {each.annotator for each in habits_of(judged.agreement, unjudged) if each.stands}


def test_of_three_readers_the_second_is_mirrored(real_data: Path) -> None:
    folder = real_data / "nifti_three_readers"
    found = agree([(f"reader {k}", folder / f"seg_{k}.nii.gz") for k in (1, 2, 3)], resamples=100).run
    first, second, *_ = conclusions(found.agreement, found.tables)
    assert first.head == "reader 2: the labels are misplaced"
    assert "mirrored" in first.details
    assert second.head == "IoU 0.26 over 3 annotators, 1 volume of 256 slices"
    assert "without them 0.69" in second.details
    assert second.act.startswith("Add images of other sequences")


def agreement(near: Tolerance, *proposed: ProposedTolerance) -> Agreement:
    """An agreement of which only the tolerances are read."""
    return cast(Agreement, SimpleNamespace(tolerance=near, proposed_tolerance=proposed))


def repeatability_of(unit: Literal["px", "mm"], value: float) -> ProposedTolerance:
    return ProposedTolerance(unit, value, ("anna", "ben"), 12, 40)


@pytest.mark.parametrize(
    ("near", "proposed", "head", "typed"),
    [
        (Tolerance(2), repeatability_of("px", 5**0.5), "lie 2.24 px apart; the tolerance is 2 px", "--tolerance 2.24,"),
        (Tolerance(2), repeatability_of("px", 1.0), "lie 1 px apart; the tolerance is 2 px", "gold: {tolerance_px: 1}"),
        (
            Tolerance(2, mm=0.5),
            repeatability_of("mm", 0.8),
            "lie 0.8 mm apart; the tolerance is 0.5 mm",
            "--tolerance-mm 0.8,",
        ),
        (
            Tolerance(2),
            repeatability_of("mm", 0.8),
            "the tolerance is what 2 px are in mm",
            "gold: {tolerance_mm: 0.8}",
        ),
    ],
)
def test_what_repeats_need_and_how_to_set_it(
    near: Tolerance, proposed: ProposedTolerance, head: str, typed: str
) -> None:
    (told,) = repeatability_conclusions(agreement(near, proposed))
    assert head in told.head
    assert typed in told.act
    assert "anna and ben annotated 12 images twice" in told.details
    assert "40 boundaries" in told.details


@pytest.mark.parametrize("value", [2.0, 0.0])
def test_nothing_to_do_where_it_is_the_same_or_all_is_equal(value: float) -> None:
    (told,) = repeatability_conclusions(agreement(Tolerance(2), repeatability_of("px", value)))
    assert told.act == ""


def test_nothing_without_repeats() -> None:
    assert list(repeatability_conclusions(agreement(Tolerance(2)))) == []
