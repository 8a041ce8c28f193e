"""Gold: bars of categories and of all, tolerances of categories, and who is under."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import segdata
from segdata.agreement.estimates import PairAmounts, Resampling
from segdata.agreement.gold_standard import (
    ALL_CATEGORIES,
    boundary_tolerance,
    category_bars,
    gold_scores,
    image_scores,
    scores_below_bar,
)
from segdata.agreement.surface_distances import CategoryTolerance, Tolerance
from segdata.api.agreement import agree
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.config import CategoryGold, Config, Gold
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.taxonomy import Category, Taxonomy

CATEGORIES = Taxonomy(
    categories=(
        Category(id=1, name="car", kind="thing", boundary_rule="Along the bodywork.", definition="A motor car."),
        Category(id=2, name="road", kind="stuff"),
        Category(id=3, name="void", kind="void"),
    )
)
FEW = Resampling(n_draws=100)


def box(left: int, right: int, height: int = 20, width: int = 40) -> NDArray[np.bool_]:
    found = np.zeros((height, width), bool)
    found[5:15, left:right] = True
    return found


def drawn(*images: list[tuple[NDArray[np.bool_], str]], gold: Gold | None = None) -> OpenDataset:
    nothing = np.zeros((20, 40), np.uint8)
    found = segdata.from_arrays({f"{k}.png": each or nothing for k, each in enumerate(images)}, CATEGORIES)
    return replace(found, config=Config(gold=gold))


def opposed_of(gold: OpenDataset, **others: OpenDataset) -> AnnotatorPairs:
    found = agree({"gold": gold, **others}, resamples=100).run.tables.annotator_pairs
    assert found is not None
    return found


def told(*others: tuple[str, OpenDataset], gold: Gold, reference: OpenDataset, **more: str | float) -> list[Finding]:
    """SEG407 of everybody against the reference."""
    data = {"gold": replace(reference, config=Config(gold=gold)), **dict(others)}
    found = agree(data, select="SEG407", resamples=100, **more)  # type: ignore[arg-type]  # as agree has them
    return list(found.findings)


REFERENCE = drawn([(box(5, 25), "car")], [(box(5, 25), "car"), (~box(5, 25), "road")])
# IoU of the car 15 / 25 in both images; of the road (600 - 50) / (600 + 50).
SHIFTED = drawn([(box(10, 30), "car")], [(box(10, 30), "car"), (~box(10, 30), "road")])
NOTHING = drawn([], [])


def test_who_is_under_the_bar_of_all() -> None:
    """The mean over categories of the mean over images."""
    value = (0.6 + 550 / 650) / 2
    assert told(("ben", SHIFTED), gold=Gold(name="gold", bar=value - 1e-9), reference=REFERENCE) == []
    gold = Gold(name="gold", bar=value + 0.01)
    (found,) = told(("ben", SHIFTED), ("copy", REFERENCE), gold=gold, reference=REFERENCE)
    assert (found.annotator, found.category, found.severity) == ("ben", None, "error")
    assert found.message == "ben: iou of all 0.72 against gold, the bar is 0.73: uncertain with 2 images"


def test_bars_of_categories_go_before_that_of_each() -> None:
    gold = Gold(name="gold", each=0.7, categories={"road": CategoryGold(bar=0.9), "car": CategoryGold(metric="dice")})
    found = told(("ben", SHIFTED), gold=gold, reference=REFERENCE)
    assert [(each.category, each.message.partition(" against")[0]) for each in found] == [
        ("road", "ben: iou of road 0.85")
    ]
    assert category_bars(gold, CATEGORIES.categories) == {0: ("dice", 0.7), 1: ("iou", 0.9)}
    assert ALL_CATEGORIES not in category_bars(gold, CATEGORIES.categories)


def test_tolerances_of_categories() -> None:
    """All boundaries are 5 px apart at most: a surface Dice of 1 at 5 px, and of the road's at 1 px less."""
    near = Gold(name="gold", metric="nsd", each=1.0, tolerance_px=1, categories={"car": CategoryGold(tolerance_px=5)})
    found = told(("ben", SHIFTED), gold=near, reference=REFERENCE)
    assert [each.category for each in found] == ["road"]
    assert boundary_tolerance(near) == Tolerance(1.0, None, {"car": CategoryTolerance(5.0)})
    assert boundary_tolerance(near, pixels=3).pixels == 3
    assert boundary_tolerance(None) == Tolerance()
    assert told(("ben", SHIFTED), gold=near, reference=REFERENCE, tolerance=5) == []


def test_distances_are_under_the_bar_where_they_are_larger_and_endless_where_nothing_is_drawn() -> None:
    gold = Gold(name="gold", categories={"car": CategoryGold(metric="hd95", bar=4)})
    found = told(("ben", SHIFTED), ("idle", NOTHING), ("copy", REFERENCE), gold=gold, reference=REFERENCE)
    assert [each.message.partition(" against")[0] for each in found] == [
        "ben: hd95 of car 5.00",
        "idle: hd95 of car inf",
    ]
    assert all('guideline: "Along the bodywork."' in each.message for each in found)
    assert all("how certain that is cannot be said" in each.message for each in found)
    assert (
        told(
            ("ben", SHIFTED),
            gold=Gold(name="gold", categories={"car": CategoryGold(metric="hd95", bar=5)}),
            reference=REFERENCE,
        )
        == []
    )


@pytest.mark.parametrize("metric", ["covering", "adjusted_rand", "segment_nsd", "iou_micro"])
def test_bars_of_partitions_and_segments(metric: str) -> None:
    gold = Gold(name="gold", categories={"car": CategoryGold(metric=metric, bar=0.99)})
    found = told(("ben", SHIFTED), ("copy", REFERENCE), gold=gold, reference=REFERENCE)
    assert [(each.annotator, each.category) for each in found] == [("ben", "car")]


@pytest.mark.parametrize(
    ("metric", "bar"), [("variation_of_information", 0.1), ("offset_size", 0.5), ("count_gap", 0.4)]
)
def test_where_less_is_better_larger_values_are_under_the_bar(metric: str, bar: float) -> None:
    gold = Gold(name="gold", categories={"car": CategoryGold(metric=metric, bar=bar)})
    larger = drawn([(box(2, 28), "car")], [(box(5, 15), "car"), (box(16, 25), "car"), (~box(5, 25), "road")])
    found = told(("ben", larger), ("copy", REFERENCE), gold=gold, reference=REFERENCE)
    assert [(each.annotator, each.category) for each in found] == [("ben", "car")]


def test_a_bar_of_things_where_nothing_is_counted_is_refused() -> None:
    for gold in (
        Gold(name="gold", categories={"road": CategoryGold(metric="covering", bar=0.9)}),
        Gold(name="gold", metric="nonsense", bar=0.5),
    ):
        with pytest.raises(SegdataError, match=r"counted one by one|no metric 'nonsense'"):
            told(("ben", SHIFTED), gold=gold, reference=REFERENCE)


def test_who_draws_nothing_is_under_every_bar_and_who_rightly_does_under_none() -> None:
    found = told(("idle", NOTHING), gold=Gold(name="gold", bar=0.1, each=0.1), reference=REFERENCE)
    assert [each.category for each in found] == [None, "car", "road"]
    assert told(("idle", NOTHING), gold=Gold(name="gold", bar=0.9, each=0.9), reference=drawn([], [])) == []


def test_surely_below_takes_an_interval_below() -> None:
    """Of one image nothing is sure; of ten that are all alike the interval is a point."""
    many = drawn(*([(box(5, 25), "car")] for _ in range(10)))
    ben = drawn(*([(box(10, 30), "car")] for _ in range(10)))
    (found,) = told(("ben", ben), gold=Gold(name="gold", bar=0.8), reference=many)
    assert found.message == "ben: iou of all 0.60 (0.60 to 0.60) against gold, the bar is 0.80: clearly below"
    config = Config(gold=Gold(name="gold", bar=0.8), rules={"SEG407": {"sure": True}})
    for data, number in ((many, 1), (REFERENCE, 0)):
        other = ben if number else SHIFTED
        result = agree({"gold": replace(data, config=config), "ben": other}, select="SEG407", resamples=100)
        assert len(result.findings) == number


def test_the_reference_of_the_configuration_and_without_one() -> None:
    """The command line goes before it; without a reference nobody is held to anything."""
    gold = Gold(name="gold", bar=1.0)
    assert {each.annotator for each in told(("ben", SHIFTED), gold=gold, reference=REFERENCE)} == {"ben"}
    found = agree({"gold": replace(REFERENCE, config=Config(gold=gold)), "ben": SHIFTED}, gold="ben", resamples=100)
    assert {each.annotator for each in found.findings if each.code == "SEG407"} == {"gold"}
    assert told(("ben", SHIFTED), gold=Gold(bar=1.0), reference=REFERENCE) == []
    with pytest.raises(SegdataError, match="gold: no annotator 'god'; did you mean 'gold'"):
        told(("ben", SHIFTED), gold=Gold(name="god", bar=1.0), reference=REFERENCE)
    with pytest.raises(SegdataError, match=r"segdata.yaml: gold: no annotator's work has the category 'cra'; did you"):
        told(("ben", SHIFTED), gold=Gold(name="gold", categories={"cra": CategoryGold(bar=1)}), reference=REFERENCE)


def test_a_second_pass_of_the_reference_is_not_held_against_it() -> None:
    gold = replace(REFERENCE, config=Config(gold=Gold(name="gold", bar=1.0)))
    found = agree([("gold", gold), ("gold", SHIFTED), ("ben", SHIFTED)], select="SEG407", resamples=100)
    assert [each.annotator for each in found.findings] == ["ben"]


def test_single_images_at_the_bar_that_they_miss_by_most() -> None:
    opposed = opposed_of(
        REFERENCE, ben=drawn([(box(5, 25), "car")], [(box(10, 30), "car"), (~box(5, 25), "road")]), idle=NOTHING
    )
    amounts = PairAmounts.from_pairs(opposed)
    gold = Gold(bar=0.5, categories={"car": CategoryGold(bar=0.9), "road": CategoryGold(metric="hd95", bar=1)})
    a, b = (opposed.annotators.index(name) for name in ("ben", "gold"))
    rows = np.flatnonzero((amounts.a == a) & (amounts.b == b))
    found = image_scores(amounts, rows, gold)
    assert found["share"].tolist() == pytest.approx([1 / 0.9, 0.6 / 0.9])
    assert found["category"].tolist()[1] == 0
    assert found["value"].tolist()[1] == pytest.approx(0.6)
    rows = np.flatnonzero((amounts.a == b) & (amounts.b == opposed.annotators.index("idle")))
    assert (image_scores(amounts, rows, gold)["share"] == 0).all()
    assert np.isnan(image_scores(amounts, rows, Gold())["share"]).all()


def test_standing_has_rows_for_what_is_reached_too() -> None:
    opposed = opposed_of(REFERENCE, ben=SHIFTED)
    found = gold_scores(opposed, opposed.annotators.index("gold"), Gold(bar=0.1, each=0.7), FEW)
    assert list(found.lines("category", "bar", "clusters")) == [(-1, 0.1, 2), (0, 0.7, 2), (1, 0.7, 1 + 1)]
    assert scores_below_bar(found)["category"].tolist() == [0]
    assert len(gold_scores(opposed, None, Gold(bar=1), FEW)) == len(gold_scores(opposed, 0, None, FEW)) == 0
