# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Where the rings of polygons cross themselves."""

import numpy as np
from libc.math cimport INFINITY, fmax, fmin
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cdef double EPSILON = 1e-6  # square pixels: what is flatter than this does not cross

cdef enum:
    MANY = 256  # edges, from which sorting them by x pays
    AT_ONCE = 32


def crossings(const double[::1] xy, const int64_t[::1] ring):
    """Proper crossings of each ring with itself: see the numpy reference."""
    cdef Py_ssize_t n_rings = ring.shape[0] - 1, r, n_points
    count = np.zeros(n_rings, np.int64)
    cross_x = np.full(n_rings, np.nan)
    cross_y = np.full(n_rings, np.nan)
    cdef int64_t[::1] counts = count
    cdef double[::1] xs = cross_x, ys = cross_y
    cdef const int64_t[::1] order
    check_rings(ring, xy.shape[0])
    with nogil:
        for r in range(n_rings):
            n_points = (ring[r + 1] - ring[r]) // 2
            if 3 < n_points <= MANY:
                counts[r] = _crossed_small(&xy[ring[r]], n_points, &xs[r], &ys[r])
    for r in np.flatnonzero(np.diff(ring) // 2 > MANY):
        n_points = (ring[r + 1] - ring[r]) // 2
        x = np.asarray(xy[ring[r]:ring[r] + 2 * n_points:2])
        order = np.argsort(np.minimum(x, np.roll(x, -1)), kind="stable")
        with nogil:
            counts[r] = _crossed_sorted(&xy[ring[r]], n_points, order, &xs[r], &ys[r])
    return count, cross_x, cross_y


def recurring(const double[::1] xy, const int64_t[::1] ring):
    """Rings that are at some point twice: see the numpy reference."""
    cdef Py_ssize_t n_rings = ring.shape[0] - 1, r, slots = 1
    check_rings(ring, xy.shape[0])
    most = int(np.max(np.diff(ring), initial=0)) // 2
    while slots < 2 * most:
        slots *= 2
    # A hash table of points, by where they begin in `xy`: those before the ring's own are of earlier rings.
    points, flags = np.full(slots, -1, np.int64), np.zeros(n_rings, np.bool_)
    cdef int64_t[::1] point = points
    cdef unsigned char[::1] found = flags.view(np.uint8)
    with nogil:
        for r in range(n_rings):
            found[r] = recurs(xy, ring[r], (ring[r + 1] - ring[r]) // 2, point)
    return flags


cdef check_rings(const int64_t[::1] ring, Py_ssize_t size):
    cdef Py_ssize_t last = ring.shape[0] - 1
    if last > 0 and (ring[0] < 0 or ring[last] > size or np.any(np.diff(ring) < 0)):
        raise ValueError(f"rings reach from {ring[0]} to {ring[last]}, there are {size} numbers")


cdef bint recurs(const double[::1] xy, int64_t first, Py_ssize_t n, int64_t[::1] point) noexcept nogil:
    """Whether one of the ring's n points, which begin at `first`, is there twice."""
    cdef uint64_t mask = point.shape[0] - 1, slot
    cdef int64_t i
    for i in range(first, first + 2 * n, 2):
        slot = hash_of(xy[i], xy[i + 1]) & mask
        while point[slot] >= first:
            if xy[point[slot]] == xy[i] and xy[point[slot] + 1] == xy[i + 1]:
                return True
            slot = (slot + 1) & mask
        point[slot] = i
    return False


cdef inline uint64_t hash_of(double x, double y) noexcept nogil:
    """The same number for points that are equal."""
    cdef uint64_t a, b
    x += 0.0  # -0 equals 0
    y += 0.0
    memcpy(&a, &x, 8)
    memcpy(&b, &y, 8)
    a = (a ^ (b << 29 | b >> 35)) * <uint64_t>0x9E3779B97F4A7C15
    return a >> 32


cdef int64_t _crossed_small(const double *xy, Py_ssize_t n, double *cross_x, double *cross_y) noexcept nogil:
    """Count pairs of edges that cross, each edge's box held against those after it; x, y: where the first ones do.

    A box is held against `AT_ONCE` others in a loop without a branch, which compilers turn into vector instructions.
    Sides are rounded to floats, which keeps the order of numbers: boxes that touch still do.
    """
    cdef float[MANY + AT_ONCE] left, right, upper, lower
    cdef float own_left, own_right, own_upper, own_lower
    cdef Py_ssize_t i, j, k, block
    cdef int64_t count = 0
    cdef int near
    for i in range(n):
        k = i + 1 if i + 1 < n else 0
        left[i], right[i] = <float>min(xy[2 * i], xy[2 * k]), <float>max(xy[2 * i], xy[2 * k])
        upper[i], lower[i] = <float>min(xy[2 * i + 1], xy[2 * k + 1]), <float>max(xy[2 * i + 1], xy[2 * k + 1])
    for i in range(n, n + AT_ONCE):  # boxes that are nowhere
        left[i], right[i], upper[i], lower[i] = INFINITY, -INFINITY, INFINITY, -INFINITY
    for i in range(n):
        own_left, own_right, own_upper, own_lower = left[i], right[i], upper[i], lower[i]
        block = i + 2  # an edge and the next only share their corner
        while block < n:
            near = 0
            for j in range(block, block + AT_ONCE):
                near |= (left[j] <= own_right) & (own_left <= right[j]) & (
                    upper[j] <= own_lower) & (own_upper <= lower[j])
            if near:
                for j in range(block, min(n, block + AT_ONCE)):
                    if (left[j] <= own_right) & (own_left <= right[j]) & (
                            upper[j] <= own_lower) & (own_upper <= lower[j]) and _cross(xy, n, i, j):
                        if count == 0:
                            _where(xy, n, i, j, cross_x, cross_y)
                        count += 1
            block += AT_ONCE
    return count


cdef int64_t _crossed_sorted(
    const double *xy, Py_ssize_t n, const int64_t[::1] order, double *cross_x, double *cross_y
) noexcept nogil:
    """The same for many edges: only those whose extents in x overlap are held against each other."""
    cdef Py_ssize_t p, q, i, j, first = n, partner = n
    cdef int64_t count = 0
    cdef double right
    for p in range(n):
        i = order[p]
        right = fmax(xy[2 * i], xy[2 * ((i + 1) % n)])
        for q in range(p + 1, n):
            j = order[q]
            if fmin(xy[2 * j], xy[2 * ((j + 1) % n)]) > right:
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


cdef inline bint _cross(const double *xy, Py_ssize_t n, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """Whether edges i and j meet in a point that is inside both."""
    cdef double ax = xy[2 * i], ay = xy[2 * i + 1], cx = xy[2 * j], cy = xy[2 * j + 1]
    cdef Py_ssize_t k = i + 1 if i + 1 < n else 0, m = j + 1 if j + 1 < n else 0
    cdef double bx = xy[2 * k], by = xy[2 * k + 1], dx = xy[2 * m], dy = xy[2 * m + 1]
    cdef double c, d
    c, d = _turn(ax, ay, bx, by, cx, cy), _turn(ax, ay, bx, by, dx, dy)
    if not (c > EPSILON and d < -EPSILON or c < -EPSILON and d > EPSILON):
        return False
    c, d = _turn(cx, cy, dx, dy, ax, ay), _turn(cx, cy, dx, dy, bx, by)
    return c > EPSILON and d < -EPSILON or c < -EPSILON and d > EPSILON


cdef void _where(
    const double *xy, Py_ssize_t n, Py_ssize_t i, Py_ssize_t j, double *cross_x, double *cross_y
) noexcept nogil:
    cdef Py_ssize_t k = (i + 1) % n, m = (j + 1) % n
    cdef double a = _turn(xy[2 * j], xy[2 * j + 1], xy[2 * m], xy[2 * m + 1], xy[2 * i], xy[2 * i + 1])
    cdef double b = _turn(xy[2 * j], xy[2 * j + 1], xy[2 * m], xy[2 * m + 1], xy[2 * k], xy[2 * k + 1])
    cdef double t = a / (a - b)
    cross_x[0] = xy[2 * i] + t * (xy[2 * k] - xy[2 * i])
    cross_y[0] = xy[2 * i + 1] + t * (xy[2 * k + 1] - xy[2 * i + 1])
