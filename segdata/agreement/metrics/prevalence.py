"""Prevalence: how common a category is, without which no kappa of it can be read."""

import numpy as np
from numpy.typing import ArrayLike

from segdata.agreement.plugin import metric
from segdata.core.runs import Floats


@metric(
    "prevalence",
    takes=("area_a", "area_b", "pixels"),
    higher_is_better=True,
    source="Byrt, Bishop, Carlin (1993), Journal of Clinical Epidemiology 46(5), 423-429",
)
def prevalence(area_a: ArrayLike, area_b: ArrayLike, pixels: ArrayLike) -> Floats:
    """The share of all pixels (...), in [0, 1], that an annotator gives the category, the mean of the two.

    Takes the pixels that A and B gave it, and all that count, void left out. The nearer to 0 or 1, the lower kappa is
    for as many differing pixels. Swapping A and B changes nothing. NaN without pixels.

    >>> float(prevalence(2, 4, 12))
    0.25
    """
    a, b, n = (np.asarray(counts, float) for counts in (area_a, area_b, pixels))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((a + b) / (2 * n))
