# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""How far pixels are from others."""

import numpy as np
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

from segdata.core.kernels.checks import check_scales

# The strips of side b in one column; `cursor` is the one that the last look ended at, since looks are close together.
# The first column of every `BLOCK` knows in which rows all of these are.
cdef struct Column:
    int64_t x
    Py_ssize_t first
    Py_ssize_t stop
    Py_ssize_t cursor
    int64_t low
    int64_t high


cdef enum:
    BLOCK = 16


def nearest(
    const int64_t[::1] x,
    const int64_t[::1] top,
    const int64_t[::1] bottom,
    const int32_t[::1] group,
    const int64_t[::1] b_x,
    const int64_t[::1] b_top,
    const int64_t[::1] b_bottom,
    const int32_t[::1] b_group,
    const double[::1] scale_x,
    const double[::1] scale_y,
):
    """Distances of pixels to the nearest of others: see the plain twin."""
    cdef Py_ssize_t n = x.shape[0], m = b_x.shape[0], i, at = 0, first = 0, stop = 0, n_columns = 0
    if top.shape[0] != n or bottom.shape[0] != n or group.shape[0] != n:
        raise ValueError(f"{n} x come with {top.shape[0]} top, {bottom.shape[0]} bottom and {group.shape[0]} group")
    if b_top.shape[0] != m or b_bottom.shape[0] != m or b_group.shape[0] != m:
        raise ValueError(f"{m} x come with {b_top.shape[0]} top, {b_bottom.shape[0]} bottom, {b_group.shape[0]} group")
    check_scales(np.asarray(group), np.asarray(b_group), np.asarray(scale_x), np.asarray(scale_y))
    cdef int64_t y, size = 0
    for i in range(n):
        size += max(0, bottom[i] - top[i])
    result = np.empty(size, np.float64)
    cdef double[::1] apart = result
    cdef Column *column = <Column *>malloc((m + 1) * sizeof(Column))
    if column == NULL:
        raise MemoryError("no memory for the columns of pixels")
    size = 0
    try:
        with nogil:
            for i in range(n):
                if i == 0 or group[i] != group[i - 1]:
                    while first < m and b_group[first] < group[i]:
                        first += 1
                    stop = first
                    while stop < m and b_group[stop] == group[i]:
                        stop += 1
                    n_columns = gather(b_x, b_top, b_bottom, first, stop, column)
                    first, at = stop, 0
                elif x[i] < x[i - 1]:
                    at = 0
                while at < n_columns and column[at].x < x[i]:
                    at += 1
                for y in range(top[i], bottom[i]):
                    apart[size] = sqrt(
                        search(column, n_columns, at, x[i], y, b_top, b_bottom, scale_x[group[i]], scale_y[group[i]])
                    )
                    size += 1
        return result
    finally:
        free(column)


cdef Py_ssize_t gather(
    const int64_t[::1] x,
    const int64_t[::1] top,
    const int64_t[::1] bottom,
    Py_ssize_t first,
    Py_ssize_t stop,
    Column *column,
) noexcept nogil:
    """The columns that strips are in; how many there are."""
    cdef Py_ssize_t j, n = 0
    cdef Column *block
    for j in range(first, stop):
        if j == first or x[j] != x[j - 1]:
            column[n] = Column(x[j], j, j, j, top[j], bottom[j])
            n += 1
        column[n - 1].stop = j + 1
        block = &column[(n - 1) // BLOCK * BLOCK]
        block.low, block.high = min(block.low, top[j]), max(block.high, bottom[j])
    return n


cdef inline double search(
    Column *column,
    Py_ssize_t n,
    Py_ssize_t at,
    int64_t x,
    int64_t y,
    const int64_t[::1] top,
    const int64_t[::1] bottom,
    double scale_x,
    double scale_y,
) noexcept nogil:
    """The squared distance to the nearest strip: columns are looked at from x outwards, until all others are too far.

    `at` is the first column that is not to the left of x. Blocks of columns all of whose rows are too far are skipped.
    """
    cdef Py_ssize_t right = at, left = at - 1
    cdef double best = INFINITY, across
    cdef bint going = True
    cdef Column *block
    while going:
        going = False
        if right < n:
            across = (column[right].x - x) * scale_x
            if across * across < best:
                going = True
                if right % BLOCK == 0 and across * across + beyond(&column[right], y, scale_y) >= best:
                    right += BLOCK
                else:
                    best = min(best, across * across + square(away(&column[right], y, top, bottom) * scale_y))
                    right += 1
        if left >= 0:
            across = (column[left].x - x) * scale_x
            if across * across < best:
                going = True
                block = &column[left - BLOCK + 1]
                if left % BLOCK == BLOCK - 1 and across * across + beyond(block, y, scale_y) >= best:
                    left -= BLOCK
                else:
                    best = min(best, across * across + square(away(&column[left], y, top, bottom) * scale_y))
                    left -= 1
    return best


cdef inline double beyond(Column *block, int64_t y, double scale_y) noexcept nogil:
    """The square of how far a row is from the rows of a block, at least."""
    return square(max(0, block.low - y, y - block.high + 1) * scale_y)


cdef inline int64_t away(
    Column *column, int64_t y, const int64_t[::1] top, const int64_t[::1] bottom
) noexcept nogil:
    """How many rows the nearest strip of a column is away."""
    cdef Py_ssize_t c = column.cursor
    while c < column.stop and bottom[c] <= y:
        c += 1
    while c > column.first and bottom[c - 1] > y:
        c -= 1
    column.cursor = c
    if c == column.stop:
        return y - bottom[c - 1] + 1
    if top[c] <= y:
        return 0
    if c == column.first:
        return top[c] - y
    return min(top[c] - y, y - bottom[c - 1] + 1)


cdef inline double square(double value) noexcept nogil:
    return value * value
