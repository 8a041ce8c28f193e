"""Recalibration: probabilities learnt from injected mistakes, moved to the real ones by the verdicts of reviewers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints
from segdata.noise.drawn import Floats

# Standard deviations of what is believed before any verdict: real errors are up to e^3 times as frequent as injected
# ones, or as rare, and up to twice as easy to tell, or not at all.
OFFSET, SLOPE = 1.5, 0.5
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


def recalibrated(odds: Floats, wrong: Ints | NDArray[np.bool_], inclusion: Floats | None = None) -> Recalibrated:
    """What verdicts (v,), 1 or 0, on items with these log odds (v,) say of the probabilities of all items.

    A logistic regression on the log odds, with a slope that is believed to be 1 +- 0.5 and an offset of 0 +- 1.5: a few
    verdicts move little, none nothing, and many decide. `inclusion` (v,): how probable it was that an item was
    reviewed. Verdicts on what was chosen for its probability say little of the rest, so those drawn by lot count for
    as many as they stand for, to the power 1/2, and all together for as many as there are verdicts: in full few of
    them would outweigh all others. Source: Platt (1999), Advances in Large Margin Classifiers, 61-74; as a maximum
    a posteriori with Laplace's approximation: Bishop (2006), Pattern Recognition and Machine Learning, 4.5.1.
    """
    weight = np.ones(len(odds)) if inclusion is None else inclusion**-POWER
    weight = weight * (len(odds) / max(float(weight.sum()), 1e-12))
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


POWER = 0.5


def _loss(
    at: Floats, x: Floats, wrong: Ints | NDArray[np.bool_], weight: Floats, precision: Floats, believed: Floats
) -> tuple[float, Floats]:
    z = x @ at
    away = at - believed
    return float((weight * (np.logaddexp(0, z) - wrong * z)).sum() + away @ precision @ away / 2), _logistic(z)


def _logistic(z: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -500, 500))))
