# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Delaunay triangulations of points."""

import numpy as np
from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

cdef struct Subdivision:
    double *x
    double *y
    int32_t *next  # of each turned edge: the next one around its origin
    int32_t *origin
    int32_t edges  # that are in use, times 4
    int32_t unused  # an edge that was removed, or -1
    int32_t recent


def triangulate(const int64_t[::1] x, const int64_t[::1] y):
    """Edges of a triangulation: see the numpy reference."""
    cdef Py_ssize_t n = x.shape[0], i, kept = 0
    if y.shape[0] != n:
        raise ValueError(f"{n} x come with {y.shape[0]} y")
    if n == 0:
        return np.empty((0, 2), np.int64)
    cdef int64_t left = x[0], top = y[0], largest = 0
    for i in range(n):
        left, top = min(left, x[i]), min(top, y[i])
    for i in range(n):
        largest = max(largest, x[i] - left, y[i] - top)
    cdef Subdivision s
    s.x, s.y = <double *>malloc((n + 3) * sizeof(double)), <double *>malloc((n + 3) * sizeof(double))
    s.next = <int32_t *>malloc(12 * (n + 2) * sizeof(int32_t))  # three edges a point
    s.origin = <int32_t *>malloc(12 * (n + 2) * sizeof(int32_t))
    try:
        if s.x == NULL or s.y == NULL or s.next == NULL or s.origin == NULL:
            raise MemoryError
        with nogil:
            begin(&s, 6.0 * (largest + 1))
            for i in range(n):
                s.x[i + 3], s.y[i + 3] = x[i] - left, y[i] - top
            for i in range(n):
                insert(&s, <int32_t>i + 3)
        ends = np.empty((s.edges // 4, 2), np.int64)
        keep(&s, ends)
        return ends[(ends >= 0).all(axis=1)]
    finally:
        free(s.x)
        free(s.y)
        free(s.next)
        free(s.origin)


cdef void keep(Subdivision *s, int64_t[:, ::1] ends) noexcept:
    cdef int32_t i
    for i in range(s.edges // 4):
        ends[i, 0], ends[i, 1] = s.origin[4 * i] - 3, s.origin[4 * i + 2] - 3


cdef void begin(Subdivision *s, double large) noexcept nogil:
    """One large triangle."""
    cdef int32_t first, second, third
    s.edges, s.unused = 0, -1
    s.x[0], s.x[1], s.x[2] = large, 0, -large
    s.y[0], s.y[1], s.y[2] = 0, large, -large
    first, second, third = add(s, 0, 1), add(s, 1, 2), add(s, 2, 0)
    splice(s, first, third ^ 2)
    splice(s, second, first ^ 2)
    splice(s, third, second ^ 2)
    s.recent = first


cdef void insert(Subdivision *s, int32_t point) noexcept nogil:
    cdef bint on_edge = False
    cdef int32_t edge = locate(s, point, &on_edge), removed, first, base, beyond, start, end
    if edge < 0:
        return
    if on_edge:
        removed = edge
        s.recent = edge = before_origin(s, edge)
        splice(s, removed, before_origin(s, removed))
        splice(s, removed ^ 2, before_origin(s, removed ^ 2))
        s.unused = removed & ~3
    first = s.origin[edge]
    base = add(s, first, point)
    splice(s, base, edge)
    while True:
        base = connect(s, edge, base ^ 2)
        edge = before_origin(s, base)
        if s.origin[edge ^ 2] == first:
            break
    while True:
        beyond = s.origin[before_origin(s, edge) ^ 2]
        start, end = s.origin[edge], s.origin[edge ^ 2]
        if side_of(s, beyond, edge) > 0 and circle(s, beyond, end, point, start) < 0:
            swap(s, edge)
            edge = before_origin(s, edge)
        elif start == first:
            return
        else:
            edge = step(s, s.next[edge], 0, 2)


cdef inline int32_t add(Subdivision *s, int32_t start, int32_t end) noexcept nogil:
    """A new edge, connected to no other."""
    cdef int32_t edge = s.unused
    if edge < 0:
        edge = s.edges
        s.edges += 4
    s.unused = -1
    s.next[edge], s.next[edge + 1], s.next[edge + 2], s.next[edge + 3] = edge, edge + 3, edge + 2, edge + 1
    s.origin[edge], s.origin[edge + 2] = start, end
    return edge


cdef inline int32_t step(Subdivision *s, int32_t edge, int32_t before, int32_t after) noexcept nogil:
    edge = s.next[(edge & ~3) + ((edge + before) & 3)]
    return (edge & ~3) + ((edge + after) & 3)


cdef inline int32_t before_origin(Subdivision *s, int32_t edge) noexcept nogil:
    return step(s, edge, 1, 1)


cdef inline void splice(Subdivision *s, int32_t a, int32_t b) noexcept nogil:
    """Join the rings of edges around two origins, or part them."""
    cdef int32_t turned_a = (s.next[a] & ~3) + ((s.next[a] + 1) & 3)
    cdef int32_t turned_b = (s.next[b] & ~3) + ((s.next[b] + 1) & 3)
    s.next[a], s.next[b] = s.next[b], s.next[a]
    s.next[turned_a], s.next[turned_b] = s.next[turned_b], s.next[turned_a]


cdef inline int32_t connect(Subdivision *s, int32_t a, int32_t b) noexcept nogil:
    """A new edge from the target of one edge to the origin of another."""
    cdef int32_t edge = add(s, s.origin[a ^ 2], s.origin[b])
    splice(s, edge, step(s, a, 3, 1))
    splice(s, edge ^ 2, b)
    return edge


cdef inline void swap(Subdivision *s, int32_t edge) noexcept nogil:
    """Replace the diagonal of two triangles by the other one."""
    cdef int32_t a = before_origin(s, edge), b = before_origin(s, edge ^ 2)
    splice(s, edge, a)
    splice(s, edge ^ 2, b)
    s.origin[edge], s.origin[edge ^ 2] = s.origin[a ^ 2], s.origin[b ^ 2]
    splice(s, edge, step(s, a, 3, 1))
    splice(s, edge ^ 2, step(s, b, 3, 1))


cdef inline double area(Subdivision *s, int32_t a, int32_t b, int32_t c) noexcept nogil:
    return (s.x[b] - s.x[a]) * (s.y[c] - s.y[a]) - (s.y[b] - s.y[a]) * (s.x[c] - s.x[a])


cdef inline int side_of(Subdivision *s, int32_t point, int32_t edge) noexcept nogil:
    """1: the point lies right of an edge, -1: left, 0: on its line."""
    cdef double cross = area(s, point, s.origin[edge ^ 2], s.origin[edge])
    return (cross > 0) - (cross < 0)


cdef inline double circle(Subdivision *s, int32_t a, int32_t b, int32_t c, int32_t d) noexcept nogil:
    """Below zero if the circle through three points holds a fourth one."""
    cdef double value = (s.x[a] * s.x[a] + s.y[a] * s.y[a]) * area(s, b, c, d)
    value -= (s.x[b] * s.x[b] + s.y[b] * s.y[b]) * area(s, a, c, d)
    value += (s.x[c] * s.x[c] + s.y[c] * s.y[c]) * area(s, a, b, d)
    return value - (s.x[d] * s.x[d] + s.y[d] * s.y[d]) * area(s, a, b, c)


cdef int32_t locate(Subdivision *s, int32_t point, bint *on_edge) noexcept nogil:
    """An edge of the triangle that a point lies in, and whether it lies on it; -1 if it is one of its ends."""
    cdef int32_t edge = s.recent, ahead, behind, start, end
    cdef int side = side_of(s, point, edge), right_of_ahead, right_of_behind
    cdef double to_start, to_end, length
    if side > 0:
        edge, side = edge ^ 2, -side
    while True:
        ahead, behind = s.next[edge], step(s, edge, 3, 3)
        right_of_ahead, right_of_behind = side_of(s, point, ahead), side_of(s, point, behind)
        if right_of_behind > 0:
            if right_of_ahead > 0 or (right_of_ahead == 0 and side == 0):
                break
            side, edge = right_of_ahead, ahead
        elif right_of_ahead > 0:
            if right_of_behind == 0 and side == 0:
                break
            side, edge = right_of_behind, behind
        elif side == 0 and side_of(s, s.origin[ahead ^ 2], edge) >= 0:
            edge ^= 2
        else:
            side, edge = right_of_ahead, ahead
    s.recent = edge
    start, end = s.origin[edge], s.origin[edge ^ 2]
    to_start = fabs(s.x[point] - s.x[start]) + fabs(s.y[point] - s.y[start])
    to_end = fabs(s.x[point] - s.x[end]) + fabs(s.y[point] - s.y[end])
    length = fabs(s.x[start] - s.x[end]) + fabs(s.y[start] - s.y[end])
    on_edge[0] = min(to_start, to_end) < length and area(s, point, start, end) == 0
    return -1 if min(to_start, to_end) == 0 else edge
