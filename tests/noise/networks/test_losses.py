from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from segdata.noise.networks.losses import doubt, segmentation_loss, usual
from segdata.noise.networks.plan import Plan

WEIGHTS = torch.tensor([0.5, 1.0, 3.0])


@pytest.fixture
def said() -> torch.Tensor:
    return torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randint(-1, 3, (2, 5, 6), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_torch(said: torch.Tensor, target: torch.Tensor, tiny: Plan, smoothing: float) -> None:
    plan = replace(tiny, smoothing=smoothing, dice=0.0)
    found = segmentation_loss(said, target, torch.ones(3), plan)
    wanted = functional.cross_entropy(said, target, ignore_index=-1, label_smoothing=smoothing)
    torch.testing.assert_close(found, wanted)
    weighted = segmentation_loss(said, target, WEIGHTS, replace(plan, smoothing=0.0))
    torch.testing.assert_close(weighted, functional.cross_entropy(said, target, WEIGHTS, ignore_index=-1))


@pytest.mark.parametrize("loss", ["cross-entropy", "focal"])
def test_void_pixels_teach_nothing(said: torch.Tensor, target: torch.Tensor, tiny: Plan, loss: str) -> None:
    segmentation_loss(said, target, WEIGHTS, replace(tiny, loss=loss)).backward()
    assert said.grad is not None
    void = (target < 0)[:, None].expand_as(said.grad)
    assert (said.grad[void] == 0).all()
    assert (said.grad[~void] != 0).all()
    nothing = segmentation_loss(said, torch.full_like(target, -1), WEIGHTS, tiny)
    assert nothing.item() == 0


def test_focal_loss_and_dice_by_hand(said: torch.Tensor, target: torch.Tensor, tiny: Plan) -> None:
    plain = replace(tiny, smoothing=0.0, dice=0.0, loss="focal")
    p = said.softmax(1).detach()
    known = target >= 0
    of_label = p.gather(1, target.clamp(min=0)[:, None])[:, 0][known]
    torch.testing.assert_close(
        segmentation_loss(said, target, torch.ones(3), plain), (-((1 - of_label) ** 2) * of_label.log()).mean()
    )
    both = segmentation_loss(said, target, torch.ones(3), replace(plain, dice=0.5))
    dice = [
        1 - (2 * p[:, k][target == k].sum() + 1) / (p[:, k][known].sum() + (target == k).sum() + 1) for k in range(3)
    ]
    torch.testing.assert_close(
        both - segmentation_loss(said, target, torch.ones(3), plain), 0.5 * torch.stack(dice).mean()
    )


def test_doubt_is_a_mean_over_the_pixels_of_each_category(said: torch.Tensor, target: torch.Tensor) -> None:
    target[1] = -1
    found = doubt(said, target)
    p = said.softmax(1)
    torch.testing.assert_close(found[0], torch.stack([(1 - p[0, k][target[0] == k]).mean() for k in range(3)]))
    assert found[1].isnan().all()
    sure = functional.one_hot(target.clamp(min=0), 3).movedim(-1, 1) * 100.0
    assert doubt(sure, target)[0].max() < 1e-6


def test_a_network_that_has_not_begun_to_see_what_is_rare_is_not_the_best() -> None:
    blind = torch.tensor([[0.01, torch.nan]] * 9 + [[0.01, 0.99]] * 3)
    seeing = torch.tensor([[0.1, torch.nan]] * 9 + [[0.1, 0.3]] * 3)
    assert usual(seeing) < usual(blind)
    wrong = torch.cat([seeing, torch.tensor([[0.1, 0.9]])])  # one mask that the network rightly contradicts
    assert usual(wrong) == pytest.approx(usual(seeing))
    assert np.isnan(usual(torch.full((2, 3), torch.nan)))
