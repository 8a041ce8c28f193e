# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""How far pixels are from others, and sums of that over outlines."""

import numpy as np
from libc.math cimport INFINITY, isinf, sqrt
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from segdata.core.kernels.checks import check_outlines, check_scales

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(__GNUC__)
    #define lowest_bit(word) __builtin_ctzll(word)
    #define highest_bit(word) (63 - __builtin_clzll(word))
    #else
    static inline int lowest_bit(uint64_t word) { int bit = 0; while (!(word >> bit & 1)) bit++; return bit; }
    static inline int highest_bit(uint64_t word) { int bit = 63; while (!(word >> bit & 1)) bit--; return bit; }
    #endif
    """
    int lowest_bit(uint64_t word) noexcept nogil  # neither is asked of 0
    int highest_bit(uint64_t word) noexcept nogil

# The strips of side b in one column; `cursor` is the one that the last look ended at, since looks are close together.
# The first column of every `BLOCK` knows in which rows all of these are.
cdef struct Column:
    int64_t x
    Py_ssize_t first
    Py_ssize_t stop
    Py_ssize_t cursor
    int64_t low
    int64_t high


# The pixels of side b as bits, column by column: most outlines are so near to each other that a look at the bits around
# a pixel is enough. Each column has free words above and below, so that 64 rows can be taken from any row in it.
cdef struct Bitmap:
    uint64_t *word  # 0 but for the strips that are drawn
    int64_t left
    int64_t columns  # 0: nothing is drawn
    int64_t top  # the row of the first bit
    int64_t rows  # from which 64 others can be taken
    int64_t pitch  # words of a column


cdef enum:
    BLOCK = 16
    NEAR = 36  # pixels, squared: below it few columns are looked at anyway
    AROUND = 12  # columns at most that are looked at in bits, to either side
    UP = 32  # rows above a pixel that are
    ROOM = 64  # words at most for each strip

cdef int64_t MOST = 1 << 62  # more than any distance squared
cdef int64_t LARGEST = 1 << 40  # rows or columns of a bitmap


def nearest(
    const int64_t[::1] x,
    const int64_t[::1] top,
    const int64_t[::1] bottom,
    const int32_t[::1] group,
    const int64_t[::1] b_x,
    const int64_t[::1] b_top,
    const int64_t[::1] b_bottom,
    const int32_t[::1] b_group,
    const double[::1] scale_x,
    const double[::1] scale_y,
):
    """Distances of pixels to the nearest of others: see the numpy reference."""
    cdef Py_ssize_t n = x.shape[0], m = b_x.shape[0], i, at = 0, first = 0, stop = 0, n_columns = 0
    if top.shape[0] != n or bottom.shape[0] != n or group.shape[0] != n:
        raise ValueError(f"{n} x come with {top.shape[0]} top, {bottom.shape[0]} bottom and {group.shape[0]} group")
    if b_top.shape[0] != m or b_bottom.shape[0] != m or b_group.shape[0] != m:
        raise ValueError(f"{m} x come with {b_top.shape[0]} top, {b_bottom.shape[0]} bottom, {b_group.shape[0]} group")
    check_scales(np.asarray(group), np.asarray(b_group), np.asarray(scale_x), np.asarray(scale_y))
    cdef int64_t y, size = 0
    for i in range(n):
        size += max(0, bottom[i] - top[i])
    result = np.empty(size, np.float64)
    cdef double[::1] apart = result
    cdef Py_ssize_t last = 0
    cdef Column *column = <Column *>malloc((m + 1) * sizeof(Column))
    if column == NULL:
        raise MemoryError("no memory for the columns of pixels")
    size = 0
    try:
        with nogil:
            for i in range(n):
                if i == 0 or group[i] != group[i - 1]:
                    while first < m and b_group[first] < group[i]:
                        first += 1
                    stop = first
                    while stop < m and b_group[stop] == group[i]:
                        stop += 1
                    n_columns = gather(b_x, b_top, b_bottom, first, stop, column)
                    first, at, last = stop, 0, 0
                elif x[i] < x[i - 1]:
                    at = 0
                while at < n_columns and column[at].x < x[i]:
                    at += 1
                for y in range(top[i], bottom[i]):
                    apart[size] = distance(
                        column, n_columns, at, &last, x[i], y, b_top, b_bottom, scale_x[group[i]], scale_y[group[i]]
                    )
                    size += 1
        return result
    finally:
        free(column)


def outline_distances(
    const int64_t[:, ::1] edge,
    const int64_t[::1] first,
    const int64_t[:, ::1] other,
    const int64_t[::1] other_first,
    const int64_t[:, ::1] area,
    const int64_t[::1] area_first,
    const int64_t[:, ::1] sheets,
    const double[:, ::1] sizes,
    const double[:, ::1] reach,
    const double[::1] known,
):
    """Distances of outlines, and their counts and sums for each shape: see the numpy reference."""
    check_outlines(*map(np.asarray, (edge, first, other, other_first, area, area_first, sheets, sizes, reach, known)))
    cdef Py_ssize_t n_columns, g, i, j, at, size = 0, last, n_sheets = sheets.shape[1]
    cdef int64_t x, y, right, bottom, k, row, own
    cdef double d, room, within, far, wide, tall, around, signed, squares
    cdef int64_t near, compared, begin
    cdef bint inside, given = known.shape[0] > 0, is_far
    cdef Bitmap bitmap = Bitmap(NULL, 0, 0, 0, 0, 0)
    cdef int64_t words = 0, squared
    for g in range(n_sheets):
        for i in range(first[sheets[0, g]], first[sheets[0, g] + 1]):
            size += edge[2, i] - edge[1, i]
    if given and known.shape[0] != size:
        raise ValueError(f"outlines of {size} pixels come with {known.shape[0]} distances")
    result, counts = np.empty(size, np.float64), np.zeros((reach.shape[1], 3), np.int64)
    sums = np.zeros((reach.shape[1], 3), np.float64)
    cdef double[::1] apart = result
    cdef int64_t[:, ::1] count = counts
    cdef double[:, ::1] total = sums
    cdef const int64_t[::1] other_x = other[0], other_top = other[1], other_bottom = other[2]
    for g in range(n_sheets if not given else 0):
        if sizes[0, g] == 1 and sizes[1, g] == 1:
            row = sheets[1, g]
            words = max(words, frame(&bitmap, other_x, other_top, other_bottom, other_first[row], other_first[row + 1]))
    cdef Column *column = <Column *>malloc((other.shape[1] + 1) * sizeof(Column))
    bitmap.word = <uint64_t *>calloc(words + 1, sizeof(uint64_t))
    if column == NULL or bitmap.word == NULL:
        free(column)
        free(bitmap.word)
        raise MemoryError("no memory for the columns of pixels")
    size = 0
    try:
        with nogil:
            for g in range(n_sheets):
                own, row = sheets[0, g], sheets[1, g]
                k, right, bottom = sheets[2, g], sheets[3, g] - 1, sheets[4, g] - 1
                within, far, wide, tall = reach[0, k], reach[1, k], sizes[0, g], sizes[1, g]
                n_columns, at, last, is_far, bitmap.columns = -1, 0, 0, False, 0
                if not given and wide == 1 and tall == 1:
                    frame(&bitmap, other_x, other_top, other_bottom, other_first[row], other_first[row + 1])
                    draw(&bitmap, other_x, other_top, other_bottom, other_first[row], other_first[row + 1], True)
                j = area_first[row]
                near, compared, around, signed, squares = 0, 0, 0, 0, 0
                begin = size
                for i in range(first[own], first[own + 1]):
                    x = edge[0, i]
                    room = min(min(x, right - x) * wide, sizes[2, g])
                    for y in range(edge[1, i], edge[2, i]):
                        if given:
                            d = known[size]
                        else:
                            squared = MOST if is_far or bitmap.columns == 0 else look_around(&bitmap, x, y)
                            if squared < MOST:
                                d = sqrt(<double>squared) if squared > 0 else 0
                            else:
                                if n_columns < 0:
                                    n_columns = gather(
                                        other_x, other_top, other_bottom, other_first[row], other_first[row + 1], column
                                    )
                                while at < n_columns and column[at].x < x:
                                    at += 1
                                d = distance(
                                    column, n_columns, at, &last, x, y, other_top, other_bottom, wide, tall
                                )
                                is_far = d > 2 * AROUND  # what follows hardly is near
                        apart[size] = d
                        size += 1
                        near += d <= within
                        if d == 0:
                            compared += room > 0 and 0 < y < bottom
                            continue
                        around += d
                        if d > far or d >= room or isinf(d) or d >= min(y, bottom - y) * tall:
                            continue  # far away, or as near to the end of the image
                        compared += 1
                        squares += d * d
                        while j < area_first[row + 1] and (
                            area[0, j] < x or (area[0, j] == x and area[2, j] <= y)
                        ):
                            j += 1
                        inside = j < area_first[row + 1] and area[0, j] == x and area[1, j] <= y
                        signed += -d if inside else d
                count[k, 0] += size - begin
                count[k, 1] += near
                count[k, 2] += compared
                total[k, 0] += around
                total[k, 1] += signed
                total[k, 2] += squares
                draw(&bitmap, other_x, other_top, other_bottom, other_first[row], other_first[row + 1], False)
        return result, counts, sums
    finally:
        free(column)
        free(bitmap.word)


cdef int64_t frame(
    Bitmap *bitmap,
    const int64_t[::1] x,
    const int64_t[::1] top,
    const int64_t[::1] bottom,
    Py_ssize_t first,
    Py_ssize_t stop,
) noexcept nogil:
    """Lay a bitmap around strips, of no columns where it would be large for few of them; how many words it takes."""
    cdef int64_t left = MOST, right = -MOST, low = MOST, high = -MOST
    cdef Py_ssize_t i
    bitmap.columns = 0
    for i in range(first, stop):
        left, right = min(left, x[i]), max(right, x[i])
        low, high = min(low, top[i]), max(high, bottom[i])
    if first >= stop or left < 0 or right > LARGEST or low < 0 or high > LARGEST:
        return 0
    bitmap.left, bitmap.top, bitmap.rows = left, low - 64, high - low + 64
    bitmap.pitch = (bitmap.rows >> 6) + 2
    if (right - left + 1) > ROOM * (stop - first) // bitmap.pitch:
        return 0
    bitmap.columns = right - left + 1
    return bitmap.columns * bitmap.pitch


cdef void draw(
    Bitmap *bitmap,
    const int64_t[::1] x,
    const int64_t[::1] top,
    const int64_t[::1] bottom,
    Py_ssize_t first,
    Py_ssize_t stop,
    bint there,
) noexcept nogil:
    """Set the bits of strips, or clear the words that they are in."""
    cdef Py_ssize_t i
    cdef int64_t begin, end, q
    cdef uint64_t *word
    if bitmap.columns == 0:
        return
    for i in range(first, stop):
        if top[i] == bottom[i]:
            continue
        word = bitmap.word + (x[i] - bitmap.left) * bitmap.pitch
        begin, end = top[i] - bitmap.top, bottom[i] - bitmap.top - 1
        for q in range(begin >> 6, (end >> 6) + 1):
            word[q] = 0 if not there else word[q] | (
                (<uint64_t>-1 << (begin & 63) if q == begin >> 6 else <uint64_t>-1)
                & (<uint64_t>-1 >> (63 - (end & 63)) if q == end >> 6 else <uint64_t>-1)
            )


cdef inline int64_t look_around(const Bitmap *bitmap, int64_t x, int64_t y) noexcept nogil:
    """The squared distance to the nearest bit; `MOST` where there is none near enough to be sure."""
    cdef int64_t across = 0, least, best = MOST, first = y - UP - bitmap.top, right = x - bitmap.left
    if first < 0 or first >= bitmap.rows:
        return MOST
    while across <= AROUND:
        if across * across >= best:
            return best
        if 0 <= right + across < bitmap.columns:
            least = rows_away(bitmap, right + across, first)
            best = min(best, across * across + least * least)
        if 0 < across <= right < bitmap.columns + across:
            least = rows_away(bitmap, right - across, first)
            best = min(best, across * across + least * least)
        across += 1
    return best if across * across >= best else MOST


cdef inline int64_t rows_away(const Bitmap *bitmap, int64_t column, int64_t first) noexcept nogil:
    """How many rows the nearest bit of a column is from row `first` + UP, of the 64 from `first` on; 64: none is."""
    cdef const uint64_t *word = bitmap.word + column * bitmap.pitch + (first >> 6)
    cdef int shift = first & 63
    cdef uint64_t rows = word[0] >> shift | word[1] << 1 << (63 - shift), below = rows >> UP, above = rows << (63 - UP)
    cdef int64_t least = 64
    if below:
        least = lowest_bit(below)
    if above:
        least = min(least, <int64_t>(63 - highest_bit(above)))
    return least


cdef Py_ssize_t gather(
    const int64_t[::1] x,
    const int64_t[::1] top,
    const int64_t[::1] bottom,
    Py_ssize_t first,
    Py_ssize_t stop,
    Column *column,
) noexcept nogil:
    """The columns that strips are in; how many there are."""
    cdef Py_ssize_t j, n = 0
    cdef Column *block
    for j in range(first, stop):
        if j == first or x[j] != x[j - 1]:
            column[n] = Column(x[j], j, j, j, top[j], bottom[j])
            n += 1
        column[n - 1].stop = j + 1
        block = &column[(n - 1) // BLOCK * BLOCK]
        block.low, block.high = min(block.low, top[j]), max(block.high, bottom[j])
    return n


cdef fused Measure:  # pixels, or what they measure
    int64_t
    double


cdef inline double distance(
    Column *column,
    Py_ssize_t n,
    Py_ssize_t at,
    Py_ssize_t *last,
    int64_t x,
    int64_t y,
    const int64_t[::1] top,
    const int64_t[::1] bottom,
    double scale_x,
    double scale_y,
) noexcept nogil:
    """How far the nearest strip is; see `search`."""
    cdef int64_t whole
    if n == 0:
        return INFINITY
    if scale_x == 1 and scale_y == 1:
        whole = search[int64_t](column, n, at, last, x, y, top, bottom, 1, 1, MOST)
        return sqrt(<double>whole) if whole > 0 else 0
    return sqrt(search[double](column, n, at, last, x, y, top, bottom, scale_x, scale_y, INFINITY))


cdef inline Measure search(
    Column *column,
    Py_ssize_t n,
    Py_ssize_t at,
    Py_ssize_t *last,
    int64_t x,
    int64_t y,
    const int64_t[::1] top,
    const int64_t[::1] bottom,
    Measure scale_x,
    Measure scale_y,
    Measure best,
) noexcept nogil:
    """The squared distance to the nearest strip: columns are looked at from x outwards, until all others are too far.

    `at` is the first column that is not to the left of x. Blocks of columns all of whose rows are too far are skipped.
    The column that was nearest `last` time is looked at first where the one at x is far. `best` is more than any.
    """
    cdef Py_ssize_t right = at, left = at - 1, nearest_column = last[0]
    cdef Measure across, least
    cdef bint going = True
    cdef Column *block
    if right < n and column[right].x == x:
        best, nearest_column = square[Measure](away(&column[right], y, top, bottom) * scale_y), right
        right += 1
    if best > NEAR * scale_x * scale_x:
        across = (column[last[0]].x - x) * scale_x
        least = across * across + square[Measure](away(&column[last[0]], y, top, bottom) * scale_y)
        if least < best:
            best, nearest_column = least, last[0]
    while going:
        going = False
        if right < n:
            across = (column[right].x - x) * scale_x
            if across * across < best:
                going = True
                if right % BLOCK == 0 and across * across + beyond[Measure](&column[right], y, scale_y) >= best:
                    right += BLOCK
                else:
                    least = across * across + square[Measure](away(&column[right], y, top, bottom) * scale_y)
                    if least < best:
                        best, nearest_column = least, right
                    right += 1
        if left >= 0:
            across = (column[left].x - x) * scale_x
            if across * across < best:
                going = True
                block = &column[left - BLOCK + 1]
                if left % BLOCK == BLOCK - 1 and across * across + beyond[Measure](block, y, scale_y) >= best:
                    left -= BLOCK
                else:
                    least = across * across + square[Measure](away(&column[left], y, top, bottom) * scale_y)
                    if least < best:
                        best, nearest_column = least, left
                    left -= 1
    last[0] = nearest_column
    return best


cdef inline Measure beyond(Column *block, int64_t y, Measure scale_y) noexcept nogil:
    """The square of how far a row is from the rows of a block, at least."""
    return square[Measure](max(0, block.low - y, y - block.high + 1) * scale_y)


cdef inline int64_t away(
    Column *column, int64_t y, const int64_t[::1] top, const int64_t[::1] bottom
) noexcept nogil:
    """How many rows the nearest strip of a column is away."""
    cdef Py_ssize_t c = column.cursor
    while c < column.stop and bottom[c] <= y:
        c += 1
    while c > column.first and bottom[c - 1] > y:
        c -= 1
    column.cursor = c
    if c == column.stop:
        return y - bottom[c - 1] + 1
    if top[c] <= y:
        return 0
    if c == column.first:
        return top[c] - y
    return min(top[c] - y, y - bottom[c - 1] + 1)


cdef inline Measure square(Measure value) noexcept nogil:
    return value * value
