# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Where runs lie: in columns of images, and on the number line."""

import numpy as np
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, qsort
from libc.string cimport memset

from segdata.core.kernels._compiled.room cimport grow

cdef enum:
    SPARSE = 16  # columns for each run, and for none, from which they are not counted
    LONG = 64  # runs of a column from which they are not inserted one by one

cdef enum State:
    FINE, NO_MEMORY, STRANGE, UNORDERED

cdef struct Column:
    int64_t x
    int64_t begin  # its first place, counted in the frame
    int64_t high

cdef struct Run:
    int64_t start
    int64_t end
    int32_t owner
    Py_ssize_t number

cdef struct Dealing:  # of the runs of a frame to its columns
    int64_t *column  # of each run
    Py_ssize_t column_room
    int64_t *count  # of runs in each column, then where they begin, then where they end
    Py_ssize_t count_room
    Run *run  # those of a long column
    Py_ssize_t run_room


def bounds(const int32_t[::1] owner, Py_ssize_t n_owners):
    """Where the rows of each owner begin: see the numpy reference."""
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
    """Columns and first rows of runs: see the numpy reference."""
    cdef Py_ssize_t n = start.shape[0], n_owners = height.shape[0], i
    cdef Column at = Column(0, 0, 1)
    check_shapes(n, owner.shape[0])
    xs, tops = np.empty(n, np.int64), np.empty(n, np.int64)
    cdef int64_t[::1] x = xs, top = tops
    cdef bint strange = False
    with nogil:
        for i in range(n):
            if not enter_run(&at, start, owner, height, i):
                strange = True
                break
            x[i], top[i] = at.x, start[i] - at.begin
    if strange:
        refuse(owner[i], n_owners)
    return xs, tops


def empty_strips(
    const int64_t[::1] start, const int64_t[::1] length, const int32_t[::1] owner, const int64_t[::1] height
):
    """The strips above, between and below runs: see the numpy reference."""
    cdef Py_ssize_t n = start.shape[0], n_owners = height.shape[0], i = 0, stop = 0, used = 0, first, k
    cdef int64_t x, top, before_x = 0
    cdef int32_t before = -1
    cdef bint beside, strange = False
    cdef Column at = Column(0, 0, 1)
    check_shapes(n, owner.shape[0])
    check_shapes(n, length.shape[0])
    xs, tops, bottoms = np.empty(2 * n, np.int64), np.empty(2 * n, np.int64), np.empty(2 * n, np.int64)
    owners, opens = np.empty(2 * n, np.int32), np.empty(2 * n, np.bool_)
    cdef int64_t[::1] to_x = xs, to_top = tops, to_bottom = bottoms
    cdef int32_t[::1] to_owner = owners
    cdef uint8_t[::1] is_open = opens.view(np.uint8)
    with nogil:
        strange = n > 0 and not enter_run(&at, start, owner, height, 0)
        while i < n and not strange:  # one column after the other
            x, top, first, stop = at.x, -1, used, i
            while stop < n and owner[stop] == owner[i] and at.x == x:
                if start[stop] - at.begin > top:
                    to_x[used], to_top[used], to_bottom[used], to_owner[used] = x, top, start[stop] - at.begin, owner[i]
                    used += 1
                top = start[stop] - at.begin + length[stop]
                stop += 1
                if stop < n and not enter_run(&at, start, owner, height, stop):
                    strange = True
                    break
            if strange:
                break
            to_x[used], to_top[used], to_bottom[used], to_owner[used] = x, top, height[owner[i]] + 1, owner[i]
            used += 1
            beside = before == owner[i] and before_x == x - 1 and stop < n and owner[stop] == owner[i] and at.x == x + 1
            for k in range(first, used):
                is_open[k] = not beside
            is_open[first] = is_open[used - 1] = True
            before, before_x, i = owner[i], x, stop
    if strange:
        refuse(owner[stop], n_owners)
    return xs[:used], tops[:used], bottoms[:used], owners[:used], opens[:used]


def strip_hashes(
    const int64_t[::1] start,
    const int64_t[::1] length,
    const int32_t[::1] owner,
    const int64_t[::1] height,
    const int64_t[::1] kind,
):
    """Two hashes of each owner's pixels and kind: see the numpy reference."""
    cdef Py_ssize_t n = start.shape[0], n_owners = height.shape[0], i
    cdef Column at = Column(0, 0, 1)
    cdef uint64_t one, factor, first = 0, second = 0  # sums over the owner's runs so far
    check_shapes(n, owner.shape[0])
    check_shapes(n, length.shape[0])
    check_shapes(n_owners, kind.shape[0])
    result = np.zeros((2, n_owners), np.uint64)
    cdef uint64_t[:, ::1] hashes = result
    cdef bint strange = False
    with nogil:
        for i in range(n):
            if not enter_run(&at, start, owner, height, i):
                strange = True
                break
            one = mixed(mixed((<uint64_t>at.x << 32) + <uint64_t>(start[i] - at.begin)) + <uint64_t>length[i])
            first += one
            second += mixed(one)
            if i + 1 == n or owner[i + 1] != owner[i]:
                hashes[0, owner[i]] += first
                hashes[1, owner[i]] += second
                first = second = 0
    if strange:
        refuse(owner[i], n_owners)
    with nogil:
        for i in range(n_owners):
            factor = mixed(<uint64_t>kind[i]) | 1
            hashes[0, i] *= factor
            hashes[1, i] *= factor
    return result


def line_hashes(
    const int64_t[::1] start,
    const int64_t[::1] length,
    const int32_t[::1] owner,
    const int64_t[::1] height,
    const int64_t[::1] first_column,
    const int64_t[::1] first_row,
    Py_ssize_t n_columns,
    Py_ssize_t n_rows,
):
    """A hash of each column and each row of images: see the numpy reference."""
    cdef Py_ssize_t n = start.shape[0], n_owners = height.shape[0], i
    cdef int64_t top, place, column, row
    cdef uint64_t key, own
    cdef Column at = Column(0, 0, 1)
    check_shapes(n, owner.shape[0])
    check_shapes(n, length.shape[0])
    check_shapes(n_owners, first_column.shape[0])
    check_shapes(n_owners, first_row.shape[0])
    columns_result, rows_result = np.zeros(n_columns, np.uint64), np.zeros(n_rows, np.uint64)
    cdef uint64_t[::1] of_column = columns_result, of_row = rows_result
    cdef bint strange = False, outside = False
    with nogil:
        for i in range(n):
            if not enter_run(&at, start, owner, height, i):
                strange = True
                break
            if i == 0 or owner[i] != owner[i - 1]:
                column, row, own = first_column[owner[i]], first_row[owner[i]], mixed(<uint64_t>owner[i])
            top = start[i] - at.begin
            if column >= 0:
                place = column + at.x
                if place >= n_columns:
                    outside = True
                    break
                of_column[place] += mixed(own ^ ((<uint64_t>top << 32) + <uint64_t>length[i]))
            if row >= 0:
                place = row + top
                if length[i] < 0 or place + length[i] >= n_rows:
                    outside = True
                    break
                key = mixed(own ^ <uint64_t>at.x)
                of_row[place] += key
                of_row[place + length[i]] -= key
    if strange:
        refuse(owner[i], n_owners)
    if outside:
        raise ValueError(f"run {i} lies outside of its lines")
    np.cumsum(rows_result, out=rows_result)
    return columns_result, rows_result


cdef inline uint64_t mixed(uint64_t value) noexcept nogil:
    """A hash of a number (splitmix64: Steele et al., 2014, OOPSLA)."""
    value += 0x9E3779B97F4A7C15ULL
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL
    return value ^ (value >> 31)


def lift(const int64_t[::1] start, const int32_t[::1] owner, const int64_t[::1] base, const int64_t[::1] height):
    """Runs on the number line: see the numpy reference."""
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
            if not enter_run(&at, start, owner, height, i):
                strange = True
                break
            place[i] = base[owner[i]] + start[i] + at.x
    if strange:
        refuse(owner[i], n_owners)
    return places


def sweep_order(
    const int64_t[::1] start,
    const int64_t[::1] length,
    const int32_t[::1] owner,
    const int64_t[::1] base,
    const int64_t[::1] height,
):
    """Runs on the number line in the order of their starts: see the numpy reference.

    Runs are sorted by owner, and most owners by frame: each frame is dealt to its columns, which are sorted one by one.
    """
    cdef Py_ssize_t n = start.shape[0], first = 0, stop = 0
    cdef int64_t before = -1  # the last start so far
    cdef Dealing dealing = Dealing(NULL, 0, NULL, 0, NULL, 0)
    cdef Column at = Column(0, 0, 1)
    cdef State state = FINE
    check_shapes(n, owner.shape[0])
    check_shapes(n, length.shape[0])
    if base.shape[0] != height.shape[0]:
        raise ValueError(f"{base.shape[0]} base come with {height.shape[0]} height")
    starts, ends, owners = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32)
    cdef int64_t[::1] to_start = starts, to_end = ends
    cdef int32_t[::1] to_owner = owners
    cdef int64_t low, high
    try:
        with nogil:
            while first < n and state == FINE:
                stop, low, high = first, 0, 0
                while stop < n:
                    if not enter_run(&at, start, owner, height, stop):
                        state = STRANGE
                        break
                    if base[owner[stop]] != base[owner[first]]:
                        break
                    if not grow(<void **>&dealing.column, &dealing.column_room, stop - first + 1, sizeof(int64_t)):
                        state = NO_MEMORY
                        break
                    dealing.column[stop - first] = at.x
                    low = at.x if stop == first else min(low, at.x)
                    high = at.x if stop == first else max(high, at.x)
                    stop += 1
                if state != FINE:
                    break
                state = deal_frame(
                    &dealing, &start[first], &length[first], &owner[first], base[owner[first]], stop - first,
                    low, high + 1 - low, &to_start[first], &to_end[first], &to_owner[first],
                )
                if state == FINE and to_start[first] < before:
                    state = UNORDERED
                before = to_start[stop - 1]
                first = stop
    finally:
        free(dealing.column)
        free(dealing.count)
        free(dealing.run)
    if state == STRANGE:
        refuse(owner[stop], height.shape[0])
    if state == NO_MEMORY:
        raise MemoryError("no memory to sort runs")
    if state == UNORDERED:
        place = lift(start, owner, base, height)
        order = np.argsort(place, kind="stable")
        place = place[order]
        return place, place + np.asarray(length)[order], np.asarray(owner)[order]
    return starts, ends, owners


cdef State deal_frame(
    Dealing *dealing,
    const int64_t *start,
    const int64_t *length,
    const int32_t *owner,
    int64_t base,
    Py_ssize_t n,
    int64_t low,
    int64_t columns,
    int64_t *to_start,
    int64_t *to_end,
    int32_t *to_owner,
) noexcept nogil:
    """Sort the n runs of a frame by their starts; those that start at the same place stay in order."""
    cdef bint few = columns > SPARSE * n + SPARSE  # runs in so many columns that these are not counted
    cdef Py_ssize_t i, c, place, first, used = 0
    if few:
        columns = 1
    if not grow(<void **>&dealing.count, &dealing.count_room, columns, sizeof(int64_t)):
        return NO_MEMORY
    memset(dealing.count, 0, columns * sizeof(int64_t))
    for i in range(n):
        dealing.count[0 if few else dealing.column[i] - low] += 1
    for c in range(columns):  # where the runs of each column begin
        first = dealing.count[c]
        dealing.count[c] = used
        used += first
    for i in range(n):
        c = 0 if few else dealing.column[i] - low
        place = dealing.count[c]
        dealing.count[c] += 1
        to_start[place] = base + start[i] + dealing.column[i]
        to_end[place] = to_start[place] + length[i]
        to_owner[place] = owner[i]
    first = 0
    for c in range(columns):
        used = dealing.count[c]  # the end of this column now
        if used - first > LONG:
            if not sort_long(dealing, used - first, to_start + first, to_end + first, to_owner + first):
                return NO_MEMORY
        else:
            for i in range(first + 1, used):
                if to_start[i - 1] > to_start[i]:
                    insert(first, i, to_start, to_end, to_owner)
        first = used
    return FINE


cdef inline void insert(
    Py_ssize_t first, Py_ssize_t i, int64_t *start, int64_t *end, int32_t *owner
) noexcept nogil:
    """Move run i before those from `first` on that start later."""
    cdef Run run = Run(start[i], end[i], owner[i], 0)
    while i > first and start[i - 1] > run.start:
        start[i], end[i], owner[i] = start[i - 1], end[i - 1], owner[i - 1]
        i -= 1
    start[i], end[i], owner[i] = run.start, run.end, run.owner


cdef bint sort_long(Dealing *dealing, Py_ssize_t n, int64_t *start, int64_t *end, int32_t *owner) noexcept nogil:
    """Sort many runs; False when there is no memory."""
    cdef Py_ssize_t i
    cdef bint sorted_already = True
    for i in range(1, n):
        sorted_already = sorted_already and start[i - 1] <= start[i]
    if sorted_already:
        return True
    if not grow(<void **>&dealing.run, &dealing.run_room, n, sizeof(Run)):
        return False
    for i in range(n):
        dealing.run[i] = Run(start[i], end[i], owner[i], i)
    qsort(dealing.run, n, sizeof(Run), by_start)
    for i in range(n):
        start[i], end[i], owner[i] = dealing.run[i].start, dealing.run[i].end, dealing.run[i].owner
    return True


cdef int by_start(const void *one, const void *other) noexcept nogil:
    cdef const Run *a = <const Run *>one
    cdef const Run *b = <const Run *>other
    if a.start != b.start:
        return 1 if a.start > b.start else -1
    return (a.number > b.number) - (a.number < b.number)


def lower(const int64_t[::1] place, const int64_t[::1] base, const int64_t[::1] height):
    """Frame, x and y of places on the number line: see the numpy reference."""
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


cdef inline bint enter_run(
    Column *at, const int64_t[::1] start, const int32_t[::1] owner, const int64_t[::1] height, Py_ssize_t i
) noexcept nogil:
    """Go to the column of run i, where the run before it is known; False where its owner does not exist."""
    if i == 0 or owner[i] != owner[i - 1]:
        if owner[i] < 0 or owner[i] >= height.shape[0]:
            return False
        at[0] = Column(0, 0, max(height[owner[i]], 1))
    enter(at, start[i])
    return True


cdef inline void enter(Column *at, int64_t place) noexcept nogil:
    """Go to the column that a place of the frame lies in: most lie in the last one or the next, and dividing is slow."""
    cdef int64_t beyond = place - at.begin
    if 0 <= beyond < at.high:
        return
    if at.high <= beyond < 2 * at.high:
        at.x += 1
        at.begin += at.high
    else:
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
