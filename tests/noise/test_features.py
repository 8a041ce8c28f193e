"""Candidates and their features: what they are, and what must not change them."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.noise.candidates import MIN_PART_PIXELS, find_candidates
from segdata.noise.corruptions import CorruptionRates, corrupt_labels
from segdata.noise.features import annotated_features, region_features
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import VOID, SegmentPixels, SegmentSet, runs_of_pixels, segments_of_map
from tests.generators.oracle import blobs, oracle_evidence

THINGS, STUFF = np.array([False, True]), np.zeros(4, bool)


def certain(drawn: SegmentSet, n_categories: int, sure: float = 1.0) -> ImagePrediction:
    label = drawn.categories().reshape(drawn.width, drawn.height).T
    rest = (1 - sure) / (n_categories - 1)
    p = np.stack([np.where(label == each, sure, rest) for each in range(n_categories)])
    return ImagePrediction.from_probabilities(p, drawn)


def named(found: tuple[tuple[str, ...], np.ndarray]) -> dict[str, np.ndarray]:
    return dict(zip(found[0], found[1].T, strict=True))


def test_what_the_model_sees_just_so_is_above_suspicion() -> None:
    drawn = blobs(np.random.default_rng(0))
    prediction = certain(drawn, 2)
    found = find_candidates(drawn, prediction, THINGS)
    assert len(found.annotated) == len(drawn)
    assert len(found.regions) == 0
    table = named(annotated_features(found, drawn, prediction))
    for name in ("doubt", "wrong", "misfit", "outwards", "inwards", "offset", "seam", "otherwise"):
        np.testing.assert_allclose(table[name], 0, atol=1e-6, err_msg=name)


def mask_of(drawn: SegmentSet, at: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.isin(
        np.arange(drawn.width * drawn.height), SegmentPixels.of_runs(drawn.take(np.array([at])).runs, 1).index
    )


def test_a_segment_that_is_gone_is_a_region() -> None:
    drawn = blobs(np.random.default_rng(1))
    found = find_candidates(drawn.take(np.arange(1, len(drawn))), certain(drawn, 2), THINGS)
    assert found.regions.areas.tolist() == [drawn.areas[0]]
    assert (found.regions.category.tolist(), found.label.tolist()) == ([1], [0])


def pane(category: int, x: int, y: int, side: int) -> tuple[np.ndarray, int]:
    mask = np.zeros((60, 60), bool)
    mask[x : x + side, y : y + side] = True
    return mask, category


def layered(*panes: tuple[np.ndarray, int]) -> SegmentSet:
    at = [np.flatnonzero(mask) for mask, _ in panes]
    of = np.repeat(np.arange(len(panes)), [len(pixels) for pixels in at])
    runs = runs_of_pixels(np.concatenate(at), of, 60)
    return SegmentSet.from_runs(runs, np.array([category for _, category in panes]), 60, 60)


def test_a_window_without_a_label_is_missing_though_its_facade_has_one() -> None:
    facade, window, another, door = pane(1, 5, 5, 50), pane(2, 10, 10, 8), pane(2, 30, 10, 8), pane(3, 30, 40, 8)
    things, seen = np.array([False, True, True, True]), certain(layered(facade, window, another), 4)
    assert find_candidates(layered(facade, window), seen, things).regions.areas.tolist() == [64]
    for labels in (
        layered(facade, door),  # where nothing says that windows lie in it
        layered(facade, window, pane(3, 30, 10, 8)),  # with a door in that place
        layered(facade, window, pane(1, 30, 10, 8)),  # with a small facade, which the model calls a window
    ):
        assert len(find_candidates(labels, seen, things).regions) == 0


def test_what_is_called_otherwise_is_a_region_with_both_names() -> None:
    given = segments_of_map(np.repeat(np.array([1, 2, 1]), 400), 20, 60)
    seen = np.repeat(np.array([1, 2, 1]), 400)
    seen[400:520] = 3
    found = find_candidates(given, certain(segments_of_map(seen, 20, 60), 4), STUFF)
    assert found.regions.areas.tolist() == [120]
    assert (found.regions.category[0], found.label[0]) == (3, 2)


def test_a_whole_part_called_otherwise_is_looked_at_once() -> None:
    given, seen = (segments_of_map(np.repeat(np.array([1, other, 1]), 400), 20, 60) for other in (2, 3))
    found = find_candidates(given, certain(seen, 4), STUFF)
    assert (len(found.annotated), len(found.regions)) == (3, 0)


def test_outlines_that_differ_by_a_pixel_are_no_regions() -> None:
    clean = segments_of_map(np.repeat(np.array([1, 2, 1]), 400), 20, 60)
    moved = segments_of_map(np.roll(np.repeat(np.array([1, 2, 1]), 400), 20), 20, 60)
    assert len(find_candidates(moved, certain(clean, 4), STUFF).regions) == 0
    further = segments_of_map(np.roll(np.repeat(np.array([1, 2, 1]), 400), 80), 20, 60)
    assert len(find_candidates(further, certain(clean, 4), STUFF).regions) == 2


@pytest.mark.parametrize("grain", [2, 4])
def test_a_model_of_reduced_images_is_as_far_off_as_one_of_its_pixels_is_wide(grain: int) -> None:
    clean = np.repeat(np.array([1, 2, 1]), 40 * 40)
    seen = replace(certain(segments_of_map(clean, 40, 120), 4), grain=float(grain))
    for columns, n in ((2 * grain, 0), (2 * grain + 2, 2)):
        given = segments_of_map(np.roll(clean, columns * 40), 40, 120)
        found = find_candidates(given, seen, STUFF)
        assert len(found.thin) == len(found.regions) == 2
        assert (~found.thin).sum() == n


@pytest.mark.parametrize("seed", range(3))
def test_regions_are_those_that_are_left_when_a_pixel_is_taken_off_all_around(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given, seen = (segments_of_map(rng.integers(1, 3, 24 * 30).repeat(4), 40, 72) for _ in range(2))
    found = find_candidates(given, certain(seen, 3), STUFF)
    label, best = given.categories(), seen.categories()
    apart = segments_of_map(np.where(label == best, -1, label * 3 + best), 40, 72, blank=-1)
    thick = (apart.grown(-1).areas(len(apart)) > 0) & (apart.areas >= MIN_PART_PIXELS)
    assert 0 < thick.sum() < len(apart)
    own = [
        max(np.sum(a & b) / np.sum(a | b) for b in (mask_of(found.annotated, at) for at in range(len(found.annotated))))
        for a in (mask_of(apart, at) for at in range(len(apart)))
    ]
    np.testing.assert_array_equal(np.sort(found.regions.areas), np.sort(apart.areas[thick & (np.array(own) <= 0.5)]))


def test_void_is_no_candidate() -> None:
    drawn = blobs(np.random.default_rng(3))
    void = SegmentSet.from_runs(drawn.runs, np.full(len(drawn), VOID), drawn.height, drawn.width)
    found = find_candidates(void, certain(drawn, 2), THINGS)
    assert len(found.annotated) == len(found.regions) == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_segments_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clean = blobs(rng)
    prediction = oracle_evidence(clean, THINGS, rng)
    given, _ = corrupt_labels(clean, THINGS, CorruptionRates(0.1), rng)
    order = rng.permutation(len(given))
    found, again = find_candidates(given, prediction, THINGS), find_candidates(given.take(order), prediction, THINGS)
    one, other = annotated_features(found, given, prediction), annotated_features(again, given.take(order), prediction)
    assert np.isfinite(one[1]).all()
    np.testing.assert_allclose(other[1], one[1][order], atol=1e-9)
    regions = [named(region_features(f, g, prediction)) for f, g in ((found, given), (again, given.take(order)))]
    for name, values in regions[0].items():
        np.testing.assert_allclose(regions[1][name], values, atol=1e-9)


def test_doubt_is_the_mean_over_the_pixels_of_each() -> None:
    rng = np.random.default_rng(4)
    clean = blobs(rng)
    prediction = oracle_evidence(clean, THINGS, rng)
    table = named(annotated_features(find_candidates(clean, prediction, THINGS), clean, prediction))
    pixels = SegmentPixels.of_runs(clean.runs, len(clean))
    for row in range(len(clean)):
        mine = pixels.index[pixels.owner == row]
        assert table["doubt"][row] == pytest.approx(1 - prediction.probability[1, mine].mean(), abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "feature"),
    [
        ("dilate", "inwards"), ("erode", "outwards"), ("shift", "offset"), ("merge", "held_second"),
        ("split", "gain"), ("extra", "doubt"), ("coarse", "edge_away"), ("wobble", "edge_away"),
    ],
)  # fmt: skip
def test_each_kind_of_mistake_has_a_feature_that_tells_it(kind: str, feature: str) -> None:
    clean = blobs(np.random.default_rng(5), n=40)
    given, truth = corrupt_labels(clean, THINGS, CorruptionRates(0.3, (kind,)), np.random.default_rng(5))
    prediction = certain(clean, 2, 0.95)
    found = find_candidates(given, prediction, THINGS)
    wrong = truth.after[found.row] >= 0
    values = named(annotated_features(found, given, prediction))[feature]
    assert np.median(values[wrong]) > np.quantile(values[~wrong], 0.9)


def test_an_image_without_anything_has_no_candidates() -> None:
    nothing = SegmentSet.from_runs(blobs(np.random.default_rng(0)).runs.empty(), np.empty(0, np.int64), 30, 20)
    prediction = certain(nothing, 2)
    found = find_candidates(nothing, prediction, THINGS)
    assert annotated_features(found, nothing, prediction)[1].shape[0] == 0
    assert region_features(found, nothing, prediction)[1].shape[0] == 0


@pytest.mark.parametrize("n_categories", [1, 2, 3, 12])
def test_the_two_most_probable_are_those_of_a_sort(n_categories: int) -> None:
    rng = np.random.default_rng(n_categories)
    p = rng.integers(0, 4, (n_categories, 9, 11)).astype(np.float32)  # with many that are equal
    first, second = ImagePrediction.from_probabilities(p).best_two
    ordered = np.sort(p.transpose(0, 2, 1).reshape(n_categories, -1), axis=0)
    np.testing.assert_array_equal(first, ordered[-1])
    np.testing.assert_array_equal(second, ordered[-2] if n_categories > 1 else 0 * ordered[-1])
