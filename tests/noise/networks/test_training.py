import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.measure.measure import measure_source
from segdata.noise.networks.crops import CropLabels, SegmentCentres, prepared_batches
from segdata.noise.networks.images import ImageCache
from segdata.noise.networks.network import ConvolutionEncoder, UNet, build_network
from segdata.noise.networks.plan import Settings, TrainingPlan
from segdata.noise.networks.training import (
    TrainingPace,
    TrainingTask,
    _side_stream,
    _Training,
    learning_rate,
    take_turns,
)
from segdata.noise.networks.training import train as steps_of

CPU = torch.device("cpu")


class Narrow(UNet):
    """A U-Net on a device that holds `most` images at once."""

    def __init__(self, most: int) -> None:
        super().__init__(ConvolutionEncoder(3, 4, 2), 3, instances=False)
        self.most = most
        self.seen: list[int] = []

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.seen.append(len(images))
        return super().forward(images)


@pytest.fixture
def task(shapes: Callable[[Path, int], OpenDataset], tiny: TrainingPlan, tmp_path: Path) -> TrainingTask:
    dataset = shapes(tmp_path / "images", 6)
    maps = dataset.maps()
    pictures = ImageCache(maps, 2**24)
    pictures.survey(1)
    labels = CropLabels(maps, np.array([1, 2]), np.array([True, True]))
    places = SegmentCentres.from_tables(measure_source(dataset.source, frozenset()))
    rows, held = np.arange(5), np.arange(5, 6)
    plan = replace(tiny, steps=8, checks=4, crop=32, width=4)
    return TrainingTask(labels, pictures, places, rows, held, torch.ones(3), plan, 1, tmp_path / "0.pt", CPU, 1, 0.0)


def train(task: TrainingTask, model: nn.Module, report: Callable[[int], None], pace: TrainingPace) -> dict[str, Tensor]:
    """All steps."""
    steps = steps_of(task, model, report, pace)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: dict[str, Tensor] = end.value
            return result


def trained(task: TrainingTask, model: nn.Module | None = None) -> dict[str, Tensor]:
    network = build_network(task.plan, Settings(), CPU, 3) if model is None else model
    return train(task, network, lambda done: None, TrainingPace())


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(task: TrainingTask, tmp_path: Path) -> None:
    again, other = replace(task, path=tmp_path / "1.pt"), replace(task, path=tmp_path / "2.pt", seed=2)
    first = trained(task)
    assert equal(first, trained(again))
    assert not equal(first, trained(other))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    task: TrainingTask, tmp_path: Path, dropout: float
) -> None:
    task = replace(task, plan=replace(task.plan, dropout=dropout))
    whole = trained(task)

    class StopError(Exception):
        pass

    def stop(done: int) -> None:
        if done == 5:
            raise StopError

    broken = replace(task, path=tmp_path / "broken.pt")
    with pytest.raises(StopError):
        train(broken, build_network(task.plan, Settings(), CPU, 3), stop, TrainingPace())
    told: list[int] = []
    resumed = train(broken, build_network(task.plan, Settings(), CPU, 99), told.append, TrainingPace())
    assert told == [6, 7, 8]
    assert equal(whole, resumed)


def test_processes_prepare_the_same_batches_in_order(task: TrainingTask) -> None:
    here, there = (list(prepared_batches(task.batches, range(2, 9), n)) for n in (1, 2))
    assert len(here) == len(there) == 7
    for (choice, windows), (other, others) in zip(here, there, strict=True):
        np.testing.assert_array_equal(choice.image, other.image)
        np.testing.assert_array_equal(choice.turn, other.turn)
        assert torch.equal(windows.pixels, others.pixels)
        assert torch.equal(windows.runs, others.runs)


@pytest.fixture
def gpu(task: TrainingTask, monkeypatch: pytest.MonkeyPatch) -> TrainingTask:
    """The task on a GPU, whose steps are recorded after some."""
    if not torch.cuda.is_available():
        pytest.skip("no GPU here: recorded steps need CUDA")
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    device = torch.device("cuda")
    plan = replace(task.plan, steps=20, device="cuda")
    return replace(task, device=device, weights=task.weights.to(device), plan=plan, jobs=2)


def trained_on(task: TrainingTask, report: Callable[[int], None] = lambda done: None) -> dict[str, Tensor]:
    with _side_stream(task.device):
        return train(task, build_network(task.plan, Settings(), task.device, 3), report, TrainingPace())


def test_recorded_steps_do_what_single_ones_do(
    gpu: TrainingTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    may_record = _Training._can_record
    monkeypatch.setattr(_Training, "_can_record", lambda self: told.append(may_record(self)) or told[-1])
    recorded = trained_on(gpu)
    assert told.count(True) == 16
    monkeypatch.setattr(_Training, "_can_record", lambda self: False)
    single = trained_on(replace(gpu, path=tmp_path / "single.pt"))
    for name, weight in single.items():
        torch.testing.assert_close(recorded[name], weight, rtol=1e-4, atol=1e-5)


def test_a_recorded_training_that_was_stopped_ends_as_one_that_was_not(gpu: TrainingTask, tmp_path: Path) -> None:
    whole, broken = trained_on(gpu), replace(gpu, path=tmp_path / "broken.pt")

    def stop(done: int) -> None:
        if done == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained_on(broken, stop)
    assert equal(whole, trained_on(broken))


@pytest.mark.parametrize("most", [1, 3])
def test_what_does_not_fit_into_memory_is_learned_in_portions(task: TrainingTask, most: int) -> None:
    model = Narrow(4)  # as large as a batch, until training has begun
    model.most = most
    plan = replace(task.plan, instances=False, memory=2**30)
    model.most = 4
    told: list[int] = []

    def then(done: int) -> None:
        told.append(done)
        model.most = most

    train(replace(task, plan=plan, held=task.held[:0]), model, then, TrainingPace())
    assert told == list(range(1, 9))
    assert max(model.seen[3:]) <= most
    assert sum(model.seen[2:]) == 7 * plan.batch  # the first: how much memory it needs, and the step before


def test_one_crop_that_does_not_fit_is_an_error(task: TrainingTask) -> None:
    model = Narrow(2)  # enough to be looked at

    def then(done: int) -> None:
        model.most = 0

    with pytest.raises(SegdataError, match="one crop of 32 px does not fit into the memory of cpu"):
        train(replace(task, plan=replace(task.plan, instances=False)), model, then, TrainingPace())


def test_little_memory_means_few_crops_at_once(task: TrainingTask) -> None:
    model = Narrow(9)
    plan = replace(task.plan, instances=False, memory=2**19, steps=1)
    train(replace(task, plan=plan, held=task.held[:0]), model, lambda done: None, TrainingPace())
    assert model.seen[1:] == [1] * plan.batch


def test_it_stops_when_the_held_images_get_worse(task: TrainingTask) -> None:
    told: list[int] = []
    hopeless = replace(task.plan, steps=40, checks=20, patience=2, learning_rate=30.0)
    train(replace(task, plan=hopeless), build_network(hopeless, Settings(), CPU, 0), told.append, TrainingPace())
    assert told[-1] == 40  # it says that it is done
    assert len(told) < 40


class Dull(nn.Module):
    """It says the same of every pixel, whatever it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 3, *images.shape[2:]) * self.weight


def test_it_does_not_stop_before_it_has_begun_to_learn(task: TrainingTask) -> None:
    told: list[int] = []
    plan = replace(task.plan, steps=40, checks=20, patience=2, instances=False)
    train(replace(task, plan=plan), Dull(), told.append, TrainingPace())
    assert told == [*range(1, 41)]


def test_the_rate_rises_and_falls(tiny: TrainingPlan) -> None:
    plan = replace(tiny, steps=100, learning_rate=0.5)
    rates = [learning_rate(step, plan) for step in range(101)]
    assert np.argmax(rates) == 25
    assert max(rates) == pytest.approx(0.5)
    assert (np.diff(rates[:26]) > 0).all()
    assert (np.diff(rates[25:]) < 0).all()
    assert rates[-1] < 0.05 * max(rates)


def test_void_and_unreadable_images_alone_do_not_break_training(task: TrainingTask) -> None:
    nothing = CropLabels(task.labels.maps, np.array([-1, -1]), np.array([True, True]))
    found = trained(replace(task, labels=nothing))
    assert all(value.isfinite().all() for value in found.values() if value.is_floating_point())


class TestTurns:
    """Several works, a step at a time in turn."""

    @staticmethod
    def work(n: int, name: int, done: list[int], together: threading.Barrier | None = None) -> Iterator[None]:
        for _ in range(n):
            if together is not None:
                with suppress(threading.BrokenBarrierError):  # the last one is alone
                    together.wait(5)
            done.append(name)
            yield

    def test_three_works_keep_two_threads_busy_to_the_end(self) -> None:
        done: list[int] = []
        together = threading.Barrier(2)  # a step ends when two are at work
        take_turns([self.work(8, name, done, together) for name in range(3)], 2)
        assert sorted(done) == sorted([0, 1, 2] * 8)
        assert not together.broken
        for n in range(3, len(done)):
            assert np.ptp(np.bincount(done[:n], minlength=3)) <= 2

    def test_one_thread_does_one_after_the_other(self) -> None:
        done: list[int] = []
        take_turns([self.work(3, name, done) for name in range(2)], 1)
        assert done == [0, 0, 0, 1, 1, 1]

    @pytest.mark.parametrize("threads", [1, 2])
    def test_what_one_raises_is_raised_and_ends_the_others(self, threads: int) -> None:
        done: list[int] = []

        def broken() -> Iterator[None]:
            yield
            raise SegdataError("no memory")

        with pytest.raises(SegdataError, match="no memory"):
            take_turns([broken(), self.work(10_000, 1, done)], threads)
        assert len(done) < 100
