# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Packed pixels: COCO run-length counts, compressed and not, to runs and back; bit streams of brush strokes."""

import numpy as np
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset

from segdata.core.kernels.checks import check_offsets

cdef enum:
    NO_ROOM = 254
    MAX_GROUPS = 7  # 35 bits with sign: a difference of two counts in 100 000 x 100 000 pixels needs them


def decode_counts(
    const uint8_t[::1] text, const int64_t[::1] offset, const int64_t[::1] height, const int64_t[::1] width
):
    """Runs of compressed COCO strings: see the numpy reference."""
    cdef Py_ssize_t n = height.shape[0], i, m = 0
    check_columns(offset, text.shape[0], height, width)
    error = np.zeros(n, np.uint8)
    # Most numbers are one letter, and every second one is a run.
    runs = GrowingRuns(text.shape[0] // 2 + 64)
    # The numbers of one string at a time stay in the processor's cache.
    cdef int64_t[::1] counts = np.empty(int(np.diff(offset).max(initial=0)), np.int64)
    cdef uint8_t[::1] wrong = error
    with nogil:
        for i in range(n):
            wrong[i] = read_string(&text[0] + offset[i], offset[i + 1] - offset[i], &counts[0], &m)
            if wrong[i] == 0:
                wrong[i] = append_runs(runs, &counts[0], m, height[i], width[i], <int32_t>i)
    return *runs.columns(), error


def split_counts(
    const int64_t[::1] counts, const int64_t[::1] offset, const int64_t[::1] height, const int64_t[::1] width
):
    """Runs of uncompressed COCO counts: see the numpy reference."""
    cdef Py_ssize_t n = height.shape[0], i
    check_columns(offset, counts.shape[0], height, width)
    error = np.zeros(n, np.uint8)
    runs = GrowingRuns(counts.shape[0] // 2 + 64)
    cdef uint8_t[::1] wrong = error
    with nogil:
        for i in range(n):
            wrong[i] = append_runs(
                runs, &counts[0] + offset[i], offset[i + 1] - offset[i], height[i], width[i], <int32_t>i
            )
    return *runs.columns(), error


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


cdef uint8_t read_string(const uint8_t *text, Py_ssize_t size, int64_t *counts, Py_ssize_t *n_counts) noexcept nogil:
    """The counts of one string, and how many; the error, with which they mean nothing."""
    cdef Py_ssize_t p = 0, m = 0, groups
    cdef int64_t value, letter, last = 0, before_last = 0  # in registers: waiting for memory takes longer than the rest
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
        if m > 2:
            value += before_last
        negative |= value < 0
        counts[m] = value
        m += 1
        before_last = last
        last = value
    n_counts[0] = m
    return 3 if negative else 0


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


cdef class GrowingRuns:
    """The columns of runs, with room for more."""

    cdef object arrays
    cdef int64_t[::1] start, length
    cdef int32_t[::1] owner
    cdef Py_ssize_t used

    def __init__(self, Py_ssize_t room):
        self.used = 0
        self.arrays = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32)
        self.grow(room)

    cdef int grow(self, Py_ssize_t room) except -1:
        """Make room for this many runs in all."""
        larger = tuple(np.empty(room, column.dtype) for column in self.arrays)
        for column, before in zip(larger, self.arrays, strict=True):
            column[: self.used] = before[: self.used]
        self.arrays = larger
        self.start, self.length, self.owner = larger
        return 0

    def columns(self):
        """Start, length and owner of each run."""
        return tuple(column[: self.used] for column in self.arrays)


cdef uint8_t append_runs(
    GrowingRuns runs, const int64_t *counts, Py_ssize_t m, int64_t height, int64_t width, int32_t owner
) except? 255 nogil:
    """Append the runs of some counts, which end where their column ends; the error, with which there are none."""
    cdef uint8_t error
    cdef int64_t room = m // 2 + 1, n = 0
    while True:
        if runs.used + room > runs.start.shape[0]:
            with gil:
                runs.grow(runs.used + room + runs.used // 2)
        room = runs.start.shape[0] - runs.used
        error = write_runs(
            counts, m, height, height * width, room, &runs.start[0] + runs.used, &runs.length[0] + runs.used, &n
        )
        if error != NO_ROOM:
            break
        room *= 2
    if error == 0:
        runs.owner[runs.used : runs.used + n] = owner
        runs.used += n
    return error


cdef uint8_t write_runs(
    const int64_t *counts,
    Py_ssize_t m,
    int64_t height,
    int64_t pixels,
    int64_t room,
    int64_t *start,
    int64_t *length,
    int64_t *n_runs,
) noexcept nogil:
    """The runs of some counts, and how many; the error, with which they mean nothing.

    There is room for m // 2 + 1 runs at least. NO_ROOM: those that go on in other columns need more.
    """
    cdef Py_ssize_t j
    cdef int64_t p = 0, y = 0, n = 0, count, piece
    cdef bint open_run = False  # the last pixel, above in the same column, is set
    for j in range(m):
        count = counts[j]
        if count < 0:
            return 3
        if count > pixels - p:
            # Only a negative count matters more than too many pixels.
            for j in range(j + 1, m):
                if counts[j] < 0:
                    return 3
            return 5
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
                length[n - 1] += piece
            else:
                if n + (m - j) // 2 >= room:
                    return NO_ROOM
                start[n] = p
                length[n] = piece
                n += 1
            count -= piece
            p += piece
            y += piece
            if y == height:
                y = 0
            open_run = y > 0
    n_runs[0] = n
    return 4 if p < pixels else 0


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
