import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
import torch

from segdata.api.convert import convert
from segdata.api.in_memory import from_arrays
from segdata.api.read import read
from segdata.core.batch import Batch, replace_column
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.executor import single_threaded_libraries
from segdata.core.rule import Tables
from segdata.measure.measure import measure_source
from segdata.noise.networks.out_of_fold import assign_folds, fold_units, out_of_fold
from segdata.noise.networks.plan import Settings, StageProgress, TrainingPlan
from segdata.noise.networks.predictions import Predictions, open_predictions
from segdata.noise.trust import RelatedImages
from segdata.testing.pictures import PictureDataset, draw_picture

Make = Callable[[Path, int], OpenDataset]
TINY = Settings(
    folds=2, crop=64, width=4, depth=3, batch=4, steps=30, flips=0, learning_rate=0.03, jobs=1, near=False, device="cpu"
)
FEW = replace(TINY, steps=4)


def same(a: Predictions, b: Predictions) -> None:
    assert a.image_ids == b.image_ids
    np.testing.assert_array_equal(a.fold, b.fold)
    for row in range(len(a)):
        np.testing.assert_array_equal(a.probabilities(row), b.probabilities(row))
        ours, theirs = a.instances(row), b.instances(row)
        assert ours is not None
        assert theirs is not None
        np.testing.assert_array_equal(ours.runs.start, theirs.runs.start)
        np.testing.assert_array_equal(ours.score, theirs.score)


@dataclass(frozen=True)
class Run:
    """A finished run of few steps, and what it reported."""

    dataset: OpenDataset
    folder: Path
    found: Predictions
    stages: list[StageProgress]


@pytest.fixture(scope="module")
def run(shapes: Make, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    dataset, stages = shapes(folder / "images", 4), list[StageProgress]()
    found = out_of_fold(dataset, folder / "found", FEW, progress=stages.append)
    return Run(dataset, folder / "found", found, stages)


def test_networks_find_what_they_have_not_seen(shapes: Make, tmp_path: Path) -> None:
    dataset = shapes(tmp_path / "images", 6)
    found = out_of_fold(dataset, tmp_path / "found", TINY)
    assert found.categories == (3, 7)
    assert (found.usable.all(), found.defects, found.notes) == (True, (), ())
    assert np.bincount(found.fold).tolist() == [3, 3]
    maps, right = dataset.maps(), []
    for row in range(len(found)):
        probabilities = found.probabilities(row)
        assert (probabilities.shape, probabilities.dtype) == ((3, 64, 64), np.float32)
        best = probabilities.argmax(0) - 1
        truth = maps.semantic(row, -1)
        right.append((best == truth)[truth >= 0].mean())
        edges, instances = found.edges(row), found.instances(row)
        assert edges is not None
        assert edges.shape == (64, 64)
        assert instances is not None
        assert set(instances.category.tolist()) <= {3, 7}
        instances.runs.checked(np.full(len(instances), 64), np.full(len(instances), 64))
    assert np.mean(right) > 0.5  # of the pixels of three categories, chance has a third


def test_what_was_found_can_be_opened_again_and_is_not_made_twice(run: Run, tmp_path: Path) -> None:
    read = open_predictions(run.folder)
    assert (read.plan, read.image_ids, read.categories) == (run.found.plan, run.found.image_ids, run.found.categories)
    assert not list((run.folder / "checkpoints").glob("*"))
    stages: list[StageProgress] = []
    plans: list[TrainingPlan] = []
    same(run.found, out_of_fold(run.dataset, run.folder, FEW, progress=stages.append, planned=plans.append))
    assert (stages, plans) == ([], [run.found.plan])
    with pytest.raises(SegdataError, match="predictions for other labels or settings"):
        out_of_fold(run.dataset, run.folder, replace(FEW, seed=1))
    with pytest.raises(SegdataError, match="no finished predictions"):
        open_predictions(tmp_path)


def test_progress_tells_how_far_it_is(run: Run) -> None:
    assert list(dict.fromkeys(each.what for each in run.stages)) == [
        "train 1 of 2",
        "train 2 of 2",
        "predict 1 of 2",
        "predict 2 of 2",
    ]
    of_last = [each for each in run.stages if each.what == "predict 2 of 2"]
    assert [(each.done, each.total) for each in of_last] == [(0, 2), (1, 2), (2, 2)]
    assert of_last[-1].seconds_left == 0


# PyTorch is loaded once, and each run is a fork of that process.
_KILLED = """
import os, signal, sys
import torch, torch._dynamo  # the first step of an optimiser loads it, else in each fork
torch.set_num_threads(1)
from segdata.api.read import read
from segdata.noise.networks.out_of_fold import out_of_fold
from segdata.noise.networks.plan import Settings

for what, done in (("train 2 of 2", 3), ("predict 2 of 2", 1)):
    def progress(stage):
        if (stage.what, stage.done) == (what, done):
            os.kill(os.getpid(), signal.SIGKILL)

    run = os.fork()
    if not run:
        out_of_fold(read(sys.argv[1]), sys.argv[2], Settings(**eval(sys.argv[3])), progress=progress)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(run, 0)[1]) == -signal.SIGKILL
    assert not os.path.exists(os.path.join(sys.argv[2], "predictions.json"))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
def test_a_run_that_was_killed_twice_ends_as_one_that_was_not(run: Run, tmp_path: Path) -> None:
    convert(run.dataset, tmp_path / "data")
    names = ("folds", "crop", "width", "depth", "batch", "steps", "flips", "near", "learning_rate", "jobs", "device")
    chosen = {name: getattr(FEW, name) for name in names}
    words = [sys.executable, "-c", _KILLED, tmp_path / "data", tmp_path / "killed", repr(chosen)]
    subprocess.run(words, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
    stages: list[StageProgress] = []
    resumed = out_of_fold(read(tmp_path / "data"), tmp_path / "killed", FEW, progress=stages.append)
    assert [(each.what, each.done) for each in stages] == [
        ("predict 1 of 2", 2),
        ("predict 2 of 2", 1),
        ("predict 2 of 2", 2),
    ]
    same(resumed, run.found)


def test_networks_trained_at_once_are_those_trained_one_after_the_other(run: Run, tmp_path: Path) -> None:
    """Each has one thread, and randomness of its own.

    The number of threads of torch is what it was; so is its generator. First weights come from it, so whoever draws
    from it meanwhile changes a network that another thread builds.
    """
    torch.set_num_threads(1)
    asked, before = replace(FEW, dropout=0.2), torch.get_rng_state()
    one = out_of_fold(run.dataset, tmp_path / "one", asked)
    assert torch.equal(before, torch.get_rng_state())
    same(one, out_of_fold(run.dataset, tmp_path / "two", replace(asked, jobs=2)))
    assert torch.get_num_threads() == 1


def test_jobs_bound_the_threads_of_torch_and_of_opencv(shapes: Make, tmp_path: Path) -> None:
    seen: set[tuple[int, int]] = set()
    torch.set_num_threads(3)
    cv2.setNumThreads(2)
    try:
        asked = replace(FEW, model=lambda channels, categories: _Spy(seen, categories), learning_rate=None)
        out_of_fold(shapes(tmp_path / "images", 4), tmp_path / "found", asked)
        assert (seen, torch.get_num_threads(), cv2.getNumThreads()) == ({(1, 1)}, 3, 2)
        with single_threaded_libraries():  # as evidence is gathered
            assert cv2.getNumThreads() == 1
    finally:
        torch.set_num_threads(1)
        cv2.setNumThreads(-1)  # as many as there are cores


class _Spy(torch.nn.Conv2d):
    """A network that notes how many threads it is given."""

    def __init__(self, seen: set[tuple[int, int]], categories: int) -> None:
        super().__init__(3, categories, 1)
        self.seen = seen

    def __deepcopy__(self, memo: object) -> "_Spy":
        other = _Spy(self.seen, self.out_channels)
        other.load_state_dict(self.state_dict())
        return other

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.add((torch.get_num_threads(), cv2.getNumThreads()))
        return super().forward(images)


def test_a_failure_of_one_training_stops_the_others(shapes: Make, tmp_path: Path) -> None:
    def stop(stage: StageProgress) -> None:
        if stage.what == "train 2 of 2" and stage.done == 2:
            raise StoppedError

    long = replace(FEW, steps=2000, jobs=2)
    began = time.monotonic()
    with pytest.raises(StoppedError):
        out_of_fold(shapes(tmp_path / "images", 4), tmp_path / "found", long, progress=stop)
    assert time.monotonic() - began < 30


def test_what_an_older_version_wrote_is_read(run: Run, tmp_path: Path) -> None:
    found, old = run.found, tmp_path / "old"
    for kind in ("probabilities", "contours", "instances"):
        (old / kind).mkdir(parents=True)
    for row in range(4):
        edges, instances = found.edges(row), found.instances(row)
        assert edges is not None
        assert instances is not None
        np.save(old / "probabilities" / f"{row:06d}.npy", found.probabilities(row).astype(np.float16))
        np.save(old / "contours" / f"{row:06d}.npy", np.stack([1 - edges, 0 * edges, edges]).astype(np.float16))
        runs = {name: getattr(instances.runs, name) for name in ("start", "length", "owner")}
        np.savez(old / "instances" / f"{row:06d}.npz", **runs, category=instances.category, score=instances.score)
    content = msgspec.json.decode((run.folder / "predictions.json").read_bytes())
    newer = "augment", "class_weights", "pretrained"
    plan = {name: value for name, value in content["plan"].items() if name not in newer} | {"loss": "cross-entropy"}
    content |= {"version": 1, "plan": plan}
    (old / "predictions.json").write_bytes(msgspec.json.encode(content))
    read = open_predictions(old)
    assert read.plan.loss == "ce+dice"
    for row in range(4):
        np.testing.assert_allclose(read.probabilities(row), found.probabilities(row), atol=1e-3)
        np.testing.assert_allclose(read.edges(row), found.edges(row), atol=1e-3)
        ours, theirs = read.instances(row), found.instances(row)
        assert ours is not None
        assert theirs is not None
        np.testing.assert_array_equal(ours.runs.start, theirs.runs.start)


# What a folder had for its plan before each change of names; all that later versions added is missing.
_OLDEST_PLAN: dict[str, Any] = {
    "folds": 2, "members": 1, "channels": 3, "categories": 2, "instances": True, "width": 16, "depth": 4, "crop": 128,
    "tile": [512, 512], "batch": 8, "steps": 120, "checks": 8, "patience": 3, "learning_rate": 0.003,
    "loss": "cross-entropy", "dice": 0.5, "smoothing": 0.05, "dropout": 0.0, "weight_decay": 0.01, "rotate": True,
    "flips": 0, "least_area": 27, "seed": 0, "device": "cpu", "memory": 5656741888, "scale": 1.0,
    "encoder": "convolutions", "why": [["device", "set by you"]],
}  # fmt: skip
_WITH_CHOICES = _OLDEST_PLAN | {"pretrained": False, "class_weights": True, "augment": ["mirror", "turn"]}


@pytest.mark.parametrize(
    ("plan", "version", "loss", "pretrained"),
    [
        (_OLDEST_PLAN, 1, "ce+dice", False),
        (_OLDEST_PLAN | {"loss": "focal"}, 1, "focal+dice", False),
        (_OLDEST_PLAN | {"encoder": "efficientnet-lite0"}, 1, "ce+dice", True),
        (_OLDEST_PLAN | {"loss": "ce"}, 1, "ce", False),
        (_WITH_CHOICES | {"loss": "focal"}, 1, "focal", False),
        (_WITH_CHOICES | {"loss": "ce"}, 2, "ce", False),
        (_WITH_CHOICES | {"loss": "dice", "encoder": "efficientnet-lite0"}, 2, "dice", False),
    ],
)
def test_plans_of_every_version_are_read(
    plan: dict[str, Any], version: int, loss: str, pretrained: bool, tmp_path: Path
) -> None:
    content = {"version": version, "image_ids": ["a.png"], "categories": [1], "fold": [0], "usable": [True]}
    content |= {"plan": plan, "notes": [], "defects": []}
    (tmp_path / "predictions.json").write_bytes(msgspec.json.encode(content))
    read = open_predictions(tmp_path)
    assert (read.plan.loss, read.plan.pretrained) == (loss, pretrained)
    read.save()
    assert open_predictions(tmp_path).plan == read.plan
    for broken in (content | {"plan": plan | {"loss": "guess"}}, {**content, "plan": 3}, {"version": version}):
        (tmp_path / "predictions.json").write_bytes(msgspec.json.encode(broken))
        with pytest.raises(SegdataError, match=r"predictions\.json: not as segdata writes it"):
            open_predictions(tmp_path)


class StoppedError(Exception):
    """Somebody pressed a key."""


def test_networks_that_see_less_detail_say_as_much_and_go_on_where_they_were(shapes: Make, tmp_path: Path) -> None:
    dataset, coarse = shapes(tmp_path / "images", 4), replace(FEW, scale=0.45)

    def stop(stage: StageProgress) -> None:
        if stage.what == "predict 1 of 2" and stage.done == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        out_of_fold(dataset, tmp_path / "stopped", coarse, progress=stop)
    with pytest.raises(SegdataError, match="predictions for other labels or settings"):
        out_of_fold(dataset, tmp_path / "stopped", FEW)
    resumed = out_of_fold(dataset, tmp_path / "stopped", coarse)
    assert resumed.plan.scale == 0.45
    assert resumed.plan.tile == (32, 32)
    same(resumed, out_of_fold(dataset, tmp_path / "whole", coarse))
    for row in range(4):
        found, edges = resumed.probabilities(row), resumed.edges(row)
        assert edges is not None
        assert (found.shape, edges.shape) == ((3, 64, 64), (64, 64))
        np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)


def test_classes_of_pixels_have_no_instances(areas: Make, tmp_path: Path) -> None:
    found = out_of_fold(areas(tmp_path / "images", 4), tmp_path / "found", FEW)
    assert not found.plan.instances
    assert (found.instances(0), found.edges(0)) == (None, None)


def test_images_that_cannot_be_read_are_left_out_and_named(shapes: Make, tmp_path: Path) -> None:
    dataset = shapes(tmp_path / "images", 6)
    (tmp_path / "images" / "02.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (tmp_path / "images" / "04.png").unlink()
    found = out_of_fold(dataset, tmp_path / "found", FEW)
    assert found.usable.tolist() == [True, True, False, True, False, True]
    assert [(each.code, each.image) for each in found.defects] == [("SEG001", "02.png"), ("SEG002", "04.png")]
    assert open_predictions(tmp_path / "found").defects == found.defects
    with pytest.raises(SegdataError, match=r"02.png' has no prediction"):
        found.probabilities(2)


def test_one_image_or_none_that_is_labelled_is_an_error(shapes: Make, tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match="two are needed"):
        out_of_fold(shapes(tmp_path / "images", 1), tmp_path / "one", FEW)
    shapes(tmp_path / "images", 2)
    nothing = {f"0{at}.png": np.zeros((64, 64), np.uint8) for at in range(2)}
    blank = from_arrays(nothing, ["a"], images=tmp_path / "images")
    with pytest.raises(SegdataError, match="there is nothing to learn"):
        out_of_fold(blank, tmp_path / "blank", FEW)


def test_without_torch_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom segdata.api.in_memory import from_arrays\n"
        "from segdata.core.errors import SegdataError\nfrom segdata.noise.networks.out_of_fold import out_of_fold\n"
        "try: out_of_fold(from_arrays({}, ['a']), sys.argv[1])\nexcept SegdataError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x"], capture_output=True, text=True, check=True)
    assert "pip install 'segdata[torch]'" in done.stdout


def tables_of(n: int, groups: list[str] | None = None) -> Tables:
    drawing = draw_picture("\n\n".join(["ab\n.."] * n))
    if groups is not None:
        batch = drawing.batch
        images = replace_column(batch.images, "group", groups)
        drawing = PictureDataset(drawing.profile, Batch(images, batch.annotations, batch.segments, batch.runs))
    return measure_source(drawing, frozenset(), jobs=1)


def test_groups_are_in_one_fold() -> None:
    tables, all_ = tables_of(9, list("aabbccdde")), np.ones(9, bool)
    found = fold_units(RelatedImages.from_tables(tables), all_)
    assert (found.among(all_), found.note) == (5, "")
    fold = assign_folds(tables, found, all_, 3, 0)
    assert set(fold.tolist()) == {0, 1, 2}
    for a, b in ((0, 1), (2, 3), (4, 5), (6, 7)):
        assert fold[a] == fold[b]


def test_one_group_is_separated_and_that_is_said() -> None:
    all_ = np.ones(4, bool)
    found = fold_units(RelatedImages.from_tables(tables_of(4, list("aaaa"))), all_)
    assert found.among(all_) == 4
    assert "one group" in found.note


@pytest.mark.parametrize("seed", range(4))
def test_every_fold_has_images_to_learn_from(seed: int) -> None:
    tables, usable = tables_of(8), np.zeros(8, bool)
    usable[[1, 5, 6]] = True
    fold = assign_folds(tables, fold_units(RelatedImages.unrelated(8), usable), usable, 3, seed)
    assert set(fold[usable].tolist()) == {0, 1, 2}


def test_one_image_is_too_few() -> None:
    with pytest.raises(SegdataError, match="3 images, of which 1 can be read and are annotated: two are needed"):
        fold_units(RelatedImages.unrelated(3), np.array([True, False, False]))
