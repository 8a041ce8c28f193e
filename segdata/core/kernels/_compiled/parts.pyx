# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Connected parts of segments, from runs."""

import numpy as np
from libc.stdint cimport int32_t, int64_t


def parts(
    const int64_t[::1] x, const int64_t[::1] top, const int64_t[::1] bottom, const int32_t[::1] owner, bint diagonal
):
    """Connected parts of runs: see the plain twin."""
    cdef Py_ssize_t n = x.shape[0], i, group = 0, neighbour = 0, stop = 0
    if top.shape[0] != n or bottom.shape[0] != n or owner.shape[0] != n:
        raise ValueError(f"{n} x come with {top.shape[0]} top, {bottom.shape[0]} bottom and {owner.shape[0]} owner")
    part = np.arange(n, dtype=np.int64)
    left = np.zeros(n, np.int64)
    links = np.zeros(n, np.int64)
    cdef int64_t[::1] parent = part, shared = left, linked = links
    with nogil:
        for i in range(n):
            if i == 0 or x[i] != x[i - 1] or owner[i] != owner[i - 1]:
                # A new column: its left neighbours are the runs before it, if of this owner and one column away.
                stop = i
                neighbour = group if i > 0 and owner[i] == owner[i - 1] and x[i] == x[i - 1] + 1 else i
                group = i
            elif top[i] == bottom[i - 1]:
                unite(&parent[0], i, i - 1)
                linked[i] = 1
            while neighbour < stop and bottom[neighbour] + diagonal <= top[i]:
                neighbour += 1
            shared[i] = join_left(&parent[0], &top[0], &bottom[0], i, neighbour, stop, diagonal, &linked[i])
        number(&parent[0], n)
    return part, left, links


cdef inline int64_t join_left(
    int64_t *parent,
    const int64_t *top,
    const int64_t *bottom,
    Py_ssize_t i,
    Py_ssize_t first,
    Py_ssize_t stop,
    bint diagonal,
    int64_t *links,
) noexcept nogil:
    """Unite run i with the runs that it touches in the column to its left; counts these, and the pixels they share."""
    cdef int64_t shared = 0
    cdef Py_ssize_t j
    for j in range(first, stop):
        if top[j] >= bottom[i] + diagonal:
            break
        unite(parent, i, j)
        links[0] += 1
        shared += max(0, min(bottom[i], bottom[j]) - max(top[i], top[j]))
    return shared


cdef inline int64_t root_of(int64_t *parent, int64_t i) noexcept nogil:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


cdef inline void unite(int64_t *parent, int64_t i, int64_t j) noexcept nogil:
    """Unite two parts; the first run stays the root."""
    i = root_of(parent, i)
    j = root_of(parent, j)
    if i < j:
        parent[j] = i
    else:
        parent[i] = j


cdef void number(int64_t *parent, Py_ssize_t n) noexcept nogil:
    """Replace parents by the numbers of parts: a root comes before all other runs of its part."""
    cdef Py_ssize_t i
    cdef int64_t parts = 0
    for i in range(n):
        if parent[i] == i:
            parent[i] = parts
            parts += 1
        else:
            parent[i] = parent[parent[i]]
