"""Classifier: from features to the odds that something is wrong, by regularised logistic regression; calibration.

Few weights, the same for all segments, so that a probability can be explained; no randomness.
"""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Floats

CLIP = 4.0  # standard deviations beyond which a feature says no more
STEPS = 50


@dataclass(frozen=True, slots=True)
class Logistic:
    """Logistic regression.

    Attributes
    ----------
    centre, scale : (F,) of the features
    weight, bias : (F,) and one number
    """

    centre: Floats
    scale: Floats
    weight: Floats
    bias: float

    def margin(self, x: Floats) -> Floats:
        """(n,) log odds of features (n, F)."""
        return np.asarray(_standard(x, self.centre, self.scale) @ self.weight + self.bias)


def _standard(x: Floats, centre: Floats, scale: Floats) -> Floats:
    return np.clip((x - centre) / scale, -CLIP, CLIP)


def fit(x: Floats, y: Ints, l2: float = 1.0) -> Logistic:
    """The weights that make y (n,), 0 or 1, most likely, given standardised features x (n, F), less l2 / 2 |weights|^2.

    By Newton's method, halving steps that lead up: the loss is convex, so that there is one answer. The bias has no
    penalty but what keeps it finite.
    Source: Bishop (2006), Pattern Recognition and Machine Learning, 4.3.3.
    """
    centre = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
    scale = x.std(axis=0) if len(x) else np.ones(x.shape[1])
    scale = np.where(scale > 1e-9, scale, 1.0)
    z = np.column_stack([_standard(x, centre, scale), np.ones(len(x))])  # (n, F + 1)
    penalty = np.append(np.full(x.shape[1], l2), 1e-3)  # (F + 1,)
    w = np.zeros(len(penalty))
    loss, p = _loss(w, z, y, penalty)
    for _ in range(STEPS):
        gradient = z.T @ (p - y) + penalty * w
        step = np.linalg.solve((z * (p * (1 - p))[:, None]).T @ z + np.diag(penalty), gradient)
        if gradient @ step < 1e-10 * max(len(x), 1):
            break
        size = 1.0
        while True:
            lower, q = _loss(w - size * step, z, y, penalty)
            if lower <= loss or size < 1e-6:
                break
            size /= 2
        w, loss, p = w - size * step, lower, q
    return Logistic(centre, scale, w[:-1], float(w[-1]))


def _loss(w: Floats, z: Floats, y: Ints, penalty: Floats) -> tuple[float, Floats]:
    a = z @ w
    return float((np.logaddexp(0, a) - y * a).sum() + 0.5 * (penalty * w**2).sum()), logistic(a)


def logistic(a: Floats) -> Floats:
    """(n,) probabilities of log odds (n,)."""
    return np.asarray(1 / (1 + np.exp(-np.clip(a, -500, 500))))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Log odds z are turned into the probability that 1 / (1 + exp(-slope z - offset))."""

    slope: float = 1.0
    offset: float = 0.0

    def odds(self, z: Floats) -> Floats:
        """(n,) log odds of log odds (n,)."""
        return self.slope * z + self.offset

    def probability(self, z: Floats) -> Floats:
        """(n,) of log odds (n,)."""
        return logistic(self.odds(z))


def calibrated(z: Floats, wrong: Ints) -> Calibration:
    """What turns log odds z (n,) into the share of those that are wrong (n,), 0 or 1.

    Targets are drawn in a little, so that few verdicts that all agree do not make certainty. The slope is never below
    0: verdicts cannot turn an order round. Without verdicts of both sorts z is taken as it is but for its offset.
    Source: Platt (1999), Advances in Large Margin Classifiers, 61-74.
    """
    n_wrong, n = int(wrong.sum()), len(wrong)
    if n == 0:
        return Calibration()
    target = np.where(wrong == 1, (n_wrong + 1) / (n_wrong + 2), 1 / (n - n_wrong + 2))
    slope, offset = 1.0, 0.0
    free = 0 < n_wrong < n
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(slope * z + offset, -500, 500)))
        gap, weight = p - target, np.maximum(p * (1 - p), 1e-9)
        # One verdict's weight holds the slope near 1, so that few verdicts do not make a wild one.
        g = np.array([(gap * z).sum() + (slope - 1), gap.sum()])
        h = np.array([[(weight * z * z).sum() + 1, (weight * z).sum()], [(weight * z).sum(), weight.sum() + 1e-9]])
        if not free:
            g[0], h[0] = 0.0, (1.0, 0.0)
            h[1, 0] = 0.0
        step = np.linalg.solve(h, g)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        slope, offset = max(slope - float(step[0]), 0.0), offset - float(step[1])
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(slope, offset)
