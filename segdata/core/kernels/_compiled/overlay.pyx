# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""One sweep over the runs of many images: what two segments have in common, summed up while it is met.

The sweep (`sweep.pxd`) visits every strip that two runs share. Where many segments lie upon each other, strips are far
more than runs, so none is kept: each is added to the sums of its pair at once, which a hash table finds
(`pairing.pxd`). Only the strips of two columns are at hand, because the perimeter of what two segments share needs the
pixels that strips have in common with those of the column to the left.
"""

import numpy as np
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from segdata.core.kernels._compiled.pairing cimport Pairing, home_of, key_of, number_of, release
from segdata.core.kernels._compiled.room cimport grow
from segdata.core.kernels._compiled.sweep cimport Live, Side, forget, join, side_of, visit_between, visit_within

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define FETCH_EARLY(place) __builtin_prefetch(place)
    #else
    #define FETCH_EARLY(place) ((void)0)
    #endif
    """
    void FETCH_EARLY(const void *place) noexcept nogil

cdef enum:
    EARLY = 8  # strips before a pair is visited its place in the table is fetched; half of that before, its sums

cdef struct Frames:  # of the number line, and the column that was looked at last
    const int64_t *base
    const int64_t *height
    Py_ssize_t size
    Py_ssize_t frame
    int64_t x
    int64_t begin  # the column's first place on the line; -1: none yet
    int64_t high  # the places of a column

cdef struct Strip:
    int64_t start
    int64_t end
    int32_t after  # the next one of the same pair in the column; -1: none

cdef struct PixelSums:
    Pairing pairing
    int64_t *of  # each pair
    Py_ssize_t room

cdef struct Shared:  # what two segments share; small, so that a pair is a single access to memory
    int64_t pixels
    int64_t edges
    int64_t column  # where the column of its last strip begins on the line
    int32_t left
    int32_t top
    int32_t right
    int32_t bottom
    int32_t first  # the strips of that column
    int32_t last
    int32_t before  # the strip of the column to the left that the next strip may have pixels beside; -1: none

cdef struct SharedSums:
    Pairing pairing
    Shared *of
    Py_ssize_t room
    Frames at
    Strip *strip[2]  # of this column and of the one before
    Py_ssize_t strips[2]
    Py_ssize_t strip_room[2]
    int even  # which of the two this column's are
    int64_t column

cdef struct Contact:  # where two segments touch; sums over pixel edges, of coordinates from the first one on
    int64_t x
    int64_t y
    int64_t left
    int64_t top
    int64_t right
    int64_t bottom
    int64_t[6] sums

cdef struct ContactSums:
    Pairing pairing
    Contact *of
    Py_ssize_t room
    Frames at
    const int64_t *kind
    bint upright


def tally(const int32_t[::1] a, const int32_t[::1] b, const int64_t[::1] weight):
    """Sums of weights by pair: see the numpy reference."""
    cdef Py_ssize_t n = a.shape[0], i
    cdef PixelSums sums
    cdef bint enough = True
    if b.shape[0] != n or weight.shape[0] != n:
        raise ValueError(f"{n} a come with {b.shape[0]} b and {weight.shape[0]} weights")
    memset(&sums, 0, sizeof(PixelSums))
    try:
        with nogil:
            for i in range(n):
                enough = enough and add_pixels(&sums, 0, weight[i], a[i], b[i])
        return summed_pairs(&sums, enough)
    finally:
        release(&sums.pairing)
        free(sums.of)


def overlaps(
    const int64_t[::1] a_start,
    const int64_t[::1] a_end,
    const int32_t[::1] a_owner,
    const int64_t[::1] b_start,
    const int64_t[::1] b_end,
    const int32_t[::1] b_owner,
):
    """How many pixels each two segments of two sides share: see the numpy reference."""
    cdef Side one = side_of(a_start, a_end, a_owner), other = side_of(b_start, b_end, b_owner)
    cdef PixelSums sums
    cdef bint enough
    memset(&sums, 0, sizeof(PixelSums))
    try:
        with nogil:
            enough = visit_between(one, other, add_pixels, &sums)
        return summed_pairs(&sums, enough)
    finally:
        release(&sums.pairing)
        free(sums.of)


def overlaps_within(const int64_t[::1] start, const int64_t[::1] end, const int32_t[::1] owner):
    """How many pixels each two segments of one side share: see the numpy reference."""
    cdef Side side = side_of(start, end, owner)
    cdef PixelSums sums
    cdef bint enough
    memset(&sums, 0, sizeof(PixelSums))
    try:
        with nogil:
            enough = visit_within(side, add_pixels_within, &sums)
        return summed_pairs(&sums, enough)
    finally:
        release(&sums.pairing)
        free(sums.of)


cdef summed_pairs(PixelSums *sums, bint enough):
    if not enough:
        raise MemoryError("no memory for the sums of pairs")
    a, b, order = sorted_pairs(&sums.pairing)
    pixels = np.empty(len(order), np.int64)
    cdef int64_t[::1] row = pixels
    cdef int64_t[::1] pair = order
    cdef Py_ssize_t i
    for i in range(pair.shape[0]):
        row[i] = sums.of[pair[i]]
    return a, b, pixels


cdef bint add_pixels(void *pixel_sums, int64_t start, int64_t length, int32_t a, int32_t b) noexcept nogil:
    """Add a strip to the pixels that two segments share."""
    cdef PixelSums *sums = <PixelSums *>pixel_sums
    cdef Py_ssize_t known = sums.pairing.size
    cdef int64_t number = number_of(&sums.pairing, a, b)
    if number < 0 or not grow(<void **>&sums.of, &sums.room, number + 1, sizeof(int64_t)):
        return False
    if number == known:
        sums.of[number] = 0
    sums.of[number] += length
    return True


cdef bint add_pixels_within(void *sums, int64_t start, int64_t length, int32_t a, int32_t b) noexcept nogil:
    return a == b or add_pixels(sums, start, length, min(a, b), max(a, b))


def shared_pixels(
    const int64_t[::1] start,
    const int64_t[::1] end,
    const int32_t[::1] owner,
    const int64_t[::1] base,
    const int64_t[::1] height,
):
    """What each two segments share: see the numpy reference."""
    cdef Side side = side_in_frames(start, end, owner, base, height)
    cdef Py_ssize_t n = side.size, i, live_n = 0
    cdef SharedSums sums
    cdef Live *live = <Live *>malloc((n + 1) * sizeof(Live))
    cdef bint enough = live != NULL
    memset(&sums, 0, sizeof(SharedSums))
    try:
        if n > 0:
            sums.at = Frames(&base[0], &height[0], base.shape[0], 0, 0, -1, 1)
            sums.column = -1
            with nogil:
                for i in range(n):
                    if not enough:
                        break
                    enough = meet_shared(live, &live_n, start[i], end[i], owner[i], &sums)
                    join(live, &live_n, start[i], end[i], owner[i])
        if not enough:
            raise MemoryError("no memory for what segments share")
        a, b, order = sorted_pairs(&sums.pairing)
        rows = np.empty((6, len(order)), np.int64)
        fill_shared(rows, order, &sums)
        return a, b, rows
    finally:
        free(live)
        release(&sums.pairing)
        free(sums.of)
        free(sums.strip[0])
        free(sums.strip[1])


cdef fill_shared(int64_t[:, ::1] row, int64_t[::1] pair, SharedSums *sums):
    cdef Py_ssize_t i
    cdef Shared *of
    for i in range(pair.shape[0]):
        of = &sums.of[pair[i]]
        row[0, i], row[1, i], row[2, i] = of.pixels, of.left, of.top
        row[3, i], row[4, i], row[5, i] = of.right - of.left, of.bottom - of.top, of.edges


def contacts(
    const int64_t[::1] start,
    const int64_t[::1] end,
    const int32_t[::1] owner,
    const int64_t[::1] base,
    const int64_t[::1] height,
    const int64_t[::1] kind,
):
    """Where segments of one kind touch: see the numpy reference."""
    cdef Side side = side_in_frames(start, end, owner, base, height)
    cdef Py_ssize_t n = side.size, i, j, f = -1
    cdef ContactSums sums
    cdef Side whole, moved
    cdef bint enough = True
    check_owners(owner, kind.shape[0])
    memset(&sums, 0, sizeof(ContactSums))
    try:
        if n > 0:
            sums.at = Frames(&base[0], &height[0], base.shape[0], 0, 0, -1, 1)
            sums.kind = &kind[0]
            with nogil:
                whole = moved = side
                moved.shift = 1
                enough = visit_between(moved, whole, add_contact, &sums)
                # To the right each frame has its own step.
                sums.upright = True
                i = 0
                while enough and i < n:
                    f = frame_of(&sums.at, start[i])
                    j = i
                    while j < n and (f + 1 == base.shape[0] or start[j] < base[f + 1]):
                        j += 1
                    whole = moved = Side(&start[i], &end[i], &owner[i], j - i, 0)
                    moved.shift = height[f] + 1
                    enough = visit_between(moved, whole, add_contact, &sums)
                    i = j
        if not enough:
            raise MemoryError("no memory for where segments touch")
        a, b, order = sorted_pairs(&sums.pairing)
        rows = np.empty((10, len(order)), np.int64)
        fill_contacts(rows, order, &sums)
        return a, b, rows
    finally:
        release(&sums.pairing)
        free(sums.of)


cdef fill_contacts(int64_t[:, ::1] row, int64_t[::1] pair, ContactSums *sums):
    """The columns, with coordinates from the box's corner on: sums of whole numbers move without rounding."""
    cdef Py_ssize_t i, k
    cdef int64_t edges, x, y, xx, yy, xy, dx, dy
    cdef Contact *of
    for i in range(pair.shape[0]):
        of = &sums.of[pair[i]]
        dx, dy = of.x - of.left, of.y - of.top
        edges, x, y, xx, yy, xy = of.sums[0], of.sums[1], of.sums[2], of.sums[3], of.sums[4], of.sums[5]
        row[0, i], row[1, i] = of.left, of.top
        row[2, i], row[3, i] = of.right - of.left, of.bottom - of.top
        row[4, i] = edges
        row[5, i] = x + 2 * dx * edges
        row[6, i] = y + 2 * dy * edges
        row[7, i] = xx + 3 * dx * x + 3 * dx * dx * edges
        row[8, i] = yy + 3 * dy * y + 3 * dy * dy * edges
        row[9, i] = xy + 2 * dx * y + 2 * dy * x + 4 * dx * dy * edges


def bands(
    const int64_t[::1] start,
    const int64_t[::1] end,
    const int32_t[::1] owner,
    const int64_t[::1] base,
    const int64_t[::1] height,
    const uint8_t[::1] seen,
    int64_t widest,
):
    """Which segments follow each other down columns: see the numpy reference."""
    cdef Py_ssize_t n = side_in_frames(start, end, owner, base, height).size, i, last = -1
    cdef Pairing pairing
    cdef Frames at
    cdef int64_t between, row, known = 0
    cdef int64_t *count = NULL  # of each pair: where they touch, and where a band is between
    cdef Py_ssize_t room = 0
    cdef bint enough = True
    memset(&pairing, 0, sizeof(Pairing))
    check_owners(owner, seen.shape[0])
    try:
        if n > 0:
            at = Frames(&base[0], &height[0], base.shape[0], 0, 0, -1, 1)
            with nogil:
                for i in range(n):
                    if not seen[owner[i]]:
                        continue
                    if last >= 0 and owner[last] != owner[i]:
                        between = start[i] - end[last]
                        # The next run may be that of the next column, which is as near on the line as a band is wide.
                        if between <= widest:
                            enter(&at, start[last])
                            if start[i] < at.begin + at.high - 1:
                                row = number_of(&pairing, min(owner[last], owner[i]), max(owner[last], owner[i]))
                                enough = row >= 0 and grow(<void **>&count, &room, 2 * row + 2, sizeof(int64_t))
                                if not enough:
                                    break
                                if row == known:
                                    count[2 * row] = count[2 * row + 1] = 0
                                    known += 1
                                count[2 * row + (between > 0)] += 1
                    last = i
        if not enough:
            raise MemoryError("no memory for pairs")
        a, b, order = sorted_pairs(&pairing)
        rows = np.empty((2, len(order)), np.int64)
        fill_counts(rows, order, count)
        return a, b, rows
    finally:
        release(&pairing)
        free(count)


cdef fill_counts(int64_t[:, ::1] row, int64_t[::1] pair, const int64_t *count):
    cdef Py_ssize_t i
    for i in range(pair.shape[0]):
        row[0, i], row[1, i] = count[2 * pair[i]], count[2 * pair[i] + 1]


def cover_frames(
    const int64_t[::1] start, const int64_t[::1] end, const int64_t[::1] base
):
    """How much of each frame is covered: see the numpy reference."""
    cdef Py_ssize_t n = start.shape[0], n_frames = base.shape[0], i, f = 0
    cdef int64_t once = 0, twice = 0, shared  # up to where the frame is covered, and covered twice
    cdef int64_t labelled = 0, multiple = 0  # of the frame so far
    if end.shape[0] != n:
        raise ValueError(f"{n} starts come with {end.shape[0]} ends")
    check_frames(start, base)
    result = np.zeros((2, n_frames), np.int64)
    cdef int64_t[:, ::1] covered = result
    with nogil:
        for i in range(n):
            while f + 1 < n_frames and start[i] >= base[f + 1]:
                covered[0, f], covered[1, f] = labelled, multiple
                labelled = multiple = 0
                f += 1
            if end[i] <= start[i]:
                continue
            # What lies before `once` and not in this run was counted; runs come by their starts.
            shared = min(end[i], once)
            multiple += max(0, shared - max(start[i], twice))
            twice = max(twice, shared)
            labelled += max(0, end[i] - max(start[i], once))
            once = max(once, end[i])
        if n > 0:
            covered[0, f], covered[1, f] = labelled, multiple
    return result


cdef Side side_in_frames(
    const int64_t[::1] start,
    const int64_t[::1] end,
    const int32_t[::1] owner,
    const int64_t[::1] base,
    const int64_t[::1] height,
) except *:
    """As `side_of`, for runs that are sorted and lie in frames."""
    if height.shape[0] != base.shape[0]:
        raise ValueError(f"{base.shape[0]} base come with {height.shape[0]} height")
    check_frames(start, base)
    return side_of(start, end, owner)


cdef check_frames(const int64_t[::1] start, const int64_t[::1] base):
    """Refuse runs that are not sorted, and such as lie before all frames."""
    cdef Py_ssize_t n = start.shape[0], i
    cdef int64_t signs = 0
    if n > 0 and (base.shape[0] == 0 or start[0] < max(base[0], 0)):
        raise ValueError(f"place {start[0]} lies before all {base.shape[0]} frames")
    with nogil:
        for i in range(1, n):  # without a branch; steps between places that are not below 0 do not overflow
            signs |= start[i] | (start[i] - start[i - 1])
    if signs < 0:
        raise ValueError("runs are not sorted by where they start")


cdef check_owners(const int32_t[::1] owner, Py_ssize_t n_owners):
    cdef Py_ssize_t i
    cdef int32_t least = 0, most = -1
    with nogil:
        for i in range(owner.shape[0]):
            least, most = min(least, owner[i]), max(most, owner[i])
    if least < 0 or most >= n_owners:
        raise ValueError(f"owner {least if least < 0 else most} of {n_owners} owners: 0 to {n_owners - 1} are possible")


cdef bint meet_shared(
    Live *live, Py_ssize_t *n, int64_t start, int64_t end, int32_t owner, SharedSums *sums
) noexcept nogil:
    """As `meet`, for what segments share: where many lie upon each other, most of the time is waiting for memory."""
    cdef Py_ssize_t i, kept = forget(live, n[0], start)
    cdef int64_t number
    cdef int32_t a
    n[0] = kept
    if end <= start:
        return True
    if kept < EARLY:  # as nearly everywhere
        for i in range(kept):
            if not add_shared(sums, start, min(end, live[i].end) - start, live[i].owner, owner):
                return False
        return True
    for i in range(kept + EARLY):
        if i < kept:
            a = live[i].owner
            if sums.pairing.slots:
                FETCH_EARLY(&sums.pairing.slot[home_of(&sums.pairing, key_of(min(a, owner), max(a, owner)))])
        if EARLY // 2 <= i < kept + EARLY // 2 and sums.pairing.slots:
            a = live[i - EARLY // 2].owner
            number = sums.pairing.slot[home_of(&sums.pairing, key_of(min(a, owner), max(a, owner)))].number
            if number:
                FETCH_EARLY(&sums.of[number - 1])
        if i >= EARLY:
            if not add_shared(sums, start, min(end, live[i - EARLY].end) - start, live[i - EARLY].owner, owner):
                return False
    return True


cdef bint add_shared(SharedSums *sums, int64_t start, int64_t length, int32_t a, int32_t b) noexcept nogil:
    """Add a strip to what two segments share."""
    cdef Py_ssize_t known = sums.pairing.size, number
    cdef int64_t top, bottom, beside = 0
    cdef int32_t place, j
    cdef Shared *of
    cdef Strip *strip
    cdef Strip *before
    if a == b:
        return True
    enter(&sums.at, start)
    if sums.at.begin != sums.column:
        sums.even ^= 1
        sums.strips[sums.even] = 0
        sums.column = sums.at.begin
    number = number_of(&sums.pairing, min(a, b), max(a, b))
    if number < 0 or not grow(<void **>&sums.of, &sums.room, number + 1, sizeof(Shared)):
        return False
    of = &sums.of[number]
    top = start - sums.at.begin
    if number == known:
        of[0] = Shared(0, 0, -1, <int32_t>sums.at.x, <int32_t>top, 0, 0, -1, -1, -1)
    place = <int32_t>sums.strips[sums.even]
    if not grow(<void **>&sums.strip[sums.even], &sums.strip_room[sums.even], place + 1, sizeof(Strip)):
        return False
    strip, before = sums.strip[sums.even], sums.strip[sums.even ^ 1]
    strip[place] = Strip(start, start + length, -1)
    sums.strips[sums.even] += 1
    if of.column == sums.column:
        strip[of.last].after = place
    else:
        # The strips that it had in the column to the left, if it had some there.
        of.before = of.first if of.column == sums.column - sums.at.high else -1
        of.column, of.first = sums.column, place
    of.last = place
    top, bottom = start - sums.at.high, start + length - sums.at.high
    while of.before >= 0 and before[of.before].end <= top:
        of.before = before[of.before].after
    j = of.before
    while j >= 0 and before[j].start < bottom:
        beside += min(bottom, before[j].end) - max(top, before[j].start)
        j = before[j].after
    of.pixels += length
    of.edges += 2 * (1 + length - beside)
    of.top = <int32_t>min(<int64_t>of.top, start - sums.at.begin)
    of.bottom = <int32_t>max(<int64_t>of.bottom, start + length - sums.at.begin)
    of.right = <int32_t>(sums.at.x + 1)
    return True


cdef bint add_contact(void *all_sums, int64_t start, int64_t length, int32_t a, int32_t b) noexcept nogil:
    """Add pixel edges, one below the other, to where two segments of one kind touch."""
    cdef ContactSums *sums = <ContactSums *>all_sums
    cdef Py_ssize_t known = sums.pairing.size, number
    cdef int64_t x, y, u, v, k = length
    cdef Contact *of
    if a == b or sums.kind[a] != sums.kind[b]:
        return True
    enter(&sums.at, start)
    x, y = sums.at.x, start - sums.at.begin
    number = number_of(&sums.pairing, min(a, b), max(a, b))
    if number < 0 or not grow(<void **>&sums.of, &sums.room, number + 1, sizeof(Contact)):
        return False
    of = &sums.of[number]
    if number == known:
        memset(of, 0, sizeof(Contact))
        of.x = of.left = of.right = x
        of.y = of.top = of.bottom = y
    u, v = x - of.x, y - of.y
    of.left, of.top = min(of.left, x), min(of.top, y)
    of.sums[0] += k
    if sums.upright:  # one line, from (u, v) to (u, v + k)
        of.right, of.bottom = max(of.right, x), max(of.bottom, y + k)
        of.sums[1] += 2 * u * k
        of.sums[2] += 2 * v * k + k * k
        of.sums[3] += 3 * u * u * k
        of.sums[4] += 3 * v * v * k + 3 * v * k * k + k * k * k
        of.sums[5] += 2 * u * (2 * v * k + k * k)
    else:  # k lines, from (u, v + i) to (u + 1, v + i) each
        of.right, of.bottom = max(of.right, x + 1), max(of.bottom, y + k - 1)
        of.sums[1] += (2 * u + 1) * k
        of.sums[2] += 2 * v * k + k * (k - 1)
        of.sums[3] += (3 * u * u + 3 * u + 1) * k
        of.sums[4] += 3 * v * v * k + 3 * v * k * (k - 1) + (k - 1) * k * (2 * k - 1) // 2
        of.sums[5] += (2 * u + 1) * (2 * v * k + k * (k - 1))
    return True


cdef inline void enter(Frames *at, int64_t place) noexcept nogil:
    """Go to the column that a place lies in. Most lie where the one before does: dividing takes long."""
    cdef Py_ssize_t f
    if at.begin >= 0 and at.begin <= place < at.begin + at.high:
        return
    f = frame_of(at, place)
    at.high = at.height[f] + 1
    at.x = (place - at.base[f]) // at.high
    at.begin = at.base[f] + at.x * at.high


cdef inline Py_ssize_t frame_of(Frames *at, int64_t place) noexcept nogil:
    """The last frame that begins at this place or before; the first one for places before it."""
    cdef Py_ssize_t low = 0, high = at.size, middle
    if at.base[at.frame] <= place and (at.frame + 1 == at.size or place < at.base[at.frame + 1]):
        return at.frame
    while low < high:
        middle = (low + high) // 2
        if at.base[middle] <= place:
            low = middle + 1
        else:
            high = middle
    at.frame = max(low - 1, 0)
    return at.frame


cdef sorted_pairs(Pairing *pairing):
    """The pairs in order, and their numbers; the hash table, which can be larger than the result, is freed."""
    cdef Py_ssize_t n = pairing.size, i
    free(pairing.slot)
    pairing.slot, pairing.slots = NULL, 0
    keys = np.empty(n, np.uint64)
    cdef unsigned long long[::1] key = keys
    for i in range(n):
        key[i] = pairing.key[i]
    order = np.argsort(keys)
    keys = keys[order]
    sign = np.uint32(0x80000000)
    a = ((keys >> np.uint64(32)).astype(np.uint32) ^ sign).view(np.int32)
    b = (keys.astype(np.uint32) ^ sign).view(np.int32)
    return a, b, order
