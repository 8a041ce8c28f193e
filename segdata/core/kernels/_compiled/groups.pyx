# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows grouped by their owners."""

import numpy as np
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc

ctypedef fused Number:
    int32_t
    int64_t

cdef struct Sums:
    int64_t *slot  # hash table: 1 + the pair's number, 0 where free; a power of two long, at most half full
    Py_ssize_t slots
    uint64_t *key
    int64_t *sum
    Py_ssize_t size


def order_by(const int32_t[::1] owner, Py_ssize_t n_owners):
    """Stable order by owner: see the plain twin."""
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
    """Sums of values by group: see the plain twin."""
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
    """Areas and boxes of groups of runs: see the plain twin."""
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


def tally(const int32_t[::1] a, const int32_t[::1] b, const int64_t[::1] weight):
    """Sums of weights by pair: see the plain twin."""
    cdef Py_ssize_t n = a.shape[0], i
    if b.shape[0] != n or weight.shape[0] != n:
        raise ValueError(f"{n} a come with {b.shape[0]} b and {weight.shape[0]} weights")
    cdef Sums sums = Sums(NULL, 0, NULL, NULL, 0)
    cdef bint enough = True
    try:
        with nogil:
            for i in range(n):
                enough = enough and add(&sums, key_of(a[i], b[i]), weight[i])
        if not enough:
            raise MemoryError("no memory for the sums of pairs")
        return ordered(&sums)[:3]
    finally:
        free(sums.slot)
        free(sums.key)
        free(sums.sum)


def paired(const int32_t[::1] a, const int32_t[::1] b):
    """The pairs that occur: see the plain twin."""
    cdef Py_ssize_t n = a.shape[0], i
    if b.shape[0] != n:
        raise ValueError(f"{n} a come with {b.shape[0]} b")
    cdef Sums sums = Sums(NULL, 0, NULL, NULL, 0)
    cdef bint enough = True
    rows = np.empty(n, np.int64)
    cdef int64_t[::1] row = rows
    try:
        with nogil:
            for i in range(n):
                row[i] = number_of(&sums, key_of(a[i], b[i]))
                enough = enough and row[i] >= 0
        if not enough:
            raise MemoryError("no memory for pairs")
        found, other, _, order = ordered(&sums)
    finally:
        free(sums.slot)
        free(sums.key)
        free(sums.sum)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return found, other, rank[rows]


def dense(const int64_t[::1] numbers, int64_t low, int64_t high):
    """The different numbers, and the place of each: see the plain twin."""
    cdef Py_ssize_t n = numbers.shape[0], i, k, words = (high - low) // 64 + 1
    cdef bint strange = False
    # One bit for each number that there may be, and how many there are in all words before each.
    bits, counts = np.zeros(words, np.uint64), np.empty(words, np.int32)
    places = np.empty(n, np.int64)
    cdef uint64_t[::1] bit = bits
    cdef int32_t[::1] before = counts
    cdef int64_t[::1] place = places, found
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
    founds = np.empty(total, np.int64)
    found = founds
    with nogil:
        for i in range(n):
            found[place[i]] = numbers[i]
    return founds, places


cdef inline int32_t ones(uint64_t word) noexcept nogil:
    """How many bits are set (Hacker's Delight, 5-1)."""
    word = word - ((word >> 1) & <uint64_t>0x5555555555555555)
    word = (word & <uint64_t>0x3333333333333333) + ((word >> 2) & <uint64_t>0x3333333333333333)
    word = (word + (word >> 4)) & <uint64_t>0x0F0F0F0F0F0F0F0F
    return <int32_t>((word * <uint64_t>0x0101010101010101) >> 56)


def medians(const double[::1] values, const int64_t[::1] group, Py_ssize_t n_groups):
    """Medians by group: see the plain twin."""
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
                part(&value[first], count, middle)
                median[i] = value[first + middle]
                if count % 2 == 0:
                    part(&value[first], middle, middle - 1)
                    median[i] = (value[first + middle - 1] + median[i]) / 2
                else:
                    median[i] = (median[i] + median[i]) / 2
            first = end[i]
    return result


cdef void part(double *value, Py_ssize_t n, Py_ssize_t place) noexcept nogil:
    """Put the value where it would be if all were sorted, smaller ones before it (Hoare's selection)."""
    cdef Py_ssize_t low = 0, high = n - 1, i, j
    cdef double pivot
    while low < high:
        pivot = value[(low + high) // 2]
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
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            return


cdef inline bint less(double a, double b) noexcept nogil:
    """NaN is larger than all numbers."""
    return a < b or (b != b and a == a)


cdef inline uint64_t key_of(int32_t a, int32_t b) noexcept nogil:
    """One number that sorts as (a, b) does, -1 first."""
    return <uint64_t>(<uint32_t>a ^ <uint32_t>0x80000000) << 32 | (<uint32_t>b ^ <uint32_t>0x80000000)


cdef inline Py_ssize_t find(Sums *sums, uint64_t key) noexcept nogil:
    """The place of a key in the table, or the free place where it belongs."""
    cdef Py_ssize_t place = ((key * <uint64_t>0x9E3779B97F4A7C15) >> 20) & (sums.slots - 1)
    while sums.slot[place] and sums.key[sums.slot[place] - 1] != key:
        place = (place + 1) & (sums.slots - 1)
    return place


cdef inline bint add(Sums *sums, uint64_t key, int64_t weight) noexcept nogil:
    cdef int64_t number = number_of(sums, key)
    if number < 0:
        return False
    sums.sum[number] += weight
    return True


cdef inline int64_t number_of(Sums *sums, uint64_t key) noexcept nogil:
    """The number of a key, of a new one the next; -1 where memory does not suffice."""
    cdef Py_ssize_t place
    if 2 * sums.size >= sums.slots and not grow(sums):
        return -1
    place = find(sums, key)
    if sums.slot[place] == 0:
        sums.key[sums.size] = key
        sums.sum[sums.size] = 0
        sums.size += 1
        sums.slot[place] = sums.size
    return sums.slot[place] - 1


cdef bint grow(Sums *sums) noexcept nogil:
    cdef Py_ssize_t slots = 2 * sums.slots if sums.slots else 1024, i
    cdef int64_t *slot = <int64_t *>calloc(slots, sizeof(int64_t))
    cdef uint64_t *key = <uint64_t *>realloc(sums.key, slots // 2 * sizeof(uint64_t))
    if key != NULL:
        sums.key = key
    cdef int64_t *total = <int64_t *>realloc(sums.sum, slots // 2 * sizeof(int64_t))
    if total != NULL:
        sums.sum = total
    if slot == NULL or key == NULL or total == NULL:
        free(slot)
        return False
    free(sums.slot)
    sums.slot = slot
    sums.slots = slots
    for i in range(sums.size):
        slot[find(sums, key[i])] = i + 1
    return True


cdef ordered(Sums *sums):
    """The pairs in order, their sums, and their numbers before."""
    cdef Py_ssize_t n = sums.size, i
    keys, totals = np.empty(n, np.uint64), np.empty(n, np.int64)
    cdef uint64_t[::1] key = keys
    cdef int64_t[::1] total = totals
    with nogil:
        for i in range(n):
            key[i] = sums.key[i]
            total[i] = sums.sum[i]
    order = np.argsort(keys)
    keys = keys[order]
    sign = np.uint32(0x80000000)
    a = ((keys >> np.uint64(32)).astype(np.uint32) ^ sign).view(np.int32)
    b = (keys.astype(np.uint32) ^ sign).view(np.int32)
    return a, b, totals[order], order
