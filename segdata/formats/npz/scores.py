"""Scores: the segments that probabilities make, each with the mean of its pixels' probabilities."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Ints, Runs
from segdata.formats.npz.classes import UNLABELLED
from segdata.formats.shared.mask_files import ValueRuns

Probabilities = NDArray[np.floating]
_TOLERANCE = 0.01  # numbers of 16 bits have three digits


def likeliest(p: Probabilities, category: Sequence[int]) -> tuple[Ints, Runs, list[float]]:
    """The class of each pixel that is the likeliest, the first of equals; unlabelled pixels are nobody's.

    `p` is (n_classes, height, width). Returns the categories (n,) of the segments, their runs and their scores (n,).
    """
    best, label = p[0].copy(), np.zeros(p.shape[1:], np.uint16)
    for number in range(1, len(p)):  # a third of the time of argmax, which goes across memory
        np.putmask(label, p[number] > best, number)
        np.maximum(best, p[number], out=best)
    count = np.bincount(label.ravel(), minlength=len(p))
    total = np.bincount(label.ravel(), weights=best.ravel().astype(np.float64), minlength=len(p))
    runs = ValueRuns.of(label)
    # Classes that share a category are one segment.
    of_class = np.array(category, np.int64)
    seen = runs.value[of_class[runs.value] != UNLABELLED]
    ids = np.unique(of_class[seen])
    owner = np.where(of_class[runs.value] == UNLABELLED, -1, np.searchsorted(ids, of_class[runs.value]))
    mean = [float(total[of_class == id_].sum() / count[of_class == id_].sum()) for id_ in ids.tolist()]
    return ids, runs.owned(owner.astype(np.int32), len(ids)), mean


def above(p: Probabilities, category: Sequence[int], threshold: float) -> tuple[Ints, Runs, list[float]]:
    """For each class the pixels whose probability is above a threshold; segments of different classes may overlap.

    `p` is (n_classes, height, width). Returns the categories (n,) of the segments, their runs and their scores (n,).
    """
    ids, pieces, scores = [], [], []
    for of_class, id_ in zip(p, category, strict=True):
        mask = of_class > threshold
        if id_ != UNLABELLED and mask.any():
            start, length, value = kernels.label_runs(np.ascontiguousarray(mask, np.uint8))
            some = np.flatnonzero(value)
            pieces.append(Runs(start[some], length[some], np.zeros(len(some), np.int32)))
            scores.append(float(of_class[mask].mean(dtype=np.float64)))
            ids.append(id_)
    return np.array(ids, np.int64), Runs.concatenate(pieces, [1] * len(pieces)), scores


def unsound(p: Probabilities) -> str | None:
    """Why these numbers are no probabilities; None where they are."""
    low, high = float(p.min()), float(p.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return "holds values that are not finite"
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        return f"holds values from {low:.3g} to {high:.3g}: no probabilities; logits need a softmax first"
    return None


def sums_to_one(p: Probabilities, axis: int) -> bool:
    """Whether the classes along an axis are exclusive: their probabilities add up to 1 everywhere."""
    total = p.sum(axis=axis, dtype=np.float64)
    return bool(np.abs(total - 1).max(initial=0) < _TOLERANCE * max(p.shape[axis], 2))
