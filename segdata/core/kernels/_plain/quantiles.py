"""Values of groups by their rank."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels.offsets import check_offsets

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def quantiles(values: Float64, offset: Int64, share: float) -> Float64:
    """The value of each group that a share of its values lie below, interpolated as numpy does by default.

    Takes `values` (p,), those of group i being `offset[i]:offset[i + 1]`, and a share from 0 to 1. Returns (n,) values;
    NaN for a group without.

    >>> quantiles(np.array([4.0, 0.0, 2.0, 7.0]), np.array([0, 3, 3, 4]), 0.75).tolist()
    [3.0, nan, 7.0]
    """
    check_offsets(offset, len(offset) - 1, len(values))
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share}: 0 to 1 is possible")
    count = np.diff(offset)
    first = offset[:-1][count > 0] - offset[0]
    group = np.repeat(np.arange(len(count)), count)
    ascending = values[offset[0] : offset[-1]]
    ascending = ascending[np.lexsort((ascending, group))]
    place = (count[count > 0] - 1) * share
    low = np.floor(place).astype(np.int64)
    below, above = ascending[first + low], ascending[first + np.ceil(place).astype(np.int64)]
    result = np.full(len(count), np.nan)
    apart = np.subtract(above, below, out=np.zeros(len(low)), where=above != below)  # both may be infinite
    result[count > 0] = below + np.multiply(apart, place - low, out=np.zeros(len(low)), where=apart > 0)
    return result
