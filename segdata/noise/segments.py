"""Segments of one image, from an annotator or a model, and the labels of a dataset in a model's categories."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.label_maps import LabelMaps
from segdata.core.overlay import Overlaps, SweepRuns, find_overlaps
from segdata.core.runs import Ints, NumberLine, Runs, expand_ranges, run_columns
from segdata.noise.mask_morphology import grow

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
VOID = -1
UNLABELLED = 0


@dataclass(frozen=True, slots=True)
class SegmentSet:
    """The segments of one image.

    Attributes
    ----------
    runs : their pixels; owners count from 0
    category : (n,) rows of a model's categories, from 1; `VOID`: to be left out; no segment is `UNLABELLED`
    score : (n,) confidence, from 0 to 1
    height, width : of the image, in pixels
    """

    runs: Runs
    category: Ints
    score: Floats
    height: int
    width: int

    def __len__(self) -> int:
        return len(self.category)

    @staticmethod
    def of(runs: Runs, category: Ints, height: int, width: int) -> "SegmentSet":
        """Segments with confidence 1."""
        return SegmentSet(runs, np.asarray(category, np.int64), np.ones(len(category)), height, width)

    @property
    def heights(self) -> Ints:
        """(n,) the image's height, for each segment."""
        return np.full(len(self), self.height, np.int64)

    @property
    def widths(self) -> Ints:
        """(n,) the image's width, for each segment."""
        return np.full(len(self), self.width, np.int64)

    @property
    def areas(self) -> Ints:
        """(n,) pixels."""
        return self.runs.areas(len(self))

    @property
    def radius(self) -> Floats:
        """(n,) of the disc of the same area, in pixels; at least 0.5."""
        return np.maximum(np.sqrt(self.areas / np.pi), 0.5)

    def take(self, rows: Ints) -> "SegmentSet":
        """Some of the segments."""
        runs = self.runs.take(rows, len(self))
        return SegmentSet(runs, self.category[rows], self.score[rows], self.height, self.width)

    def side(self) -> SweepRuns:
        """The runs, ready to meet others of the same image."""
        return SweepRuns.of(self.runs, self.line(), np.zeros(len(self), np.int64))

    def line(self) -> NumberLine:
        """The number line of the image alone."""
        return NumberLine.of(np.array([self.height], np.int64), np.array([self.width], np.int64))

    def grown(self, by: Ints | int) -> Runs:
        """The segments with outlines `by` pixels further out, below 0 further in; see `core.strokes.grown`."""
        return grow(self.runs, self.heights, self.widths, np.broadcast_to(np.int64(by), (len(self),)))

    def painted(self, values: NDArray[np.integer], blank: int) -> Ints:
        """(width * height,) with `values[i]` where segment i is, column by column; the last one wins."""
        canvas = np.full(self.width * self.height, blank, np.int64)
        canvas[expand_ranges(self.runs.start, self.runs.length)] = np.repeat(values[self.runs.owner], self.runs.length)
        return canvas

    def categories(self) -> Ints:
        """(width * height,) the category of each pixel, `UNLABELLED` where no segment is, column by column."""
        return self.painted(self.category, UNLABELLED)


@dataclass(frozen=True, slots=True)
class SegmentPixels:
    """The pixels of segments, one by one, in the order of their runs.

    Attributes
    ----------
    at : (p,) the pixel, counted column by column
    of : (p,) the segment
    n : how many segments there are
    """

    at: Ints
    of: Ints
    n: int

    @staticmethod
    def of_runs(runs: Runs, n: int) -> "SegmentPixels":
        """All pixels of `n` segments."""
        return SegmentPixels(
            expand_ranges(runs.start, runs.length), np.repeat(runs.owner, runs.length).astype(np.int64), n
        )

    def sums(self, values: NDArray[np.generic]) -> Floats:
        """(n,) the sum of `values` (p,) over each segment."""
        return np.bincount(self.of, values, self.n).astype(np.float64)

    def means(self, values: NDArray[np.generic]) -> Floats:
        """(n,) the mean of `values` (p,) over each segment; 0 for one without pixels."""
        count = np.bincount(self.of, minlength=self.n)
        return np.asarray(self.sums(values) / np.maximum(count, 1))

    def where(self, chosen: Flags) -> "SegmentPixels":
        """Some of the pixels."""
        return SegmentPixels(self.at[chosen], self.of[chosen], self.n)


def overlaps(a: SegmentSet, b: SegmentSet) -> Overlaps:
    """Every pair of a segment of `a` and one of `b` that share pixels; no rows of -1."""
    if not len(a.runs) or not len(b.runs):
        nothing = np.empty(0, np.int32)
        return Overlaps(nothing, nothing, np.empty(0, np.int64))
    pairs = find_overlaps(a.side(), b.side())
    is_shared = (pairs.a >= 0) & (pairs.b >= 0)
    return Overlaps(pairs.a[is_shared], pairs.b[is_shared], pairs.pixels[is_shared])


def split_into_parts(runs: Runs, height: int, n_owners: int) -> tuple[Runs, Ints]:
    """The 4-connected parts of segments as segments of their own, and the row (n,) of the segment that each is of."""
    x, top = run_columns(runs, np.full(n_owners, height, np.int64))
    label, _, _ = kernels.parts(x, top, top + runs.length, runs.owner, False)
    n = int(label.max(initial=-1)) + 1
    owner = np.zeros(n, np.int64)
    owner[label] = runs.owner
    order = np.argsort(label, kind="stable")
    return Runs(runs.start[order], runs.length[order], label[order].astype(np.int32)), owner


def segments_of_map(values: Ints, height: int, width: int, blank: int = UNLABELLED) -> SegmentSet:
    """The 4-connected parts of equal value of a map (width * height,), `blank` left out; the values are categories."""
    start, length, value = kernels.label_runs(np.ascontiguousarray(values.reshape(width, height).T))
    is_labelled = np.flatnonzero(value != blank)
    distinct, row = np.unique(value[is_labelled], return_inverse=True)
    row = row.reshape(-1).astype(np.int32)
    runs = Runs(start[is_labelled], length[is_labelled], row).sorted_by_owner(len(distinct))
    parts, row_of_part = split_into_parts(runs, height, len(distinct))
    return SegmentSet.of(
        parts, distinct.astype(np.int64)[row_of_part] if len(row_of_part) else np.empty(0, np.int64), height, width
    )


def runs_of_pixels(at: Ints, of: Ints, height: int) -> Runs:
    """The runs of pixels `at` (p,) of owners `of` (p,), in any order and with repetitions."""
    room = int(at.max(initial=0)) + 1
    key = np.sort(of * room + at, kind="stable")  # in pieces that are in order already
    owner, place = np.divmod(key[np.diff(key, prepend=-1) > 0], room)
    return runs_of_ordered_pixels(place, owner, height)


def runs_of_ordered_pixels(at: Ints, of: Ints, height: int) -> Runs:
    """The runs of pixels `at` (p,) of owners `of` (p,), in the order of both and without repetitions."""
    follows = (at[1:] == at[:-1] + 1) & (of[1:] == of[:-1]) & (at[1:] % height != 0)
    first = np.flatnonzero(np.append(np.ones(min(len(at), 1), bool), ~follows))
    return Runs(at[first], np.diff(np.append(first, len(at))), of[first].astype(np.int32))


@dataclass(frozen=True)
class GivenLabels:
    """The labels to judge, in the categories of a model.

    Attributes
    ----------
    maps : the labels
    channel : (n_classes,) the model's category of each class; `VOID`: the model lacks it
    """

    maps: LabelMaps
    channel: Ints = field(repr=False)

    @staticmethod
    def of(maps: LabelMaps, categories: tuple[int, ...]) -> "GivenLabels":
        """For a model that predicts categories with these ids."""
        number_of = {id_: number for number, id_ in enumerate(categories, 1)}
        return GivenLabels(maps, np.array([number_of.get(class_, VOID) for class_ in maps.classes], np.int64))

    @staticmethod
    def agnostic(maps: LabelMaps, countable: frozenset[int]) -> "GivenLabels":
        """For a model that predicts things without categories."""
        return GivenLabels(maps, np.array([1 if id_ in countable else VOID for id_ in maps.classes], np.int64))

    def drawn(self, row: int) -> SegmentSet:
        """The segments of an image; void, crowds, and categories that the model lacks become `VOID`."""
        segments = self.maps.segments(row)
        channel = np.append(self.channel, VOID)[segments.classes]  # class -1 is void
        category = np.where(segments.crowd, VOID, channel)
        return SegmentSet.of(segments.runs, category, int(self.maps.height[row]), int(self.maps.width[row]))

    def unknown(self) -> list[str]:
        """The names of the categories that the model lacks."""
        return [name for name, channel in zip(self.maps.names, self.channel.tolist(), strict=True) if channel == VOID]
