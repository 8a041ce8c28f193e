"""Crossfit: kinds of mistake that are opposites are told, and each is told from other images."""

import numpy as np

from segdata.noise.calibration import cross_fits, mean_log_ratio
from segdata.noise.evaluation import auroc


def sample(seed: int, n: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right ones about 0, two kinds of wrong ones at -3 and 3 of the first of four features."""
    rng = np.random.default_rng(seed)
    kind = rng.choice([-1, 2, 5], n, p=[0.9, 0.05, 0.05])
    x = rng.normal(size=(n, 4))
    x[:, 0] += np.select([kind == 2, kind == 5], [-3.0, 3.0], 0.0)
    return x, kind, rng.integers(0, 5, n)


def test_opposites_are_told_together() -> None:
    x, kind, fold = sample(0)
    ratio, held = cross_fits(x, fold, x, kind, fold, (10.0,))[0]
    assert auroc(mean_log_ratio(held), kind >= 0)[0] > 0.95
    np.testing.assert_array_equal(ratio, held)  # the same candidates, learnt from the same others


def test_ratios_are_those_of_the_densities() -> None:
    x, kind, fold = sample(1, 40_000)
    ratio, _ = cross_fits(x, fold, x, kind, fold, (1.0,))[0]
    true = 3 * x[:, 0] - 4.5  # log N(3, 1) / N(0, 1)
    inside = np.abs(true) < 4
    np.testing.assert_allclose(ratio[inside, 1], true[inside], atol=0.6)


def test_what_is_learnt_is_of_other_folds() -> None:
    x, kind, fold = sample(2)
    mine = fold == 0
    one, _ = cross_fits(x, fold, x, kind, fold, (10.0,))[0]
    other, _ = cross_fits(x, fold, x[~mine], kind[~mine], fold[~mine], (10.0,))[0]
    for column in (0, 1):  # but for the calibration, which is one line for all folds
        assert np.corrcoef(one[mine, column], other[mine, column])[0, 1] > 0.999999


def test_penalties_and_threads_change_nothing() -> None:
    x, kind, fold = sample(4)
    for l2, (ratio, held) in zip((1.0, 30.0), cross_fits(x, fold, x, kind, fold, (1.0, 30.0), 2), strict=True):
        alone, held_alone = cross_fits(x, fold, x, kind, fold, (l2,))[0]
        np.testing.assert_allclose(ratio, alone, atol=1e-8)
        np.testing.assert_allclose(held, held_alone, atol=1e-8)


def test_without_mistakes_nothing_is_told() -> None:
    x, _, fold = sample(3, 100)
    ratio, held = cross_fits(x, fold, x, np.full(100, -1), fold, (10.0,))[0]
    assert ratio.shape == held.shape == (100, 0)
    assert mean_log_ratio(ratio).tolist() == [0.0] * 100


def test_kinds_count_by_their_shares() -> None:
    ratio = np.log([[4.0, 1.0], [1.0, 4.0]])
    np.testing.assert_allclose(np.exp(mean_log_ratio(ratio)), [2.5, 2.5])
    np.testing.assert_allclose(np.exp(mean_log_ratio(ratio, np.array([0.03, 0.01]))), [3.25, 1.75])
