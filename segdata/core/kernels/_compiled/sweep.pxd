# cython: language_level=3
"""The sweep: every strip that two runs share, a few pixels of one column, visited once.

Runs lie on the number line, sorted by where they start. A sweep keeps those that it has not left yet, so that every run
meets the runs that it overlaps. Every run that is looked at gives a strip or is forgotten: the whole sweep is linear in
runs and strips. What becomes of a strip is the visitor's business.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

cdef struct Live:  # a run that was not left yet
    int64_t end
    int32_t owner

cdef struct Side:
    const int64_t *start
    const int64_t *end
    const int32_t *owner
    Py_ssize_t size
    int64_t shift  # where on the line it is moved to

# Is told of a strip: where it starts, its length, and the owners on either side. False when there is no memory.
ctypedef bint (*Visit)(void *sums, int64_t start, int64_t length, int32_t a, int32_t b) noexcept nogil


cdef inline Side side_of(const int64_t[::1] start, const int64_t[::1] end, const int32_t[::1] owner) except *:
    """The runs of one side; refuses columns that do not fit."""
    cdef Py_ssize_t n = start.shape[0]
    if end.shape[0] != n or owner.shape[0] != n:
        raise ValueError(f"{n} starts come with {end.shape[0]} ends and {owner.shape[0]} owners")
    return Side(&start[0], &end[0], &owner[0], n, 0) if n else Side(NULL, NULL, NULL, 0, 0)


cdef inline Py_ssize_t forget(Live *live, Py_ssize_t n, int64_t place) noexcept nogil:
    """Drop the live runs that have ended where the next one starts; how many are left."""
    cdef Py_ssize_t i, kept = 0
    for i in range(n):
        if live[i].end > place:
            live[kept] = live[i]
            kept += 1
    return kept


cdef inline void join(Live *live, Py_ssize_t *n, int64_t start, int64_t end, int32_t owner) noexcept nogil:
    if end > start:
        live[n[0]] = Live(end, owner)
        n[0] += 1


cdef inline bint meet(
    Live *live, Py_ssize_t *n, int64_t start, int64_t end, int32_t owner, bint first, Visit visit, void *sums
) noexcept nogil:
    """Visit what a run that starts here shares with the live runs of the other side; `first`: it is of side a."""
    cdef Py_ssize_t i
    cdef int64_t length
    n[0] = forget(live, n[0], start)
    for i in range(n[0] if end > start else 0):
        length = min(end, live[i].end) - start
        if not visit(sums, start, length, owner if first else live[i].owner, live[i].owner if first else owner):
            return False
    return True


cdef inline bint sweep_between(Side one, Side other, Live *a, Live *b, Visit visit, void *sums) noexcept nogil:
    """Visit every strip that a run of one side shares with a run of the other; room for all runs of each is needed."""
    cdef Py_ssize_t i = 0, j = 0, live_a = 0, live_b = 0
    cdef int64_t start, end
    # What is left of one side when the other is at its end only meets what is still live.
    while (i < one.size or j < other.size) and (i < one.size or live_a > 0) and (j < other.size or live_b > 0):
        if j == other.size or (i < one.size and one.start[i] + one.shift <= other.start[j] + other.shift):
            start, end = one.start[i] + one.shift, one.end[i] + one.shift
            if not meet(b, &live_b, start, end, one.owner[i], True, visit, sums):
                return False
            join(a, &live_a, start, end, one.owner[i])
            i += 1
        else:
            start, end = other.start[j] + other.shift, other.end[j] + other.shift
            if live_a == 0 and end <= one.start[i] + one.shift:  # it meets nothing
                j += 1
                continue
            if not meet(a, &live_a, start, end, other.owner[j], False, visit, sums):
                return False
            join(b, &live_b, start, end, other.owner[j])
            j += 1
    return True


cdef inline bint sweep_within(Side side, Live *live, Visit visit, void *sums) noexcept nogil:
    """Visit every strip that two runs of one side share, those of one owner too; the earlier run is of side a."""
    cdef Py_ssize_t i, live_n = 0
    for i in range(side.size):
        if not meet(live, &live_n, side.start[i], side.end[i], side.owner[i], False, visit, sums):
            return False
        join(live, &live_n, side.start[i], side.end[i], side.owner[i])
    return True


cdef inline bint visit_between(Side one, Side other, Visit visit, void *sums) noexcept nogil:
    """As `sweep_between`, with room of its own; False also where there is none."""
    cdef Live *a = <Live *>malloc((one.size + 1) * sizeof(Live))
    cdef Live *b = <Live *>malloc((other.size + 1) * sizeof(Live))
    cdef bint enough = a != NULL and b != NULL and sweep_between(one, other, a, b, visit, sums)
    free(a)
    free(b)
    return enough


cdef inline bint visit_within(Side side, Visit visit, void *sums) noexcept nogil:
    """As `sweep_within`, with room of its own; False also where there is none."""
    cdef Live *live = <Live *>malloc((side.size + 1) * sizeof(Live))
    cdef bint enough = live != NULL and sweep_within(side, live, visit, sums)
    free(live)
    return enough
