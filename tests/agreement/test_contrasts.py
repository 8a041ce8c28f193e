"""Two annotators against a third: differences are theirs, and are found where they are."""

import numpy as np
import pytest

from segdata.agreement.contrasts import MAX_CONTRASTS, SCORES, contrast_annotators, contrast_pairs
from segdata.agreement.estimates import PairAmounts, Resampling, pair_scores
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.errors import SegdataError
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category
from tests.generators.agreement_tables import tables_of_maps

CATEGORIES = (Category(id=1, name="car", kind="thing"), Category(id=2, name="road", kind="stuff"))
HOW = Resampling(n_draws=200)


def panel(seed: int, wrong: tuple[float, float], n: int = 16) -> AnnotatorPairs:
    """Annotators "a" and "b" draw these shares of pixels at random, "c" is the truth; "b" skipped the last image."""
    rng = np.random.default_rng(seed)
    truth = [rng.integers(-1, 2, (4, 6)) for _ in range(n)]
    maps: list[list[Ints | None]] = [
        [np.where(rng.random((4, 6)) < share, rng.integers(-1, 2, (4, 6)), each) for each in truth] for share in wrong
    ]
    maps[1][-1] = None
    return tables_of_maps([*maps, list(truth)], CATEGORIES)


def test_differences_are_those_of_the_scores_on_the_same_images() -> None:
    opposed = panel(0, (0.1, 0.4))
    found = contrast_pairs(opposed, ("a", "c"), ("c", "b"), HOW, n_permutations=199)
    amounts = PairAmounts.of(opposed)
    shared = amounts.case < 15
    one, other = (
        pair_scores(amounts, np.flatnonzero((amounts.a == who) & (amounts.b == 2) & shared), HOW) for who in (0, 1)
    )
    assert set(found) == set(SCORES)
    for name, each in found.items():
        assert each.difference == pytest.approx(other[name].value - one[name].value, nan_ok=True)
        assert each.images == 15
    assert found["kappa"].low <= found["kappa"].difference <= found["kappa"].high < 0
    assert found["kappa"].p == found["iou"].p == 1 / 200


def test_the_other_way_round() -> None:
    opposed = panel(1, (0.2, 0.3))
    one = contrast_pairs(opposed, ("a", "c"), ("b", "c"), HOW, n_permutations=199)["kappa"]
    other = contrast_pairs(opposed, ("b", "c"), ("a", "c"), HOW, n_permutations=199)["kappa"]
    assert other.difference == pytest.approx(-one.difference)
    assert other.p == one.p


def test_annotators_who_are_alike() -> None:
    """Of 40 campaigns one in twenty has a p of 0.05; that and four standard errors are 0.19."""
    p = [
        contrast_pairs(panel(seed, (0.3, 0.3), 8), ("a", "c"), ("b", "c"), HOW, scores=("kappa",))["kappa"].p
        for seed in range(40)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.19
    assert np.mean(p) == pytest.approx(0.5, abs=0.2)


def test_no_image_in_common() -> None:
    maps: list[list[Ints | None]] = [
        [np.zeros((2, 2), int), None],
        [None, np.zeros((2, 2), int)],
        [np.zeros((2, 2), int)] * 2,
    ]
    assert contrast_pairs(tables_of_maps(maps, CATEGORIES), ("a", "c"), ("b", "c"), HOW) == {}


def test_every_two_annotators_against_the_reference() -> None:
    """The better one is told, and values are those of the pairs' own scores."""
    opposed = panel(0, (0.05, 0.6))
    found = contrast_annotators(opposed, 2, HOW)
    (kappa,) = [each for each in found if each.score == "kappa"]
    assert (kappa.first, kappa.second) == (("a", "c"), ("b", "c"))
    assert kappa.difference.value == pytest.approx(kappa.values[1] - kappa.values[0])
    assert kappa.difference.n == 15
    assert kappa.stands
    assert {each.score for each in found} == {"iou", "pq", "kappa"}  # maps have no boundaries


def test_without_a_reference_every_two_pairs() -> None:
    found = contrast_annotators(panel(0, (0.05, 0.6)), None, HOW)
    pairs = {(each.first, each.second) for each in found}
    assert pairs == {(("a", "b"), ("a", "c")), (("a", "b"), ("b", "c")), (("a", "c"), ("b", "c"))}


def test_few_images_are_not_tested() -> None:
    found = contrast_annotators(panel(0, (0.05, 0.6), 8), 2, HOW)  # b skipped one of 8
    assert found
    assert all(np.isnan(each.p) and not each.stands for each in found)


def test_alike_annotators_seldom_stand() -> None:
    """Of 20 campaigns of alike annotators at most 3 have a contrast that stands: 5 % and two standard errors."""
    told = sum(
        any(each.stands for each in contrast_annotators(panel(seed, (0.3, 0.3), 9), 2, HOW)) for seed in range(20)
    )
    assert told <= 3


def test_there_must_be_two_pairs_and_not_too_many() -> None:
    rng = np.random.default_rng(0)
    two = tables_of_maps([[rng.integers(-1, 2, (2, 2))] for _ in range(2)], CATEGORIES)
    with pytest.raises(SegdataError, match="contrasts: they take three annotators, there are: a, b"):
        contrast_annotators(two)
    with pytest.raises(SegdataError, match="they take two annotators beside the reference"):
        contrast_annotators(two, 0)
    many = tables_of_maps([[rng.integers(-1, 2, (2, 2))] for _ in range(7)], CATEGORIES)
    with pytest.raises(SegdataError, match=f"21 pairs of annotators make 210, at most {MAX_CONTRASTS} are tested"):
        contrast_annotators(many)
