"""Runs: the pixels of segments as vertical strips in COCO's column-major order, and their connected parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.core import kernels

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int32]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Runs:
    """Pixels of many segments, each as vertical strips within one column.

    Pixel (x, y) of an image of the given height is at ``x * height + y``. A run never continues into the next
    column, so its x and its rows follow from its start alone. Sorted by (owner, start), disjoint per owner, and
    two runs of one owner in one column never touch (they would be one run).

    Attributes
    ----------
    start : (n,) int64, the pixel that the run begins with, counted in its own image
    length : (n,) int64, pixels, > 0
    owner : (n,) int32, the row of the segment that the run belongs to
    """

    start: Ints
    length: Ints
    owner: Rows

    def __len__(self) -> int:
        return len(self.start)

    @staticmethod
    def empty() -> "Runs":
        """Runs without pixels."""
        return Runs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))

    def checked(self, height: Ints, width: Ints) -> "Runs":
        """Check every invariant of the class, and return the runs; `height` and `width` are per owner, in pixels.

        Raises ValueError with the first violation. Call this for runs that come from outside.
        """
        if not len(self.start) == len(self.length) == len(self.owner):
            raise ValueError(f"{len(self.start)} starts, {len(self.length)} lengths, {len(self.owner)} owners")
        if len(self) == 0:
            return self
        high, wide = height[self.owner], width[self.owner]
        for broken, promise in (
            (self.length <= 0, "a length is not positive"),
            (self.start < 0, "a start is negative"),
            (self.start + self.length > high * wide, "a run leaves its image"),
            (self.start % np.maximum(high, 1) + self.length > high, "a run leaves its column"),
        ):
            if broken.any():
                raise ValueError(f"{promise} (run {int(broken.argmax())})")
        same = self.owner[1:] == self.owner[:-1]
        unsorted = (self.owner[1:] < self.owner[:-1]) | (same & (self.start[1:] < self.start[:-1] + self.length[:-1]))
        if unsorted.any():
            raise ValueError(f"runs overlap or are not sorted by (owner, start) (run {int(unsorted.argmax()) + 1})")
        return self

    def offsets(self, n_owners: int) -> Ints:
        """(n_owners + 1,): the runs of owner i are ``offsets[i]:offsets[i + 1]``."""
        return kernels.bounds(self.owner, n_owners)

    def areas(self, n_owners: int) -> Ints:
        """(n_owners,) pixels of each owner; 0 for an owner without runs."""
        return kernels.sums(self.owner, self.length, n_owners)

    def take(self, owners: Rows | Ints, n_owners: int) -> "Runs":
        """The runs of some owners, renumbered 0, 1, … in the order given; `n_owners` counts all owners here."""
        if 2 * len(owners) < n_owners:  # to look for few costs little, however many there are
            few = owners.astype(np.int32)
            first, stop = (np.searchsorted(self.owner, few, side).astype(np.int64) for side in ("left", "right"))
        else:
            offset = self.offsets(n_owners)
            first, stop = offset[owners], offset[1:][owners]
        count = stop - first
        owner = np.repeat(np.arange(len(owners), dtype=np.int32), count)
        return Runs(take_ranges(self.start, first, count), take_ranges(self.length, first, count), owner)

    @staticmethod
    def concatenate(pieces: list["Runs"], n_owners: list[int]) -> "Runs":
        """Join several runs in order; the owners of piece k follow those of piece k - 1 (`n_owners` each)."""
        if not pieces:
            return Runs.empty()
        shift = np.concatenate([[0], np.cumsum(n_owners)[:-1]]).astype(np.int32)
        return Runs(
            np.concatenate([piece.start for piece in pieces]),
            np.concatenate([piece.length for piece in pieces]),
            np.concatenate([piece.owner + by for piece, by in zip(pieces, shift, strict=True)]),
        )

    def sorted_by_owner(self, n_owners: int) -> "Runs":
        """Sort runs that are in the order of their starts by (owner, start)."""
        order = kernels.order_by(self.owner, n_owners)
        return Runs(self.start[order], self.length[order], self.owner[order])


def group_offsets(count: Ints) -> Ints:
    """(n + 1,) the start of each of n groups of these sizes, and the end of the last one."""
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64)


def positions_in(rows: Ints | Sequence[int], n: int) -> Ints:
    """(n,) the position in `rows` (m,) of each number from 0 to n - 1; -1 for those that are not in it.

    >>> positions_in([2, 0], 3).tolist()
    [1, -1, 0]
    """
    positions = np.full(n, -1, np.int64)
    positions[rows] = np.arange(len(rows))
    return positions


def expand_ranges(first: Ints, count: Ints) -> Ints:
    """The rows ``first[i], first[i] + 1, … (count[i] of them)`` of every i, one after the other."""
    return kernels.expand_ranges(*(np.ascontiguousarray(column, np.int64) for column in (first, count)))


def take_ranges(values: NDArray[Number], first: Ints, count: Ints) -> NDArray[Number]:
    """``values[expand_ranges(first, count)]``, without the rows in between."""
    return kernels.take_ranges(values, *(np.ascontiguousarray(column, np.int64) for column in (first, count)))


def fill_ranges(target: NDArray[Number], first: Ints, count: Ints, values: ArrayLike) -> None:
    """``target[expand_ranges(first, count)] = np.repeat(values, count)``, without the rows in between.

    `values` is one for all ranges or (n,), and is cast to the type of `target`, which is contiguous.
    """
    filling = np.broadcast_to(np.asarray(values).astype(target.dtype), len(first))
    kernels.fill_ranges(target, np.ascontiguousarray(first, np.int64), np.ascontiguousarray(count, np.int64), filling)


def bounding_boxes(runs: Runs, height: Ints, n_owners: int) -> tuple[Ints, Ints, Ints, Ints]:
    """X, y, width and height (n_owners,) in pixels of each owner's bounding box; all 0 without runs.

    `height` (n_owners,) is that of the owner's image.
    """
    x, top = run_columns(runs, height)
    _, *box = kernels.extents(runs.owner, x, top, top + runs.length, n_owners)
    return box[0], box[1], box[2], box[3]


def run_columns(runs: Runs, height: Ints) -> tuple[Ints, Ints]:
    """X and the first row (n,) of each run; `height` (n_owners,) is that of the owner's image, in pixels."""
    return kernels.columns(runs.start, runs.owner, height)


class NumberLine(msgspec.Struct, frozen=True):
    """The layout of frames on the number line; a frame is an image, or an annotation's copy of it.

    Pixel (x, y) of frame i is at ``base[i] + x * (height[i] + 1) + y``: one spare place follows each column, and one
    spare column each frame. So runs of different columns or frames never touch, and a run that is moved by one row
    or one column stays clear of what it does not neighbour in the picture.
    """

    base: Ints  # (n,) int64
    height: Ints  # (n,) int64, pixels
    width: Ints  # (n,) int64, pixels

    @staticmethod
    def from_sizes(height: Ints, width: Ints) -> "NumberLine":
        """Lay frames of these sizes (n,), in pixels, one after the other."""
        room = (height + 1) * (width + 1)
        return NumberLine(np.concatenate([[0], np.cumsum(room)[:-1]]).astype(np.int64)[: len(room)], height, width)

    def lift(self, runs: Runs, frame: Rows | Ints) -> Ints:
        """(n,) where each run starts on the line; `frame` is the frame of each owner that has runs."""
        if not len(runs):
            return runs.start
        frames = np.maximum(frame, 0)  # owners without a frame have no runs
        return kernels.lift(runs.start, runs.owner, self.base[frames], self.height[frames])

    def place(self, frame: Rows | Ints, x: Ints, y: Ints) -> Ints:
        """(n,) where pixels lie on the line; y may be the height, where the column ends."""
        return self.base[frame] + x * (self.height[frame] + 1) + y

    def frame_of(self, place: Ints) -> Ints:
        """(n,) the frame that each place lies in."""
        return self.lower(place)[0]

    def lower(self, place: Ints) -> tuple[Ints, Ints, Ints]:
        """Frame, x and y (n,) of places on the line."""
        return kernels.lower(np.ascontiguousarray(place), self.base, self.height)


def number_groups(keys: Ints) -> tuple[Ints, Ints]:
    """Group equal entries or rows of `keys`; groups are numbered in the order of their first occurrence.

    Returns (m,) the first row of each group, ascending, and (n,) the group of each row.

    >>> [array.tolist() for array in number_groups(np.array([7, 5, 7]))]
    [[0, 1], [0, 1, 0]]
    """
    _, first, inverse = np.unique(keys, axis=0 if keys.ndim > 1 else None, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order].astype(np.int64), positions_in(order, len(order))[inverse]


_DENSE_FACTOR = 128  # table cells (bits) per number, up to which a lookup table is faster than sorting


def unique_inverse(numbers: Ints) -> tuple[Ints, Ints]:
    """The distinct numbers (k,) in ascending order, and the position of each of `numbers` (n,) among these.

    As ``np.unique(numbers, return_inverse=True)``, but without sorting if the numbers lie close together.

    >>> [array.tolist() for array in unique_inverse(np.array([7, 5, 7]))]
    [[5, 7], [1, 0, 1]]
    """
    first, place = first_rows(numbers)
    return numbers[first], place


def first_rows(numbers: Ints) -> tuple[Ints, Ints]:
    """The first row (k,) of each distinct number, in ascending order, and the position of each (n,) among these.

    >>> [array.tolist() for array in first_rows(np.array([7, 5, 7]))]
    [[1, 0], [1, 0, 1]]
    """
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    if high - low < _DENSE_FACTOR * len(numbers) + 1024:
        return kernels.first_rows(numbers.astype(np.int64, copy=False), low, high)
    values, place = np.unique(numbers, return_inverse=True)
    first = np.empty(len(values), np.int64)
    first[place[::-1]] = np.arange(len(numbers) - 1, -1, -1)  # of several rows the last that is written stays
    return first, place


class Components(msgspec.Struct, frozen=True):
    """Connected regions, each of one owner, numbered by their first run."""

    owner: Rows  # (n,) int32, whose region it is
    area: Ints  # (n,) int64, pixels
    x: Ints  # (n,) int64, pixels, as the others
    y: Ints
    width: Ints
    height: Ints
    perimeter: Ints  # (n,) int64, pixel edges between the region and everything else, the frame's edge included


class SegmentShapes(msgspec.Struct, frozen=True):
    """Parts, holes and perimeter of every segment, from one pass over neighbouring columns."""

    parts: Components  # the 4-connected components of all segments
    perimeter: Ints  # (n_owners,) int64, pixel edges between the segment and everything else, the frame's edge included
    n_parts: Ints  # (n_owners,) int64
    n_holes: Ints  # (n_owners,) int64


def segment_shapes(runs: Runs, height: Ints, n_owners: int) -> SegmentShapes:
    """Parts (4-connected), perimeter and number of holes of every owner; `height` (n_owners,) is its image's height.

    Perimeter in pixel edges: two per run, and two per pixel less those shared with a horizontal neighbour. The Euler
    number, parts less holes, is the number of runs less that of their contacts (`kernels.parts`).
    """
    x, top = run_columns(runs, height)
    bottom = top + runs.length
    label, left, links = kernels.parts(x, top, bottom, runs.owner, False)
    parts = _components(runs.owner, label, x, top, bottom, left)
    n_parts = np.bincount(parts.owner, minlength=n_owners)
    euler = np.diff(runs.offsets(n_owners)) - kernels.sums(runs.owner, links, n_owners)
    return SegmentShapes(parts, kernels.sums(parts.owner, parts.perimeter, n_owners), n_parts, n_parts - euler)


def find_holes(runs: Runs, height: Ints, among: NDArray[np.bool_]) -> Components:
    """The holes of every owner: 8-connected components of its complement that do not reach the frame.

    8-connected, as the dual of 4-connected parts: so parts less holes is the Euler number
    (Gray, 1971, IEEE Transactions on Computers C-20(5), 551-561; `skimage.measure.euler_number(connectivity=1)`).
    Only owners in `among` (n_owners,) are searched; `SegmentShapes.n_holes` counts the holes of each. `height`
    (n_owners,) is that of the owner's image. The components' `owner` is the segment.
    """
    strips = hole_strips(runs, height, among)
    return _components(strips.owner, strips.hole, strips.x, strips.top, strips.bottom, strips.left)


def label_parts(runs: Runs, height: Ints, corners: bool = False) -> tuple[Ints, Ints]:
    """(n_runs,) the part of each run, connected by edges or with `corners` also by corners, and (n_parts,) its owner.

    Parts are numbered by their first run. `height` (n_owners,) is that of the owner's image.
    """
    x, top = run_columns(runs, height)
    part = kernels.parts(x, top, top + runs.length, runs.owner, corners)[0]
    owner = np.zeros(int(part.max(initial=-1)) + 1, np.int64)
    owner[part] = runs.owner
    return part, owner


class HoleStrips(msgspec.Struct, frozen=True):
    """The pixels of holes, as strips in columns, sorted by (owner, x, top)."""

    x: Ints  # (n,) int64, the column
    top: Ints  # (n,) int64, the first row
    bottom: Ints  # (n,) int64, the row after the last
    owner: Rows  # (n,) int32, the segment
    hole: Ints  # (n,) int64, numbered from 0 in the order of first strips
    left: Ints  # (n,) int64, pixels that have the hole to the left, too


def hole_strips(runs: Runs, height: Ints, among: NDArray[np.bool_]) -> HoleStrips:
    """The pixels of holes; parameters as for `find_holes`."""
    searched = np.flatnonzero(among)
    runs = runs.take(searched, len(among))
    x, top, bottom, owner, is_open = kernels.empty_strips(runs.start, runs.length, runs.owner, height[searched])
    label, left, _ = kernels.parts(x, top, bottom, owner, True)
    outside = np.zeros(int(label.max(initial=-1)) + 1, bool)
    outside[label[is_open]] = True
    inside = np.flatnonzero(~outside[label])
    _, hole = unique_inverse(label[inside])
    whose = searched.astype(np.int32)[owner[inside]]
    return HoleStrips(x[inside], top[inside], bottom[inside], whose, hole, left[inside])


def _components(owner: Rows, label: Ints, x: Ints, top: Ints, bottom: Ints, left: Ints) -> Components:
    """Components from the `label` (n_runs,) of each run; labels count from 0 in the order of first runs."""
    n_regions = int(label.max(initial=-1)) + 1
    region_owner = np.empty(n_regions, np.int32)
    region_owner[label] = owner
    area, *box = kernels.extents(label, x, top, bottom, n_regions)
    perimeter = 2 * (np.bincount(label, minlength=n_regions) + area - kernels.sums(label, left, n_regions))
    return Components(region_owner, area, box[0], box[1], box[2], box[3], perimeter)


def mask_to_runs(mask: Flags) -> Runs:
    """The pixels of a mask (height, width) as runs of owner 0.

    >>> runs = mask_to_runs(np.array([[True, False], [True, True]]))
    >>> runs.start.tolist(), runs.length.tolist()
    ([0, 3], [2, 1])
    """
    start, length, value = kernels.label_runs(mask.view(np.uint8))
    inside = value > 0
    return Runs(start[inside], length[inside], np.zeros(int(inside.sum()), np.int32))


def runs_to_mask(runs: Runs, height: int, width: int) -> Flags:
    """Runs of one image as a mask (height, width)."""
    pixels = np.zeros(height * width, bool)
    fill_ranges(pixels, runs.start, runs.length, True)
    return pixels.reshape(width, height).T
