# cython: language_level=3
"""Which runs of one segment hang together: a forest in which every run points to one before it, or to itself."""

from libc.stdint cimport int32_t


cdef inline int32_t root_of(int32_t *parent, int32_t i) noexcept nogil:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


cdef inline bint join(int32_t *parent, int32_t i, int32_t j) noexcept nogil:
    """Join the trees of two runs; the first run stays the root. Whether they were apart before."""
    i = root_of(parent, i)
    j = root_of(parent, j)
    if i < j:
        parent[j] = i
    elif j < i:
        parent[i] = j
    return i != j
