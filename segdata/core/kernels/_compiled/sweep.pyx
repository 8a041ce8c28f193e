# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Overlaps of runs on a number line."""

import numpy as np
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc, qsort, realloc

cdef struct Live:
    int64_t end
    int32_t owner

cdef struct Strip:
    int64_t start
    int64_t length
    int32_t a
    int32_t b

cdef struct Strips:
    Strip *at
    Py_ssize_t size
    Py_ssize_t room


def strips(
    const int64_t[::1] a_start,
    const int64_t[::1] a_end,
    const int32_t[::1] a_owner,
    const int64_t[::1] b_start,
    const int64_t[::1] b_end,
    const int32_t[::1] b_owner,
):
    """Overlaps of two sides: see the plain twin."""
    cdef Py_ssize_t n = a_start.shape[0], m = b_start.shape[0], i = 0, j = 0, live_a = 0, live_b = 0, before
    check_shapes(n, a_end.shape[0], a_owner.shape[0])
    check_shapes(m, b_end.shape[0], b_owner.shape[0])
    cdef Strips found = Strips(NULL, 0, 0)
    cdef Live *a = <Live *>malloc((n + 1) * sizeof(Live))
    cdef Live *b = <Live *>malloc((m + 1) * sizeof(Live))
    cdef bint enough = a != NULL and b != NULL
    try:
        with nogil:
            # What is left of one side when the other is at its end only meets what is still live.
            while enough and (i < n or j < m) and (i < n or live_a > 0) and (j < m or live_b > 0):
                if j == m or (i < n and a_start[i] <= b_start[j]):
                    before = found.size
                    enough = meet(b, &live_b, a_start[i], a_end[i], a_owner[i], &found)
                    swap(&found, before)
                    join(a, &live_a, a_start[i], a_end[i], a_owner[i])
                    i += 1
                else:
                    enough = meet(a, &live_a, b_start[j], b_end[j], b_owner[j], &found)
                    join(b, &live_b, b_start[j], b_end[j], b_owner[j])
                    j += 1
        return columns_of(&found, enough)
    finally:
        free(a)
        free(b)
        free(found.at)


def strips_within(const int64_t[::1] start, const int64_t[::1] end, const int32_t[::1] owner):
    """Overlaps of one side with itself: see the plain twin."""
    cdef Py_ssize_t n = start.shape[0], i, live_n = 0, before
    check_shapes(n, end.shape[0], owner.shape[0])
    cdef Strips found = Strips(NULL, 0, 0)
    cdef Live *live = <Live *>malloc((n + 1) * sizeof(Live))
    cdef bint enough = live != NULL
    try:
        with nogil:
            for i in range(n):
                before = found.size
                enough = enough and meet(live, &live_n, start[i], end[i], owner[i], &found)
                put_smaller_first(&found, before)
                join(live, &live_n, start[i], end[i], owner[i])
        return columns_of(&found, enough)
    finally:
        free(live)
        free(found.at)


def cover(const int64_t[::1] start, const int64_t[::1] end):
    """The union of intervals: see the plain twin."""
    cdef Py_ssize_t n = start.shape[0], i, last = -1
    cdef int64_t once = 0, twice = 0, shared  # up to where the last interval is covered, and covered twice
    check_shapes(n, end.shape[0], n)
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


cdef check_shapes(Py_ssize_t starts, Py_ssize_t ends, Py_ssize_t owners):
    if starts != ends or starts != owners:
        raise ValueError(f"{starts} starts come with {ends} ends and {owners} owners")


cdef bint meet(
    Live *live, Py_ssize_t *n, int64_t start, int64_t end, int32_t owner, Strips *found
) noexcept nogil:
    """Note what a run that starts here shares with the live runs, and forget those that have ended.

    Every run that is looked at gives a strip or is forgotten, so that the whole sweep is linear in runs and strips.
    """
    cdef Py_ssize_t i, kept = 0
    for i in range(n[0]):
        if live[i].end > start:
            live[kept] = live[i]
            kept += 1
            if end > start and not push(found, start, min(end, live[i].end) - start, live[i].owner, owner):
                return False
    n[0] = kept
    return True


cdef inline void join(Live *live, Py_ssize_t *n, int64_t start, int64_t end, int32_t owner) noexcept nogil:
    if end > start:
        live[n[0]].end = end
        live[n[0]].owner = owner
        n[0] += 1


cdef inline bint push(Strips *found, int64_t start, int64_t length, int32_t a, int32_t b) noexcept nogil:
    cdef Strip *moved
    if found.size == found.room:
        moved = <Strip *>realloc(found.at, (2 * found.room + 256) * sizeof(Strip))
        if moved == NULL:
            return False
        found.at = moved
        found.room = 2 * found.room + 256
    found.at[found.size] = Strip(start, length, a, b)
    found.size += 1
    return True


cdef inline void swap(Strips *found, Py_ssize_t first) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(first, found.size):
        found.at[i].a, found.at[i].b = found.at[i].b, found.at[i].a


cdef inline void put_smaller_first(Strips *found, Py_ssize_t first) noexcept nogil:
    """Order the owners of each new strip, and drop those of an owner with itself."""
    cdef Py_ssize_t i, kept = first
    for i in range(first, found.size):
        if found.at[i].a != found.at[i].b:
            found.at[kept] = found.at[i]
            if found.at[kept].a > found.at[kept].b:
                found.at[kept].a, found.at[kept].b = found.at[kept].b, found.at[kept].a
            kept += 1
    found.size = kept


cdef columns_of(Strips *found, bint enough):
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
