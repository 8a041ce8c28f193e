# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Coordinates of polygons: straight from the bytes of the JSON, what is wrong with them, how long rings are."""

import numpy as np
from libc.math cimport INFINITY, fma, sqrt
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp

from segdata.core.kernels.checks import check_offsets

cdef extern from "Python.h":
    double PyOS_string_to_double(const char *text, char **end, void *overflow) except? -1

cdef double[23] POWER
cdef int _e
for _e in range(23):
    POWER[_e] = float(f"1e{_e}")  # the powers of ten that are exact

cdef struct Reader:
    const uint8_t *text
    Py_ssize_t at
    Py_ssize_t last
    bint odd_number  # a NaN or Infinity came


def parse_rings(const uint8_t[::1] text, const int64_t[::1] first, const int64_t[::1] last):
    """Coordinates of JSON polygons: see the numpy reference."""
    cdef Py_ssize_t n = first.shape[0], i, j, commas = 0, brackets = 0, numbers = 0, rings = 0
    if last.shape[0] != n:
        raise ValueError(f"{n} first and {last.shape[0]} last positions: as many are needed")
    with nogil:
        for i in range(n):
            for j in range(max(0, first[i]), min(last[i], text.shape[0])):
                commas += text[j] == 44
                brackets += text[j] == 91
    xy = np.empty(commas + n, np.float64)
    ring = np.zeros(brackets + 1, np.int64)
    segment = np.zeros(n + 1, np.int64)
    error = np.zeros(n, np.uint8)
    cdef double[::1] value = xy
    cdef int64_t[::1] ring_end = ring, segment_end = segment
    cdef uint8_t[::1] wrong = error
    cdef Reader reader
    with nogil:
        for i in range(n):
            wrong[i] = 1
            if 0 <= first[i] <= last[i] <= text.shape[0]:
                reader = Reader(&text[0], first[i], last[i], False)
                wrong[i] = read_rings(&reader, &value[0], &ring_end[0], &numbers, &rings)
            segment_end[i + 1] = rings
    return xy[:numbers], ring[: rings + 1], segment, error


def ring_lengths(const double[::1] xy, const int64_t[::1] ring, const int64_t[::1] segment):
    """The length of the rings of each segment: see the numpy reference."""
    cdef Py_ssize_t n = segment.shape[0] - 1, i, j, k, last
    cdef double length, dx, dy
    check_offsets(np.asarray(ring), ring.shape[0] - 1, xy.shape[0])
    check_offsets(np.asarray(segment), n, ring.shape[0] - 1)
    lengths = np.empty(n, np.float64)
    cdef double[::1] around = lengths
    with nogil:
        for i in range(n):
            length = 0
            for j in range(segment[i], segment[i + 1]):
                last = ring[j] + (ring[j + 1] - ring[j]) // 2 * 2 - 2  # of its last point; before `ring[j]`: none
                for k in range(ring[j], last, 2):
                    dx, dy = xy[k + 2] - xy[k], xy[k + 3] - xy[k + 1]
                    length += sqrt(dx * dx + dy * dy)  # hypot takes four times as long
                if last >= ring[j]:
                    dx, dy = xy[ring[j]] - xy[last], xy[ring[j] + 1] - xy[last + 1]
                    length += sqrt(dx * dx + dy * dy)
            around[i] = length
    return lengths


def ring_boxes(const double[::1] xy, const int64_t[::1] ring, const int64_t[::1] segment):
    """The box of the points of each segment: see the numpy reference."""
    cdef Py_ssize_t n = segment.shape[0] - 1, i, j, k, last
    cdef double left, top, right, bottom
    cdef bint strange
    check_offsets(np.asarray(ring), ring.shape[0] - 1, xy.shape[0])
    check_offsets(np.asarray(segment), n, ring.shape[0] - 1)
    boxes = np.full((4, n), np.nan)
    cdef double[:, ::1] box = boxes
    with nogil:
        for i in range(n):
            left = top = INFINITY
            right = bottom = -INFINITY
            strange = False
            for j in range(segment[i], segment[i + 1]):
                last = ring[j] + (ring[j + 1] - ring[j]) // 2 * 2
                for k in range(ring[j], last, 2):
                    left, right = min(left, xy[k]), max(right, xy[k])
                    top, bottom = min(top, xy[k + 1]), max(bottom, xy[k + 1])
                    strange |= (xy[k] != xy[k]) | (xy[k + 1] != xy[k + 1])
            if left <= right and not strange:
                box[0, i], box[1, i], box[2, i], box[3, i] = left, top, right, bottom
    return boxes


def convex_rings(const double[::1] xy, const int64_t[::1] ring, double shallow):
    """Rings that turn to one side alone: see the numpy reference."""
    cdef Py_ssize_t n = ring.shape[0] - 1, i, j, first, m
    cdef double to_x, to_y, chord_x, chord_y, cross, least
    cdef const double *one
    cdef const double *two
    cdef const double *three
    cdef bint left, right
    check_offsets(np.asarray(ring), n, xy.shape[0])
    convex = np.zeros(n, np.uint8)
    cdef uint8_t[::1] is_convex = convex
    with nogil:
        for i in range(n):
            first, m = ring[i], (ring[i + 1] - ring[i]) // 2
            if m < 1 or (ring[i + 1] - ring[i]) % 2:
                continue
            left = right = False
            two, three = &xy[first] + 2 * (m - 1), &xy[first]
            for j in range(m):
                one, two, three = two, three, &xy[first] + 2 * (j + 1 if j + 1 < m else 0)
                to_x, to_y, chord_x, chord_y = two[0] - one[0], two[1] - one[1], three[0] - one[0], three[1] - one[1]
                cross = to_x * chord_y - to_y * chord_x
                least = shallow * sqrt(chord_x * chord_x + chord_y * chord_y)
                left |= not cross >= -least  # as for NaN
                right |= not cross <= least
                if left and right:
                    break
            is_convex[i] = not (left and right)
    return convex.view(np.bool_)


def flawed_rings(const double[::1] xy, const int64_t[::1] ring, double most):
    """Rings that no decoder may see: see the numpy reference."""
    cdef Py_ssize_t n = max(ring.shape[0] - 1, 0), i, j, first, last
    cdef double low_x, high_x, low_y, high_y
    flawed = np.zeros(n, np.uint8)
    cdef uint8_t[::1] wrong = flawed
    cdef bint far
    with nogil:
        for i in range(n):
            first, last = ring[i], ring[i + 1]
            if not 0 <= first <= last <= xy.shape[0] or (last - first) % 2 or last - first < 6:
                wrong[i] = 1
                continue
            far = False
            low_x = high_x = xy[first]
            low_y = high_y = xy[first + 1]
            for j in range(first, last, 2):
                far |= not (-most <= xy[j] <= most) or not (-most <= xy[j + 1] <= most)
                low_x, high_x = min(low_x, xy[j]), max(high_x, xy[j])
                low_y, high_y = min(low_y, xy[j + 1]), max(high_y, xy[j + 1])
            wrong[i] = far or low_x == high_x or low_y == high_y
    return flawed.view(np.bool_)


cdef uint8_t read_rings(
    Reader *r, double *value, int64_t *ring_end, Py_ssize_t *numbers, Py_ssize_t *rings
) noexcept nogil:
    """Append one segment's rings; the error, for which nothing is appended."""
    cdef Py_ssize_t m = numbers[0], k = rings[0]
    cdef int next_ring = opens(r), next_number
    while next_ring == 1:
        next_number = opens(r)
        while next_number == 1:
            if not read_number(r, &value[m]):
                return 1
            m += 1
            next_number = goes_on(r)
        if next_number < 0:
            return 1
        k += 1
        ring_end[k] = m
        next_ring = goes_on(r)
    skip_space(r)
    if next_ring < 0 or r.at != r.last:
        return 1
    if r.odd_number:
        return 2
    numbers[0], rings[0] = m, k
    return 0


cdef inline void skip_space(Reader *r) noexcept nogil:
    while r.at < r.last and (r.text[r.at] == 32 or r.text[r.at] == 10 or r.text[r.at] == 13 or r.text[r.at] == 9):
        r.at += 1


cdef inline int opens(Reader *r) noexcept nogil:
    """Read `[`: 1 if an item follows, 0 if `]` does, -1 if this is no list."""
    skip_space(r)
    if r.at == r.last or r.text[r.at] != 91:
        return -1
    r.at += 1
    skip_space(r)
    if r.at < r.last and r.text[r.at] == 93:
        r.at += 1
        return 0
    return 1


cdef inline int goes_on(Reader *r) noexcept nogil:
    """Read what follows an item: 1 for a comma, 0 for `]`, -1 for anything else."""
    skip_space(r)
    if r.at == r.last:
        return -1
    r.at += 1
    if r.text[r.at - 1] == 44:
        skip_space(r)
        return 1
    return 0 if r.text[r.at - 1] == 93 else -1


cdef inline Py_ssize_t read_digits(Reader *r, uint64_t *mantissa) noexcept nogil:
    """Read digits; how many."""
    cdef Py_ssize_t begin = r.at, at = begin
    cdef uint64_t value = mantissa[0]
    while at < r.last and <uint8_t>(r.text[at] - 48) < 10:
        value = 10 * value + <uint8_t>(r.text[at] - 48)
        at += 1
    mantissa[0] = value
    r.at = at
    return at - begin


cdef bint read_number(Reader *r, double *value) noexcept nogil:
    """Read one number by JSON's grammar, to the double nearest to it; False if it is none."""
    cdef Py_ssize_t begin = r.at, whole, fraction = 0
    cdef uint64_t mantissa = 0
    cdef int64_t power = 0
    cdef bint minus = r.at < r.last and r.text[r.at] == 45
    r.at += minus
    whole = read_digits(r, &mantissa)
    if whole == 0:
        value[0] = 0
        return read_constant(r, minus)
    if whole > 1 and r.text[begin + minus] == 48:
        return False
    if r.at < r.last and r.text[r.at] == 46:
        r.at += 1
        fraction = read_digits(r, &mantissa)
        if fraction == 0:
            return False
    if r.at < r.last and (r.text[r.at] | 32) == 101 and not read_power(r, &power):
        return False
    if r.at == r.last:
        return False
    power -= fraction
    # Both factors are exact doubles, so that one operation rounds once (Clinger 1990). 19 digits fit 64 bits.
    if whole + fraction <= 19 and mantissa <= <uint64_t>1 << 53 and -22 <= power <= 22:
        value[0] = <double>mantissa * POWER[power] if power > 0 else <double>mantissa / POWER[-power]
    elif whole + fraction > 19 or mantissa >> 63 or not -22 <= power <= 0 or not divide(mantissa, POWER[-power], value):
        with gil:
            value[0] = exact(<const char *>r.text + begin)
        return True
    if minus:
        value[0] = -value[0]
    return True


cdef inline bint divide(uint64_t mantissa, double power, double *value) noexcept nogil:
    """The double nearest to mantissa / power, where 17 digits are needed; False if two doubles are about as near.

    The quotient is kept as the sum of a double and a correction, whose own error is below 2^-51 of it: if both ends of
    what it may be round to the same double, that is the nearest one.
    """
    cdef double high = <double>mantissa
    cdef double low = <double><int64_t>(mantissa - <uint64_t>high)
    cdef double quotient = high / power
    cdef double correction = (fma(-quotient, power, high) + low) / power
    cdef double doubt = correction * 2.0**-50
    value[0] = quotient + (correction + doubt)
    return value[0] == quotient + (correction - doubt)


cdef bint read_power(Reader *r, int64_t *power) noexcept nogil:
    cdef uint64_t digits = 0
    cdef Py_ssize_t n
    cdef bint minus
    r.at += 1
    minus = r.at < r.last and r.text[r.at] == 45
    r.at += minus or (r.at < r.last and r.text[r.at] == 43)
    n = read_digits(r, &digits)
    # Beyond four digits only the slow path is right: the value only has to keep it there.
    power[0] = 9999 if n > 4 else <int64_t>digits
    if minus:
        power[0] = -power[0]
    return n > 0


cdef double exact(const char *text):
    """Parse as Python does. The number ends before the text does, so the parser cannot run past it."""
    cdef char *end
    return PyOS_string_to_double(text, &end, NULL)


cdef bint read_constant(Reader *r, bint minus) noexcept nogil:
    """Read the NaN or Infinity that Python's json writes."""
    cdef Py_ssize_t left = r.last - r.at
    if left >= 3 and not minus and memcmp(r.text + r.at, b"NaN", 3) == 0:
        r.at += 3
    elif left >= 8 and memcmp(r.text + r.at, b"Infinity", 8) == 0:
        r.at += 8
    else:
        return False
    r.odd_number = True
    return True
