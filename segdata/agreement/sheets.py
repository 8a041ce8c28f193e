"""Sheets: a number line on which every shape that is compared has frames of its own, so that shapes never meet."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.opposite import Flags, Opposite
from segdata.core import kernels
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.runs import Ints, spread


@dataclass(frozen=True, slots=True)
class Sheets:
    """Frames for n shapes, each of a case: a shape of a volume has one sheet for every slice, in order.

    Attributes
    ----------
    shape : (n_sheets,) ascending
    frame : (n_sheets,) of the opposite's line
    first : (n + 1,) where the sheets of each shape begin
    is_deep : (n_sheets,) there are several
    line : of the sheets; places that are moved by up to `margin` columns stay clear of other sheets
    origin : (n_sheets,) by how much places on the line of frames are smaller
    slice_of_frame : (n_frames,) which slice of its case each frame is, from 0
    """

    shape: Ints
    frame: Ints
    first: Ints
    is_deep: Flags
    line: Line
    origin: Ints
    slice_of_frame: Ints

    @staticmethod
    def of(opposite: Opposite, case: Ints, margin: int) -> "Sheets":
        """For shapes of the cases (n,)."""
        frames = np.argsort(opposite.case_of_frame, kind="stable")
        count = np.bincount(opposite.case_of_frame, minlength=opposite.n_cases)
        begin = np.cumsum(count) - count
        slice_of_frame = np.empty(len(frames), np.int64)
        slice_of_frame[frames] = np.arange(len(frames)) - np.repeat(begin, count)
        shape = np.repeat(np.arange(len(case)), count[case])
        frame = frames[spread(begin[case], count[case])].astype(np.int64)
        first = np.concatenate([[0], np.cumsum(count[case])]).astype(np.int64)
        height, width = opposite.line.height[frame], opposite.line.width[frame]
        # A move to the left leaves the room of the sheet before, which may be lower, so all get that of the highest.
        room = (height + 1) * (width + 1) + (margin + 1) * (int(height.max(initial=0)) + 1)
        line = Line(np.concatenate([[0], np.cumsum(room)[:-1]]).astype(np.int64)[: len(room)], height, width)
        origin = line.base - opposite.line.base[frame]
        return Sheets(shape, frame, first, count[case][shape] > 1, line, origin, slice_of_frame)

    @property
    def n_shapes(self) -> int:
        """How many shapes there are."""
        return len(self.first) - 1

    @property
    def pitch(self) -> Ints:
        """(n_sheets,) places from one column to the next."""
        return self.line.height + 1

    def lay(self, opposite: Opposite, side: Side, shape: Ints) -> Side:
        """The runs of some segments as shapes on sheets; `shape` (n_segments,) is that of each, -1: none.

        Pixels that several segments of a shape claim count once. `owner` is the sheet.
        """
        of = shape[side.owner]
        kept = np.flatnonzero(of >= 0)
        start, of = side.start[kept], of[kept]
        sheet = of if opposite.is_flat else self.first[of] + self.slice_of_frame[opposite.line.frame_of(start)]
        start = start + self.origin[sheet]
        end = start + (side.end - side.start)[kept]
        order = kernels.order_by(sheet.astype(np.int32), len(self.shape))
        return self.joined(Side(start[order], end[order], sheet[order].astype(np.int32)))

    def joined(self, side: Side) -> Side:
        """Sorted runs, those that overlap or touch as one."""
        if not np.any(side.start[1:] <= side.end[:-1]):
            return side
        start, length, _ = kernels.cover(side.start, side.end)
        return Side(start, start + length, self.line.frame_of(start).astype(np.int32))

    def moved(self, side: Side, slices: int) -> Side:
        """Runs moved by so many slices; those that leave the volume, or meet a slice of another size, are dropped."""
        owner = side.owner.astype(np.int64)
        target = np.clip(owner + slices, 0, len(self.shape) - 1)
        fits = (target == owner + slices) & (self.shape[target] == self.shape[owner])
        fits &= (self.line.height[target] == self.line.height[owner]) & (
            self.line.width[target] == self.line.width[owner]
        )
        by = self.line.base[target] - self.line.base[owner]
        return Side((side.start + by)[fits], (side.end + by)[fits], target[fits].astype(np.int32))

    def places(self, side: Side) -> tuple[Ints, Ints]:
        """X and the first row (n,) of runs, in pixels."""
        return kernels.columns(side.start - self.line.base[side.owner], side.owner, self.pitch)

    def pixels(self, side: Side) -> Ints:
        """(n_shapes,) pixels of each shape."""
        return self.summed(side.owner, side.end - side.start)

    def summed(self, sheet: NDArray[np.int32], values: Ints) -> Ints:
        """(n_shapes,) the sum of values (n,), each of a sheet."""
        of_sheet = np.bincount(sheet, weights=values, minlength=len(self.shape))
        return np.bincount(self.shape, weights=of_sheet, minlength=self.n_shapes).astype(np.int64)


def shared(a: Side, b: Side) -> Side:
    """The pixels of `a` that `b`, whose runs do not overlap, has too."""
    return _pieces(a, b, True)


def less(a: Side, b: Side) -> Side:
    """The pixels of `a` that `b`, whose runs do not overlap, has not."""
    return _pieces(a, b, False)


def _pieces(a: Side, b: Side, wanted: bool) -> Side:
    row, start, end, _ = kernels.cut(a.start, a.end, b.start, b.end, wanted, not wanted)
    return Side(start, end, a.owner[row])
