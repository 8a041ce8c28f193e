from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional

from segdata.core.config import Loss
from segdata.noise.networks.losses import label_doubt, segmentation_loss, typical_doubt
from segdata.noise.networks.network import instances_of, training_targets
from segdata.noise.networks.plan import TrainingPlan
from segdata.noise.networks.predictions import EDGE

OWNERS = arrays(np.int64, (6, 7), elements=st.integers(-1, 4))


@settings(max_examples=60)
@given(OWNERS, st.lists(st.sampled_from([-1, 0, 1]), min_size=4, max_size=4))
def test_the_edge_is_where_a_neighbour_is_of_another_segment(owners: np.ndarray, things: list[int]) -> None:
    classes = np.array([[1, 2, -1, 1]])
    found = training_targets(
        torch.from_numpy(owners[None]), torch.from_numpy(classes), torch.tensor([things]), instances=True
    )
    assert found.contours is not None
    for y in range(6):
        for x in range(7):
            owner = owners[y, x]
            around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            other = [owners[a] for a in around if 0 <= a[0] < 6 and 0 <= a[1] < 7 and owners[a] >= 0]
            thing = -1 if owner < 0 else 0 if owner == 0 else things[owner - 1]
            wanted = EDGE if thing == 1 and any(each != owner for each in other) else thing
            assert found.contours[0, y, x] == wanted
            category = -1 if owner < 0 else 0 if owner == 0 else classes[0, owner - 1]
            assert found.categories[0, y, x] == category


def test_touching_instances_are_found_apart_with_their_categories() -> None:
    owners = np.zeros((20, 30), np.int64)
    owners[4:16, 3:14], owners[4:16, 14:26] = 1, 2
    wanted = training_targets(
        torch.from_numpy(owners[None]), torch.tensor([[1, 2]]), torch.tensor([[1, 1]]), instances=True
    )
    assert wanted.contours is not None
    one = torch.nn.functional.one_hot
    contours = (one(wanted.contours[0], 3) * 0.9 + 0.1 / 3).movedim(-1, 0).numpy()
    categories = (one(wanted.categories[0], 3) * 0.7 + 0.1).movedim(-1, 0).numpy()
    found = instances_of(categories, contours, np.array([30, 70]), np.array([True, True]), 4)
    assert sorted(found.category.tolist()) == [30, 70]
    assert sorted(found.runs.areas(2).tolist()) == [12 * 11, 12 * 12]
    assert (found.score > 0.7).all()
    assert (found.score < 1).all()
    checked = found.runs.checked(np.full(2, 20), np.full(2, 30))
    pixels = np.zeros(600, int)
    for start, length, owner in zip(checked.start, checked.length, checked.owner, strict=True):
        pixels[start : start + length] += found.category[owner]
    np.testing.assert_array_equal(pixels.reshape(30, 20).T, np.array([0, 30, 70])[owners])


def test_what_is_too_small_for_an_inside_is_found_and_specks_are_not() -> None:
    contours = np.zeros((3, 12, 12), np.float32)
    contours[0] = 1
    for y, x, side in ((2, 2, 3), (8, 8, 1)):
        contours[:, y : y + side, x : x + side] = np.array([0, 0.2, 0.8])[:, None, None]
    categories = np.stack([contours[0], 1 - contours[0]])
    found = instances_of(categories, contours, np.array([5]), np.array([True]), 4)
    assert found.runs.areas(1).tolist() == [9]


def test_without_edges_connected_pixels_of_a_category_are_an_instance() -> None:
    categories = np.zeros((3, 8, 8), np.float32)
    categories[0] = 0.5
    categories[1, 1:3, 1:3], categories[1, 5:7, 5:7], categories[2, 5:7, 1:4] = 0.9, 0.9, 0.9
    found = instances_of(categories, None, np.array([1, 2]), np.array([True, False]), 1)
    assert found.category.tolist() == [1, 1]
    nothing = instances_of(categories[:, :1], None, np.array([1, 2]), np.array([True, False]), 1)
    assert len(nothing) == len(nothing.runs) == 0


WEIGHTS = torch.tensor([0.5, 1.0, 3.0])


@pytest.fixture
def said() -> torch.Tensor:
    return torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randint(-1, 3, (2, 5, 6), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_torch(
    said: torch.Tensor, target: torch.Tensor, tiny: TrainingPlan, smoothing: float
) -> None:
    plan = replace(tiny, smoothing=smoothing, loss="ce")
    found = segmentation_loss(said, target, torch.ones(3), plan)
    wanted = functional.cross_entropy(said, target, ignore_index=-1, label_smoothing=smoothing)
    torch.testing.assert_close(found, wanted)
    weighted = segmentation_loss(said, target, WEIGHTS, replace(plan, smoothing=0.0))
    torch.testing.assert_close(weighted, functional.cross_entropy(said, target, WEIGHTS, ignore_index=-1))


@pytest.mark.parametrize("loss", ["ce", "dice", "focal", "ce+dice", "focal+dice"])
def test_void_pixels_teach_nothing(said: torch.Tensor, target: torch.Tensor, tiny: TrainingPlan, loss: Loss) -> None:
    segmentation_loss(said, target, WEIGHTS, replace(tiny, loss=loss)).backward()
    assert said.grad is not None
    void = (target < 0)[:, None].expand_as(said.grad)
    assert (said.grad[void] == 0).all()
    assert (said.grad[~void] != 0).all()
    nothing = segmentation_loss(said, torch.full_like(target, -1), WEIGHTS, tiny)
    assert nothing.item() == 0


def test_focal_loss_and_dice_by_hand(said: torch.Tensor, target: torch.Tensor, tiny: TrainingPlan) -> None:
    plain = replace(tiny, smoothing=0.0, dice=0.0, loss="focal")
    p = said.softmax(1).detach()
    known = target >= 0
    of_label = p.gather(1, target.clamp(min=0)[:, None])[:, 0][known]
    torch.testing.assert_close(
        segmentation_loss(said, target, torch.ones(3), plain), (-((1 - of_label) ** 2) * of_label.log()).mean()
    )
    both = segmentation_loss(said, target, torch.ones(3), replace(plain, dice=0.5, loss="focal+dice"))
    dice = [
        1 - (2 * p[:, k][target == k].sum() + 1) / (p[:, k][known].sum() + (target == k).sum() + 1) for k in range(3)
    ]
    torch.testing.assert_close(
        both - segmentation_loss(said, target, torch.ones(3), plain), 0.5 * torch.stack(dice).mean()
    )


@pytest.mark.parametrize("loss", ["ce", "dice", "focal", "ce+dice", "focal+dice"])
def test_gradients_are_those_of_the_loss(
    said: torch.Tensor, target: torch.Tensor, tiny: TrainingPlan, loss: Loss
) -> None:
    logits = said.detach().double().requires_grad_()
    plan = replace(tiny, loss=loss)
    assert torch.autograd.gradcheck(lambda x: 3 * segmentation_loss(x, target, WEIGHTS.double(), plan), logits)


@pytest.mark.parametrize("loss", ["dice", "focal", "ce+dice"])
def test_losses_are_those_of_monai(tiny: TrainingPlan, loss: Loss) -> None:
    """The losses are those that monai 1.6.1 gives for labels without void.

    DiceLoss(to_onehot_y, softmax, batch, smooth_nr=1, smooth_dr=1) and FocalLoss(to_onehot_y, use_softmax, gamma=2),
    which is a mean over the three categories, too.
    """
    said = (torch.arange(180.0).reshape(2, 3, 5, 6) * 0.7).sin() * 2
    target = torch.arange(60).reshape(2, 5, 6) % 3
    dice, focal = 0.6654055, 0.5335776
    wanted = {"dice": dice, "focal": 3 * focal, "ce+dice": functional.cross_entropy(said, target).item() + 0.7 * dice}
    plan = replace(tiny, smoothing=0.0, dice=0.7, loss=loss)
    assert segmentation_loss(said, target, torch.ones(3), plan).item() == pytest.approx(wanted[loss], abs=1e-5)


def test_doubt_is_a_mean_over_the_pixels_of_each_category(said: torch.Tensor, target: torch.Tensor) -> None:
    target[1] = -1
    found = label_doubt(said, target)
    p = said.softmax(1)
    torch.testing.assert_close(found[0], torch.stack([(1 - p[0, k][target[0] == k]).mean() for k in range(3)]))
    assert found[1].isnan().all()
    sure = functional.one_hot(target.clamp(min=0), 3).movedim(-1, 1) * 100.0
    assert label_doubt(sure, target)[0].max() < 1e-6


def test_a_network_that_has_not_begun_to_see_what_is_rare_is_not_the_best() -> None:
    blind = torch.tensor([[0.01, torch.nan]] * 9 + [[0.01, 0.99]] * 3)
    seeing = torch.tensor([[0.1, torch.nan]] * 9 + [[0.1, 0.3]] * 3)
    assert typical_doubt(seeing) < typical_doubt(blind)
    wrong = torch.cat([seeing, torch.tensor([[0.1, 0.9]])])  # one mask that the network rightly contradicts
    assert typical_doubt(wrong) == pytest.approx(typical_doubt(seeing))
    assert np.isnan(typical_doubt(torch.full((2, 3), torch.nan)))
