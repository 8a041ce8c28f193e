"""Mistakes made on purpose: each does what it says, and says what it did."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from segdata.core.runs import Runs
from segdata.noise.candidates import find_candidates
from segdata.noise.corruptions import (
    LEARNED_KINDS,
    CorruptionRates,
    _outer_rings,
    _simplify_ring,
    corrupt_labels,
    has_overlaps,
    match_corruptions,
    training_rates,
)
from segdata.noise.error_types import KINDS, CorruptionKind
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import VOID, SegmentPixels, SegmentSet, overlaps, segments_of_map
from tests.generators.oracle import blobs, patches
from tests.pinned_versions import written_with

THINGS = np.array([False, True, True])
STUFF = np.zeros(4, bool)


def nothing_seen(drawn: SegmentSet) -> ImagePrediction:
    """A model that sees nothing."""
    return ImagePrediction.from_probabilities(
        np.stack([np.ones((drawn.height, drawn.width)), np.zeros((drawn.height, drawn.width))])
    )


def made(kind: CorruptionKind, seed: int = 0) -> tuple[SegmentSet, SegmentSet, object]:
    clean = blobs(np.random.default_rng(seed), n=40, n_categories=3)
    return clean, *corrupt_labels(clean, THINGS, CorruptionRates(0.3, (kind,)), np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_the_rest_stays_as_it_was(kind: CorruptionKind) -> None:
    clean, new, truth = made(kind)
    assert len(truth) >= 3
    new.runs.checked(new.heights, new.widths)
    assert not has_overlaps(new)
    same = np.flatnonzero(truth.after < 0)
    before, after = clean.take(truth.origin[same]), new.take(same)
    np.testing.assert_array_equal(before.category, after.category)
    assert (after.areas <= before.areas).all()  # what is on top may take some of it
    met = overlaps(before, after)
    np.testing.assert_array_equal(met.pixels[met.a == met.b], after.areas[np.unique(met.b[met.a == met.b])])


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_makes_the_same_mistakes(kind: CorruptionKind) -> None:
    one, other = made(kind, 3), made(kind, 3)
    for name in ("start", "length", "owner"):
        np.testing.assert_array_equal(getattr(one[1].runs, name), getattr(other[1].runs, name))
    assert one[2].kinds == other[2].kinds


@pytest.mark.parametrize(
    ("kind", "more"), [("missing", -1), ("extra", 1), ("category", 0), ("merge", -1), ("split", 1), ("shift", 0)]
)
def test_numbers_of_segments(kind: CorruptionKind, more: int) -> None:
    clean, new, truth = made(kind)
    assert len(new) == len(clean) + more * len(truth)


def test_sizes_go_the_way_they_should() -> None:
    for kind, sign in (("dilate", 1), ("erode", -1)):
        _, _, truth = made(kind)
        change = truth.new.areas(len(truth)) - truth.old.areas(len(truth))
        assert (np.sign(change) == sign).all()
        assert (truth.severity >= 2).all()


def test_categories_are_others_at_the_same_place() -> None:
    clean, new, truth = made("category")
    rows = np.flatnonzero(truth.after >= 0)
    assert (new.category[rows] != clean.category[truth.origin[rows]]).all()
    np.testing.assert_array_equal(truth.old.start, truth.new.start)


def test_severity_makes_it_worse() -> None:
    clean = blobs(np.random.default_rng(1))
    sizes = [
        corrupt_labels(clean, THINGS[:2], CorruptionRates(0.3, ("shift",), severity=s), np.random.default_rng(1))[
            1
        ].severity.mean()
        for s in (1.0, 2.0)
    ]
    assert sizes[1] > sizes[0]


@pytest.mark.parametrize("kind", ["missing", "extra", "category", "erode", "shift"])
def test_a_full_map_stays_full(kind: CorruptionKind) -> None:
    clean = patches(np.random.default_rng(5))
    new, truth = corrupt_labels(clean, STUFF, CorruptionRates(0.2, (kind,)), np.random.default_rng(5))
    assert len(truth)
    assert (new.categories() > 0).all()
    assert (new.categories() != clean.categories()).any()


@pytest.mark.parametrize(("kind", "more"), [("merge", -1), ("split", 1)])
def test_parts_of_a_category_are_joined_and_cut(kind: CorruptionKind, more: int) -> None:
    clean = blobs(np.random.default_rng(7), n=80, n_categories=2)
    new, truth = corrupt_labels(clean, np.zeros(2, bool), CorruptionRates(0.5, (kind,)), np.random.default_rng(7))
    before, after = (len(segments_of_map(each.categories(), each.height, each.width)) for each in (clean, new))
    assert len(truth) >= 2
    assert (after - before) * more >= len(truth)  # what is joined may touch a third, what is cut fall into three
    about, _ = match_corruptions(
        find_candidates(new, nothing_seen(new), np.zeros(2, bool)), new, truth, np.zeros(2, bool)
    )
    assert set(range(len(truth))) <= set(about.tolist())


def test_a_category_in_one_piece_is_neither_joined_nor_cut() -> None:
    clean = segments_of_map(np.repeat(np.array([1, 2, 1]), 400), 20, 60)  # two parts of the first, one of the second
    for kind in ("merge", "split"):
        assert len(corrupt_labels(clean, STUFF, CorruptionRates(1.0, (kind,)), np.random.default_rng(0))[1]) == 0


def test_what_is_drawn_further_in_leaves_nothing_where_nothing_was() -> None:
    clean = blobs(np.random.default_rng(8), n=40, n_categories=2)
    new, truth = corrupt_labels(clean, np.zeros(2, bool), CorruptionRates(0.3, ("erode",)), np.random.default_rng(8))
    lost = int(truth.old.areas(len(truth)).sum() - truth.new.areas(len(truth)).sum())
    assert lost == (clean.categories() > 0).sum() - (new.categories() > 0).sum() > 0


def test_a_lesson_has_every_kind_in_each_image() -> None:
    clean = blobs(np.random.default_rng(9), n=60, n_categories=3)
    kinds: set[CorruptionKind] = set()
    for seed in range(4):
        kinds |= set(corrupt_labels(clean, THINGS, training_rates(), np.random.default_rng(seed))[1].kinds)
    assert kinds == set(LEARNED_KINDS)


def test_void_is_left_alone() -> None:
    clean = blobs(np.random.default_rng(6), n=40)
    clean.category[:5] = VOID
    for kind in KINDS:
        new, truth = corrupt_labels(clean, THINGS[:2], CorruptionRates(0.5, (kind,)), np.random.default_rng(6))
        rows = np.flatnonzero(new.category == VOID)
        assert (truth.after[rows] < 0).all()
        before = SegmentPixels.of_runs(clean.take(np.arange(5)).runs, 5)
        np.testing.assert_array_equal(
            np.sort(SegmentPixels.of_runs(new.take(rows).runs, len(rows)).index), np.sort(before.index)
        )


@pytest.mark.parametrize("things", [THINGS[:2], STUFF])
def test_where_nothing_is_drawn_nothing_is_spoiled(things: np.ndarray) -> None:
    empty = SegmentSet.from_runs(Runs.empty(), np.empty(0, np.int64), 20, 30)
    for kind in KINDS:
        new, truth = corrupt_labels(empty, things, CorruptionRates(1.0, (kind,)), np.random.default_rng(0))
        assert (len(new), len(truth)) == (0, 0)


@written_with("opencv-python-headless")  # 4.12 leaves out other points of a few rings than 4.14
@pytest.mark.parametrize("seed", range(12))
def test_coarse_outlines_are_those_of_opencv(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.random((60, 80))
    mask = ((noise if seed % 4 == 0 else gaussian_filter(noise, seed / 4)) > 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rings = sorted(_outer_rings(mask), key=lambda ring: ring.tolist())
    expected = sorted((contour[:, 0] for contour in contours), key=lambda ring: ring.tolist())
    assert [ring.tolist() for ring in rings] == [ring.tolist() for ring in expected]
    for ring in rings:
        for tolerance in (0.7, 3.0, 8.0):
            coarse = cv2.approxPolyDP(ring[:, None].astype(np.int32), tolerance, True)[:, 0]
            assert _simplify_ring(ring, tolerance).tolist() == coarse.tolist()
