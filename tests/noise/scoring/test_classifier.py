"""The classifier beside a general optimiser, and calibration beside the truth."""

import numpy as np
import pytest
from scipy.optimize import minimize

from segdata.noise.scoring.classifier import calibrated, fit


def sample(n: int, n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) * (1, 10, 0.1, 1) + (0, 5, 0, 0)
    return x, (x[:, 0] + rng.logistic(size=n) > 0.5).astype(int) + (n_classes > 2) * rng.integers(0, n_classes - 1, n)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_minimise_the_penalised_loss(n_classes: int) -> None:
    x, y = sample(200, n_classes, 1)
    y = np.minimum(y, n_classes - 1)
    model = fit(x, y, n_classes, l2=2.0)
    z = np.column_stack([np.clip((x - x.mean(axis=0)) / x.std(axis=0), -4, 4), np.ones(len(x))])

    def loss(w: np.ndarray) -> float:
        w = w.reshape(n_classes - 1, -1)
        logits = np.column_stack([np.zeros(len(x)), z @ w.T])
        told = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]
        return float(told.sum() + (w[:, :-1] ** 2).sum() + 0.0005 * (w[:, -1] ** 2).sum())

    expected = minimize(loss, np.zeros((n_classes - 1) * 5), tol=1e-10).x.reshape(n_classes - 1, -1)
    np.testing.assert_allclose(model.weight, expected[:, :-1], atol=2e-4)
    np.testing.assert_allclose(model.bias, expected[:, -1], atol=2e-4)
    np.testing.assert_allclose(model.probability(x).sum(axis=1), 1)


def test_weights_are_found_again() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20_000, 3))
    y = (x @ np.array([1.0, -2.0, 0.0]) - 1 + rng.logistic(size=len(x)) > 0).astype(int)
    model = fit(x, y, 2)
    np.testing.assert_allclose(model.weight[0] / model.scale, [1.0, -2.0, 0.0], atol=0.1)


def test_one_class_alone_is_sure_of_itself_but_finite() -> None:
    x, _ = sample(30, 2, 3)
    p = fit(x, np.zeros(30, np.int64), 2).probability(x)
    assert np.isfinite(p).all()
    assert (p[:, 0] > 0.9).all()


def test_calibration_is_found_again() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(size=20_000) * 3
    wrong = (rng.random(len(z)) < 1 / (1 + np.exp(-(0.6 * z - 2)))).astype(np.int64)
    found = calibrated(z, wrong)
    assert found.slope == pytest.approx(0.6, abs=0.05)
    assert found.offset == pytest.approx(-2, abs=0.15)


@pytest.mark.parametrize("wrong", [0, 1])
def test_few_verdicts_that_agree_make_no_certainty(wrong: int) -> None:
    found = calibrated(np.array([1.0, 2.0, 3.0]), np.full(3, wrong))
    assert found.slope == 1
    assert 0.01 < found.probability(np.array([2.0]))[0] < 0.99


def test_verdicts_never_turn_an_order_round() -> None:
    z = np.linspace(-3, 3, 50)
    assert calibrated(z, (z < 0).astype(np.int64)).slope == 0
