"""Agreement by a column: values are those of the portion alone, and differences stand where they are."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.agreement.contrasts import (
    CONTRAST_SCORES,
    MAX_CONTRASTS,
    STRATUM_TEST_SCORES,
    contrast_annotators,
    contrast_pairs,
    permutation_units,
    stratify_by_column,
    stratify_by_names,
)
from segdata.agreement.estimates import PairAmounts, Resampling, overall_scores, pair_scores
from segdata.agreement.inference import strata_differences
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.strata import StratumNames
from segdata.core.taxonomy import Category
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture
from tests.generators.agreement_tables import simulate_two_annotators, tables_of_maps

STRATA_HOW = Resampling(n_draws=50)


def named(values: list[str | None]) -> StratumNames:
    found: StratumNames = np.empty(len(values), object)
    found[:] = values
    return found


def worse(opposed: AnnotatorPairs, images: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> AnnotatorPairs:
    """The same, where half of the shared pixels of some images are B's unlabelled ones."""
    overlaps = opposed.overlaps
    lost = np.where(images[overlaps["pair"]], overlaps["both"] // 2, 0)
    return replace(opposed, overlaps=overlaps.beside(both=overlaps["both"] - lost, area_b=overlaps["area_b"] - lost))


def test_portions_are_as_if_alone() -> None:
    opposed = simulate_two_annotators(np.random.default_rng(0), 30)
    found = stratify_by_names(
        opposed, "site", named(["x" if k < 10 else None if k == 10 else "y" for k in range(30)]), STRATA_HOW
    )
    assert [(each.name, each.images, each.pairs) for each in found.strata] == [("x", 10, 10), ("y", 19, 19)]
    assert found.unknown == 1
    amounts = PairAmounts.from_pairs(opposed)
    assert repr(found.strata[1].scores) == repr(
        overall_scores(amounts, np.arange(11, 30), STRATA_HOW)
    )  # NaN is not NaN
    first = next(each for each in found.differences if each.score == "pq" and each.category is None)
    assert first.values == pytest.approx(tuple(each.scores["pq"].value for each in found.strata))


def test_a_planted_difference_is_found_and_nothing_else() -> None:
    """Images of one site share half the pixels; panoptic quality, which is of segments, is left as it was."""
    opposed = simulate_two_annotators(np.random.default_rng(1), 60)
    site = np.arange(60) % 3 == 0
    found = stratify_by_names(worse(opposed, site), "site", named(["x" if each else "y" for each in site]), STRATA_HOW)
    stands = {(each.score, each.category) for each in found.differences if each.stands}
    assert {("iou", None), ("iou", "common"), ("iou", "ground")} <= stands
    assert not {each for each in stands if each[0] in ("pq", "count_gap")}
    assert {each.score for each in found.differences} <= set(STRATUM_TEST_SCORES)


@pytest.mark.parametrize(("size", "crossed"), [(1, False), (4, False), (4, True)])
def test_as_many_false_alarms_as_said(size: int, crossed: bool) -> None:
    """Of 50 campaigns without a difference one in twenty has one in IoU; 0.05 and four standard errors are 0.17."""
    alarms = []
    for campaign in range(50):
        rng = np.random.default_rng([campaign, size, crossed])
        amounts = PairAmounts.from_pairs(simulate_two_annotators(rng, 12, size, alike=0.9))
        label = rng.permutation(np.arange(12 * size) % 2 if crossed else np.arange(12) % 2)
        names = named([str(each) for each in (label if crossed else np.repeat(label, size))])
        alarms.append(_p_of_iou(amounts, names) <= 0.05)
    assert np.mean(alarms) <= 0.17


def _p_of_iou(amounts: PairAmounts, names: StratumNames) -> float:
    stratum = np.unique(names.astype(str), return_inverse=True)[1].reshape(-1)
    every, of, block = permutation_units(amounts, amounts.all_rows, stratum)
    return float(strata_differences(every.statistic(["iou"]), of, block, 0, n_draws=99)[1][0])


def test_columns_of_images_and_of_annotations() -> None:
    """Two annotators of two images; the opposed tables' rows are those of the measured ones."""
    tables: Tables = measure_source(draw_picture("aa..\n\nbb.."), frozenset())
    opposed = simulate_two_annotators(np.random.default_rng(2), len(tables.images))
    rows = np.zeros(len(tables.images), np.int64)
    opposed = replace(opposed, pairs=opposed.pairs.beside(annotation_a=rows, annotation_b=rows))
    found = stratify_by_column(tables, opposed, "folder", STRATA_HOW)
    assert [each.name for each in found.strata] == ["."]
    assert found.differences == ()
    with pytest.raises(SegdataError, match="no image has a value for 'camera'"):
        stratify_by_column(tables, opposed, "camera", STRATA_HOW)


def test_annotations_are_not_tested() -> None:
    opposed = simulate_two_annotators(np.random.default_rng(3), 20)
    names = named(["old" if k % 2 else "new" for k in range(20)])
    assert stratify_by_names(opposed, "stage", names, STRATA_HOW, is_of_images=False).differences == ()


def test_too_many_portions() -> None:
    opposed = simulate_two_annotators(np.random.default_rng(4), 60)
    with pytest.raises(SegdataError, match="60 different values; at most 50"):
        stratify_by_names(opposed, "frame", named([str(k) for k in range(60)]), STRATA_HOW)


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
    amounts = PairAmounts.from_pairs(opposed)
    shared = amounts.case < 15
    one, other = (
        pair_scores(amounts, np.flatnonzero((amounts.a == who) & (amounts.b == 2) & shared), HOW) for who in (0, 1)
    )
    assert set(found) == set(CONTRAST_SCORES)
    for name, each in found.items():
        assert each.difference.value == pytest.approx(other[name].value - one[name].value, nan_ok=True)
        assert each.difference.n == 15
    kappa = found["kappa"].difference
    assert kappa.low <= kappa.value <= kappa.high < 0
    assert found["kappa"].p == found["iou"].p == 1 / 200


def test_the_other_way_round() -> None:
    opposed = panel(1, (0.2, 0.3))
    one = contrast_pairs(opposed, ("a", "c"), ("b", "c"), HOW, n_permutations=199)["kappa"]
    other = contrast_pairs(opposed, ("b", "c"), ("a", "c"), HOW, n_permutations=199)["kappa"]
    assert other.difference.value == pytest.approx(-one.difference.value)
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
