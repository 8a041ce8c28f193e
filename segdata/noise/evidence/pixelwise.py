"""Pixelwise: what pixels alone say of the labels of an image, as a whole."""

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import VOID, Drawn
from segdata.noise.evidence.evidence import Evidence

TEMPERATURE = 0.1  # of softmin
LEAST_IOU = 0.5  # with the given labels, from which on the model knows a category
VAGUE_IOU = 0.3  # below which it means nothing that the model sees a category somewhere


def agreement(given: Drawn, evidence: Evidence) -> tuple[Ints, Ints]:
    """(K,) pixels where a category was given and is seen, and (K,) where it was given or is seen; void left out."""
    label, n = given.categories(), len(evidence.probability)
    told = label != VOID
    both = np.bincount(label[told] * n + evidence.best[told], minlength=n * n).reshape(n, n)
    shared = np.diag(both)
    return shared, both.sum(axis=0) + both.sum(axis=1) - shared


def softmin(given: Drawn, evidence: Evidence) -> float:
    """The mean probability of the given categories over an image, pixels of low probability counting far more.

    Void is left out; NaN where all is void. Source: Lad and Mueller (2023), arXiv 2307.05080.
    """
    label = given.categories()
    told = np.flatnonzero(label != VOID)
    if not len(told):
        return float("nan")
    p = evidence.at(label[told], told).astype(float)
    weight = np.exp((p.min() - p) / TEMPERATURE)
    return float((p * weight).sum() / weight.sum())
