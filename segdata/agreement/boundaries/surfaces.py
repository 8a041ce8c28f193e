"""Surfaces: how far the boundaries are apart that two annotators drew, in images and in volumes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.boundaries.distances import Apart, apart
from segdata.agreement.boundaries.edges import band, clear_of_void, depth, edges
from segdata.agreement.boundaries.sheets import Sheets, Slices, shared
from segdata.agreement.metrics.boundary_offset import boundary_offset, offset_spread
from segdata.agreement.metrics.hausdorff import directed_hausdorff, hausdorff
from segdata.agreement.opposite import Opposite
from segdata.core.meet import Side
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[np.int64] | NDArray[np.float64]]
_ROUNDING = 1 + 1e-9  # three pixels of 0.1 mm are within 0.3 mm
_REACH = 5  # pixels, at least, up to which what ends elsewhere is a boundary; beyond that a part is missing


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two boundaries may be and still be one.

    Attributes
    ----------
    pixels : where the spacing of a case is unknown
    mm : where it is known; None: as many mm as `pixels` pixels are within a slice
    categories : of single categories, by name
    """

    pixels: float = 2.0
    mm: float | None = None
    categories: Mapping[str, "Tolerance"] = field(default_factory=dict)

    def of(self, names: Sequence[str]) -> tuple[Floats, Floats]:
        """(n,) the pixels, and the mm (NaN: none are given), of categories."""
        every = [self.categories.get(name, self) for name in names]
        mm = [np.nan if each.mm is None else each.mm for each in every]
        return np.array([each.pixels for each in every], np.float64), np.array(mm, np.float64)


@dataclass(frozen=True, slots=True)
class Shapes:
    """What is compared: of each case the pixels of every category, and every two instances that are matched.

    Attributes
    ----------
    case, category : (n,)
    match : (n,) row of the matches; -1: all of a category
    of_a, of_b : for categories and for matches, the shape that each of A's and B's segments is in; -1: none
    """

    case: Ints
    category: Ints
    match: Ints
    of_a: tuple[Ints, Ints]
    of_b: tuple[Ints, Ints]

    @staticmethod
    def of(opposite: Opposite, matches: Mapping[str, NDArray[np.generic]]) -> "Shapes":
        """All of them; matches of things alone, and of one category."""
        wide = max(len(opposite.categories), 1)
        code_a, code_b = (each.case * wide + each.category for each in (opposite.a, opposite.b))
        drawn_a, drawn_b = (side.owner for side in opposite.clear)
        code = np.unique(np.concatenate([np.unique(code_a[drawn_a]), np.unique(code_b[drawn_b])]))
        a, b = (np.asarray(matches[side], np.int64) for side in "ab")
        match = np.flatnonzero((a >= 0) & (b >= 0))
        same = opposite.a.category[a[match]] == opposite.b.category[b[match]]
        match = match[same & opposite.a.is_thing[a[match]]]
        number = len(code) + np.arange(len(match))
        of_match = tuple(np.full(len(drawn), -1, np.int64) for drawn in (opposite.a, opposite.b))
        for of, rows in zip(of_match, (a[match], b[match]), strict=True):
            of[rows] = number
            if not np.array_equal(of[rows], number):
                raise ValueError("a segment is in two matches: one is possible")
        return Shapes(
            np.concatenate([code // wide, opposite.a.case[a[match]]]),
            np.concatenate([code % wide, opposite.a.category[a[match]]]),
            np.concatenate([np.full(len(code), -1), match]),
            (_position(code, code_a), of_match[0]),
            (_position(code, code_b), of_match[1]),
        )


def surfaces(
    opposite: Opposite,
    matches: Mapping[str, NDArray[np.generic]],
    *,
    tolerance: Tolerance = Tolerance(),
    spacing: Floats | None = None,
) -> dict[str, Columns]:
    """The table `surfaces` of `segdata.core.opposed.Opposed`.

    Boundary pixels of a segment have a 4-neighbour outside, in volumes a 6-neighbour. What lies beyond the image is
    outside, and so is void; but boundary pixels with void beside them are not counted, though others may be near to
    them. For the offset those do not count that are as near to the end of the image as to the other's boundary, and of
    whole categories those that are farther from it than the band of Boundary IoU is deep, or than 5 pixels where that
    is more: there a part is missing, which says nothing of how large the rest is drawn. All segments of a category,
    crowds too, are one shape. Bands, for Boundary IoU, are taken slice by slice. Distances are in mm where the spacing
    is known, else in pixels; what has no meaning since one annotator has no boundary is NaN.

    Parameters
    ----------
    matches : `a` and `b`, rows of the segments of either annotator; -1: none
    tolerance : of boundaries
    spacing : (n_cases, 3) width, height and depth of a pixel in mm; NaN: unknown
    """
    shapes = Shapes.of(opposite, matches)
    deep = depth(opposite.line.height, opposite.line.width)
    slices = Slices.of(opposite)
    drawn = list(zip(opposite.clear, (shapes.of_a, shapes.of_b), strict=True))
    reach = slices.reach(opposite, shapes.case, ((side, of) for side, maps in drawn for of in maps))
    sheets = Sheets.of(opposite, slices, shapes.case, reach, margin=int(deep.max(initial=0)))
    areas = [_both(*(sheets.lay(opposite, side, of) for of in maps)) for side, maps in drawn]
    size, within, far = _units(opposite, shapes, tolerance, spacing)
    every = [edges(area, sheets) for area in areas]
    counted = [clear_of_void(edge, opposite, sheets) for edge in every]
    a = apart(counted[0], every[1], areas[1], sheets, size)
    b = apart(counted[1], every[0], areas[0], sheets, size)
    bands = [band(area, sheets, deep[sheets.frame]) for area in areas]
    both = sheets.pixels(shared(*bands))
    columns: Columns = {
        "pair": shapes.case,
        "category": shapes.category,
        "match": shapes.match,
        "band_both": both,
        "band_any": sheets.pixels(bands[0]) + sheets.pixels(bands[1]) - both,
    }
    return {"surfaces": columns | _compared(a, b, within, far)}


def _compared(a: Apart, b: Apart, within: Floats, far: Floats) -> Columns:
    """The columns about distances; `within` (n_shapes,) is how far apart boundaries may be, `far` where they end."""
    n = len(within)
    columns: Columns = {}
    directed, means, squares = [], [], []
    for name, side in (("a", a), ("b", b)):
        offset = np.searchsorted(side.shape, np.arange(n + 1)).astype(np.int64)
        near = np.bincount(side.shape, weights=side.distance <= (within * _ROUNDING)[side.shape], minlength=n)
        columns[f"edge_{name}"] = np.diff(offset)
        columns[f"near_{name}"] = near.astype(np.int64)
        directed.append([directed_hausdorff(side.distance, offset, percent) for percent in (95.0, 100.0)])
        total = np.bincount(side.shape, weights=side.distance, minlength=n)
        columns[f"sum_{name}"] = np.where(np.isfinite(total) & (columns[f"edge_{name}"] > 0), total, np.nan)
        mean, square = _moments(side, far)
        means.append(mean)
        squares.append(square)
    columns["hd95"], columns["hd"] = (hausdorff(*pair) for pair in zip(*directed, strict=True))
    columns["offset"] = boundary_offset(*means)
    columns["offset_sd"] = offset_spread(means[0], squares[0], means[1], squares[1])
    return columns


def _moments(side: Apart, far: Floats) -> tuple[Floats, Floats]:
    """(n,) mean and mean square of the signed distances of the pixels that count for the offset, up to `far` (n,)."""
    n = len(far)
    counted = ~side.is_framed & np.isfinite(side.distance) & (side.distance <= far[side.shape])
    signed = np.where(counted, side.signed, 0)
    count = np.bincount(side.shape, counted, n).astype(float)
    count[count == 0] = np.nan
    return np.bincount(side.shape, signed, n) / count, np.bincount(side.shape, signed * signed, n) / count


def _units(
    opposite: Opposite, shapes: Shapes, tolerance: Tolerance, spacing: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """What a pixel of each shape measures (n_shapes, 3), the tolerance, and the reach of the offset (n_shapes,).

    All in mm where the spacing is known. Matches have an infinite reach.
    """
    size = np.ones((opposite.n_cases, 3))
    given = np.full((opposite.n_cases, 3), np.nan) if spacing is None else spacing
    is_deep = np.bincount(opposite.case_of_frame, minlength=opposite.n_cases) > 1
    known = np.isfinite(given[:, :2]).all(axis=1) & (np.isfinite(given[:, 2]) | ~is_deep)
    size[known, :2] = given[known, :2]
    size[known & is_deep, 2] = given[known & is_deep, 2]
    pixels, mm = (each[shapes.category] for each in tolerance.of([each.name for each in opposite.categories]))
    side = np.sqrt(size[:, 0] * size[:, 1])[shapes.case]  # of a pixel
    deep = np.maximum(depth(opposite.line.height, opposite.line.width), _REACH)
    first = np.unique(opposite.case_of_frame, return_index=True)[1]
    far = np.where(shapes.match < 0, deep[first][shapes.case] * side * _ROUNDING, np.inf)
    return size[shapes.case], np.where(known[shapes.case] & np.isfinite(mm), mm, pixels * side), far


def _position(known: Ints, values: Ints) -> Ints:
    """(n,) where each value is among the known ones, which ascend; -1: nowhere."""
    if len(known) == 0:
        return np.full(len(values), -1)
    found = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[found] == values, found, -1)


def _both(categories: Side, matches: Side) -> Side:
    """The runs of shapes, those of categories first."""
    return Side(
        np.concatenate([categories.start, matches.start]),
        np.concatenate([categories.end, matches.end]),
        np.concatenate([categories.owner, matches.owner]),
    )
