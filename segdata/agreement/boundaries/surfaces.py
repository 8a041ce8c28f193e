"""Surfaces: how far the boundaries are apart that two annotators drew, in images and in volumes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.boundaries.distances import Apart, apart
from segdata.agreement.boundaries.edges import depth
from segdata.agreement.boundaries.outlines import Outlined, Outlines, outlined
from segdata.agreement.boundaries.shapes import Shapes
from segdata.agreement.boundaries.sheets import shared
from segdata.agreement.metrics.boundary_offset import boundary_offset, offset_spread
from segdata.agreement.metrics.hausdorff import directed_hausdorff, hausdorff
from segdata.agreement.opposite import Flags, Opposite
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[np.int64] | NDArray[np.float64]]
_ROUNDING = 1 + 1e-9  # three pixels of 0.1 mm are within 0.3 mm
_FARTHEST = np.finfo(np.float64).max  # what is infinite is no distance
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


def surfaces(
    opposite: Opposite,
    matches: Mapping[str, NDArray[np.generic]],
    *,
    tolerance: Tolerance = Tolerance(),
    spacing: Floats | None = None,
    known: Outlines | None = None,
) -> dict[str, Columns]:
    """The table `surfaces` of `segdata.core.annotator_pairs.AnnotatorPairs`.

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
    known : the outlines of the batch's annotators, which other pairs use too; None: they are made for this pair
    """
    of_categories = known.of(opposite) if known else outlined(opposite, Shapes.of_categories(opposite))
    of_matches = outlined(opposite, Shapes.of_matches(opposite, matches))
    parts = [_measured(opposite, each, tolerance, spacing) for each in (of_categories, of_matches)]
    # What neither of the two has is a category of others.
    some = np.append(parts[0]["band_any"] > 0, np.ones(len(of_matches.shapes), bool))
    return {"surfaces": {name: np.concatenate([part[name] for part in parts])[some] for name in parts[0]}}


def _measured(opposite: Opposite, of: Outlined, tolerance: Tolerance, spacing: Floats | None) -> Columns:
    """The columns of some shapes."""
    shapes, sheets, one, other = of.shapes, of.sheets, of.a, of.b
    size, within, far = _units(opposite, shapes, tolerance, spacing)
    a = apart(one.counted, other.edge, other.area, sheets, size)
    b = apart(other.counted, one.edge, one.area, sheets, size)
    both = sheets.pixels(shared(one.band, other.band))
    columns: Columns = {
        "pair": shapes.case,
        "category": shapes.category,
        "match": shapes.match,
        "band_both": both,
        "band_any": one.band_pixels + other.band_pixels - both,
    }
    return columns | _compared(a, b, within, far)


def _compared(a: Apart, b: Apart, within: Floats, far: Floats) -> Columns:
    """The columns about distances; `within` (n_shapes,) is how far apart boundaries may be, `far` where they end."""
    n = len(within)
    columns: Columns = {}
    directed, means, squares = [], [], []
    for name, side in (("a", a), ("b", b)):
        offset = np.searchsorted(side.shape, np.arange(n + 1)).astype(np.int64)
        columns[f"edge_{name}"] = np.diff(offset)
        columns[f"near_{name}"] = _counted(side.distance <= _each(within * _ROUNDING, side), offset)
        directed.append([directed_hausdorff(side.distance, offset, percent) for percent in (95.0, 100.0)])
        total = np.bincount(side.shape, weights=side.distance, minlength=n)
        columns[f"sum_{name}"] = np.where(np.isfinite(total) & (columns[f"edge_{name}"] > 0), total, np.nan)
        mean, square = _moments(side, far, offset)
        means.append(mean)
        squares.append(square)
    columns["hd95"], columns["hd"] = (hausdorff(*pair) for pair in zip(*directed, strict=True))
    columns["offset"] = boundary_offset(*means)
    columns["offset_sd"] = offset_spread(means[0], squares[0], means[1], squares[1])
    return columns


def _moments(side: Apart, far: Floats, offset: Ints) -> tuple[Floats, Floats]:
    """(n,) mean and mean square of the signed distances of the pixels that count for the offset, up to `far` (n,).

    The pixels of shape i are `offset[i]:offset[i + 1]`.
    """
    counted = ~side.is_framed & (side.distance <= np.minimum(_each(far, side), _FARTHEST))
    signed = np.where(counted, side.distance, 0.0)
    square = np.bincount(side.shape, signed * signed, len(far))
    np.negative(signed, out=signed, where=side.is_inside)
    count = _counted(counted, offset).astype(float)
    count[count == 0] = np.nan
    return np.bincount(side.shape, signed, len(far)) / count, square / count


def _each(values: Floats, side: Apart) -> Floats:
    """The values (n,) of each pixel's shape, (p,), or the one that all have."""
    return values[:1] if len(values) and (values == values[0]).all() else values[side.shape]


def _counted(chosen: Flags, offset: Ints) -> Ints:
    """(n,) how many of the pixels (p,) of each shape are chosen."""
    upto = np.concatenate([[0], np.cumsum(chosen)])
    return np.asarray(np.diff(upto[offset]), np.int64)


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
