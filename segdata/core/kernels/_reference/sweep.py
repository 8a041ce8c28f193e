"""Sweeps over runs on a number line: places, overlaps and cuts."""

import numpy as np
from numpy.typing import NDArray


def expand(first: NDArray[np.int64], stop: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All numbers of the half-open ranges `first:stop` (n,), and for each the range that it came from.

    >>> numbers, place = expand(np.array([3, 8]), np.array([5, 9]))
    >>> numbers.tolist(), place.tolist()
    ([3, 4, 8], [0, 0, 1])
    """
    size = np.maximum(stop - first, 0)
    place = np.repeat(np.arange(len(size)), size)
    return np.arange(len(place)) + (first - (np.cumsum(size) - size))[place], place


Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


def strips(
    a_start: Int64, a_end: Int64, a_owner: Int32, b_start: Int64, b_end: Int64, b_owner: Int32
) -> tuple[Int32, Int32, Int64, Int64]:
    """Every overlap of a run of side a with a run of side b.

    Takes runs from `start` up to, not including, `end`, sorted by `start`; runs of one side may overlap unless they
    have the same owner. Returns the owners `a` and `b`, `start` and `length` (s,), sorted by (start, a, b, length).

    >>> zero, one = np.zeros(1, np.int32), np.array([1])
    >>> [column.tolist() for column in strips(one, one + 5, zero, one + 3, one + 9, zero)]
    [[0], [0], [4], [2]]
    """
    # An overlap begins where b begins within a, or where a begins within b.
    j, i = expand(np.searchsorted(b_start, a_start), np.searchsorted(b_start, a_end))
    k, m = expand(np.searchsorted(a_start, b_start, side="right"), np.searchsorted(a_start, b_end))
    i, j = np.concatenate([i, k]), np.concatenate([j, m])
    start = np.maximum(a_start[i], b_start[j])
    length = np.minimum(a_end[i], b_end[j]) - start
    return _in_order(a_owner[i], b_owner[j], start, length)


def strips_within(start: Int64, end: Int64, owner: Int32) -> tuple[Int32, Int32, Int64, Int64]:
    """Every overlap of two runs of one side that have different owners, the smaller owner first.

    Takes and returns what `strips` does.

    >>> start = np.array([1, 4])
    >>> [column.tolist() for column in strips_within(start, start + 5, np.array([7, 3], np.int32))]
    [[3], [7], [4], [2]]
    """
    j, i = expand(np.arange(1, len(start) + 1), np.searchsorted(start, end))
    i, j = i[owner[i] != owner[j]], j[owner[i] != owner[j]]
    length = np.minimum(end[i], end[j]) - start[j]
    return _in_order(np.minimum(owner[i], owner[j]), np.maximum(owner[i], owner[j]), start[j], length)


def cover(start: Int64, end: Int64) -> tuple[Int64, Int64, Int64]:
    """The union of intervals: the longest intervals that are covered, touching ones joined.

    Takes intervals from `start` up to, not including, `end`, sorted by `start`. Returns `start`, `length` and
    `multiple` (u,): how many pixels of each are covered more than once.

    >>> [column.tolist() for column in cover(np.array([0, 1, 3, 9]), np.array([3, 2, 5, 10]))]
    [[0, 9], [5, 1], [1, 0]]
    """
    start, end = start[end > start], end[end > start]
    if len(start) == 0:
        return start, end, start
    once = np.maximum.accumulate(end)  # up to where pixels are covered, after each interval
    before = np.concatenate([start[:1], once[:-1]])
    shared = np.minimum(end, before)
    twice = np.concatenate([start[:1], np.maximum.accumulate(shared)[:-1]])
    first = np.flatnonzero(np.concatenate([[True], start[1:] > once[:-1]]))
    multiple = np.add.reduceat(np.maximum(0, shared - np.maximum(start, twice)), first)
    last = np.concatenate([first[1:], [len(start)]]) - 1
    return start[first], once[last] - start[first], multiple


def _in_order(a: Int32, b: Int32, start: Int64, length: Int64) -> tuple[Int32, Int32, Int64, Int64]:
    order = np.lexsort((length, b, a, start))
    order = order[length[order] > 0]
    return a[order], b[order], start[order], length[order]


def bounds(owner: Int32, n_owners: int) -> Int64:
    """The first row of each owner, and (n_owners + 1,) where the last one's end.

    Takes `owner` (n,), ascending.

    >>> bounds(np.array([0, 0, 2], np.int32), 3).tolist()
    [0, 2, 2, 3]
    """
    return np.searchsorted(owner, np.arange(n_owners + 1, dtype=np.int32)).astype(np.int64)


def columns(start: Int64, owner: Int32, height: Int64) -> tuple[Int64, Int64]:
    """X and the first row (n,) of each run, in pixels.

    Takes the pixel that each run begins with, counted in its own image, the owner of each, and the height in pixels
    of each owner's image; 0 counts as 1.

    >>> [array.tolist() for array in columns(np.array([3, 9]), np.array([0, 1], np.int32), np.array([4, 5]))]
    [[0, 1], [3, 4]]
    """
    check_owners(owner, len(height))
    high = np.maximum(height, 1)[owner]
    # Ten times as fast as dividing integers, and exact: start / high is at least 1 / high away from the next whole
    # number, far more than the rounding error while an image has less than 2^53 / high pixels.
    x = (start / high).astype(np.int64)
    return x, start - x * high


def empty_strips(
    start: Int64, length: Int64, owner: Int32, height: Int64
) -> tuple[Int64, Int64, Int64, Int32, NDArray[np.bool_]]:
    """The pixels above, between and below the runs of each column in which an owner has runs, as strips.

    Takes runs as `columns` does, sorted by owner and start, and the length of each. Returns, sorted by owner, x and
    top: x, top and bottom (after the last row) of each strip, its owner, and whether it is open: it goes on where the
    owner has no runs. Strips above the first run begin at -1, those below the last end at the height and one, so both
    are open; and so are all strips of a column beside one without runs.

    >>> [array.tolist() for array in empty_strips(*np.array([[1, 3], [1, 1]]), np.zeros(2, np.int32), np.array([5]))]
    [[0, 0, 0], [-1, 2, 4], [1, 3, 6], [0, 0, 0], [True, True, True]]
    """
    if len(length) != len(start):
        raise ValueError(f"{len(start)} starts come with {len(length)} lengths")
    x, top = columns(start, owner, height)
    bottom = top + length
    is_first = np.ones(len(x), bool)
    is_first[1:] = (owner[1:] != owner[:-1]) | (x[1:] != x[:-1])
    last = np.flatnonzero(np.append(is_first[1:], True)[: len(x)])
    rows = np.concatenate([np.arange(len(x)), last])  # the strips above each run, then those below the last ones
    strip_top = np.concatenate([np.where(is_first, -1, np.roll(bottom, 1)), bottom[last]])
    strip_bottom = np.concatenate([top, height[owner[last]] + 1])
    column_owner, column_x = owner[is_first], x[is_first]
    follows = (column_owner[1:] == column_owner[:-1]) & (column_x[1:] == column_x[:-1] + 1)
    is_beside_runs = np.append(False, follows) & np.append(follows, False)
    column = np.cumsum(is_first)[rows] - 1
    is_open = (strip_top < 0) | (strip_bottom > height[owner[rows]])
    is_open |= ~is_beside_runs[column] if len(x) else False
    order = np.lexsort((strip_top, column))
    order = order[(strip_bottom > strip_top)[order]]
    return x[rows][order], strip_top[order], strip_bottom[order], owner[rows][order], is_open[order]


def strip_hashes(start: Int64, length: Int64, owner: Int32, height: Int64, kind: Int64) -> NDArray[np.uint64]:
    """Two hashes (2, n_owners) of each owner's pixels and kind, which are sums over its runs in whatever order.

    Takes runs as `columns` does, the length of each, and a number for each owner. Owners of equal pixels and kind have
    equal hashes, also in images of different heights; those without runs have 0.

    >>> owner, height, kind = np.zeros(2, np.int32), np.array([4]), np.array([7])
    >>> one = strip_hashes(np.array([3, 9]), np.array([1, 2]), owner, height, kind)
    >>> bool((one == strip_hashes(np.array([9, 3]), np.array([2, 1]), owner, height, kind)).all())
    True
    """
    if len(length) != len(start) or len(kind) != len(height):
        raise ValueError(
            f"{len(start)} starts come with {len(length)} lengths, {len(height)} heights with {len(kind)} kinds"
        )
    x, top = (column.astype(np.uint64) for column in columns(start, owner, height))
    hashed = _mix(_mix((x << np.uint64(32)) + top) + length.astype(np.uint64))
    hashes = np.zeros((2, len(height)), np.uint64)
    np.add.at(hashes[0], owner, hashed)
    np.add.at(hashes[1], owner, _mix(hashed))
    return hashes * (_mix(kind.astype(np.uint64)) | np.uint64(1))


def line_hashes(
    start: Int64,
    length: Int64,
    owner: Int32,
    height: Int64,
    first_column: Int64,
    first_row: Int64,
    n_columns: int,
    n_rows: int,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """A hash (n_columns,) of each column and (n_rows,) of each row of images: of which owner has which pixels there.

    Takes runs as `columns` does, the length of each, and for each owner (n_owners,) where the columns and rows of its
    image begin, -1 for none; behind the rows of an image is a free place. Equal lines of an image have equal hashes.
    Raises ValueError if a run lies outside of all lines.

    >>> start, length, owner = np.array([1, 5, 8]), np.array([2, 2, 1]), np.zeros(3, np.int32)
    >>> found = line_hashes(start, length, owner, np.array([4]), np.array([0]), np.array([0]), 3, 5)
    >>> [len(set(line.tolist())) for line in found]  # distinct columns, and rows
    [2, 3]
    """
    if len(length) != len(start) or not len(first_column) == len(first_row) == len(height):
        raise ValueError(
            f"{len(start)} starts come with {len(length)} lengths, {len(height)} heights with {len(first_column)} "
            f"first columns and {len(first_row)} first rows"
        )
    x, top = columns(start, owner, height)
    key = _mix(owner.astype(np.uint64))
    of_column, of_row = np.zeros(n_columns, np.uint64), np.zeros(n_rows, np.uint64)
    upright, level = first_column[owner] >= 0, first_row[owner] >= 0
    place, begin = (first_column[owner] + x)[upright], (first_row[owner] + top)[level]
    end = begin + length[level]
    if (place >= n_columns).any() or (end < begin).any() or (end >= n_rows).any():
        raise ValueError("a run lies outside of its lines")
    strip = (top.astype(np.uint64) << np.uint64(32)) + length.astype(np.uint64)
    np.add.at(of_column, place, _mix(key ^ strip)[upright])
    crossing = _mix(key ^ x.astype(np.uint64))[level]
    np.add.at(of_row, begin, crossing)
    np.subtract.at(of_row, end, crossing)
    return of_column, np.cumsum(of_row)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A hash of each number (splitmix64: Steele et al., 2014, OOPSLA)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def lift(start: Int64, owner: Int32, base: Int64, height: Int64) -> Int64:
    """The start (n,) of each run on the number line.

    Takes runs as `columns` does, and for each owner where its frame begins on the line, and its height.

    >>> lift(np.array([3, 9]), np.array([0, 1], np.int32), np.array([0, 50]), np.array([4, 5])).tolist()
    [3, 60]
    """
    if len(base) != len(height):
        raise ValueError(f"{len(base)} base come with {len(height)} height")
    x, _ = columns(start, owner, height)
    return base[owner] + start + x


def sweep_order(start: Int64, length: Int64, owner: Int32, base: Int64, height: Int64) -> tuple[Int64, Int64, Int32]:
    """The start and end of each run on the number line, and its owner (n,), sorted by the starts; equal ones in order.

    Takes runs as `lift` does, and the length of each.

    >>> start, length, owner = np.array([3, 9, 0]), np.array([1, 1, 2]), np.array([0, 0, 1], np.int32)
    >>> [array.tolist() for array in sweep_order(start, length, owner, np.array([0, 0]), np.array([4, 4]))]
    [[0, 3, 11], [2, 4, 12], [1, 0, 0]]
    """
    if len(length) != len(start):
        raise ValueError(f"{len(start)} starts come with {len(length)} lengths")
    place = lift(start, owner, base, height)
    order = np.argsort(place, kind="stable")
    return place[order], place[order] + length[order], owner[order]


def lower(place: Int64, base: Int64, height: Int64) -> tuple[Int64, Int64, Int64]:
    """Frame, x and y (n,) of places on the number line.

    Takes where each frame begins on the line, ascending, and its height in pixels; a column has one place more.

    >>> [array.tolist() for array in lower(np.array([3, 60]), np.array([0, 50]), np.array([4, 5]))]
    [[0, 1], [0, 1], [3, 4]]
    """
    if len(base) != len(height):
        raise ValueError(f"{len(base)} base come with {len(height)} height")
    frame = np.searchsorted(base, place, side="right") - 1
    if (frame < 0).any():
        raise ValueError(f"place {place[frame < 0][0]} lies before all {len(base)} frames")
    place = place - base[frame]
    room = (height + 1)[frame]
    x = (place / room).astype(np.int64)  # as in `columns`
    return frame, x, place - x * room


def check_owners(owner: Int32, n_owners: int) -> None:
    """Refuse owners that do not exist."""
    strange = owner[(owner < 0) | (owner >= n_owners)]
    if len(strange):
        raise ValueError(f"owner {strange[0]} of {n_owners} owners: 0 to {n_owners - 1} are possible")


def cut(
    a_start: Int64, a_end: Int64, b_start: Int64, b_end: Int64, inside: bool = True, outside: bool = True
) -> tuple[Int64, Int64, Int64, NDArray[np.bool_]]:
    """The pieces of intervals a that lie inside and outside intervals b.

    Takes intervals from `start` up to, not including, `end`: a (n,) in any order, which may overlap; b (m,) sorted,
    which may touch but not overlap; and which pieces are wanted. Returns these in the order of a and then of the line:
    the `row` of a that each is of, `start`, `end`, and whether it is inside b. Pieces also end between two intervals of
    b that touch.

    >>> [array.tolist() for array in cut(np.array([0]), np.array([9]), np.array([2, 5]), np.array([3, 20]))]
    [[0, 0, 0, 0], [0, 2, 3, 5], [2, 3, 5, 9], [False, True, False, True]]
    """
    bound = np.stack([b_start, b_end], axis=1).reshape(-1)
    passed = np.searchsorted(bound, a_start, side="right")
    within, interval = expand(passed, np.searchsorted(bound, a_end))
    count = np.bincount(interval, minlength=len(a_start)) + 1
    row = np.repeat(np.arange(len(a_start)), count)
    last = np.cumsum(count) - 1
    number = np.arange(len(row)) - (last - count + 1)[row]  # of each piece within its interval
    start, end = np.empty(len(row), np.int64), np.empty(len(row), np.int64)
    start[number == 0], end[last] = a_start, a_end
    start[number > 0] = bound[within]
    end[number < (count - 1)[row]] = bound[within]
    is_inside = (passed[row] + number) % 2 == 1
    some = (end > start) & np.where(is_inside, inside, outside)
    return row[some], start[some], end[some], is_inside[some]
