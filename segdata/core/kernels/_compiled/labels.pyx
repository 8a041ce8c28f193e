# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Runs of label images."""

import numpy as np
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp

ctypedef fused pixel:
    uint8_t
    uint16_t
    uint32_t
    uint64_t

cdef enum:
    BLOCK = 64  # bytes of a row that are compared at once


def label_runs(image):
    """Runs of equal value, column by column: see the plain twin."""
    if image.ndim != 2:
        raise ValueError(f"the image has shape {image.shape}: (height, width) is needed")
    start, value = find_runs(image.view(f"u{image.dtype.itemsize}"))
    return start, np.diff(start, append=image.size), value.view(image.dtype)


def pack_rgb(const uint8_t[:, :, ::1] image):
    """Three bytes in one number: see the plain twin."""
    cdef Py_ssize_t pixels = image.shape[0] * image.shape[1], channels = image.shape[2], i
    if channels != 3 and channels != 4:
        raise ValueError(f"the image has {channels} channels: 3 or 4 are needed")
    packed = np.empty((image.shape[0], image.shape[1]), np.uint32)
    cdef uint32_t[:, ::1] result = packed
    if pixels == 0:
        return packed
    cdef const uint8_t *source = &image[0, 0, 0]
    cdef uint32_t *target = &result[0, 0]
    with nogil:
        for i in range(pixels):
            target[i] = source[0] | <uint32_t>source[1] << 8 | <uint32_t>source[2] << 16
            source += channels
    return packed


def find_runs(const pixel[:, ::1] image):
    """Where runs start, and their values."""
    cdef Py_ssize_t height = image.shape[0], width = image.shape[1], x, y
    if height == 0 or width == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.asarray(image).dtype)
    places = np.ones(width + 1, np.int64)
    cdef int64_t[::1] place = places
    places[0] = 0
    with nogil:
        for y in range(1, height):
            count_changes(&image[y - 1, 0], &image[y, 0], width, &place[1])
    np.cumsum(places, out=places)
    starts = np.empty(places[width], np.int64)
    values = np.empty(places[width], np.asarray(image).dtype)
    cdef int64_t[::1] start = starts
    cdef pixel[::1] value = values
    with nogil:
        for x in range(width):
            start[place[x]] = x * height
            value[place[x]] = image[0, x]
            place[x] += 1
        for y in range(1, height):
            note_changes(&image[y - 1, 0], &image[y, 0], width, y, height, &place[0], &start[0], &value[0])
    return starts, values


cdef void count_changes(const pixel *above, const pixel *row, Py_ssize_t width, int64_t *count) noexcept nogil:
    cdef Py_ssize_t x, block = 0, end
    while block < width:
        end = min(block + BLOCK // <Py_ssize_t>sizeof(pixel), width)
        if memcmp(above + block, row + block, (end - block) * sizeof(pixel)):
            for x in range(block, end):
                count[x] += above[x] != row[x]
        block = end


cdef void note_changes(
    const pixel *above,
    const pixel *row,
    Py_ssize_t width,
    int64_t y,
    int64_t height,
    int64_t *place,
    int64_t *start,
    pixel *value,
) noexcept nogil:
    """Write the runs that start in this row: each column has its own place, so that they come out column by column."""
    cdef Py_ssize_t x, block = 0, end
    while block < width:
        end = min(block + BLOCK // <Py_ssize_t>sizeof(pixel), width)
        if memcmp(above + block, row + block, (end - block) * sizeof(pixel)):
            for x in range(block, end):
                if above[x] != row[x]:
                    start[place[x]] = x * height + y
                    value[place[x]] = row[x]
                    place[x] += 1
        block = end
