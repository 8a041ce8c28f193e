# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Bytes of pictures from the differences that PNG stores."""

import numpy as np
from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free

cdef extern from *:
    """
    #include <stdint.h>
    #include <stdlib.h>
    #include <string.h>

    /* The first `step` bytes of a row have nothing to their left. In labels most pixels are like their neighbours, so
       that the branches are foreseen and no byte waits for the one before it. */
    static inline void average(uint8_t *row, const uint8_t *bytes, const uint8_t *above, size_t size, size_t step) {
        for (size_t i = 0; i < step; i++) row[i] = bytes[i] + (above[i] >> 1);
        for (size_t i = step; i < size; i++) row[i] = bytes[i] + ((row[i - step] + above[i]) >> 1);
    }
    static inline void paeth(uint8_t *row, const uint8_t *bytes, const uint8_t *above, size_t size, size_t step) {
        for (size_t i = 0; i < step; i++) row[i] = bytes[i] + above[i];
        for (size_t i = step; i < size; i++) {
            int left = row[i - step], up = above[i], corner = above[i - step], near;
            if (up == corner) near = left;
            else if (left == corner) near = up;
            else {
                int to_left = abs(up - corner), to_up = abs(left - corner), to_corner = abs(left + up - 2 * corner);
                near = to_left <= to_up && to_left <= to_corner ? left : to_up <= to_corner ? up : corner;
            }
            row[i] = bytes[i] + near;
        }
    }
    static inline void sub(uint8_t *row, const uint8_t *bytes, size_t size, size_t step) {
        memcpy(row, bytes, step);
        for (size_t i = step; i < size; i++) row[i] = bytes[i] + row[i - step];
    }
    static inline void up(uint8_t *row, const uint8_t *bytes, const uint8_t *above, size_t size) {
        for (size_t i = 0; i < size; i++) row[i] = bytes[i] + above[i];
    }
    /* False for a filter that PNG does not have. A constant `step` lets the compiler keep pixels in registers. */
    static inline int undo(int filter, uint8_t *row, const uint8_t *bytes, const uint8_t *above, size_t size, size_t step) {
        switch (filter) {
            case 0: memcpy(row, bytes, size); return 1;
            case 1: sub(row, bytes, size, step); return 1;
            case 2: up(row, bytes, above, size); return 1;
            case 3: average(row, bytes, above, size, step); return 1;
            case 4: paeth(row, bytes, above, size, step); return 1;
        }
        return 0;
    }
    static int undo_row(int filter, uint8_t *row, const uint8_t *bytes, const uint8_t *above, size_t size, size_t step) {
        switch (step) {
            case 1: return undo(filter, row, bytes, above, size, 1);
            case 2: return undo(filter, row, bytes, above, size, 2);
            case 3: return undo(filter, row, bytes, above, size, 3);
            case 4: return undo(filter, row, bytes, above, size, 4);
        }
        return undo(filter, row, bytes, above, size, step);
    }
    """
    bint undo_row(
        int filter, uint8_t *row, const uint8_t *bytes, const uint8_t *above, size_t size, size_t step
    ) noexcept nogil


def undo_filters(const uint8_t[:, ::1] filtered, Py_ssize_t step):
    """The bytes of rows that are stored as differences: see the numpy reference."""
    cdef Py_ssize_t height = filtered.shape[0], size = filtered.shape[1] - 1, y
    if not 0 < step <= size:
        raise ValueError(f"rows of {size} bytes have no pixels of {step}")
    rows = np.empty((height, size), np.uint8)
    if height == 0:
        return rows
    cdef uint8_t[:, ::1] result = rows
    cdef uint8_t *nothing = <uint8_t *>calloc(size, 1)
    cdef const uint8_t *above = nothing
    cdef bint known = True
    if nothing == NULL:
        raise MemoryError(f"no memory for a row of {size} bytes")
    with nogil:
        for y in range(height):
            known = undo_row(filtered[y, 0], &result[y, 0], &filtered[y, 1], above, size, step)
            if not known:
                break
            above = &result[y, 0]
        free(nothing)
    if not known:
        raise ValueError(f"row {y} has filter {filtered[y, 0]}; PNG has 0 to 4")
    return rows
