"""Detection: which share of segments the other annotator found too."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from segdata.agreement.plugin import metric
from segdata.core.runs import Floats


class DetectionScores(NamedTuple):
    """Each (...) in [0, 1]."""

    precision: Floats
    recall: Floats
    f1: Floats


def detection_scores(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> DetectionScores:
    """Precision, recall and F1 of B's segments where A's are the reference.

    Precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = TP / (TP + FP / 2 + FN / 2), their harmonic mean. Takes
    numbers of matches, of segments that only B and only A has, (...) each. Swapping A and B swaps precision and
    recall and leaves F1. Precision is NaN where B has no segment, recall where A has none, F1 where nobody has.
    Source: van Rijsbergen (1979), Information Retrieval, chapter 7.

    >>> [float(score) for score in detection_scores(tp=3, fp=1, fn=0)]
    [0.75, 1.0, 0.8571428571428571]
    """
    true, only_b, only_a = (np.asarray(amount, float) for amount in (tp, fp, fn))
    with np.errstate(divide="ignore", invalid="ignore"):
        return DetectionScores(true / (true + only_b), true / (true + only_a), true / (true + only_b / 2 + only_a / 2))


@metric("f1", takes=("tp", "fp", "fn"), higher_is_better=True, source="van Rijsbergen (1979), Information Retrieval")
def f1(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> Floats:
    """F1 (...) of segments, in [0, 1], from their counts (...); see `detection_scores`."""
    return detection_scores(tp, fp, fn).f1
