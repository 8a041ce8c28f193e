"""Per image: the mean over pairs and categories, image by image, and which category lowers it."""

import numpy as np

from segdata.api.agreement import AgreementRun
from segdata.core.taxonomy import Category
from segdata.report.agreement.tables import ImageAgreement
from tests.generators.agreement_tables import tables_of_maps

CATEGORIES = [Category(id=k + 1, name=name, kind="stuff") for k, name in enumerate(("road", "car"))]


def iou(a: np.ndarray, b: np.ndarray, code: int) -> float:
    return float(((a == code) & (b == code)).sum() / ((a == code) | (b == code)).sum())


def test_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    drawn = [[rng.integers(0, 2, (5, 6)) for _ in range(4)] for _ in range(3)]
    images = ImageAgreement.of(tables_of_maps(drawn, CATEGORIES))
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
    (worst,) = ImageAgreement.of(tables_of_maps([[car], [car], [less]], CATEGORIES)).worst(3)
    assert (worst.category, worst.between, worst.n_categories) == ("car", 1 / 3, 2)
    assert 2 in (worst.a, worst.b)
    assert worst.low == (1 + 1 / 3 + 1 / 3) / 3


def test_what_nobody_drew_is_in_no_mean() -> None:
    empty = np.full((2, 3), -1)
    full = np.zeros((2, 3), np.int64)
    images = ImageAgreement.of(tables_of_maps([[empty, full], [empty, full]], CATEGORIES))
    assert images.of_cases[0].tolist() == [1]
    assert images.of_cases[1].tolist() == [1.0]


def test_the_mean_over_images_is_that_of_the_result_with_one_category(habits: AgreementRun) -> None:
    assert habits.tables.annotator_pairs is not None
    images = ImageAgreement.of(habits.tables.annotator_pairs)
    cars = [each.scores["iou"].value for each in habits.agreement.categories if each.category == "car"]
    np.testing.assert_allclose(np.nanmean(images.iou[:, 1]), cars)
