"""Dice: twice the shared pixels over the pixels of both, also called F1 or specific agreement."""

import numpy as np
from numpy.typing import ArrayLike

from segdata.agreement.plugin import metric
from segdata.core.runs import Floats


@metric(
    "dice_micro",
    takes=("both", "area_a", "area_b"),
    higher_is_better=True,
    source="Dice (1945), Ecology 26(3), 297-302",
)
def dice(both: ArrayLike, area_a: ArrayLike, area_b: ArrayLike) -> Floats:
    """The Dice coefficient, in [0, 1], of two annotators' pixels of a category or a segment.

    Takes the pixels that both, A and B have (...), of one image or summed over many. It is 2 IoU / (1 + IoU), and the
    chance that B gives a pixel the category if A does, averaged with the reverse. Swapping A and B changes nothing.
    NaN where neither has a pixel.

    >>> dice([3, 0, 0], [4, 4, 0], [4, 0, 0]).tolist()
    [0.75, 0.0, nan]
    """
    shared, a, b = (np.asarray(amount, float) for amount in (both, area_a, area_b))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * shared / (a + b))
