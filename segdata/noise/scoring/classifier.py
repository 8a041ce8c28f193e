"""Classifier: from features to the probability of each class, by regularised logistic regression, and its calibration.

Few weights, the same for all segments, so that a probability can be explained; no randomness.
"""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Floats

CLIP = 4.0  # standard deviations beyond which a feature says no more
STEPS = 50


@dataclass(frozen=True, slots=True)
class Softmax:
    """Multinomial logistic regression.

    Attributes
    ----------
    centre, scale : (F,) of the features
    weight : (C - 1, F) and `bias` (C - 1,) of the classes but the first, beside which they are seen
    """

    centre: Floats
    scale: Floats
    weight: Floats
    bias: Floats

    def logits(self, x: Floats) -> Floats:
        """(n, C) of features (n, F); 0 for the first class."""
        z = _standard(x, self.centre, self.scale) @ self.weight.T + self.bias
        return np.column_stack([np.zeros(len(x)), z])

    def probability(self, x: Floats) -> Floats:
        """(n, C) of features (n, F)."""
        return softmax(self.logits(x))

    def margin(self, x: Floats) -> Floats:
        """(n,) of features (n, F): by how much class 1 is above class 0, as log odds."""
        z = self.logits(x)
        return np.asarray(z[:, 1] - z[:, 0])


def softmax(z: Floats) -> Floats:
    """(n, C) probabilities of logits (n, C)."""
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _standard(x: Floats, centre: Floats, scale: Floats) -> Floats:
    return np.clip((x - centre) / scale, -CLIP, CLIP)


def fit(x: Floats, y: Ints, n_classes: int, l2: float = 1.0) -> Softmax:
    """The weights that make classes y (n,) most likely, given standardised features x (n, F), less l2 / 2 |weights|^2.

    By Newton's method, halving steps that lead up: the loss is convex, so that there is one answer. The bias has no
    penalty but what keeps it finite.
    Source: Bishop (2006), Pattern Recognition and Machine Learning, 4.3.3 and 4.3.4.
    """
    centre = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
    scale = x.std(axis=0) if len(x) else np.ones(x.shape[1])
    scale = np.where(scale > 1e-9, scale, 1.0)
    z = np.column_stack([_standard(x, centre, scale), np.ones(len(x))])  # (n, F + 1)
    f = z.shape[1]
    penalty = np.tile(np.append(np.full(f - 1, l2), 1e-3), n_classes - 1)  # ((C - 1) (F + 1),)
    target = np.eye(n_classes)[y]  # (n, C)
    w = np.zeros((n_classes - 1) * f)
    loss, p = _loss(w, z, target, penalty)
    for _ in range(STEPS):
        gradient = ((p - target)[:, 1:].T @ z).ravel() + penalty * w
        step = np.linalg.solve(_hessian(p[:, 1:], z) + np.diag(penalty), gradient)
        if gradient @ step < 1e-10 * max(len(x), 1):
            break
        size = 1.0
        while True:
            lower, q = _loss(w - size * step, z, target, penalty)
            if lower <= loss or size < 1e-6:
                break
            size /= 2
        w, loss, p = w - size * step, lower, q
    weight = w.reshape(n_classes - 1, f)
    return Softmax(centre, scale, weight[:, :-1], weight[:, -1])


def _loss(w: Floats, z: Floats, target: Floats, penalty: Floats) -> tuple[float, Floats]:
    logits = np.column_stack([np.zeros(len(z)), z @ w.reshape(target.shape[1] - 1, z.shape[1]).T])
    top = logits.max(axis=1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    return float(-(target * log_p).sum() + 0.5 * (penalty * w**2).sum()), np.exp(log_p)


def _hessian(p: Floats, z: Floats) -> Floats:
    """(C F, C F) second derivatives of the loss without its penalty, for probabilities p (n, C) and inputs z (n, F)."""
    n_classes, f = p.shape[1], z.shape[1]
    found = np.empty((n_classes, f, n_classes, f))
    for j in range(n_classes):
        for k in range(j, n_classes):
            weight = p[:, j] * ((j == k) - p[:, k])
            block = z.T @ (z * weight[:, None])
            found[j, :, k], found[k, :, j] = block, block.T
    return found.reshape(n_classes * f, n_classes * f)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Log odds z are turned into the probability that 1 / (1 + exp(-slope z - offset))."""

    slope: float = 1.0
    offset: float = 0.0

    def probability(self, z: Floats) -> Floats:
        """(n,) of log odds (n,)."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.slope * z + self.offset, -500, 500))))


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
