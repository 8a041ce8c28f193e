# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""One walk over the runs of every segment: all that can be measured of a segment alone.

Area, box, parts, holes, perimeter, the parts of what falls apart, and flat ends used to be a dozen passes over all runs
of a batch, each writing columns that the next one read: most of the time went into moving memory. The walk takes the
runs of one segment after the other, a few kilobytes that stay in the processor's cache, and keeps numbers only.

Runs of a segment are sorted, so those of the column to the left lie just before those of this column: two fingers move
down both columns at once, and see every two runs that touch. Each run is a node of a forest, in which every run points
to one before it or to itself; it ends up with a tree for each part. Runs are simply connected and no three of them meet, so runs less contacts are parts less
holes, the Euler number: holes are counted without being looked for (Gray, 1971, IEEE Transactions on Computers C-20(5),
551-561). Segments in several parts are walked once more, for the size of each part.
"""

import numpy as np
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, llabs, qsort
from libc.string cimport memset

from segdata.core.kernels._compiled.room cimport grow

cdef enum:
    AREA, LEFT, TOP, WIDTH, HEIGHT, PARTS, HOLES, LARGEST, PERIMETER, COLUMNS, ROWS, MEASURES

cdef struct Part:
    int64_t owner
    int64_t area
    int64_t left
    int64_t top
    int64_t right
    int64_t bottom
    int64_t edges
    int64_t cluster

cdef struct End:
    int64_t owner
    int64_t upright
    int64_t at
    int64_t step

cdef struct Flatness:  # see the numpy reference
    int64_t shortest
    double least
    int64_t near

cdef struct Column:  # the two fingers
    int64_t high
    int64_t x
    int64_t begin  # its first pixel, counted in the image
    Py_ssize_t first  # its first run
    Py_ssize_t neighbour  # the first run to the left that may touch this one, or one below
    Py_ssize_t stop  # the end of the runs to the left

cdef enum State:
    FINE, NO_MEMORY, UNSORTED

cdef struct Walk:
    int32_t *parent  # of each run of the segment, by edges of pixels
    Py_ssize_t parent_room
    int32_t *corner  # the same, by corners too
    Py_ssize_t corner_room
    int64_t *shared  # pixels of each run that have the segment to the left, too
    Py_ssize_t shared_room
    int64_t *pixels  # of each column, or row, of the segment's box, with room on either side
    Py_ssize_t pixel_room
    Part *part
    Py_ssize_t parts
    Py_ssize_t part_room
    End *end
    Py_ssize_t ends
    Py_ssize_t end_room


def measure_segments(
    const int64_t[::1] start,
    const int64_t[::1] length,
    const int32_t[::1] owner,
    const int64_t[::1] height,
    const int64_t[::1] width,
    int64_t shortest,
    double least,
    int64_t near,
):
    """All that can be measured of each segment alone: see the numpy reference."""
    cdef Py_ssize_t n = start.shape[0], n_owners = height.shape[0], first = 0, stop
    cdef Walk walk
    cdef Flatness flatness = Flatness(shortest, least, near)
    cdef State state = FINE
    cdef bint strange = False
    if length.shape[0] != n or owner.shape[0] != n or width.shape[0] != n_owners:
        sizes = f"{length.shape[0]} lengths and {owner.shape[0]} owners"
        raise ValueError(f"{n} starts come with {sizes}, {n_owners} heights with {width.shape[0]} widths")
    memset(&walk, 0, sizeof(Walk))
    measured = np.zeros((MEASURES, n_owners), np.int64)
    cdef int64_t[:, ::1] result = measured
    try:
        with nogil:
            while first < n:
                if owner[first] < 0 or owner[first] >= n_owners:
                    strange = True
                    break
                stop = first + 1
                while stop < n and owner[stop] == owner[first]:
                    stop += 1
                state = walk_segment(
                    &walk,
                    &start[first],
                    &length[first],
                    stop - first,
                    owner[first],
                    max(height[owner[first]], 1),
                    width[owner[first]],
                    &flatness,
                    &result[0, owner[first]],
                    n_owners,
                )
                if state != FINE:
                    break
                first = stop
        if strange:
            raise ValueError(f"owner {owner[first]} of {n_owners} owners: 0 to {n_owners - 1} are possible")
        if state == UNSORTED:
            raise ValueError(f"the runs of owner {owner[first]} are not sorted")
        if state == NO_MEMORY:
            raise MemoryError("no memory to measure segments")
        return measured, parts_of(&walk), ends_of(&walk)
    finally:
        free(walk.parent)
        free(walk.corner)
        free(walk.shared)
        free(walk.pixels)
        free(walk.part)
        free(walk.end)


cdef State walk_segment(
    Walk *walk,
    const int64_t *start,
    const int64_t *length,
    Py_ssize_t n,
    int32_t owner,
    int64_t high,
    int64_t frame_width,
    Flatness *flatness,
    int64_t *result,
    Py_ssize_t stride,
) noexcept nogil:
    """Measure one segment of n runs; `result` are its numbers, `stride` apart."""
    cdef int64_t left = start[0] // high, wide = start[n - 1] // high + 1 - left, top, bottom
    cdef int64_t area = 0, shared = 0, contacts = 0, upper = high, lower = 0, largest
    cdef int64_t columns = 0, rows = 0  # summed over pixels
    cdef Py_ssize_t i, j, parts = n
    cdef Column at = Column(high, left, left * high, 0, 0, 0)
    if (
        not grow(<void **>&walk.parent, &walk.parent_room, n, sizeof(int32_t))
        or not grow(<void **>&walk.shared, &walk.shared_room, n, sizeof(int64_t))
        or not clear_pixels(walk, wide)
    ):
        return NO_MEMORY
    for i in range(n):
        if i > 0 and start[i] < start[i - 1]:
            return UNSORTED
        walk.parent[i] = <int32_t>i
        walk.shared[i] = 0
        if not enter(&at, start, i) and i > 0 and start[i] == start[i - 1] + length[i - 1]:
            parts -= join(walk.parent, <int32_t>i, <int32_t>(i - 1))
            contacts += 1
        top, bottom = start[i] - high, start[i] + length[i] - high  # of its left neighbours, if they are as this run
        while at.neighbour < at.stop and start[at.neighbour] + length[at.neighbour] <= top:
            at.neighbour += 1
        for j in range(at.neighbour, at.stop):
            if start[j] >= bottom:
                break
            parts -= join(walk.parent, <int32_t>i, <int32_t>j)
            contacts += 1
            walk.shared[i] += min(bottom, start[j] + length[j]) - max(top, start[j])
        shared += walk.shared[i]
        area += length[i]
        walk.pixels[at.x - left + 1] += length[i]
        top = start[i] - at.begin
        upper, lower = min(upper, top), max(lower, top + length[i])
        columns += at.x * length[i]
        rows += (2 * top + length[i] - 1) * length[i]
    if not note_ends(walk, owner, wide, left, frame_width, True, flatness):
        return NO_MEMORY
    if wide >= flatness.shortest:
        if not count_rows(walk, start, length, n, high, upper, lower):
            return NO_MEMORY
        if not note_ends(walk, owner, lower - upper, upper, high, False, flatness):
            return NO_MEMORY
    largest = area if parts == 1 else note_parts(walk, start, length, n, owner, high)
    if largest < 0:
        return NO_MEMORY
    result[AREA * stride] = area
    result[LEFT * stride] = left
    result[TOP * stride] = upper
    result[WIDTH * stride] = wide
    result[HEIGHT * stride] = lower - upper
    result[PARTS * stride] = parts
    result[HOLES * stride] = parts - (n - contacts)
    result[LARGEST * stride] = largest
    result[PERIMETER * stride] = 2 * (n + area - shared)  # two edges a run, two a pixel less those with a neighbour
    result[COLUMNS * stride] = columns
    result[ROWS * stride] = rows
    return FINE


cdef inline bint enter(Column *at, const int64_t *start, Py_ssize_t i) noexcept nogil:
    """Go to the column that run i lies in; whether it is another one. Dividing takes long, and is seldom needed."""
    if start[i] < at.begin + at.high:
        return False
    if start[i] < at.begin + 2 * at.high:
        at.x += 1
        at.neighbour = at.first
    else:
        at.x = start[i] // at.high
        at.neighbour = i
    at.begin = at.x * at.high
    at.stop = at.first = i
    return True


cdef bint clear_pixels(Walk *walk, int64_t count) noexcept nogil:
    """Zeros for so many columns or rows, and for one on either side."""
    if not grow(<void **>&walk.pixels, &walk.pixel_room, count + 2, sizeof(int64_t)):
        return False
    memset(walk.pixels, 0, (count + 2) * sizeof(int64_t))
    return True


cdef bint count_rows(
    Walk *walk, const int64_t *start, const int64_t *length, Py_ssize_t n, int64_t high, int64_t upper, int64_t lower
) noexcept nogil:
    """Count the pixels of each row of the box: a run adds one to all rows from its first to its last."""
    cdef Column at = Column(high, start[0] // high, start[0] // high * high, 0, 0, 0)
    cdef int64_t *pixels
    cdef int64_t row
    cdef Py_ssize_t i
    if not clear_pixels(walk, lower - upper):
        return False
    pixels = walk.pixels + 1
    for i in range(n):
        enter(&at, start, i)
        row = start[i] - at.begin - upper
        pixels[row] += 1
        pixels[row + length[i]] -= 1
    for row in range(lower - upper):
        pixels[row + 1] += pixels[row]
    return True


cdef bint note_ends(
    Walk *walk, int32_t owner, int64_t count, int64_t first, int64_t size, bint upright, Flatness *flatness
) noexcept nogil:
    """Note the flat ends between the columns (or rows) of a box, of which there are `count` from `first` on."""
    cdef int64_t *pixels = walk.pixels + 1
    cdef int64_t c, step, around
    for c in range(count + 1):
        step = pixels[c] - pixels[c - 1]
        if -flatness.shortest < step < flatness.shortest:
            continue
        around = pixels[min(c + flatness.near, count)] - pixels[max(c - flatness.near - 1, -1)]  # none beyond the box
        if llabs(step) >= flatness.least * llabs(around) and 0 < first + c < size:
            if not grow(<void **>&walk.end, &walk.end_room, walk.ends + 1, sizeof(End)):
                return False
            walk.end[walk.ends] = End(owner, upright, first + c, step)
            walk.ends += 1
    return True


cdef int64_t note_parts(
    Walk *walk, const int64_t *start, const int64_t *length, Py_ssize_t n, int32_t owner, int64_t high
) noexcept nogil:
    """Note the parts of a segment that has several, numbered by their first run, and the clusters that they form.

    Parts of one cluster touch at corners of pixels. Returns the area of the largest part, -1 when there is no memory.
    """
    cdef Py_ssize_t i, j, before = walk.parts
    cdef int64_t largest = 0
    cdef Column at = Column(high, start[0] // high, start[0] // high * high, 0, 0, 0)
    cdef Part *part
    if not grow(<void **>&walk.corner, &walk.corner_room, n, sizeof(int32_t)):
        return -1
    for i in range(n):
        walk.corner[i] = <int32_t>i
        if not enter(&at, start, i) and i > 0 and start[i] == start[i - 1] + length[i - 1]:
            join(walk.corner, <int32_t>i, <int32_t>(i - 1))
        while at.neighbour < at.stop and start[at.neighbour] + length[at.neighbour] < start[i] - high:
            at.neighbour += 1
        for j in range(at.neighbour, at.stop):
            if start[j] > start[i] + length[i] - high:
                break
            join(walk.corner, <int32_t>i, <int32_t>j)
        # A root comes before all other runs of its part. From here on it holds the number of the part.
        if walk.parent[i] == i:
            if not grow(<void **>&walk.part, &walk.part_room, walk.parts + 1, sizeof(Part)):
                return -1
            walk.part[walk.parts] = Part(owner, 0, at.x, high, at.x, 0, 0, i)
            walk.parent[i] = <int32_t>(walk.parts - before)
            walk.parts += 1
        else:
            walk.parent[i] = walk.parent[walk.parent[i]]
        part = &walk.part[before + walk.parent[i]]
        part.area += length[i]
        part.top = min(part.top, start[i] - at.begin)
        part.right = at.x + 1
        part.bottom = max(part.bottom, start[i] - at.begin + length[i])
        part.edges += 2 * (1 + length[i] - walk.shared[i])
    # The pixels of each cluster, at its first run; a part's cluster is that of the part's first run.
    memset(walk.shared, 0, n * sizeof(int64_t))
    for i in range(n):
        walk.shared[root_of(walk.corner, <int32_t>i)] += length[i]
    for i in range(before, walk.parts):
        walk.part[i].cluster = walk.shared[root_of(walk.corner, <int32_t>walk.part[i].cluster)]
        largest = max(largest, walk.part[i].area)
    return largest


cdef parts_of(Walk *walk):
    """Owner, area, box, perimeter and cluster of the parts as columns."""
    cdef Py_ssize_t i
    rows = np.empty((8, walk.parts), np.int64)
    cdef int64_t[:, ::1] row = rows
    cdef Part *part
    for i in range(walk.parts):
        part = &walk.part[i]
        row[0, i], row[1, i], row[2, i], row[3, i] = part.owner, part.area, part.left, part.top
        row[4, i], row[5, i] = part.right - part.left, part.bottom - part.top
        row[6, i], row[7, i] = part.edges, part.cluster
    return rows


cdef ends_of(Walk *walk):
    """Owner, whether the line is upright, where it is, and the step of the flat ends as columns."""
    cdef Py_ssize_t i
    rows = np.empty((4, walk.ends), np.int64)
    cdef int64_t[:, ::1] row = rows
    for i in range(walk.ends):
        row[0, i], row[1, i] = walk.end[i].owner, walk.end[i].upright
        row[2, i], row[3, i] = walk.end[i].at, walk.end[i].step
    return rows


def even_steps(
    const int64_t[::1] start,
    const int64_t[::1] length,
    const int32_t[::1] owner,
    const int64_t[::1] height,
    const int64_t[::1] width,
):
    """Segments whose outline never changes in two neighbouring columns or rows: see the numpy reference."""
    cdef Py_ssize_t n = start.shape[0], n_owners = height.shape[0], first = 0, stop
    cdef int64_t *row = NULL
    cdef Py_ssize_t room = 0
    cdef State state = FINE
    if length.shape[0] != n or owner.shape[0] != n or width.shape[0] != n_owners:
        sizes = f"{length.shape[0]} lengths and {owner.shape[0]} owners"
        raise ValueError(f"{n} starts come with {sizes}, {n_owners} heights with {width.shape[0]} widths")
    steps = np.zeros((4, n_owners), np.int64)
    cdef int64_t[:, ::1] result = steps
    try:
        with nogil:
            while first < n and state == FINE:
                if owner[first] < 0 or owner[first] >= n_owners:
                    break
                stop = first + 1
                while stop < n and owner[stop] == owner[first]:
                    stop += 1
                if stop < n and owner[stop] < owner[first]:
                    state = UNSORTED
                else:
                    state = note_steps(
                        &start[first],
                        &length[first],
                        stop - first,
                        max(height[owner[first]], 1),
                        width[owner[first]],
                        &row,
                        &room,
                        &result[0, owner[first]],
                        n_owners,
                    )
                first = stop
        if state == UNSORTED:
            raise ValueError("runs are not sorted")
        if state == NO_MEMORY:
            raise MemoryError("no memory for the rows of an image")
        if first < n:
            raise ValueError(f"owner {owner[first]} of {n_owners} owners: 0 to {n_owners - 1} are possible")
        return steps
    finally:
        free(row)


cdef State note_steps(
    const int64_t *start,
    const int64_t *length,
    Py_ssize_t n,
    int64_t high,
    int64_t wide,
    int64_t **row,
    Py_ssize_t *room,
    int64_t *result,
    Py_ssize_t stride,
) noexcept nogil:
    """Note one segment of n runs, if its steps are even; most are not, as few of their columns show."""
    cdef Py_ssize_t i = 0, next, before = 0, size = 0, j
    cdef int64_t x = -2, last = -2, place = -1, narrowest = 0, count = 0
    cdef bint same
    for i in range(1, n):
        if start[i] < start[i - 1]:
            return UNSORTED
    i = 0
    while i < n:
        x = start[i] // high
        next = i + 1
        while next < n and start[next] < (x + 1) * high:
            next += 1
        if i > 0 and x != last + 1:
            note_place(last + 1, wide, &place, &narrowest, &count)
        same = x == last + 1 and next - i == size
        j = 0
        while same and j < size:
            same = start[i + j] - high == start[before + j] and length[i + j] == length[before + j]
            j += 1
        if not same:
            note_place(x, wide, &place, &narrowest, &count)
        if narrowest == 1:
            return FINE
        before, size, last, i = i, next - i, x, next
    note_place(last + 1, wide, &place, &narrowest, &count)
    if narrowest < 2:
        return FINE
    if not grow(<void **>row, room, 2 * n, sizeof(int64_t)):
        return NO_MEMORY
    for i in range(n):
        row[0][2 * i] = start[i] % high
        row[0][2 * i + 1] = start[i] % high + length[i]
    qsort(row[0], 2 * n, sizeof(int64_t), by_size)
    result[0], result[stride] = narrowest, count
    place, narrowest, count = -1, 0, 0
    for i in range(2 * n):
        note_place(row[0][i], high, &place, &narrowest, &count)
    if narrowest < 2:
        result[0] = result[stride] = 0
    else:
        result[2 * stride], result[3 * stride] = narrowest, count
    return FINE


cdef int by_size(const void *one, const void *other) noexcept nogil:
    cdef int64_t a = (<const int64_t *>one)[0], b = (<const int64_t *>other)[0]
    return (a > b) - (a < b)


cdef inline void note_place(
    int64_t at, int64_t size, int64_t *place, int64_t *narrowest, int64_t *count
) noexcept nogil:
    """Note a line between two columns, or rows, that is not at the end of the image; lines come in order."""
    if at <= 0 or at >= size or at == place[0]:
        return
    if count[0] > 0 and (narrowest[0] == 0 or at - place[0] < narrowest[0]):
        narrowest[0] = at - place[0]
    place[0] = at
    count[0] += 1


def parts(
    const int64_t[::1] x, const int64_t[::1] top, const int64_t[::1] bottom, const int32_t[::1] owner, bint diagonal
):
    """Connected parts of runs: see the numpy reference."""
    cdef Py_ssize_t n = x.shape[0], i, group = 0, neighbour = 0, stop = 0
    if top.shape[0] != n or bottom.shape[0] != n or owner.shape[0] != n:
        raise ValueError(f"{n} x come with {top.shape[0]} top, {bottom.shape[0]} bottom and {owner.shape[0]} owner")
    part = np.arange(n, dtype=np.int32)
    left = np.zeros(n, np.int64)
    links = np.zeros(n, np.int64)
    cdef int32_t[::1] parent = part
    cdef int64_t[::1] shared = left, linked = links
    with nogil:
        for i in range(n):
            if i == 0 or x[i] != x[i - 1] or owner[i] != owner[i - 1]:
                # A new column: its left neighbours are the runs before it, if of this owner and one column away.
                stop = i
                neighbour = group if i > 0 and owner[i] == owner[i - 1] and x[i] == x[i - 1] + 1 else i
                group = i
            elif top[i] == bottom[i - 1]:
                join(&parent[0], <int32_t>i, <int32_t>(i - 1))
                linked[i] = 1
            while neighbour < stop and bottom[neighbour] + diagonal <= top[i]:
                neighbour += 1
            shared[i] = join_left(&parent[0], &top[0], &bottom[0], i, neighbour, stop, diagonal, &linked[i])
        number(&parent[0], n)
    return part.astype(np.int64), left, links


cdef inline int64_t join_left(
    int32_t *parent,
    const int64_t *top,
    const int64_t *bottom,
    Py_ssize_t i,
    Py_ssize_t first,
    Py_ssize_t stop,
    bint diagonal,
    int64_t *links,
) noexcept nogil:
    """Join run i with the runs that it touches in the column to its left; counts these, and the pixels they share."""
    cdef int64_t shared = 0
    cdef Py_ssize_t j
    for j in range(first, stop):
        if top[j] >= bottom[i] + diagonal:
            break
        join(parent, <int32_t>i, <int32_t>j)
        links[0] += 1
        shared += max(0, min(bottom[i], bottom[j]) - max(top[i], top[j]))
    return shared


cdef void number(int32_t *parent, Py_ssize_t n) noexcept nogil:
    """Replace parents by the numbers of parts: a root comes before all other runs of its part."""
    cdef Py_ssize_t i
    cdef int32_t parts = 0
    for i in range(n):
        if parent[i] == i:
            parent[i] = parts
            parts += 1
        else:
            parent[i] = parent[parent[i]]


cdef inline int32_t root_of(int32_t *parent, int32_t i) noexcept nogil:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


cdef inline bint join(int32_t *parent, int32_t i, int32_t j) noexcept nogil:
    """Join the trees of two runs; the first run stays the root. Whether they were apart before."""
    i = root_of(parent, i)
    j = root_of(parent, j)
    if i < j:
        parent[j] = i
    elif j < i:
        parent[i] = j
    return i != j
