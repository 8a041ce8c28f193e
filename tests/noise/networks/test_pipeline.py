"""The pipeline of a GPU, run on a CPU: what it finds, who does what, and what the networks of a GPU cost.

No GPU was at hand. That the thread which has the device compute waits for no other work is measured with steps that
take a known time.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.noise.networks import prediction
from segdata.noise.networks.images import ImageCache
from segdata.noise.networks.network import build_network
from segdata.noise.networks.plan import Settings, TrainingPlan, plan_for
from segdata.noise.networks.prediction import ChannelLegend, predict
from segdata.noise.networks.predictions import StoredPrediction, prediction_path
from tests.noise.networks.test_plan import FACTS

CPU = torch.device("cpu")
LEGEND = ChannelLegend(np.array([3, 7]), np.array([True, True]))
Shapes = Callable[[Path, int], OpenDataset]


def predictor(shapes: Shapes, plan: TrainingPlan, folder: Path, n: int) -> Any:  # Any: it is private
    maps = shapes(folder / "images", n).maps()
    pictures = ImageCache(maps, 2**20)
    pictures.survey(1)
    model = build_network(plan, Settings(), CPU, 1).eval()
    (folder / "found" / "images").mkdir(parents=True)
    return prediction._ImagePredictor([model], maps, pictures, plan, LEGEND, folder / "found", CPU, np.arange(n))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("at_once", [1, 3, 16])
def test_the_pipeline_finds_what_images_one_by_one_give(
    shapes: Shapes, tiny: TrainingPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, at_once: int
) -> None:
    monkeypatch.setattr(prediction, "_ON_GPU", at_once)
    plan = replace(tiny, tile=(32, 64))
    work = predictor(shapes, plan, tmp_path, 5)
    assert len(list(work.pipeline([0, 1, 2, 3, 4], threads))) == 5
    predict(work.models, np.arange(5), work.maps, work.pictures, plan, LEGEND, tmp_path / "one", lambda done: None, 1)
    for row in range(5):
        ours, theirs = (
            StoredPrediction.decode(prediction_path(tmp_path / name, row).read_bytes()) for name in ("found", "one")
        )
        np.testing.assert_allclose(ours.probabilities(), theirs.probabilities(), atol=0.01)  # a byte more or less
        np.testing.assert_allclose(ours.edges(), theirs.edges(), atol=0.01)


def test_no_step_but_computing_is_in_the_thread_that_has_the_device_compute(
    shapes: Shapes, tiny: TrainingPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the device computes, the next images are read; what it computed is written while it goes on."""
    work, n, portion = predictor(shapes, tiny, tmp_path, 24), 24, 4
    by: dict[str, list[str]] = {"read": [], "pack": [], "compute": [], "keep": [], "write": []}
    stepped = threading.Condition()

    def noted(step: str, then: Callable[..., Any], awaited: str, least: int) -> Callable[..., Any]:
        """The step, which goes on only when another one has been begun so many times."""

        def run(*given: Any) -> Any:
            with stepped:
                by[step].append(threading.current_thread().name)
                stepped.notify_all()
                assert stepped.wait_for(lambda: len(by[awaited]) >= least, timeout=60), f"{step} waits for {awaited}"
            return then(*given)

        return run

    monkeypatch.setattr(prediction, "_ON_GPU", portion)
    monkeypatch.setattr(work.pictures, "get", noted("read", work.pictures.get, "read", 1))
    monkeypatch.setattr(work, "_pack", noted("pack", work._pack, "read", 1))
    monkeypatch.setattr(work, "_codes", noted("compute", work._codes, "read", portion + 1))
    monkeypatch.setattr(work, "_keep_tile", noted("keep", work._keep_tile, "compute", 1))
    monkeypatch.setattr(work, "write", noted("write", work.write, "compute", 2))
    assert len(list(work.pipeline([*range(n)], 2))) == n
    assert set(by["compute"]) == {threading.main_thread().name}
    assert not {*by["read"], *by["pack"], *by["keep"], *by["write"]} & set(by["compute"])
    assert all(by.values())


@pytest.mark.parametrize("threads", [2, 3])  # threads write files, or processes
def test_a_file_that_cannot_be_written_ends_the_pipeline(
    shapes: Shapes, tiny: TrainingPlan, tmp_path: Path, threads: int
) -> None:
    work = predictor(shapes, tiny, tmp_path, 4)
    (tmp_path / "found" / "images").rmdir()
    (tmp_path / "found" / "images").write_bytes(b"a file where the folder was")
    with pytest.raises(SegdataError, match="images"):
        list(work.pipeline([*range(4)], threads))


@pytest.mark.parametrize("side", [256, 512])
def test_the_networks_of_a_gpu_fit_a_thousand_images_a_second(side: int) -> None:
    """At 512 px: at most 100 GFLOP a look, and two looks; an H200 is said to do 790 TFLOP a second."""
    facts = replace(FACTS, device="cuda", height=side, width=side, largest=(side, side), categories=1)
    plan = plan_for(facts, Settings(), 2**33)
    with torch.device("meta"):
        model = build_network(plan, Settings(), torch.device("meta"), 0).eval()
        counter = FlopCounterMode(display=False)
        with counter, torch.inference_mode():
            model(torch.empty(1, 3, side, side))
    of_image = counter.get_total_flops() * (1 + plan.flips)
    assert counter.get_total_flops() < 100e9 * (side / 512) ** 2
    assert 1000 * of_image * (512 / side) ** 2 < 0.3 * 790e12
    large = plan_for(replace(facts, n_images=5000, n_units=5000), Settings(), 2**33)
    of_training = large.folds * large.steps * large.batch * 3 * counter.get_total_flops() * (large.crop / side) ** 2
    assert of_training < 480 * 0.3 * 790e12  # eight of the ten minutes of a full run on 5,000 images


def test_a_network_is_the_same_on_every_device() -> None:
    for side in (128, 512):
        facts = replace(FACTS, height=side, width=side, largest=(side, side))
        cpu, gpu = (plan_for(replace(facts, device=device), Settings(crop=256), 2**30) for device in ("cpu", "cuda"))
        assert (cpu.width, cpu.depth, cpu.encoder, cpu.loss) == (gpu.width, gpu.depth, gpu.encoder, gpu.loss)
