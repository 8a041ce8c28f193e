# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The way around segments along the edges of their pixels, and short ways from one ring to another."""

import numpy as np
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t

from segdata.core.kernels.checks import check_offsets, check_reach

cdef struct Points:
    const double *xy
    const int64_t *by_x  # points of each group of rings in the order of x
    const int64_t *place  # where each point is in `by_x`


def follow(const int64_t[::1] x, const int64_t[::1] top, const int64_t[::1] bottom, const int32_t[::1] owner):
    """The run edge after each run edge: see the numpy reference."""
    cdef Py_ssize_t n = x.shape[0], i, left = 0, group = 0
    if top.shape[0] != n or bottom.shape[0] != n or owner.shape[0] != n:
        raise ValueError(f"{n} x come with {top.shape[0]} top, {bottom.shape[0]} bottom and {owner.shape[0]} owner")
    result = np.zeros(2 * n, np.int64)
    cdef int64_t[::1] after = result
    with nogil:
        # Runs group:i are a column, runs left:group what is one column to their left.
        for i in range(1, n + 1):
            if i < n and x[i] == x[group] and owner[i] == owner[group]:
                continue
            link(&after[0], &top[0], &bottom[0], left, group, group, i)
            if i < n and owner[i] == owner[group] and x[i] == x[group] + 1:
                left = group
            else:
                link(&after[0], &top[0], &bottom[0], group, i, i, i)
                left = i
            group = i
    return result


cdef inline void link(
    int64_t *after,
    const int64_t *top,
    const int64_t *bottom,
    Py_ssize_t left,
    Py_ssize_t left_stop,
    Py_ssize_t right,
    Py_ssize_t right_stop,
) noexcept nogil:
    """Link the edges that meet on the line between two columns of runs, two by two on the way down."""
    cdef int64_t edge, opened = -1, a = 2 * left, b = 2 * right
    cdef bint from_left
    while a < 2 * left_stop or b < 2 * right_stop:
        if a == 2 * left_stop or b == 2 * right_stop:
            from_left = a < 2 * left_stop
        else:
            from_left = comes_first(a, b, top, bottom)
        edge = a if from_left else b
        a += from_left
        b += not from_left
        if opened < 0:
            opened = edge
        else:
            # A top of the left column arrives here, and a bottom of the right one.
            if from_left == (edge % 2 == 0):
                after[edge] = opened
            else:
                after[opened] = edge
            opened = -1


cdef inline bint comes_first(int64_t a, int64_t b, const int64_t *top, const int64_t *bottom) noexcept nogil:
    """Whether edge a is met before edge b on the way down a line; bottoms before tops."""
    cdef int64_t y_a = bottom[a // 2] if a % 2 else top[a // 2], y_b = bottom[b // 2] if b % 2 else top[b // 2]
    return y_a < y_b or (y_a == y_b and a % 2 == 1)


def cycles(const int64_t[::1] after):
    """The cycles of a permutation: see the numpy reference."""
    cdef Py_ssize_t n = after.shape[0], i, done = 0, n_cycles = 0
    cdef int64_t item
    cdef bint closed = True
    order, offset = np.empty(n, np.int64), np.zeros(n + 1, np.int64)
    seen = np.zeros(n, np.uint8)
    cdef int64_t[::1] ordered = order, offsets = offset
    cdef uint8_t[::1] visited = seen
    with nogil:
        for i in range(n):
            if visited[i]:
                continue
            item = i
            while 0 <= item < n and not visited[item]:
                visited[item] = 1
                ordered[done] = item
                done += 1
                item = after[item]
            closed = closed and item == i
            n_cycles += 1
            offsets[n_cycles] = done
    if not closed:
        raise ValueError(f"{n} items do not come after one another in cycles")
    return order, offset[: n_cycles + 1].copy()


def bridges(const double[::1] xy, const int64_t[::1] ring, const int64_t[::1] first):
    """Short ways from each ring to those before it: see the numpy reference."""
    cdef Py_ssize_t n = first.shape[0], j
    check_offsets(np.asarray(ring), n, xy.shape[0])
    results = np.full((2, n), -1, np.int64)
    if n == 0:
        return results[0], results[1]
    order, place, ends = _by_x(np.asarray(xy), np.asarray(ring), check_reach(np.asarray(ring), np.asarray(first)))
    cdef int64_t[:, ::1] found = results
    cdef const int64_t[::1] ordered = order, placed = place, end = ends
    cdef int64_t begin = 0
    cdef Points points = Points(&xy[0], &ordered[0], &placed[0])
    with nogil:
        for j in range(n):
            if first[j] == j:
                begin = ring[j] // 2
                continue
            found[1, j] = nearest_before(&points, ring[j] // 2, ring[first[j]] // 2, begin, end[j])
            found[0, j] = nearest(&points, found[1, j], ring[j] // 2, ring[j + 1] // 2)
    return results[0], results[1]


def _by_x(xy, ring, group):
    """Points in the order of their groups and x, the place of each in that order, and where each ring's group ends."""
    start = ring[0] // 2
    x = xy[2 * start : ring[len(ring) - 1] : 2]
    order = np.lexsort((x, np.repeat(group, np.diff(ring) // 2)))
    order = np.concatenate([np.arange(start), start + order]).astype(np.int64)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    last = np.searchsorted(group, group, side="right")
    return order, place, (ring[last] // 2).astype(np.int64)


cdef inline double square(const Points *points, int64_t a, int64_t b) noexcept nogil:
    """The square of the distance of two points."""
    cdef double dx = points.xy[2 * a] - points.xy[2 * b], dy = points.xy[2 * a + 1] - points.xy[2 * b + 1]
    return dx * dx + dy * dy


cdef inline int64_t nearest(const Points *points, int64_t to, int64_t low, int64_t high) noexcept nogil:
    """The first point of low:high that is nearest to the point `to`."""
    cdef int64_t i, best = low
    cdef double distance, least = INFINITY
    for i in range(low, high):
        distance = square(points, i, to)
        if distance < least:
            least = distance
            best = i
    return best


cdef inline int64_t nearest_before(
    const Points *points, int64_t to, int64_t low, int64_t begin, int64_t end
) noexcept nogil:
    """The first point of low:to that is nearest to the point `to`, among those at places begin:end in order of x.

    Looks to either side in turn, no farther than the best so far.
    """
    cdef int64_t left = points.place[to] - 1, right = points.place[to] + 1, i, side, best = low
    cdef double dx, distance, least = INFINITY
    while left >= begin or right < end:
        for side in range(2):
            if side == 0:
                if left < begin:
                    continue
                i = points.by_x[left]
                left -= 1
            else:
                if right >= end:
                    continue
                i = points.by_x[right]
                right += 1
            dx = points.xy[2 * i] - points.xy[2 * to]
            if dx * dx > least:
                if side == 0:
                    left = begin - 1
                else:
                    right = end
            elif low <= i < to:
                distance = square(points, i, to)
                if distance < least or (distance == least and i < best):
                    least = distance
                    best = i
    return best
