"""Surface distances: distances between the boundaries of two annotators, in images and in volumes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.agreement.boundaries import (
    ComparedShapes,
    OutlineCache,
    PairOutlines,
    ShapeFrames,
    SheetStrips,
    band_depth,
    intersect_runs,
)
from segdata.agreement.metrics.boundary_offset import boundary_offset, offset_spread
from segdata.agreement.metrics.hausdorff import directed_hausdorff, hausdorff
from segdata.agreement.paired_segments import AnnotatorPair
from segdata.core import kernels
from segdata.core.runs import Floats, Ints, expand_ranges


@dataclass(frozen=True, slots=True)
class BoundaryDistances:
    """Distances from the boundary pixels of n shapes to the other annotator's boundary, in the unit of the spacing."""

    distance: Floats  # (p,) by shape; infinite where there is no other boundary
    offset: Ints  # (n + 1,) the pixels of shape i are `offset[i]:offset[i + 1]`
    near: Ints  # (n,) pixels within the tolerance
    total: Floats  # (n,) sum of the distances
    # Over the pixels that determine the offset, which are nearer to the other boundary than to the image's border:
    # (n,) the mean of the signed distances, below 0 inside what the other annotator drew, and of their squares
    mean: Floats
    mean_square: Floats


def boundary_distances(
    edge: SheetStrips,
    other_edge: SheetStrips,
    other: SheetStrips,
    rows: tuple[Ints, Ints],
    sheets: ShapeFrames,
    spacing: Floats,
    within: Floats,
    far: Floats,
) -> BoundaryDistances:
    """The distances of the pixels of `edge` to the pixels of `other_edge`, which bound the area `other`.

    `rows` (n_sheets,) are the sheets of either side that are compared, `spacing` (n_shapes, 3) the width, height and
    depth of a pixel of each shape, `within` (n_shapes,) the tolerance, and `far` (n_shapes,) the largest distance of
    pixels that count for the offset.
    """
    wide, high, deep = (spacing[sheets.shape, axis] for axis in range(3))
    beside, known = np.full(len(sheets.shape), np.inf), np.empty(0)
    if sheets.is_deep.any():
        above = sheets.n_slices - 1 - sheets.number
        beside = np.where(sheets.is_deep, np.minimum(sheets.number, above) * deep, np.inf)
        known = _distances_in_space(edge, other_edge, sheets, spacing)
    distance, counts, sums = kernels.outline_distances(
        edge.strip,
        edge.first,
        other_edge.strip,
        other_edge.first,
        other.strip,
        other.first,
        np.stack([*rows, sheets.shape, sheets.line.width, sheets.line.height]),
        np.stack([wide, high, beside]),
        np.stack([within, far]),
        known,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, square = (np.where(counts[:, 2] > 0, sums[:, k] / counts[:, 2], np.nan) for k in (1, 2))
    offset = np.concatenate([[0], np.cumsum(counts[:, 0])])
    return BoundaryDistances(distance, offset, counts[:, 1], sums[:, 0], mean, square)


def _distances_in_space(edge: SheetStrips, other: SheetStrips, sheets: ShapeFrames, spacing: Floats) -> Floats:
    """(p,) distances across the slices of volumes."""
    from scipy.spatial import cKDTree

    shape, points = _voxels(edge, sheets)
    other_shape, other_points = _voxels(other, sheets)
    distance = np.full(len(points), np.inf)
    comparable = np.flatnonzero(np.isin(shape, other_shape))
    if len(comparable) == 0:
        return distance
    shape, points, size = shape[comparable], points[comparable], spacing[shape[comparable]]
    # A fourth coordinate keeps shapes so far apart that the nearest point belongs to the same shape.
    placed, other_placed = points * size, other_points * spacing[other_shape]
    far = 2 * (placed.max() + other_placed.max() + 1)
    tree = cKDTree(np.column_stack([other_placed, far * other_shape]), balanced_tree=False, compact_nodes=False)
    _, nearest = tree.query(np.column_stack([placed, far * shape]))
    distance[comparable] = np.sqrt((((points - other_points[nearest]) * size) ** 2).sum(axis=1))
    return distance


def _voxels(strips: SheetStrips, sheets: ShapeFrames) -> tuple[Ints, Ints]:
    """The shape (p,) and the column, row and slice (p, 3) of pixels."""
    x, top, bottom = strips.strip
    sheet = np.repeat(strips.sheet, bottom - top)
    columns = np.repeat(x, bottom - top), expand_ranges(top, bottom - top), sheets.number[sheet]
    return sheets.shape[sheet], np.column_stack(columns)


Columns = dict[str, Ints | Floats]
_ROUNDING = 1 + 1e-9  # three pixels of 0.1 mm are within 0.3 mm
_MIN_REACH = 5  # pixels: boundaries that are farther apart count as a missing part


class CategoryTolerance(msgspec.Struct, frozen=True):
    """The largest distance at which two boundaries match.

    In pixels (`px` in JSON), and in mm if the spacing is known (null: the mm of these pixels within a slice).
    """

    pixels: float = msgspec.field(default=2.0, name="px")
    mm: float | None = None


class Tolerance(CategoryTolerance, frozen=True):
    """The tolerance of boundaries for all categories, and for single categories by name."""

    categories: dict[str, CategoryTolerance] = {}

    def for_categories(self, names: Sequence[str]) -> tuple[Floats, Floats]:
        """(n,) the tolerance of categories in pixels, and in mm (NaN: not given)."""
        every = [self.categories.get(name, self) for name in names]
        mm = [np.nan if columns.mm is None else columns.mm for columns in every]
        return np.array([columns.pixels for columns in every], np.float64), np.array(mm, np.float64)


def surface_table(
    pair: AnnotatorPair,
    matches: Mapping[str, NDArray[np.generic]],
    *,
    tolerance: Tolerance | None = None,
    spacing: Floats | None = None,
    outlines_of_batch: OutlineCache | None = None,
) -> dict[str, Columns]:
    """The table `surfaces` of `segdata.core.annotator_pairs.AnnotatorPairs`.

    Boundary pixels of a segment have a 4-neighbour outside, in volumes a 6-neighbour. Pixels beyond the image, and
    void, are outside; boundary pixels with void beside them do not count themselves, but as neighbours of others. For
    the offset, pixels do not count that are as near to the image's border as to the other's boundary, and for whole
    categories pixels that are farther from it than the depth of the band of Boundary IoU, or than 5 pixels if that is
    more: there a part is missing, which does not show how large the rest is drawn. All segments of a category, crowds
    too, are one shape. Bands, for Boundary IoU, are taken slice by slice, for categories only: those of matches are
    empty. Distances are in mm if the spacing is known, else in pixels; they are NaN if one annotator has no boundary.

    Parameters
    ----------
    matches : `a` and `b`, rows of the segments of either annotator; -1: none
    tolerance : of boundaries; None: the default
    spacing : (n_cases, 3) width, height and depth of a pixel in mm; NaN: unknown
    outlines_of_batch : a cache of outlines for all pairs of the batch; None: they are computed for this pair
    """
    known = outlines_of_batch or OutlineCache(pair.batch)
    of_categories = known.of_categories(pair)
    of_matches = known.of_matches(pair, ComparedShapes.of_matches(pair, matches))
    near = tolerance or Tolerance()
    parts = [_shape_columns(pair, outlines, near, spacing) for outlines in (of_categories, of_matches)]
    # Categories that neither of the two has belong to other annotators.
    some = np.append(parts[0]["band_any"] > 0, np.ones(len(of_matches.shapes), bool))
    return {"surfaces": {name: np.concatenate([part[name] for part in parts])[some] for name in parts[0]}}


def _shape_columns(
    pair: AnnotatorPair, outlines: PairOutlines, tolerance: Tolerance, spacing: Floats | None
) -> Columns:
    shapes, sheets, first, second = outlines.shapes, outlines.sheets, outlines.a, outlines.b
    size, within, far = _shape_units(pair, shapes, tolerance, spacing)
    rows = outlines.of_a, outlines.of_b
    a = boundary_distances(first.counted, second.edge, second.area, rows, sheets, size, within, far)
    b = boundary_distances(second.counted, first.edge, first.area, rows[::-1], sheets, size, within, far)
    both = either = np.zeros(len(shapes), np.int64)
    if first.band is not None and second.band is not None:
        both = sheets.pixels(intersect_runs(first.band, second.band))
        either = first.band_pixels + second.band_pixels - both
    columns: Columns = {
        "pair": shapes.case,
        "category": shapes.category,
        "match": shapes.match,
        "band_both": both,
        "band_any": either,
    }
    return columns | _distance_columns(a, b)


def _distance_columns(a: BoundaryDistances, b: BoundaryDistances) -> Columns:
    """The columns of distances of the table `surfaces`."""
    columns: Columns = {}
    for name, side in (("a", a), ("b", b)):
        count = np.diff(side.offset)
        columns[f"edge_{name}"], columns[f"near_{name}"] = count, side.near
        columns[f"sum_{name}"] = np.where(np.isfinite(side.total) & (count > 0), side.total, np.nan)
    for name, percent in (("hd95", 95.0), ("hd", 100.0)):
        columns[name] = hausdorff(*(directed_hausdorff(side.distance, side.offset, percent) for side in (a, b)))
    columns["offset"] = boundary_offset(a.mean, b.mean)
    columns["offset_sd"] = offset_spread(a.mean, a.mean_square, b.mean, b.mean_square)
    return columns


def _shape_units(
    pair: AnnotatorPair, shapes: ComparedShapes, tolerance: Tolerance, spacing: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """The size of a pixel of each shape (n_shapes, 3), the tolerance, and the reach of the offset (n_shapes,).

    All are in mm if the spacing is known; the tolerance is a little larger because of rounding. Matches have an
    infinite reach.
    """
    size = np.ones((pair.n_cases, 3))
    spacings = np.full((pair.n_cases, 3), np.nan) if spacing is None else spacing
    is_deep = np.bincount(pair.case_of_frame, minlength=pair.n_cases) > 1
    has_spacing = np.isfinite(spacings[:, :2]).all(axis=1) & (np.isfinite(spacings[:, 2]) | ~is_deep)
    size[has_spacing, :2] = spacings[has_spacing, :2]
    size[has_spacing & is_deep, 2] = spacings[has_spacing & is_deep, 2]
    pixels, mm = (
        limits[shapes.category] for limits in tolerance.for_categories([category.name for category in pair.categories])
    )
    side = np.sqrt(size[:, 0] * size[:, 1])[shapes.case]  # of a pixel
    deep = np.maximum(band_depth(pair.line.height, pair.line.width), _MIN_REACH)
    first = np.unique(pair.case_of_frame, return_index=True)[1]
    far = np.where(shapes.match < 0, deep[first][shapes.case] * side * _ROUNDING, np.inf)
    within = np.where(has_spacing[shapes.case] & np.isfinite(mm), mm, pixels * side) * _ROUNDING
    return size[shapes.case], within, far
