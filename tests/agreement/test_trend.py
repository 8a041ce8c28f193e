"""Trends: found where an annotator changes, and not where the images do."""

import numpy as np
import pytest

from segdata.agreement.estimates import Resampling
from segdata.agreement.trend import ImageScores, ScoreTrend, score_trend
from segdata.core.resampling import Floats
from segdata.core.runs import Ints

JANUARY = 2026 * 12
FEW = Resampling(n_draws=200)


def scores(
    rng: np.random.Generator, skill: Floats, *, hard: bool, shared: bool, sorts: int = 1, n_others: int = 2
) -> tuple[ImageScores, int, Ints]:
    """60 images in 6 months by annotator 0 of this skill a month, and by others, against 9, the reference.

    `hard`: images become harder, by 0.05 a month. `shared`: all did the same images. `sorts`: of images; the months
    of the later ones are those of the later sorts, which are harder.
    """
    month = np.repeat(np.arange(6), 10)
    sort = month * sorts // 6
    image = -0.05 * month * hard - 0.2 * sort * (sorts > 1) + rng.normal(0, 0.05, 60)
    value = [0.8 + skill[month] + image + rng.normal(0, 0.03, 60)]
    value += [0.75 + image + rng.normal(0, 0.03, 60) for _ in range(n_others)]
    n = 1 + n_others
    who = np.stack([np.repeat(np.arange(n), 60), np.full(60 * n, 9)])
    case = np.tile(np.arange(60), n) + (0 if shared else 60 * who[0])
    scored = ImageScores(np.concatenate(value), who, case, 0 * case, case, np.tile(sort, n))
    return scored, 0, np.where(who[0] == 0, np.tile(month, n) + JANUARY, -1)


def of(seed: int, slope: float, **more: bool | int) -> ScoreTrend:
    rng = np.random.default_rng(seed)
    return score_trend(*scores(rng, slope * np.arange(6), **more), FEW, 9)  # type: ignore[arg-type]  # as scores has them


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
    p = np.array([of(seed, 0.0, hard=True, shared=True).p for seed in range(30)])
    assert (p < 0.05).sum() <= 6  # more have a chance of 0.001


def test_who_stays_the_same_beside_one_who_changes_has_no_trend() -> None:
    """Nor is it told who changes where there is one other, and the images may have changed as well."""
    for n_others in (1, 2):
        scored, _, month = scores(
            np.random.default_rng(4), 0.04 * np.arange(6), hard=False, shared=True, n_others=n_others
        )
        months = np.where(scored.annotators[0] == 1, np.roll(month, 60), -1)
        assert score_trend(scored, 1, months, FEW, 9).p > 0.05
        assert score_trend(scored, 0, month, FEW, 9).p < 0.01
    harder = scores(np.random.default_rng(4), 0.04 * np.arange(6), hard=True, shared=True, n_others=1)
    assert score_trend(*harder, FEW, 9).p > 0.05


def test_two_without_a_reference() -> None:
    """The scores of their pair have a trend, and nobody knows whose it is; with a third it shows."""
    rng = np.random.default_rng(0)
    month = np.repeat(np.arange(6), 10)
    case = np.tile(np.arange(60), 3)
    who = np.repeat([[0, 0, 1], [1, 2, 2]], 60, axis=1)  # 0 becomes better, so both pairs with 0 do
    value = np.tile(0.02 * month, 3) * (who[0] == 0) + 0.7 + rng.normal(0, 0.02, 180)
    every = ImageScores(value, who, case, 0 * case, case, 0 * case)
    months = np.tile(month, 3) + JANUARY
    two = every.take(who.sum(axis=0) == 1)
    assert np.isnan(score_trend(two, 0, months[:60], FEW).p)
    assert np.isnan(score_trend(two, 1, months[:60], FEW).p)
    assert score_trend(every, 0, months, FEW).p < 0.01
    assert score_trend(every, 1, months, FEW).p > 0.05


def test_harder_sorts_of_images_are_no_trend_where_nobody_had_the_same() -> None:
    p = np.array([of(seed, 0.0, hard=False, shared=False, sorts=2).p for seed in range(30)])
    assert (p < 0.05).sum() <= 6
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
    scored = ImageScores(value, np.stack([0 * case, 0 * case + 9]), case, car.astype(np.int64), case, 0 * case)
    found = score_trend(scored, 0, month + JANUARY, FEW, 9)
    assert found.p > 0.05
    assert abs(found.slope) < 0.01
    assert found.months[0].score - found.months[-1].score > 0.3


def test_one_month_or_few_clusters_say_nothing() -> None:
    case = np.arange(12)
    value = np.linspace(0, 1, 12)
    scored = ImageScores(value, np.stack([0 * case, 0 * case + 9]), case, 0 * case, case, 0 * case)
    once = score_trend(scored, 0, 0 * case + JANUARY, FEW, 9)
    assert np.isnan([once.slope, once.p]).all()
    assert once.months[0].images == 12
    nowhere = score_trend(scored, 0, 0 * case - 1, FEW, 9)
    assert nowhere.months == ()
    few = ImageScores(value, scored.annotators, case, 0 * case, case // 3, 0 * case)
    found = score_trend(few, 0, JANUARY + case // 3, FEW, 9)
    assert found.slope == pytest.approx(3 / 11)
    assert np.isnan(found.p)
