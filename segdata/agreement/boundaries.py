"""Boundaries: the boundary pixels of shapes and the bands along them, each shape in frames of its own."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.paired_segments import AnnotatorPair, AnnotatorSegments, category_positions
from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Flags, Ints, NumberLine, expand_ranges, group_offsets


@dataclass(frozen=True, slots=True)
class CaseSlices:
    """The number of the slice, from 0, that each frame is of its case; an image is the only slice of its case."""

    frame: Ints  # (n_frames,) by case, in the order of the line
    begin: Ints  # (n_cases,) where each case begins among the frames
    count: Ints  # (n_cases,) how many frames it has
    number: Ints  # (n_frames,) which slice of its case a frame is

    @staticmethod
    def from_pair(pair: AnnotatorPair) -> "CaseSlices":
        """Build from the frames of all cases of a pair."""
        frame = np.argsort(pair.case_of_frame, kind="stable").astype(np.int64)
        count = np.bincount(pair.case_of_frame, minlength=pair.n_cases)
        begin = np.cumsum(count) - count
        number = np.empty(len(frame), np.int64)
        number[frame] = np.arange(len(frame)) - np.repeat(begin, count)
        return CaseSlices(frame, begin, count, number)

    def reach(self, pair: AnnotatorPair, case: Ints, sides: Iterable[tuple[SweepRuns, Ints]]) -> tuple[Ints, Ints]:
        """The first slice of each shape (n,), and the one after its last; both are 0 for a shape without pixels.

        Takes the shapes' cases, and sides with the shape of each segment; -1: none.
        """
        if pair.is_flat:
            return np.zeros(len(case), np.int64), np.ones(len(case), np.int64)
        low, stop = self.count[case].astype(np.int64), np.zeros(len(case), np.int64)
        for side, shape in sides:
            shape_of_run = shape[side.owner]
            kept = shape_of_run >= 0
            number = self.number[pair.line.frame_of(side.start[kept])]
            np.minimum.at(low, shape_of_run[kept], number)
            np.maximum.at(stop, shape_of_run[kept], number + 1)
        return np.minimum(low, stop), stop


@dataclass(frozen=True, slots=True)
class ShapeFrames:
    """The frames (sheets) of n shapes: a shape in a volume has one sheet for every slice that it is in."""

    shape: Ints  # (n_sheets,) ascending
    frame: Ints  # (n_sheets,) of the opposite's line; those of a shape are slices one after the other
    first: Ints  # (n + 1,) where the sheets of each shape begin
    slices: CaseSlices  # of the cases
    is_deep: Flags  # (n_sheets,) of a case with several slices
    line: NumberLine  # of the sheets; places that are moved by up to `margin` columns stay clear of other sheets
    origin: Ints  # (n_sheets,) by how much places on the line of frames are smaller

    @staticmethod
    def from_cases(
        pair: AnnotatorPair, slices: CaseSlices, case: Ints, reach: tuple[Ints, Ints] | None = None, margin: int = 0
    ) -> "ShapeFrames":
        """Build for shapes of the cases (n,), in all slices or in those of `reach`."""
        low, stop = (np.zeros(len(case), np.int64), slices.count[case]) if reach is None else reach
        count = stop - low
        shape = np.repeat(np.arange(len(case)), count)
        frame = slices.frame[expand_ranges(slices.begin[case] + low, count)]
        first = group_offsets(count)
        height, width = pair.line.height[frame], pair.line.width[frame]
        # A move to the left leaves the room of the sheet before, which may be lower, so all get that of the highest.
        room = (height + 1) * (width + 1) + (margin + 1) * (int(height.max(initial=0)) + 1)
        line = NumberLine(np.concatenate([[0], np.cumsum(room)[:-1]]).astype(np.int64)[: len(room)], height, width)
        origin = line.base - pair.line.base[frame]
        return ShapeFrames(shape, frame, first, slices, slices.count[case][shape] > 1, line, origin)

    @property
    def n_shapes(self) -> int:
        """The number of shapes."""
        return len(self.first) - 1

    @property
    def number(self) -> Ints:
        """(n_sheets,) the number of the slice in its case."""
        return self.slices.number[self.frame]

    @property
    def n_slices(self) -> Ints:
        """(n_sheets,) the number of slices of the case."""
        count: Ints = np.zeros(len(self.slices.number), np.int64)
        count[self.slices.frame] = np.repeat(self.slices.count, self.slices.count)
        return count[self.frame]

    @property
    def pitch(self) -> Ints:
        """(n_sheets,) places from one column to the next."""
        return self.line.height + 1

    def lay(self, pair: AnnotatorPair, side: SweepRuns, shape: Ints) -> SweepRuns:
        """Lay the runs of segments on the sheets of their shapes; `shape` (n_segments,) is the shape of each, -1: none.

        Pixels that several segments of a shape claim count once. `owner` is the sheet.
        """
        shape_of_run = shape[side.owner]
        kept = np.flatnonzero(shape_of_run >= 0)
        start, shape_of_run = side.start[kept], shape_of_run[kept]
        sheet = shape_of_run
        if not pair.is_flat:
            number = self.slices.number[pair.line.frame_of(start)]
            sheet = self.first[shape_of_run] + number - self.number[self.first[shape_of_run]]
        start = start + self.origin[sheet]
        end = start + (side.end - side.start)[kept]
        order = kernels.order_by(sheet.astype(np.int32), len(self.shape))
        return self.join(SweepRuns(start[order], end[order], sheet[order].astype(np.int32)))

    def join(self, side: SweepRuns) -> SweepRuns:
        """Join sorted runs that overlap or touch."""
        if not np.any(side.start[1:] <= side.end[:-1]):
            return side
        start, length, _ = kernels.cover(side.start, side.end)
        return SweepRuns(start, start + length, self.line.frame_of(start).astype(np.int32))

    def shift_slices(self, side: SweepRuns, slices: int) -> SweepRuns:
        """Shift runs by a number of slices; drops runs that leave the volume or reach a slice of another size."""
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
        """(n_shapes,) the number of pixels of each shape."""
        return self.sum_by_shape(side.owner, side.end - side.start)

    def sum_by_shape(self, sheet: NDArray[np.int32], values: Ints) -> Ints:
        """(n_shapes,) the sum of values (n,), each of a sheet."""
        of_sheet = np.bincount(sheet, weights=values, minlength=len(self.shape))
        return np.bincount(self.shape, weights=of_sheet, minlength=self.n_shapes).astype(np.int64)


def intersect_runs(a: SweepRuns, b: SweepRuns) -> SweepRuns:
    """The pixels of `a` that are in `b`, whose runs do not overlap."""
    return _cut_runs(a, b, True)


def subtract_runs(a: SweepRuns, b: SweepRuns) -> SweepRuns:
    """The pixels of `a` that are not in `b`, whose runs do not overlap."""
    return _cut_runs(a, b, False)


def _cut_runs(a: SweepRuns, b: SweepRuns, wanted: bool) -> SweepRuns:
    row, start, end, _ = kernels.cut(a.start, a.end, b.start, b.end, wanted, not wanted)
    return SweepRuns(start, end, a.owner[row])


@dataclass(frozen=True, slots=True)
class SheetStrips:
    """N strips of pixels on sheets, sorted by sheet, column and row."""

    strip: Ints  # (3, n) the column, the first row, and the row behind the last
    first: Ints  # (n_sheets + 1,) where the strips of each sheet begin

    @staticmethod
    def from_runs(side: SweepRuns, sheets: ShapeFrames) -> "SheetStrips":
        """Build from runs on sheets, which do not overlap."""
        x, top = sheets.places(side)
        first = np.searchsorted(side.owner, np.arange(len(sheets.shape) + 1, dtype=np.int32))
        return SheetStrips(np.stack([x, top, top + (side.end - side.start)]), first.astype(np.int64))

    @property
    def sheet(self) -> Ints:
        """(n,) the sheet of each strip."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


@dataclass(frozen=True, slots=True)
class ComparedShapes:
    """N shapes, each of a case and a category."""

    case: Ints  # (n,)
    category: Ints  # (n,)
    match: Ints  # (n,) row of the matches; -1: all of a category
    of_a: Ints  # the shape that each of A's segments is in; -1: none
    of_b: Ints  # the shape that each of B's segments is in; -1: none

    def __len__(self) -> int:
        return len(self.case)

    @staticmethod
    def of_categories(pair: AnnotatorPair, code: Ints | None = None) -> "ComparedShapes":
        """The shapes of every category of each case that either annotator drew, without void.

        `code` (n,): only shapes with these numbers, case * n_categories + category, ascending.
        """
        n_categories = max(len(pair.categories), 1)
        of_a, of_b = (side.case * n_categories + side.category for side in (pair.a, pair.b))
        if code is None:
            drawn_a, drawn_b = (side.owner for side in pair.clear)
            code = np.unique(np.concatenate([np.unique(of_a[drawn_a]), np.unique(of_b[drawn_b])]))
        nothing = np.full(len(code), -1)
        return ComparedShapes(
            code // n_categories,
            code % n_categories,
            nothing,
            _positions_among(code, of_a),
            _positions_among(code, of_b),
        )

    @staticmethod
    def of_matches(pair: AnnotatorPair, matches: Mapping[str, NDArray[np.generic]]) -> "ComparedShapes":
        """The shapes of every pair of matched things of one category; raises ValueError if one is matched twice."""
        a, b = (np.asarray(matches[side], np.int64) for side in "ab")
        match = np.flatnonzero((a >= 0) & (b >= 0))
        same = pair.a.category[a[match]] == pair.b.category[b[match]]
        match = match[same & pair.a.is_thing[a[match]]]
        number = np.arange(len(match))
        of_a, of_b = (np.full(len(segments), -1, np.int64) for segments in (pair.a, pair.b))
        for shape_of, rows in ((of_a, a[match]), (of_b, b[match])):
            shape_of[rows] = number
            if not np.array_equal(shape_of[rows], number):
                raise ValueError("a segment is in two matches: one is possible")
        return ComparedShapes(pair.a.case[a[match]], pair.a.category[a[match]], match, of_a, of_b)


def _positions_among(listed: Ints, values: Ints) -> Ints:
    """(n,) the position of each value in `listed`, which ascends; -1: not listed."""
    if len(listed) == 0:
        return np.full(len(values), -1)
    place = np.minimum(np.searchsorted(listed, values), len(listed) - 1)
    return np.where(listed[place] == values, place, -1)


_BAND_SHARE = 0.02  # of the image's diagonal


def boundary_pixels(area: SweepRuns, sheets: ShapeFrames) -> SweepRuns:
    """The pixels of shapes with one of their 4 neighbours outside, in volumes one of their 6.

    Pixels beyond the image, or above and below a volume, are outside.
    """
    pitch = sheets.pitch[area.owner]
    inner = _shorten_runs(area, np.ones(len(area.start), np.int64))
    inner = intersect_runs(intersect_runs(inner, area.shift(pitch)), area.shift(-pitch))
    if not sheets.is_deep.any():
        return subtract_runs(area, inner)
    deep = sheets.is_deep[inner.owner]
    within = inner.take(deep)
    for slices in (-1, 1):
        within = intersect_runs(within, sheets.shift_slices(area, slices))
    return subtract_runs(subtract_runs(area, inner.take(~deep)), within)


def _shorten_runs(side: SweepRuns, by: Ints) -> SweepRuns:
    """Shorten runs (n,) by `by` (n,) pixels at either end."""
    shorter = SweepRuns(side.start + by, side.end - by, side.owner)
    return shorter.take(shorter.end > shorter.start)


def band_depth(height: Ints, width: Ints) -> Ints:
    """(n,) the depth of the band of Boundary IoU in images of these sizes: 2 % of the diagonal in pixels, at least 1.

    >>> band_depth(np.array([100, 1024]), np.array([100, 2048])).tolist()
    [3, 46]
    """
    return np.maximum(1, np.round(_BAND_SHARE * np.hypot(height, width))).astype(np.int64)


def boundary_band(area: SweepRuns, sheets: ShapeFrames, depth: Ints) -> SweepRuns:
    """The pixels of shapes with a pixel outside at most `depth` (n_sheets,) columns and rows away.

    Pixels beyond the image are outside. In volumes each slice has a band of its own.
    Source: Cheng et al. (2021), Boundary IoU, CVPR: the mask minus the mask eroded `depth` times by 3 x 3 pixels.
    """
    return subtract_runs(area, _erode(area, sheets, depth))


def _erode(area: SweepRuns, sheets: ShapeFrames, depth: Ints) -> SweepRuns:
    """Erode shapes: the pixels whose square of side 2 depth + 1 lies inside."""
    inner = _shorten_runs(area, depth[area.owner])
    # Pixels that are inside over a number of columns to the right, which doubles with every round.
    n_needed, columns = 2 * depth + 1, np.ones(len(depth), np.int64)
    while len(inner.start) and np.any(columns < n_needed):
        more = np.minimum(columns, n_needed - columns)
        inner = intersect_runs(inner, inner.shift(-(more * sheets.pitch)[inner.owner]))
        columns = columns + more
    return inner.shift((depth * sheets.pitch)[inner.owner])


def drop_beside_void(edge: SweepRuns, pair: AnnotatorPair, sheets: ShapeFrames) -> SweepRuns:
    """Drop edge pixels with a neighbour, in the sense of `boundary_pixels`, that either annotator labels void."""
    if len(pair.void.start) == 0:
        return edge
    cases = ShapeFrames.from_cases(pair, sheets.slices, np.arange(pair.n_cases))
    frame = np.empty(len(cases.frame), np.int64)
    frame[cases.frame] = np.arange(len(cases.frame))
    by = (cases.origin[frame[sheets.frame]] - sheets.origin)[edge.owner]
    left = SweepRuns(edge.start + by, edge.end + by, np.arange(len(edge.start), dtype=np.int32))
    for void in _void_neighbours(pair, cases):
        left = subtract_runs(left, void)
    by = by[left.owner]
    return SweepRuns(left.start - by, left.end - by, edge.owner[left.owner])


def _void_neighbours(pair: AnnotatorPair, cases: ShapeFrames) -> Iterator[SweepRuns]:
    """Yield void itself, and its neighbours in each direction."""
    void = pair.void
    laid = cases.lay(pair, void, pair.case_of_frame)
    pitch = cases.pitch[laid.owner]
    start, length, _ = kernels.cover(laid.start - 1, laid.end + 1)
    yield SweepRuns(start, start + length, cases.line.frame_of(start + 1).astype(np.int32))
    yield laid.shift(pitch)
    yield laid.shift(-pitch)
    if cases.is_deep.any():
        for slices in (-1, 1):
            yield cases.shift_slices(laid, slices)


@dataclass(frozen=True, slots=True)
class ShapeOutlines:
    """One annotator's shapes on sheets."""

    area: SheetStrips  # their pixels
    edge: SheetStrips  # their boundary pixels
    counted: SheetStrips  # those without void beside them
    band: SweepRuns | None  # the pixels along their boundaries that are compared for Boundary IoU
    band_pixels: Ints  # (n_shapes,) how many these are; none without bands

    @staticmethod
    def from_runs(
        pair: AnnotatorPair, side: SweepRuns, shape: Ints, sheets: ShapeFrames, *, bands: bool
    ) -> "ShapeOutlines":
        """Build from the runs of segments with their shapes (n_segments,); -1: none. `bands`: with bands."""
        area = sheets.lay(pair, side, shape)
        edge = boundary_pixels(area, sheets)
        clear = drop_beside_void(edge, pair, sheets)
        along = boundary_band(area, sheets, band_depth(sheets.line.height, sheets.line.width)) if bands else None
        strips = SheetStrips.from_runs(edge, sheets)
        counted = strips if clear is edge else SheetStrips.from_runs(clear, sheets)
        n_along = np.empty(0, np.int64) if along is None else sheets.pixels(along)
        return ShapeOutlines(SheetStrips.from_runs(area, sheets), strips, counted, along, n_along)


@dataclass(frozen=True, slots=True)
class PairOutlines:
    """Shapes of a pair, their sheets, and the outlines of both annotators."""

    shapes: ComparedShapes
    sheets: ShapeFrames
    a: ShapeOutlines
    b: ShapeOutlines
    of_a: Ints  # (n_sheets,) which of A's sheets each is
    of_b: Ints  # (n_sheets,) which of B's sheets each is


def outline_pair(pair: AnnotatorPair, shapes: ComparedShapes, *, bands: bool = True) -> PairOutlines:
    """The outlines of both annotators of a pair; `bands`: with the bands of Boundary IoU."""
    sheets = _frames_of_shapes(pair, shapes)
    a, b = (
        ShapeOutlines.from_runs(pair, side, shape, sheets, bands=bands)
        for side, shape in zip(pair.clear, (shapes.of_a, shapes.of_b), strict=True)
    )
    own = np.arange(len(sheets.shape))
    return PairOutlines(shapes, sheets, a, b, own, own)


def _frames_of_shapes(pair: AnnotatorPair, shapes: ComparedShapes) -> ShapeFrames:
    slices = CaseSlices.from_pair(pair)
    sides = list(zip(pair.clear, (shapes.of_a, shapes.of_b), strict=True))
    deep = band_depth(pair.line.height, pair.line.width)
    return ShapeFrames.from_cases(
        pair, slices, shapes.case, slices.reach(pair, shapes.case, sides), margin=int(deep.max(initial=0))
    )


class OutlineCache:
    """The outlines of categories and of segments in a batch of images, kept for all pairs of annotators.

    An annotator's outlines are the same in every pair that has all images of the batch and no void, and are cached for
    these. Other pairs compute their own. So there is one entry per annotator at most.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._sheets: ShapeFrames | None = None
        self._code: Ints | None = None
        self._kept: dict[tuple[int, bool], tuple[AnnotatorSegments, ShapeOutlines]] = {}

    def of_categories(self, pair: AnnotatorPair) -> PairOutlines:
        """The outlines of the categories of a pair."""
        if not self._is_shared(pair):
            return outline_pair(pair, ComparedShapes.of_categories(pair))
        if self._code is None:
            self._code = _category_codes(pair, self._batch)
        shapes = ComparedShapes.of_categories(pair, self._code)
        if self._sheets is None:
            self._sheets = _frames_of_shapes(pair, shapes)
        own = np.arange(len(shapes))
        a, b = self._look_up(pair, pair.a, shapes.of_a), self._look_up(pair, pair.b, shapes.of_b)
        return PairOutlines(shapes, self._sheets, a, b, own, own)

    def of_matches(self, pair: AnnotatorPair, shapes: ComparedShapes) -> PairOutlines:
        """The outlines of matched segments, without bands, since Boundary IoU is computed for categories only."""
        if not self._is_shared(pair):
            return outline_pair(pair, shapes, bands=False)
        sheets = ShapeFrames.from_cases(pair, CaseSlices.from_pair(pair), shapes.case)
        a, b = self._look_up(pair, pair.a), self._look_up(pair, pair.b)
        return PairOutlines(shapes, sheets, a, b, *map(_rows_of_shapes, (shapes.of_a, shapes.of_b)))

    def _is_shared(self, pair: AnnotatorPair) -> bool:
        has_all = pair.is_flat and pair.n_cases == self._batch.images.num_rows
        return has_all and len(pair.void.start) == 0

    def _look_up(self, pair: AnnotatorPair, segments: AnnotatorSegments, shape: Ints | None = None) -> ShapeOutlines:
        """The outlines of the shapes that segments belong to (n_segments,), or of each segment alone."""
        key = id(segments), shape is None
        if key not in self._kept:
            if shape is None:
                sheets = ShapeFrames.from_cases(pair, CaseSlices.from_pair(pair), segments.case)
                of_each = np.arange(len(segments))
                outlines = ShapeOutlines.from_runs(pair, segments.side, of_each, sheets, bands=False)
            else:
                assert self._sheets is not None
                outlines = ShapeOutlines.from_runs(pair, segments.side, shape, self._sheets, bands=True)
            self._kept[key] = segments, outlines  # with what it is of, so that the number is nobody else's meanwhile
        return self._kept[key][1]


def _rows_of_shapes(shape: Ints) -> Ints:
    """The segment of each shape, where `shape` (n_segments,) is that of each segment, -1: none."""
    row = np.flatnonzero(shape >= 0)
    ordered: Ints = row[np.argsort(shape[row])]
    return ordered


def _category_codes(pair: AnnotatorPair, batch: Batch) -> Ints:
    """Case * n_categories + category of all segments of a batch, ascending; a case is an image."""
    category = category_positions(batch.segment_category, pair.categories)
    return np.unique(batch.segment_image * max(len(pair.categories), 1) + category).astype(np.int64)
