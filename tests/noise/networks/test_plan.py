from dataclasses import replace

import msgspec
import numpy as np
import pytest
from torch import nn

from segdata.core.errors import SegdataError
from segdata.measure.measure import measure
from segdata.noise.networks.plan import MULTIPLE, Facts, Plan, least_instance, placed, plan_for
from segdata.noise.networks.settings import Settings
from segdata.testing.pictures import draw_picture

FACTS = Facts(
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
    assert "steps 7: as the settings say" in list(plan.words())


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
    assert "what is labelled is 50 px wide" in str(coarse)
    assert plan_for(replace(FACTS, breadth=50.0), Settings(scale=0.5), 2**30).scale == 0.5
    with pytest.raises(SegdataError, match=r"scale is 1\.5, it must be above 0, and 1 at most"):
        Settings(scale=1.5)


def test_no_more_folds_than_units_and_never_one() -> None:
    assert plan_for(replace(FACTS, n_units=3), Settings(folds=9), 2**30).folds == 3
    assert plan_for(replace(FACTS, n_units=1), Settings(), 2**30).folds == 2


@pytest.mark.parametrize("sides", [(1, 1), (31, 700), (5000, 33)])
def test_tiles_and_crops_have_sides_that_can_be_halved(sides: tuple[int, int]) -> None:
    plan = plan_for(replace(FACTS, height=sides[0], width=sides[1], largest=sides), Settings(), 2**30)
    assert all(side % MULTIPLE == 0 and side >= MULTIPLE for side in (*plan.tile, plan.crop))
    assert max(plan.tile) <= 512


def test_a_plan_survives_json_and_says_why() -> None:
    plan = plan_for(FACTS, Settings(), 2**30)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    assert "folds 3: each network is trained on 66 % of 200 images, and judges the others" in str(plan)


def test_what_the_network_is_made_of_is_told_unless_it_is_the_users() -> None:
    told = [str(plan_for(FACTS, Settings(**each), 2**30)) for each in ({}, {"pretrained": True}, {"model": nn.Linear})]  # type: ignore[arg-type]  # mixed
    assert "encoder convolutions: begins knowing nothing\ndepth 4: levels" in told[0]
    assert "encoder efficientnet-lite0: has learnt from ImageNet\ndepth 6: levels" in told[1]
    assert not {line.split()[0] for line in told[2].splitlines()} & {"encoder", "depth", "width"}


def test_a_category_that_is_always_above_tells_which_way_is_up() -> None:
    above = measure(draw_picture("\n\n".join(["ss\ns.\n..\ng.\ngg"] * 10)), frozenset())
    assert placed(above) in ("s", "g")
    anywhere = measure(draw_picture("\n\n".join(["ss\n..\ngg", "gg\n..\nss"] * 5)), frozenset())
    assert placed(anywhere) is None
    assert placed(measure(draw_picture("ss\n.."), frozenset())) is None  # of one image nothing follows
    rotated = plan_for(replace(FACTS, placed="sky"), Settings(), 2**30)
    assert not rotated.rotate
    assert "sky has its place in the image" in str(rotated)


def test_least_instance_is_far_below_nearly_all() -> None:
    areas = np.arange(100, 1100)
    assert (areas < 4 * least_instance(areas)).mean() <= 0.01
    assert least_instance(areas[:0]) == 0
