"""Alignment: labels that all lie beside what is seen are found, by how much, and nothing is told of others."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

from segdata.core.runs import Flags
from segdata.noise import alignment as module
from segdata.noise.alignment import Alignment, align_labels, label_shifts
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import SegmentSet, segments_of_map
from tests.generators.oracle import blobs, oracle_evidence, patches
from tests.noise.moved import moved_by

THINGS, STUFF = np.array([False, True]), np.zeros(4, bool)


def scene(seed: int, things: Flags) -> tuple[SegmentSet, ImagePrediction]:
    rng = np.random.default_rng(seed)
    clean = blobs(rng, height=130, n=32) if things.any() else patches(rng, height=130)
    return clean, oracle_evidence(clean, things, rng)


@settings(max_examples=20, deadline=None)
@any_of(st.integers(0, 2), st.sampled_from([THINGS, STUFF]), st.integers(-6, 6), st.integers(-6, 6))
def test_labels_that_were_moved_are_moved_back(seed: int, things: Flags, right: int, down: int) -> None:
    drawn, prediction = scene(seed, things)
    found = align_labels(moved_by(drawn, right, down), prediction)
    assert abs(found.right + right) <= 1
    assert abs(found.down + down) <= 1
    assert (found.gain > 0) == ((found.right, found.down) != (0, 0))


def test_large_images_are_told_to_the_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, prediction = scene(0, THINGS)
    expected = align_labels(moved_by(drawn, 5, -3), prediction)
    monkeypatch.setattr(module, "COARSE_SIDE", 50)
    assert align_labels(moved_by(drawn, 5, -3), prediction) == expected


def test_of_many_images_those_are_told_that_are_moved_by() -> None:
    away = {2: (5, 0), 7: (-4, 4)}
    pages = [scene(seed, STUFF) for seed in range(9)]
    found = [align_labels(moved_by(drawn, *away.get(at, (0, 0))), seen) for at, (drawn, seen) in enumerate(pages)]
    told = label_shifts(found, np.ones(4))
    assert np.flatnonzero(told.any(axis=1)).tolist() == [*away]
    np.testing.assert_allclose(told[[*away]], -np.array([*away.values()]), atol=1)
    np.testing.assert_allclose([sum(each.by) for each in found], [each.gain for each in found], rtol=1e-5)
    assert not label_shifts(found, np.array([1.0, 0.1, 0.1, 0.1])).any()  # what is not labelled fits anywhere


def test_an_image_is_told_by_categories_that_the_model_knows() -> None:
    off = Alignment(0, 9, 0.4, (0.2, 0.15, 0.05))
    fine = [Alignment(0, 0, 0.0, (0.0, 0.0, 0.0))] * 3
    for iou, told in (
        ([0.9, 0.3, 0.3], True),
        ([0.9, 0.3, 0.2], True),
        ([0.9, 0.2, 0.3], False),
        ([0.9] + 2 * [0.2], False),
    ):
        assert label_shifts([off, *fine], np.array(iou)).any() == told


def test_what_all_images_have_in_common_is_the_models_own() -> None:
    fine, off = Alignment(0, 1, 0.01, (0.0, 0.01)), Alignment(-4, -8, 0.4, (0.2, 0.2))
    iou = np.ones(2)
    assert label_shifts([fine, fine, off, fine], iou).tolist() == [[0, 0], [0, 0], [-4, -9], [0, 0]]
    assert not label_shifts([replace(off, gain=0.4 + at / 100) for at in range(9)], iou).any()


def test_a_model_that_knows_nothing_tells_of_none() -> None:
    rng, found = np.random.default_rng(0), []
    for seed in range(9):
        p = rng.dirichlet(np.ones(4), (60, 80)).transpose(2, 0, 1)
        found.append(
            align_labels(
                patches(np.random.default_rng(seed), height=60, width=80), ImagePrediction.from_probabilities(p)
            )
        )
    assert not label_shifts(found, np.ones(4)).any()


def test_all_void_and_no_image_fit() -> None:
    drawn, prediction = scene(0, STUFF)
    void = SegmentSet.from_runs(drawn.runs, np.full(len(drawn), -1), drawn.height, drawn.width)
    assert align_labels(void, prediction).gain >= 0
    assert label_shifts([], np.ones(2)).tolist() == []
    assert not label_shifts([Alignment(1, 1, 0.9, (0.4, 0.5))], np.ones(2)).any()


def test_one_large_part_beside_its_place_moves_nothing() -> None:
    """Three quarters of an image are one part, drawn 5 px too far right; the small ones lie where they should."""
    label = np.full((60, 100), 1)
    label[:, 75:] = 2
    for at in range(10, 60, 16):
        label[at : at + 8, 8:70:14] = 3
    p = np.full((4, 60, 100), 0.02, np.float32)
    np.put_along_axis(p, label[None], 0.94, axis=0)
    altered = label.copy()
    altered[:, 75:80] = 1
    drawn = segments_of_map(altered.T.ravel(), 60, 100)
    found = align_labels(drawn, ImagePrediction.from_probabilities(p))
    assert (found.right, found.down) == (0, 0)
