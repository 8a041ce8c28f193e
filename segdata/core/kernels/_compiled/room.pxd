# cython: language_level=3
"""Room for items of which nobody knows beforehand how many will come."""

from libc.stdlib cimport realloc


cdef inline bint grow(void **at, Py_ssize_t *room, Py_ssize_t needed, size_t item) noexcept nogil:
    """Make room for `needed` items; False when there is no memory."""
    if needed <= room[0]:
        return True
    cdef Py_ssize_t wanted = max(needed, 2 * room[0], 256)
    cdef void *moved = realloc(at[0], wanted * item)
    if moved == NULL:
        return False
    at[0] = moved
    room[0] = wanted
    return True
