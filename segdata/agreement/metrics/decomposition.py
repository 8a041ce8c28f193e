"""Decomposition: what the pixels on which two annotators disagree are due to."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from segdata.core.runs import Floats


class Decomposition(NamedTuple):
    """Shares of all pixels on which two annotators disagree, each (...) in [0, 1]; together 1."""

    missed: Floats  # in segments that only A has
    extra: Floats  # in segments that only B has
    confused: Floats  # in segments that both have, under different categories
    boundary: Floats  # at the edges of segments that both have, under one category


def decomposition(missed: ArrayLike, extra: ArrayLike, confused: ArrayLike, boundary: ArrayLike) -> Decomposition:
    """The shares of four kinds of disagreement, from their pixels (...).

    A segment that lies elsewhere is missed and extra, one that is matched (IoU > 0.5) is a matter of its category or
    its edge: the first asks for a search of the image, the others for a sentence in the guideline. Swapping A and B
    swaps missed and extra. NaN where the two agree on every pixel.
    Source: in the spirit of Bolya, Foley, Hays, Hoffman (2020), TIDE: A General Toolbox for Identifying Object
    Detection Errors, ECCV; pixels here, and parts of a whole.

    >>> [float(score) for score in decomposition(1, 2, 3, 4)]
    [0.1, 0.2, 0.3, 0.4]
    """
    kinds = [np.asarray(amount, float) for amount in (missed, extra, confused, boundary)]
    total = np.sum(np.broadcast_arrays(*kinds), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Decomposition(*(amount / total for amount in kinds))
