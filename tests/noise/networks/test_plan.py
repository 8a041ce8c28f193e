"""TODO."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from torch import nn

from segdata.api.in_memory import from_arrays
from segdata.core.errors import SegdataError
from segdata.core.label_maps import LabelMaps
from segdata.measure.measure import measure_source
from segdata.noise.networks.plan import (
    MULTIPLE,
    DataFacts,
    Settings,
    TrainingPlan,
    mean_breadth,
    min_instance_area,
    plan_for,
    scale_for,
    upright_category,
)
from segdata.testing.pictures import draw_picture

FACTS = DataFacts(
    n_images=200,
    n_units=200,
    height=256,
    width=256,
    largest=(256, 300),
    channels=3,
    categories=4,
    instances=True,
    placed=None,
    least_area=9,
    device="cpu",
    free=8 * 2**30,
)


def test_settings_go_before_what_the_data_suggest() -> None:
    asked = Settings(folds=4, crop=96, steps=7, batch=3, rotate=False, flips=0, width=8, depth=3, learning_rate=0.1)
    plan = plan_for(FACTS, asked, 2**30)
    for name in ("folds", "crop", "steps", "batch", "rotate", "flips", "width", "depth", "learning_rate"):
        assert getattr(plan, name) == getattr(asked, name)
    assert "steps 7: set by you" in str(plan).splitlines()


def test_quick_is_less_work_and_a_gpu_gets_more() -> None:
    quick, usual = (plan_for(FACTS, Settings(quick=each), 2**30) for each in (True, False))
    gpu = plan_for(replace(FACTS, device="cuda"), Settings(), 2**30)
    work = [plan.folds * plan.steps * plan.batch * plan.crop**2 * plan.width for plan in (quick, usual, gpu)]
    assert work == sorted(set(work))
    assert (quick.folds, quick.flips) == (2, 0)


def test_what_is_wide_is_seen_reduced_and_small_crops_mean_more_steps() -> None:
    usual, coarse = (plan_for(replace(FACTS, breadth=each, n_images=9), Settings(), 2**30) for each in (15.0, 50.0))
    assert (usual.scale, coarse.scale) == (1, 0.25)
    assert (coarse.crop, coarse.tile) == (64, (64, 96))
    assert usual.steps < coarse.steps <= usual.steps * usual.crop**2 / coarse.crop**2
    assert "segments are 50 px wide" in str(coarse)
    assert plan_for(replace(FACTS, breadth=50.0), Settings(scale=0.5), 2**30).scale == 0.5
    with pytest.raises(SegdataError, match=r"scale is 1\.5; it must be above 0 and at most 1"):
        Settings(scale=1.5)


def test_no_more_folds_than_units_and_never_one() -> None:
    assert plan_for(replace(FACTS, n_units=3), Settings(folds=9), 2**30).folds == 3
    assert plan_for(replace(FACTS, n_units=1), Settings(), 2**30).folds == 2


@pytest.mark.parametrize("sides", [(1, 1), (31, 700), (5000, 33)])
def test_tiles_and_crops_have_sides_that_can_be_halved(sides: tuple[int, int]) -> None:
    plan = plan_for(replace(FACTS, height=sides[0], width=sides[1], largest=sides), Settings(), 2**30)
    assert all(side % MULTIPLE == 0 and side >= MULTIPLE for side in (*plan.tile, plan.crop))
    assert max(plan.tile) <= 768


def test_a_plan_survives_json_and_says_why() -> None:
    plan = plan_for(FACTS, Settings(), 2**30)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=TrainingPlan) == plan
    assert "folds 3: each network is trained on 66 % of 200 images and judges the others" in str(plan)


def test_what_the_network_is_made_of_is_told_unless_it_is_the_users() -> None:
    told = [str(plan_for(FACTS, Settings(**each), 2**30)) for each in ({}, {"pretrained": True}, {"model": nn.Linear})]  # type: ignore[arg-type]  # mixed
    assert "encoder convolutions: trained from scratch\ndepth 4: levels" in told[0]
    assert "encoder efficientnet-lite0: pretrained on ImageNet\ndepth 6: levels" in told[1]
    assert not {line.split()[0] for line in told[2].splitlines()} & {"encoder", "depth", "width"}


def test_a_category_that_is_always_above_tells_which_way_is_up() -> None:
    above = measure_source(draw_picture("\n\n".join(["ss\ns.\n..\ng.\ngg"] * 10)), frozenset())
    assert upright_category(above) in ("s", "g")
    anywhere = measure_source(draw_picture("\n\n".join(["ss\n..\ngg", "gg\n..\nss"] * 5)), frozenset())
    assert upright_category(anywhere) is None
    assert upright_category(measure_source(draw_picture("ss\n.."), frozenset())) is None  # of one image nothing follows
    rotated = plan_for(replace(FACTS, placed="sky"), Settings(), 2**30)
    assert not rotated.rotate
    assert "sky has a fixed place" in str(rotated)


def test_least_instance_is_far_below_nearly_all() -> None:
    areas = np.arange(100, 1100)
    assert (areas < 4 * min_instance_area(areas)).mean() <= 0.01
    assert min_instance_area(areas[:0]) == 0


def maps_of(*images: np.ndarray) -> LabelMaps:
    return from_arrays({f"{at:02d}.png": image for at, image in enumerate(images)}, ["a", "b"], images=None).maps()


@pytest.mark.parametrize("side", [3, 10, 24])
def test_a_square_is_as_wide_as_its_side_and_a_line_counts_twice(side: int) -> None:
    square, line = np.zeros((2, 64, 64), np.uint8)
    square[5 : 5 + side, 7 : 7 + side] = 1
    line[2:62, 20:23] = 2
    assert mean_breadth(maps_of(square), np.arange(1)) == pytest.approx(side)
    assert mean_breadth(maps_of(line), np.arange(1)) == pytest.approx(2 * 3, rel=0.05)


def test_what_touches_is_as_wide_as_each_and_the_frame_is_no_outline() -> None:
    halves = np.ones((32, 32), np.uint8)
    halves[:, 16:] = 2
    assert mean_breadth(maps_of(halves), np.arange(1)) == pytest.approx(4 * 32 * 32 / 64)
    assert np.isnan(mean_breadth(maps_of(np.ones((4, 4), np.uint8)), np.arange(1)))  # no outline at all
    assert np.isnan(mean_breadth(maps_of(np.zeros((4, 4), np.uint8)), np.arange(1)))


def test_of_many_images_some_are_looked_at_and_none_of_the_others() -> None:
    fine, coarse = np.zeros((2, 32, 32), np.uint8)
    fine[::2], coarse[4:28, 4:28] = 1, 1
    maps = maps_of(*[coarse, fine] * 41)
    assert mean_breadth(maps, np.arange(82)) < 24
    assert mean_breadth(maps_of(coarse, 2 * fine), np.arange(2)) == pytest.approx((24 * 2 * 32 / 31) ** 0.5, rel=0.1)
    assert mean_breadth(maps, np.arange(0, 82, 2)) == pytest.approx(24)


def test_the_wider_what_is_labelled_the_smaller_the_image_within_bounds() -> None:
    found = [scale_for(width, instances=False) for width in (0.5, 11, 12, 40, 70, 1e6)]
    assert found == [1, 1, 0.5, 0.25, 0.125, 0.125]
    assert scale_for(40, instances=True) > scale_for(40, instances=False)
    assert scale_for(float("nan"), instances=True) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"folds": 1}, "folds is 1; it must be 2 or more"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
        ({"dropout": 1.0}, "dropout is 1"),
        ({"flips": 3}, "flips is 3"),
        ({"max_memory": 1000}, "max_memory is 1000"),
        ({"crop": 100}, "crop is 100; it must be a multiple of 32"),
        ({"depth": 7}, "depth is 7; it must be 6 or less"),
        ({"augment": ("bend",)}, "augment is 'bend'"),
        ({"architecture": "vgg"}, "architecture is 'vgg'"),
        ({"architecture": "unet", "pretrained": True}, "pretrained is efficientnet-lite0"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"pretrained": True, "depth": 4}, "pretrained sets the encoder, so you cannot give model or depth"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(SegdataError, match=said):
        Settings(**given)  # type: ignore[arg-type]  # that is the point
