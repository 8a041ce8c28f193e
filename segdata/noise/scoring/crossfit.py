"""Crossfit: what is said of an image is learnt from others, never from those of its own group."""

from collections.abc import Sequence

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Flags, Floats
from segdata.noise.scoring.classifier import calibrated, fit

FOLDS = 5
ENOUGH = 40_000  # right candidates to learn from; of more every n-th


def folds_of(groups: Sequence[str]) -> Ints:
    """(i,) the fold of each image, of at most `FOLDS`; those of one group have the same.

    >>> folds_of(["a", "b", "a", "c"]).tolist()
    [0, 1, 0, 2]
    """
    row = {name: at for at, name in enumerate(dict.fromkeys(groups))}
    return np.array([row[name] % FOLDS for name in groups], np.int64)


def learnt(fold: Ints, each: int) -> Flags:
    """(n,) what is learnt from, to judge a fold: all others, or itself where there are none."""
    others = fold != each
    return np.asarray(others if others.any() else ~others)


def crossed(x: Floats, fold: Ints, z: Floats, kind: Ints, held_fold: Ints, l2: float) -> tuple[Floats, Floats]:
    """How much likelier x (n, F) and z (h, F) are as mistakes than as right, learnt from those of z in other folds.

    `kind` (h,) says which kind of mistake each of z is, -1: none. Each kind is told from what is right by weights of
    its own, since kinds are opposites (drawn too large, too small) and no single direction. The ratios of the densities
    are (n, K) and (h, K), as logs, for the K kinds that occur; of one that others do not have it is 1.
    Source: Begg and Gray (1984), Biometrika 71(1), 11-18.
    """
    known = np.unique(kind[kind >= 0])
    ratio, held = np.zeros((len(x), len(known))), np.zeros((len(z), len(known)))
    right = kind < 0
    few = right & (np.cumsum(right) % max(int(right.sum()) // ENOUGH, 1) == 0)
    for each in np.union1d(fold, held_fold):
        others, mine, theirs = learnt(held_fold, each), fold == each, held_fold == each
        for column, name in enumerate(known):
            rows = others & (few | (kind == name))
            wrong = (kind[rows] == name).astype(np.int64)
            if 0 < wrong.sum() < len(wrong):
                model, prior = fit(z[rows], wrong, l2), np.log(wrong.sum() / (1 - wrong).sum())
                ratio[mine, column] = model.margin(x[mine]) - prior
                held[theirs, column] = model.margin(z[theirs]) - prior
    for column, name in enumerate(known):
        rows = right | (kind == name)
        wrong = (kind[rows] == name).astype(np.int64)
        scale, prior = calibrated(held[rows, column], wrong), np.log(wrong.sum() / max((1 - wrong).sum(), 1))
        ratio[:, column], held[:, column] = (scale.odds(each[:, column]) - prior for each in (ratio, held))
    return ratio, held


def together(ratio: Floats, share: Floats | None = None) -> Floats:
    """(n,) the log of the mean of ratios (n, K) given as logs, each kind weighted by its share (K,) or all alike."""
    if not ratio.shape[1]:
        return np.zeros(len(ratio))
    weight = np.zeros(ratio.shape[1]) if share is None else np.log(share)
    return np.asarray(np.logaddexp.reduce(ratio + weight, axis=1) - np.logaddexp.reduce(weight))


def log_loss(odds: Floats, wrong: Ints) -> float:
    """How badly calibrated log odds (n,) tell what is wrong (n,), 0 or 1; the less the better."""
    p = np.clip(calibrated(odds, wrong).probability(odds), 1e-9, 1 - 1e-9)
    return float(-(np.log(p[wrong == 1]).sum() + np.log(1 - p[wrong == 0]).sum()))
