"""The classifier beside a general optimiser, and calibration beside the truth."""

import numpy as np
import pytest
from scipy.optimize import minimize

from segdata.noise.calibration import fit_calibration, fit_logistic


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) * (1, 10, 0.1, 1) + (0, 5, 0, 0)
    return x, (x[:, 0] + rng.logistic(size=n) > 0.5).astype(int)


def test_weights_minimise_the_penalised_loss() -> None:
    x, y = sample(200, 1)
    model = fit_logistic(x, y, l2=2.0)
    z = np.column_stack([np.clip((x - x.mean(axis=0)) / x.std(axis=0), -4, 4), np.ones(len(x))])

    def loss(w: np.ndarray) -> float:
        told = np.log1p(np.exp(z @ w)) - y * (z @ w)
        return float(told.sum() + (w[:-1] ** 2).sum() + 0.0005 * w[-1] ** 2)

    expected = minimize(loss, np.zeros(5), tol=1e-10).x
    np.testing.assert_allclose(np.append(model.weight, model.bias), expected, atol=2e-4)
    np.testing.assert_allclose(model.margin(x), z @ expected, atol=2e-3)


def test_weights_are_found_again() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20_000, 3))
    y = (x @ np.array([1.0, -2.0, 0.0]) - 1 + rng.logistic(size=len(x)) > 0).astype(int)
    model = fit_logistic(x, y)
    np.testing.assert_allclose(model.weight / model.scale, [1.0, -2.0, 0.0], atol=0.1)


def test_one_class_alone_is_sure_of_itself_but_finite() -> None:
    x, _ = sample(30, 3)
    odds = fit_logistic(x, np.zeros(30, np.int64)).margin(x)
    assert np.isfinite(odds).all()
    assert (odds < -2).all()


def test_calibration_is_found_again() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(size=20_000) * 3
    wrong = (rng.random(len(z)) < 1 / (1 + np.exp(-(0.6 * z - 2)))).astype(np.int64)
    found = fit_calibration(z, wrong)
    assert found.slope == pytest.approx(0.6, abs=0.05)
    assert found.offset == pytest.approx(-2, abs=0.15)


@pytest.mark.parametrize("wrong", [0, 1])
def test_few_verdicts_that_agree_make_no_certainty(wrong: int) -> None:
    found = fit_calibration(np.array([1.0, 2.0, 3.0]), np.full(3, wrong))
    assert found.slope == 1
    assert 0.01 < found.probability(np.array([2.0]))[0] < 0.99


def test_verdicts_never_turn_an_order_round() -> None:
    z = np.linspace(-3, 3, 50)
    assert fit_calibration(z, (z < 0).astype(np.int64)).slope == 0
