# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Sums over the pixels of outlines."""

import numpy as np
from libc.math cimport isinf
from libc.stdint cimport int32_t, int64_t, uint8_t

from segdata.core.kernels.outline_checks import check_outlines


def outline_sums(
    const double[::1] distance,
    const int64_t[::1] length,
    const int64_t[::1] top,
    const int64_t[::1] across,
    const uint8_t[::1] inside,
    const int32_t[::1] sheet,
    const int64_t[::1] shape,
    const int64_t[::1] height,
    const double[::1] wide,
    const double[::1] high,
    const double[::1] beside,
    const double[::1] within,
    const double[::1] far,
):
    """Counts and sums of the pixels of each shape: see the plain twin."""
    strips = [np.asarray(length), np.asarray(top), np.asarray(across), np.asarray(inside), np.asarray(sheet)]
    sheets = [np.asarray(shape), np.asarray(height), np.asarray(wide), np.asarray(high), np.asarray(beside)]
    check_outlines(np.asarray(distance), strips, sheets, np.asarray(within), np.asarray(far))
    cdef Py_ssize_t n = sheet.shape[0], i, j, at = 0
    cdef int64_t k, row, last
    cdef int32_t s
    cdef double d, room, tall, end, reach, close
    counts, sums = np.zeros((within.shape[0], 3), np.int64), np.zeros((within.shape[0], 3), np.float64)
    cdef int64_t[:, ::1] count = counts
    cdef double[:, ::1] total = sums
    with nogil:
        for i in range(n):
            s = sheet[i]
            k = shape[s]
            room = min(across[i] * wide[s], beside[s])
            tall, last, close, reach = high[s], height[s] - 1, within[k], far[k]
            for j in range(length[i]):
                d = distance[at]
                at += 1
                count[k, 0] += 1
                count[k, 1] += d <= close
                total[k, 0] += d
                if d > reach or isinf(d):
                    continue
                row = top[i] + j
                end = min(row, last - row) * tall
                if d >= min(room, end):  # as near to the end of the image
                    continue
                count[k, 2] += 1
                total[k, 1] += (-d if inside[i] else d)
                total[k, 2] += d * d
    return counts, sums
