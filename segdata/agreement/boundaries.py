"""Boundaries: the boundary pixels of shapes and the bands along them, from runs, computed once for each annotator."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from segdata.agreement.annotator_pairs import AnnotatorPair, AnnotatorSegments, Flags, category_positions
from segdata.agreement.boundary_frames import (
    BoundaryStrips,
    CaseSlices,
    ComparedShapes,
    ShapeFrames,
    intersect_runs,
    subtract_runs,
)
from segdata.core import kernels
from segdata.core.batch import Batch, integer_column
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints

_SHARE = 0.02  # of the image's diagonal


def boundary_pixels(area: SweepRuns, sheets: ShapeFrames) -> SweepRuns:
    """The pixels of shapes that have one of their 4 neighbours outside, in volumes one of their 6.

    What lies beyond the image, or above and below a volume, is outside.
    """
    pitch = sheets.pitch[area.owner]
    inner = _shorten_runs(area, np.ones(len(area.start), np.int64))
    inner = intersect_runs(intersect_runs(inner, area.moved(pitch)), area.moved(-pitch))
    if not sheets.is_deep.any():
        return subtract_runs(area, inner)
    deep = sheets.is_deep[inner.owner]
    within = _select_runs(inner, deep)
    for slices in (-1, 1):
        within = intersect_runs(within, sheets.moved(area, slices))
    return subtract_runs(subtract_runs(area, _select_runs(inner, ~deep)), within)


def _shorten_runs(side: SweepRuns, by: Ints) -> SweepRuns:
    """Runs (n,) without so many pixels (n,) at either end."""
    shorter = SweepRuns(side.start + by, side.end - by, side.owner)
    return _select_runs(shorter, shorter.end > shorter.start)


def _select_runs(side: SweepRuns, chosen: Flags) -> SweepRuns:
    """Some of the runs."""
    return SweepRuns(side.start[chosen], side.end[chosen], side.owner[chosen])


def band_depth(height: Ints, width: Ints) -> Ints:
    """How deep (n,) the band of Boundary IoU is in images of these sizes: 2 % of the diagonal, in pixels, at least 1.

    >>> band_depth(np.array([100, 1024]), np.array([100, 2048])).tolist()
    [3, 46]
    """
    return np.maximum(1, np.round(_SHARE * np.hypot(height, width))).astype(np.int64)


def boundary_band(area: SweepRuns, sheets: ShapeFrames, depth: Ints) -> SweepRuns:
    """The pixels of shapes with a pixel outside at most `depth` (n_sheets,) columns and rows away.

    What lies beyond the image is outside. In volumes each slice has a band of its own.
    Source: Cheng et al. (2021), Boundary IoU, CVPR; it is the mask less the mask eroded `depth` times by 3 x 3 pixels.
    """
    return subtract_runs(area, _erode(area, sheets, depth))


def _erode(area: SweepRuns, sheets: ShapeFrames, depth: Ints) -> SweepRuns:
    """The pixels of shapes with a square of 2 depth + 1 pixels around them inside."""
    inner = _shorten_runs(area, depth[area.owner])
    # What is inside in so many columns, counted from each pixel to the right: twice as many with every round.
    wanted, columns = 2 * depth + 1, np.ones(len(depth), np.int64)
    while len(inner.start) and np.any(columns < wanted):
        more = np.minimum(columns, wanted - columns)
        inner = intersect_runs(inner, inner.moved(-(more * sheets.pitch)[inner.owner]))
        columns = columns + more
    return inner.moved((depth * sheets.pitch)[inner.owner])


def drop_beside_void(edge: SweepRuns, opposite: AnnotatorPair, sheets: ShapeFrames) -> SweepRuns:
    """The pixels of edges without void of either annotator as a neighbour, as `boundary_pixels` has neighbours."""
    if len(opposite.void.start) == 0:
        return edge
    cases = ShapeFrames.of(opposite, sheets.slices, np.arange(opposite.n_cases))
    frame = np.empty(len(cases.frame), np.int64)
    frame[cases.frame] = np.arange(len(cases.frame))
    by = (cases.origin[frame[sheets.frame]] - sheets.origin)[edge.owner]
    left = SweepRuns(edge.start + by, edge.end + by, np.arange(len(edge.start), dtype=np.int32))
    for void in _void_neighbours(opposite, cases):
        left = subtract_runs(left, void)
    by = by[left.owner]
    return SweepRuns(left.start - by, left.end - by, edge.owner[left.owner])


def _void_neighbours(opposite: AnnotatorPair, cases: ShapeFrames) -> Iterator[SweepRuns]:
    """The neighbours of void pixels, direction by direction, and void itself."""
    void = opposite.void
    laid = cases.lay(opposite, void, opposite.case_of_frame)
    pitch = cases.pitch[laid.owner]
    start, length, _ = kernels.cover(laid.start - 1, laid.end + 1)
    yield SweepRuns(start, start + length, cases.line.frame_of(start + 1).astype(np.int32))
    yield laid.moved(pitch)
    yield laid.moved(-pitch)
    if cases.is_deep.any():
        for slices in (-1, 1):
            yield cases.moved(laid, slices)


@dataclass(frozen=True, slots=True)
class ShapeOutlines:
    """One annotator's shapes on sheets.

    Attributes
    ----------
    area : their pixels
    edge : their boundary pixels
    counted : those without void beside them
    band : the pixels along their boundaries that are compared for Boundary IoU
    band_pixels : (n_shapes,) how many these are
    """

    area: SweepRuns
    edge: BoundaryStrips
    counted: BoundaryStrips
    band: SweepRuns
    band_pixels: Ints

    @staticmethod
    def of(opposite: AnnotatorPair, side: SweepRuns, shape: Ints, sheets: ShapeFrames) -> "ShapeOutlines":
        """Of the runs of segments, each of a shape (n_segments,); -1: none."""
        area = sheets.lay(opposite, side, shape)
        edge = boundary_pixels(area, sheets)
        clear = drop_beside_void(edge, opposite, sheets)
        along = boundary_band(area, sheets, band_depth(sheets.line.height, sheets.line.width))
        strips = BoundaryStrips.of(edge, sheets)
        counted = strips if clear is edge else BoundaryStrips.of(clear, sheets)
        return ShapeOutlines(area, strips, counted, along, sheets.pixels(along))


@dataclass(frozen=True, slots=True)
class PairOutlines:
    """Shapes, where they lie, and what both annotators' outlines are."""

    shapes: ComparedShapes
    sheets: ShapeFrames
    a: ShapeOutlines
    b: ShapeOutlines


def outline_pair(opposite: AnnotatorPair, shapes: ComparedShapes) -> PairOutlines:
    """The outlines of both annotators of a pair."""
    sheets = _frames_of_shapes(opposite, shapes)
    a, b = (
        ShapeOutlines.of(opposite, side, of, sheets)
        for side, of in zip(opposite.clear, (shapes.of_a, shapes.of_b), strict=True)
    )
    return PairOutlines(shapes, sheets, a, b)


def _frames_of_shapes(opposite: AnnotatorPair, shapes: ComparedShapes) -> ShapeFrames:
    slices = CaseSlices.of(opposite)
    drawn = list(zip(opposite.clear, (shapes.of_a, shapes.of_b), strict=True))
    deep = band_depth(opposite.line.height, opposite.line.width)
    return ShapeFrames.of(
        opposite, slices, shapes.case, slices.reach(opposite, shapes.case, drawn), margin=int(deep.max(initial=0))
    )


class OutlineCache:
    """The outlines of categories in a batch of images, kept for all pairs of annotators.

    An annotator's are the same in every pair that has all images of the batch and no void. In other pairs they are made
    for the pair alone. So no more are kept than there are annotators.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._sheets: ShapeFrames | None = None
        self._code: Ints | None = None
        self._kept: dict[int, tuple[AnnotatorSegments, ShapeOutlines]] = {}

    def of(self, opposite: AnnotatorPair) -> PairOutlines:
        """Those of the categories of a pair."""
        every = opposite.is_flat and opposite.n_cases == self._batch.images.num_rows
        if not every or len(opposite.void.start):
            return outline_pair(opposite, ComparedShapes.of_categories(opposite))
        if self._code is None:
            self._code = _category_codes(opposite, self._batch)
        shapes = ComparedShapes.of_categories(opposite, self._code)
        if self._sheets is None:
            self._sheets = _frames_of_shapes(opposite, shapes)
        a, b = (
            self._known(opposite, drawn, of) for drawn, of in ((opposite.a, shapes.of_a), (opposite.b, shapes.of_b))
        )
        return PairOutlines(shapes, self._sheets, a, b)

    def _known(self, opposite: AnnotatorPair, drawn: AnnotatorSegments, shape: Ints) -> ShapeOutlines:
        assert self._sheets is not None
        if id(drawn) not in self._kept:
            # With what it is of, so that the number is nobody else's meanwhile.
            self._kept[id(drawn)] = drawn, ShapeOutlines.of(opposite, drawn.side, shape, self._sheets)
        return self._kept[id(drawn)][1]


def _category_codes(opposite: AnnotatorPair, batch: Batch) -> Ints:
    """Case * n_categories + category of all segments of a batch, ascending; a case is an image."""
    category = category_positions(integer_column(batch.segments["category_id"]), opposite.categories)
    return np.unique(batch.segment_image * max(len(opposite.categories), 1) + category).astype(np.int64)
