"""Outlines: what there is to say of one annotator's shapes alone, made once for all whom they are compared with."""

from dataclasses import dataclass

import numpy as np

from segdata.agreement.boundaries.edges import band, clear_of_void, depth, edges
from segdata.agreement.boundaries.shapes import Shapes
from segdata.agreement.boundaries.sheets import Sheets, Slices
from segdata.agreement.boundaries.strips import Strips
from segdata.agreement.opposite import Drawn, Opposite, positions_of
from segdata.core.batch import Batch, integer_column
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints


@dataclass(frozen=True, slots=True)
class Outline:
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
    edge: Strips
    counted: Strips
    band: SweepRuns
    band_pixels: Ints

    @staticmethod
    def of(opposite: Opposite, side: SweepRuns, shape: Ints, sheets: Sheets) -> "Outline":
        """Of the runs of segments, each of a shape (n_segments,); -1: none."""
        area = sheets.lay(opposite, side, shape)
        edge = edges(area, sheets)
        clear = clear_of_void(edge, opposite, sheets)
        along = band(area, sheets, depth(sheets.line.height, sheets.line.width))
        strips = Strips.of(edge, sheets)
        counted = strips if clear is edge else Strips.of(clear, sheets)
        return Outline(area, strips, counted, along, sheets.pixels(along))


@dataclass(frozen=True, slots=True)
class Outlined:
    """Shapes, where they lie, and what both annotators' outlines are."""

    shapes: Shapes
    sheets: Sheets
    a: Outline
    b: Outline


def outlined(opposite: Opposite, shapes: Shapes) -> Outlined:
    """The outlines of both annotators of a pair."""
    sheets = _sheets(opposite, shapes)
    a, b = (
        Outline.of(opposite, side, of, sheets)
        for side, of in zip(opposite.clear, (shapes.of_a, shapes.of_b), strict=True)
    )
    return Outlined(shapes, sheets, a, b)


def _sheets(opposite: Opposite, shapes: Shapes) -> Sheets:
    slices = Slices.of(opposite)
    drawn = list(zip(opposite.clear, (shapes.of_a, shapes.of_b), strict=True))
    deep = depth(opposite.line.height, opposite.line.width)
    return Sheets.of(
        opposite, slices, shapes.case, slices.reach(opposite, shapes.case, drawn), margin=int(deep.max(initial=0))
    )


class Outlines:
    """The outlines of categories in a batch of images, kept for all pairs of annotators.

    An annotator's are the same in every pair that has all images of the batch and no void. In other pairs they are made
    for the pair alone. So no more are kept than there are annotators.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._sheets: Sheets | None = None
        self._code: Ints | None = None
        self._kept: dict[int, tuple[Drawn, Outline]] = {}

    def of(self, opposite: Opposite) -> Outlined:
        """Those of the categories of a pair."""
        every = opposite.is_flat and opposite.n_cases == self._batch.images.num_rows
        if not every or len(opposite.void.start):
            return outlined(opposite, Shapes.of_categories(opposite))
        if self._code is None:
            self._code = _codes(opposite, self._batch)
        shapes = Shapes.of_categories(opposite, self._code)
        if self._sheets is None:
            self._sheets = _sheets(opposite, shapes)
        a, b = (
            self._known(opposite, drawn, of) for drawn, of in ((opposite.a, shapes.of_a), (opposite.b, shapes.of_b))
        )
        return Outlined(shapes, self._sheets, a, b)

    def _known(self, opposite: Opposite, drawn: Drawn, shape: Ints) -> Outline:
        assert self._sheets is not None
        if id(drawn) not in self._kept:
            # With what it is of, so that the number is nobody else's meanwhile.
            self._kept[id(drawn)] = drawn, Outline.of(opposite, drawn.side, shape, self._sheets)
        return self._kept[id(drawn)][1]


def _codes(opposite: Opposite, batch: Batch) -> Ints:
    """Case * n_categories + category of all segments of a batch, ascending; a case is an image."""
    category = positions_of(integer_column(batch.segments["category_id"]), opposite.categories)
    return np.unique(batch.segment_image * max(len(opposite.categories), 1) + category).astype(np.int64)
