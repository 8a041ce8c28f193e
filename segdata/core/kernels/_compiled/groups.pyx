# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows grouped by their owners: order, sums, extents, and values by rank."""

import numpy as np
from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from segdata.core.kernels.checks import check_offsets

cdef int64_t MAX_ROWS = 1 << 60  # more than any memory holds

ctypedef fused Number:
    int32_t
    int64_t

ctypedef fused Cell:  # of any array with as many bytes
    uint8_t
    uint16_t
    uint32_t
    uint64_t

def order_by(const int32_t[::1] owner, Py_ssize_t n_owners):
    """Stable order by owner: see the numpy reference."""
    cdef Py_ssize_t n = owner.shape[0], i
    cdef bint strange = False
    places = np.zeros(n_owners + 1, np.int64)
    cdef int64_t[::1] place = places
    with nogil:
        for i in range(n):
            if owner[i] < 0 or owner[i] >= n_owners:
                strange = True
                break
            place[owner[i] + 1] += 1
    if strange:
        raise ValueError(f"owner {owner[i]} of {n_owners} owners: 0 to {n_owners - 1} are possible")
    np.cumsum(places, out=places)
    order = np.empty(n, np.int64)
    cdef int64_t[::1] result = order
    with nogil:
        for i in range(n):
            result[place[owner[i]]] = i
            place[owner[i]] += 1
    return order


def sums(group, const int64_t[::1] values, Py_ssize_t n_groups):
    """Sums of values by group: see the numpy reference."""
    if group.dtype == np.int32:
        return sums_of[int32_t](group, values, n_groups)
    return sums_of[int64_t](group, values, n_groups)


cdef sums_of(const Number[::1] group, const int64_t[::1] values, Py_ssize_t n_groups):
    cdef Py_ssize_t n = group.shape[0], i
    cdef bint strange = False
    if values.shape[0] != n:
        raise ValueError(f"{n} groups come with {values.shape[0]} values")
    result = np.zeros(n_groups, np.int64)
    cdef int64_t[::1] total = result
    with nogil:
        for i in range(n):
            if group[i] < 0 or group[i] >= n_groups:
                strange = True
                break
            total[group[i]] += values[i]
    if strange:
        raise ValueError(f"group {group[i]} of {n_groups} groups: 0 to {n_groups - 1} are possible")
    return result


def extents(
    group, const int64_t[::1] x, const int64_t[::1] top, const int64_t[::1] bottom, Py_ssize_t n_groups
):
    """Areas and boxes of groups of runs: see the numpy reference."""
    if group.dtype == np.int32:
        return extents_of[int32_t](group, x, top, bottom, n_groups)
    return extents_of[int64_t](group, x, top, bottom, n_groups)


cdef extents_of(
    const Number[::1] group,
    const int64_t[::1] x,
    const int64_t[::1] top,
    const int64_t[::1] bottom,
    Py_ssize_t n_groups,
):
    cdef Py_ssize_t n = group.shape[0], i = 0
    cdef int64_t g = 0, area, left, right, upper, lower
    cdef bint strange = False
    if x.shape[0] != n or top.shape[0] != n or bottom.shape[0] != n:
        raise ValueError(f"{n} groups come with {x.shape[0]} x, {top.shape[0]} top and {bottom.shape[0]} bottom")
    result = np.zeros((5, n_groups), np.int64)
    cdef int64_t[:, ::1] of = result
    with nogil:
        while i < n:
            g = group[i]
            if g < 0 or g >= n_groups:
                strange = True
                break
            area, left, right, upper, lower = of[0, g], of[1, g], of[3, g], of[2, g], of[4, g]
            if area == 0:
                left = right = x[i]
                upper, lower = top[i], bottom[i]
            # Runs of a group mostly follow each other.
            while i < n and group[i] == g:
                left, right = min(left, x[i]), max(right, x[i])
                upper, lower = min(upper, top[i]), max(lower, bottom[i])
                area += bottom[i] - top[i]
                i += 1
            of[0, g], of[1, g], of[3, g], of[2, g], of[4, g] = area, left, right, upper, lower
        for g in range(n_groups):
            if of[0, g]:
                of[3, g] += 1 - of[1, g]
                of[4, g] -= of[2, g]
    if strange:
        raise ValueError(f"group {group[i]} of {n_groups} groups: 0 to {n_groups - 1} are possible")
    return tuple(result)


def expand_ranges(const int64_t[::1] first, const int64_t[::1] count):
    """All rows of ranges: see the numpy reference."""
    cdef Py_ssize_t n = count.shape[0], i, place = 0
    cdef int64_t total = 0, k
    cdef bint strange = first.shape[0] != n
    if not strange:
        with nogil:
            for i in range(n):
                strange = strange or count[i] < 0 or count[i] > MAX_ROWS - total
                total += 0 if strange else count[i]
    if strange:
        raise ValueError(f"{first.shape[0]} ranges come with {n} counts, or one is negative or too large")
    rows = np.empty(total, np.int64)
    cdef int64_t[::1] row = rows
    with nogil:
        for i in range(n):
            for k in range(count[i]):
                row[place + k] = first[i] + k
            place += count[i]
    return rows


def take_ranges(values, const int64_t[::1] first, const int64_t[::1] count):
    """The values of ranges of rows: see the numpy reference."""
    values = np.ascontiguousarray(values)
    cdef const unsigned char[::1] source = values.view(np.uint8)
    cdef Py_ssize_t n = count.shape[0], n_values = len(values), size = values.itemsize, i
    cdef int64_t total = 0, place = 0
    cdef bint strange = first.shape[0] != n
    if not strange:
        with nogil:
            for i in range(n):
                strange = strange or count[i] < 0 or first[i] < 0 or first[i] > n_values - count[i]
                strange = strange or count[i] > MAX_ROWS - total
                total += 0 if strange else count[i]
    if strange:
        raise ValueError(f"{n} ranges of {n_values} values: one is negative, or does not lie among them")
    taken = np.empty(total, values.dtype)
    cdef unsigned char[::1] target = taken.view(np.uint8)
    with nogil:
        for i in range(n):
            if count[i]:
                memcpy(&target[place * size], &source[first[i] * size], count[i] * size)
                place += count[i]
    return taken


def fill_ranges(target, const int64_t[::1] first, const int64_t[::1] count, values):
    """Fill ranges of an array: see the numpy reference."""
    cdef Py_ssize_t n = count.shape[0], size = target.itemsize
    if target.ndim != 1 or target.dtype != values.dtype or size not in (1, 2, 4, 8):
        raise ValueError(f"{values.dtype} values do not fit {target.ndim} axes of {target.dtype}")
    check_ranges(first, count, len(target), len(values))
    if n == 0 or len(target) == 0:
        return
    cells, filling = target.view(f"u{size}"), np.ascontiguousarray(values).view(f"u{size}")
    if size == 1:
        fill[uint8_t](cells, &first[0], &count[0], filling)
    elif size == 2:
        fill[uint16_t](cells, &first[0], &count[0], filling)
    elif size == 4:
        fill[uint32_t](cells, &first[0], &count[0], filling)
    else:
        fill[uint64_t](cells, &first[0], &count[0], filling)


cdef check_ranges(const int64_t[::1] first, const int64_t[::1] count, Py_ssize_t n_cells, Py_ssize_t n_values):
    cdef Py_ssize_t n = count.shape[0], i
    cdef bint strange = first.shape[0] != n or n_values != n
    if not strange:
        with nogil:
            for i in range(n):
                strange = strange or count[i] < 0 or first[i] < 0 or first[i] > n_cells - count[i]
    if strange:
        raise ValueError(f"{n} ranges of {n_cells} cells and {n_values} values: one is negative, or not among them")


cdef fill(Cell[::1] cell, const int64_t *first, const int64_t *count, const Cell[::1] value):
    cdef Py_ssize_t i, k
    with nogil:
        for i in range(value.shape[0]):
            for k in range(first[i], first[i] + count[i]):
                cell[k] = value[i]


def first_rows(const int64_t[::1] numbers, int64_t low, int64_t high):
    """The first rows of the different numbers, and the place of each: see the numpy reference."""
    cdef Py_ssize_t n = numbers.shape[0], i, k, words = (high - low) // 64 + 1
    cdef bint strange = False
    # One bit for each number that there may be, and how many there are in all words before each.
    bits, counts = np.zeros(words, np.uint64), np.empty(words, np.int32)
    places = np.empty(n, np.int64)
    cdef uint64_t[::1] bit = bits
    cdef int32_t[::1] before = counts
    cdef int64_t[::1] place = places, first
    cdef int32_t total = 0
    cdef uint64_t at, word
    with nogil:
        for i in range(n):
            if numbers[i] < low or numbers[i] > high:
                strange = True
                break
            at = numbers[i] - low
            bit[at >> 6] |= <uint64_t>1 << (at & 63)
        if not strange:
            for k in range(words):
                before[k] = total
                total += ones(bit[k])
            for i in range(n):
                at = numbers[i] - low
                place[i] = before[at >> 6] + ones(bit[at >> 6] & ((<uint64_t>1 << (at & 63)) - 1))
    if strange:
        raise ValueError(f"{numbers[i]} is not from {low} to {high}")
    firsts = np.empty(total, np.int64)
    first = firsts
    with nogil:
        for i in range(n - 1, -1, -1):
            first[place[i]] = i
    return firsts, places


cdef inline int32_t ones(uint64_t word) noexcept nogil:
    """How many bits are set (Hacker's Delight, 5-1)."""
    word = word - ((word >> 1) & <uint64_t>0x5555555555555555)
    word = (word & <uint64_t>0x3333333333333333) + ((word >> 2) & <uint64_t>0x3333333333333333)
    word = (word + (word >> 4)) & <uint64_t>0x0F0F0F0F0F0F0F0F
    return <int32_t>((word * <uint64_t>0x0101010101010101) >> 56)


def medians(const double[::1] values, const int64_t[::1] group, Py_ssize_t n_groups):
    """Medians by group: see the numpy reference."""
    cdef Py_ssize_t n = group.shape[0], i, first, count, middle
    cdef bint strange = False
    if values.shape[0] != n:
        raise ValueError(f"{n} groups come with {values.shape[0]} values")
    sorted_in, offsets, result = np.empty(n), np.zeros(n_groups + 1, np.int64), np.full(n_groups, np.nan)
    cdef double[::1] value = sorted_in, median = result
    cdef int64_t[::1] end = offsets
    with nogil:
        for i in range(n):
            if group[i] < 0 or group[i] >= n_groups:
                strange = True
                break
            end[group[i] + 1] += 1
    if strange:
        raise ValueError(f"group {group[i]} of {n_groups} groups: 0 to {n_groups - 1} are possible")
    np.cumsum(offsets, out=offsets)
    with nogil:
        for i in range(n):
            value[end[group[i]]] = values[i]
            end[group[i]] += 1
        first = 0
        for i in range(n_groups):
            count = end[i] - first
            if count:
                middle = count // 2
                median[i] = select(&value[first], count, middle)
                if count % 2 == 0:
                    median[i] = (select(&value[first], middle, middle - 1) + median[i]) / 2
                else:
                    median[i] = (median[i] + median[i]) / 2
            first = end[i]
    return result


def quantiles(const double[::1] values, const int64_t[::1] offset, double share):
    """Quantiles of groups: see the numpy reference."""
    check_offsets(np.asarray(offset), offset.shape[0] - 1, values.shape[0])
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share}: 0 to 1 is possible")
    cdef Py_ssize_t n = offset.shape[0] - 1, i
    found, copied = np.empty(n, np.float64), np.array(values, np.float64)
    cdef double[::1] result = found, scratch = copied
    with nogil:
        for i in range(n):
            if offset[i + 1] > offset[i]:
                result[i] = quantile(&scratch[offset[i]], offset[i + 1] - offset[i], share)
            else:
                result[i] = NAN
    return found


cdef double quantile(double *value, Py_ssize_t n, double share) noexcept nogil:
    """The quantile of values, which it puts into another order."""
    cdef double place = (n - 1) * share
    cdef Py_ssize_t low = <Py_ssize_t>place, i
    cdef double below = select(value, n, low), above = below
    if place > low:
        above = value[low + 1]  # beyond it are only values that are not smaller
        for i in range(low + 2, n):
            above = min(above, value[i])
    return below if above == below else below + (above - below) * (place - low)


cdef double select(double *value, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """The value of rank k, after which those before it are not larger, and those behind it not smaller.

    Source: Hoare (1961), Algorithm 65: Find, Communications of the ACM 4(7), 321-322.
    """
    cdef Py_ssize_t low = 0, high = n - 1, i, j
    cdef double pivot
    while low < high:
        pivot = middle(value[low], value[(low + high) // 2], value[high])
        i, j = low, high
        while i <= j:
            while less(value[i], pivot):
                i += 1
            while less(pivot, value[j]):
                j -= 1
            if i <= j:
                value[i], value[j] = value[j], value[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return value[k]


cdef inline double middle(double a, double b, double c) noexcept nogil:
    """The second largest of three."""
    if less(b, a):
        a, b = b, a
    if less(c, b):
        b = a if less(c, a) else c
    return b


cdef inline bint less(double a, double b) noexcept nogil:
    """NaN is larger than all numbers."""
    return a < b or (b != b and a == a)
