"""Measures of single segments: size, parts, holes, perimeter and flat ends."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._reference.groups import extents, sums
from segdata.core.kernels._reference.outlines import parts
from segdata.core.kernels._reference.sweep import bounds, check_owners, columns, expand

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


def measure_segments(
    start: Int64,
    length: Int64,
    owner: Int32,
    height: Int64,
    width: Int64,
    shortest: int,
    least: float,
    near: int,
) -> tuple[Int64, Int64, Int64]:
    """Size, parts, holes, perimeter and flat ends of every segment.

    Takes runs, sorted by (owner, start) and disjoint for each owner; the sizes of each owner's image; and which ends
    are flat: a line between two columns, or two rows, of pixels of the image at which the segment's width changes by
    `shortest` pixels or more, and by at least `least` of what it changes by within `near` pixels.

    Returns for all owners, as rows, (11, n_owners): area, x, y, width and height of the box, parts (4-connected),
    holes, area of the largest part, perimeter in pixel edges, and the sums over all pixels of their columns, and of
    twice their rows; all 0 without runs. For each part of a segment that has several, numbered by their first run,
    (8, n_parts): owner, area, x, y, width, height, perimeter, and the area of the 8-connected region that it belongs
    to. For each flat end (4, n_ends), upright ones of a segment first: owner, 1 if the line is upright, its x or y, and
    by how many pixels the segment is wider behind it.

    >>> one = np.array([1])
    >>> measured, parts, ends = measure_segments(one, 3 * one, np.zeros(1, np.int32), 5 * one, 4 * one, 3, 0.75, 3)
    >>> measured.ravel().tolist(), parts.shape, ends.ravel().tolist()
    ([3, 0, 1, 1, 3, 1, 0, 3, 8, 0, 12], (8, 0), [0, 1, 1, -3])
    """
    n, n_owners = len(start), len(height)
    if not len(length) == len(owner) == n or len(width) != n_owners:
        sizes = f"{len(length)} lengths and {len(owner)} owners"
        raise ValueError(f"{n} starts come with {sizes}, {n_owners} heights with {len(width)} widths")
    check_owners(owner, n_owners)
    unsorted = (owner[1:] == owner[:-1]) & (start[1:] < start[:-1])
    if unsorted.any():
        raise ValueError(f"the runs of owner {owner[int(unsorted.argmax())]} are not sorted")
    x, top = columns(start, owner, height)
    bottom = top + length
    area, *box = extents(owner, x, top, bottom, n_owners)
    part, left, links = parts(x, top, bottom, owner, False)
    n_parts = int(part.max(initial=-1)) + 1
    part_owner = np.zeros(n_parts, np.int64)
    part_owner[part] = owner
    part_area, *part_box = extents(part, x, top, bottom, n_parts)
    perimeter = 2 * (np.bincount(part, minlength=n_parts) + part_area - sums(part, left, n_parts))
    count = np.bincount(part_owner, minlength=n_owners)
    largest = np.zeros(n_owners, np.int64)
    np.maximum.at(largest, part_owner, part_area)
    euler = np.diff(bounds(owner, n_owners)) - sums(owner, links, n_owners)
    measured = [area, *box, count, count - euler, largest, sums(part_owner, perimeter, n_owners)]
    measured += [sums(owner, place * length, n_owners) for place in (x, top + bottom - 1)]
    cluster = parts(x, top, bottom, owner, True)[0]
    cluster_area = sums(cluster, length, int(cluster.max(initial=-1)) + 1)
    of_part = np.zeros(n_parts, np.int64)
    of_part[part] = cluster_area[cluster]
    several = count[part_owner] > 1
    rows = np.stack([part_owner, part_area, *part_box, perimeter, of_part])[:, several]
    flatness = (shortest, least, near)
    pixels = _Strips(box[0], box[2], near)
    across = np.bincount(pixels.place(owner, x), weights=length, minlength=pixels.total).astype(np.int64)
    upright = _flat_ends(pixels, across, width, flatness)
    pixels = _Strips(box[1], box[3], near)
    begins = np.bincount(pixels.place(owner, top), minlength=pixels.total)
    down = np.cumsum(begins - np.bincount(pixels.place(owner, bottom), minlength=pixels.total))
    level = _flat_ends(pixels, down, height, flatness)
    segment, offset, step = (np.concatenate(column) for column in zip(upright, level, strict=True))
    is_upright = np.arange(len(segment)) < len(upright[0])
    order = np.lexsort((offset, ~is_upright, segment))
    return np.stack(measured), rows, np.stack([segment, is_upright, offset, step]).astype(np.int64)[:, order]


class _Strips:
    """A strip of one number for each column (or row) of every segment's box, with room on either side."""

    def __init__(self, first: Int64, count: Int64, near: int) -> None:
        room = count + 2 * near + 3
        self.begin = np.cumsum(room) - room
        self.shift = self.begin - first + near + 1
        self.total = int(room.sum())

    def place(self, owner: Int32, column: Int64) -> Int64:
        """The number of a column of an owner."""
        places: Int64 = self.shift[owner] + column
        return places


def _flat_ends(
    strips: _Strips, pixels: Int64, size: Int64, flatness: tuple[int, float, int]
) -> tuple[Int64, Int64, Int64]:
    """Segment, place and step of the flat ends; `pixels` of every column, `size` (n_segments,) of the frame."""
    shortest, least, near = flatness
    step = np.diff(pixels, prepend=0)
    some = np.flatnonzero(np.abs(step) >= shortest)
    around = pixels[some + near] - pixels[some - near - 1]
    some = some[np.abs(step[some]) >= least * np.abs(around)]
    segment = np.searchsorted(strips.begin, some, side="right") - 1
    coordinate = some - strips.shift[segment]
    inside = (coordinate > 0) & (coordinate < size[segment])
    return segment[inside], coordinate[inside], step[some[inside]]


def even_steps(start: Int64, length: Int64, owner: Int32, height: Int64, width: Int64) -> Int64:
    """Segments whose outline never changes in two neighbouring columns, nor in two rows.

    Takes runs and sizes as `measure_segments` does. Returns (4, n_owners): the narrowest distance between two columns
    at which the runs of an owner change, and at how many they do; and the same of the rows at which runs begin or end.
    Changes at the ends of the image do not count. All 0 unless both distances are 2 or more.

    >>> start, one = np.array([10, 20, 36, 46]), np.array([10])
    >>> even_steps(start, np.full(4, 4), np.zeros(4, np.int32), one, one).ravel().tolist()
    [2, 3, 2, 2]
    """
    if not len(start) == len(length) == len(owner) or len(height) != len(width):
        sizes = f"{len(length)} lengths and {len(owner)} owners"
        raise ValueError(f"{len(start)} starts come with {sizes}, {len(height)} heights with {len(width)} widths")
    if ((owner[1:] < owner[:-1]) | ((owner[1:] == owner[:-1]) & (start[1:] < start[:-1]))).any():
        raise ValueError("runs are not sorted")
    x, top = columns(start, owner, height)
    across = _narrowest_distances(*_column_changes(x, top, length, owner), width)
    down = _narrowest_distances(np.tile(owner, 2), np.concatenate([top, top + length]), height)
    steps = np.stack([*across, *down])
    return np.where((steps[0] > 1) & (steps[2] > 1), steps, 0)


def _column_changes(x: Int64, top: Int64, length: Int64, owner: Int32) -> tuple[Int32, Int64]:
    """The owner and the place of every line between two columns at which the runs of an owner change."""
    key = owner.astype(np.int64) * (int(x.max(initial=0)) + 3) + x
    first = np.flatnonzero(np.diff(key, prepend=-2) != 0)
    count = np.diff(np.append(first, len(key)))
    same = np.zeros(len(first), bool)
    # A column is as the one before where all of its runs are: as many, at the same rows.
    alike = (np.diff(key[first], prepend=-2) == 1) & (count == np.concatenate([[0], count[:-1]]))
    rows, _ = expand(first[alike], first[alike] + count[alike])
    before = rows - np.repeat(count[alike], count[alike])
    equal = (top[rows] == top[before]) & (length[rows] == length[before])
    if len(rows):
        same[alike] = np.logical_and.reduceat(equal, np.cumsum(count[alike]) - count[alike])
    # Behind a column that nothing follows it changes once more.
    ends = np.append(np.diff(key[first]) != 1, True)[: len(first)]
    places = np.concatenate([x[first][~same], x[first][ends] + 1])
    return np.concatenate([owner[first][~same], owner[first][ends]]), places


def _narrowest_distances(owner: Int32, places: Int64, size: Int64) -> tuple[Int64, Int64]:
    """The narrowest distance between the places of each owner that are not at 0 or `size`, and how many there are."""
    inside = (places > 0) & (places < size[owner])
    place = np.unique(owner[inside].astype(np.int64) * (int(size.max(initial=0)) + 1) + places[inside])
    whose, place = np.divmod(place, int(size.max(initial=0)) + 1)
    narrowest = np.full(len(size), np.iinfo(np.int64).max)
    together = whose[1:] == whose[:-1]
    np.minimum.at(narrowest, whose[1:][together], np.diff(place)[together])
    narrowest[narrowest == np.iinfo(np.int64).max] = 0
    return narrowest, np.bincount(whose, minlength=len(size))
