"""Settings of training, and the progress it reports. Values left open follow from the data and the device."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from segdata.core.errors import SegdataError, check_choice

if TYPE_CHECKING:
    from torch import nn


Device = Literal["auto", "cuda", "mps", "cpu"]
PixelLoss = Literal["cross-entropy", "focal"]
NetworkFactory = Callable[[int, int], "nn.Module"]  # of the number of channels and of categories, unlabelled among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of training and prediction; None: chosen, and explained by the `Plan`.

    Attributes
    ----------
    quick : an answer in minutes on a laptop: 2 folds, small crops, few steps, one look at each image
    folds : how many networks, each trained without the images that it is to judge
    members : networks for each fold, of different seeds, whose probabilities are averaged
    device : ``auto`` takes CUDA, else MPS, else the CPU
    seed : the same data, settings, seed and device give the same predictions
    max_memory : bytes of main memory for images and activations; default: half of what is free
    annotator : whose labels; None: the first of each image
    group : columns whose values must not be separated, beside `group` and `sequence`
    near : images that are nearly the same are not separated either
    model : makes the network, see `segdata.noise.networks.network`; default: a U-Net
    pretrained : the U-Net's encoder is an EfficientNet-Lite0 that has learnt from ImageNet; needs a package
    weights : a file with a state dict, or parts of one, to begin with
    scale : what images are reduced to before networks see them, above 0 to 1; 0.5: half of each side
    crop, width, depth, batch, steps, learning_rate : of the training; crop in pixels of the reduced image, width in
        channels
    loss : of pixels, beside the soft Dice loss that has the share `dice`
    smoothing : label smoothing, 0 to 1
    dropout, weight_decay : regularisation
    rotate : whether quarter turns are among the augmentations; None: unless a category has its place in the image
    patience : checks without improvement after which training stops
    flips : mirrored copies of each image that are predicted as well, 0 to 2
    jobs : threads; 0: one per core
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
    crop: int | None = None
    width: int | None = None
    depth: int | None = None
    batch: int | None = None
    steps: int | None = None
    learning_rate: float | None = None
    loss: PixelLoss = "cross-entropy"
    dice: float = 0.5
    smoothing: float = 0.05
    dropout: float = 0.0
    weight_decay: float = 1e-2
    rotate: bool | None = None
    patience: int = 3
    flips: int | None = None
    jobs: int = 0

    def __post_init__(self) -> None:
        """Raise SegdataError for values that cannot work."""
        check_choice("device", self.device, ("auto", "cuda", "mps", "cpu"))
        check_choice("loss", self.loss, ("cross-entropy", "focal"))
        lowest = {"folds": 2, "members": 1, "max_memory": 2**26, "crop": 32, "width": 1, "depth": 1, "batch": 1}
        lowest |= {"steps": 1, "patience": 1, "flips": 0}
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise SegdataError(f"{name} is {value}; it must be {low} or more")
        for name in ("smoothing", "dropout", "dice"):
            if not 0 <= getattr(self, name) < 1:
                raise SegdataError(f"{name} is {getattr(self, name):g}; it must be at least 0 and below 1")
        if self.scale is not None and not 0 < self.scale <= 1:
            raise SegdataError(f"scale is {self.scale:g}; it must be above 0 and at most 1")
        if self.pretrained and (self.model is not None or self.depth is not None):
            raise SegdataError("pretrained sets the encoder, so you cannot give model or depth")
        if self.flips is not None and self.flips > 2:
            raise SegdataError(f"flips is {self.flips}; there are 2: left to right, and top to bottom")


def load_model_factory(text: str) -> NetworkFactory:
    """The function that makes a network: ``file.py:function`` or ``package.module:function``.

    The file or module is run as Python. Raises SegdataError where there is no such function.
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
    """A Python file as a module of its own name."""
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How far it is.

    Attributes
    ----------
    what : ``train 1 of 3``, ``predict 1 of 3``, ``look``, ``correct``
    done, total : steps or images
    seconds_left : of this stage, as it went so far; NaN: not known yet
    """

    what: str
    done: int
    total: int
    seconds_left: float


def ignore_progress(stage: StageProgress) -> None:
    """Ignore a report of progress."""
