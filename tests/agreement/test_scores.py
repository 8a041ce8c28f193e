"""Scores of label maps are what counting their pixels one by one, and scikit-learn, say."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, jaccard_score

from segdata.agreement.estimates import (
    PairAmounts,
    PooledPairs,
    Resampling,
    overall_scores,
    pair_scores,
    reliability_scores,
)
from segdata.agreement.scores import PAIR_SCORES, pair_value, sum_pairs, values_by_category
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.core.taxonomy import Category
from tests.generators.agreement_tables import simulate_two_annotators, tables_of_maps

CATEGORIES = (
    Category(id=1, name="car", kind="thing"),
    Category(id=2, name="road", kind="stuff"),
    Category(id=3, name="sky", kind="stuff"),
    Category(id=9, name="never", kind="stuff"),
)
K = len(CATEGORIES)
FEW = Resampling(n_draws=10)
Maps = list[list[Ints | None]]


@st.composite
def label_maps(draw: st.DrawFn, annotators: int = 2, absent: bool = False) -> Maps:
    """Maps of up to four images, the annotators of which mostly agree."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    maps: Maps = [[] for _ in range(annotators)]
    for _ in range(draw(st.integers(1, 3))):
        truth = rng.integers(-1, draw(st.integers(0, 3)), (3, 4)).repeat(2, axis=1)
        for of in maps:
            other = np.where(rng.random(truth.shape) < draw(st.sampled_from([0, 0.2, 0.7])), rng.integers(-1, 3), truth)
            of.append(None if absent and rng.random() < 0.3 else other)
    return maps


def values(opposed: AnnotatorPairs) -> dict[str, float]:
    """The scores of all pairs of annotations as if of two annotators."""
    amounts = PairAmounts.from_pairs(opposed)
    weighed = amounts.weigh(amounts.sums, np.ones((1, amounts.sums.n)))
    return {name: float(pair_value(name, weighed)[0]) for name in PAIR_SCORES}


def overall_values(opposed: AnnotatorPairs) -> dict[str, float]:
    amounts = PairAmounts.from_pairs(opposed)
    return {name: each.value for name, each in overall_scores(amounts, amounts.all_rows, FEW).items()}


def category_values(opposed: AnnotatorPairs, name: str) -> list[float]:
    amounts = PairAmounts.from_pairs(opposed)
    return values_by_category(name, amounts.weigh(amounts.sums, np.ones((1, amounts.sums.n))))[0].tolist()


def mean(numbers: list[float]) -> float:
    known = [each for each in numbers if np.isfinite(each)]
    return float(np.mean(known)) if known else np.nan


@settings(max_examples=15)
@given(label_maps())
def test_iou_and_dice_are_means_by_image_then_category(maps: Maps) -> None:
    found = values(tables_of_maps(maps, CATEGORIES))
    for name, metric in (("iou", jaccard_score), ("dice", f1_score)):
        single = [
            mean([
                metric(a.ravel() == code, b.ravel() == code) if (a == code).any() or (b == code).any() else np.nan
                for a, b in zip(*maps, strict=True)
            ])
            for code in range(K)
        ]  # fmt: skip
        assert found[name] == pytest.approx(mean(single), nan_ok=True)


@settings(max_examples=15)
@given(label_maps())
def test_kappa_and_accuracy_are_of_all_pixels(maps: Maps) -> None:
    a, b = (np.concatenate([each.ravel() for each in of]) for of in maps)
    opposed = tables_of_maps(maps, CATEGORIES)
    found = values(opposed)
    assert found["accuracy"] == pytest.approx(accuracy_score(a, b))
    one_for_all = len(np.union1d(a, b)) == 1
    assert found["kappa"] == pytest.approx(np.nan if one_for_all else cohen_kappa_score(a, b), nan_ok=True)
    for code, kappa in enumerate(category_values(opposed, "kappa")):
        alike = ((a == code).all() and (b == code).all()) or not ((a == code).any() or (b == code).any())
        expected = np.nan if alike else cohen_kappa_score(a == code, b == code)
        assert kappa == pytest.approx(expected, nan_ok=True)


@settings(max_examples=15)
@given(label_maps())
def test_panoptic_quality_is_of_all_images(maps: Maps) -> None:
    """By the definition: each category is one segment of an image."""
    quality: dict[str, list[float]] = {"pq": [], "sq": [], "rq": [], "iou_micro": []}
    for code in range(K):
        fits, alone, both, either = [], 0, 0, 0
        for a, b in zip(*((each == code for each in of) for of in maps), strict=True):
            both, either = both + (a & b).sum(), either + (a | b).sum()
            fit = (a & b).sum() / max((a | b).sum(), 1)
            if fit > 0.5:
                fits.append(fit)
            else:
                alone += int(a.any()) + int(b.any())
        size = len(fits) + alone / 2
        quality["pq"].append(sum(fits) / size if size else np.nan)
        quality["rq"].append(len(fits) / size if size else np.nan)
        quality["sq"].append(float(np.mean(fits)) if fits else 0.0 if size else np.nan)
        quality["iou_micro"].append(both / either if either else np.nan)
    opposed = tables_of_maps(maps, CATEGORIES)
    found = values(opposed)
    for name, expected in quality.items():
        assert category_values(opposed, name) == pytest.approx(expected, nan_ok=True)
        assert found[name] == pytest.approx(mean(expected), nan_ok=True)
    assert found["f1"] == pytest.approx(quality["rq"][0], nan_ok=True)  # of things alone


@settings(max_examples=15)
@given(label_maps(), st.data())
def test_weights_are_repetitions(maps: Maps, data: st.DataObject) -> None:
    """An image that counts twice is two images that are the same: what the bootstrap rests on."""
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(maps[0]), max_size=len(maps[0])))
    if not any(times):
        return
    amounts = PairAmounts.from_pairs(tables_of_maps(maps, CATEGORIES))
    weighed = amounts.weigh(amounts.sums, np.array([times], float))
    repeated = tables_of_maps(
        [[each for each, n in zip(of, times, strict=True) for _ in range(n)] for of in maps], CATEGORIES
    )
    expected = values(repeated)
    for name in PAIR_SCORES:
        assert pair_value(name, weighed)[0] == pytest.approx(expected[name], nan_ok=True)


@settings(max_examples=15)
@given(label_maps())
def test_clusters_are_the_sums_of_their_images(maps: Maps) -> None:
    """Values do not depend on what is drawn together, intervals do."""
    one, other = (
        overall_values(tables_of_maps(maps, CATEGORIES, clusters=each)) for each in (None, [0] * len(maps[0]))
    )
    assert one == pytest.approx(other, nan_ok=True)


@settings(max_examples=15)
@given(label_maps())
def test_swapping_annotators_changes_the_sign_of_what_is_signed(maps: Maps) -> None:
    one, other = values(tables_of_maps(maps, CATEGORIES)), values(tables_of_maps(maps[::-1], CATEGORIES))
    for name in PAIR_SCORES:
        sign = -1 if name in ("offset", "count_difference") else 1
        assert one[name] == pytest.approx(sign * other[name], nan_ok=True)


@settings(max_examples=15)
@given(label_maps(), st.sampled_from(["transposed", "flipped", "renamed", "reversed"]))
def test_what_does_not_matter(maps: Maps, change: str) -> None:
    """Transposition, flips, the names of categories, and the order of images."""
    order = np.array([2, 0, 1, 3, -1])  # -1 stays
    changed = {
        "transposed": lambda of: [each.T for each in of],
        "flipped": lambda of: [each[::-1] for each in of],
        "renamed": lambda of: [order[each] for each in of],
        "reversed": lambda of: of[::-1],
    }[change]
    kinds = [Category(id=each.id, name=each.name, kind="stuff") for each in CATEGORIES]
    one, other = (values(tables_of_maps(each, kinds)) for each in (maps, [changed(of) for of in maps]))
    assert one == pytest.approx(other, nan_ok=True)


@settings(max_examples=15)
@given(label_maps())
def test_the_same_work_agrees_in_everything(maps: Maps) -> None:
    found = values(tables_of_maps([maps[0], maps[0]], CATEGORIES))
    for name in ("iou", "dice", "pq", "sq", "rq", "f1", "kappa", "accuracy", "iou_micro", "dice_micro"):
        assert found[name] == pytest.approx(1) or np.isnan(found[name])
    assert found["count_gap"] == 0 or np.isnan(found["count_gap"])


@settings(max_examples=15)
@given(label_maps(annotators=3, absent=True))
def test_scores_of_all_annotators(maps: Maps) -> None:
    """Kappa is the mean of the pairs', by their images; others are as of one pair with all pairs' images."""
    opposed = tables_of_maps(maps, CATEGORIES)
    overall = overall_values(opposed)
    together: Maps = [[], []]
    kappas, images = [], []
    for a, b in combinations(maps, 2):
        shared = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
        if shared:
            one, other = (list(each) for each in zip(*shared, strict=True))
            together = [together[0] + one, together[1] + other]
            kappas.append(values(tables_of_maps([one, other], CATEGORIES))["kappa"])
            images.append(len(shared))
    if not images:
        assert np.isnan(list(overall.values())).all()
        return
    expected = values(tables_of_maps(together, CATEGORIES))
    for name in overall:
        if name not in ("kappa", "accuracy"):
            assert overall[name] == pytest.approx(expected[name], nan_ok=True)
    known = np.isfinite(kappas)
    light = np.average(np.array(kappas)[known], weights=np.array(images)[known]) if known.any() else np.nan
    assert overall["kappa"] == pytest.approx(light, nan_ok=True)


@settings(max_examples=15)
@given(label_maps(annotators=3, absent=True))
def test_alpha_by_its_definition(maps: Maps) -> None:
    """1 - observed / expected disagreement over all pairs of votes, counted one by one."""
    units = [
        votes
        for image in zip(*maps, strict=True)
        if (there := [each.ravel() for each in image if each is not None])
        for votes in np.stack(there, axis=1).tolist()
        if len(votes) > 1
    ]
    observed = sum(sum(a != b for a in votes for b in votes) / (len(votes) - 1) for votes in units)
    every = [vote for votes in units for vote in votes]
    chance = sum(a != b for a in every for b in every) / (len(every) - 1) if every else 0
    found = reliability_scores(tables_of_maps(maps, CATEGORIES), FEW)
    assert found["alpha"].value == pytest.approx(1 - observed / chance if chance else np.nan, nan_ok=True)


def test_fleiss_only_where_all_images_have_as_many_annotators() -> None:
    rng = np.random.default_rng(0)
    maps: Maps = [[rng.integers(0, 2, (4, 4)) for _ in range(5)] for _ in range(3)]
    full = reliability_scores(tables_of_maps(maps, CATEGORIES), FEW)["fleiss_kappa"]
    counts = np.stack([sum((each == code).ravel() for each in np.array(maps)) for code in (0, 1)], axis=1)
    p, agree = counts.sum(axis=0) / counts.sum(), ((counts**2).sum(axis=1) - 3) / 6
    assert full.value == pytest.approx((agree.mean() - (p**2).sum()) / (1 - (p**2).sum()))
    assert (full.n, full.n_undefined) == (5, 0)
    maps[2][0] = None
    partly = reliability_scores(tables_of_maps(maps, CATEGORIES), FEW)["fleiss_kappa"]
    assert np.isnan(partly.value)
    assert (partly.n, partly.n_undefined) == (0, 5)


def alpha_of_things(members: Table) -> float:
    """Of every two votes on a thing, less of the larger share of what they differ in, by the definition."""
    units: dict[tuple[int, int], list[int]] = {}
    for case, cluster, category in members.lines("case", "cluster", "category"):
        units.setdefault((case, cluster), []).append(category)
    judged = [said for said in units.values() if len(said) > 1]
    every = [vote for said in judged for vote in said]
    if len(every) < 2:
        return float("nan")
    apart = sum(sum(a != b for a in said for b in said) / (len(said) - 1) for said in judged) / len(every)
    by_chance = sum(a != b for a in every for b in every) / (len(every) * (len(every) - 1))
    return 1 - apart / by_chance if by_chance else float("nan")


@settings(max_examples=15)
@given(label_maps(annotators=3, absent=True))
def test_instance_alpha_is_the_metric(maps: Maps) -> None:
    opposed = tables_of_maps(maps, CATEGORIES)
    members = opposed.members
    expected = alpha_of_things(members) if len(members) else np.nan
    found = reliability_scores(opposed, FEW)["instance_alpha"].value
    assert found == pytest.approx(float(expected), nan_ok=True)


def test_how_many_values_a_score_is_made_of() -> None:
    """Two images: car in one of them, sky in none."""
    one, other = np.array([[0, 0, 1, 1]]), np.array([[1, 1, 1, -1]])
    opposed = tables_of_maps([[one, other], [one, other]], CATEGORIES)
    amounts = PairAmounts.from_pairs(opposed)
    found = pair_scores(amounts, amounts.all_rows, FEW)
    assert (found["iou"].n, found["iou"].n_undefined) == (2, 2)
    assert (found["nsd"].n, found["nsd"].n_undefined) == (0, 4)
    assert (found["kappa"].n, found["kappa"].n_undefined) == (2, 0)
    assert (found["count_gap"].n, found["count_gap"].n_undefined) == (1, 3)


def test_prevalence_is_the_share_of_all_votes_of_all_images() -> None:
    one, other = np.array([[0, 0, 1, 1]]), np.array([[1, 1, 1, -1]])
    opposed = tables_of_maps([[one, other], [one, one]], CATEGORIES)
    np.testing.assert_allclose(category_values(opposed, "prevalence")[:2], [6 / 16, 9 / 16])


def test_surfaces_of_things_are_those_of_matched_segments() -> None:
    """A whole category that is far apart, since a segment was missed, does not count for a thing; it does for stuff."""
    one = np.array([[0, 0, 1, 1]])
    opposed = tables_of_maps([[one], [one]], CATEGORIES)
    columns = {name: [0] * 5 for name in opposed.surfaces.names}
    columns |= {"category": [0, 0, 0, 1, 1], "match": [-1, 0, 1, -1, 2], "edge_a": [4] * 5, "edge_b": [4] * 5}
    columns |= {"hd95": [90.0, 1.0, 3.0, 7.0, 50.0], "offset": [9.0, -1.0, -2.0, 4.0, 50.0], "near_a": [4, 0, 0, 2, 0]}
    columns |= {"sum_a": [80.0, 4.0, 8.0, 12.0, 400.0], "sum_b": [80.0, 4.0, 8.0, 12.0, 400.0]}
    columns |= {"band_both": [1, 0, 0, 3, 0], "band_any": [4, 9, 9, 4, 9]}
    kept = dict(zip(opposed.surfaces.names, (np.array(columns[name]) for name in opposed.surfaces.names), strict=True))
    opposed = replace(opposed, surfaces=Table(kept))
    expected = {
        "hd95": [2, 7], "assd": [1.5, 3], "offset": [-1.5, 4], "offset_size": [1.5, 4],
        "nsd": [0.5, 0.25], "boundary_iou": [0.25, 0.75],
    }  # fmt: skip
    for name, numbers in expected.items():
        assert category_values(opposed, name)[:2] == pytest.approx(numbers), name
        assert values(opposed)[name] == pytest.approx(np.mean(numbers)), name


def test_nobody_to_compare() -> None:
    """One annotator: there are no pairs, and no score is defined."""
    opposed = tables_of_maps([[np.array([[0, 1]])]], CATEGORIES)
    amounts = PairAmounts.from_pairs(opposed)
    assert np.isnan([each.value for each in overall_scores(amounts, amounts.all_rows, FEW).values()]).all()
    assert np.isnan([each.value for each in reliability_scores(opposed, FEW).values()]).all()
    assert sum_pairs(opposed).n == 0


def test_many_categories_stay_sparse() -> None:
    """1,200 categories, of which an image has a few: sums take memory by what there is."""
    opposed = simulate_two_annotators(np.random.default_rng(0), 30)
    kinds = [Category(id=k + 1, name=f"c{k}", kind="stuff") for k in range(1200)]
    every = PooledPairs.by_cluster(PairAmounts.from_pairs(replace(opposed, categories=tuple(kinds))), np.arange(30))
    assert every.category_statistic(["iou", "pq"])(np.ones((2, every.n))).shape == (2, 2, 1200)
    assert not isinstance(every.together.amounts["tp"], np.ndarray)


def test_a_category_in_few_images_makes_the_interval_of_the_mean_wider() -> None:
    """Resamples see nothing of how much its only value varies: the other categories' variance stands for it."""
    from segdata.agreement.estimates import PairAmounts, Resampling, overall_scores
    from tests.generators.agreement_tables import CATEGORIES, tables_of_maps

    rng, n = np.random.default_rng(0), 24
    first = [rng.integers(0, 2, (6, 6)) for _ in range(n)]
    second = [np.where(rng.random(each.shape) < rng.beta(2, 6), 1 - each, each) for each in first]
    rare = [each.copy() for each in first], [each.copy() for each in second]
    for maps in rare:
        maps[0][:3, :2] = 2
    how, width = Resampling(n_draws=500), {}
    for name, pair in (("none", (first, second)), ("rare", rare)):
        opposed = tables_of_maps(list(pair), CATEGORIES, task="semantic")
        amounts = PairAmounts.from_pairs(opposed)
        for score in ("iou", "kappa"):
            of_score = overall_scores(amounts, amounts.all_rows, how)[score]
            assert of_score.low <= of_score.value <= of_score.high <= 1
            width[name, score] = of_score.high - of_score.low
    assert width["rare", "iou"] > 1.5 * width["none", "iou"]
    assert width["rare", "kappa"] < 1.5 * width["none", "kappa"]  # no mean over categories
