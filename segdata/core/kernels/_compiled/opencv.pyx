# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Polygons as OpenCV draws them, in fixed point with sixteen bits below the point."""

from libc.stdint cimport int64_t
from libc.stdlib cimport free, qsort

from segdata.core.kernels._compiled.room cimport grow
from segdata.core.kernels._compiled.spans cimport Painting, paint, paint_segments

cdef enum:
    POINT = 16
    UNIT = 1 << POINT
    LEFT = 1
    RIGHT = 2
    ABOVE = 4
    BELOW = 8

cdef struct Line:
    int64_t x0
    int64_t y0
    int64_t x1
    int64_t y1

cdef struct Edge:
    int64_t x  # in the current row
    int64_t step  # to the next row
    int64_t top
    int64_t bottom  # the first row below it
    Py_ssize_t following  # the next edge that begins in the same row, or -1

cdef struct Scan:
    Edge *edge  # of all rings, but for the horizontal ones
    Py_ssize_t edges
    Py_ssize_t edge_room
    Py_ssize_t *beginning  # per row: the first edge that begins there, or -1
    Py_ssize_t row_room
    Edge *active  # those that the current row crosses, from left to right
    Py_ssize_t n_active
    Py_ssize_t active_room


def draw_opencv(
    const double[::1] xy,
    const int64_t[::1] ring,
    const int64_t[::1] segment,
    const int64_t[::1] height,
    const int64_t[::1] width,
):
    """Runs of polygons by OpenCV's rule: see the numpy reference."""
    cdef Scan scan = Scan(NULL, 0, 0, NULL, 0, NULL, 0, 0)
    try:
        return paint_segments(draw_rings, &scan, xy, ring, segment, height, width)
    finally:
        free(scan.edge)
        free(scan.beginning)
        free(scan.active)


cdef void draw_rings(
    Painting *painting, void *scratch, const double *xy, const int64_t *ring, Py_ssize_t count
) noexcept nogil:
    """Draw some rings: the edges of each, and by even-odd over all of them what lies between."""
    cdef Scan *scan = <Scan *>scratch
    cdef Py_ssize_t j
    scan.edges = 0
    if count == 0 or painting.height == 0 or painting.width == 0:
        return
    if not grow(<void **>&scan.edge, &scan.edge_room, (ring[count] - ring[0]) // 2, sizeof(Edge)):
        painting.lacking = True
        return
    for j in range(count):
        collect(painting, scan, xy + ring[j], (ring[j + 1] - ring[j]) // 2)
    if not fill(painting, scan):
        painting.lacking = True


cdef void collect(Painting *painting, Scan *scan, const double *xy, Py_ssize_t n) noexcept nogil:
    """Draw the edges of a ring of n points, and keep those that are not horizontal and cross rows of the image."""
    cdef Line line, inside
    cdef Py_ssize_t i
    cdef int64_t x, step
    if n == 0:
        return
    line.x1, line.y1 = <int64_t>xy[2 * n - 2], <int64_t>xy[2 * n - 1]
    for i in range(n):
        line = Line(line.x1, line.y1, <int64_t>xy[2 * i], <int64_t>xy[2 * i + 1])
        inside = line
        if shorten(&inside, painting.width, painting.height):
            draw_line(painting, inside)
        if line.y0 == line.y1:
            continue
        if inside.y0 == inside.y1:  # only the columns were cut, of a line along the border
            inside.y0, inside.y1 = line.y0, line.y1
        step = (inside.x1 - inside.x0) * UNIT // (inside.y1 - inside.y0)
        if line.y0 < line.y1:
            x = inside.x0 * UNIT + (line.y0 - inside.y0) * step
        else:
            x = inside.x1 * UNIT + (line.y1 - inside.y1) * step
        scan.edge[scan.edges] = Edge(x, step, min(line.y0, line.y1), max(line.y0, line.y1), -1)
        scan.edges += 1


cdef inline int side_of(int64_t x, int64_t y, int64_t right, int64_t bottom) noexcept nogil:
    """Where a point lies: beyond which sides of the image, whose last column and row are given."""
    return (LEFT if x < 0 else RIGHT if x > right else 0) | (ABOVE if y < 0 else BELOW if y > bottom else 0)


cdef bint shorten(Line *line, int64_t width, int64_t height) noexcept nogil:
    """Move the ends of a line to the borders of the image, as far as that is of use; False if nothing is inside.

    First to the upper or lower border, one end after the other, then to the left or right one: each end on the line
    that the moves before it have left, so that slopes change a little.
    """
    cdef int64_t right = width - 1, bottom = height - 1
    cdef int a = side_of(line.x0, line.y0, right, bottom), b = side_of(line.x1, line.y1, right, bottom)
    cdef int64_t to
    if a & b or not a | b:
        return not a | b
    if a & (ABOVE | BELOW):
        to = 0 if a & ABOVE else bottom
        line.x0 += along(to - line.y0, line.x1 - line.x0, line.y1 - line.y0)
        line.y0 = to
        a = side_of(line.x0, to, right, bottom)
    if b & (ABOVE | BELOW):
        to = 0 if b & ABOVE else bottom
        line.x1 += along(to - line.y1, line.x1 - line.x0, line.y1 - line.y0)
        line.y1 = to
        b = side_of(line.x1, to, right, bottom)
    if a & b:
        return False
    if a:
        to = 0 if a & LEFT else right
        line.y0 += along(to - line.x0, line.y1 - line.y0, line.x1 - line.x0)
        line.x0 = to
    if b:
        to = 0 if b & LEFT else right
        line.y1 += along(to - line.x1, line.y1 - line.y0, line.x1 - line.x0)
        line.x1 = to
    return True


cdef inline int64_t along(int64_t by, int64_t rise, int64_t run) noexcept nogil:
    return <int64_t>(<double>by * <double>rise / <double>run)


cdef void draw_line(Painting *painting, Line line) noexcept nogil:
    """Draw a line within the image by Bresenham's algorithm, from left to right."""
    cdef int64_t x = line.x0, y = line.y0, dx = line.x1 - line.x0, dy = line.y1 - line.y0, since, down, error, i
    if dx < 0:
        x, y, dx, dy = line.x1, line.y1, -dx, -dy
    down = -1 if dy < 0 else 1
    dy = dy * down
    error = max(dx, dy) - 2 * min(dx, dy)
    since = x
    if dy > dx:
        for i in range(dy + 1):
            paint(painting, y, x, x)
            y += down
            if error < 0:
                x += 1
                error += 2 * dy
            error -= 2 * dx
        return
    for i in range(dx):
        if error < 0:
            paint(painting, y, since, x)
            y += down
            since = x + 1
            error += 2 * dx
        error -= 2 * dy
        x += 1
    paint(painting, y, since, x)


cdef bint fill(Painting *painting, Scan *scan) noexcept nogil:
    """Draw what lies between edges, row by row; False when there is no memory."""
    cdef int64_t top = painting.height, bottom = 0, y
    cdef Py_ssize_t i
    for i in range(scan.edges):
        top, bottom = min(top, scan.edge[i].top), max(bottom, scan.edge[i].bottom)
    top, bottom = max(top, 0), min(bottom, painting.height)
    if top >= bottom:
        return True
    if not (
        grow(<void **>&scan.beginning, &scan.row_room, bottom - top, sizeof(Py_ssize_t))
        and grow(<void **>&scan.active, &scan.active_room, scan.edges, sizeof(Edge))
    ):
        return False
    for i in range(bottom - top):
        scan.beginning[i] = -1
    for i in range(scan.edges):
        y = max(scan.edge[i].top, top)
        if y < bottom and scan.edge[i].bottom > y:
            scan.edge[i].following = scan.beginning[y - top]
            scan.beginning[y - top] = i
    scan.n_active = 0
    for y in range(top, bottom):
        activate(scan, y, scan.beginning[y - top])
        for i in range(1, scan.n_active, 2):
            paint(painting, y, (scan.active[i - 1].x + UNIT - 1) >> POINT, scan.active[i].x >> POINT)
    return True


cdef void activate(Scan *scan, int64_t y, Py_ssize_t first) noexcept nogil:
    """Take the active edges to row y: without those that end above it, with those that begin in it, in order of x."""
    cdef Py_ssize_t kept = 0, i
    cdef Edge *edge
    for i in range(scan.n_active):
        if scan.active[i].bottom > y:
            scan.active[kept] = scan.active[i]
            scan.active[kept].x += scan.active[i].step
            kept += 1
    while first >= 0:
        edge = &scan.edge[first]
        scan.active[kept] = edge[0]
        scan.active[kept].x += (y - edge.top) * edge.step
        kept += 1
        first = edge.following
    scan.n_active = kept
    sort_edges(scan.active, kept)


cdef inline void sort_edges(Edge *edge, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef Edge moved
    if n > 32:
        qsort(edge, n, sizeof(Edge), by_x)
        return
    for i in range(1, n):
        moved = edge[i]
        j = i
        while j > 0 and edge[j - 1].x > moved.x:
            edge[j] = edge[j - 1]
            j -= 1
        edge[j] = moved


cdef int by_x(const void *a, const void *b) noexcept nogil:
    cdef int64_t one = (<const Edge *>a).x, other = (<const Edge *>b).x
    return (one > other) - (one < other)
