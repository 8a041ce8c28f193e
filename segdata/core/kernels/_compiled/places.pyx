# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Where runs lie: in columns of images, and on the number line."""

import numpy as np
from libc.stdint cimport int32_t, int64_t, uint64_t

cdef struct Column:
    int64_t x
    int64_t begin  # its first place, counted in the frame
    int64_t high


def bounds(const int32_t[::1] owner, Py_ssize_t n_owners):
    """Where the rows of each owner begin: see the plain twin."""
    cdef Py_ssize_t n = owner.shape[0], i = 0, step, low, high, middle
    cdef int32_t g
    result = np.empty(n_owners + 1, np.int64)
    cdef int64_t[::1] begin = result
    with nogil:
        for g in range(n_owners + 1):
            # Owners have some rows each: the next one begins not far from the last.
            low, step = i, 1
            while low + step <= n and owner[low + step - 1] < g:
                low += step
                step *= 2
            high = min(low + step - 1, n)
            while low < high:
                middle = (low + high) // 2
                if owner[middle] < g:
                    low = middle + 1
                else:
                    high = middle
            begin[g] = i = low
    return result


def columns(const int64_t[::1] start, const int32_t[::1] owner, const int64_t[::1] height):
    """Columns and first rows of runs: see the plain twin."""
    cdef Py_ssize_t n = start.shape[0], n_owners = height.shape[0], i
    cdef Column at = Column(0, 0, 1)
    check_shapes(n, owner.shape[0])
    xs, tops = np.empty(n, np.int64), np.empty(n, np.int64)
    cdef int64_t[::1] x = xs, top = tops
    cdef bint strange = False
    with nogil:
        for i in range(n):
            if i == 0 or owner[i] != owner[i - 1]:
                if owner[i] < 0 or owner[i] >= n_owners:
                    strange = True
                    break
                at = Column(0, 0, max(height[owner[i]], 1))
            enter(&at, start[i])
            x[i], top[i] = at.x, start[i] - at.begin
    if strange:
        refuse(owner[i], n_owners)
    return xs, tops


def strip_hashes(
    const int64_t[::1] start,
    const int64_t[::1] length,
    const int32_t[::1] owner,
    const int64_t[::1] height,
    const int64_t[::1] kind,
):
    """Two hashes of each owner's pixels and kind: see the plain twin."""
    cdef Py_ssize_t n = start.shape[0], n_owners = height.shape[0], i
    cdef Column at = Column(0, 0, 1)
    cdef uint64_t one, factor
    check_shapes(n, owner.shape[0])
    check_shapes(n, length.shape[0])
    check_shapes(n_owners, kind.shape[0])
    result = np.zeros((2, n_owners), np.uint64)
    cdef uint64_t[:, ::1] hashes = result
    cdef bint strange = False
    with nogil:
        for i in range(n):
            if i == 0 or owner[i] != owner[i - 1]:
                if owner[i] < 0 or owner[i] >= n_owners:
                    strange = True
                    break
                at = Column(0, 0, max(height[owner[i]], 1))
            enter(&at, start[i])
            one = mixed(mixed((<uint64_t>at.x << 32) + <uint64_t>(start[i] - at.begin)) + <uint64_t>length[i])
            hashes[0, owner[i]] += one
            hashes[1, owner[i]] += mixed(one)
    if strange:
        refuse(owner[i], n_owners)
    with nogil:
        for i in range(n_owners):
            factor = mixed(<uint64_t>kind[i]) | 1
            hashes[0, i] *= factor
            hashes[1, i] *= factor
    return result


cdef inline uint64_t mixed(uint64_t value) noexcept nogil:
    """A hash of a number (splitmix64: Steele et al., 2014, OOPSLA)."""
    value += 0x9E3779B97F4A7C15ULL
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL
    return value ^ (value >> 31)


def lift(const int64_t[::1] start, const int32_t[::1] owner, const int64_t[::1] base, const int64_t[::1] height):
    """Runs on the number line: see the plain twin."""
    cdef Py_ssize_t n = start.shape[0], n_owners = height.shape[0], i
    cdef Column at = Column(0, 0, 1)
    check_shapes(n, owner.shape[0])
    if base.shape[0] != n_owners:
        raise ValueError(f"{base.shape[0]} base come with {n_owners} height")
    places = np.empty(n, np.int64)
    cdef int64_t[::1] place = places
    cdef bint strange = False
    with nogil:
        for i in range(n):
            if i == 0 or owner[i] != owner[i - 1]:
                if owner[i] < 0 or owner[i] >= n_owners:
                    strange = True
                    break
                at = Column(0, 0, max(height[owner[i]], 1))
            enter(&at, start[i])
            place[i] = base[owner[i]] + start[i] + at.x
    if strange:
        refuse(owner[i], n_owners)
    return places


def lower(const int64_t[::1] place, const int64_t[::1] base, const int64_t[::1] height):
    """Frame, x and y of places on the number line: see the plain twin."""
    cdef Py_ssize_t n = place.shape[0], n_frames = base.shape[0], i, f = -1
    cdef Column at = Column(0, 0, 1)
    if height.shape[0] != n_frames:
        raise ValueError(f"{n_frames} base come with {height.shape[0]} height")
    frames, xs, ys = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    cdef int64_t[::1] frame = frames, x = xs, y = ys
    cdef bint strange = False
    with nogil:
        for i in range(n):
            if f < 0 or place[i] < base[f] or (f + 1 < n_frames and place[i] >= base[f + 1]):
                f = frame_of(base, place[i])
                if f < 0:
                    strange = True
                    break
                at = Column(0, 0, height[f] + 1)
            enter(&at, place[i] - base[f])
            frame[i], x[i], y[i] = f, at.x, place[i] - base[f] - at.begin
    if strange:
        raise ValueError(f"place {place[i]} lies before all {n_frames} frames")
    return frames, xs, ys


cdef inline void enter(Column *at, int64_t place) noexcept nogil:
    """Go to the column that a place of the frame lies in. Most lie where the one before does: dividing takes long."""
    if not at.begin <= place < at.begin + at.high:
        at.x = place // at.high
        at.begin = at.x * at.high


cdef Py_ssize_t frame_of(const int64_t[::1] base, int64_t place) noexcept nogil:
    """The last frame that begins at this place or before; -1: none."""
    cdef Py_ssize_t low = 0, high = base.shape[0], middle
    while low < high:
        middle = (low + high) // 2
        if base[middle] <= place:
            low = middle + 1
        else:
            high = middle
    return low - 1


cdef check_shapes(Py_ssize_t starts, Py_ssize_t owners):
    if starts != owners:
        raise ValueError(f"{starts} starts come with {owners} owners")


cdef refuse(int32_t owner, Py_ssize_t n_owners):
    raise ValueError(f"owner {owner} of {n_owners} owners: 0 to {n_owners - 1} are possible")
