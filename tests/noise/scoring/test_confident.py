"""Confident: bars are those from which on a model is right as often as asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import segdata
from segdata.api import from_arrays
from segdata.core.errors import SegdataError
from segdata.core.runs import Runs
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise.evidence.drawn import VOID
from segdata.noise.evidence.given import Given
from segdata.noise.networks.plan import Plan
from segdata.noise.networks.predictions import PredictedInstances, Predictions, path_of
from segdata.noise.networks.settings import Settings
from segdata.noise.scoring.confident import BINS, Confident, Tally


@given(st.integers(0, 2**31), st.sampled_from([0.5, 0.8, 0.95]))
def test_bars_against_every_bar_there_could_be(seed: int, precision: float) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.integers(0, 20, 200) / 20 + 0.001
    right = rng.random(200) < confidence**0.5
    category = rng.integers(0, 2, 200)
    tally = Tally.of(2, "instances")
    for part in np.array_split(rng.permutation(200), 3):
        tally.add(category[part], confidence[part], right[part])
    for each, bar in enumerate(tally.bars(precision).tolist()):
        mine = category == each
        fits = []
        for tried in np.unique(np.floor(confidence * BINS) / BINS):
            above = mine & (confidence >= tried)
            here = mine & (np.floor(confidence * BINS) / BINS == tried)
            if above.sum() >= 20 and here.any() and right[above].sum() >= precision * above.sum():
                fits.append(tried)
        assert bar == pytest.approx(min(fits, default=np.inf))


def test_of_little_nothing_is_claimed() -> None:
    tally = Tally.of(1, "pixels")
    tally.add(np.zeros(999, np.int64), np.full(999, 0.9), np.ones(999, bool))
    assert np.isinf(tally.bars(0.5)).all()
    tally.add(np.zeros(1, np.int64), np.full(1, 0.9), np.ones(1, bool))
    assert tally.bars(0.5).tolist() == [0.9]


@pytest.mark.parametrize("n", [200, 1000])
def test_the_precision_is_reached_about_half_the_time(n: int) -> None:
    """Of a calibrated model, confidence uniform: above a bar it is right (1 + bar) / 2 of the time."""
    reached = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        confidence = rng.random(n)
        tally = Tally.of(1, "instances")
        tally.add(np.zeros(n, np.int64), confidence, rng.random(n) < confidence)
        reached.append((1 + tally.bars(0.9)[0]) / 2)
    told = np.array([each for each in reached if np.isfinite(each)])
    assert 0.3 < np.mean(told >= 0.9) < 0.6
    assert np.quantile(told, 0.05) > (0.8 if n == 200 else 0.85)


def _found(
    plan: Plan, folder: Path, probability: NDArray[np.float32], instances: PredictedInstances | None = None
) -> Predictions:
    """Predictions of one image, as a run writes them."""
    plan = replace(plan, instances=instances is not None)
    found = Predictions(folder, ("a.png",), (4, 6), np.zeros(1, np.int64), np.ones(1, bool), plan)
    for what in ("probabilities", "instances"):
        path_of(folder, what, 0).parent.mkdir(parents=True, exist_ok=True)
    np.save(path_of(folder, "probabilities", 0), probability.astype(np.float16))
    if instances is not None:
        runs = instances.runs
        np.savez(
            path_of(folder, "instances", 0), start=runs.start, length=runs.length, owner=runs.owner,
            category=instances.category, score=instances.score,
        )  # fmt: skip
    return found


def test_pixels_below_the_bar_are_void(tiny: Plan, tmp_path: Path) -> None:
    probability = np.zeros((3, 2, 3), np.float32)
    probability[0, 0] = 1  # nothing, surely
    probability[1:, 1] = [(0.9, 0.6, 0.1), (0.1, 0.4, 0.9)]
    drawn = Confident(_found(tiny, tmp_path, probability), np.array([0.5, 0.8, 0.8])).drawn(0)
    assert drawn.categories().reshape(3, 2).T.tolist() == [[0, 0, 0], [1, VOID, 2]]
    assert len(drawn) == 3


def test_instances_below_the_bar_are_one_void_segment(tiny: Plan, tmp_path: Path) -> None:
    runs = Runs(np.array([0, 4, 6, 8]), np.array([2, 2, 2, 2]), np.array([0, 1, 2, 3], np.int32))
    instances = PredictedInstances(runs, np.array([4, 6, 4, 6]), np.array([0.9, 0.3, 0.2, 0.8], np.float32))
    found = _found(tiny, tmp_path, np.full((3, 4, 3), 1 / 3, np.float32), instances)
    drawn = Confident(found, np.array([0, 0.5, 0.5])).drawn(0)
    assert drawn.category.tolist() == [1, 2, VOID]
    assert drawn.runs.start.tolist() == [0, 8, 4]
    assert drawn.runs.length.tolist() == [2, 2, 4]
    np.testing.assert_allclose(drawn.score, [0.9, 0.8, np.nan], rtol=1e-6)


def test_confidence_is_learnt_from_what_was_given(tiny: Plan, tmp_path: Path) -> None:
    label = np.repeat([0, 1, 0, 2], 500).reshape(50, 40)
    probability = np.zeros((3, 50, 40), np.float32)
    seen = np.repeat([0, 1, 1, 2], 500).reshape(50, 40)
    sure = np.repeat([0.9, 0.9, 0.6, 0.9], 500).reshape(50, 40)
    for each in range(3):
        probability[each] = np.where(seen == each, sure, (1 - sure) / 2)
    taxonomy = Taxonomy(categories=(Category(id=4, name="a"), Category(id=6, name="b")))
    dataset = from_arrays({"a.png": np.array([0, 4, 6])[label]}, taxonomy)
    found = _found(tiny, tmp_path, probability)
    bars = Confident.learnt(found, Given.of(dataset.maps(), (4, 6)), [0], 0.9).bars
    assert np.isinf(bars).tolist() == [True, True, True]  # fewer than a thousand pixels of each
    large = np.kron(label, np.ones((2, 2), np.int64))
    dataset = from_arrays({"a.png": np.array([0, 4, 6])[large]}, taxonomy)
    found = _found(tiny, tmp_path, np.kron(probability, np.ones((1, 2, 2), np.float32)))
    bars = Confident.learnt(found, Given.of(dataset.maps(), (4, 6)), [0], 0.9).bars
    assert bars == pytest.approx([0.899, 0.899, 0.899], abs=0.002)  # below, half of what is called a is not


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
