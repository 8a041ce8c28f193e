"""Training: one network on the images of all folds but one, in steps that depend on the seed and their number alone.

So a run that was killed goes on from its last checkpoint, and ends as one that was not.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from segdata.core.errors import SegdataError
from segdata.core.executor import n_threads, run_ordered
from segdata.core.runs import Ints
from segdata.noise.networks import checkpoint
from segdata.noise.networks.crops import WINDOW, Choice, Labels, Places, Windows, choose, made
from segdata.noise.networks.device import free_memory, half, precision
from segdata.noise.networks.losses import doubt, segmentation_loss, usual
from segdata.noise.networks.network import logits
from segdata.noise.networks.picture import Pictures
from segdata.noise.networks.plan import Plan

_EDGE_WEIGHTS = (1.0, 1.0, 2.0)  # neither, inside, edge
_HELD = 32  # crops that the network is judged by
_WARM_UP = 0.25  # of the steps, in which the rate rises
_AVERAGE = 40  # steps that the averaged weights remember, a tenth of the steps at most
_SHARE = 0.6  # of free memory, for activations
_SECONDS = 30.0  # between checkpoints


@dataclass(frozen=True)
class Task:
    """What is trained on what.

    Attributes
    ----------
    rows : images
    held : images whose crops judge the network during training; may be empty
    weights : (K,) float32 of the categories in the loss
    seed : of this network
    path : of the checkpoint
    """

    labels: Labels
    pictures: Pictures
    places: Places
    rows: Ints
    held: Ints
    weights: Tensor
    plan: Plan
    seed: int
    path: Path
    device: torch.device
    jobs: int = 0
    seconds: float = _SECONDS


@dataclass
class Pace:
    """How fast it went: crops that were learned from, seconds in all, and those in which the device waited for data."""

    crops: int = 0
    seconds: float = 0.0
    waited: float = 0.0


@dataclass
class _Progress:
    """Where a training is; all of it goes into checkpoints."""

    step: int = 0
    at_once: int = 0  # crops whose activations are in memory together
    best: float = math.inf
    stale: int = 0
    weights: dict[str, Tensor] | None = None  # the best so far
    history: list[float] = field(default_factory=list)


def train(task: Task, model: nn.Module, told: Callable[[int], None], pace: Pace) -> dict[str, Tensor]:
    """Train a network, and return the state dict of the average of its last weights when it was best.

    `told` is called with the number of steps done. Raises SegdataError where not even one crop fits into memory.
    """
    plan = task.plan
    averaged = AveragedModel(model, avg_fn=_mixed(_decay(plan.steps)), use_buffers=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    scaler = torch.amp.GradScaler(task.device.type, enabled=half(task.device) is torch.float16)
    now = _restored(task, model, averaged, optimiser, scaler)
    if not now.at_once:
        now.at_once = _fitting(task, model)
    places, saved, began = task.places.among(task.rows), time.monotonic(), time.monotonic()
    for choice, windows in _batches(task, places, now.step, pace):
        _step(task, model, optimiser, scaler, now, (choice, windows))
        averaged.update_parameters(model)
        now.step += 1
        pace.crops += plan.batch
        check = now.step % max(plan.steps // plan.checks, 1) == 0 or now.step == plan.steps
        if check:
            _check(task, averaged.module, now)
        stop = len(task.held) > 0 and now.stale >= plan.patience and now.step >= plan.steps // 2
        if check or time.monotonic() - saved >= task.seconds:
            _save(task, model, averaged, optimiser, scaler, now)
            saved = time.monotonic()
        told(plan.steps if stop else now.step)
        if stop:
            break
    pace.seconds += time.monotonic() - began
    return now.weights if now.weights is not None else _copied(averaged.module)


def rate(step: int, plan: Plan) -> float:
    """The learning rate of a step: half a cosine up to the highest in a quarter of the steps, and one down to nothing.

    Source: Smith and Topin (2019), "Super-convergence", SPIE 11006.
    """
    top = _WARM_UP * plan.steps
    risen = step / top if step < top else 1 - (step - top) / max(plan.steps - top, 1)
    return plan.learning_rate * (0.04 + 0.96 * (1 - math.cos(math.pi * max(risen, 0))) / 2)


def _batches(task: Task, places: Places, first: int, pace: Pace) -> Iterator[tuple[Choice, Windows]]:
    """The batches of the steps from `first` on, made ready by other threads where the device computes by itself."""

    def batch(step: int) -> tuple[Choice, Windows]:
        rng = np.random.default_rng([task.seed, step])
        choice = choose(rng, task.rows, places, task.labels.maps, task.plan, task.plan.batch)
        return choice, task.labels.windows(choice, task.pictures, task.plan, vary=True)

    threads = 1 if task.device.type == "cpu" else min(n_threads(task.jobs), _most_threads(task.plan))
    ready = run_ordered(batch, range(first, task.plan.steps), threads)
    while True:
        asked = time.monotonic()
        found = next(ready, None)
        pace.waited += time.monotonic() - asked
        if found is None:
            return
        yield found


def _most_threads(plan: Plan) -> int:
    """So many that the batches which they keep ready, two each, take a tenth of the memory."""
    batch = 2 * plan.batch * plan.channels * int(WINDOW * plan.crop) ** 2  # bytes, of 16 bits
    return int(np.clip(plan.memory // (20 * batch), 1, 16))


def _step(
    task: Task,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    now: _Progress,
    batch: tuple[Choice, Windows],
) -> None:
    """One step of the optimiser, again with fewer crops at once where memory is short."""
    for group in optimiser.param_groups:
        group["lr"] = rate(now.step, task.plan)
    model.train()
    while True:
        optimiser.zero_grad(set_to_none=True)
        try:
            with torch.random.fork_rng(devices=[task.device] if task.device.type == "cuda" else []):
                torch.manual_seed(task.seed * 1_000_003 + now.step)  # of dropout
                _gradients(task, model, scaler, now.at_once, batch)
            break
        except torch.OutOfMemoryError as error:
            if now.at_once == 1:
                raise SegdataError(
                    f"not even one crop of {task.plan.crop} px fits into the memory of {task.device}; "
                    "choose a smaller crop or width, or another device"
                ) from error
            now.at_once = -(-now.at_once // 2)
        optimiser.zero_grad(set_to_none=True)
        if task.device.type == "cuda":
            torch.cuda.empty_cache()
    scaler.unscale_(optimiser)
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    scaler.step(optimiser)
    scaler.update()


def _gradients(
    task: Task, model: nn.Module, scaler: torch.amp.GradScaler, at_once: int, batch: tuple[Choice, Windows]
) -> None:
    """Add up the gradients of a batch, `at_once` crops at a time."""
    choice, windows = batch
    images, wanted = made(windows, choice, task.plan, task.device)
    for first in range(0, len(images), at_once):
        part = slice(first, first + at_once)
        with precision(task.device):
            said, outlined = logits(model, images[part])
        loss = segmentation_loss(said, wanted.categories[part], task.weights, task.plan)
        if outlined is not None and wanted.contours is not None:
            edges = torch.tensor(_EDGE_WEIGHTS, device=task.device)
            loss = loss + segmentation_loss(outlined, wanted.contours[part], edges, task.plan)
        part_of_it = loss * (len(said) / len(images))
        scaler.scale(part_of_it).backward()  # type: ignore[no-untyped-call]  # torch has no type for it


def _check(task: Task, model: nn.Module, now: _Progress) -> None:
    """Judge the averaged network by crops of the images held out, and keep it where it is the best so far."""
    if not len(task.held):
        return
    model.eval()
    found: list[Tensor] = []
    edges: list[Tensor] = []
    places = task.places.among(task.held)
    with torch.inference_mode():
        for first in range(0, _HELD, now.at_once):
            rng = np.random.default_rng([task.seed, 2**31 + first])
            n = min(now.at_once, _HELD - first)
            choice = choose(rng, task.held, places, task.labels.maps, task.plan, n, vary=False)
            windows = task.labels.windows(choice, task.pictures, task.plan, vary=False)
            images, wanted = made(windows, choice, task.plan, task.device)
            with precision(task.device):
                said, outlined = logits(model, images)
            found.append(doubt(said, wanted.categories))
            if outlined is not None and wanted.contours is not None:
                edges.append(doubt(outlined, wanted.contours))
    told = float(np.mean([usual(torch.cat(each)) for each in (found, edges) if each]))
    now.history.append(told)
    if told < now.best:
        now.best, now.stale, now.weights = told, 0, _copied(model)
    elif not math.isnan(told):
        now.stale += 1


def _fitting(task: Task, model: nn.Module) -> int:
    """How many crops fit into memory at once, told by what the network keeps of one for its gradients."""
    kept = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    before = _copied(model)
    crop = torch.zeros(2, task.plan.channels, task.plan.crop, task.plan.crop, device=task.device)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), precision(task.device):
        logits(model.train(), crop)
    model.load_state_dict(before)  # the crop has gone into the running means
    free = min(_SHARE * free_memory(task.device), task.plan.memory / 2 if task.device.type == "cpu" else math.inf)
    return int(np.clip(free // max(kept, 1), 1, task.plan.batch))  # two crops' values; their gradients are as many


def _restored(
    task: Task,
    model: nn.Module,
    averaged: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> _Progress:
    """Where the checkpoint was, put into model and optimiser; the beginning without one."""
    state = checkpoint.load(task.path, task.device)
    if state is None:
        return _Progress()
    model.load_state_dict(state["model"])
    averaged.load_state_dict(state["averaged"])
    optimiser.load_state_dict(state["optimiser"])
    scaler.load_state_dict(state["scaler"])
    return _Progress(**state["progress"])


def _save(
    task: Task,
    model: nn.Module,
    averaged: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    now: _Progress,
) -> None:
    parts: dict[str, Any] = {
        "model": model,
        "averaged": averaged,
        "optimiser": optimiser,
        "scaler": scaler,
    }  # Any: all have state_dict
    checkpoint.save(task.path, {name: part.state_dict() for name, part in parts.items()} | {"progress": vars(now)})


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _mixed(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """The new average of the one so far and the present value; whole numbers are as they are now."""

    def mix(average: Tensor, value: Tensor, n: Tensor | int) -> Tensor:
        return torch.lerp(average, value, 1 - decay) if average.is_floating_point() else value

    return mix


def _decay(steps: int) -> float:
    return 1 - 1 / max(min(_AVERAGE, steps // 10), 1)
