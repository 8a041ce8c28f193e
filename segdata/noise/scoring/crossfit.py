"""Crossfit: what is said of an image is learnt from others, never from those of its own group."""

from collections.abc import Sequence

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Flags, Floats
from segdata.noise.scoring.classifier import calibrated, fit

FOLDS = 5


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


def crossed(x: Floats, fold: Ints, z: Floats, wrong: Ints, held_fold: Ints, l2: float) -> tuple[Floats, Floats]:
    """Log odds of x (n, F) and of z (h, F), each as learnt from those of z in other folds."""
    odds, held = np.zeros(len(x)), np.zeros(len(z))
    for each in np.union1d(fold, held_fold):
        others = learnt(held_fold, each)
        model = fit(z[others], wrong[others], 2, l2)
        odds[fold == each], held[held_fold == each] = model.margin(x[fold == each]), model.margin(z[held_fold == each])
    return odds, held


def log_loss(odds: Floats, wrong: Ints) -> float:
    """How badly calibrated log odds (n,) tell what is wrong (n,), 0 or 1; the less the better."""
    p = np.clip(calibrated(odds, wrong).probability(odds), 1e-9, 1 - 1e-9)
    return float(-(np.log(p[wrong == 1]).sum() + np.log(1 - p[wrong == 0]).sum()))
