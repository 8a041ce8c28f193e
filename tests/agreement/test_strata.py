"""Agreement by a column: values are those of the portion alone, and differences stand where they are."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.agreement.estimates import PairAmounts, Resampling, overall_scores
from segdata.agreement.permutation import strata_differences
from segdata.agreement.strata import TESTED_SCORES, permutation_units, stratify_by_column, stratify_by_names
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.core.strata import StratumNames
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture
from tests.generators.agreement_tables import simulate_two_annotators

HOW = Resampling(n_draws=50)


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
        opposed, "site", named(["x" if k < 10 else None if k == 10 else "y" for k in range(30)]), HOW
    )
    assert [(each.name, each.images, each.pairs) for each in found.strata] == [("x", 10, 10), ("y", 19, 19)]
    assert found.unknown == 1
    amounts = PairAmounts.of(opposed)
    assert repr(found.strata[1].scores) == repr(overall_scores(amounts, np.arange(11, 30), HOW))  # NaN is not NaN
    first = next(each for each in found.differences if each.score == "pq" and each.category is None)
    assert first.values == pytest.approx(tuple(each.scores["pq"].value for each in found.strata))


def test_a_planted_difference_is_found_and_nothing_else() -> None:
    """Images of one site share half the pixels; panoptic quality, which is of segments, is left as it was."""
    opposed = simulate_two_annotators(np.random.default_rng(1), 60)
    site = np.arange(60) % 3 == 0
    found = stratify_by_names(worse(opposed, site), "site", named(["x" if each else "y" for each in site]), HOW)
    stands = {(each.score, each.category) for each in found.differences if each.stands}
    assert {("iou", None), ("iou", "common"), ("iou", "ground")} <= stands
    assert not {each for each in stands if each[0] in ("pq", "count_gap")}
    assert {each.score for each in found.differences} <= set(TESTED_SCORES)


@pytest.mark.parametrize(("size", "crossed"), [(1, False), (4, False), (4, True)])
def test_as_many_false_alarms_as_said(size: int, crossed: bool) -> None:
    """Of 50 campaigns without a difference one in twenty has one in IoU; 0.05 and four standard errors are 0.17."""
    alarms = []
    for campaign in range(50):
        rng = np.random.default_rng([campaign, size, crossed])
        amounts = PairAmounts.of(simulate_two_annotators(rng, 12, size, alike=0.9))
        label = rng.permutation(np.arange(12 * size) % 2 if crossed else np.arange(12) % 2)
        names = named([str(each) for each in (label if crossed else np.repeat(label, size))])
        alarms.append(_p_of_iou(amounts, names) <= 0.05)
    assert np.mean(alarms) <= 0.17


def _p_of_iou(amounts: PairAmounts, names: StratumNames) -> float:
    stratum = np.unique(names.astype(str), return_inverse=True)[1].reshape(-1)
    every, of, block = permutation_units(amounts, amounts.every, stratum)
    return float(strata_differences(every.statistic(["iou"]), of, block, 0, n_draws=99)[1][0])


def test_columns_of_images_and_of_annotations() -> None:
    """Two annotators of two images; the opposed tables' rows are those of the measured ones."""
    tables: Tables = measure_source(draw_picture("aa..\n\nbb.."), frozenset())
    opposed = simulate_two_annotators(np.random.default_rng(2), len(tables.images))
    rows = np.zeros(len(tables.images), np.int64)
    opposed = replace(opposed, pairs=opposed.pairs.beside(annotation_a=rows, annotation_b=rows))
    found = stratify_by_column(tables, opposed, "folder", HOW)
    assert [each.name for each in found.strata] == ["."]
    assert found.differences == ()
    with pytest.raises(SegdataError, match="no image has a value for 'camera'"):
        stratify_by_column(tables, opposed, "camera", HOW)


def test_annotations_are_not_tested() -> None:
    opposed = simulate_two_annotators(np.random.default_rng(3), 20)
    names = named(["old" if k % 2 else "new" for k in range(20)])
    assert stratify_by_names(opposed, "stage", names, HOW, is_of_images=False).differences == ()


def test_too_many_portions() -> None:
    opposed = simulate_two_annotators(np.random.default_rng(4), 60)
    with pytest.raises(SegdataError, match="60 different values; at most 50"):
        stratify_by_names(opposed, "frame", named([str(k) for k in range(60)]), HOW)
