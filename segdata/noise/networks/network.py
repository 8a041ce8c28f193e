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

import torch
from torch import Tensor, nn
from torch.nn import functional

from segdata.core.errors import SegdataError
from segdata.noise.networks.encoders import Convolutions, EfficientNetLite0, Encoder, published_weights, twice
from segdata.noise.networks.plan import Plan
from segdata.noise.networks.settings import Settings

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
        self.up = nn.ModuleList(twice(wide[each + 1] + encoder.widths[each], wide[each]) for each in levels)
        self.dropout = nn.Dropout2d(dropout)
        self.categories = nn.Conv2d(wide[0], categories, 1)
        self.contours = nn.Conv2d(wide[0], HEADS, 1) if instances else None

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """The logits."""
        details = self.encoder(images)
        found = self.dropout(details.pop())
        for block in self.up:
            # The gradient of nearest is the same in every run; that of bilinear is not, on CUDA.
            found = block(torch.cat([functional.interpolate(found, scale_factor=2, mode="nearest"), details.pop()], 1))
        categories: Tensor = self.categories(found)
        return categories if self.contours is None else (categories, self.contours(found))


def built(plan: Plan, settings: Settings, device: torch.device, seed: int) -> nn.Module:
    """A new network on the device; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = settings.model(plan.channels, plan.categories) if settings.model is not None else _unet(plan)
    if settings.weights is not None:
        load_weights(model, settings.weights)
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]  # its stub


def _unet(plan: Plan) -> UNet:
    encoder: Encoder
    if plan.encoder == "efficientnet-lite0":
        encoder = EfficientNetLite0(plan.channels, plan.width)
        encoder.begin_with(_state(published_weights()))
    else:
        encoder = Convolutions(plan.channels, plan.width, plan.depth)
    return UNet(encoder, plan.categories, instances=plan.instances, dropout=plan.dropout)


def load_weights(model: nn.Module, path: Path) -> int:
    """Put those weights of a file into the network that have the name and the shape of its own; returns how many.

    Raises SegdataError where the file cannot be read, and where none fits.
    """
    given = _state(path)
    own = model.state_dict()
    fitting = {
        name: value for name, value in given.items() if name in own and tuple(own[name].shape) == tuple(value.shape)
    }
    if not fitting:
        raise SegdataError(f"{path}: none of its {len(given)} tensors has the name and shape of one of the network's")
    model.load_state_dict(own | fitting)
    return len(fitting)


def _state(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever pickle and zip do
        raise SegdataError(f"{path}: cannot be read as weights: {str(error).splitlines()[0]}") from error
    return dict(found.get("state_dict", found)) if isinstance(found, dict) else {}


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
