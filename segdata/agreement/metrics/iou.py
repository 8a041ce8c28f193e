"""IoU: shared pixels over pixels in either."""

import numpy as np
from numpy.typing import ArrayLike

from segdata.agreement.plugin import metric
from segdata.core.runs import Floats


@metric(
    "iou_micro",
    takes=("both", "area_a", "area_b"),
    higher_is_better=True,
    source="Jaccard (1912), New Phytologist 11(2), 37-50",
)
def iou(both: ArrayLike, area_a: ArrayLike, area_b: ArrayLike) -> Floats:
    """Intersection over union, in [0, 1], of two annotators' pixels of a category or a segment.

    Takes the pixels that both, A and B have (...), of one image or summed over many. Swapping A and B changes nothing.
    NaN where neither has a pixel: two who rightly see nothing do not agree more than those who see something.

    >>> iou([2, 0, 0], [3, 4, 0], [3, 0, 0]).tolist()
    [0.5, 0.0, nan]
    """
    shared, a, b = (np.asarray(amount, float) for amount in (both, area_a, area_b))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(shared / (a + b - shared))
