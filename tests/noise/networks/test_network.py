from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from segdata.core.errors import SegdataError
from segdata.noise.networks.encoders import Convolutions
from segdata.noise.networks.network import UNet, built, load_weights, logits
from segdata.noise.networks.plan import Plan
from segdata.noise.networks.settings import Settings

CPU = torch.device("cpu")


class Coarse(nn.Module):
    """As those of `transformers`: an object with logits of a quarter of the size."""

    def __init__(self, channels: int, categories: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, categories, 4, stride=4)

    def forward(self, images: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.layer(images))


def test_the_default_has_the_size_it_says() -> None:
    model = UNet(Convolutions(3, 16, 4), 2, instances=True)
    assert sum(each.numel() for each in model.parameters()) == 488_069
    categories, contours = logits(model, torch.zeros(2, 3, 32, 64))
    assert categories.shape == (2, 2, 32, 64)
    assert contours is not None
    assert contours.shape == (2, 3, 32, 64)


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("channels", [1, 12])
def test_any_depth_and_channels(depth: int, channels: int) -> None:
    categories, contours = logits(
        UNet(Convolutions(channels, 2, depth), 4, instances=False), torch.zeros(1, channels, 32, 32)
    )
    assert categories.shape == (1, 4, 32, 32)
    assert contours is None


def test_a_seed_is_a_network_and_leaves_other_randomness_alone(tiny: Plan) -> None:
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    a, b, c = (built(tiny, Settings(), CPU, seed).state_dict() for seed in (1, 1, 2))
    torch.testing.assert_close(torch.rand(3), wanted)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["categories.weight"], c["categories.weight"])


def test_another_network_with_coarse_logits(tiny: Plan) -> None:
    model = built(tiny, Settings(model=Coarse), CPU, 0)
    categories, contours = logits(model, torch.zeros(1, 3, 32, 64))
    assert categories.shape == (1, tiny.categories, 32, 64)
    assert contours is None


def test_segformer_of_transformers_fits_with_weights_of_ones_own(tiny: Plan, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")

    def segformer(channels: int, categories: int) -> nn.Module:
        sizes = {"hidden_sizes": [8, 8, 16, 16], "num_attention_heads": [1, 1, 2, 2], "decoder_hidden_size": 16}
        config = transformers.SegformerConfig(num_channels=channels, num_labels=categories, depths=[1] * 4, **sizes)
        model: nn.Module = transformers.SegformerForSemanticSegmentation(config)
        return model

    own = built(tiny, Settings(model=segformer), CPU, 0)
    images = torch.rand(1, 3, 64, 64)
    categories, _ = logits(own, images)
    assert categories.shape == (1, tiny.categories, 64, 64)
    torch.save(own.state_dict(), tmp_path / "segformer.pt")
    again = built(tiny, Settings(model=segformer, weights=tmp_path / "segformer.pt"), CPU, 1)
    torch.testing.assert_close(logits(again.eval(), images)[0], logits(own.eval(), images)[0])


def test_weights_that_fit_are_taken(tiny: Plan, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    given = built(tiny, Settings(), CPU, 5)
    torch.save({"state_dict": given.state_dict()}, path)
    other = built(replace(tiny, categories=9), Settings(), CPU, 6)
    n = load_weights(other, path)
    assert n == len(given.state_dict()) - 2  # all but the weight and bias of the category head
    assert torch.equal(other.state_dict()["encoder.blocks.0.0.weight"], given.state_dict()["encoder.blocks.0.0.weight"])
    begun = built(tiny, Settings(weights=path), CPU, 7)
    assert torch.equal(begun.state_dict()["categories.weight"], given.state_dict()["categories.weight"])


def test_weights_that_do_not_fit_are_refused(tiny: Plan, tmp_path: Path) -> None:
    model = built(tiny, Settings(), CPU, 0)
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(SegdataError, match=r"text.pt: cannot be read as weights"):
        load_weights(model, tmp_path / "text.pt")
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(SegdataError, match="none of its 1 tensors"):
        load_weights(model, tmp_path / "other.pt")
