from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.measure.measure import measure
from segdata.noise.networks.crops import Labels, Places
from segdata.noise.networks.encoders import Convolutions
from segdata.noise.networks.network import UNet, built
from segdata.noise.networks.picture import Pictures
from segdata.noise.networks.plan import Plan
from segdata.noise.networks.settings import Settings
from segdata.noise.networks.training import Pace, Task, rate, train

CPU = torch.device("cpu")


class Narrow(UNet):
    """A U-Net on a device that holds `most` images at once."""

    def __init__(self, most: int) -> None:
        super().__init__(Convolutions(3, 4, 2), 3, instances=False)
        self.most = most
        self.seen: list[int] = []

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.seen.append(len(images))
        return super().forward(images)


@pytest.fixture
def task(shapes: Callable[[Path, int], OpenDataset], tiny: Plan, tmp_path: Path) -> Task:
    dataset = shapes(tmp_path / "images", 6)
    maps = dataset.maps()
    pictures = Pictures(maps, 2**24)
    pictures.survey(1)
    labels = Labels(maps, np.array([1, 2]), np.array([True, True]))
    places = Places.of(measure(dataset.source, frozenset()))
    rows, held = np.arange(5), np.arange(5, 6)
    plan = replace(tiny, steps=8, checks=4, crop=32, width=4)
    return Task(labels, pictures, places, rows, held, torch.ones(3), plan, 1, tmp_path / "0.pt", CPU, 1, 0.0)


def trained(task: Task, model: nn.Module | None = None) -> dict[str, Tensor]:
    network = built(task.plan, Settings(), CPU, 3) if model is None else model
    return train(task, network, lambda done: None, Pace())


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(task: Task, tmp_path: Path) -> None:
    again, other = replace(task, path=tmp_path / "1.pt"), replace(task, path=tmp_path / "2.pt", seed=2)
    first = trained(task)
    assert equal(first, trained(again))
    assert not equal(first, trained(other))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_training_that_was_stopped_ends_as_one_that_was_not(task: Task, tmp_path: Path, dropout: float) -> None:
    task = replace(task, plan=replace(task.plan, dropout=dropout))
    whole = trained(task)

    class StopError(Exception):
        pass

    def stop(done: int) -> None:
        if done == 5:
            raise StopError

    broken = replace(task, path=tmp_path / "broken.pt")
    with pytest.raises(StopError):
        train(broken, built(task.plan, Settings(), CPU, 3), stop, Pace())
    told: list[int] = []
    resumed = train(broken, built(task.plan, Settings(), CPU, 99), told.append, Pace())
    assert told == [6, 7, 8]
    assert equal(whole, resumed)


@pytest.mark.parametrize("most", [1, 3])
def test_what_does_not_fit_into_memory_is_learned_in_portions(task: Task, most: int) -> None:
    model = Narrow(4)  # as large as a batch, until training has begun
    model.most = most
    plan = replace(task.plan, instances=False, memory=2**30)
    model.most = 4
    told: list[int] = []

    def then(done: int) -> None:
        told.append(done)
        model.most = most

    train(replace(task, plan=plan, held=task.held[:0]), model, then, Pace())
    assert told == list(range(1, 9))
    assert max(model.seen[3:]) <= most
    assert sum(model.seen[2:]) == 7 * plan.batch  # the first: how much memory it needs, and the step before


def test_one_crop_that_does_not_fit_is_an_error(task: Task) -> None:
    model = Narrow(2)  # enough to be looked at

    def then(done: int) -> None:
        model.most = 0

    with pytest.raises(SegdataError, match="not even one crop of 32 px fits into the memory of cpu"):
        train(replace(task, plan=replace(task.plan, instances=False)), model, then, Pace())


def test_little_memory_means_few_crops_at_once(task: Task) -> None:
    model = Narrow(9)
    plan = replace(task.plan, instances=False, memory=2**20, steps=1)
    train(replace(task, plan=plan, held=task.held[:0]), model, lambda done: None, Pace())
    assert model.seen[1:] == [1] * plan.batch


def test_it_stops_when_the_held_images_get_worse(task: Task) -> None:
    told: list[int] = []
    hopeless = replace(task.plan, steps=40, checks=20, patience=2, learning_rate=30.0)
    train(replace(task, plan=hopeless), built(hopeless, Settings(), CPU, 0), told.append, Pace())
    assert told[-1] == 40  # it says that it is done
    assert len(told) < 40


def test_the_rate_rises_and_falls(tiny: Plan) -> None:
    plan = replace(tiny, steps=100, learning_rate=0.5)
    rates = [rate(step, plan) for step in range(101)]
    assert np.argmax(rates) == 25
    assert max(rates) == pytest.approx(0.5)
    assert (np.diff(rates[:26]) > 0).all()
    assert (np.diff(rates[25:]) < 0).all()
    assert rates[-1] < 0.05 * max(rates)


def test_void_and_unreadable_images_alone_do_not_break_training(task: Task) -> None:
    nothing = Labels(task.labels.maps, np.array([-1, -1]), np.array([True, True]))
    found = trained(replace(task, labels=nothing))
    assert all(value.isfinite().all() for value in found.values() if value.is_floating_point())
