"""Network: the U-Net that is trained by default, and what any other network must be.

A network is a `torch.nn.Module` that takes images (B, C, H, W), float from about 0 to 1, with sides that are multiples
of 32. It returns logits of categories (B, K, h, w), channel 0 for unlabelled; or a pair of these and of logits
(B, 3, h, w) for neither, inside of an instance, and edge of one; or an object whose attribute `logits` is one of these,
as what `transformers` return is. Logits smaller than the image are enlarged. Settings.model makes one:

    def segformer(channels: int, categories: int) -> nn.Module:
        config = SegformerConfig(num_channels=channels, num_labels=categories)
        return SegformerForSemanticSegmentation(config)

    segdata.noise.networks.settings.Settings(model=segformer, weights=Path("my_weights.pt"))
"""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from segdata.core.errors import SegdataError
from segdata.noise.networks.plan import Plan
from segdata.noise.networks.settings import Settings

HEADS = 3  # neither, inside, edge


class UNet(nn.Module):
    """A U-Net: blocks of two convolutions 3 x 3 at `depth` sizes, each half the one before, and back with the details.

    Returns (B, categories, H, W) logits, and (B, 3, H, W) where `instances`. With width 16 and depth 4, 488 thousand
    parameters.
    Source: Ronneberger, Fischer and Brox (2015), MICCAI, 234-241; here with batch normalisation, and padded.
    """

    def __init__(
        self, channels: int, categories: int, *, width: int, depth: int, instances: bool, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = [width << level for level in range(depth)]
        self.down = nn.ModuleList(_block(a, b) for a, b in zip([channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(_block(a + 2 * a, a) for a in reversed(widths[:-1]))
        self.dropout = nn.Dropout2d(dropout)
        self.categories = nn.Conv2d(width, categories, 1)
        self.contours = nn.Conv2d(width, HEADS, 1) if instances else None

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """The logits."""
        details = []
        found = images
        for level, block in enumerate(self.down):
            found = block(functional.max_pool2d(found, 2) if level else found)
            details.append(found)
        found = self.dropout(details.pop())
        for block in self.up:
            # The gradient of nearest is the same in every run; that of bilinear is not, on CUDA.
            found = block(torch.cat([functional.interpolate(found, scale_factor=2, mode="nearest"), details.pop()], 1))
        categories: Tensor = self.categories(found)
        return categories if self.contours is None else (categories, self.contours(found))


def _block(inside: int, outside: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before in (inside, outside):
        layers += [nn.Conv2d(before, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def built(plan: Plan, settings: Settings, device: torch.device, seed: int) -> nn.Module:
    """A new network on the device; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if settings.model is not None:
            model = settings.model(plan.channels, plan.categories)
        else:
            size = {"width": plan.width, "depth": plan.depth, "dropout": plan.dropout}
            model = UNet(plan.channels, plan.categories, instances=plan.instances, **cast("Any", size))  # Any: mixed
    if settings.weights is not None:
        load_weights(model, settings.weights)
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]  # its stub


def load_weights(model: nn.Module, path: Path) -> int:
    """Put those weights of a file into the network that have the name and the shape of its own; returns how many.

    Raises SegdataError where the file cannot be read, and where none fits.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever pickle and zip do
        raise SegdataError(f"{path}: cannot be read as weights: {str(error).splitlines()[0]}") from error
    given = found.get("state_dict", found) if isinstance(found, dict) else {}
    own = model.state_dict()
    fitting = {
        name: value for name, value in given.items() if name in own and tuple(own[name].shape) == tuple(value.shape)
    }
    if not fitting:
        raise SegdataError(f"{path}: none of its {len(given)} tensors has the name and shape of one of the network's")
    model.load_state_dict(own | fitting)
    return len(fitting)


def logits(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """What a network says: (B, K, H, W) float32, and (B, 3, H, W) or None; H and W those of the images."""
    said = model(images)
    said = getattr(said, "logits", said)
    categories, contours = said if isinstance(said, tuple) else (said, None)
    return _enlarged(categories, images), None if contours is None else _enlarged(contours, images)


def _enlarged(found: Tensor, images: Tensor) -> Tensor:
    if found.shape[2:] != images.shape[2:]:
        found = functional.interpolate(found, images.shape[2:], mode="bilinear", align_corners=False)
    return found.float()
