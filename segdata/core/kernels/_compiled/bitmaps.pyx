# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Bitmaps of single segments to runs, and back."""

import numpy as np
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memchr, memcpy

from segdata.core.kernels._compiled.spans cimport Painting, begin, finish, paint, release, settle
from segdata.core.kernels.checks import check_offsets


def draw_bitmaps(
    const uint8_t[::1] pixels,
    const int64_t[::1] bitmap,
    const int64_t[::1] left,
    const int64_t[::1] top,
    const int64_t[::1] wide,
    const int64_t[::1] height,
    const int64_t[::1] width,
):
    """Runs of bitmaps: see the numpy reference."""
    cdef Py_ssize_t n = wide.shape[0], i
    cdef int64_t y, rows
    cdef Painting painting
    check_offsets(np.asarray(bitmap), n, pixels.shape[0])
    if not left.shape[0] == top.shape[0] == height.shape[0] == width.shape[0] == n:
        raise ValueError(f"{n} bitmaps come with columns of other lengths")
    ends = np.zeros(n + 1, np.int64)
    cdef int64_t[::1] end = ends
    begin(&painting)
    try:
        with nogil:
            for i in range(n):
                painting.height, painting.width, painting.spans = height[i], width[i], 0
                rows = (bitmap[i + 1] - bitmap[i]) // wide[i] if wide[i] > 0 else 0
                for y in range(max(0, -top[i]), min(rows, height[i] - top[i])):
                    draw_row(&painting, &pixels[bitmap[i] + y * wide[i]], wide[i], left[i], top[i] + y)
                settle(&painting)
                end[i + 1] = painting.runs
        return finish(&painting, ends)
    finally:
        release(&painting)


cdef void draw_row(Painting *painting, const uint8_t *row, int64_t wide, int64_t left, int64_t y) noexcept nogil:
    """Cover the pixels of one row that are not zero."""
    cdef int64_t x = 0, since
    cdef const void *zero
    cdef uint64_t eight
    while x < wide:
        while x + 8 <= wide:
            memcpy(&eight, row + x, 8)
            if eight:
                break
            x += 8
        while x < wide and row[x] == 0:
            x += 1
        if x < wide:
            since = x
            zero = memchr(row + x, 0, wide - x)
            x = wide if zero == NULL else <const uint8_t *>zero - row
            paint(painting, y, left + since, left + x - 1)


def crop_runs(
    const int64_t[::1] x,
    const int64_t[::1] y,
    const int64_t[::1] length,
    const int32_t[::1] owner,
    const int64_t[::1] wide,
    const int64_t[::1] tall,
):
    """Bitmaps of runs: see the numpy reference."""
    cdef Py_ssize_t n = x.shape[0], m = wide.shape[0], i
    cdef int64_t k, row, column
    if not y.shape[0] == length.shape[0] == owner.shape[0] == n or tall.shape[0] != m:
        raise ValueError(f"{n} runs in {m} bitmaps come with columns of other lengths")
    bitmaps = np.zeros(m + 1, np.int64)
    np.cumsum(np.asarray(wide) * np.asarray(tall), out=bitmaps[1:])
    cdef const int64_t[::1] bitmap = bitmaps
    found = np.zeros(bitmaps[m], np.uint8)
    cdef uint8_t[::1] pixels = found
    cdef Py_ssize_t outside = 0
    cdef uint8_t *above
    cdef uint8_t *below
    with nogil:
        # Where a run begins and below its end pixels change; every row is the one above, changed.
        for i in range(n):
            k = owner[i]
            if not (0 <= k < m and 0 <= x[i] < wide[k] and 0 <= y[i] <= y[i] + length[i] <= tall[k]):
                outside += 1
                continue
            pixels[bitmap[k] + y[i] * wide[k] + x[i]] ^= 1
            if y[i] + length[i] < tall[k]:
                pixels[bitmap[k] + (y[i] + length[i]) * wide[k] + x[i]] ^= 1
        for k in range(m):
            for row in range(1, tall[k] if wide[k] > 0 else 0):
                above = &pixels[bitmap[k] + (row - 1) * wide[k]]
                below = &pixels[bitmap[k] + row * wide[k]]
                for column in range(wide[k]):
                    below[column] ^= above[column]
    if outside:
        raise ValueError(f"{outside} runs leave their bitmaps")
    return found
