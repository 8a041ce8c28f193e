"""Differing: the pixels that two drawings of the same segments do not share."""

import numpy as np

from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, NumberLine, Runs


def differing(a: Runs, b: Runs, height: Ints, width: Ints) -> Ints:
    """(n,) pixels of each of n segments that only one side has; sizes (n,) of their images are in pixels."""
    n = len(height)
    same = ((a.start, b.start), (a.length, b.length), (a.owner, b.owner))
    if all(np.array_equal(one, other) for one, other in same):  # most often, and much faster
        return np.zeros(n, np.int64)
    line, each = NumberLine.of(height, width), np.arange(n)
    one, other = SweepRuns.of(a, line, each), SweepRuns.of(b, line, each)
    owner, _, _, length = kernels.strips(one.start, one.end, one.owner, other.start, other.end, other.owner)
    shared = np.bincount(owner, weights=length, minlength=n).astype(np.int64)
    return a.areas(n) + b.areas(n) - 2 * shared
