# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Horizontal spans to vertical runs, in time for what is drawn, whatever area it covers."""

import numpy as np
from libc.stdint cimport int64_t
from libc.stdlib cimport free, qsort
from libc.string cimport memcpy, memset

from segdata.core.kernels._compiled.room cimport grow
from segdata.core.kernels.checks import check_offsets


cdef object paint_segments(
    Draw draw,
    void *scratch,
    const double[::1] xy,
    const int64_t[::1] ring,
    const int64_t[::1] segment,
    const int64_t[::1] height,
    const int64_t[::1] width,
):
    """Start, length and owner of the runs of all segments, each drawn in an image of its own size."""
    cdef Py_ssize_t n = height.shape[0], i
    cdef Painting painting
    check_offsets(np.asarray(ring), ring.shape[0] - 1, xy.shape[0])
    check_offsets(np.asarray(segment), n, ring.shape[0] - 1)
    if width.shape[0] != n:
        raise ValueError(f"{n} heights come with {width.shape[0]} widths")
    ends = np.zeros(n + 1, np.int64)
    cdef int64_t[::1] end = ends
    begin(&painting)
    try:
        with nogil:
            for i in range(n):
                painting.height, painting.width, painting.spans = height[i], width[i], 0
                draw(&painting, scratch, &xy[0], &ring[segment[i]], segment[i + 1] - segment[i])
                settle(&painting)
                end[i + 1] = painting.runs
        return finish(&painting, ends)
    finally:
        release(&painting)


cdef void begin(Painting *painting) noexcept nogil:
    """Nothing is painted, and no memory taken."""
    memset(painting, 0, sizeof(Painting))


cdef void release(Painting *painting) noexcept nogil:
    free(painting.span)
    free(painting.ordered)
    free(painting.row)
    free(painting.side)
    free(painting.column)
    free(painting.strip)
    free(painting.start)
    free(painting.length)


cdef object finish(Painting *painting, object ends):
    """Start, length and owner of all runs; those of owner i end at `ends[i + 1]`."""
    if painting.lacking:
        raise MemoryError("no memory for the runs of what is drawn")
    start, length = np.empty(painting.runs, np.int64), np.empty(painting.runs, np.int64)
    copy(painting.start, start)
    copy(painting.length, length)
    return start, length, np.repeat(np.arange(len(ends) - 1, dtype=np.int32), np.diff(ends))


cdef void copy(const int64_t *source, int64_t[::1] target) noexcept:
    if target.shape[0]:
        memcpy(&target[0], source, target.shape[0] * sizeof(int64_t))


cdef void settle(Painting *painting) noexcept nogil:
    """Append the runs of the current segment, whose spans are all there."""
    cdef int64_t top, bottom, left, right, y
    cdef Py_ssize_t i, first, before = 0, now
    cdef int64_t *side
    if painting.spans == 0 or painting.lacking:
        return
    top, left, bottom, right = painting.height, painting.width, 0, 0
    for i in range(painting.spans):
        top, bottom = min(top, painting.span[i].y), max(bottom, painting.span[i].y + 1)
        left, right = min(left, painting.span[i].left), max(right, painting.span[i].right)
    if not make_room(painting, bottom - top, right - left):
        painting.lacking = True
        return
    order_by_row(painting, top, bottom)
    for i in range(right - left):
        painting.column[i] = Column(-1, 0)
    painting.strips = 0
    side = painting.side
    first = 0
    for y in range(top, bottom):
        # The sides of two rows change places in turn; a row has no more sides than there are spans, doubled.
        side = painting.side if (y - top) % 2 == 0 else painting.side + 2 * painting.spans
        now = unite(painting.ordered + first, painting.row[y - top] - first, side)
        first = painting.row[y - top]
        turn(painting, painting.side + 2 * painting.spans if side == painting.side else painting.side, before,
             side, now, y, left)
        before = now
    turn(painting, side, before, NULL, 0, bottom, left)
    append(painting, left, right)


cdef bint make_room(Painting *painting, int64_t rows, int64_t columns) noexcept nogil:
    """Make room for all but the strips; False when there is no memory."""
    return (
        grow(<void **>&painting.ordered, &painting.ordered_room, painting.spans, sizeof(Span))
        and grow(<void **>&painting.row, &painting.row_room, rows + 1, sizeof(Py_ssize_t))
        and grow(<void **>&painting.side, &painting.side_room, 4 * painting.spans, sizeof(int64_t))
        and grow(<void **>&painting.column, &painting.column_room, columns, sizeof(Column))
    )


cdef void order_by_row(Painting *painting, int64_t top, int64_t bottom) noexcept nogil:
    """Put the spans in order of their rows; `row` then says where those of each row end."""
    cdef Py_ssize_t i, place = 0, count
    cdef Py_ssize_t *row = painting.row
    memset(row, 0, (bottom - top) * sizeof(Py_ssize_t))
    for i in range(painting.spans):
        row[painting.span[i].y - top] += 1
    for i in range(bottom - top):
        count = row[i]
        row[i] = place
        place += count
    for i in range(painting.spans):
        count = painting.span[i].y - top
        painting.ordered[row[count]] = painting.span[i]
        row[count] += 1


cdef Py_ssize_t unite(Span *span, Py_ssize_t n, int64_t *side) noexcept nogil:
    """The sides of what the spans of one row cover: left, right, left, right and so on; how many there are."""
    cdef Py_ssize_t i, j, sides = 0
    cdef Span moved
    if n > 32:
        qsort(span, n, sizeof(Span), by_left)
    else:
        for i in range(1, n):
            moved = span[i]
            j = i
            while j > 0 and span[j - 1].left > moved.left:
                span[j] = span[j - 1]
                j -= 1
            span[j] = moved
    for i in range(n):
        if sides and span[i].left <= side[sides - 1]:
            side[sides - 1] = max(side[sides - 1], span[i].right)
        else:
            side[sides] = span[i].left
            side[sides + 1] = span[i].right
            sides += 2
    return sides


cdef int by_left(const void *a, const void *b) noexcept nogil:
    cdef int64_t one = (<const Span *>a).left, other = (<const Span *>b).left
    return (one > other) - (one < other)


cdef void turn(
    Painting *painting,
    const int64_t *above,
    Py_ssize_t n_above,
    const int64_t *below,
    Py_ssize_t n_below,
    int64_t y,
    int64_t left,
) noexcept nogil:
    """Begin and end strips in the columns where only one of two rows is covered, the lower of which is y."""
    cdef Py_ssize_t i = 0, j = 0
    cdef int64_t side, since = 0
    cdef bint differ = False
    while i < n_above or j < n_below:
        if j == n_below or (i < n_above and above[i] <= below[j]):
            side = above[i]
            i += 1
        else:
            side = below[j]
            j += 1
        if differ:
            turn_columns(painting, since - left, side - left, y)
        since = side
        differ = not differ


cdef inline void turn_columns(Painting *painting, int64_t first, int64_t last, int64_t y) noexcept nogil:
    cdef int64_t k
    cdef Column *column
    if not grow(<void **>&painting.strip, &painting.strip_room, painting.strips + last - first, sizeof(Strip)):
        painting.lacking = True
        return
    for k in range(first, last):
        column = &painting.column[k]
        if column.opened < 0:
            column.opened = y
        else:
            painting.strip[painting.strips] = Strip(k, column.opened, y)
            painting.strips += 1
            column.opened = -1
            column.place += 1


cdef void append(Painting *painting, int64_t left, int64_t right) noexcept nogil:
    """Append the strips to the runs, column by column."""
    cdef Py_ssize_t i, place = painting.runs, count
    cdef Strip *strip
    if painting.lacking or not (
        grow(<void **>&painting.start, &painting.start_room, place + painting.strips, sizeof(int64_t))
        and grow(<void **>&painting.length, &painting.length_room, place + painting.strips, sizeof(int64_t))
    ):
        painting.lacking = True
        return
    for i in range(right - left):
        count = painting.column[i].place
        painting.column[i].place = place
        place += count
    for i in range(painting.strips):
        strip = &painting.strip[i]
        place = painting.column[strip.x].place
        painting.column[strip.x].place += 1
        painting.start[place] = (left + strip.x) * painting.height + strip.top
        painting.length[place] = strip.bottom - strip.top
    painting.runs += painting.strips
