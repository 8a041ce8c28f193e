"""Segments of one image, from an annotator or a model: their pixels, and operations that grow, move and split them.

`GivenLabels` are the labels of a dataset in a model's categories.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.label_maps import LabelMaps
from segdata.core.overlay import Overlaps, SweepRuns, complement, find_overlaps
from segdata.core.runs import (
    Flags,
    Floats,
    Ints,
    NumberLine,
    Runs,
    expand_ranges,
    fill_ranges,
    group_offsets,
    run_columns,
)


def grow(runs: Runs, height: Ints, width: Ints, by: Ints) -> Runs:
    """Grow segments by about `by` (n,) pixels; below 0 shrink them.

    A pixel is added at a distance, from centre to centre, of at most the square root of by^2 + by / 2: `by` itself
    would move oblique outlines by less. `height`, `width` (n,) are those of each segment's image, at whose border
    segments do not shrink.
    """
    larger = _dilate(runs, height, width, np.maximum(by, 0))
    shrunken = np.flatnonzero(by < 0)
    if not len(shrunken):
        return larger
    n = len(height)
    high, wide = height[shrunken], width[shrunken]
    background = complement(runs.take(shrunken, n), high, wide)
    smaller = complement(_dilate(background, high, wide, -by[shrunken]), high, wide)
    is_grown = by[larger.owner] >= 0
    start = np.append(larger.start[is_grown], smaller.start)
    length = np.append(larger.length[is_grown], smaller.length)
    owner = np.append(larger.owner[is_grown], shrunken[smaller.owner].astype(np.int32))
    return Runs(start, length, owner).sorted_by_owner(n)


def _dilate(runs: Runs, height: Ints, width: Ints, radius: Ints) -> Runs:
    x, top = run_columns(runs, height)
    owner, bottom = runs.owner.astype(np.int64), top + runs.length
    pieces = []
    for right in range(-int(radius.max(initial=0)), int(radius.max(initial=0)) + 1):
        row = np.flatnonzero(radius[owner] >= abs(right))
        row_radius = radius[owner[row]]
        reach = np.floor(np.sqrt(row_radius**2 + row_radius / 2 - right**2) + 1e-9).astype(np.int64)
        pieces.append((owner[row], x[row] + right, top[row] - reach, bottom[row] + reach))
    owner, x, top, bottom = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return union_strips(owner, x, top, bottom, height, width)


def translate(runs: Runs, height: Ints, width: Ints, right: Ints, down: Ints) -> Runs:
    """Move segments by `right` and `down` (n,) pixels; pixels that leave the image are lost."""
    x, top = run_columns(runs, height)
    owner = runs.owner.astype(np.int64)
    top = top + down[owner]
    return union_strips(owner, x + right[owner], top, top + runs.length, height, width)


def perturb_outlines(runs: Runs, height: Ints, width: Ints, size: Floats, rng: np.random.Generator) -> Runs:
    """Perturb segments: their runs begin and end some pixels earlier or later, by two waves along the columns.

    `size` (n,) is the standard deviation in pixels; waves have six to sixty columns, so that neighbours move together.
    """
    n, waves = len(height), 3
    x, top = run_columns(runs, height)
    owner = runs.owner.astype(np.int64)
    length, phase = rng.uniform(6, 60, (n, 2, waves)), rng.uniform(0, 2 * np.pi, (n, 2, waves))
    wave = np.sin(2 * np.pi * x[:, None, None] / length[owner] + phase[owner]).sum(axis=2) * np.sqrt(2 / waves)
    by = np.round(wave * size[owner][:, None]).astype(np.int64)
    return union_strips(owner, x, top + by[:, 0], top + runs.length + by[:, 1], height, width)


def union_strips(owner: Ints, x: Ints, top: Ints, bottom: Ints, height: Ints, width: Ints) -> Runs:
    """The union of strips (m,) of segments, in any order and overlapping, as runs, clipped to the images."""
    top, bottom = np.maximum(top, 0), np.minimum(bottom, height[owner])
    inside = np.flatnonzero((bottom > top) & (x >= 0) & (x < width[owner]))
    owner, x, top, bottom = owner[inside], x[inside], top[inside], bottom[inside]
    line = NumberLine.from_sizes(height, width)
    begin = line.base[owner] + x * (height[owner] + 1) + top
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], (begin + bottom - top)[order]
    start, length = _union(begin, end)
    frame, column, row = line.lower(start)
    return Runs(column * height[frame] + row, length, frame.astype(np.int32))


def _union(start: Ints, end: Ints) -> tuple[Ints, Ints]:
    if not len(start):
        return start, end
    furthest = np.maximum.accumulate(end)
    first = np.flatnonzero(np.append(True, start[1:] > furthest[:-1]))
    last = np.append(first[1:], len(start)) - 1
    return start[first], furthest[last] - start[first]


def keep_topmost(runs: Runs, frame: Ints, height: Ints, width: Ints, rank: Ints) -> Runs:
    """Remove pixels that a segment of greater `rank` (n,) in the same frame also claims.

    `frame` (n,) counts from 0; `height`, `width` (n,) are those of the segment's frame.
    """
    first = np.unique(frame, return_index=True)[1]
    line = NumberLine.from_sizes(height[first], width[first])
    pieces = SweepRuns.from_runs(runs, line, frame).topmost(rank)
    _, x, y = line.lower(pieces.start)
    return union_strips(pieces.owner.astype(np.int64), x, y, y + pieces.end - pieces.start, height, width)


VOID = -1
UNLABELLED = 0
ADJACENT = (np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])  # each pixel, and the one beside it, on both axes


def paint_order(areas: Ints, void: Flags) -> Ints:
    """(n,) rows of segments, the lowest first: of two that overlap the smaller one lies on top, and void on all.

    A window lies on its house, whatever the order in a file.

    >>> paint_order(np.array([4, 90, 90, 7]), np.array([True, False, False, False])).tolist()
    [1, 2, 3, 0]
    """
    return np.lexsort((-areas, void))


@dataclass(frozen=True)
class SegmentSet:
    """The segments of one image."""

    runs: Runs  # their pixels; owners count from 0
    category: Ints  # (n,) rows of a model's categories, from 1; `VOID`: to be left out; no segment is `UNLABELLED`
    score: Floats  # (n,) confidence, from 0 to 1
    height: int  # of the image, in pixels
    width: int

    def __len__(self) -> int:
        return len(self.category)

    @staticmethod
    def from_runs(runs: Runs, category: Ints, height: int, width: int) -> "SegmentSet":
        """Segments of the categories (n,), with confidence 1."""
        return SegmentSet(runs, np.asarray(category, np.int64), np.ones(len(category)), height, width)

    @property
    def heights(self) -> Ints:
        """(n,) the image's height, for each segment."""
        return np.full(len(self), self.height, np.int64)

    @property
    def widths(self) -> Ints:
        """(n,) the image's width, for each segment."""
        return np.full(len(self), self.width, np.int64)

    @cached_property
    def areas(self) -> Ints:
        """(n,) the number of pixels of each segment."""
        return self.runs.areas(len(self))

    @property
    def radius(self) -> Floats:
        """(n,) the radius of the disc of the same area, in pixels; at least 0.5."""
        return np.maximum(np.sqrt(self.areas / np.pi), 0.5)

    def take(self, rows: Ints) -> "SegmentSet":
        """Some of the segments."""
        runs = self.runs.take(rows, len(self))
        return SegmentSet(runs, self.category[rows], self.score[rows], self.height, self.width)

    def row(self, number: int) -> "SegmentSet":
        """One of the segments."""
        return self.take(np.array([number]))

    def same_image(self, runs: Runs, n: int) -> "SegmentSet":
        """Other runs of this image as `n` segments of category 1."""
        return SegmentSet.from_runs(runs, np.ones(n, np.int64), self.height, self.width)

    def pixels(self) -> "SegmentPixels":
        """The pixels of all segments."""
        return SegmentPixels.of_runs(self.runs, len(self))

    def pixels_of(self, number: int) -> Ints:
        """(p,) the pixels of one segment, in order."""
        return self.row(number).pixels().index

    def mask(self) -> Flags:
        """(width, height) the pixels of any segment."""
        mask = np.zeros(self.width * self.height, bool)
        fill_ranges(mask, self.runs.start, self.runs.length, True)
        return mask.reshape(self.width, self.height)

    def join(self, other: "SegmentSet") -> "SegmentSet":
        """Join these segments and others of the same image."""
        runs = Runs.concatenate([self.runs, other.runs], [len(self), len(other)])
        category, score = np.append(self.category, other.category), np.append(self.score, other.score)
        return SegmentSet(runs, category, score, self.height, self.width)

    def side(self) -> SweepRuns:
        """The runs in sweep order, to overlay with others of the same image."""
        return SweepRuns.from_runs(self.runs, self.line(), np.zeros(len(self), np.int64))

    def line(self) -> NumberLine:
        """The number line of the image."""
        return NumberLine.from_sizes(np.array([self.height], np.int64), np.array([self.width], np.int64))

    def grown(self, by: Ints | int) -> Runs:
        """The segments with outlines `by` pixels further out, below 0 further in; see `grow`."""
        return grow(self.runs, self.heights, self.widths, np.broadcast_to(np.int64(by), (len(self),)))

    def paint(self, values: NDArray[np.integer], blank: int) -> Ints:
        """(width * height,) with `values[i]` where segment i is, column by column; the last one wins."""
        canvas = np.full(self.width * self.height, blank, np.int64)
        fill_ranges(canvas, self.runs.start, self.runs.length, values[self.runs.owner])
        return canvas

    def categories(self) -> Ints:
        """(width * height,) the category of each pixel, `UNLABELLED` where no segment is; see `paint_order`.

        Not to be written to: it is painted once for all who ask.
        """
        return self._painted

    @cached_property
    def _painted(self) -> Ints:
        order = paint_order(self.areas, self.category == VOID)
        painted = self.take(order).paint(self.category[order], UNLABELLED)
        painted.flags.writeable = False
        return painted


@dataclass(frozen=True)
class SegmentPixels:
    """The single pixels of segments, in the order of their runs."""

    index: Ints  # (p,) in the image, counted column by column
    owner: Ints  # (p,) the segment
    n: int

    @staticmethod
    def of_runs(runs: Runs, n: int) -> "SegmentPixels":
        """All pixels of `n` segments."""
        return SegmentPixels(
            expand_ranges(runs.start, runs.length), np.repeat(runs.owner, runs.length).astype(np.int64), n
        )

    @cached_property
    def areas(self) -> Ints:
        """(n,) the pixels of each segment."""
        return np.diff(self._first) if self._is_sorted else np.bincount(self.owner, minlength=self.n)

    @cached_property
    def _first(self) -> Ints:
        """(n + 1,) where the pixels of each segment begin, and the end, where they are sorted."""
        return np.searchsorted(self.owner, np.arange(self.n + 1))

    @cached_property
    def _is_sorted(self) -> bool:
        """Whether the pixels of a segment follow each other, as they do where runs are sorted by their owners."""
        return bool((self.owner[1:] >= self.owner[:-1]).all())

    def sums(self, values: NDArray[np.generic]) -> Floats:
        """(n,) the sum of `values` (p,) over each segment."""
        if not self._is_sorted:
            return np.bincount(self.owner, values, self.n).astype(np.float64)
        has, sums = self.areas > 0, np.zeros(self.n)
        if has.any():  # ten times as fast, and other threads go on meanwhile
            sums[has] = np.add.reduceat(values, self._first[:-1][has], dtype=np.float64)
        return sums

    def maxima(self, values: Floats) -> Floats:
        """(n,) the greatest of `values` (p,) of each segment; 0 for one without pixels."""
        has, greatest = self.areas > 0, np.zeros(self.n)
        if has.any():
            order = slice(None) if self._is_sorted else np.argsort(self.owner, kind="stable")
            greatest[has] = np.maximum.reduceat(values[order], group_offsets(self.areas[has])[:-1])
        return greatest

    def means(self, values: NDArray[np.generic]) -> Floats:
        """(n,) the mean of `values` (p,) over each segment; 0 for one without pixels."""
        return np.asarray(self.sums(values) / np.maximum(self.areas, 1))

    def select(self, chosen: Flags) -> "SegmentPixels":
        """Some of the pixels."""
        return SegmentPixels(self.index[chosen], self.owner[chosen], self.n)


def overlaps(a: SegmentSet, b: SegmentSet) -> Overlaps:
    """The pairs of a segment of `a` and one of `b` that share pixels, without rows of -1."""
    if not len(a.runs) or not len(b.runs):
        nothing = np.empty(0, np.int32)
        return Overlaps(nothing, nothing, np.empty(0, np.int64))
    pairs = find_overlaps(a.side(), b.side())
    is_shared = (pairs.a >= 0) & (pairs.b >= 0)
    return Overlaps(pairs.a[is_shared], pairs.b[is_shared], pairs.pixels[is_shared])


def outline_pixels(values: NDArray[np.integer]) -> Flags:
    """(width, height) whether a pixel borders on one of another value; the image's frame is no outline."""
    outline = np.zeros(values.shape, bool)
    for before, after in ADJACENT:
        differs = values[before] != values[after]
        outline[before] |= differs
        outline[after] |= differs
    return outline


def distances_to(mask: Flags) -> NDArray[np.floating]:
    """The distance of each pixel to the nearest one of a mask, in pixels; the image's diagonal if the mask is empty."""
    if not mask.any():
        return np.full(mask.shape, np.hypot(*mask.shape))
    try:
        import cv2
    except ModuleNotFoundError:  # without the extra: the same but for last digits, and six times slower
        from scipy.ndimage import distance_transform_edt

        return np.asarray(distance_transform_edt(~mask), np.float32)
    away = np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
    # OpenCV's last digit depends on where an array lies in memory. Squares of distances are whole numbers.
    return np.asarray(np.sqrt(np.rint(away * away)))


def split_into_parts(runs: Runs, height: int, n_owners: int) -> tuple[Runs, Ints]:
    """Split segments into their 4-connected parts; also returns the row (n,) of each part's segment."""
    x, top = run_columns(runs, np.full(n_owners, height, np.int64))
    label, _, _ = kernels.parts(x, top, top + runs.length, runs.owner, False)
    n = int(label.max(initial=-1)) + 1
    owner = np.zeros(n, np.int64)
    owner[label] = runs.owner
    order = np.argsort(label, kind="stable")
    return Runs(runs.start[order], runs.length[order], label[order].astype(np.int32)), owner


def segments_of_map(values: Ints, height: int, width: int, blank: int = UNLABELLED) -> SegmentSet:
    """The 4-connected parts of equal value of a map (width * height,), `blank` left out; the values are categories."""
    runs, distinct = runs_of_map(values, height, width, blank)
    parts, row_of_part = split_into_parts(runs, height, len(distinct))
    return SegmentSet.from_runs(parts, distinct[row_of_part], height, width)


def runs_of_map(values: Ints, height: int, width: int, blank: int = UNLABELLED) -> tuple[Runs, Ints]:
    """The pixels of equal value of a map (width * height,), `blank` left out, and the value (n,) of each owner."""
    changes = np.ones(height * width, bool)
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    changes[::height] = True  # no run goes on into the next column
    start = np.flatnonzero(changes)
    length, value = np.diff(start, append=height * width), values[start]
    labelled = np.flatnonzero(value != blank)
    distinct, row = np.unique(value[labelled], return_inverse=True)
    runs = Runs(start[labelled], length[labelled], row.astype(np.int32)).sorted_by_owner(len(distinct))
    return runs, distinct.astype(np.int64)


def runs_of_pixels(index: Ints, owner: Ints | int, height: int) -> Runs:
    """The runs of pixels (p,) of one owner, or of an owner each (p,), in any order and with repetitions."""
    room = int(index.max(initial=0)) + 1
    key = np.sort(owner * room + index, kind="stable")  # in pieces that are in order already
    owner, place = np.divmod(key[np.diff(key, prepend=-1) > 0], room)
    return runs_of_ordered_pixels(place, owner, height)


def runs_of_ordered_pixels(index: Ints, owner: Ints, height: int) -> Runs:
    """The runs of pixels (p,) of an owner each (p,), in the order of both and without repetitions."""
    follows = (index[1:] == index[:-1] + 1) & (owner[1:] == owner[:-1]) & (index[1:] % height != 0)
    first = np.flatnonzero(np.append(np.ones(min(len(index), 1), bool), ~follows))
    return Runs(index[first], np.diff(np.append(first, len(index))), owner[first].astype(np.int32))


@dataclass(frozen=True)
class GivenLabels:
    """The labels to judge, in the categories of a model."""

    maps: LabelMaps
    channel: Ints = field(repr=False)  # (n_classes,) the model's category of each class; `VOID`: the model lacks it

    @staticmethod
    def from_maps(maps: LabelMaps, categories: tuple[int, ...]) -> "GivenLabels":
        """Build for a model that predicts categories with these ids."""
        number_of = {id_: number for number, id_ in enumerate(categories, 1)}
        return GivenLabels(maps, np.array([number_of.get(class_, VOID) for class_ in maps.classes], np.int64))

    @staticmethod
    def agnostic(maps: LabelMaps, countable: frozenset[int]) -> "GivenLabels":
        """Build for a model that predicts things without categories."""
        return GivenLabels(maps, np.array([1 if id_ in countable else VOID for id_ in maps.classes], np.int64))

    def image_segments(self, row: int) -> SegmentSet:
        """The segments of an image; void, crowds, and categories that the model lacks become `VOID`."""
        segments = self.maps.segments(row)
        channel = np.append(self.channel, VOID)[segments.classes]  # class -1 is void
        category = np.where(segments.crowd, VOID, channel)
        return SegmentSet.from_runs(segments.runs, category, int(self.maps.height[row]), int(self.maps.width[row]))

    def unknown(self) -> list[str]:
        """The names of the categories that the model lacks."""
        return [name for name, channel in zip(self.maps.names, self.channel.tolist(), strict=True) if channel == VOID]
