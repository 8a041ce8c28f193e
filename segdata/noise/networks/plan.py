"""Plan: every choice of a training, made from the data, the device and the settings, with its reason."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from segdata.core.label_maps import LabelMaps
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.noise.networks.settings import PixelLoss, Settings

_UNKNOWN_MEMORY = 4 * 2**30  # bytes, where nothing tells
_CGROUP = Path("/sys/fs/cgroup")


def free_main_memory() -> int:
    """Bytes of main memory that are free, to this process if it is limited."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return _UNKNOWN_MEMORY
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        free = min(free, limit - int((_CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):  # no limit
        pass
    return max(free, 2**28)


_SAMPLED_IMAGES = 40  # images
_STUFF_BREADTH, _THING_BREADTH = (
    6,
    12,
)  # px that are left of the width; twice as many where an edge is to divide things that touch
_MIN_SCALE = 1 / 8


def mean_breadth(maps: LabelMaps, rows: Ints) -> float:
    """How wide segments of some images are, in pixels; NaN where nothing is labelled.

    For a category it is 4 times its area over its outline: the side of a square, and twice the width of a line. For all
    together it is the geometric mean, so that large ones do not hide small ones. Of many images, every n-th is used.
    """
    area, outline = np.zeros((2, len(maps.classes)))
    for row in rows[:: -(-len(rows) // _SAMPLED_IMAGES) or 1].tolist():
        instances = maps.instances(row)
        painted, n = instances.map, len(instances.classes) + 1
        edge = np.zeros(n)
        for before, after in ((painted[1:], painted[:-1]), (painted[:, 1:], painted[:, :-1])):
            differ = before != after
            edge += np.bincount(before[differ], minlength=n) + np.bincount(after[differ], minlength=n)
        area += np.bincount(instances.classes, np.bincount(painted.ravel(), minlength=n)[1:], len(area))
        outline += np.bincount(instances.classes, edge[1:], len(area))
    has_outline = outline > 0
    return (
        float(np.exp(np.log(4 * area[has_outline] / outline[has_outline]).mean()))
        if has_outline.any()
        else float("nan")
    )


def scale_for(width: float, *, instances: bool) -> float:
    """1, 1/2, 1/4 or 1/8: the least at which segments of this `mean_breadth` stay as wide as is needed.

    >>> scale_for(19.4, instances=True), scale_for(28.9, instances=False), scale_for(float("nan"), instances=False)
    (1.0, 0.25, 1.0)
    """
    needed = _THING_BREADTH if instances else _STUFF_BREADTH
    halvings = np.floor(np.log2(max(width / needed, 1.0))) if np.isfinite(width) else 0.0
    return float(max(0.5**halvings, _MIN_SCALE))


MULTIPLE = 32  # of which sides of tiles are, so that networks can halve them five times
_MIN_OFFSET = 0.12  # of the image's height: how far from the middle a category's mean place is, where there is an up
_USUAL_STEP_PIXELS = 8 * 128**2  # pixels of a usual step on a CPU
_FEW_IMAGES = 60  # images, below which more folds leave each network more of them


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What the plan depends on.

    Attributes
    ----------
    n_images, n_units : images that are trained on, and groups of them that are not separated
    height, width : in pixels, the median image's; and the largest image's
    channels : of the images
    categories : how many occur
    instances : whether segments of one category are told apart
    placed : the category whose place in the image says which way is up; None: none has such a place
    least_area : in pixels; few instances are smaller
    device : ``cuda``, ``mps`` or ``cpu``
    free : bytes on the device
    breadth : of segments in pixels, as `segdata.noise.networks.plan` has it; NaN: not known
    """

    n_images: int
    n_units: int
    height: int
    width: int
    largest: tuple[int, int]
    channels: int
    categories: int
    instances: bool
    placed: str | None
    least_area: int
    device: str
    free: int
    breadth: float = float("nan")


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What training and prediction do. `str` explains each choice in words; units as in `Settings`.

    Attributes
    ----------
    crop, tile : of images reduced by `scale`, in pixels; tile: (height, width) of what is predicted at once
    checks : how often the network is looked at during training
    least_area : in pixels, of predicted instances
    memory : bytes for images and activations
    why : name of an attribute -> why it has its value
    """

    folds: int
    members: int
    channels: int
    categories: int
    instances: bool
    width: int
    depth: int
    crop: int
    tile: tuple[int, int]
    batch: int
    steps: int
    checks: int
    patience: int
    learning_rate: float
    loss: PixelLoss
    dice: float
    smoothing: float
    dropout: float
    weight_decay: float
    rotate: bool
    flips: int
    least_area: int
    seed: int
    device: str
    memory: int
    scale: float = 1.0
    encoder: Literal["convolutions", "efficientnet-lite0"] = "convolutions"
    why: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.words())

    def told(self) -> Iterator[tuple[str, str, str]]:
        """Each choice, its value in words, and why."""
        for name, reason in self.why:
            value = getattr(self, name)
            joined = "x".join(map(str, value)) if isinstance(value, tuple) else None
            yield name.replace("_", " "), joined or (f"{value:g}" if _is_float(value) else str(value)), reason

    def words(self) -> Iterator[str]:
        """One line for each choice: its value, and why."""
        for name, value, reason in self.told():
            yield f"{name} {value}: {reason}"


def plan_for(facts: DataFacts, settings: Settings, memory: int) -> TrainingPlan:
    """The plan; what `settings` say goes before what the facts suggest. `memory` in bytes."""
    on_gpu = facts.device != "cpu"
    small, large = (128, 256) if not on_gpu else (256, 512)
    scale = settings.scale or scale_for(facts.breadth, instances=facts.instances)
    height, width = facts.height * scale, facts.width * scale
    side = int(min(height, width))
    crop = settings.crop or _crop(128 if settings.quick else large if side >= 384 else small, side)
    batch = settings.batch or (32 if on_gpu else 8 if crop <= 128 else 4)
    epochs, least_steps, most_steps = (
        (3, 120, 160) if settings.quick else (30, 1000, 10_000) if on_gpu else (12, 300, 1200)
    )
    folds, why_folds = _folds(facts, settings)
    crops = max(facts.n_images, 1) * (1 - 1 / folds) * height * width / crop**2
    cheap = np.clip(_USUAL_STEP_PIXELS / (batch * crop**2), 1, 4)  # small crops: more steps are as much work
    steps = settings.steps or int(np.clip(epochs * crops / batch, least_steps * cheap, most_steps * cheap))
    rotate = facts.placed is None if settings.rotate is None else settings.rotate
    flips = settings.flips if settings.flips is not None else 0 if settings.quick else 2 if rotate else 1
    chosen = {
        "device": f"{facts.free / 2**30:.1f} GiB are free",
        "folds": why_folds,
        "width": "channels of the first level, for " + ("a GPU" if on_gpu else "a CPU"),
        "encoder": "pretrained on ImageNet" if settings.pretrained else "trained from scratch",
        "depth": "levels, each with half the side of the one before",
        "scale": f"of each side; segments are {facts.breadth:.0f} px wide on average",
        "crop": f"px, from images of {width:.0f}x{height:.0f} px after scaling",
        "batch": "crops per step",
        "steps": f"each pixel is seen about {steps * batch / crops:.0f} times",
        "learning_rate": "the maximum; it rises, then falls to 0",
        "rotate": "quarter turns: "
        + ("no category has a fixed place" if facts.placed is None else _upright_reason(facts.placed)),
        "flips": "mirrored copies that are predicted as well",
        "tile": "px, predicted at once",
    }
    if settings.model is not None:  # whose size is its own
        chosen = {name: reason for name, reason in chosen.items() if name not in ("width", "encoder", "depth")}
    levels = 6 if settings.pretrained else 5 if on_gpu or (crop >= 256 and not settings.quick) else 4
    weighted = settings.weights is not None or settings.model is not None
    return TrainingPlan(
        folds=folds,
        members=settings.members,
        channels=facts.channels,
        categories=facts.categories + 1,
        instances=facts.instances,
        width=settings.width or (48 if on_gpu else 16),
        depth=settings.depth or levels,
        crop=crop,
        tile=_tile(facts.largest, scale),
        batch=batch,
        steps=steps,
        checks=min(8, steps),
        patience=settings.patience,
        learning_rate=settings.learning_rate or (3e-4 if weighted else 1e-3 if settings.pretrained else 3e-3),
        loss=settings.loss,
        dice=settings.dice,
        smoothing=settings.smoothing,
        dropout=settings.dropout,
        weight_decay=settings.weight_decay,
        rotate=rotate,
        flips=flips,
        least_area=max(facts.least_area, 4),
        seed=settings.seed,
        device=facts.device,
        memory=memory,
        scale=scale,
        encoder="efficientnet-lite0" if settings.pretrained else "convolutions",
        why=tuple({name: _set_by_user(settings, name) or reason for name, reason in chosen.items()}.items()),
    )


def upright_category(tables: Tables) -> str | None:
    """The name of the category whose segments are mostly high or mostly low in their images; None: there is none."""
    segments, images = tables.segments, tables.images
    height = np.maximum(images["height"][segments["image"]], 1)
    middle = (segments["y"] + segments["height"] / 2) / height - 0.5
    is_used = (segments["area"] > 0) & ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    ids, number = np.unique(segments["category_id"][is_used], return_inverse=True)
    n = np.maximum(np.bincount(number, minlength=len(ids)), 1)
    mean = np.bincount(number, middle[is_used], len(ids)) / n
    spread = np.sqrt(np.maximum(np.bincount(number, middle[is_used] ** 2, len(ids)) / n - mean**2, 0))
    offset = np.where((n >= 10) & (np.abs(mean) > 3 * spread / np.sqrt(n)), np.abs(mean), 0)
    if not len(offset) or offset.max() < _MIN_OFFSET:
        return None
    return tables.profile.name_of(int(ids[offset.argmax()]))


def min_instance_area(areas: Ints) -> int:
    """A quarter of the area in pixels that 99 % of instances exceed."""
    return int(np.percentile(areas, 1) / 4) if len(areas) else 0


def _folds(facts: DataFacts, settings: Settings) -> tuple[int, str]:
    """How many, and why."""
    n_wanted = settings.folds or (2 if settings.quick else 5 if facts.n_images < _FEW_IMAGES else 3)
    folds = max(min(n_wanted, facts.n_units), 2)
    why = f"each network is trained on {100 * (folds - 1) // folds} % of {facts.n_images} images and judges the others"
    return folds, f"{why}; {facts.n_units} groups are not separated" if facts.n_units < facts.n_images else why


def _crop(size: int, side: int) -> int:
    """Not larger than what covers an image."""
    return int(min(size, max(MULTIPLE * -(-side // MULTIPLE), MULTIPLE)))


def _tile(largest: tuple[int, int], scale: float) -> tuple[int, int]:
    high, wide = (min(MULTIPLE * -(-round(side * scale) // MULTIPLE), 512) for side in largest)
    return max(high, MULTIPLE), max(wide, MULTIPLE)


def _upright_reason(category: str) -> str:
    return f"{category} has a fixed place, so images have a top"


def _set_by_user(settings: Settings, name: str) -> str | None:
    """Why, where the settings say so."""
    value = getattr(settings, name, None)
    return "set by you" if value is not None and value != "auto" else None


def _is_float(value: object) -> bool:
    return isinstance(value, float)
