"""Instance alpha: agreement of any number of annotators on what there is and what it is, beyond chance."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.agreement.metrics.coincidences import coincidences
from segdata.agreement.metrics.krippendorff_alpha import krippendorff_alpha

Floats = NDArray[np.float64]


def instance_alpha(
    case: ArrayLike, cluster: ArrayLike, category: ArrayLike, n_categories: int, weight: ArrayLike | None = None
) -> Floats:
    """Krippendorff's alpha (...), nominal, at most 1, with things as units instead of pixels.

    What is one thing is settled by position first; then each annotator says of it a category, or that there is
    nothing, or, who did not see the place, says nothing at all. Takes what was said (n,) each: `case`, from 0, the
    `cluster` within it, and the `category`, -1 for nothing; see the table `members` of `segdata.core.opposed.Opposed`.
    `weight` (..., n_cases) is how often each case counts, by default once: cases are put together before alpha is
    taken, not averaged over. NaN where no thing was judged by two annotators, and where all say one and the same.
    What is not there has no unit: where nearly all is found by everybody, and is of one category, alpha is low however
    few disagree.
    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; localisation first, as in KaLOS (2026),
    arXiv 2603.27197.

    >>> said = [0, 1, 0, 0, 1, 1]
    >>> round(float(instance_alpha([0] * 6, [0, 0, 1, 1, 2, 2], said, n_categories=2)), 6)
    0.444444
    """
    of_case, number = np.asarray(case, np.int64), np.asarray(cluster, np.int64)
    units, unit = np.unique(np.stack([of_case, number]), axis=1, return_inverse=True)
    n_cases = int(of_case.max(initial=-1)) + 1 if weight is None else np.shape(weight)[-1]
    times = np.ones(n_cases) if weight is None else np.asarray(weight, float)
    ones = np.ones(units.shape[1])
    found = coincidences(unit.reshape(-1), category, ones, units[0], n_cases, n_categories)
    return krippendorff_alpha(times @ found.agreeing, times @ found.votes)
