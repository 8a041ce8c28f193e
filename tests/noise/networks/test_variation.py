"""Augmentations that are only made when asked for, and the options and file that ask for them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.api.in_memory import from_arrays
from segdata.core.config import Augmentation, load_config
from segdata.core.errors import SegdataError
from segdata.noise.networks.crops import (
    CropLabels,
    ImageVariation,
    SegmentCentres,
    choose_crops,
    draw_variation,
    make_crops,
    vary_pixels,
)
from segdata.noise.networks.images import ImageCache
from segdata.noise.networks.network import TrainingTargets, build_network, logits
from segdata.noise.networks.plan import (
    AUGMENTATIONS,
    Settings,
    TrainingPlan,
    augmentations,
    configured_settings,
    plan_for,
)
from tests.noise.networks.test_plan import FACTS

CPU = torch.device("cpu")
KINDS = st.lists(st.sampled_from(AUGMENTATIONS), unique=True)
SIDE = 96


def painted(names: list[Augmentation], seed: int, *, colours: int = 1) -> tuple[torch.Tensor, TrainingTargets]:
    """Crops of an image that is white where its label is, and black elsewhere."""
    yy, xx = np.mgrid[:SIDE, :SIDE]
    label = (((yy - 40) ** 2 + (xx - 50) ** 2 < 400) | ((yy > 70) & (xx < 30))).astype(np.uint8)
    maps = from_arrays({"i.png": label}, ["thing"], images=None).maps()
    maps.uris[0:] = ["i.png"]  # type: ignore[index]  # a list
    white = np.repeat(255 * label[None], colours, axis=0).astype(np.uint8)
    pictures = ImageCache(maps, 2**20, lambda uri, size: white)
    pictures.survey(1)
    labels = CropLabels(maps, np.array([1]), np.array([True]))
    asked = Settings(crop=64, rotate=True, augment=augmentations(names))
    plan = plan_for(replace(FACTS, channels=colours, categories=1), asked, 2**28)
    nothing = np.empty(0, np.int64)
    rng = np.random.default_rng(seed)
    choice = choose_crops(rng, np.arange(1), SegmentCentres(*[nothing] * 4), maps, plan, 6)
    return make_crops(labels.windows(choice, pictures, plan, vary=True), choice, plan, CPU)


@settings(max_examples=25, deadline=None)
@given(KINDS, st.integers(0, 99))
def test_image_and_labels_move_together(names: list[Augmentation], seed: int) -> None:
    """What is labelled stays brighter than the rest, or darker where inverted, but for a rim and noise."""
    images, targets = painted(names, seed)
    for image, label in zip(images[:, 0], targets.categories, strict=True):
        inside, outside = image[label == 1], image[label == 0]
        if len(inside) > 80 and len(outside) > 80:
            apart = abs(float(inside.median() - outside.median()))
            assert apart > 0.5
            middle = float(inside.median() + outside.median()) / 2
            right = ((image > middle) == (label == 1))[label >= 0].float().mean()
            assert max(right, 1 - right) > 0.93


@settings(max_examples=15, deadline=None)
@given(KINDS, st.integers(0, 99))
def test_a_seed_gives_the_same_crops(names: list[Augmentation], seed: int) -> None:
    once, again = painted(names, seed, colours=3), painted(names, seed, colours=3)
    assert torch.equal(once[0], again[0])
    assert torch.equal(once[1].categories, again[1].categories)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_changes_something_and_none_nothing(name: Augmentation) -> None:
    rng = np.random.default_rng(0)
    same = [torch.equal(painted([], seed)[0], painted([name], seed)[0]) for seed in range(3)]
    if name != "hue":  # greys have none
        assert not all(same)
    colours = torch.rand(4, 3, 8, 8)
    drawn = draw_variation(rng, 4, [name])
    if name in ("elastic", "blur", "noise", "hue", "invert"):
        assert drawn is not None
        assert torch.equal(vary_pixels(colours, drawn), colours) == (name == "elastic")
    else:
        assert drawn is None


def variation(**given: object) -> ImageVariation:
    zero = np.zeros(2, np.float32)
    values: dict[str, object] = {"bent": np.zeros((2, 2, 6, 6), np.float32), "blur": zero, "noise": zero, "hue": zero}
    return ImageVariation(**(values | {"inverted": zero.astype(bool), "seed": 1} | given))  # type: ignore[arg-type]


def test_blur_is_that_of_scipy_and_hue_leaves_greys_and_luma() -> None:
    from scipy.ndimage import gaussian_filter

    images = torch.rand(2, 3, 20, 21, generator=torch.Generator().manual_seed(4))
    found = vary_pixels(images, variation(blur=np.array([0, 1.2], np.float32)))
    torch.testing.assert_close(found[0], images[0])
    for layer, wanted in zip(found[1].numpy(), images[1].numpy(), strict=True):
        np.testing.assert_allclose(layer, gaussian_filter(wanted, 1.2, mode="nearest", radius=5), atol=1e-4)
    turned = vary_pixels(images, variation(hue=np.array([0.5, -0.3], np.float32)))
    luma = torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]
    torch.testing.assert_close((turned * luma).sum(1), (images * luma).sum(1), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(turned, images, atol=0.05)
    grey = images[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(
        vary_pixels(grey, variation(hue=np.array([0.5, -0.3], np.float32))), grey, atol=1e-3, rtol=1e-3
    )


def test_a_file_and_options_choose_the_training(tmp_path: Path) -> None:
    path = tmp_path / "segdata.yaml"
    path.write_text("training: {loss: focal, crop: 256, augment: [usual, blur], class_weights: false, depth: 3}\n")
    training = load_config(path).training
    found = configured_settings(training, {"crop": 512})
    assert (found.loss, found.crop, found.class_weights, found.depth) == ("focal", 512, False, 3)
    assert found.augment == ("mirror", "turn", "scale", "light", "blur")
    assert configured_settings(training, {"pretrained": True}).depth is None  # of another network
    plan = plan_for(FACTS, found, 2**30)
    assert (plan.loss, plan.class_weights, plan.augment) == ("focal", False, found.augment)
    assert "loss focal: set by you" in str(plan)
    path.write_text("training:\n  loss: hinge\n")
    with pytest.raises(SegdataError, match=r"segdata\.yaml.*hinge"):
        load_config(path)
    with pytest.raises(SegdataError, match="augment 'bend': choose none, usual, mirror"):
        augmentations(["bend"])


@pytest.mark.parametrize("architecture", ["unet", "unet-residual", "efficientnet-lite0"])
def test_every_architecture_gives_logits_and_learns(architecture: str, tiny: TrainingPlan) -> None:
    asked = Settings(architecture=architecture, width=4, dropout=0.1)  # type: ignore[arg-type]  # a text
    plan = plan_for(replace(FACTS, categories=2), asked, 2**30)
    model = build_network(plan, asked, CPU, 1)
    images, optimiser = torch.rand(2, 3, 64, 64), torch.optim.AdamW(model.parameters(), 1e-2)
    losses = []
    for _ in range(6):
        categories, contours = logits(model, images)
        assert contours is not None
        assert (categories.shape, contours.shape) == ((2, 3, 64, 64), (2, 3, 64, 64))
        loss = torch.nn.functional.cross_entropy(categories, (images[:, 0] > 0.5).long())
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < losses[0]
