# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The borders of the parts of a bitmap, and of their holes."""

import numpy as np
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from segdata.core.kernels._compiled.room cimport grow

cdef struct Border:
    int64_t end  # the first of the points that follow it
    int64_t parent
    uint8_t hole

cdef struct Trace:
    int32_t *mark  # per pixel of the bitmap with a frame of zeros: 0, 1, or a border's number + 2, negative at its right
    Py_ssize_t width  # of the bitmap with the frame
    Py_ssize_t[8] step  # to the neighbours: from the right one, counter-clockwise as images are shown
    int32_t *xy
    Py_ssize_t points
    Py_ssize_t point_room
    Border *border
    Py_ssize_t borders
    Py_ssize_t border_room


def borders(const uint8_t[:, ::1] pixels):
    """Rings along the border pixels of a bitmap: see the numpy reference."""
    cdef Py_ssize_t height = pixels.shape[0], width = pixels.shape[1], x, y
    cdef Trace trace = Trace(NULL, width + 2, [1, -1, -2, -3, -1, 1, 2, 3], NULL, 0, 0, NULL, 0, 0)
    cdef bint enough = True
    for x in range(3):
        trace.step[1 + x] = 1 - x - trace.width
        trace.step[5 + x] = x - 1 + trace.width
    try:
        trace.mark = <int32_t *>calloc((height + 2) * (width + 2), sizeof(int32_t))
        if trace.mark == NULL:
            raise MemoryError
        with nogil:
            for y in range(height):
                for x in range(width):
                    trace.mark[(y + 1) * trace.width + x + 1] = pixels[y, x] != 0
            for y in range(1, height + 1):
                if not scan_row(&trace, y):
                    enough = False
                    break
        if not enough:
            raise MemoryError
        return columns_of(&trace)
    finally:
        free(trace.mark)
        free(trace.xy)
        free(trace.border)


cdef bint scan_row(Trace *trace, Py_ssize_t y) noexcept nogil:
    """Follow the borders that begin in a row; False when there is no memory."""
    cdef Py_ssize_t i = y * trace.width + 1, end = (y + 1) * trace.width
    cdef int64_t last = -1  # the border that was met last
    cdef int32_t before = 0, value
    cdef bint hole
    for i in range(i, end):
        value = trace.mark[i]
        if value == before:
            continue
        if (before == 0 and value == 1) or (value == 0 and before >= 1):
            hole = value == 0
            if hole and before > 1:
                last = before - 2
            if not follow(trace, i - hole, hole, last):
                return False
            value = trace.mark[i]
        before = value
        if value > 1:
            last = value - 2
        elif value < -1:
            last = -value - 2
    return True


cdef bint follow(Trace *trace, Py_ssize_t first, bint hole, int64_t last) noexcept nogil:
    """Append the border that begins at a pixel; False when there is no memory."""
    cdef int32_t *mark = trace.mark
    cdef int32_t own = <int32_t>trace.borders + 2
    cdef Py_ssize_t begin, end, here, ahead, arrived
    cdef int64_t parent = last
    if last >= 0 and trace.border[last].hole == hole:
        parent = trace.border[last].parent
    if not grow(<void **>&trace.border, &trace.border_room, trace.borders + 1, sizeof(Border)):
        return False
    begin = end = 0 if hole else 4
    while True:
        end = (end - 1) & 7
        arrived = first + trace.step[end]
        if mark[arrived] != 0 or end == begin:
            break
    if end == begin:  # a single pixel
        mark[first] = -own
        if not append(trace, first):
            return False
    else:
        begin, here = end ^ 4, first
        while True:
            ahead = end
            while True:
                ahead += 1
                if mark[here + trace.step[ahead & 7]] != 0:
                    break
            ahead &= 7
            if 0 < ahead <= end:  # the pixel to its right was looked at, and is none of the part
                mark[here] = -own
            elif mark[here] == 1:
                mark[here] = own
            if ahead != begin and not append(trace, here):
                return False
            begin = ahead
            if here + trace.step[ahead] == first and here == arrived:
                break
            here += trace.step[ahead]
            end = (ahead + 4) & 7
    trace.border[trace.borders] = Border(trace.points, parent, hole)
    trace.borders += 1
    return True


cdef inline bint append(Trace *trace, Py_ssize_t place) noexcept nogil:
    if not grow(<void **>&trace.xy, &trace.point_room, 2 * (trace.points + 1), sizeof(int32_t)):
        return False
    trace.xy[2 * trace.points] = <int32_t>(place % trace.width - 1)
    trace.xy[2 * trace.points + 1] = <int32_t>(place // trace.width - 1)
    trace.points += 1
    return True


cdef object columns_of(Trace *trace):
    """The borders as arrays, the last one first."""
    cdef Py_ssize_t n = trace.borders, j, size
    cdef int64_t begin, after = 0
    points, ends = np.empty((trace.points, 2), np.int32), np.zeros(n + 1, np.int64)
    is_hole, parents = np.empty(n, bool), np.empty(n, np.int64)
    cdef int32_t[:, ::1] xy = points
    cdef int64_t[::1] ring = ends, parent = parents
    cdef uint8_t[::1] hole = is_hole.view(np.uint8)
    for j in range(n):
        begin = trace.border[n - 2 - j].end if j < n - 1 else 0
        size = trace.border[n - 1 - j].end - begin
        memcpy(&xy[after, 0], &trace.xy[2 * begin], 2 * size * sizeof(int32_t))
        after += size
        ring[j + 1] = after
        hole[j] = trace.border[n - 1 - j].hole
        parent[j] = n - 1 - trace.border[n - 1 - j].parent if trace.border[n - 1 - j].parent >= 0 else -1
    return points, ends, is_hole, parents
