"""Confident: bars are those from which on a model is right as often as asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import t

import segdata
from segdata.api.in_memory import from_arrays
from segdata.core.errors import SegdataError
from segdata.core.runs import Runs
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise.confident_labels import BINS, CERTAINTY, MIN_IMAGES, ConfidentLabels, PrecisionTally
from segdata.noise.networks.plan import Settings, TrainingPlan
from segdata.noise.networks.predictions import PredictedInstances, Predictions
from segdata.noise.segments import VOID, GivenLabels


@given(st.integers(0, 2**31), st.sampled_from([0.5, 0.8, 0.95]), st.sampled_from([0.5, 0.9]))
def test_bars_against_every_bar_there_could_be(seed: int, precision: float, sure: float) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.integers(0, 20, 200) / 20 + 0.001
    right = rng.random(200) < confidence**0.2
    category = rng.integers(0, 2, 200)
    tally = PrecisionTally.empty(2, "instances")
    images = np.array_split(rng.permutation(200), 8)
    for image in images:
        tally.add(category[image], confidence[image], right[image])
    for each, bar in enumerate(tally.bars(precision, sure).tolist()):
        fits = []
        for tried in np.unique(np.floor(confidence * BINS) / BINS):
            mine = (category == each) & (confidence >= tried)
            here = mine & (np.floor(confidence * BINS) / BINS == tried)
            seen = np.array([mine[image].sum() for image in images])
            hits = np.array([right[image][mine[image]].sum() for image in images])
            tests = 1 + np.log(max((category == each).sum() / 20, 1)) / np.log(4) if sure > 0.5 else 1
            if here.any() and seen.sum() >= 20 and _is_reached(hits, seen, precision, 1 - (1 - sure) / tests):
                fits.append(tried)
        assert bar == pytest.approx(min(fits, default=np.inf))


def _is_reached(hits: NDArray[np.int64], seen: NDArray[np.int64], precision: float, sure: float) -> bool:
    """Whether the mean of the images is above the precision by as much as chance allows, step by step."""
    images = seen.sum() ** 2 / (seen**2).sum()
    error = np.sqrt(max(((hits - precision * seen) ** 2).sum(), precision * (1 - precision) * seen.sum()))
    needed = t.ppf(sure, max(images - 1, 1)) * error
    return bool(images > MIN_IMAGES - 0.5 and hits.sum() - precision * seen.sum() >= needed - 1e-9 * seen.sum())


def test_of_little_nothing_is_claimed() -> None:
    tally = PrecisionTally.empty(1, "pixels")
    for n in (200, 200, 200, 200, 199):
        tally.add(np.zeros(n, np.int64), np.full(n, 0.9), np.ones(n, bool))
    assert np.isinf(tally.bars(0.5)).all()
    tally.add(np.zeros(1, np.int64), np.full(1, 0.9), np.ones(1, bool))
    assert tally.bars(0.5).tolist() == [0.9]
    few = PrecisionTally.empty(1, "pixels")
    for _ in range(MIN_IMAGES - 1):
        few.add(np.zeros(5000, np.int64), np.full(5000, 0.9), np.ones(5000, bool))
    assert np.isinf(few.bars(0.5)).all()


@pytest.mark.parametrize("n", [10, 60])
def test_the_precision_is_missed_once_in_ten_times(n: int) -> None:
    """Of a model that is calibrated on average, and better on some images than on others."""

    def image(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        confidence = rng.random(n)
        return confidence, rng.random(n) < np.clip(confidence + rng.normal(0, 0.1), 0, 1)

    every = [image(np.random.default_rng(seed)) for seed in range(20_000 // n)]
    confidence, right = (np.concatenate(each) for each in zip(*every, strict=True))
    short = dict.fromkeys((CERTAINTY, 0.5), 0)
    for seed in range(100):
        rng = np.random.default_rng((1, seed))
        tally = PrecisionTally.empty(1, "instances")
        for _ in range(20):
            tally.add(np.zeros(n, np.int64), *image(rng))
        for sure in short:
            above = confidence >= tally.bars(0.85, sure)[0]
            short[sure] += bool(above.any() and right[above].mean() < 0.85)
    assert short[CERTAINTY] <= 12  # tenths, and what chance adds
    assert short[0.5] > 30  # where only these images are asked


def _found(
    plan: TrainingPlan, folder: Path, probability: NDArray[np.float32], instances: PredictedInstances | None = None
) -> Predictions:
    """Predictions of one image, as runs wrote them before version 2."""
    plan = replace(plan, instances=instances is not None)
    found = Predictions(folder, ("a.png",), (4, 6), np.zeros(1, np.int64), np.ones(1, bool), plan, version=1)
    for what in ("probabilities", "instances"):
        (folder / what).mkdir(parents=True, exist_ok=True)
    np.save(folder / "probabilities" / "000000.npy", probability.astype(np.float16))
    if instances is not None:
        runs = instances.runs
        np.savez(
            folder / "instances" / "000000.npz", start=runs.start, length=runs.length, owner=runs.owner,
            category=instances.category, score=instances.score,
        )  # fmt: skip
    return found


def test_pixels_below_the_bar_are_void(tiny: TrainingPlan, tmp_path: Path) -> None:
    probability = np.zeros((3, 2, 3), np.float32)
    probability[0, 0] = 1  # nothing, surely
    probability[1:, 1] = [(0.9, 0.6, 0.1), (0.1, 0.4, 0.9)]
    drawn = ConfidentLabels(
        _found(tiny, tmp_path, probability), np.array([0.5, 0.8, 0.8]), np.zeros(3, bool)
    ).draft_segments(0)
    assert drawn.categories().reshape(3, 2).T.tolist() == [[0, 0, 0], [1, VOID, 2]]
    assert len(drawn) == 3


def test_instances_below_the_bar_are_one_void_segment(tiny: TrainingPlan, tmp_path: Path) -> None:
    runs = Runs(np.array([0, 4, 6, 8]), np.array([2, 2, 2, 2]), np.array([0, 1, 2, 3], np.int32))
    instances = PredictedInstances(runs, np.array([4, 6, 4, 6]), np.array([0.9, 0.3, 0.2, 0.8], np.float32))
    found = _found(tiny, tmp_path, np.full((3, 4, 3), 1 / 3, np.float32), instances)
    drawn = ConfidentLabels(found, np.array([0, 0.5, 0.5]), np.array([False, True, True])).draft_segments(0)
    assert drawn.category.tolist() == [1, 2, VOID]
    assert drawn.runs.start.tolist() == [0, 8, 4]
    assert drawn.runs.length.tolist() == [2, 2, 4]
    np.testing.assert_allclose(drawn.score, [0.9, 0.8, np.nan], rtol=1e-6)


def test_confidence_is_learnt_from_what_was_given(tiny: TrainingPlan, tmp_path: Path) -> None:
    label = np.repeat([0, 1, 0, 2], 180).reshape(30, 24)
    probability = np.zeros((3, 30, 24), np.float32)
    seen = np.repeat([0, 1, 1, 2], 180).reshape(30, 24)
    sure = np.repeat([0.9, 0.9, 0.6, 0.9], 180).reshape(30, 24)
    for each in range(3):
        probability[each] = np.where(seen == each, sure, (1 - sure) / 2)
    taxonomy = Taxonomy(categories=(Category(id=4, name="a"), Category(id=6, name="b")))
    dataset = from_arrays({"a.png": np.array([0, 4, 6])[label]}, taxonomy)
    found = _found(tiny, tmp_path, probability)
    bars = ConfidentLabels.learnt(found, GivenLabels.from_maps(dataset.maps(), (4, 6)), [0] * 5, 0.9).bars
    assert np.isinf(bars).tolist() == [True, True, True]  # fewer than a thousand pixels of each
    large = np.kron(label, np.ones((2, 2), np.int64))
    dataset = from_arrays({"a.png": np.array([0, 4, 6])[large]}, taxonomy)
    found = _found(tiny, tmp_path, np.kron(probability, np.ones((1, 2, 2), np.float32)))
    bars = ConfidentLabels.learnt(found, GivenLabels.from_maps(dataset.maps(), (4, 6)), [0] * 9, 0.9).bars
    assert bars == pytest.approx([0.899, 0.899, 0.899], abs=0.002)  # below, half of what is called a is not


def test_things_are_drawn_one_by_one_and_stuff_around_them(tiny: TrainingPlan, tmp_path: Path) -> None:
    """Category 4 is stuff; of the things the second is not sure, and nobody draws what is seen at the end."""
    probability = np.zeros((3, 2, 4), np.float32)
    probability[:, 0] = np.array([(1, 0, 0), (0, 0.9, 0.1), (0, 0.6, 0.4), (0, 0.1, 0.9)]).T
    probability[:, 1] = np.array([(0, 0.9, 0.1), (0, 0.2, 0.8), (0, 0.2, 0.8), (0, 0.1, 0.9)]).T
    runs = Runs(np.array([3, 5]), np.array([1, 1]), np.array([0, 1], np.int32))
    instances = PredictedInstances(runs, np.array([6, 6]), np.array([0.8, 0.3], np.float32))
    found = _found(tiny, tmp_path, probability, instances)
    drawn = ConfidentLabels(found, np.array([0.5, 0.8, 0.5]), np.array([False, False, True])).draft_segments(0)
    assert drawn.category.tolist() == [1, 2, VOID]
    at = drawn.paint(np.array([1, 2, 9]), 0).reshape(4, 2).T
    assert at.tolist() == [[0, 1, 9, 9], [1, 2, 9, 9]]
    np.testing.assert_allclose(drawn.score, [np.nan, 0.8, np.nan], rtol=1e-6)


def test_of_things_instances_are_judged_and_of_stuff_pixels(tiny: TrainingPlan, tmp_path: Path) -> None:
    """Where the stuff ends a fifth of what is seen is nothing; one instance is none, and less sure."""
    ids, lines = np.zeros((40, 40), np.int64), np.arange(0, 40, 2)
    ids[:20], ids[30:38, lines] = 1, np.arange(2, 22)
    probability = np.zeros((3, 40, 40), np.float32)
    probability[0], probability[2, 30:] = 0.5, 0.9
    probability[1, :20], probability[1, 20:25] = 0.95, 0.75
    wrong = 40 + 22
    runs = Runs(np.insert(lines * 40 + 30, 1, wrong), np.insert(np.full(20, 8), 1, 4), np.arange(21, dtype=np.int32))
    score = np.insert(np.full(20, 0.8), 1, 0.2).astype(np.float32)
    found = _found(tiny, tmp_path, probability, PredictedInstances(runs, np.full(21, 6), score))
    kinds = Taxonomy(categories=(Category(id=4, name="a", kind="stuff"), Category(id=6, name="b")))
    dataset = from_arrays({"a.png": (ids, {each: 4 if each == 1 else 6 for each in range(1, 22)})}, kinds)
    given_ = GivenLabels.from_maps(dataset.maps(), (4, 6))
    learnt = ConfidentLabels.learnt(found, given_, [0] * 9, 0.97, frozenset({6}))
    assert learnt.apart.tolist() == [False, False, True]
    assert learnt.bars[1:] == pytest.approx([0.95, 0.8], abs=0.002)
    assert ConfidentLabels.learnt(found, given_, [0] * 9, 0.7, frozenset({6})).bars[1:] == pytest.approx([0.75, 0.2])


def test_networks_draft_what_nobody_annotated(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / "data" / name).mkdir(parents=True)
    y, x = np.mgrid[:32, :32]
    for at in range(6):
        mask = (x - rng.integers(8, 24)) ** 2 + (y - rng.integers(8, 24)) ** 2 < 36
        Image.fromarray(np.where(mask, 200, 60).astype(np.uint8)).save(tmp_path / f"data/images/{at}.png")
        if at != 1 and at != 4:
            Image.fromarray(mask.astype(np.uint8)).save(tmp_path / f"data/masks/{at}.png")
    (tmp_path / "data/taxonomy.yaml").write_text("unlabelled: 0\ncategories: [{id: 1, name: coin}]\n")
    settings = Settings(
        near=False, folds=2, crop=32, width=4, depth=2, batch=2, steps=30, flips=0, learning_rate=0.02, jobs=1
    )
    found = segdata.draft_by_model(tmp_path / "data", tmp_path / "out", precision=0.5, settings=settings)
    made = segdata.read(tmp_path / "out")
    assert made.image_ids == ["1.png", "4.png"]
    assert found.n_empty <= 2
    assert set(made.annotations["stage"]) == {"drafted"}
    assert set(made.annotations["source"]) == {"model"}
    assert [each.name for each in made.taxonomy.categories] == ["coin", "void"]
    assert any(each.startswith("coin: ") for each in found.remarks)
    with pytest.raises(SegdataError, match="every image is annotated"):
        segdata.draft_by_model(tmp_path / "out", tmp_path / "again", settings=settings)
