"""Confusion: counted pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import segdata
from segdata.agreement.estimates import ImageAgreement
from segdata.api.agreement import AgreementRun
from segdata.core.taxonomy import Category, Taxonomy
from segdata.report.agreement.charts import UNLABELLED, Confusion
from segdata.report.agreement.conclusions import conclusions
from tests.generators.agreement_tables import tables_of_maps

CATEGORIES = [Category(id=k + 1, name=name, kind="stuff") for k, name in enumerate(("road", "car", "fence"))]
NAMES = [*(each.name for each in CATEGORIES), UNLABELLED]
maps = arrays.arrays(np.int64, (3, 4, 5), elements=st.integers(-1, 2))


def counted(pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    pixels = np.zeros((4, 4))
    for one, other in pairs:
        for a, b in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True):
            pixels[a, b] += 1
    return pixels


def kept(confusion: Confusion, expected: np.ndarray) -> None:
    at = [NAMES.index(name) for name in confusion.names]
    np.testing.assert_array_equal(confusion.amounts, expected[np.ix_(at, at)])
    assert confusion.amounts.sum() == expected.sum()


@given(maps)
def test_every_pixel_counts_both_ways(drawn: np.ndarray) -> None:
    confusion = Confusion.from_pairs(tables_of_maps([[each] for each in drawn], CATEGORIES))
    pairs = [(drawn[i], drawn[j]) for i in range(3) for j in range(3) if i != j]
    kept(confusion, counted(pairs))
    np.testing.assert_array_equal(confusion.amounts, confusion.amounts.T)
    np.testing.assert_allclose(confusion.shares.sum(axis=1), 1)


@given(maps, st.integers(0, 2))
def test_of_one_annotator_the_columns_are_theirs(drawn: np.ndarray, who: int) -> None:
    opposed = tables_of_maps([[each] for each in drawn], CATEGORIES)
    kept(Confusion.of_annotator(opposed, who), counted([(drawn[i], drawn[who]) for i in range(3) if i != who]))


def test_partners_and_the_worst() -> None:
    one = np.array([[0, 0, 0, 0, 1, 1, -1, -1]])
    two = np.array([[0, 0, 0, 1, 1, 1, -1, 2]])
    confusion = Confusion.from_pairs(tables_of_maps([[one], [two]], CATEGORIES))
    (partner,) = confusion.partners("road")
    assert partner.other == "car"
    assert partner.share == 1 / 7  # of 4 pixels of one and 3 of two
    assert [{each.one, each.other} for each in confusion.worst(5)] == [{"road", "car"}]
    assert confusion.partners("fence")[0].other == UNLABELLED
    assert confusion.partners("sky") == []


def test_the_reduced_keeps_those_with_most_confusion() -> None:
    one = np.array([[0, 0, 0, 0, 1, 1, 2, 2]])
    two = np.array([[0, 0, 0, 0, 2, 1, 2, 1]])
    confusion = Confusion.from_pairs(tables_of_maps([[one], [two]], CATEGORIES))
    assert confusion.most_confused(2).names == ("car", "fence")
    assert confusion.most_confused(9) is confusion


IMAGE_CATEGORIES = [Category(id=1, name="road", kind="stuff"), Category(id=2, name="car", kind="stuff")]


def iou(a: np.ndarray, b: np.ndarray, code: int) -> float:
    return float(((a == code) & (b == code)).sum() / ((a == code) | (b == code)).sum())


def test_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    drawn = [[rng.integers(0, 2, (5, 6)) for _ in range(4)] for _ in range(3)]
    images = ImageAgreement.from_pairs(tables_of_maps(drawn, IMAGE_CATEGORIES))
    expected = [
        np.mean([iou(drawn[i][k], drawn[j][k], code) for i, j in ((0, 1), (0, 2), (1, 2)) for code in (0, 1)])
        for k in range(4)
    ]
    np.testing.assert_allclose(images.of_cases[1], expected)
    own = [np.mean([iou(drawn[1][k], drawn[j][k], code) for j in (0, 2) for code in (0, 1)]) for k in range(4)]
    np.testing.assert_allclose(images.of_annotator(1), own)
    assert [each.value for each in images.worst(9)] == sorted(each.value for each in images.worst(9))
    assert images.worst(1)[0].name == str(int(np.argmin(expected)))


def test_the_worst_image_names_category_and_pair() -> None:
    road = np.zeros((4, 6), np.int64)
    car = road.copy()
    car[:, 3:] = 1
    less = road.copy()
    less[:, 5:] = 1
    (worst,) = ImageAgreement.from_pairs(tables_of_maps([[car], [car], [less]], IMAGE_CATEGORIES)).worst(3)
    assert (worst.category, worst.between, worst.n_categories) == ("car", 1 / 3, 2)
    assert 2 in (worst.a, worst.b)
    assert worst.low == (1 + 1 / 3 + 1 / 3) / 3


def test_an_image_on_which_all_agree_is_none_of_the_worst() -> None:
    road = np.zeros((4, 6), np.int64)
    car = road.copy()
    car[:, 3:] = 1
    pairs = tables_of_maps([[road, car], [road, road], [road, car]], IMAGE_CATEGORIES)
    assert [worst.name for worst in ImageAgreement.from_pairs(pairs).worst(9)] == ["1"]


def test_what_nobody_drew_is_in_no_mean() -> None:
    empty = np.full((2, 3), -1)
    full = np.zeros((2, 3), np.int64)
    images = ImageAgreement.from_pairs(tables_of_maps([[empty, full], [empty, full]], IMAGE_CATEGORIES))
    assert images.of_cases[0].tolist() == [1]
    assert images.of_cases[1].tolist() == [1.0]


def test_the_mean_over_images_is_that_of_the_result_with_one_category(habits: AgreementRun) -> None:
    assert habits.tables.annotator_pairs is not None
    images = ImageAgreement.from_pairs(habits.tables.annotator_pairs)
    cars = [each.scores["iou"].value for each in habits.agreement.categories if each.category == "car"]
    np.testing.assert_allclose(np.nanmean(images.values[:, 1]), cars)


def test_what_lies_under_another_layer_is_no_confusion() -> None:
    """A lesion on a cord: both have it there, whatever is on top of it."""
    cord, lesion, larger = (np.zeros((20, 30), bool) for _ in range(3))
    cord[5:15, 5:25] = True
    lesion[8:11, 8:11] = True
    larger[8:12, 8:12] = True
    masks = [[(own, "lesion"), (cord, "cord")] for own in (lesion, larger)]
    names = enumerate(("lesion", "cord"), 1)
    stuff = Taxonomy(categories=[Category(id=k, name=name, kind="stuff") for k, name in names])
    one, two = (segdata.from_arrays({f"{k}.png": drawn for k in range(2)}, stuff) for drawn in masks)
    found = segdata.agree({"a": one, "b": two}, resamples=100, jobs=1)
    assert found.run.tables.annotator_pairs is not None
    confusion = Confusion.from_pairs(found.run.tables.annotator_pairs)
    (partner,) = confusion.partners("lesion")
    assert partner.other == UNLABELLED
    assert partner.share == pytest.approx(7 / 25)


def test_what_a_thing_hides_is_counted_and_named() -> None:
    """A ship on the sea, which one annotator cuts out of the sea and the others draw below it."""
    sea, field, ship = (np.zeros((20, 30), bool) for _ in range(3))
    sea[5:, :20], field[5:, 20:], ship[10:14, 4:14] = True, True, True
    less = sea.copy()
    less[:, 17:] = False
    whole, cut = (
        [(sea, "sea"), (field, "field"), (ship, "ship")],
        [(sea & ~ship, "sea"), (field, "field"), (ship, "ship")],
    )
    other = [(less, "sea"), (field | (sea & ~less), "field"), (ship, "ship")]
    kinds = (("sea", "stuff"), ("field", "stuff"), ("ship", "thing"))
    taxonomy = Taxonomy(categories=[Category(id=k, name=name, kind=kind) for k, (name, kind) in enumerate(kinds, 1)])
    sides = {
        who: segdata.from_arrays({f"{k}.png": drawn for k in range(2)}, taxonomy)
        for who, drawn in (("a", whole), ("b", cut), ("c", other))
    }
    found = segdata.agree(sides, resamples=100, jobs=1)
    overlap = found.overlap
    assert overlap is not None
    assert overlap.layered_images == 0
    assert [(of.annotator, of.images, of.pixels) for of in overlap.hidden] == [("a", 2, 80), ("c", 2, 80)]
    assert overlap.hidden[0].share == pytest.approx(40 / 490)
    texts = [conclusion.details for conclusion in conclusions(found, found.run.tables)]
    assert any("80 px of a in 2 images (8% of what is labelled there)" in text for text in texts)
    assert found.run.tables.annotator_pairs is not None
    shares = {of.other: of.share for of in Confusion.from_pairs(found.run.tables.annotator_pairs).partners("sea")}
    # of 300 - 40 px that are seen, a and b call 45 more sea than c; below the ship a and c both have it
    assert shares == {"field": pytest.approx(2 * 45 / (260 * 2 + 260 * 2 + 215 * 2 + 40 * 2))}
