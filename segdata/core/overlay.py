"""Overlay: segments that share pixels, touch, or are identical; set operations on runs."""

from collections.abc import Sequence

import msgspec
import numpy as np

from segdata.core import kernels
from segdata.core.finding import Box
from segdata.core.runs import (
    Flags,
    Floats,
    Ints,
    NumberLine,
    Rows,
    Runs,
    expand_ranges,
    positions_in,
    run_columns,
    take_ranges,
)


def box_ious(a: Floats | Ints, b: Floats | Ints) -> Floats:
    """The IoU of boxes x, y, width, height: (4, ...) each, of shapes that broadcast; 0 for boxes without pixels.

    >>> box_ious(np.array([0, 0, 2, 2]), np.array([[1, 0, 2, 2], [5, 5, 1, 1]]).T).round(2).tolist()
    [0.33, 0.0]
    """
    sides = (np.minimum(a[k] + a[k + 2], b[k] + b[k + 2]) - np.maximum(a[k], b[k]) for k in (0, 1))
    across, down = (np.maximum(side, 0) for side in sides)
    shared = across * down
    return np.asarray(shared / np.maximum(a[2] * a[3] + b[2] * b[3] - shared, 1e-9), np.float64)


class Overlaps(msgspec.Struct, frozen=True):
    """The pairs of segments that share pixels, sorted by (a, b): segment a of one side, segment b of the other.

    ``(i, -1)`` counts the pixels of i that no b covers, ``(-1, j)`` the reverse. Rows with 0 pixels are not listed.
    Several segments may cover a pixel, so areas come from the segments, never from sums over these rows.
    """

    a: Rows  # (n,) int32, rows of segments, or -1
    b: Rows  # (n,) int32, rows of segments, or -1
    pixels: Ints  # (n,) int64


class SweepRuns(msgspec.Struct, frozen=True):
    """Runs in sweep order: sorted by start on the line."""

    start: Ints  # (n,) int64, places on the line
    end: Ints  # (n,) int64, the places after the last ones
    owner: Rows  # (n,) int32, rows of segments

    @staticmethod
    def from_runs(runs: Runs, line: NumberLine, frame: Rows | Ints) -> "SweepRuns":
        """`runs` on the line; `frame` is the frame of each owner."""
        if not len(runs):
            return SweepRuns(runs.start, runs.length, runs.owner)
        frames = np.maximum(frame, 0)  # owners without a frame have no runs
        return SweepRuns(
            *kernels.sweep_order(runs.start, runs.length, runs.owner, line.base[frames], line.height[frames])
        )

    def take(self, rows: Ints | Flags) -> "SweepRuns":
        """Only some runs, by ascending row or by flag (n,)."""
        return SweepRuns(self.start[rows], self.end[rows], self.owner[rows])

    def take_ranges(self, first: Ints, count: Ints) -> "SweepRuns":
        """The runs in ranges of rows (n,), which ascend."""
        start, end = (take_ranges(column, first, count) for column in (self.start, self.end))
        return SweepRuns(start, end, take_ranges(self.owner, first, count))

    def shift(self, by: Ints) -> "SweepRuns":
        """The runs moved along the line by `by` (n,) places; they stay in order if whole frames move."""
        return SweepRuns(self.start + by, self.end + by, self.owner)

    def topmost(self, height: Ints) -> "SweepRuns":
        """The runs cut at every start and end: each piece belongs to the owner of the greatest `height` (n,).

        The last one wins among equally high owners.
        """
        cut = np.unique(np.concatenate([self.start, self.end]))
        first = np.searchsorted(cut, self.start)
        count = np.searchsorted(cut, self.end) - first
        order = np.argsort(height, kind="stable")
        rank = positions_in(order, len(order))
        top = np.full(len(cut), -1, np.int64)
        np.maximum.at(top, expand_ranges(first, count), np.repeat(rank[self.owner], count))
        covered = np.flatnonzero(top >= 0)
        return SweepRuns(cut[covered], cut[covered + 1], order[top[covered]].astype(np.int32))

    def strips_with(self, other: "SweepRuns") -> tuple[Rows, Rows, Ints, Ints]:
        """The strips that runs of both sides share: the owner on either side, start and length, in order."""
        return kernels.strips(self.start, self.end, self.owner, other.start, other.end, other.owner)

    def overlaps_with(self, other: "SweepRuns") -> tuple[Rows, Rows, Ints]:
        """The pairs of owners of both sides, (m,) each, that share pixels, in order, and how many (m,)."""
        return kernels.overlaps(self.start, self.end, self.owner, other.start, other.end, other.owner)


def find_overlaps(a: SweepRuns, b: SweepRuns) -> Overlaps:
    """Every pair of segments that shares pixels, and the pixels that each side has alone."""
    first, second, pixels = a.overlaps_with(b)
    alone_a, alone_b = _pixels_alone(a, b, first, pixels), _pixels_alone(b, a, second, pixels)
    left, right = (np.flatnonzero(alone).astype(np.int32) for alone in (alone_a, alone_b))
    owner_a = np.concatenate([first, left, np.full(len(right), -1, np.int32)])
    owner_b = np.concatenate([second, np.full(len(left), -1, np.int32), right])
    order = np.lexsort((owner_b, owner_a))
    pixels = np.concatenate([pixels, alone_a[left], alone_b[right]])
    return Overlaps(owner_a[order], owner_b[order], pixels[order])


def find_overlaps_within(side: SweepRuns) -> Overlaps:
    """Every unordered pair of different segments of one side that shares pixels, with a < b; no -1 rows."""
    return Overlaps(*kernels.overlaps_within(side.start, side.end, side.owner))


def find_contacts(side: SweepRuns, line: NumberLine) -> Overlaps:
    """Every unordered pair of different segments (a < b) that touch, and the length of their contact in pixel edges.

    Counts pairs of 4-neighbouring pixels, one of a, the other of b. Where segments overlap, pixels inside the
    overlap neighbour each other too; see `find_overlaps_within` for those.
    """
    alike = np.zeros(int(side.owner.max(initial=-1)) + 1, np.int64)
    a, b, rows = kernels.contacts(side.start, side.end, side.owner, line.base, line.height, alike)
    return Overlaps(a, b, rows[4])


def _pixels_alone(side: SweepRuns, by: SweepRuns, owner: Rows, shared: Ints) -> Ints:
    """(n_owners,) the number of pixels of each owner on `side` that no run of `by` covers.

    `shared` (n,) are the pixels that `owner` (n,) has in common with owners of `by`.
    """
    if (by.start[1:] < by.end[:-1]).any():
        return _sum_by_owner(side.owner, _uncovered_pixels(side, by))
    # If no pixel is counted twice, pixels that are not shared are alone.
    area = _sum_by_owner(side.owner, side.end - side.start)
    return area - np.bincount(owner, shared, len(area)).astype(np.int64)


def _sum_by_owner(owner: Rows, length: Ints) -> Ints:
    """(n_owners,) the sum of the lengths of each owner's runs."""
    return np.bincount(owner, length).astype(np.int64)


def _uncovered_pixels(side: SweepRuns, by: SweepRuns) -> Ints:
    """(n,) pixels of each run of `side` that no run of `by` covers."""
    start, length, _ = kernels.cover(by.start, by.end)
    end = start + length
    covered = np.concatenate([[0], np.cumsum(length)])

    def up_to(place: Ints) -> Ints:
        """Pixels of `by`'s union that lie before each place."""
        whole = np.searchsorted(end, place, side="right")
        inside = np.zeros(len(place), np.int64)
        open_ = whole < len(start)
        inside[open_] = np.maximum(place[open_] - start[whole[open_]], 0)
        return covered[whole] + inside

    result: Ints = (side.end - side.start) - (up_to(side.end) - up_to(side.start))
    return result


class FrameUnion(msgspec.Struct, frozen=True):
    """The union of all segments of each frame."""

    runs: Runs  # the claimed pixels as runs; `runs.owner` is the frame
    labelled: Ints  # (n_frames,) int64, pixels that at least one segment claims
    multiple: Ints  # (n_frames,) int64, pixels that at least two segments claim


def union_by_frame(side: SweepRuns, line: NumberLine) -> FrameUnion:
    """The union of the runs of `side` in each frame of `line`."""
    start, length, multiple = kernels.cover(side.start, side.end)
    frame, x, y = line.lower(start)
    n_frames = len(line.base)
    runs = Runs(x * line.height[frame] + y, length, frame.astype(np.int32))
    return FrameUnion(runs, runs.areas(n_frames), kernels.sums(runs.owner, multiple, n_frames))


def complement(runs: Runs, height: Ints, width: Ints) -> Runs:
    """The pixels of each frame that `runs` do not cover: disjoint, owned by frames; sizes (n_frames,) are in pixels.

    Every column is visited, so memory is one entry per column and run.
    """
    n_columns = np.where(height > 0, width, 0)
    first_column = np.concatenate([[0], np.cumsum(n_columns)])
    frame_of = np.repeat(np.arange(len(height), dtype=np.int32), n_columns)
    x, top = run_columns(runs, height)
    n_all = len(frame_of)
    column, strip_top, strip_bottom = _strips_between(
        first_column[runs.owner] + x, top, top + runs.length, np.zeros(n_all, np.int64), height[frame_of]
    )
    some = strip_bottom > strip_top
    column, strip_top, strip_bottom = column[some], strip_top[some], strip_bottom[some]
    frame = frame_of[column]
    start = (column - first_column[frame]) * height[frame] + strip_top
    return Runs(start, strip_bottom - strip_top, frame)


def _strips_between(column: Ints, top: Ints, bottom: Ints, above: Ints, below: Ints) -> tuple[Ints, Ints, Ints]:
    """The strips between runs: above the first, between each two, and below the last run of a column.

    Parameters
    ----------
    column, top, bottom : (n,) of the runs, sorted; columns are numbered from 0 to n_columns - 1
    above, below : (n_columns,) where the first strip of each column begins and the last one ends

    Returns column, top and bottom (n + n_columns,) of the strips, sorted; a strip may be empty.
    """
    n_columns = len(above)
    n_runs = np.bincount(column, minlength=n_columns)
    column_of = np.repeat(np.arange(n_columns), n_runs + 1)
    last = np.cumsum(n_runs + 1) - 1
    before = np.arange(len(column)) + column  # the strip above each run; the one below it is the next
    strip_top, strip_bottom = np.empty(len(column_of), np.int64), np.empty(len(column_of), np.int64)
    strip_top[last - n_runs] = above
    strip_top[before + 1] = bottom
    strip_bottom[before] = top
    strip_bottom[last] = below
    return column_of, strip_top, strip_bottom


_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, without a pattern: 2 ** 64 over the golden ratio


def first_identical(runs: Runs, frame: Rows | Ints, area: Ints) -> Ints:
    """(n_owners,) the first owner in the same frame with exactly the same pixels; the owner itself where it is first.

    `frame` (n_owners,) is the frame of each owner, `area` (n_owners,) its pixels. Empty owners match no other.
    """
    n_owners = len(area)
    first = np.arange(n_owners)
    offset = runs.offsets(n_owners)
    some = np.flatnonzero(np.diff(offset))
    begin, end = offset[some], offset[some + 1]
    # Identical segments agree in these, and so in a hash of them; few others do, and those are compared run by run.
    code = np.zeros(len(some), np.uint64)
    for alike in (frame[some], end - begin, runs.start[begin], runs.start[end - 1], area[some]):
        code = (code ^ alike.astype(np.uint64)) * _MULTIPLIER
    order = np.argsort(code)
    same = code[order[1:]] == code[order[:-1]]
    candidate = np.zeros(len(some), bool)
    candidate[order[1:][same]] = candidate[order[:-1][same]] = True
    seen: dict[tuple[int, bytes, bytes], int] = {}
    for owner in some[candidate].tolist():
        own_runs = slice(offset[owner], offset[owner + 1])
        key = (int(frame[owner]), runs.start[own_runs].tobytes(), runs.length[own_runs].tobytes())
        first[owner] = seen.setdefault(key, owner)
    return first


ImageSize = tuple[int, int]  # height and width in pixels


def union(pieces: Sequence[Runs], size: ImageSize) -> Runs:
    """The pixels that are in any of these sets.

    >>> a, b = (Runs(np.array([at]), np.array([2]), np.zeros(1, np.int32)) for at in (0, 1))
    >>> union([a, b], (4, 1)).length.tolist()
    [3]
    """
    every = Runs.concatenate(list(pieces), [0] * len(pieces))
    start = _lift_columns(every, size)
    order = np.argsort(start, kind="stable")
    start, length = start[order], every.length[order]
    return _lower_columns(*kernels.cover(start, start + length)[:2], size)


def intersection(first: Runs, second: Runs, size: ImageSize) -> Runs:
    """The pixels that are in both sets."""
    a, b = _lift_columns(first, size), _lift_columns(second, size)
    _, _, start, length = kernels.strips(a, a + first.length, first.owner, b, b + second.length, second.owner)
    return _lower_columns(start, length, size)


def difference(first: Runs, second: Runs, size: ImageSize) -> Runs:
    """The pixels of one set that are not in the other."""
    if not len(second):
        return first
    height, width = (np.array([side], np.int64) for side in size)
    return intersection(first, complement(second, height, width), size)


def crop_to_box(runs: Runs, box: Box, size: ImageSize) -> Runs:
    """The pixels that lie in a box."""
    x, y, wide, high = box
    column, top = np.divmod(runs.start, size[0])
    bottom = np.minimum(top + runs.length, y + high)
    top = np.maximum(top, y)
    kept = (column >= x) & (column < x + wide) & (top < bottom)
    return Runs((column * size[0] + top)[kept], (bottom - top)[kept], runs.owner[kept])


def count_pixels(runs: Runs) -> int:
    """The number of pixels of a set."""
    return int(runs.length.sum())


def _lift_columns(runs: Runs, size: ImageSize) -> Ints:
    """The starts of runs after a spare place is added to each column, so that runs of two columns never touch."""
    return runs.start + runs.start // max(size[0], 1)


def _lower_columns(start: Ints, length: Ints, size: ImageSize) -> Runs:
    return Runs(start - start // (size[0] + 1), length, np.zeros(len(start), np.int32))
