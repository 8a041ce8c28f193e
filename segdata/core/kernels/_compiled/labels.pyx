# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Runs of label images."""

import numpy as np
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free

from segdata.core.kernels._compiled.room cimport grow

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* Whether n bytes, a multiple of 8, differ: without a branch, so that the compiler compares many at once. */
    static inline int differ(const void *a, const void *b, size_t n) {
        uint64_t one, other, found = 0;
        for (size_t i = 0; i < n; i += 8) {
            memcpy(&one, (const char *)a + i, 8);
            memcpy(&other, (const char *)b + i, 8);
            found |= one ^ other;
        }
        return found != 0;
    }
    """
    bint differ(const void *a, const void *b, size_t n) noexcept nogil

cdef struct rgb:
    uint8_t red
    uint8_t green
    uint8_t blue

cdef struct rgbx:
    uint8_t red
    uint8_t green
    uint8_t blue
    uint8_t rest  # does not count

ctypedef fused pixel:
    uint8_t
    uint16_t
    uint32_t
    uint64_t
    rgb
    rgbx

cdef enum:
    GROUP = 8  # pixels that are compared at once
    GROUPS = 8  # so many groups are compared at once before, most are the same
    BLOCK = 64  # pixels of these
    SLOTS = 256  # of a new hash table

cdef int64_t LOW = 0xFFFFFFFF

cdef struct Changes:
    int64_t *at  # y and, in the lower half, x of the pixels, row by row, that differ from the one above
    Py_ssize_t size
    Py_ssize_t room


def label_runs(image):
    """Runs of equal value, column by column: see the numpy reference."""
    cdef bint coloured = image.ndim == 3 and image.shape[2] in (3, 4) and image.dtype == np.uint8
    if image.ndim != 2 and not coloured:
        raise ValueError(f"the image has shape {image.shape}: (height, width) is needed, or 3 or 4 bytes a pixel")
    cdef Py_ssize_t height = image.shape[0], width = image.shape[1]
    dtype = np.dtype(np.uint32) if coloured else image.dtype
    if height == 0 or width == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, dtype)
    cdef Py_ssize_t size = image.itemsize * (image.shape[2] if coloured else 1)
    if image.strides[1:] != image[:1].copy().strides[1:] or image.strides[0] % size:
        image = np.ascontiguousarray(image)  # else rows may lie apart, as those of PNG files do
    cdef const uint8_t[:, :] data = image.reshape(height, -1).view(np.uint8)
    cdef const void *first = &data[0, 0]
    cdef Py_ssize_t pitch = data.strides[0] // size
    if coloured:
        if size == 3:
            return find_runs[rgb](<const rgb *>first, height, width, pitch, dtype)
        return find_runs[rgbx](<const rgbx *>first, height, width, pitch, dtype)
    if size == 1:
        return find_runs[uint8_t](<const uint8_t *>first, height, width, pitch, dtype)
    if size == 2:
        return find_runs[uint16_t](<const uint16_t *>first, height, width, pitch, dtype)
    if size == 4:
        return find_runs[uint32_t](<const uint32_t *>first, height, width, pitch, dtype)
    return find_runs[uint64_t](<const uint64_t *>first, height, width, pitch, dtype)


def pack_rgb(const uint8_t[:, :, ::1] image):
    """Three bytes in one number: see the numpy reference."""
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


def distinct(const int64_t[::1] value, const int64_t[::1] weight):
    """The distinct values, and the row of each: see the numpy reference."""
    cdef Py_ssize_t n = value.shape[0], i = 0, known = 0, place = 0, old
    if weight.shape[0] != n:
        raise ValueError(f"{n} values come with {weight.shape[0]} weights")
    # The hash table holds 1 + the row of a value, 0 where it is free; at most half of it is taken.
    slots, rows, firsts = np.zeros(SLOTS, np.int32), np.empty(n, np.int32), np.empty(SLOTS // 2, np.int64)
    cdef int32_t[::1] slot = slots, row = rows, rank
    cdef int64_t[::1] first = firsts, total
    while True:
        with nogil:
            while i < n and known < first.shape[0]:
                if i == 0 or value[i] != value[i - 1]:
                    place = find(slot, value, first, value[i])
                    if slot[place] == 0:
                        first[known] = i
                        known += 1
                        slot[place] = known
                row[i] = slot[place] - 1
                i += 1
        if i == n:
            break
        firsts = np.concatenate([firsts, np.empty(3 * known, np.int64)])
        slot, first = np.zeros(2 * len(firsts), np.int32), firsts
        for old in range(known):
            slot[find(slot, value, first, value[first[old]])] = old + 1
        place = find(slot, value, first, value[i - 1])
    firsts, totals, ranks = firsts[:known], np.zeros(known, np.int64), np.empty(known, np.int32)
    found = np.asarray(value)[firsts]
    order = np.argsort(found)
    ranks[order] = np.arange(known, dtype=np.int32)
    rank, total = ranks, totals
    with nogil:
        for i in range(n):
            row[i] = rank[row[i]]
            total[row[i]] += weight[i]
    return found[order], totals, firsts[order], rows


def deal(
    const int64_t[::1] start,
    const int64_t[::1] length,
    const int32_t[::1] row,
    const int32_t[::1] owner,
    Py_ssize_t n_owners,
    int64_t height,
):
    """The runs of each owner: see the numpy reference."""
    cdef Py_ssize_t n = start.shape[0], n_rows = owner.shape[0], i
    cdef int32_t whose
    cdef bint strange = False
    places, ends = np.zeros(n_owners + 1, np.int64), np.full(n_owners, -1, np.int64)
    cdef int64_t[::1] place = places, end = ends  # where an owner's next run goes, and where its last one ended
    if length.shape[0] != n or row.shape[0] != n:
        raise ValueError(f"{n} starts come with {length.shape[0]} lengths and {row.shape[0]} rows")
    with nogil:
        for i in range(n):
            strange = row[i] < 0 or row[i] >= n_rows or owner[row[i]] >= n_owners
            if strange:
                break
            whose = owner[row[i]]
            if whose >= 0:
                place[whose + 1] += start[i] != end[whose] or start[i] % height == 0
                end[whose] = start[i] + length[i]
    if strange:
        raise ValueError(f"row {row[i]} of {n_rows} rows, and {n_owners} owners: it has none of them")
    np.cumsum(places, out=places)
    ends.fill(-1)
    n = places[n_owners]
    starts, lengths, owners = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32)
    cdef int64_t[::1] dealt = starts, long = lengths
    cdef int32_t[::1] owned = owners
    with nogil:
        for i in range(start.shape[0]):
            whose = owner[row[i]]
            if whose < 0:
                continue
            if start[i] != end[whose] or start[i] % height == 0:
                dealt[place[whose]] = start[i]
                long[place[whose]] = 0
                owned[place[whose]] = whose
                place[whose] += 1
            long[place[whose] - 1] += length[i]
            end[whose] = start[i] + length[i]
    return starts, lengths, owners


cdef find_runs(const pixel *image, Py_ssize_t height, Py_ssize_t width, Py_ssize_t pitch, dtype):
    """Start, length and value of the runs of an image that has pixels; rows begin `pitch` pixels from one another."""
    cdef Changes changes = Changes(NULL, 0, 0)
    cdef bint enough
    cdef int64_t[::1] place, start, length
    cdef uint8_t[::1] value
    try:
        with nogil:
            enough = find_changes(image, height, width, pitch, &changes)
        if not enough:
            raise MemoryError(f"no memory for the runs of an image of {width}x{height} pixels")
        n_runs = width + changes.size
        starts, lengths, values = np.empty(n_runs, np.int64), np.empty(n_runs, np.int64), np.empty(n_runs, dtype)
        place, start, length, value = np.zeros(width + 1, np.int64), starts, lengths, values.view(np.uint8)
        with nogil:
            put_runs(image, height, width, pitch, &changes, place, start, length, &value[0])
    finally:
        free(changes.at)
    return starts, lengths, values


cdef bint find_changes(
    const pixel *image, Py_ssize_t height, Py_ssize_t width, Py_ssize_t pitch, Changes *changes
) noexcept nogil:
    """Note the pixels that differ from the one above; False where memory is short."""
    cdef Py_ssize_t y, x, i, group
    cdef const pixel *row
    cdef const pixel *above
    for y in range(1, height):
        above, row = image + (y - 1) * pitch, image + y * pitch
        x = 0
        while x + BLOCK <= width:
            if differ(row + x, above + x, BLOCK * sizeof(pixel)):
                if not has_room(changes):
                    return False
                for i in range(GROUPS):
                    group = x + i * GROUP
                    if differ(row + group, above + group, GROUP * sizeof(pixel)):
                        note(row, above, group, GROUP, y, changes)
            x += BLOCK
        if not has_room(changes):
            return False
        note(row, above, x, width - x, y, changes)
    return True


cdef inline bint has_room(Changes *changes) noexcept nogil:
    """Make room for the changes of a block."""
    return grow(<void **>&changes.at, &changes.room, changes.size + BLOCK, sizeof(int64_t))


cdef inline void note(
    const pixel *row, const pixel *above, Py_ssize_t first, Py_ssize_t n, Py_ssize_t y, Changes *changes
) noexcept nogil:
    """Note those of n pixels of a row that differ from the one above."""
    cdef Py_ssize_t x, size = changes.size
    cdef bint changed
    for x in range(first, first + n):
        if pixel is rgb or pixel is rgbx:
            changed = row[x].red != above[x].red or row[x].green != above[x].green or row[x].blue != above[x].blue
        else:
            changed = row[x] != above[x]
        changes.at[size] = y << 32 | x  # without a branch, which no processor could foretell
        size += changed
    changes.size = size


cdef void put_runs(
    const pixel *image,
    Py_ssize_t height,
    Py_ssize_t width,
    Py_ssize_t pitch,
    Changes *changes,
    int64_t[::1] place,
    int64_t[::1] start,
    int64_t[::1] length,
    void *values,
) noexcept nogil:
    """Write the runs: each column has its own place, so that they come out column by column."""
    cdef Py_ssize_t x, y, i, last = start.shape[0] - 1
    for i in range(changes.size):
        place[(changes.at[i] & LOW) + 1] += 1
    for x in range(width):
        place[x + 1] += place[x] + 1
        start[place[x]] = x * height
        put_value(image + x, values, place[x])
        place[x] += 1
    for i in range(changes.size):
        x, y = changes.at[i] & LOW, changes.at[i] >> 32
        start[place[x]] = x * height + y
        put_value(image + y * pitch + x, values, place[x])
        place[x] += 1
    for i in range(last):
        length[i] = start[i + 1] - start[i]
    length[last] = height * width - start[last]


def flood(height, seeds, mask):
    if not height.shape == seeds.shape == mask.shape or height.ndim != 2:
        raise ValueError(f"heights {height.shape}, seeds {seeds.shape} and mask {mask.shape} are not of one image")
    cdef const uint8_t[:, ::1] level = np.ascontiguousarray(height, np.uint8)
    cdef const uint8_t[:, ::1] inside = np.ascontiguousarray(mask, np.uint8)
    labels = np.where(mask, seeds, 0).astype(np.int32)
    cdef int32_t[:, ::1] label = labels
    cdef Py_ssize_t high = level.shape[0], wide = level.shape[1]
    cdef int64_t[::1] following = np.empty(high * wide, np.int64)  # of each pixel, in the queue of its height
    if high and wide:
        with nogil:
            spread(&level[0, 0], &inside[0, 0], &label[0, 0], &following[0], high, wide)
    return labels


cdef void spread(
    const uint8_t *level, const uint8_t *inside, int32_t *label, int64_t *following, Py_ssize_t high, Py_ssize_t wide
) noexcept nogil:
    """A queue for each of 256 heights; seeds whose neighbours are all taken would do nothing, and do not wait."""
    cdef int64_t first[256]
    cdef int64_t last[256]
    cdef int64_t at, n = high * wide
    cdef Py_ssize_t x, y
    cdef int lowest = 0
    for lowest in range(256):
        first[lowest] = last[lowest] = -1
    at = 0
    for y in range(high):
        for x in range(wide):
            if label[at] and (
                (y > 0 and inside[at - wide] and not label[at - wide])
                or (x > 0 and inside[at - 1] and not label[at - 1])
                or (x + 1 < wide and inside[at + 1] and not label[at + 1])
                or (y + 1 < high and inside[at + wide] and not label[at + wide])
            ):
                wait(at, level, following, first, last)
            at += 1
    lowest = 0
    while lowest < 256:
        at = first[lowest]
        if at < 0:
            lowest += 1
            continue
        first[lowest] = following[at]
        x = at % wide
        if at >= wide:
            lowest = take(at - wide, at, level, inside, label, following, first, last, lowest)
        if x > 0:
            lowest = take(at - 1, at, level, inside, label, following, first, last, lowest)
        if x + 1 < wide:
            lowest = take(at + 1, at, level, inside, label, following, first, last, lowest)
        if at + wide < n:
            lowest = take(at + wide, at, level, inside, label, following, first, last, lowest)


cdef inline int take(
    int64_t near, int64_t at, const uint8_t *level, const uint8_t *inside, int32_t *label, int64_t *following,
    int64_t *first, int64_t *last, int lowest,
) noexcept nogil:
    """Give a free neighbour the seed of a pixel; returns the lowest height that waits."""
    if not inside[near] or label[near]:
        return lowest
    label[near] = label[at]
    wait(near, level, following, first, last)
    return min(lowest, <int>level[near])


cdef inline void wait(
    int64_t at, const uint8_t *level, int64_t *following, int64_t *first, int64_t *last
) noexcept nogil:
    """Put a pixel at the end of the queue of its height."""
    cdef uint8_t own = level[at]
    following[at] = -1
    if first[own] < 0:
        first[own] = at
    else:
        following[last[own]] = at
    last[own] = at


cdef inline void put_value(const pixel *a, void *values, Py_ssize_t row) noexcept nogil:
    """Write a pixel's value, of a colour as one number."""
    if pixel is rgb or pixel is rgbx:
        (<uint32_t *>values)[row] = a.red | <uint32_t>a.green << 8 | <uint32_t>a.blue << 16
    else:
        (<pixel *>values)[row] = a[0]


cdef inline Py_ssize_t find(
    const int32_t[::1] slot, const int64_t[::1] value, const int64_t[::1] first, int64_t wanted
) noexcept nogil:
    """The place of a value in the hash table, or the free place where it belongs."""
    cdef Py_ssize_t place = (<uint64_t>wanted * <uint64_t>0x9E3779B97F4A7C15) >> 32 & (slot.shape[0] - 1)
    while slot[place] and value[first[slot[place] - 1]] != wanted:
        place = (place + 1) & (slot.shape[0] - 1)
    return place
