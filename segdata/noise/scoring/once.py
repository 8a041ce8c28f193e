"""Once: a mistake counts once, however many candidates are about it."""

from collections.abc import Sequence

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import Floats


def once(mistakes: Sequence[Ints]) -> list[Floats]:
    """The weight of each candidate, in which those about one mistake share, so that a review finds most mistakes.

    `mistakes`: of each sort of candidates, which mistake each is about, -1: none, which weighs 1. An outline drawn by a
    weak hand leaves dozens of slivers where the model sees something else, and one label that they are of; who has seen
    that one has seen the mistake.

    >>> [each.tolist() for each in once([np.array([0, -1]), np.array([1, 0, 0])])]
    [[0.3333333333333333, 1.0], [1.0, 0.3333333333333333, 0.3333333333333333]]
    """
    every = np.concatenate(mistakes)
    times = np.append(np.bincount(every[every >= 0]), 1)
    return [1.0 / times[each] for each in mistakes]
