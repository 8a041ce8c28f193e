"""Boundary frames: the shapes whose boundaries are compared, each in frames of its own so that shapes never touch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.annotator_pairs import AnnotatorPair, Flags
from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, NumberLine, expand_ranges


@dataclass(frozen=True, slots=True)
class CaseSlices:
    """Which slice of its case each frame is, from 0; an image is the only one of its case.

    Attributes
    ----------
    frame : (n_frames,) by case, in the order of the line
    begin, count : (n_cases,) where each case begins among these, and how many it has
    number : (n_frames,) which slice of its case a frame is
    """

    frame: Ints
    begin: Ints
    count: Ints
    number: Ints

    @staticmethod
    def of(opposite: AnnotatorPair) -> "CaseSlices":
        """Those of all cases."""
        frame = np.argsort(opposite.case_of_frame, kind="stable").astype(np.int64)
        count = np.bincount(opposite.case_of_frame, minlength=opposite.n_cases)
        begin = np.cumsum(count) - count
        number = np.empty(len(frame), np.int64)
        number[frame] = np.arange(len(frame)) - np.repeat(begin, count)
        return CaseSlices(frame, begin, count, number)

    def reach(self, opposite: AnnotatorPair, case: Ints, drawn: Iterable[tuple[SweepRuns, Ints]]) -> tuple[Ints, Ints]:
        """The first slice of each shape (n,), and the one behind its last; of a shape without pixels both are 0.

        Takes the shapes' cases, and runs with what shape each segment is in; -1: none.
        """
        if opposite.is_flat:
            return np.zeros(len(case), np.int64), np.ones(len(case), np.int64)
        low, stop = self.count[case].astype(np.int64), np.zeros(len(case), np.int64)
        for side, shape in drawn:
            of = shape[side.owner]
            kept = of >= 0
            number = self.number[opposite.line.frame_of(side.start[kept])]
            np.minimum.at(low, of[kept], number)
            np.maximum.at(stop, of[kept], number + 1)
        return np.minimum(low, stop), stop


@dataclass(frozen=True, slots=True)
class ShapeFrames:
    """Frames for n shapes, each of a case: a shape of a volume has one sheet for every slice that it is in.

    Attributes
    ----------
    shape : (n_sheets,) ascending
    frame : (n_sheets,) of the opposite's line; those of a shape are slices one after the other
    first : (n + 1,) where the sheets of each shape begin
    slices : of the cases
    is_deep : (n_sheets,) of a case with several slices
    line : of the sheets; places that are moved by up to `margin` columns stay clear of other sheets
    origin : (n_sheets,) by how much places on the line of frames are smaller
    """

    shape: Ints
    frame: Ints
    first: Ints
    slices: CaseSlices
    is_deep: Flags
    line: NumberLine
    origin: Ints

    @staticmethod
    def of(
        opposite: AnnotatorPair, slices: CaseSlices, case: Ints, reach: tuple[Ints, Ints] | None = None, margin: int = 0
    ) -> "ShapeFrames":
        """For shapes of the cases (n,), in all slices or in those that `reach` names."""
        low, stop = (np.zeros(len(case), np.int64), slices.count[case]) if reach is None else reach
        count = stop - low
        shape = np.repeat(np.arange(len(case)), count)
        frame = slices.frame[expand_ranges(slices.begin[case] + low, count)]
        first = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        height, width = opposite.line.height[frame], opposite.line.width[frame]
        # A move to the left leaves the room of the sheet before, which may be lower, so all get that of the highest.
        room = (height + 1) * (width + 1) + (margin + 1) * (int(height.max(initial=0)) + 1)
        line = NumberLine(np.concatenate([[0], np.cumsum(room)[:-1]]).astype(np.int64)[: len(room)], height, width)
        origin = line.base - opposite.line.base[frame]
        return ShapeFrames(shape, frame, first, slices, slices.count[case][shape] > 1, line, origin)

    @property
    def n_shapes(self) -> int:
        """How many shapes there are."""
        return len(self.first) - 1

    @property
    def number(self) -> Ints:
        """(n_sheets,) which slice of its case each is."""
        return self.slices.number[self.frame]

    @property
    def n_slices(self) -> Ints:
        """(n_sheets,) how many slices its case has."""
        count: Ints = np.zeros(len(self.slices.number), np.int64)
        count[self.slices.frame] = np.repeat(self.slices.count, self.slices.count)
        return count[self.frame]

    @property
    def pitch(self) -> Ints:
        """(n_sheets,) places from one column to the next."""
        return self.line.height + 1

    def lay(self, opposite: AnnotatorPair, side: SweepRuns, shape: Ints) -> SweepRuns:
        """The runs of some segments as shapes on sheets; `shape` (n_segments,) is that of each, -1: none.

        Pixels that several segments of a shape claim count once. `owner` is the sheet.
        """
        of = shape[side.owner]
        kept = np.flatnonzero(of >= 0)
        start, of = side.start[kept], of[kept]
        sheet = of
        if not opposite.is_flat:
            number = self.slices.number[opposite.line.frame_of(start)]
            sheet = self.first[of] + number - self.number[self.first[of]]
        start = start + self.origin[sheet]
        end = start + (side.end - side.start)[kept]
        order = kernels.order_by(sheet.astype(np.int32), len(self.shape))
        return self.joined(SweepRuns(start[order], end[order], sheet[order].astype(np.int32)))

    def joined(self, side: SweepRuns) -> SweepRuns:
        """Sorted runs, those that overlap or touch as one."""
        if not np.any(side.start[1:] <= side.end[:-1]):
            return side
        start, length, _ = kernels.cover(side.start, side.end)
        return SweepRuns(start, start + length, self.line.frame_of(start).astype(np.int32))

    def moved(self, side: SweepRuns, slices: int) -> SweepRuns:
        """Runs moved by so many slices; those that leave the volume, or meet a slice of another size, are dropped."""
        owner = side.owner.astype(np.int64)
        target = np.clip(owner + slices, 0, len(self.shape) - 1)
        fits = (target == owner + slices) & (self.shape[target] == self.shape[owner])
        fits &= (self.line.height[target] == self.line.height[owner]) & (
            self.line.width[target] == self.line.width[owner]
        )
        by = self.line.base[target] - self.line.base[owner]
        return SweepRuns((side.start + by)[fits], (side.end + by)[fits], target[fits].astype(np.int32))

    def places(self, side: SweepRuns) -> tuple[Ints, Ints]:
        """X and the first row (n,) of runs, in pixels."""
        return kernels.columns(side.start - self.line.base[side.owner], side.owner, self.pitch)

    def pixels(self, side: SweepRuns) -> Ints:
        """(n_shapes,) pixels of each shape."""
        return self.summed(side.owner, side.end - side.start)

    def summed(self, sheet: NDArray[np.int32], values: Ints) -> Ints:
        """(n_shapes,) the sum of values (n,), each of a sheet."""
        of_sheet = np.bincount(sheet, weights=values, minlength=len(self.shape))
        return np.bincount(self.shape, weights=of_sheet, minlength=self.n_shapes).astype(np.int64)


def intersect_runs(a: SweepRuns, b: SweepRuns) -> SweepRuns:
    """The pixels of `a` that `b`, whose runs do not overlap, has too."""
    return _cut_runs(a, b, True)


def subtract_runs(a: SweepRuns, b: SweepRuns) -> SweepRuns:
    """The pixels of `a` that `b`, whose runs do not overlap, has not."""
    return _cut_runs(a, b, False)


def _cut_runs(a: SweepRuns, b: SweepRuns, wanted: bool) -> SweepRuns:
    row, start, end, _ = kernels.cut(a.start, a.end, b.start, b.end, wanted, not wanted)
    return SweepRuns(start, end, a.owner[row])


@dataclass(frozen=True, slots=True)
class BoundaryStrips:
    """N strips of pixels.

    Attributes
    ----------
    side : on the line of the sheets
    x, top : (n,) the column, and the first row, in pixels
    across, along : (n,) how many columns, and rows, all of a strip's pixels are at least from those at the ends
    """

    side: SweepRuns
    x: Ints
    top: Ints
    across: Ints
    along: Ints

    @staticmethod
    def of(side: SweepRuns, sheets: ShapeFrames) -> "BoundaryStrips":
        """Runs on sheets."""
        x, top = sheets.places(side)
        width, height = sheets.line.width[side.owner], sheets.line.height[side.owner]
        below = height - top - (side.end - side.start)
        return BoundaryStrips(side, x, top, np.minimum(x, width - 1 - x), np.minimum(top, below))

    def pieces(self, row: Ints, start: Ints, end: Ints) -> "BoundaryStrips":
        """Parts of the strips `row` (m,), from the place `start` (m,) to `end` (m,)."""
        side = SweepRuns(start, end, self.side.owner[row])
        top = self.top[row]
        top += start - self.side.start[row]
        return BoundaryStrips(side, self.x[row], top, self.across[row], self.along[row])


@dataclass(frozen=True, slots=True)
class ComparedShapes:
    """N shapes, each of a case and a category.

    Attributes
    ----------
    case, category : (n,)
    match : (n,) row of the matches; -1: all of a category
    of_a, of_b : the shape that each of A's and B's segments is in; -1: none
    """

    case: Ints
    category: Ints
    match: Ints
    of_a: Ints
    of_b: Ints

    def __len__(self) -> int:
        return len(self.case)

    @staticmethod
    def of_categories(opposite: AnnotatorPair, code: Ints | None = None) -> "ComparedShapes":
        """The pixels of every category of each case that either annotator drew, void left out.

        `code` (n,): those with these numbers, case * n_categories + category, which ascend.
        """
        wide = max(len(opposite.categories), 1)
        of_a, of_b = (each.case * wide + each.category for each in (opposite.a, opposite.b))
        if code is None:
            drawn_a, drawn_b = (side.owner for side in opposite.clear)
            code = np.unique(np.concatenate([np.unique(of_a[drawn_a]), np.unique(of_b[drawn_b])]))
        nothing = np.full(len(code), -1)
        return ComparedShapes(
            code // wide, code % wide, nothing, _positions_among(code, of_a), _positions_among(code, of_b)
        )

    @staticmethod
    def of_matches(opposite: AnnotatorPair, matches: Mapping[str, NDArray[np.generic]]) -> "ComparedShapes":
        """Every two instances that are matched; things alone, and of one category."""
        a, b = (np.asarray(matches[side], np.int64) for side in "ab")
        match = np.flatnonzero((a >= 0) & (b >= 0))
        same = opposite.a.category[a[match]] == opposite.b.category[b[match]]
        match = match[same & opposite.a.is_thing[a[match]]]
        number = np.arange(len(match))
        of_a, of_b = (np.full(len(drawn), -1, np.int64) for drawn in (opposite.a, opposite.b))
        for of, rows in ((of_a, a[match]), (of_b, b[match])):
            of[rows] = number
            if not np.array_equal(of[rows], number):
                raise ValueError("a segment is in two matches: one is possible")
        return ComparedShapes(opposite.a.case[a[match]], opposite.a.category[a[match]], match, of_a, of_b)


def _positions_among(known: Ints, values: Ints) -> Ints:
    """(n,) where each value is among the known ones, which ascend; -1: nowhere."""
    if len(known) == 0:
        return np.full(len(values), -1)
    found = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[found] == values, found, -1)
