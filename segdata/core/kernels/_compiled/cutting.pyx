# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Intervals on a number line, cut where others begin and end."""

import numpy as np
from libc.stdint cimport int64_t
from libc.stdlib cimport free

from segdata.core.kernels._compiled.room cimport grow

cdef struct Piece:
    int64_t row
    int64_t start
    int64_t end
    bint inside

cdef struct Pieces:
    Piece *at
    Py_ssize_t size
    Py_ssize_t room
    bint inside  # which are wanted
    bint outside


def cut(
    const int64_t[::1] a_start,
    const int64_t[::1] a_end,
    const int64_t[::1] b_start,
    const int64_t[::1] b_end,
    bint inside=True,
    bint outside=True,
):
    """Pieces of intervals inside and outside others: see the plain twin."""
    cdef Py_ssize_t n = a_start.shape[0], m = b_start.shape[0], i, j = 0
    if a_end.shape[0] != n or b_end.shape[0] != m:
        raise ValueError(f"{n} and {m} starts come with {a_end.shape[0]} and {b_end.shape[0]} ends")
    cdef Pieces found = Pieces(NULL, 0, 0, inside, outside)
    cdef bint enough = True
    try:
        with nogil:
            for i in range(n):
                if i > 0 and a_start[i] < a_start[i - 1]:
                    j = after(b_end, a_start[i])
                while j < m and b_end[j] <= a_start[i]:
                    j += 1
                enough = enough and cut_one(i, a_start[i], a_end[i], b_start, b_end, j, &found)
        return columns_of(&found, enough)
    finally:
        free(found.at)


cdef Py_ssize_t after(const int64_t[::1] end, int64_t place) noexcept nogil:
    """The first interval that ends after a place."""
    cdef Py_ssize_t low = 0, high = end.shape[0], middle
    while low < high:
        middle = (low + high) // 2
        if end[middle] <= place:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline bint cut_one(
    Py_ssize_t row,
    int64_t start,
    int64_t end,
    const int64_t[::1] b_start,
    const int64_t[::1] b_end,
    Py_ssize_t j,
    Pieces *found,
) noexcept nogil:
    """The pieces of one interval; j is the first of b that ends after its start."""
    cdef Py_ssize_t m = b_start.shape[0]
    cdef int64_t stop
    while start < end:
        if j == m or b_start[j] >= end:
            return push(found, row, start, end, False)
        if b_start[j] > start:
            if not push(found, row, start, b_start[j], False):
                return False
            start = b_start[j]
        stop = min(end, b_end[j])
        if stop > start and not push(found, row, start, stop, True):
            return False
        start = stop
        j += 1
    return True


cdef inline bint push(Pieces *found, int64_t row, int64_t start, int64_t end, bint inside) noexcept nogil:
    if not (found.inside if inside else found.outside):
        return True
    if found.size == found.room and not grow(<void **>&found.at, &found.room, found.size + 1, sizeof(Piece)):
        return False
    found.at[found.size] = Piece(row, start, end, inside)
    found.size += 1
    return True


cdef columns_of(Pieces *found, bint enough):
    if not enough:
        raise MemoryError("no memory for the pieces of intervals")
    cdef Py_ssize_t n = found.size, i
    rows, starts, ends = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    flags = np.empty(n, np.uint8)
    cdef int64_t[::1] row = rows, start = starts, end = ends
    cdef unsigned char[::1] inside = flags
    with nogil:
        for i in range(n):
            row[i], start[i], end[i], inside[i] = (
                found.at[i].row, found.at[i].start, found.at[i].end, found.at[i].inside
            )
    return rows, starts, ends, flags.view(np.bool_)
