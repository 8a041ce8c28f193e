# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Polygons as Pillow draws them, in single precision as Pillow computes."""

from libc.math cimport ceil, floor, roundf
from libc.stdint cimport int64_t
from libc.stdlib cimport free, qsort

from segdata.core.kernels._compiled.room cimport grow
from segdata.core.kernels._compiled.spans cimport Painting, paint, paint_segments

cdef float ONE = 1, HALF = 0.5  # a number in the code would be a double

cdef struct Edge:
    int64_t x  # of the point that it begins with
    int64_t y
    int64_t top
    int64_t bottom  # the last row, included
    float slope
    Py_ssize_t following  # the next edge that begins in the same row, or -1

cdef struct Scan:
    Edge *edge  # of the ring, but for the horizontal ones
    Py_ssize_t edges
    Py_ssize_t edge_room
    Py_ssize_t *beginning  # per row of the ring: the first edge that begins there, or -1
    Py_ssize_t row_room
    Py_ssize_t *active  # the edges that the current row meets, in their order along the ring
    Py_ssize_t n_active
    Py_ssize_t active_room
    float *x  # where they do
    Py_ssize_t x_room
    int64_t top  # rows of the ring within the image
    int64_t bottom
    int64_t last  # the last row of the ring, or the one below the image


def draw_pillow(
    const double[::1] xy,
    const int64_t[::1] ring,
    const int64_t[::1] segment,
    const int64_t[::1] height,
    const int64_t[::1] width,
):
    """Runs of polygons by Pillow's rule: see the numpy reference."""
    cdef Scan scan = Scan(NULL, 0, 0, NULL, 0, NULL, 0, 0, NULL, 0, 0, 0, 0)
    try:
        return paint_segments(draw_rings, &scan, xy, ring, segment, height, width)
    finally:
        free(scan.edge)
        free(scan.beginning)
        free(scan.active)
        free(scan.x)


cdef void draw_rings(
    Painting *painting, void *scratch, const double *xy, const int64_t *ring, Py_ssize_t count
) noexcept nogil:
    """Draw some rings, each alone."""
    cdef Scan *scan = <Scan *>scratch
    cdef Py_ssize_t j
    for j in range(count):
        if not draw_ring(painting, scan, xy + ring[j], (ring[j + 1] - ring[j]) // 2):
            painting.lacking = True


cdef bint draw_ring(Painting *painting, Scan *scan, const double *xy, Py_ssize_t n) noexcept nogil:
    """Draw one ring; False when there is no memory."""
    cdef Py_ssize_t i
    cdef int64_t y
    if n < 2 or painting.height == 0:
        return True
    if not grow(<void **>&scan.edge, &scan.edge_room, n, sizeof(Edge)):
        return False
    collect(painting, scan, xy, n)
    if not (
        scan.top < scan.bottom
        and grow(<void **>&scan.beginning, &scan.row_room, scan.bottom - scan.top, sizeof(Py_ssize_t))
        and grow(<void **>&scan.active, &scan.active_room, scan.edges, sizeof(Py_ssize_t))
        and grow(<void **>&scan.x, &scan.x_room, 2 * scan.edges, sizeof(float))
    ):
        return scan.top >= scan.bottom
    for i in range(scan.bottom - scan.top):
        scan.beginning[i] = -1
    for i in range(scan.edges - 1, -1, -1):
        y = max(scan.edge[i].top, scan.top)
        if y < scan.bottom:
            scan.edge[i].following = scan.beginning[y - scan.top]
            scan.beginning[y - scan.top] = i
    scan.n_active = 0
    for y in range(scan.top, scan.bottom):
        activate(scan, y)
        fill_row(painting, scan, y)
    return True


cdef void collect(Painting *painting, Scan *scan, const double *xy, Py_ssize_t n) noexcept nogil:
    """Draw the horizontal edges of a ring of n points, and keep the others."""
    cdef int64_t x0 = <int64_t>xy[0], y0 = <int64_t>xy[1], x1, y1, top = y0, bottom = y0
    cdef Py_ssize_t i, following
    scan.edges = 0
    for i in range(n):
        following = 2 * (i + 1) if i < n - 1 else 0
        x1, y1 = <int64_t>xy[following], <int64_t>xy[following + 1]
        top, bottom = min(top, y1), max(bottom, y1)
        if y0 == y1:
            paint(painting, y0, min(x0, x1), max(x0, x1))
        else:
            scan.edge[scan.edges] = Edge(x0, y0, min(y0, y1), max(y0, y1), <float>(x1 - x0) / <float>(y1 - y0), -1)
            scan.edges += 1
        x0, y0 = x1, y1
    scan.top, scan.bottom = max(top, 0), min(bottom + 1, painting.height)
    scan.last = min(bottom, painting.height)


cdef void activate(Scan *scan, int64_t y) noexcept nogil:
    """Drop the edges that end above row y, and add those that begin in it."""
    cdef Py_ssize_t kept = 0, i, j, edge
    for i in range(scan.n_active):
        if scan.edge[scan.active[i]].bottom >= y:
            scan.active[kept] = scan.active[i]
            kept += 1
    edge = scan.beginning[y - scan.top]
    while edge >= 0:
        if scan.edge[edge].bottom >= y:
            j = kept
            while j > 0 and scan.active[j - 1] > edge:
                scan.active[j] = scan.active[j - 1]
                j -= 1
            scan.active[j] = edge
            kept += 1
        edge = scan.edge[edge].following
    scan.n_active = kept


cdef void fill_row(Painting *painting, Scan *scan, int64_t y) noexcept nogil:
    """Draw from the first place where an edge meets the row to the second, from the third to the fourth, and so on."""
    cdef Py_ssize_t i, n = 0
    cdef Edge *edge
    for i in range(scan.n_active):
        edge = &scan.edge[scan.active[i]]
        scan.x[n] = meets(edge, y)
        n += 1
        if y == edge.bottom and y < scan.last:  # so that the edge below it begins another span
            scan.x[n] = scan.x[n - 1]
            n += 1
        elif (y == edge.top or y == edge.bottom) and edge.slope != 0:
            scan.x[n - 1] = joined(scan, i, scan.x[n - 1], y)
    sort_places(scan.x, n)
    for i in range(1, n, 2):
        paint(painting, y, rounded_up(scan.x[i - 1]), rounded_down(scan.x[i]))


cdef inline float meets(const Edge *edge, int64_t y) noexcept nogil:
    return <float>(y - edge.y) * edge.slope + <float>edge.x


cdef float joined(Scan *scan, Py_ssize_t row, float x, int64_t y) noexcept nogil:
    """Where the span of a corner begins: beside the span of the next row, else the pixels would not touch.

    The corner is that of the edge at `row` of the active ones and of an earlier edge that meets row y in the same
    pixel; x is where the edge itself does.
    """
    cdef Edge *edge = &scan.edge[scan.active[row]]
    cdef Edge *other
    cdef int64_t ahead = y - 1 if y == edge.bottom else y + 1
    cdef float its = meets(edge, ahead), others
    cdef Py_ssize_t k
    for k in range(row):
        other = &scan.edge[scan.active[k]]
        if (y != other.top and y != other.bottom) or other.slope == 0 or roundf(x) != roundf(meets(other, y)):
            continue
        if other.top <= ahead <= other.bottom:
            others = meets(other, ahead)
            if x > its + ONE and x > others + ONE:
                return roundf(max(its, others)) + ONE
            if x < its - ONE and x < others - ONE:
                return roundf(min(its, others)) - ONE
            return x
    return x


cdef inline int64_t rounded_up(float x) noexcept nogil:
    """The nearest whole number, of two the one farther from 0; in single precision to the right of 0 only."""
    return <int64_t>floor(x + HALF) if x >= 0 else -<int64_t>floor(-<double>x + 0.5)


cdef inline int64_t rounded_down(float x) noexcept nogil:
    """The nearest whole number, of two the one nearer to 0; in single precision to the right of 0 only."""
    return <int64_t>ceil(x - HALF) if x >= 0 else -<int64_t>ceil(-<double>x - 0.5)


cdef inline void sort_places(float *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef float moved
    if n > 32:
        qsort(x, n, sizeof(float), by_value)
        return
    for i in range(1, n):
        moved = x[i]
        j = i
        while j > 0 and x[j - 1] > moved:
            x[j] = x[j - 1]
            j -= 1
        x[j] = moved


cdef int by_value(const void *a, const void *b) noexcept nogil:
    cdef float one = (<const float *>a)[0], other = (<const float *>b)[0]
    return (one > other) - (one < other)
