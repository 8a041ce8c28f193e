# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Scan conversion of polygons by COCO's rule, pixel for pixel."""

import numpy as np
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, qsort

from segdata.core.kernels._compiled.room cimport grow
from segdata.core.kernels.checks import check_offsets

cdef struct Run:
    int64_t start
    int64_t end

cdef struct Canvas:
    int64_t height
    int64_t width
    Run *run  # the runs of all segments so far
    Py_ssize_t runs
    Py_ssize_t first  # the first run of the current segment
    Py_ssize_t room
    int64_t *x  # the scaled vertices of the current ring
    int64_t *y
    Py_ssize_t vertices
    int64_t *next  # per column of the ring: where its next crossing goes in `row`
    Py_ssize_t columns
    int64_t *row  # the rows at which the ring's edges cross the columns' centre lines, by column
    Py_ssize_t rows


def rasterise(
    const double[::1] xy,
    const int64_t[::1] ring,
    const int64_t[::1] segment,
    const int64_t[::1] height,
    const int64_t[::1] width,
):
    """Runs of polygons: see the numpy reference."""
    cdef Py_ssize_t n = height.shape[0], i, j
    cdef Canvas canvas = Canvas(0, 0, NULL, 0, 0, 0, NULL, NULL, 0, NULL, 0, NULL, 0)
    cdef bint enough = True
    check_offsets(np.asarray(ring), ring.shape[0] - 1, xy.shape[0])
    check_offsets(np.asarray(segment), n, ring.shape[0] - 1)
    if width.shape[0] != n:
        raise ValueError(f"{n} heights come with {width.shape[0]} widths")
    ends = np.zeros(n + 1, np.int64)
    cdef int64_t[::1] run_offset = ends
    try:
        with nogil:
            for i in range(n):
                canvas.height, canvas.width, canvas.first = height[i], width[i], canvas.runs
                for j in range(segment[i], segment[i + 1]):
                    enough = enough and draw_ring(&canvas, &xy[0] + ring[j], (ring[j + 1] - ring[j]) // 2)
                if segment[i + 1] - segment[i] > 1:
                    unite(&canvas)
                run_offset[i + 1] = canvas.runs
        if not enough:
            raise MemoryError("no memory for the runs of the polygons")
        start, length = columns_of(&canvas)
    finally:
        free(canvas.run)
        free(canvas.x)
        free(canvas.y)
        free(canvas.next)
        free(canvas.row)
    owners = np.empty(start.shape[0], np.int32)
    cdef int32_t[::1] owner = owners
    with nogil:
        for i in range(n):
            for j in range(run_offset[i], run_offset[i + 1]):
                owner[j] = i
    return start, length, owners


cdef columns_of(Canvas *canvas):
    starts = np.empty(canvas.runs, np.int64)
    lengths = np.empty(canvas.runs, np.int64)
    cdef int64_t[::1] start = starts, length = lengths
    cdef Py_ssize_t i
    with nogil:
        for i in range(canvas.runs):
            start[i] = canvas.run[i].start
            length[i] = canvas.run[i].end - canvas.run[i].start
    return starts, lengths


cdef bint draw_ring(Canvas *canvas, const double *xy, Py_ssize_t n) noexcept nogil:
    """Append the runs of one ring; False when there is no memory."""
    cdef int64_t left, right
    cdef Py_ssize_t j, vertices = canvas.vertices
    if n < 2:
        return True
    if not (
        grow(<void **>&canvas.x, &vertices, n + 1, sizeof(int64_t))
        and grow(<void **>&canvas.y, &canvas.vertices, n + 1, sizeof(int64_t))
    ):
        return False
    for j in range(n):
        canvas.x[j] = <int64_t>(5 * xy[2 * j] + 0.5)
        canvas.y[j] = <int64_t>(5 * xy[2 * j + 1] + 0.5)
    canvas.x[n] = canvas.x[0]
    canvas.y[n] = canvas.y[0]
    left = right = canvas.x[0]
    for j in range(n):
        left = min(left, canvas.x[j])
        right = max(right, canvas.x[j])
    left = first_column(left)
    right = last_column(right, canvas.width)
    if left > right:
        return True
    if not make_buckets(canvas, n, left, right):
        return False
    for j in range(n):
        cross(canvas, canvas.x[j], canvas.y[j], canvas.x[j + 1], canvas.y[j + 1], left)
    return fill(canvas, left, right)


cdef inline int64_t first_column(int64_t x) noexcept nogil:
    """The first column k >= 0 with x <= 5 k + 2."""
    return 0 if x <= 2 else (x + 2) // 5


cdef inline int64_t last_column(int64_t x, int64_t width) noexcept nogil:
    """The last column k < width with 5 k + 3 <= x, or -1."""
    return -1 if x < 3 else min(width - 1, (x - 3) // 5)


cdef bint make_buckets(Canvas *canvas, Py_ssize_t n, int64_t left, int64_t right) noexcept nogil:
    """Count the crossings of each column, and turn the counts into places."""
    cdef Py_ssize_t j
    cdef int64_t k, depth = 0, place = 0, low, high
    if not grow(<void **>&canvas.next, &canvas.columns, right - left + 2, sizeof(int64_t)):
        return False
    for k in range(right - left + 2):
        canvas.next[k] = 0
    for j in range(n):
        low = first_column(min(canvas.x[j], canvas.x[j + 1]))
        high = last_column(max(canvas.x[j], canvas.x[j + 1]), canvas.width)
        if low <= high:
            canvas.next[low - left] += 1
            canvas.next[high - left + 1] -= 1
    for k in range(right - left + 2):
        depth += canvas.next[k]
        canvas.next[k] = place
        place += depth
    return grow(<void **>&canvas.row, &canvas.rows, place, sizeof(int64_t))


cdef void cross(Canvas *canvas, int64_t xs, int64_t ys, int64_t xe, int64_t ye, int64_t left) noexcept nogil:
    """Note where an edge crosses from x = 5 k + 2 to 5 k + 3, for every column k."""
    cdef int64_t dx = max(xe - xs, xs - xe), dy = max(ye - ys, ys - ye), k, t
    cdef bint flip = xs > xe if dx >= dy else ys > ye
    cdef int64_t low = first_column(min(xs, xe)), high = last_column(max(xs, xe), canvas.width)
    cdef double s
    if flip:
        xs, xe, ys, ye = xe, xs, ye, ys
    if dx >= dy and dx > 0:
        s = <double>(ye - ys) / dx
        for k in range(low, high + 1):
            # The lower of the two points: its row is monotonous in t, rounding included.
            t = 5 * k + 2 - xs + (s < 0)
            note(canvas, k - left, <int64_t>(ys + s * t + 0.5))
    elif dx > 0:
        for k in range(low, high + 1):
            t = step_over(xs, xe, dy, 5 * k + 2, flip)
            if t > 0:
                note(canvas, k - left, ys + t - 1)


cdef inline int64_t step_over(int64_t xs, int64_t xe, int64_t dy, int64_t level, bint flip) noexcept nogil:
    """The t in 1..dy at which a steep edge steps over the line between x = level and level + 1; 0 if it jumps it.

    The column of a point is (int)(xs + s t + .5), which is monotonous in t, rounding included: an estimate of t,
    corrected by the expression itself, finds the step that a walk over every t would find.
    """
    cdef double s = <double>(xe - xs) / dy
    cdef bint rises = xe > xs
    cdef int64_t t = <int64_t>((level + 0.5 - xs) / s)
    t = max(<int64_t>1, min(t, dy))
    while t > 1 and (column(xs, s, t - 1) > level) == rises:
        t -= 1
    while t < dy and (column(xs, s, t) > level) != rises:
        t += 1
    # The walk looks at the point it arrives at: with edges of 10^8 steps rounding can skip a column.
    if flip:
        return t if column(xs, s, t - 1) == level + (not rises) else 0
    return t if column(xs, s, t) == level + rises else 0


cdef inline int64_t column(int64_t xs, double s, int64_t t) noexcept nogil:
    return <int64_t>(xs + s * t + 0.5)


cdef inline void note(Canvas *canvas, int64_t k, int64_t v) noexcept nogil:
    """Keep ceil((v - 2) / 5), clamped to the column, as a crossing of the ring's column k."""
    canvas.row[canvas.next[k]] = 0 if v < 2 else min(canvas.height, (v + 2) // 5)
    canvas.next[k] += 1


cdef bint fill(Canvas *canvas, int64_t left, int64_t right) noexcept nogil:
    """Turn crossings into runs: from the first to the second, from the third to the fourth, and so on."""
    cdef int64_t k, j, first = 0, opened = -1, position, begin = left * canvas.height, column = begin
    for k in range(right - left + 1):
        sort_rows(canvas.row + first, canvas.next[k] - first)
        for j in range(first, canvas.next[k]):
            position = begin + canvas.row[j]
            if opened < 0:
                opened, column = position, begin
            else:
                if not append(canvas, opened, position, column):
                    return False
                opened = -1
        first = canvas.next[k]
        begin += canvas.height
    return opened < 0 or append(canvas, opened, canvas.height * canvas.width, column)


cdef bint append(Canvas *canvas, int64_t start, int64_t end, int64_t column) noexcept nogil:
    """Append the run, split where columns end, joined to the last run where that ends here in the same column.

    `column` is where the column begins that the run starts in, or the one before if it starts with a column.
    """
    cdef int64_t stop
    while start < end:
        if start >= column + canvas.height:
            column += canvas.height
        stop = min(end, column + canvas.height)
        if canvas.runs > canvas.first and canvas.run[canvas.runs - 1].end == start and start > column:
            canvas.run[canvas.runs - 1].end = stop
        else:
            if not grow(<void **>&canvas.run, &canvas.room, canvas.runs + 1, sizeof(Run)):
                return False
            canvas.run[canvas.runs].start = start
            canvas.run[canvas.runs].end = stop
            canvas.runs += 1
        start = stop
    return True


cdef inline void sort_rows(int64_t *row, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef int64_t moved
    if n > 32:
        qsort(row, n, sizeof(int64_t), by_value)
        return
    for i in range(1, n):
        moved = row[i]
        j = i
        while j > 0 and row[j - 1] > moved:
            row[j] = row[j - 1]
            j -= 1
        row[j] = moved


cdef void unite(Canvas *canvas) noexcept nogil:
    """Replace the current segment's runs by their union."""
    cdef Run *run = canvas.run + canvas.first
    cdef Py_ssize_t n = canvas.runs - canvas.first, i, last = 0
    for i in range(1, n):
        if run[i].start < run[i - 1].start:
            qsort(run, n, sizeof(Run), by_value)
            break
    for i in range(1, n):
        if run[i].start < run[last].end or (run[i].start == run[last].end and run[i].start % canvas.height):
            run[last].end = max(run[last].end, run[i].end)
        else:
            last += 1
            run[last] = run[i]
    if n > 0:
        canvas.runs = canvas.first + last + 1


cdef int by_value(const void *a, const void *b) noexcept nogil:
    """Order by the int64 that comes first."""
    cdef int64_t one = (<const int64_t *>a)[0], other = (<const int64_t *>b)[0]
    return (one > other) - (one < other)
