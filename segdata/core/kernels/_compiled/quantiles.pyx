# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Values of groups by their rank."""

import numpy as np
from libc.math cimport NAN
from libc.stdint cimport int64_t

from segdata.core.kernels.offsets import check_offsets


def quantiles(const double[::1] values, const int64_t[::1] offset, double share):
    """Quantiles of groups: see the plain twin."""
    check_offsets(np.asarray(offset), offset.shape[0] - 1, values.shape[0])
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share}: 0 to 1 is possible")
    cdef Py_ssize_t n = offset.shape[0] - 1, i
    found, copied = np.empty(n, np.float64), np.array(values, np.float64)
    cdef double[::1] result = found, scratch = copied
    with nogil:
        for i in range(n):
            if offset[i + 1] > offset[i]:
                result[i] = quantile(&scratch[offset[i]], offset[i + 1] - offset[i], share)
            else:
                result[i] = NAN
    return found


cdef double quantile(double *value, Py_ssize_t n, double share) noexcept nogil:
    """The quantile of values, which it puts into another order."""
    cdef double place = (n - 1) * share
    cdef Py_ssize_t low = <Py_ssize_t>place, i
    cdef double below = select(value, n, low), above = below
    if place > low:
        above = value[low + 1]  # beyond it are only values that are not smaller
        for i in range(low + 2, n):
            above = min(above, value[i])
    return below if above == below else below + (above - below) * (place - low)


cdef double select(double *value, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """The value of rank k, after which those before it are not larger, and those behind it not smaller.

    Source: Hoare (1961), Algorithm 65: Find, Communications of the ACM 4(7), 321-322.
    """
    cdef Py_ssize_t low = 0, high = n - 1, i, j
    cdef double pivot
    while low < high:
        pivot = middle(value[low], value[(low + high) // 2], value[high])
        i, j = low, high
        while i <= j:
            while value[i] < pivot:
                i += 1
            while value[j] > pivot:
                j -= 1
            if i <= j:
                value[i], value[j] = value[j], value[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return value[k]


cdef inline double middle(double a, double b, double c) noexcept nogil:
    """The second largest of three."""
    return max(min(a, b), min(max(a, b), c))
