"""Novelty: what is unlike its like is told without a model, and kinds of error that were not learnt are found."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

from segdata.core.runs import Floats
from segdata.noise.appearance import GreyImage
from segdata.noise.calibration import mean_log_ratio
from segdata.noise.corruptions import CorruptionRates, corrupt_labels, match_corruptions, training_rates
from segdata.noise.error_types import IMAGE_KINDS, KINDS, CorruptionKind
from segdata.noise.evaluation import auroc
from segdata.noise.neighbours import SegmentDepths
from segdata.noise.novelty import MODEL_FREE, SURPRISES, novelty, region_contrast, surprise_weights, unlearnt_odds
from segdata.noise.ranking import ImageFeatures, image_features, rank_candidates
from segdata.noise.segments import SegmentSet, runs_of_pixels, segments_of_map
from tests.generators.oracle import blobs, oracle_evidence, patches

THINGS = np.array([False, True])


def squares(sides: list[int], gap: int = 30) -> SegmentSet:
    """Squares with these sides in a row."""
    label = np.zeros((gap * len(sides), gap), np.int64)
    for number, side in enumerate(sides):
        label[number * gap + 2 : number * gap + 2 + side, 2 : 2 + side] = 1
    return segments_of_map(label.ravel(), gap, gap * len(sides))


def columns(drawn: SegmentSet, grey: Floats | None = None) -> dict[str, Floats]:
    picture = None if grey is None else GreyImage(grey.astype(np.float32))
    return dict(novelty(drawn, np.arange(len(drawn)), SegmentDepths.measure(drawn), drawn, picture))


def joined(*sides: SegmentSet) -> SegmentSet:
    every = sides[0]
    for other in sides[1:]:
        every = every.join(other)
    return every


def test_a_speck_and_a_giant_are_unlike_the_others() -> None:
    found = columns(squares([10, 10, 11, 10, 9, 10, 2, 25]))
    assert found["smaller"].argmax() == 6
    assert found["larger"].argmax() == 7
    assert np.flatnonzero(found["speck"] > 0).tolist() == [6]


def test_a_core_lies_in_its_ring_and_a_copy_on_its_model() -> None:
    drawn = squares([14] * 6)
    inner = drawn.same_image(drawn.grown(-4), len(drawn)).take(np.array([2]))
    found = columns(joined(drawn, inner, drawn.take(np.array([4]))))
    np.testing.assert_array_equal(np.flatnonzero(found["lies_in"] == 1), [4, 6, 7])
    np.testing.assert_array_equal(np.flatnonzero(found["doubled"] == 1), [4, 7])
    assert found["enclosed"].argmax() == 6
    assert found["lies_in"][[0, 1, 3, 5]].max() == 0


def test_a_hole_counts_by_its_area() -> None:
    drawn = squares([14] * 5)
    pixels = [drawn.pixels_of(row) for row in range(5)]
    core = drawn.same_image(drawn.grown(-4), 5).pixels_of(3)
    pixels[3] = np.setdiff1d(pixels[3], core)
    runs = runs_of_pixels(np.concatenate(pixels), np.repeat(np.arange(5), [len(each) for each in pixels]), drawn.height)
    found = columns(SegmentSet.from_runs(runs, drawn.category, drawn.height, drawn.width))
    np.testing.assert_allclose(found["holed"], [0, 0, 0, len(core) / (196 - len(core)), 0])


def test_a_label_without_a_thing_under_it_is_told_by_the_image() -> None:
    drawn = squares([12] * 8)
    grey = np.random.default_rng(0).normal(0.2, 0.02, (drawn.width, drawn.height))
    for row in range(7):
        grey.ravel()[drawn.pixels_of(row)] += 0.6
    found = columns(drawn, grey)
    for name in ("odd_grey", "low_contrast", "low_edge"):
        assert found[name].argmax() == 7, name


def test_a_pale_thing_is_traced_and_a_label_on_nothing_is_not() -> None:
    drawn = squares([12] * 8)
    grey = np.random.default_rng(0).normal(0.2, 0.02, (drawn.width, drawn.height))
    for row in range(6):
        grey.ravel()[drawn.pixels_of(row)] += 0.6
    grey.ravel()[drawn.pixels_of(6)] += 0.15
    found = columns(drawn, grey)
    assert found["traced"][7] < 0.5 < found["traced"][6]
    assert found["distinct"][7] < 1 < found["distinct"][6]
    assert np.abs(found["traced"][6] - found["traced"][0]) < 0.3


@settings(max_examples=15, deadline=None)
@any_of(st.integers(0, 10_000), st.integers(1, 12))
def test_columns_are_finite_and_the_same_in_any_order(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = blobs(rng, height=60, width=70, n=n)
    if not len(drawn):
        return
    grey = rng.random((drawn.width, drawn.height))
    order = rng.permutation(len(drawn))
    found, other = columns(drawn, grey), columns(drawn.take(order), grey)
    assert set(MODEL_FREE) - set(found) <= {
        "log_ratio", "compactness", "extent", "slender", "parts", "holes", "frame", "knots", "knot",
    }  # fmt: skip
    for name, values in found.items():
        assert np.isfinite(values).all(), name
        np.testing.assert_allclose(other[name], values[order], atol=1e-4, err_msg=name)


@cache
def looks(learnt: tuple[CorruptionKind, ...], made: CorruptionKind) -> tuple[list[ImageFeatures], list[np.ndarray]]:
    pages, about = [], []
    for row in range(9):
        rng = np.random.default_rng(row)
        clean = blobs(rng, height=130, n=32)
        prediction = oracle_evidence(clean, THINGS, rng, errors=0.02)
        given, truth = corrupt_labels(clean, THINGS, CorruptionRates(0.1, (made,)), rng)
        pages.append(image_features(given, prediction, THINGS, rng, training_rates(learnt)))
        about.append(match_corruptions(pages[-1].candidates, given, truth, THINGS)[0])
    return pages, about


@pytest.mark.parametrize("made", ["copy", "sliver"])
def test_a_kind_that_was_not_learnt_is_found(made: CorruptionKind) -> None:
    learnt = tuple(kind for kind in KINDS if kind not in (*IMAGE_KINDS, made))
    pages, about = looks(learnt, made)
    result = rank_candidates(pages)
    wrong = np.concatenate(about) >= 0
    assert wrong.sum() >= 20
    assert auroc(result.odds[: len(wrong)], wrong)[0] > 0.85


@settings(max_examples=25, deadline=None)
@any_of(st.integers(0, 10_000), st.integers(2, 5))
def test_what_was_not_learnt_counts_for_nothing(seed: int, n_kinds: int) -> None:
    rng = np.random.default_rng(seed)
    ratio, kind = rng.normal(0, 2, (30, n_kinds)), rng.integers(-1, n_kinds, 30)
    kind[:n_kinds] = np.arange(n_kinds)
    share = rng.uniform(0.01, 1, n_kinds)
    odds = unlearnt_odds(ratio, kind, share)
    np.testing.assert_array_equal(odds[kind < 0], mean_log_ratio(ratio, share)[kind < 0])
    altered = ratio.copy()
    rows = np.flatnonzero(kind >= 0)
    altered[rows, kind[rows]] += 5
    np.testing.assert_allclose(unlearnt_odds(altered, kind, share), odds)


def test_only_surprises_that_errors_have_count() -> None:
    rng = np.random.default_rng(0)
    wrong = (rng.random(2000) < 0.1).astype(np.int64)
    rare = np.column_stack([rng.exponential(1, 2000) + wrong, rng.exponential(1, 2000) * (1 - wrong)])
    weight = surprise_weights(rng.normal(0, 1, 2000) + wrong, rare, wrong)
    assert weight[0] > 0 == weight[1]
    assert not surprise_weights(rng.normal(0, 1, 2000), rare, np.zeros(2000, np.int64)).any()
    assert len(SURPRISES) == len(set(SURPRISES) & set(MODEL_FREE))


STUFF = np.zeros(4, bool)


def regions_on(picture: Floats, label: np.ndarray, places: list[tuple[slice, slice]], seen: int) -> dict[str, Floats]:
    """What is said of regions (columns, rows) of a map in which a model sees a category."""
    width, height = label.shape
    where = np.zeros(label.shape, np.int64)
    for number, place in enumerate(places, 1):
        where[place] = number
    drawn = segments_of_map(where.ravel(), height, width)
    order = np.argsort(drawn.category)
    regions = SegmentSet.from_runs(drawn.take(order).runs, np.full(len(places), seen), height, width)
    labels = np.array([int(np.median(label[place])) for place in places])
    given = segments_of_map(label.ravel(), height, width)
    deep = SegmentDepths.measure(regions)
    return dict(region_contrast(regions, labels, deep, given, GreyImage(picture.astype(np.float32))))


def test_a_region_on_even_ground_has_no_contrast_and_a_wrong_label_has() -> None:
    rng = np.random.default_rng(0)
    label = np.where(np.arange(120)[:, None] < 80, 1, 2) * np.ones((120, 60), np.int64)
    picture = np.where(label == 1, 0.2, 0.8) + rng.normal(0, 0.03, label.shape)
    wrong, even, beside = np.s_[8:28, 8:28], np.s_[40:60, 20:40], np.s_[68:80, 10:40]
    picture[wrong] += 0.6  # looks like category 2, but is labelled 1
    found = regions_on(picture, label, [wrong, even, beside], 2)
    for name in ("new_distinct", "new_edge", "new_traced", "unlike_given"):
        assert found[name][0] > found[name][1:].max() + 0.3, name
    assert found["unlike_seen"][0] < 0.5 < found["unlike_seen"][1:].min()
    assert found["new_free"][:2] == pytest.approx(1)
    assert 0.3 < found["new_free"][2] < 0.8  # the rest of its outline was drawn


def test_regions_of_whole_labels_and_without_images_have_no_contrast() -> None:
    label = np.repeat([1, 2], 30)[:, None] * np.ones((60, 40), np.int64)
    whole = regions_on(label / 2.0, label, [np.s_[:30, :]], 2)
    assert [whole[name][0] for name in ("new_distinct", "new_edge", "new_traced", "new_free")] == [0, 0, 0, 0]
    drawn = squares([9, 9])
    nothing = region_contrast(drawn, np.zeros(2, np.int64), SegmentDepths.measure(drawn), drawn, None)
    assert not any(column.any() for column in nothing.values())


@settings(max_examples=15, deadline=None)
@any_of(st.integers(0, 10_000), st.integers(1, 4))
def test_contrasts_are_finite_and_the_same_in_any_order(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    label = patches(rng, height=50, width=50).categories().reshape(50, 50).copy()
    corners = [np.s_[x : x + 12, y : y + 12] for x, y in ((2, 2), (2, 30), (30, 2), (30, 30))][:n]
    picture = rng.random((50, 50)) * rng.integers(0, 2)
    found = regions_on(picture, label, corners, 3)
    turned = regions_on(picture, label, corners[::-1], 3)
    for name, column in found.items():
        assert np.isfinite(column).all(), name
        np.testing.assert_allclose(column, turned[name][::-1], rtol=1e-5, atol=1e-6)


def test_a_wrong_label_counts_for_more_than_an_error_of_the_model_on_even_ground() -> None:
    """The same place of six images is seen as another category; in one of them the image, too, has that there."""
    looks, place = [], np.s_[25:50, 25:50]
    for row in range(6):
        rng = np.random.default_rng(row)
        label = patches(rng, height=70, width=70).categories().reshape(70, 70).copy()
        label[15:60, 15:60] = 1
        seen, shown = label.copy(), label.copy()
        seen[place] = 3
        shown[place] = 3 if row == 5 else 1
        picture = (60 * shown.T + rng.normal(0, 8, label.shape)).clip(0, 255).astype(np.uint8)[None]
        prediction = oracle_evidence(segments_of_map(seen.ravel(), 70, 70), STUFF, rng, errors=0)
        given = segments_of_map(label.ravel(), 70, 70)
        looks.append(image_features(given, prediction, STUFF, rng, picture=picture))
    result = rank_candidates(looks)
    areas = np.concatenate([item.candidates.regions.areas for item in looks])
    odds, image = (values[result.row < 0][areas > 400] for values in (result.odds, result.image))
    assert sorted(image.tolist()) == list(range(6))
    assert odds[image == 5].min() > odds[image < 5].max()
