"""Plan: every choice of a training, made from the data, the device and the settings, with its reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.noise.networks.detail import scale_for
from segdata.noise.networks.settings import Loss, Settings

MULTIPLE = 32  # of which sides of tiles are, so that networks can halve them five times
_PLACED = 0.12  # of the image's height: how far from the middle a category's mean place is, where there is an up
_STEP = 8 * 128**2  # pixels of a usual step on a CPU
_FEW = 60  # images, below which more folds leave each network more of them


@dataclass(frozen=True, slots=True)
class Facts:
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
    breadth : of segments in pixels, as `segdata.noise.networks.detail` has it; NaN: not known
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
class Plan:
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
    loss: Loss
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


def plan_for(facts: Facts, settings: Settings, memory: int) -> Plan:
    """The plan; what `settings` say goes before what the facts suggest. `memory` in bytes."""
    on_gpu = facts.device != "cpu"
    small, large = (128, 256) if not on_gpu else (256, 512)
    scale = settings.scale or scale_for(facts.breadth, instances=facts.instances)
    height, width = facts.height * scale, facts.width * scale
    side = int(min(height, width))
    crop = settings.crop or _crop(128 if settings.quick else large if side >= 384 else small, side)
    batch = settings.batch or (32 if on_gpu else 8 if crop <= 128 else 4)
    epochs, least, most = (3, 120, 160) if settings.quick else (30, 1000, 10_000) if on_gpu else (12, 300, 1200)
    folds, why_folds = _folds(facts, settings)
    crops = max(facts.n_images, 1) * (1 - 1 / folds) * height * width / crop**2
    cheap = np.clip(_STEP / (batch * crop**2), 1, 4)  # small crops: more steps are as much work
    steps = settings.steps or int(np.clip(epochs * crops / batch, least * cheap, most * cheap))
    rotate = facts.placed is None if settings.rotate is None else settings.rotate
    flips = settings.flips if settings.flips is not None else 0 if settings.quick else 2 if rotate else 1
    chosen = {
        "device": f"{facts.free / 2**30:.1f} GiB are free",
        "folds": why_folds,
        "width": "channels of the first level, for " + ("a GPU" if on_gpu else "a CPU"),
        "encoder": "has learnt from ImageNet" if settings.pretrained else "begins knowing nothing",
        "depth": "levels, each with half the side of the one before",
        "scale": f"of each side, before networks see it; what is labelled is {facts.breadth:.0f} px wide on average",
        "crop": f"px, of images that are {width:.0f}x{height:.0f} px then",
        "batch": "crops for each step",
        "steps": f"each pixel is seen about {steps * batch / crops:.0f} times",
        "learning_rate": "at most; it rises, then falls to nothing",
        "rotate": "quarter turns: " + ("no category has its place" if facts.placed is None else _upright(facts.placed)),
        "flips": "mirrored copies that are predicted, too",
        "tile": "px, predicted at once",
    }
    if settings.model is not None:  # whose size is its own
        chosen = {name: reason for name, reason in chosen.items() if name not in ("width", "encoder", "depth")}
    levels = 6 if settings.pretrained else 5 if on_gpu or (crop >= 256 and not settings.quick) else 4
    weighted = settings.weights is not None or settings.model is not None
    return Plan(
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
        why=tuple({name: _asked(settings, name) or reason for name, reason in chosen.items()}.items()),
    )


def placed(tables: Tables) -> str | None:
    """The name of the category whose segments are mostly high or mostly low in their images; None: there is none."""
    segments, images = tables.segments, tables.images
    height = np.maximum(images["height"][segments["image"]], 1)
    middle = (segments["y"] + segments["height"] / 2) / height - 0.5
    known = (segments["area"] > 0) & ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    ids, number = np.unique(segments["category_id"][known], return_inverse=True)
    n = np.maximum(np.bincount(number, minlength=len(ids)), 1)
    mean = np.bincount(number, middle[known], len(ids)) / n
    spread = np.sqrt(np.maximum(np.bincount(number, middle[known] ** 2, len(ids)) / n - mean**2, 0))
    far = np.where((n >= 10) & (np.abs(mean) > 3 * spread / np.sqrt(n)), np.abs(mean), 0)
    if not len(far) or far.max() < _PLACED:
        return None
    return tables.profile.name_of(int(ids[far.argmax()]))


def least_instance(areas: Ints) -> int:
    """A quarter of the area in pixels that 99 % of instances exceed."""
    return int(np.percentile(areas, 1) / 4) if len(areas) else 0


def _folds(facts: Facts, settings: Settings) -> tuple[int, str]:
    """How many, and why."""
    wanted = settings.folds or (2 if settings.quick else 5 if facts.n_images < _FEW else 3)
    folds = max(min(wanted, facts.n_units), 2)
    why = f"each network is trained on {100 * (folds - 1) // folds} % of {facts.n_images} images, and judges the others"
    return folds, f"{why}; {facts.n_units} groups are not separated" if facts.n_units < facts.n_images else why


def _crop(wanted: int, side: int) -> int:
    """Not larger than what covers an image."""
    return int(min(wanted, max(MULTIPLE * -(-side // MULTIPLE), MULTIPLE)))


def _tile(largest: tuple[int, int], scale: float) -> tuple[int, int]:
    high, wide = (min(MULTIPLE * -(-round(side * scale) // MULTIPLE), 512) for side in largest)
    return max(high, MULTIPLE), max(wide, MULTIPLE)


def _upright(category: str) -> str:
    return f"{category} has its place in the image, which so has a top"


def _asked(settings: Settings, name: str) -> str | None:
    """Why, where the settings say so."""
    given = getattr(settings, name, None)
    return "as the settings say" if given is not None and given != "auto" else None


def _is_float(value: object) -> bool:
    return isinstance(value, float)
