# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Intervals of a number line: their overlaps, their union, and what others cut of them."""

import numpy as np
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, qsort

from segdata.core.kernels._compiled.room cimport grow
from segdata.core.kernels._compiled.sweep cimport Side, side_of, visit_between, visit_within

cdef struct Strip:
    int64_t start
    int64_t length
    int32_t a
    int32_t b

cdef struct Strips:
    Strip *at
    Py_ssize_t size
    Py_ssize_t room

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


def strips(
    const int64_t[::1] a_start,
    const int64_t[::1] a_end,
    const int32_t[::1] a_owner,
    const int64_t[::1] b_start,
    const int64_t[::1] b_end,
    const int32_t[::1] b_owner,
):
    """Overlaps of two sides: see the numpy reference."""
    cdef Side one = side_of(a_start, a_end, a_owner), other = side_of(b_start, b_end, b_owner)
    cdef Strips found = Strips(NULL, 0, 0)
    cdef bint enough
    try:
        with nogil:
            enough = visit_between(one, other, push_strip, &found)
        return columns_of_strips(&found, enough)
    finally:
        free(found.at)


def strips_within(const int64_t[::1] start, const int64_t[::1] end, const int32_t[::1] owner):
    """Overlaps of one side with itself: see the numpy reference."""
    cdef Side side = side_of(start, end, owner)
    cdef Strips found = Strips(NULL, 0, 0)
    cdef bint enough
    try:
        with nogil:
            enough = visit_within(side, push_strip_within, &found)
        return columns_of_strips(&found, enough)
    finally:
        free(found.at)


cdef bint push_strip(void *strips, int64_t start, int64_t length, int32_t a, int32_t b) noexcept nogil:
    cdef Strips *found = <Strips *>strips
    if found.size == found.room and not grow(<void **>&found.at, &found.room, found.size + 1, sizeof(Strip)):
        return False
    found.at[found.size] = Strip(start, length, a, b)
    found.size += 1
    return True


cdef bint push_strip_within(void *strips, int64_t start, int64_t length, int32_t a, int32_t b) noexcept nogil:
    """Keep a strip of two owners, the smaller one first."""
    return a == b or push_strip(strips, start, length, min(a, b), max(a, b))


cdef columns_of_strips(Strips *found, bint enough):
    if not enough:
        raise MemoryError("no memory for the overlaps of runs")
    cdef Py_ssize_t n = found.size, i
    firsts, seconds = np.empty(n, np.int32), np.empty(n, np.int32)
    starts, lengths = np.empty(n, np.int64), np.empty(n, np.int64)
    cdef int32_t[::1] a = firsts, b = seconds
    cdef int64_t[::1] start = starts, length = lengths
    with nogil:
        sort_ties(found)
        for i in range(n):
            a[i], b[i], start[i], length[i] = found.at[i].a, found.at[i].b, found.at[i].start, found.at[i].length
    return firsts, seconds, starts, lengths


cdef void sort_ties(Strips *found) noexcept nogil:
    """Sort strips, which are in the order of their starts, where several start at once."""
    cdef Py_ssize_t i = 0, j
    cdef bint sorted_already
    while i < found.size:
        j = i + 1
        sorted_already = True
        while j < found.size and found.at[j].start == found.at[i].start:
            sorted_already = sorted_already and by_owners(&found.at[j - 1], &found.at[j]) <= 0
            j += 1
        if not sorted_already:
            qsort(&found.at[i], j - i, sizeof(Strip), by_owners)
        i = j


cdef int by_owners(const void *one, const void *other) noexcept nogil:
    cdef const Strip *s = <const Strip *>one
    cdef const Strip *t = <const Strip *>other
    if s.a != t.a:
        return 1 if s.a > t.a else -1
    if s.b != t.b:
        return 1 if s.b > t.b else -1
    return (s.length > t.length) - (s.length < t.length)


def cover(const int64_t[::1] start, const int64_t[::1] end):
    """The union of intervals: see the numpy reference."""
    cdef Py_ssize_t n = start.shape[0], i, last = -1
    cdef int64_t once = 0, twice = 0, shared  # up to where the last interval is covered, and covered twice
    if end.shape[0] != n:
        raise ValueError(f"{n} starts come with {end.shape[0]} ends")
    starts, ends, multiples = np.empty(n, np.int64), np.empty(n, np.int64), np.zeros(n, np.int64)
    cdef int64_t[::1] first = starts, length = ends, multiple = multiples
    with nogil:
        for i in range(n):
            if end[i] <= start[i]:
                continue
            if last < 0 or start[i] > once:
                last += 1
                first[last] = start[i]
                once = twice = start[i]
            shared = min(end[i], once)
            multiple[last] += max(0, shared - max(start[i], twice))
            twice = max(twice, shared)
            once = max(once, end[i])
            length[last] = once - first[last]
    return starts[: last + 1].copy(), ends[: last + 1].copy(), multiples[: last + 1].copy()


def cut(
    const int64_t[::1] a_start,
    const int64_t[::1] a_end,
    const int64_t[::1] b_start,
    const int64_t[::1] b_end,
    bint inside=True,
    bint outside=True,
):
    """Pieces of intervals inside and outside others: see the numpy reference."""
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
        return columns_of_pieces(&found, enough)
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
            return push_piece(found, row, start, end, False)
        if b_start[j] > start:
            if not push_piece(found, row, start, b_start[j], False):
                return False
            start = b_start[j]
        stop = min(end, b_end[j])
        if stop > start and not push_piece(found, row, start, stop, True):
            return False
        start = stop
        j += 1
    return True


cdef inline bint push_piece(Pieces *found, int64_t row, int64_t start, int64_t end, bint inside) noexcept nogil:
    if not (found.inside if inside else found.outside):
        return True
    if found.size == found.room and not grow(<void **>&found.at, &found.room, found.size + 1, sizeof(Piece)):
        return False
    found.at[found.size] = Piece(row, start, end, inside)
    found.size += 1
    return True


cdef columns_of_pieces(Pieces *found, bint enough):
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
