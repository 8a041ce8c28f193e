# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Where the rings of polygons cross themselves."""

import numpy as np
from libc.math cimport fmax, fmin
from libc.stdint cimport int64_t

cdef double EPSILON = 1e-6  # square pixels: what is flatter than this does not cross

cdef Py_ssize_t MANY = 256  # edges, from which sorting them by x pays


def crossings(const double[::1] xy, const int64_t[::1] ring):
    """Proper crossings of each ring with itself: see the plain twin."""
    cdef Py_ssize_t n_rings = ring.shape[0] - 1, r, n_points
    count = np.zeros(n_rings, np.int64)
    cross_x = np.full(n_rings, np.nan)
    cross_y = np.full(n_rings, np.nan)
    cdef int64_t[::1] counts = count
    cdef double[::1] xs = cross_x, ys = cross_y
    cdef const int64_t[::1] order
    nothing = np.empty(0, np.int64)
    order = nothing
    large = np.flatnonzero(np.diff(np.asarray(ring)) // 2 > MANY)
    with nogil:
        for r in range(n_rings):
            n_points = (ring[r + 1] - ring[r]) // 2
            if 3 < n_points <= MANY:
                counts[r] = _crossed(xy[ring[r]:ring[r + 1]], n_points, order, &xs[r], &ys[r])
    for each in large:
        r = each
        n_points = (ring[r + 1] - ring[r]) // 2
        x = np.asarray(xy[ring[r]:ring[r] + 2 * n_points:2])
        order = np.argsort(np.minimum(x, np.roll(x, -1)), kind="stable")
        counts[r] = _crossed(xy[ring[r]:ring[r + 1]], n_points, order, &xs[r], &ys[r])
    return count, cross_x, cross_y


cdef int64_t _crossed(
    const double[:] xy, Py_ssize_t n, const int64_t[::1] order, double *cross_x, double *cross_y
) noexcept nogil:
    """Count pairs of edges that cross; where the first edge (and its first partner) do is written to cross_x, y."""
    cdef Py_ssize_t p, q, i, j, first = n, partner = n
    cdef int64_t count = 0
    cdef bint is_sorted = order.shape[0] == n
    cdef double right
    for p in range(n):
        i = order[p] if is_sorted else p
        right = fmax(xy[2 * i], xy[2 * ((i + 1) % n)])
        for q in range(p + 1, n):
            j = order[q] if is_sorted else q
            if is_sorted and fmin(xy[2 * j], xy[2 * ((j + 1) % n)]) > right:
                break
            if _cross(xy, n, i, j):
                count += 1
                if min(i, j) < first or (min(i, j) == first and max(i, j) < partner):
                    first, partner = min(i, j), max(i, j)
    if count:
        _where(xy, n, first, partner, cross_x, cross_y)
    return count


cdef inline double _turn(double ax, double ay, double bx, double by, double cx, double cy) noexcept nogil:
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


cdef inline bint _cross(const double[:] xy, Py_ssize_t n, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """Whether edges i and j meet in a point that is inside both."""
    cdef double ax = xy[2 * i], ay = xy[2 * i + 1], cx = xy[2 * j], cy = xy[2 * j + 1]
    cdef Py_ssize_t k = i + 1 if i + 1 < n else 0, m = j + 1 if j + 1 < n else 0
    cdef double bx = xy[2 * k], by = xy[2 * k + 1], dx = xy[2 * m], dy = xy[2 * m + 1]
    cdef double c, d
    if fmax(ax, bx) < fmin(cx, dx) or fmax(cx, dx) < fmin(ax, bx):
        return False
    if fmax(ay, by) < fmin(cy, dy) or fmax(cy, dy) < fmin(ay, by):
        return False
    c, d = _turn(ax, ay, bx, by, cx, cy), _turn(ax, ay, bx, by, dx, dy)
    if not (c > EPSILON and d < -EPSILON or c < -EPSILON and d > EPSILON):
        return False
    c, d = _turn(cx, cy, dx, dy, ax, ay), _turn(cx, cy, dx, dy, bx, by)
    return c > EPSILON and d < -EPSILON or c < -EPSILON and d > EPSILON


cdef void _where(
    const double[:] xy, Py_ssize_t n, Py_ssize_t i, Py_ssize_t j, double *cross_x, double *cross_y
) noexcept nogil:
    cdef Py_ssize_t k = (i + 1) % n, m = (j + 1) % n
    cdef double a = _turn(xy[2 * j], xy[2 * j + 1], xy[2 * m], xy[2 * m + 1], xy[2 * i], xy[2 * i + 1])
    cdef double b = _turn(xy[2 * j], xy[2 * j + 1], xy[2 * m], xy[2 * m + 1], xy[2 * k], xy[2 * k + 1])
    cdef double t = a / (a - b)
    cross_x[0] = xy[2 * i] + t * (xy[2 * k] - xy[2 * i])
    cross_y[0] = xy[2 * i + 1] + t * (xy[2 * k + 1] - xy[2 * i + 1])
