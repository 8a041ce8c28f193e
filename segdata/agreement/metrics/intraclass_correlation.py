"""Intraclass correlation: how much of the spread of volumes is due to what was measured, not to who measured it.

The intervals are for normal values; reports show none, since volumes of lesions or organs are not normal.
"""

import numpy as np
from numpy.typing import ArrayLike

from segdata.agreement.inference import Estimate
from segdata.core.runs import Floats


def absolute_agreement(values: ArrayLike, *, level: float = 0.95) -> Estimate:
    """ICC(2,1), or ICC(A,1): annotators are some of many, and one who always draws larger agrees less.

    Takes one number, a volume say, of n cases by k annotators, (..., n, k), none missing. Order of cases and
    annotators changes nothing, nor does a common factor. The interval at `level` is by F distributions. It is narrow
    where few annotators differ by a habit of their own: of 4,000 simulations with habits as large as the noise and case
    spread twice that, intervals of 95 % held the truth in 93 % (12 cases by 3 annotators), 88 % (50 by 3) and 94 %
    (50 by 20). That of `consistency` held it in 95 % of each.
    NaN with fewer than two cases or annotators, and where all numbers are the same.
    Source: Shrout, Fleiss (1979), Psychological Bulletin 86(2), 420-428; the interval, McGraw, Wong (1996),
    Psychological Methods 1(1), 30-46, tables 4 and 7.

    >>> judges = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> [round(float(value), 2) for value in absolute_agreement(judges)]
    [0.29, 0.02, 0.76]
    """
    from scipy.special import fdtri

    n, k, rows, columns, rest = _mean_squares(values)
    tail = (1 + level) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        icc = (rows - rest) / (rows + (k - 1) * rest + k * (columns - rest) / n)
        a, b = k * icc * columns, (n * (1 - icc) + k * icc * (n - 1)) * rest
        freedom = (a + b) ** 2 / (a**2 / (k - 1) + b**2 / ((n - 1) * (k - 1)))
        same = np.isnan(freedom) | (rows == 0)  # nothing but cases differs, or these do not: any value gives the same
        freedom = np.where(same, n, freedom)
        noise = k * columns + (k * n - k - n) * rest
        # 1 / F(n - 1, freedom) at `tail`, which few degrees of freedom make greater than any number can be.
        lower, upper = fdtri(freedom, n - 1, 1 - tail), fdtri(freedom, n - 1, tail)
        low = n * (lower * rows - rest) / (noise + n * lower * rows)
        high = n * (upper * rows - rest) / (noise + n * upper * rows)
    return Estimate(icc, *(np.where(np.isnan(icc), np.nan, end) for end in (low, high)))


def consistency(values: ArrayLike, *, level: float = 0.95) -> Estimate:
    """ICC(3,1), or ICC(C,1): these annotators alone, and one who always draws larger agrees as well.

    Takes and returns what `absolute_agreement` does; a number that is added to all values of an annotator changes
    nothing.
    Source: as there.

    >>> judges = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> [round(float(value), 2) for value in consistency(judges)]
    [0.71, 0.34, 0.95]
    """
    from scipy.special import fdtri

    n, k, rows, _, rest = _mean_squares(values)
    tail, freedom = (1 + level) / 2, (n - 1) * (k - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = (rest, rest * fdtri(n - 1, freedom, tail), rest / fdtri(freedom, n - 1, tail))
        icc, low, high = ((rows - amount) / (rows + (k - 1) * amount) for amount in noise)
    return Estimate(icc, low, high)


def _mean_squares(values: ArrayLike) -> tuple[int, int, Floats, Floats, Floats]:
    """N and k, and the mean squares (...) between cases, between annotators, and of the rest; NaN where undefined."""
    table = np.asarray(values, float)
    n, k = table.shape[-2:]
    if n < 2 or k < 2:
        nothing = np.full(table.shape[:-2], np.nan)
        return n, k, nothing, nothing, nothing
    exact = 1e-28 * (table**2).sum(axis=(-2, -1))  # smaller sums are rounding errors
    table = table - table.mean(axis=(-2, -1), keepdims=True)
    of_case, of_annotator = table.mean(axis=-1), table.mean(axis=-2)
    rest = table - of_case[..., :, None] - of_annotator[..., None, :]
    squares = [k * (of_case**2).sum(axis=-1), n * (of_annotator**2).sum(axis=-1), (rest**2).sum(axis=(-2, -1))]
    rows, columns, error = (
        np.where(square > exact, square, 0.0) / freedom
        for square, freedom in zip(squares, (n - 1, k - 1, (n - 1) * (k - 1)), strict=True)
    )
    return n, k, rows, columns, error
