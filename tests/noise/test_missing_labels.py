"""Missing labels: parts without a label count as missing as far as they look like those with one."""

import numpy as np
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

from segdata.core.runs import Flags
from segdata.noise.candidates import find_candidates
from segdata.noise.left_out import (
    SeenParts,
    describe_seen_parts,
    left_out_probability,
    missing_label_probability,
)
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import SegmentSet, segments_of_map

N_IMAGES = 20


def seen(rng: np.random.Generator, missing: float, false: int, apart: float) -> tuple[SeenParts, Flags]:
    """An image with ten real things, a share of which lacks its label, and false ones; which parts lack a label."""
    real = np.arange(10 + false) < 10
    x = rng.normal(0, 1, (10 + false, 3)) + np.where(real, apart, 0.0)[:, None]
    lacks = real & (rng.random(10 + false) < missing)
    one, none = np.ones(10 + false, np.int64), np.empty(0, np.int64)
    has = real & ~lacks
    return SeenParts(x, one, 50 * one, has, has, ~has, none, none), lacks


def judged(pages: list[SeenParts], known: bool = True) -> np.ndarray:
    n = len(pages)
    fold, every, reliable = np.arange(n) % 5, np.full(n, known), np.array([True, True])
    left_out = left_out_probability(pages, fold, every, reliable)
    return np.concatenate([np.empty(0), *missing_label_probability(pages, fold, every, reliable, left_out)])


@settings(max_examples=8, deadline=None)
@any_of(st.integers(0, 10_000), st.sampled_from([0.1, 0.3, 0.5]))
def test_common_missing_labels_are_counted(seed: int, missing: float) -> None:
    """They are most of what has no label, so a classifier that takes it for correct learns nothing."""
    rng = np.random.default_rng(seed)
    drawn = [seen(rng, missing, 3, 2.5) for _ in range(N_IMAGES)]
    lacks, p = np.concatenate([one for _, one in drawn]), judged([page for page, _ in drawn])
    assert 0.7 * lacks.sum() - 3 < p.sum() < 1.4 * lacks.sum() + 6
    assert p[lacks].mean() > 0.6
    assert p[np.concatenate([page.confirmed for page, _ in drawn])].max() == 0
    assert not judged([page for page, _ in drawn], known=False).any()


@settings(max_examples=8, deadline=None)
@any_of(st.integers(0, 10_000))
def test_what_looks_otherwise_lacks_no_label(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert judged([seen(rng, 0.0, 5, 3.0)[0] for _ in range(N_IMAGES)]).sum() < 0.06 * 5 * N_IMAGES


@settings(max_examples=8, deadline=None)
@any_of(st.integers(0, 10_000), st.sampled_from([2, 4, 6]))
def test_an_image_without_any_label_does_not_blur_the_looks_in_others(seed: int, n_bare: int) -> None:
    """In some images all labels of a category are left out; in the others what looks otherwise lacks no label."""
    rng = np.random.default_rng(seed)
    pages = [seen(rng, 0.0, 3, 3.0)[0] for _ in range(N_IMAGES)] + [seen(rng, 1.0, 3, 3.0)[0] for _ in range(n_bare)]
    p = judged(pages)
    assert p[: 13 * N_IMAGES].sum() < 0.3  # of 60


def test_few_parts_say_nothing() -> None:
    rng = np.random.default_rng(0)
    assert not judged([seen(rng, 0.3, 2, 3.0)[0] for _ in range(2)]).any()
    assert judged([]).size == 0


def squares(shape: tuple[int, int], *boxes: tuple[int, int, int, int]) -> np.ndarray:
    canvas = np.zeros(shape, np.int64)
    for category, x, y, side in boxes:
        canvas[y : y + side, x : x + side] = category
    return canvas


def flat(canvas: np.ndarray) -> SegmentSet:
    return segments_of_map(canvas.T.ravel(), *canvas.shape)


def test_a_plant_on_soil_may_lack_its_label_but_one_of_another_name_or_size_does_not() -> None:
    """The model sees a weed on the soil, one where a crop is labelled, and one that is larger than its label."""
    soil, weed, crop, thin = np.ones((80, 80), np.int64), (2, 10, 10, 12), (2, 50, 50, 12), (2, 10, 50, 12)
    real = np.maximum(soil, squares((80, 80), weed, crop, thin))
    given = np.maximum(soil, squares((80, 80), (3, 40, 40, 30), (2, 13, 53, 6)))
    p = np.stack([np.where(real == category, 0.91, 0.03) for category in range(4)]).astype(np.float32)
    prediction, labels = ImagePrediction.from_probabilities(p), flat(given)
    things = np.zeros(4, bool)
    page = describe_seen_parts(prediction, labels, find_candidates(labels, prediction, things), None)
    assert [(c, bool(a), bool(b)) for c, a, b in zip(page.category, page.confirmed, page.alone, strict=True)].count(
        (2, False, True)
    ) == 1
    assert (page.place >= 0).sum() == 1  # not the rim of the thin one
    assert page.alone[page.place[page.place >= 0]].all()
    assert (page.region == -1).all()  # everything has a label
