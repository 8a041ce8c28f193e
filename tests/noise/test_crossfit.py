"""Crossfit: kinds of mistake that are opposites are told, and each is told from other images."""

import numpy as np

from segdata.noise.calibration import cross_fit, fit_calibration, mean_log_ratio, unlearnt_log_ratio
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
    ratio, held = cross_fit(x, fold, x, kind, fold, 10.0)
    assert auroc(mean_log_ratio(held), kind >= 0)[0] > 0.95
    np.testing.assert_array_equal(ratio, held)  # the same candidates, learnt from the same others


def test_ratios_are_those_of_the_densities() -> None:
    x, kind, fold = sample(1, 40_000)
    ratio, _ = cross_fit(x, fold, x, kind, fold, 1.0)
    true = 3 * x[:, 0] - 4.5  # log N(3, 1) / N(0, 1)
    inside = np.abs(true) < 4
    np.testing.assert_allclose(ratio[inside, 1], true[inside], atol=0.6)


def test_what_is_learnt_is_of_other_folds() -> None:
    x, kind, fold = sample(2)
    mine = fold == 0
    one, _ = cross_fit(x, fold, x, kind, fold, 10.0)
    other, _ = cross_fit(x, fold, x[~mine], kind[~mine], fold[~mine], 10.0)
    for column in (0, 1):  # but for the calibration, which is one line for all folds
        assert np.corrcoef(one[mine, column], other[mine, column])[0, 1] > 0.999999


def test_without_mistakes_nothing_is_told() -> None:
    x, _, fold = sample(3, 100)
    ratio, held = cross_fit(x, fold, x, np.full(100, -1), fold, 10.0)
    assert ratio.shape == held.shape == (100, 0)
    assert mean_log_ratio(ratio).tolist() == [0.0] * 100


def test_kinds_count_by_their_shares() -> None:
    ratio = np.log([[4.0, 1.0], [1.0, 4.0]])
    np.testing.assert_allclose(np.exp(mean_log_ratio(ratio)), [2.5, 2.5])
    np.testing.assert_allclose(np.exp(mean_log_ratio(ratio, np.array([0.03, 0.01]))), [3.25, 1.75])


def test_what_is_not_learnt_is_as_if_its_kind_had_not_been_there() -> None:
    x, kind, fold = sample(4)
    _, held = cross_fit(x, fold, x, kind, fold, 10.0)
    found = unlearnt_log_ratio(held, kind, np.array([0.03, 0.01]))
    for name in (2, 5):
        of_kind = kind == name
        without = ~of_kind
        ratio, _ = cross_fit(x[of_kind], fold[of_kind], x[without], kind[without], fold[without], 10.0)
        np.testing.assert_allclose(found[of_kind], mean_log_ratio(ratio), atol=1e-9)
    right = kind < 0
    np.testing.assert_allclose(found[right], mean_log_ratio(held, np.array([0.03, 0.01]))[right])
    one = unlearnt_log_ratio(held[:, :1], np.where(kind == 5, -1, kind), np.ones(1))
    np.testing.assert_allclose(one, held[:, 0])  # a single kind stays
    assert unlearnt_log_ratio(np.zeros((3, 0)), np.full(3, -1), np.empty(0)).tolist() == [0.0] * 3


def test_calibration_on_kinds_not_learnt_is_less_sure() -> None:
    """Opposites: what is learnt of one kind says that the other is none."""
    x, kind, fold = sample(5)
    _, held = cross_fit(x, fold, x, kind, fold, 10.0)
    share, wrong = np.array([0.05, 0.05]), (kind >= 0).astype(np.int64)
    learnt, unlearnt = mean_log_ratio(held, share), unlearnt_log_ratio(held, kind, share)
    sure, careful = fit_calibration(learnt, wrong), fit_calibration(unlearnt, wrong)
    assert careful.slope < sure.slope
    assert careful.probability(learnt).max() < sure.probability(learnt).max()
