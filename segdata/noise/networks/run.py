"""Run: the folds of one run, each trained and then applied to the images that were left out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segdata.core.deal import shuffled
from segdata.core.label_maps import LabelMaps
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.noise.networks import checkpoint
from segdata.noise.networks.crops import Labels, Places
from segdata.noise.networks.network import built
from segdata.noise.networks.picture import Pictures
from segdata.noise.networks.plan import Plan
from segdata.noise.networks.prediction import Legend, predict
from segdata.noise.networks.settings import Settings
from segdata.noise.networks.training import Pace, Task, train

_HELD_SHARE, _HELD_MOST, _HELD_LEAST = 0.1, 16, 10  # images that judge; below 10 images all are trained on
_STEEPEST = 10.0  # between the weights of two categories

Tell = Callable[[str, int, int], None]


@dataclass
class Run:
    """Everything that the folds of a run share.

    Attributes
    ----------
    pictures : reduced as planned
    fold_of : (n_images,) the fold that an image is left out with
    taught : (n_images,) whether an image is learned from, unless it is left out
    classes : (K - 1,) the classes of `maps` that channels 1, 2, … stand for
    pace : how fast the training went
    """

    maps: LabelMaps
    pictures: Pictures
    tables: Tables
    fold_of: Ints
    taught: NDArray[np.bool_]
    classes: Ints
    plan: Plan
    settings: Settings
    folder: Path
    device: torch.device
    pace: Pace = field(default_factory=Pace)

    def fold(self, number: int, rows: Ints, tell: Tell) -> None:
        """Train the networks of a fold, and predict the images `rows`; what is done already is not done again."""
        of = f"{number + 1} of {self.plan.folds}"
        if self.device.type == "cuda":
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        models = [self._member(number, member, of, tell) for member in range(self.plan.members)]
        legend = Legend(np.array(self.maps.classes, np.int64)[self.classes], self._is_thing()[self.classes])
        total = len(rows)
        predict(
            models,
            rows,
            self.maps,
            self.pictures,
            self.plan,
            legend,
            self.folder,
            lambda done: tell(f"predict {of}", done, total),
            self.settings.jobs,
        )

    def tidy(self) -> None:
        """Delete what only an unfinished run needs; the trained networks stay."""
        for path in (self.folder / "checkpoints").glob("*.pt"):
            path.unlink()

    def _member(self, number: int, member: int, of: str, tell: Tell) -> torch.nn.Module:
        """A trained network of a fold."""
        seed = (self.plan.seed * 1009 + number) * 1013 + member
        model = built(self.plan, self.settings, self.device, seed)
        name = f"{number}-{member}.pt"
        ready = checkpoint.load(self.folder / "networks" / name, self.device)
        if ready is None:
            task = self._task(number, seed, self.folder / "checkpoints" / name)
            ready = train(task, model, lambda done: tell(f"train {of}", done, self.plan.steps), self.pace)
            checkpoint.save(self.folder / "networks" / name, ready)
        model.load_state_dict(ready)
        return model

    def _task(self, number: int, seed: int, path: Path) -> Task:
        rows = np.flatnonzero(self.taught & (self.fold_of != number))
        held = _held(self.maps, rows, seed)
        channel = np.full(len(self.maps.classes), -1, np.int64)
        channel[self.classes] = np.arange(1, len(self.classes) + 1)
        labels = Labels(self._reduced, channel, self._is_thing())
        learned = np.setdiff1d(rows, held)
        weights = _weights(self._reduced, learned, channel, self.plan.categories).to(self.device)
        places = Places.of(self.tables, self.plan.scale)
        return Task(
            labels,
            self.pictures,
            places,
            learned,
            held,
            weights,
            self.plan,
            seed,
            path,
            self.device,
            self.settings.jobs,
        )

    @cached_property
    def _reduced(self) -> LabelMaps:
        """The labels as networks see them."""
        return self.maps.reduced(self.plan.scale)

    def _is_thing(self) -> NDArray[np.bool_]:
        """(n_classes,) whether segments of each class are told apart."""
        things = {each.id for each in self.tables.profile.taxonomy.categories if each.kind == "thing"}
        told_apart = self.plan.instances
        return np.array([told_apart and each in things for each in self.maps.classes], bool)


def _held(maps: LabelMaps, rows: Ints, seed: int) -> Ints:
    """The images that judge the network and so are not trained on: a tenth, 16 at most; none of few."""
    if len(rows) < _HELD_LEAST:
        return rows[:0]
    n = min(max(int(_HELD_SHARE * len(rows)), 2), _HELD_MOST)
    order = shuffled([maps.image_ids[row] for row in rows.tolist()], seed)
    return np.sort(rows[order[:n]])


def _weights(maps: LabelMaps, rows: Ints, channel: Ints, n_categories: int) -> Tensor:
    """(K,) of the categories in the loss: one over the root of their pixels, at most ten times the smallest."""
    pixels = np.zeros(n_categories)
    whole = 0
    for row in rows.tolist():
        segments = maps.segments(row)
        areas = segments.runs.areas(len(segments.classes))
        of = np.where(segments.classes >= 0, channel[segments.classes], -1)
        pixels += np.bincount(of[of >= 0], areas[of >= 0], n_categories)
        whole += int(maps.height[row] * maps.width[row]) - int(areas[of < 0].sum())
    pixels[0] = max(whole - pixels[1:].sum(), 0)
    found = 1 / np.sqrt(np.maximum(pixels, 1))
    found = np.minimum(found / found.min(), _STEEPEST)
    share = pixels / max(pixels.sum(), 1)
    return torch.tensor(found / max((found * share).sum(), 1e-9), dtype=torch.float32)
