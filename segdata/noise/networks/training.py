"""Training: one network per fold, on the images of all other folds, then applied to the images of that fold.

Each step depends only on the seed and its number, so a run that was killed resumes from its last checkpoint and ends
like one that was not.
"""

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from segdata.core.cluster import ImageCluster, check_shared
from segdata.core.errors import SegdataError
from segdata.core.executor import n_threads
from segdata.core.finding import Defect
from segdata.core.label_maps import LabelMaps
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Ints
from segdata.core.split_assignment import shuffle_rows
from segdata.noise.networks import network
from segdata.noise.networks.crops import (
    WINDOW,
    CropChoice,
    CropLabels,
    CropWindows,
    SegmentCentres,
    TrainingBatches,
    choose_crops,
    make_crops,
    prepared_batches,
)
from segdata.noise.networks.images import ImageCache
from segdata.noise.networks.losses import label_doubt, segmentation_loss, typical_doubt
from segdata.noise.networks.network import (
    SeededDropout,
    TrainingTargets,
    UNet,
    build_network,
    free_memory,
    half_precision,
    logits,
    precision,
)
from segdata.noise.networks.plan import Settings, TrainingPlan
from segdata.noise.networks.prediction import ChannelLegend, predict

_EDGE_WEIGHTS = (1.0, 1.0, 2.0)  # neither, inside, edge
_HELD_CROPS = 32  # crops that the network is judged by
_WARM_UP = 0.25  # of the steps, in which the rate rises
_AVERAGE = 40  # steps that the averaged weights remember, a tenth of the steps at most
_MEMORY_SHARE = 0.6  # of free memory, for activations
_WARM_STEPS = 4  # steps before one is recorded: libraries choose and allocate in the first ones
_CHECKPOINT_SECONDS = 30.0  # between checkpoints


@dataclass(frozen=True)
class TrainingTask:
    """A network's training: its data, weights and files."""

    labels: CropLabels
    pictures: ImageCache
    places: SegmentCentres
    rows: Ints  # images
    held: Ints  # images whose crops judge the network during training; may be empty
    weights: Tensor  # (K,) float32 of the categories in the loss
    plan: TrainingPlan
    seed: int  # of this network
    path: Path  # of the checkpoint
    device: torch.device
    jobs: int = 0
    seconds: float = _CHECKPOINT_SECONDS

    @property
    def batches(self) -> TrainingBatches:
        """The batch of each step."""
        places = self.places.among(self.rows)
        return TrainingBatches(self.labels, self.pictures, places, self.rows, self.plan, self.seed)


@dataclass
class TrainingPace:
    """The speed of training: crops, total seconds, and seconds in which the device waited for data."""

    crops: int = 0
    seconds: float = 0.0
    waited: float = 0.0


@dataclass
class _TrainingState:
    """The state of a training, which goes into checkpoints."""

    step: int = 0
    at_once: int = 0  # crops whose activations are in memory together
    best: float = math.inf
    stale: int = 0
    weights: dict[str, Tensor] | None = None  # the best so far
    history: list[float] = field(default_factory=list)

    def is_past_best(self, plan: TrainingPlan) -> bool:
        """Whether the network was best some checks ago, in the second half of the steps.

        One that was best at its first check has not begun to learn: small or rare things may come late, in one fold at
        a third of the steps, and in another after half of them.
        """
        begun = bool(self.history) and self.best < self.history[0]
        return begun and self.stale >= plan.patience and self.step >= plan.steps // 2


Steps = Generator[None, None, dict[str, Tensor]]


def train(task: TrainingTask, model: nn.Module, report: Callable[[int], None], pace: TrainingPace) -> Steps:
    """Train a network step by step; returns the state dict of the average of its last weights when it was best.

    `report` is called with the number of steps done. Raises SegdataError where not even one crop fits into memory.
    """
    return (yield from _Training(task, model).run(report, pace))


def take_turns(works: Iterable[Iterator[None]], threads: int) -> None:
    """Run several works in some threads, a step of each in turn, so that all end at about the same time.

    Three networks keep two threads busy to the end. A single thread runs one work after the other. If one raises, the
    others finish their step, and the error is raised here.
    """
    waiting, stopped = deque(works), Event()

    def advance() -> None:
        try:
            while waiting and not stopped.is_set():
                work = waiting.popleft()
                if next(work, waiting) is not waiting:
                    waiting.append(work)
        except IndexError:  # another thread was quicker
            return
        except BaseException:
            stopped.set()
            raise

    if threads == 1:
        for work in waiting:
            deque(work, 0)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="train") as pool:
        try:
            for future in [pool.submit(advance) for _ in range(threads)]:
                future.result()
        finally:
            stopped.set()


class _Training:
    """A network in training: its `state` and optimiser, which go into checkpoints."""

    def __init__(self, task: TrainingTask, model: nn.Module) -> None:
        plan, on_gpu = task.plan, task.device.type == "cuda"
        self.task, self.model, self.averaged = task, model, copy.deepcopy(model)
        self._mix = get_ema_multi_avg_fn(1 - 1 / max(min(_AVERAGE, plan.steps // 10), 1))  # type: ignore[no-untyped-call]
        # In a tensor, which a recorded step reads anew.
        rate = torch.tensor(plan.learning_rate, device=task.device) if on_gpu else plan.learning_rate
        self.optimiser = torch.optim.AdamW(
            model.parameters(), lr=rate, weight_decay=plan.weight_decay, fused=on_gpu, capturable=on_gpu
        )
        self._edge_weights = torch.tensor(_EDGE_WEIGHTS, device=task.device)
        self._recorded: _RecordedStep | None = None
        self.scaler = torch.amp.GradScaler(task.device.type, enabled=half_precision(task.device) is torch.float16)
        self.parts: dict[str, Any] = {  # Any: all have state_dict
            "model": model, "averaged": self.averaged, "optimiser": self.optimiser, "scaler": self.scaler
        }  # fmt: skip
        self.state = _TrainingState()
        checkpoint = network.load_checkpoint(task.path, task.device)
        if checkpoint is not None:
            for name, part in self.parts.items():
                part.load_state_dict(checkpoint[name])
            self.state = _TrainingState(**checkpoint["progress"])
        if not self.state.at_once:
            with self._fork_rng(task.seed):  # others build networks meanwhile by the generator of torch
                self.state.at_once = _crops_at_once(task, model)

    def run(self, report: Callable[[int], None], pace: TrainingPace) -> Steps:
        """Run all remaining steps; see `train`."""
        task, plan, state = self.task, self.task.plan, self.state
        saved = began = time.monotonic()
        for choice, windows in _batches(task, state.step, pace):
            self._step(choice, windows)
            state.step += 1
            pace.crops += plan.batch
            check = state.step % max(plan.steps // plan.checks, 1) == 0 or state.step == plan.steps
            if check:
                self._check()
            stop = len(task.held) > 0 and state.is_past_best(plan)
            if check or time.monotonic() - saved >= task.seconds:
                states = {name: part.state_dict() for name, part in self.parts.items()}
                network.save_checkpoint(task.path, states | {"progress": vars(state)})
                saved = time.monotonic()
            report(plan.steps if stop else state.step)
            if stop:
                break
            yield
        pace.seconds += time.monotonic() - began
        return state.weights if state.weights is not None else _copy_weights(self.averaged)

    def _step(self, choice: CropChoice, windows: CropWindows) -> None:
        """Run one step of the optimiser; repeat it with fewer crops at once if memory is short."""
        task, state = self.task, self.state
        rate = learning_rate(state.step, task.plan)
        for group in self.optimiser.param_groups:
            group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], Tensor) else rate
        self.model.train()
        while True:
            try:
                images, targets = make_crops(windows, choice, task.plan, task.device)
                if self._can_record():
                    if self._recorded is None:
                        self._recorded = _RecordedStep(self._update, images, targets)
                    self._recorded.run(images, targets)
                else:
                    self._update(images, targets)
                return
            except torch.OutOfMemoryError as error:
                if state.at_once == 1:
                    raise SegdataError(
                        f"one crop of {task.plan.crop} px does not fit into the memory of {task.device}; "
                        "choose a smaller crop or width, or another device"
                    ) from error
                state.at_once = -(-state.at_once // 2)
            self._recorded = None
            self.optimiser.zero_grad(set_to_none=True)
            if task.device.type == "cuda":
                torch.cuda.empty_cache()

    def _can_record(self) -> bool:
        """Whether a step can be recorded: on a GPU, all crops at once, without random numbers, scales or other code."""
        task = self.task
        return (
            task.device.type == "cuda"
            and self.state.step >= _WARM_STEPS
            and self.state.at_once == task.plan.batch
            and isinstance(self.model, UNet)
            and not task.plan.dropout
            and not self.scaler.is_enabled()
        )

    def _update(self, images: Tensor, targets: TrainingTargets) -> None:
        """Change the weights, and their average, by one batch."""
        self.optimiser.zero_grad(set_to_none=True)
        with self._fork_rng(self.task.seed * 1_000_003 + self.state.step):
            self._add_gradients(images, targets)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self._average()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights towards those of now; the first step copies them."""
        now, mean = (list(model.state_dict().values()) for model in (self.model, self.averaged))
        is_float = [value.is_floating_point() for value in now]
        if self.state.step:
            chosen = [[value for value, kept in zip(values, is_float, strict=True) if kept] for values in (mean, now)]
            self._mix(*chosen, 0)
        for average, value, mixed in zip(mean, now, is_float, strict=True):
            if not (mixed and self.state.step):
                average.copy_(value)

    @contextmanager
    def _fork_rng(self, seed: int) -> Iterator[None]:
        """Make randomness in the network, such as dropout, follow from the seed while the block runs.

        Our own networks have separate generators, since several may be trained at once; others use torch's.
        """
        own = [module for module in self.model.modules() if isinstance(module, SeededDropout)]
        for module in own:
            if module.share:
                module.generator = torch.Generator(self.task.device).manual_seed(seed)
        if own:
            try:
                yield
            finally:
                for module in own:
                    module.generator = None
            return
        with torch.random.fork_rng(devices=[self.task.device] if self.task.device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    def _add_gradients(self, images: Tensor, targets: TrainingTargets) -> None:
        """Add up the gradients of a batch, some crops at a time."""
        task, at_once = self.task, self.state.at_once
        for first in range(0, len(images), at_once):
            part = slice(first, first + at_once)
            with precision(task.device):
                output, outlined = logits(self.model, images[part])
            loss = segmentation_loss(output, targets.categories[part], task.weights, task.plan)
            if outlined is not None and targets.contours is not None:
                loss = loss + segmentation_loss(outlined, targets.contours[part], self._edge_weights, task.plan)
            share = loss * (len(output) / len(images))
            self.scaler.scale(share).backward()  # type: ignore[no-untyped-call]  # torch has no type for it

    def _check(self) -> None:
        """Judge the averaged network by crops of the held-out images, and keep it if it is the best so far."""
        task, state, model = self.task, self.state, self.averaged
        if not len(task.held):
            return
        model.eval()
        doubts: list[Tensor] = []
        edges: list[Tensor] = []
        places = task.places.among(task.held)
        with torch.inference_mode():
            for first in range(0, _HELD_CROPS, state.at_once):
                rng = np.random.default_rng([task.seed, 2**31 + first])
                n = min(state.at_once, _HELD_CROPS - first)
                choice = choose_crops(rng, task.held, places, task.labels.maps, task.plan, n, vary=False)
                windows = task.labels.windows(choice, task.pictures, task.plan, vary=False)
                images, targets = make_crops(windows, choice, task.plan, task.device)
                with precision(task.device):
                    output, outlined = logits(model, images)
                doubts.append(label_doubt(output, targets.categories))
                if outlined is not None and targets.contours is not None:
                    edges.append(label_doubt(outlined, targets.contours))
        doubt = float(np.mean([typical_doubt(torch.cat(parts)) for parts in (doubts, edges) if parts]))
        state.history.append(doubt)
        if doubt < state.best:
            state.best, state.stale, state.weights = doubt, 0, _copy_weights(model)
        elif not math.isnan(doubt):
            state.stale += 1


class _RecordedStep:
    """A step on a GPU, recorded once as a CUDA graph: a small network takes longer to launch than to compute.

    Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#whole-network-capture
    """

    def __init__(self, update: Callable[[Tensor, TrainingTargets], None], images: Tensor, targets: TrainingTargets):
        self._images = images.clone(memory_format=torch.preserve_format)
        contours = None if targets.contours is None else targets.contours.clone()
        self._targets = TrainingTargets(targets.categories.clone(), contours)
        self._graph = torch.cuda.CUDAGraph()
        # On the stream of the steps before it; other threads pin memory meanwhile.
        stream = torch.cuda.current_stream()
        with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
            update(self._images, self._targets)

    def run(self, images: Tensor, targets: TrainingTargets) -> None:
        """Run the step on another batch."""
        self._images.copy_(images)
        self._targets.categories.copy_(targets.categories)
        if self._targets.contours is not None and targets.contours is not None:
            self._targets.contours.copy_(targets.contours)
        self._graph.replay()


def learning_rate(step: int, plan: TrainingPlan) -> float:
    """The learning rate of a step: half a cosine up to the maximum in a quarter of the steps, then one down to zero.

    Source: Smith and Topin (2019), "Super-convergence", SPIE 11006.
    """
    top = _WARM_UP * plan.steps
    risen = step / top if step < top else 1 - (step - top) / max(plan.steps - top, 1)
    return plan.learning_rate * (0.04 + 0.96 * (1 - math.cos(math.pi * max(risen, 0))) / 2)


def _batches(task: TrainingTask, first: int, pace: TrainingPace) -> Iterator[tuple[CropChoice, CropWindows]]:
    """The batches of the steps from `first` on; other processes prepare them if the device computes by itself."""
    # The batches that processes keep ready, two each, may take a tenth of the memory.
    n_bytes = 2 * task.plan.batch * task.plan.channels * int(WINDOW * task.plan.crop) ** 2  # of a batch of 16 bits
    most = int(np.clip(task.plan.memory // (20 * n_bytes), 1, 16))
    n = 1 if task.device.type == "cpu" else min(n_threads(task.jobs), most)
    ready = prepared_batches(task.batches, range(first, task.plan.steps), n, pinned=task.device.type == "cuda")
    while True:
        since = time.monotonic()
        ready_batch = next(ready, None)
        pace.waited += time.monotonic() - since
        if ready_batch is None:
            return
        yield ready_batch


def _crops_at_once(task: TrainingTask, model: nn.Module) -> int:
    """The number of crops that fit into memory at once, by what the network keeps of one for its gradients."""
    n_bytes = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal n_bytes
        n_bytes += tensor.numel() * tensor.element_size()
        return tensor

    before = _copy_weights(model)
    crop = torch.zeros(2, task.plan.channels, task.plan.crop, task.plan.crop, device=task.device)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), precision(task.device):
        logits(model.train(), crop)
    model.load_state_dict(before)  # the crop has gone into the running means
    free = min(
        _MEMORY_SHARE * free_memory(task.device), task.plan.memory / 2 if task.device.type == "cpu" else math.inf
    )
    return int(np.clip(free // max(n_bytes, 1), 1, task.plan.batch))  # two crops' values; their gradients are as many


def _copy_weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


_HELD_SHARE, _HELD_MOST, _HELD_LEAST = 0.1, 16, 10  # images that judge; below 10 images all are trained on
_MAX_WEIGHT_RATIO = 10.0  # between the weights of two categories

Tell = Callable[[str, int, int], None]


_BUILDING = Lock()  # the first weights come from the one generator of torch


@dataclass
class FoldRun:
    """Everything that the folds of a run share."""

    maps: LabelMaps
    pictures: ImageCache  # reduced as planned
    tables: Tables
    fold_of: Ints  # (n_images,) the fold that an image is left out with
    taught: Flags  # (n_images,) whether an image is learned from, unless it is left out
    classes: Ints  # (K - 1,) the classes of `maps` that channels 1, 2, … stand for
    plan: TrainingPlan
    settings: Settings
    folder: Path
    device: torch.device
    pace: TrainingPace = field(default_factory=TrainingPace)  # how fast the training went
    networks: dict[tuple[int, int], nn.Module] = field(default_factory=dict)  # (fold, member) -> trained network
    _at_once: int = 1  # networks that are trained at the same time, and share the memory

    def train(self, tell: Tell) -> None:
        """Train the networks of all folds; those that are trained already are loaded.

        On a CPU all are trained side by side, each step by one thread. Together they use `Settings.jobs` threads, and
        none waits for the slowest part of each layer, as the threads of one network do on a busy machine.
        """
        if self.device.type == "cuda":
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        every = [(number, member) for number in range(self.plan.folds) for member in range(self.plan.members)]
        threads = n_threads(self.settings.jobs)
        alone = (
            self.device.type != "cpu" or self.settings.model is not None
        )  # a user's network may use torch's generator
        at_once = 1 if alone else min(threads, len(every))
        self._at_once = 1 if at_once == 1 else len(every)
        before, lock = torch.get_num_threads(), Lock()

        def report_stage(stage: str, done: int, total: int) -> None:
            with lock:
                tell(stage, done, total)

        torch.set_num_threads(max(threads // at_once, 1))
        try:
            with _side_stream(self.device):
                take_turns([self._member(*one, report_stage) for one in every], at_once)
        finally:
            torch.set_num_threads(before)

    def predict(self, readable: Flags, on: ImageCluster | None, tell: Tell) -> None:
        """Train, and predict the images `readable` (n_images,) by the networks of their folds; or `on` a cluster."""
        self.train(tell)
        if on is not None:
            self.fold_elsewhere(on, np.flatnonzero(readable), tell)
            return
        for number in range(self.plan.folds):
            self.fold(number, np.flatnonzero((self.fold_of == number) & readable), tell)

    def fold(self, number: int, rows: Ints, tell: Tell) -> None:
        """Predict the images `rows` by the networks of a fold; existing predictions stay."""
        models = [self.networks[number, member] for member in range(self.plan.members)]
        if self.device.type == "cuda":  # tiles have few shapes, and last digits depend on the device anyway
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, True

        def report(done: int) -> None:
            tell(f"predict {number + 1} of {self.plan.folds}", done, len(rows))

        predict(
            models, rows, self.maps, self.pictures, self.plan, self._legend(), self.folder, report, self.settings.jobs
        )

    def fold_elsewhere(self, on: ImageCluster, rows: Ints, tell: Tell) -> None:
        """Predict the images `rows` of all folds by the workers of a cluster; unreadable ones become defects."""
        work = _RemotePrediction(
            self.folder.absolute(), self.plan, self.settings, self._legend(), self.pictures.channels, self.fold_of
        )
        for done, (row, wrong) in enumerate(zip(rows.tolist(), on.run(work, rows), strict=True), 1):
            if wrong is not None:
                self.pictures.report(row, wrong.code, wrong.message)
            tell("predict", done, len(rows))

    def tidy(self) -> None:
        """Delete what only an unfinished run needs; the trained networks stay."""
        for path in (self.folder / "checkpoints").glob("*.pt"):
            path.unlink()

    def _member(self, number: int, member: int, tell: Tell) -> Iterator[None]:
        """Train a network of a fold, step by step, unless it is trained already."""
        position = f"{number + 1} of {self.plan.folds}"
        seed = (self.plan.seed * 1009 + number) * 1013 + member
        with _BUILDING:
            model = build_network(self.plan, self.settings, self.device, seed)
        name = f"{number}-{member}.pt"
        ready = network.load_checkpoint(self.folder / "networks" / name, self.device)
        if ready is None:
            task = self._task(number, seed, self.folder / "checkpoints" / name)
            report = partial(tell, f"train {position}")
            ready = yield from train(task, model, lambda done: report(done, self.plan.steps), self.pace)
            network.save_checkpoint(self.folder / "networks" / name, ready)
        model.load_state_dict(ready)
        self.networks[number, member] = model

    def _task(self, number: int, seed: int, path: Path) -> TrainingTask:
        rows = np.flatnonzero(self.taught & (self.fold_of != number))
        held_rows = _held_out_rows(self.maps, rows, seed)
        channel = np.full(len(self.maps.classes), -1, np.int64)
        channel[self.classes] = np.arange(1, len(self.classes) + 1)
        labels = CropLabels(self._scaled_labels, channel, self._is_thing())
        learned = np.setdiff1d(rows, held_rows)
        weights = torch.ones(self.plan.categories)
        if self.plan.class_weights:
            weights = _category_weights(self._scaled_labels, learned, channel, self.plan.categories)
        places = SegmentCentres.from_tables(self.tables, self.plan.scale)
        jobs, device = self.settings.jobs, self.device
        plan = replace(self.plan, memory=self.plan.memory // self._at_once)
        return TrainingTask(
            labels=labels,
            pictures=self.pictures,
            places=places,
            rows=learned,
            held=held_rows,
            weights=weights.to(device),
            plan=plan,
            seed=seed,
            path=path,
            device=device,
            jobs=jobs,
        )

    def _legend(self) -> ChannelLegend:
        return ChannelLegend(np.array(self.maps.classes, np.int64)[self.classes], self._is_thing()[self.classes])

    @cached_property
    def _scaled_labels(self) -> LabelMaps:
        """The labels as networks see them."""
        return self.maps.downscale(self.plan.scale)

    def _is_thing(self) -> Flags:
        """(n_classes,) whether a class has separate instances."""
        thing_ids = {id_.id for id_ in self.tables.profile.taxonomy.categories if id_.kind == "thing"}
        told_apart = self.plan.instances
        return np.array([told_apart and id_ in thing_ids for id_ in self.maps.classes], bool)


@contextmanager
def _side_stream(device: torch.device) -> Iterator[None]:
    """Compute on another stream than the default one, which cannot be recorded; other devices have none."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch has no type for it
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream(device).wait_stream(stream)


_REMOTE_IMAGES = 2**28  # bytes of decoded images that a worker keeps


@dataclass(frozen=True)
class _RemotePrediction:
    """Predicts images in a worker, by networks in the shared folder; see `segdata.core.cluster.ImageWork`."""

    folder: Path
    plan: TrainingPlan
    settings: Settings
    legend: ChannelLegend
    channels: int | None  # of the images
    fold_of: Ints  # (n_images,) of the dataset

    def __call__(self, maps: LabelMaps, images: Ints) -> list[Defect | None]:
        check_shared(self.folder / "key")
        pictures = ImageCache(maps, _REMOTE_IMAGES, scale=self.plan.scale)
        pictures.channels = self.channels
        fold = self.fold_of[images]
        for number in np.unique(fold).tolist():
            models, rows = self._networks(number), np.flatnonzero(fold == number)
            predict(
                models, rows, maps, pictures, self.plan, self.legend, self.folder, lambda done: None, 1, numbers=images
            )
        wrong = {defect.image: defect for defect in pictures.defects}
        return [wrong.get(name) for name in maps.image_ids]

    def _networks(self, number: int) -> list[nn.Module]:
        plan, settings = replace(self.plan, pretrained=False), replace(self.settings, weights=None)
        device = network.choose_device(settings.device)
        models = []
        for member in range(plan.members):
            path = self.folder / "networks" / f"{number}-{member}.pt"
            check_shared(path)
            model = build_network(plan, settings, device, 0)
            model.load_state_dict(network.load_checkpoint(path, device) or {})
            models.append(model)
        return models


def _held_out_rows(maps: LabelMaps, rows: Ints, seed: int) -> Ints:
    """The images that judge the network and are not trained on: a tenth, 16 at most; none if there are few."""
    if len(rows) < _HELD_LEAST:
        return rows[:0]
    n = min(max(int(_HELD_SHARE * len(rows)), 2), _HELD_MOST)
    order = shuffle_rows([maps.image_ids[row] for row in rows.tolist()], seed)
    return np.sort(rows[order[:n]])


def _category_weights(maps: LabelMaps, rows: Ints, channel: Ints, n_categories: int) -> Tensor:
    """(K,) of the categories in the loss: inverse to the root of their pixels, at most ten times the smallest."""
    pixels = np.zeros(n_categories)
    n_unlabelled = 0
    for row in rows.tolist():
        segments = maps.segments(row)
        areas = segments.runs.areas(len(segments.classes))
        channels = np.where(segments.classes >= 0, channel[segments.classes], -1)
        pixels += np.bincount(channels[channels >= 0], areas[channels >= 0], n_categories)
        n_unlabelled += int(maps.height[row] * maps.width[row]) - int(areas[channels < 0].sum())
    pixels[0] = max(n_unlabelled - pixels[1:].sum(), 0)
    weights = 1 / np.sqrt(np.maximum(pixels, 1))
    weights = np.minimum(weights / weights.min(), _MAX_WEIGHT_RATIO)
    share = pixels / max(pixels.sum(), 1)
    return torch.tensor(weights / max((weights * share).sum(), 1e-9), dtype=torch.float32)
