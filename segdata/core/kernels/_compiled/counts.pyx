# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Packed pixels: COCO run-length counts, compressed and not, to runs and back; bit streams of brush strokes."""

import numpy as np
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset

from segdata.core.kernels.checks import check_offsets

cdef enum:
    MAX_GROUPS = 7  # 35 bits with sign: a difference of two counts in 100 000 x 100 000 pixels needs them


def decode_counts(
    const uint8_t[::1] text, const int64_t[::1] offset, const int64_t[::1] height, const int64_t[::1] width
):
    """Runs of compressed COCO strings: see the numpy reference."""
    cdef Py_ssize_t n = height.shape[0], i, used = 0
    check_columns(offset, text.shape[0], height, width)
    numbers = np.empty(text.shape[0], np.int64)
    number_offset = np.zeros(n + 1, np.int64)
    error = np.zeros(n, np.uint8)
    cdef int64_t[::1] counts = numbers, count_offset = number_offset
    cdef uint8_t[::1] wrong = error
    with nogil:
        for i in range(n):
            wrong[i] = read_string(&text[0] + offset[i], offset[i + 1] - offset[i], &counts[0], &used)
            count_offset[i + 1] = used
    return split(numbers, number_offset, height, width, error)


def split_counts(
    const int64_t[::1] counts, const int64_t[::1] offset, const int64_t[::1] height, const int64_t[::1] width
):
    """Runs of uncompressed COCO counts: see the numpy reference."""
    check_columns(offset, counts.shape[0], height, width)
    return split(counts, offset, height, width, np.zeros(height.shape[0], np.uint8))


def encode_counts(
    const int64_t[::1] start,
    const int64_t[::1] length,
    const int64_t[::1] offset,
    const int64_t[::1] height,
    const int64_t[::1] width,
):
    """Compressed COCO strings of runs: see the numpy reference."""
    numbers, number_offset = join_counts(start, length, offset, height, width)
    cdef const int64_t[::1] counts = numbers, count_offset = number_offset
    cdef Py_ssize_t n = height.shape[0], i, j, used = 0
    cdef int64_t number
    letters = np.empty(MAX_GROUPS * counts.shape[0], np.uint8)
    letter_offset = np.zeros(n + 1, np.int64)
    cdef uint8_t[::1] text = letters
    cdef int64_t[::1] text_offset = letter_offset
    with nogil:
        for i in range(n):
            for j in range(count_offset[i], count_offset[i + 1]):
                number = counts[j] if j < count_offset[i] + 3 else counts[j] - counts[j - 2]
                used += write_number(number, &text[0] + used)
            text_offset[i + 1] = used
    return letters[:used].copy(), letter_offset


def join_counts(
    const int64_t[::1] start,
    const int64_t[::1] length,
    const int64_t[::1] offset,
    const int64_t[::1] height,
    const int64_t[::1] width,
):
    """Uncompressed COCO counts of runs: see the numpy reference."""
    cdef Py_ssize_t n = height.shape[0], i, j, used = 0, first
    cdef int64_t end
    check_columns(offset, min(start.shape[0], length.shape[0]), height, width)
    numbers = np.empty(2 * start.shape[0] + n, np.int64)
    number_offset = np.zeros(n + 1, np.int64)
    cdef int64_t[::1] counts = numbers, count_offset = number_offset
    with nogil:
        for i in range(n):
            first = used
            end = 0
            for j in range(offset[i], offset[i + 1]):
                if used > first and start[j] == end:
                    counts[used - 1] += length[j]
                else:
                    counts[used] = start[j] - end
                    counts[used + 1] = length[j]
                    used += 2
                end = start[j] + length[j]
            if used == first or end < height[i] * width[i]:
                counts[used] = height[i] * width[i] - end
                used += 1
            count_offset[i + 1] = used
    return numbers[:used].copy(), number_offset


cdef check_columns(const int64_t[::1] offset, Py_ssize_t size, const int64_t[::1] height, const int64_t[::1] width):
    check_offsets(np.asarray(offset), height.shape[0], size)
    if height.shape[0] != width.shape[0]:
        raise ValueError(f"{height.shape[0]} heights come with {width.shape[0]} widths")


cdef uint8_t read_string(const uint8_t *text, Py_ssize_t size, int64_t *counts, Py_ssize_t *used) noexcept nogil:
    """Append the counts of one string; the error, for which nothing is appended."""
    cdef Py_ssize_t p = 0, first = used[0], m = first, groups
    cdef int64_t value, letter
    cdef bint negative = False
    while p < size:
        value = 0
        groups = 0
        while True:
            if p == size:
                return 2
            letter = <int64_t>text[p] - 48
            if letter < 0 or letter > 63:
                return 1
            p += 1
            value |= (letter & 31) << (5 * groups)
            groups += 1
            if not letter & 32:
                break
            if groups == MAX_GROUPS:
                return 2
        if letter & 16:
            value -= <int64_t>1 << (5 * groups)
        if m - first > 2:
            value += counts[m - 2]
        negative |= value < 0
        counts[m] = value
        m += 1
    if negative:
        return 3
    used[0] = m
    return 0


cdef inline Py_ssize_t write_number(int64_t value, uint8_t *text) noexcept nogil:
    """Write one number in groups of five bits, low first; how many letters it took."""
    cdef Py_ssize_t groups = 0
    cdef uint8_t letter
    while True:
        letter = value & 31
        value >>= 5
        if value == (-1 if letter & 16 else 0):
            text[groups] = 48 + letter
            return groups + 1
        text[groups] = 48 + (letter | 32)
        groups += 1


cdef split(
    const int64_t[::1] counts, const int64_t[::1] offset, const int64_t[::1] height, const int64_t[::1] width, error
):
    """Turn counts into runs that end where their column ends; strings with an error give none."""
    cdef Py_ssize_t n = height.shape[0], i, used = 0, room = 0
    cdef uint8_t[::1] wrong = error
    runs_of = np.zeros(n, np.int64)
    cdef int64_t[::1] n_runs = runs_of
    with nogil:
        for i in range(n):
            if wrong[i] == 0:
                wrong[i] = check_counts(&counts[0] + offset[i], offset[i + 1] - offset[i], height[i] * width[i])
            if wrong[i] == 0:
                n_runs[i] = count_runs(&counts[0] + offset[i], offset[i + 1] - offset[i], height[i])
                room += n_runs[i]
    starts = np.empty(room, np.int64)
    lengths = np.empty(room, np.int64)
    owners = np.empty(room, np.int32)
    cdef int64_t[::1] start = starts, length = lengths
    cdef int32_t[::1] owner = owners
    with nogil:
        for i in range(n):
            if n_runs[i]:
                write_runs(&counts[0] + offset[i], offset[i + 1] - offset[i], height[i], &start[used], &length[used])
                owner[used : used + n_runs[i]] = <int32_t>i
                used += n_runs[i]
    return starts, lengths, owners, error


cdef uint8_t check_counts(const int64_t *counts, Py_ssize_t m, int64_t pixels) noexcept nogil:
    cdef Py_ssize_t j
    cdef int64_t left = pixels
    for j in range(m):
        if counts[j] < 0:
            return 3
        # Once too many, left stays negative: no sum of the rest is needed, and none can overflow.
        if left >= 0:
            left -= counts[j]
    return 5 if left < 0 else 4 if left > 0 else 0


cdef int64_t count_runs(const int64_t *counts, Py_ssize_t m, int64_t height) noexcept nogil:
    """How many runs `write_runs` will write."""
    cdef Py_ssize_t j
    cdef int64_t runs = 0, y = 0
    cdef bint open_run = False  # the last pixel, above in the same column, is set
    for j in range(m):
        if counts[j] == 0:
            continue
        if j & 1:
            runs += (y + counts[j] - 1) // height + 1 - open_run if y + counts[j] > height else 1 - open_run
        y += counts[j]
        if y >= height:
            y = y - height if y < 2 * height else y % height
        open_run = j & 1 and y > 0
    return runs


cdef void write_runs(
    const int64_t *counts, Py_ssize_t m, int64_t height, int64_t *start, int64_t *length
) noexcept nogil:
    cdef Py_ssize_t j, used = 0
    cdef int64_t p = 0, y = 0, count, piece
    cdef bint open_run = False
    for j in range(m):
        count = counts[j]
        if count == 0:
            continue
        if not j & 1:
            p += count
            y += count
            if y >= height:
                y = y - height if y < 2 * height else y % height
            open_run = False
            continue
        while count > 0:
            piece = min(count, height - y)
            if open_run:
                length[used - 1] += piece
            else:
                start[used] = p
                length[used] = piece
                used += 1
            count -= piece
            p += piece
            y += piece
            if y == height:
                y = 0
            open_run = y > 0


def unpack_alpha(const uint8_t[::1] text, int first, const int64_t[::1] sizes, uint8_t[::1] alpha):
    """The opacity of pixels in a packed stream: see the numpy reference."""
    cdef int64_t n_bits = 8 * text.shape[0], n = 4 * alpha.shape[0], at = first, i = 0, length, size, q
    cdef int repeats
    cdef uint8_t word
    if sizes.shape[0] != 4:
        raise ValueError("four sizes of lengths are needed")
    cdef int error = 0
    with nogil:
        while i < n:
            if at + 3 > n_bits:
                error = 1
                break
            repeats = read(text, at, 1)
            size = sizes[read(text, at + 1, 2)]
            at += 3
            if at + size > n_bits:
                error = 1
                break
            length = read(text, at, size) + 1
            at += size
            if i + length > n:
                error = 2
                break
            if at + (8 if repeats else 8 * length) > n_bits:
                error = 1
                break
            if repeats:
                word = read(text, at, 8)
                at += 8
                if (i + length) // 4 > i // 4:
                    memset(&alpha[i // 4], word, (i + length) // 4 - i // 4)
            else:
                for q in range(i // 4, (i + length) // 4):
                    alpha[q] = read(text, at + 8 * (4 * q + 3 - i), 8)
                at += 8 * length
            i += length
    return error


cdef inline uint32_t read(const uint8_t[::1] text, int64_t at, int64_t size) noexcept nogil:
    """Up to 16 bits from bit `at`, the highest first; they are known to be there."""
    cdef int64_t byte = at // 8, last = text.shape[0] - 1
    cdef uint32_t window = <uint32_t>text[byte] << 16
    if byte < last:
        window |= <uint32_t>text[byte + 1] << 8
    if byte + 1 < last:
        window |= text[byte + 2]
    return (window >> (24 - at % 8 - size)) & ((<uint32_t>1 << size) - 1)
