"""Settings of training, and the plan: every choice that follows from the data, the device and the settings, and why."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
import numpy as np

from segdata.core.config import USUAL_AUGMENTATIONS, Architecture, Augmentation, Loss, Training
from segdata.core.errors import SegdataError, check_choice
from segdata.core.label_maps import LabelMaps
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.noise.segments import SegmentSet

if TYPE_CHECKING:
    from torch import nn


Device = Literal["auto", "cuda", "mps", "cpu"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)
EncoderName = Literal["convolutions", "residual", "efficientnet-lite0"]
NetworkFactory = Callable[[int, int], "nn.Module"]  # of the number of channels and of categories, unlabelled among them


MULTIPLE = 32  # of the sides of tiles, so that networks can halve them five times
_MAX_LEVELS = 6  # levels of a network, that of the whole image among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of training and prediction; the plan chooses those that are None, and says why.

    Attributes
    ----------
    quick : an answer in minutes on a laptop: 2 folds, small crops, few steps, one prediction of each image
    folds : how many networks, each trained without the images that it is to judge
    members : networks for each fold, of different seeds, whose probabilities are averaged
    device : ``auto`` takes CUDA, else MPS, else the CPU
    seed : the same data, settings, seed and device give the same predictions
    max_memory : bytes of main memory for images and activations; default: half of what is free
    annotator : the annotator whose labels count; None: the first of each image
    group : columns whose values must not be separated, beside `group` and `sequence`
    near : whether to keep nearly equal images together, too
    model : a function that makes the network, see `segdata.noise.networks.network`; default: a U-Net
    pretrained : the U-Net's encoder is an EfficientNet-Lite0 that has learnt from ImageNet; needs a package
    weights : a file with a state dict, or parts of one, to begin with
    scale : the factor that reduces images before networks see them, above 0 to 1; 0.5: half of each side
    architecture : of the network, one of `ARCHITECTURES`; None: ``unet``. ``unet-residual`` adds the input of
        each pair of convolutions to its output; ``efficientnet-lite0`` without `pretrained` begins with random weights
    crop, width, depth, batch, steps, learning_rate : of the training; crop in pixels of the reduced image, width in
        channels
    loss : one of `LOSSES`; ``ce`` is cross-entropy
    dice : the weight of the soft Dice loss beside that of pixels, in ``ce+dice`` and ``focal+dice``
    class_weights : whether rare categories weigh more in the loss of pixels
    smoothing : label smoothing of ``ce`` and ``focal``, 0 to 1
    dropout, weight_decay : regularisation
    augment : how crops are varied, some of `AUGMENTATIONS`; None: `USUAL_AUGMENTATIONS`; labels move with their images
    rotate : whether quarter turns are among the augmentations; None: unless a category has its place in the image
    patience : the number of checks without improvement after which training stops
    flips : the number of mirrored copies of each image that are predicted, too, 0 to 2
    jobs : threads, those of torch among them; 0: one per core
    """

    quick: bool = False
    folds: int | None = None
    members: int = 1
    device: Device = "auto"
    seed: int = 0
    max_memory: int | None = None
    annotator: str | None = None
    group: tuple[str, ...] = ()
    near: bool = True
    model: NetworkFactory | None = field(default=None, compare=False)
    pretrained: bool = False
    weights: Path | None = None
    scale: float | None = None
    architecture: Architecture | None = None
    crop: int | None = None
    width: int | None = None
    depth: int | None = None
    batch: int | None = None
    steps: int | None = None
    learning_rate: float | None = None
    loss: Loss = "ce+dice"
    dice: float = 0.5
    class_weights: bool = True
    smoothing: float = 0.05
    dropout: float = 0.0
    weight_decay: float = 1e-2
    augment: tuple[Augmentation, ...] | None = None
    rotate: bool | None = None
    patience: int = 3
    flips: int | None = None
    jobs: int = 0

    def __post_init__(self) -> None:
        """Raise SegdataError for values that cannot work."""
        check_choice("device", self.device, ("auto", "cuda", "mps", "cpu"))
        check_choice("loss", self.loss, LOSSES)
        if self.architecture is not None:
            check_choice("architecture", self.architecture, ARCHITECTURES)
        for kind in self.augment or ():
            check_choice("augment", kind, AUGMENTATIONS)
        lowest: dict[str, float] = {
            "folds": 2,
            "members": 1,
            "max_memory": 2**26,
            "crop": MULTIPLE,
            "width": 1,
            "depth": 1,
            "batch": 1,
        }
        lowest |= {"steps": 1, "patience": 1, "flips": 0, "learning_rate": 1e-9, "weight_decay": 0, "dice": 0}
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise SegdataError(f"{name} is {value:g}; it must be {low:g} or more")
        for name in ("smoothing", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise SegdataError(f"{name} is {getattr(self, name):g}; it must be at least 0 and below 1")
        if self.scale is not None and not 0 < self.scale <= 1:
            raise SegdataError(f"scale is {self.scale:g}; it must be above 0 and at most 1")
        if self.crop is not None and self.crop % MULTIPLE:
            raise SegdataError(f"crop is {self.crop}; it must be a multiple of {MULTIPLE}, such as 256")
        if self.depth is not None and self.depth > _MAX_LEVELS:
            raise SegdataError(f"depth is {self.depth}; it must be {_MAX_LEVELS} or less")
        if self.pretrained and (self.model is not None or self.depth is not None):
            raise SegdataError("pretrained sets the encoder, so you cannot give model or depth")
        if self.pretrained and self.architecture not in (None, "efficientnet-lite0"):
            raise SegdataError(f"pretrained is efficientnet-lite0, so you cannot give architecture {self.architecture}")
        if self.architecture is not None and self.model is not None:
            raise SegdataError("model is your own network, so you cannot give architecture")
        if self.architecture == "efficientnet-lite0" and self.depth is not None:
            raise SegdataError("efficientnet-lite0 has a depth of its own, so you cannot give depth")
        if self.flips is not None and self.flips > 2:
            raise SegdataError(f"flips is {self.flips}; there are 2: left to right, and top to bottom")


def augmentations(names: Iterable[str]) -> tuple[Augmentation, ...]:
    """The augmentations that some names stand for; ``usual`` stands for several. Raises SegdataError for others.

    >>> augmentations(["usual", "blur"])
    ('mirror', 'turn', 'scale', 'light', 'blur')
    """
    every: dict[Augmentation, None] = {}
    for name in names:
        listed = (
            USUAL_AUGMENTATIONS
            if name == "usual"
            else [augmentation for augmentation in AUGMENTATIONS if augmentation == name]
        )
        if not listed:
            raise SegdataError(f"augment {name!r}: choose none, usual, {', '.join(AUGMENTATIONS)}, or several of these")
        every |= dict.fromkeys(listed)
    return tuple(every)


def configured_settings(training: Training | None, given: Mapping[str, Any]) -> Settings:
    """The settings of segdata.yaml, overridden by those that you give."""
    values: dict[str, Any] = {}  # Any: each setting has its own type
    for name in () if training is None else training.__struct_fields__:
        value = getattr(training, name)
        if value is not None:
            values[name] = augmentations(value) if name == "augment" else value
    if any(given.get(name) for name in ("model", "pretrained", "architecture")):  # another network than the file's
        values = {name: value for name, value in values.items() if name not in ("architecture", "pretrained", "depth")}
    return Settings(**{**values, **given})


def load_model_factory(text: str) -> NetworkFactory:
    """The function that makes a network: ``file.py:function`` or ``package.module:function``.

    The file or module is run as Python. Raises SegdataError if it has no such function.
    """
    place, mark, name = text.rpartition(":")
    if not (place and mark and name):
        raise SegdataError(f"model {text!r}: write FILE.py:FUNCTION or MODULE:FUNCTION")
    try:
        module = _load_file(Path(place)) if place.endswith(".py") else import_module(place)
    except (ImportError, OSError, SyntaxError) as error:
        raise SegdataError(f"model {text!r}: cannot be imported: {error}") from error
    factory = getattr(module, name, None)
    if not callable(factory):
        raise SegdataError(f"model {text!r}: {place} has no function {name}")
    return factory  # type: ignore[no-any-return]  # whatever the user wrote


def _load_file(path: Path) -> ModuleType:
    """Load a Python file as a module with the file's name."""
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class StageProgress:
    """The progress of a stage."""

    what: str  # ``train 1 of 3``, ``predict 1 of 3``, ``look``, ``rank``, ``correct``
    done: int  # steps or images
    total: int  # 0: it is not known how many
    seconds_left: float  # of this stage, as it went so far; NaN: not known yet


def ignore_progress(stage: StageProgress) -> None:
    """Ignore a report of progress."""


_UNKNOWN_MEMORY = 4 * 2**30  # bytes, where nothing tells
_CGROUP = Path("/sys/fs/cgroup")


def free_main_memory() -> int:
    """The free bytes of main memory; of this process, if its memory is limited."""
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
_STUFF_BREADTH, _THING_BREADTH = 6, 12  # px left of the width; more where an edge is to divide things that touch
_MIN_SCALE = 1 / 8


def mean_breadth(maps: LabelMaps, rows: Ints) -> float:
    """The mean width of the segments of some images, in pixels; NaN if nothing is labelled.

    For a category it is 4 times its area over its outline: the side of a square, and twice the width of a line. For all
    together it is the geometric mean, so that large ones do not hide small ones. If there are many images, every n-th
    counts.
    """
    area, outline = np.zeros((2, len(maps.classes)))
    for row in rows[:: -(-len(rows) // _SAMPLED_IMAGES) or 1].tolist():
        instances = maps.instances(row)
        n, size = len(instances.classes) + 1, (int(maps.height[row]), int(maps.width[row]))
        painted = SegmentSet.from_runs(instances.runs, np.arange(1, n), *size).categories().reshape(size[::-1])
        edge = np.zeros(n)
        for a, b in ((painted[1:], painted[:-1]), (painted[:, 1:], painted[:, :-1])):
            edge += np.bincount(a[a != b], minlength=n) + np.bincount(b[a != b], minlength=n)
        area += np.bincount(instances.classes, np.bincount(painted.ravel(), minlength=n)[1:], len(area))
        outline += np.bincount(instances.classes, edge[1:], len(area))
    breadth = 4 * area[outline > 0] / outline[outline > 0]
    return float(np.exp(np.log(breadth).mean())) if len(breadth) else float("nan")


def scale_for(width: float, *, instances: bool) -> float:
    """1, 1/2, 1/4 or 1/8: the smallest scale at which segments of this `mean_breadth` stay wide enough.

    >>> scale_for(19.4, instances=True), scale_for(28.9, instances=False), scale_for(float("nan"), instances=False)
    (1.0, 0.25, 1.0)
    """
    needed = _THING_BREADTH if instances else _STUFF_BREADTH
    halvings = np.floor(np.log2(max(width / needed, 1.0))) if np.isfinite(width) else 0.0
    return float(max(0.5**halvings, _MIN_SCALE))


_MIN_OFFSET = 0.12  # of the image's height: how far from the middle a category's mean place is, where there is an up
_USUAL_STEP_PIXELS = 8 * 128**2  # pixels of a usual step on a CPU
_LONGEST_TILE, _LONGEST_TILE_OF_MANY = 768, 512  # px; many categories, or tiles at once, take more memory
_FEW_CATEGORIES = 64
_WIDTH = 16  # channels of the first level, on every device
_FEW_IMAGES = 60  # images, below which more folds leave each network more of them


@dataclass(frozen=True, slots=True)
class DataFacts:
    """The facts that the plan depends on."""

    n_images: int  # images that are trained on
    n_units: int  # groups of them that are not separated
    height: int  # in pixels, the median image's
    width: int
    largest: tuple[int, int]
    channels: int  # of the images
    categories: int  # how many occur
    instances: bool  # whether segments of one category are told apart
    placed: str | None  # the category whose place in the image says which way is up; None: none has such a place
    least_area: int  # in pixels; few instances are smaller
    device: str  # ``cuda``, ``mps`` or ``cpu``
    free: int  # bytes on the device
    breadth: float = float("nan")  # of segments in pixels, as `segdata.noise.networks.plan` has it; NaN: not known


class PlanChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One choice of the training, its value in words, and why."""

    choice: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The plan of training and prediction. `str` explains each choice in words; units as in `Settings`."""

    folds: int
    members: int
    channels: int
    categories: int
    instances: bool
    width: int
    depth: int
    crop: int  # in pixels of images reduced by `scale`
    tile: tuple[int, int]  # (height, width) of what is predicted at once, in the same pixels
    batch: int
    steps: int
    checks: int  # how often the network is looked at during training
    patience: int
    learning_rate: float
    loss: Loss
    dice: float
    smoothing: float
    dropout: float
    weight_decay: float
    rotate: bool
    flips: int
    least_area: int  # in pixels, of predicted instances
    seed: int
    device: str
    memory: int  # bytes for images and activations
    scale: float = 1.0
    encoder: EncoderName = "convolutions"
    pretrained: bool = False
    class_weights: bool = True
    augment: tuple[Augmentation, ...] = USUAL_AUGMENTATIONS
    why: tuple[tuple[str, str], ...] = ()  # name of an attribute -> why it has its value

    def __str__(self) -> str:
        return "\n".join(f"{choice.choice} {choice.value}: {choice.why}" for choice in self.choices)

    @property
    def choices(self) -> tuple[PlanChoice, ...]:
        """Each choice with its value in words and the reason."""
        return tuple(
            PlanChoice(choice=name.replace("_", " "), value=self._in_words(name), why=reason)
            for name, reason in self.why
        )

    def _in_words(self, name: str) -> str:
        """The value of an attribute in words."""
        value = getattr(self, name)
        if isinstance(value, tuple):
            return (" " if name == "augment" else "x").join(map(str, value)) or "none"
        return f"{value:g}" if isinstance(value, float) else str(value)


_ENCODERS: dict[Architecture, EncoderName] = {
    "unet": "convolutions", "unet-residual": "residual", "efficientnet-lite0": "efficientnet-lite0"
}  # fmt: skip


def plan_for(facts: DataFacts, settings: Settings, memory: int) -> TrainingPlan:
    """Make the plan; `settings` take precedence over what the facts suggest. `memory` is in bytes."""
    on_gpu = facts.device != "cpu"
    small, large = (128, 256) if not on_gpu else (256, 256)
    scale = settings.scale or scale_for(facts.breadth, instances=facts.instances)
    height, width = facts.height * scale, facts.width * scale
    side = int(min(height, width))
    size = 128 if settings.quick else large if side >= 384 else small
    crop = settings.crop or int(min(size, max(MULTIPLE * -(-side // MULTIPLE), MULTIPLE)))  # to cover an image
    batch = settings.batch or ((32 if crop <= 256 else 8) if on_gpu else 8 if crop <= 128 else 4)
    epochs, least_steps, most_steps = (
        (3, 120, 160) if settings.quick else (30, 1000, 8_000) if on_gpu else (12, 300, 1200)
    )
    folds, why_folds = _folds(facts, settings)
    crops = max(facts.n_images, 1) * (1 - 1 / folds) * height * width / crop**2
    cheap = np.clip(_USUAL_STEP_PIXELS / (batch * crop**2), 1, 4)  # small crops: more steps are as much work
    steps = settings.steps or int(np.clip(epochs * crops / batch, least_steps * cheap, most_steps * cheap))
    rotate = facts.placed is None if settings.rotate is None else settings.rotate
    most_flips = 1 if on_gpu or not rotate else 2  # a third of the GPU's time for a copy that adds little
    flips = settings.flips if settings.flips is not None else 0 if settings.quick else most_flips
    seen = f"each pixel is seen about {steps * batch / crops:.0f} times"
    architecture = "efficientnet-lite0" if settings.pretrained else settings.architecture or "unet"
    lite = architecture == "efficientnet-lite0"
    levels = 6 if lite else 5 if crop >= 256 and not settings.quick else 4
    longest = _LONGEST_TILE if facts.categories <= _FEW_CATEGORIES and not on_gpu else _LONGEST_TILE_OF_MANY
    tile = [max(min(MULTIPLE * -(-round(length * scale) // MULTIPLE), longest), MULTIPLE) for length in facts.largest]
    weighted = settings.weights is not None or settings.model is not None
    return TrainingPlan(
        folds=folds,
        members=settings.members,
        channels=facts.channels,
        categories=facts.categories + 1,
        instances=facts.instances,
        width=settings.width or _WIDTH,
        depth=settings.depth or levels,
        crop=crop,
        tile=(tile[0], tile[1]),
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
        encoder=_ENCODERS[architecture],
        pretrained=settings.pretrained,
        class_weights=settings.class_weights,
        augment=USUAL_AUGMENTATIONS if settings.augment is None else settings.augment,
        why=_reasons(facts, settings, why_folds, f"px, from images of {width:.0f}x{height:.0f} px after scaling", seen),
    )


def _reasons(facts: DataFacts, settings: Settings, folds: str, crop: str, steps: str) -> tuple[tuple[str, str], ...]:
    """The reason of each choice; the caller gives those of `folds`, `crop` and `steps`."""
    reasons = {
        "device": f"{facts.free / 2**30:.1f} GiB are free",
        "folds": folds,
        "width": "channels of the first level",
        "encoder": "pretrained on ImageNet" if settings.pretrained else "trained from scratch",
        "depth": "levels, each with half the side of the one before",
        "scale": f"of each side; segments are {facts.breadth:.0f} px wide on average",
        "crop": crop,
        "batch": "crops per step",
        "steps": steps,
        "learning_rate": "the maximum; it rises, then falls to 0",
        "loss": "of pixels and of overlaps" if "+" in settings.loss else "of each step",
        "augment": "how crops are varied",
        "rotate": "quarter turns: no category has a fixed place"
        if facts.placed is None
        else f"quarter turns: {facts.placed} has a fixed place, so images have a top",
        "flips": "mirrored copies that are predicted as well",
        "tile": "px at most, predicted at once",
    }
    if settings.model is not None:  # the size of a user's network is unknown
        reasons = {name: reason for name, reason in reasons.items() if name not in ("width", "encoder", "depth")}
    return tuple((name, _set_by_user(settings, name) or reason) for name, reason in reasons.items())


def upright_category(tables: Tables) -> str | None:
    """The name of the category whose segments are mostly high or mostly low in their images, or None."""
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
    """A quarter of the area in pixels that 99 % of instances, with `areas` (n,), exceed."""
    return int(np.percentile(areas, 1) / 4) if len(areas) else 0


def _folds(facts: DataFacts, settings: Settings) -> tuple[int, str]:
    """The number of folds, and the reason."""
    n_wanted = settings.folds or (2 if settings.quick else 5 if facts.n_images < _FEW_IMAGES else 3)
    folds = max(min(n_wanted, facts.n_units), 2)
    why = f"each network is trained on {100 * (folds - 1) // folds} % of {facts.n_images} images and judges the others"
    return folds, f"{why}; {facts.n_units} groups are not separated" if facts.n_units < facts.n_images else why


def _set_by_user(settings: Settings, name: str) -> str | None:
    """The reason of a choice that the settings made."""
    usual = {"encoder": settings.architecture, "loss": None if settings.loss == Settings().loss else settings.loss}
    value = usual[name] if name in usual else getattr(settings, name, None)
    return "set by you" if value is not None and value != "auto" else None
