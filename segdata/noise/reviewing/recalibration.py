"""Recalibration: probabilities learnt from injected mistakes, moved to the real ones by the verdicts of reviewers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Floats

# Standard deviations of what is believed before any verdict: by a factor of e^3 real errors may be more or less common
# than injected ones, and their log odds too large or too small by 80 %. Chosen on errors put into real datasets, such
# that the number to expect holds (docs/flag_budget.md).
OFFSET, SLOPE = 1.5, 0.4
FLAT = 0.05  # of the slope: an order is never turned round
_STEPS = 100


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """Log odds z become the probability 1 / (1 + exp(-slope z - offset)).

    Attributes
    ----------
    slope, offset : the most likely ones
    covariance : (2, 2) how little is known of them (slope first)
    n : how many verdicts they rest on
    """

    slope: float
    offset: float
    covariance: Floats
    n: int

    def probability(self, odds: Floats) -> Floats:
        """(n,) of log odds (n,)."""
        return _logistic(self.slope * odds + self.offset)

    def draws(self, odds: Floats, n_draws: int = 400, seed: int = 0) -> Floats:
        """(n_draws, n) what the probabilities of log odds (n,) may be, as far as is known; the same for a seed."""
        normal = np.random.default_rng(seed).standard_normal((n_draws, 2))
        drawn = np.array([self.slope, self.offset]) + normal @ np.linalg.cholesky(self.covariance).T
        return _logistic(np.maximum(drawn[:, :1], FLAT) * odds + drawn[:, 1:])


def recalibrated(odds: Floats, wrong: Ints | NDArray[np.bool_], weight: Floats | None = None) -> Recalibrated:
    """What verdicts (v,), 1 or 0, on items with these log odds (v,) say of the probabilities of all items.

    A logistic regression on the log odds, with a slope that is believed to be 1 +- 0.4 and an offset of 0 +- 1.5: no
    verdict moves nothing, few move little, and many decide. `weight` (v,): how much each counts; alike by default, also
    where items were reviewed because of their probability. Who is chosen by log odds alone is no other than the rest of
    the same log odds, so that nothing has to be made up for; to weigh by one over the chance to be reviewed makes
    probabilities worse, since then a few verdicts outweigh all others (measured in docs/flag_budget.md).
    Sources: Platt (1999), Advances in Large Margin Classifiers, 61-74; maximum a posteriori with Laplace's
    approximation: Bishop (2006), Pattern Recognition and Machine Learning, 4.5.1.
    """
    weight = np.ones(len(odds)) if weight is None else weight
    x = np.column_stack([odds, np.ones(len(odds))])
    precision = np.diag([SLOPE**-2, OFFSET**-2])
    believed = np.array([1.0, 0.0])
    at = believed.copy()
    loss, p = _loss(at, x, wrong, weight, precision, believed)
    hessian = precision
    for _ in range(_STEPS):
        gradient = x.T @ (weight * (p - wrong)) + precision @ (at - believed)
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + precision
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while True:
            lower, q = _loss(at - size * step, x, wrong, weight, precision, believed)
            if lower <= loss or size < 1e-6:
                break
            size /= 2
        at, loss, p = at - size * step, lower, q
        if np.abs(step).max() < 1e-9:
            break
    return Recalibrated(max(float(at[0]), FLAT), float(at[1]), np.linalg.inv(hessian), len(odds))


def _loss(
    at: Floats, x: Floats, wrong: Ints | NDArray[np.bool_], weight: Floats, precision: Floats, believed: Floats
) -> tuple[float, Floats]:
    z = x @ at
    away = at - believed
    return float((weight * (np.logaddexp(0, z) - wrong * z)).sum() + away @ precision @ away / 2), _logistic(z)


def _logistic(z: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -500, 500))))
