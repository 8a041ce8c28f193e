"""Trends: found where an annotator changes, and not where the images do."""

import numpy as np
import pytest

from segdata.agreement.estimates import Resampling
from segdata.agreement.trend import Scored, Trend, trend

JANUARY = 2026 * 12
FEW = Resampling(n_draws=200)


def scores(
    rng: np.random.Generator,
    skill: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    *,
    hard: bool,
    shared: bool,
    sorts: int = 1,
) -> tuple[Scored, "np.ndarray[tuple[int], np.dtype[np.bool_]]", "np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """60 images in 6 months by annotator 0 of this skill a month, and by annotator 1; against 9, the reference.

    `hard`: images become harder, by 0.05 a month. `shared`: both did the same images. `sorts`: of images; the months
    of the later ones are those of the later sorts, which are harder.
    """
    month = np.repeat(np.arange(6), 10)
    sort = month * sorts // 6
    image = -0.05 * month * hard - 0.2 * sort * (sorts > 1) + rng.normal(0, 0.05, 60)
    mine = 0.8 + skill[month] + image + rng.normal(0, 0.03, 60)
    theirs = 0.75 + image + rng.normal(0, 0.03, 60)
    cases = np.arange(60)
    others = cases if shared else cases + 60
    value = np.concatenate([mine, theirs])
    who = np.stack([np.repeat([0, 1], 60), np.full(120, 9)])
    case = np.concatenate([cases, others])
    zeros = np.zeros(120, np.int64)
    scored = Scored(value, who, case, zeros, case, np.tile(sort, 2))
    return scored, np.arange(120) < 60, np.where(np.arange(120) < 60, np.tile(month, 2) + JANUARY, -1)


def of(seed: int, slope: float, **more: bool | int) -> Trend:
    rng = np.random.default_rng(seed)
    return trend(*scores(rng, slope * np.arange(6), **more), FEW)  # type: ignore[arg-type]  # as scores has them


def test_an_annotator_who_gets_better_on_shared_images_is_found() -> None:
    """Images get harder meanwhile: the scores themselves fall."""
    found = of(1, 0.03, hard=True, shared=True)
    assert found.same_images
    assert found.low < 0.03 < found.high
    assert found.p < 0.01
    assert [each.month for each in found.months] == [f"2026-0{k}" for k in range(1, 7)]
    assert found.months[0].score > found.months[-1].score
    assert found.months[0].beyond < 0 < found.months[-1].beyond


def test_harder_images_are_no_trend_where_others_had_them_too() -> None:
    """At a level of 5 % about one in twenty is called a trend."""
    p = np.array([of(seed, 0.0, hard=True, shared=True).p for seed in range(60)])
    assert (p < 0.05).sum() <= 9  # a chance of 0.001 for more at 5 %


def test_harder_sorts_of_images_are_no_trend_where_nobody_had_the_same() -> None:
    p = np.array([of(seed, 0.0, hard=False, shared=False, sorts=2).p for seed in range(60)])
    assert (p < 0.05).sum() <= 9
    found = of(3, -0.06, hard=False, shared=False, sorts=2)
    assert not found.same_images
    assert found.p < 0.01
    assert found.high < 0


def test_categories_that_are_harder_are_no_trend() -> None:
    """The annotator is bad at cars, and the later months have more of these."""
    rng = np.random.default_rng(0)
    month = np.repeat(np.arange(6), 20)
    car = rng.random(120) < month / 5
    value = np.where(car, 0.5, 0.9) + rng.normal(0, 0.02, 120)
    case = np.arange(120)
    scored = Scored(value, np.stack([0 * case, 0 * case + 9]), case, car.astype(np.int64), case, 0 * case)
    found = trend(scored, np.ones(120, bool), month + JANUARY, FEW)
    assert found.p > 0.05
    assert abs(found.slope) < 0.01
    assert found.months[0].score - found.months[-1].score > 0.3


def test_one_month_or_few_clusters_say_nothing() -> None:
    case = np.arange(12)
    value = np.linspace(0, 1, 12)
    scored = Scored(value, np.stack([0 * case, 0 * case + 9]), case, 0 * case, case, 0 * case)
    once = trend(scored, np.ones(12, bool), 0 * case + JANUARY, FEW)
    assert np.isnan([once.slope, once.p]).all()
    assert once.months[0].images == 12
    nowhere = trend(scored, np.ones(12, bool), 0 * case - 1, FEW)
    assert nowhere.months == ()
    few = Scored(value, scored.annotators, case, 0 * case, case // 3, 0 * case)
    found = trend(few, np.ones(12, bool), JANUARY + case // 3, FEW)
    assert found.slope == pytest.approx(3 / 11)
    assert np.isnan(found.p)
