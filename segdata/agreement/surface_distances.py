"""Surface distances: how far apart the boundaries of two annotators are, in images and in volumes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.agreement.annotator_pairs import AnnotatorPair, Flags
from segdata.agreement.boundaries import (
    BoundaryStrips,
    ComparedShapes,
    OutlineCache,
    PairOutlines,
    ShapeFrames,
    band_depth,
    intersect_runs,
    outline_pair,
)
from segdata.agreement.metrics.boundary_offset import boundary_offset, offset_spread
from segdata.agreement.metrics.hausdorff import directed_hausdorff, hausdorff
from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BoundaryDistances:
    """Boundary pixels of n shapes, by shape."""

    shape: Ints  # (p,) ascending
    distance: Floats  # (p,) to the other boundary, in the unit of the spacing; infinite where there is none
    is_inside: Flags  # (p,) the other annotator has the pixel too
    # (p,) the pixel is as near to the end of the image, or of the volume, as to the other boundary: what was drawn may
    # go on beyond
    is_framed: Flags

    @property
    def signed(self) -> Floats:
        """(p,) the distances, below 0 inside what the other annotator drew."""
        return np.where(self.is_inside, -self.distance, self.distance)


def boundary_distances(
    edge: BoundaryStrips, other_edge: BoundaryStrips, other: SweepRuns, sheets: ShapeFrames, spacing: Floats
) -> BoundaryDistances:
    """The distances of the pixels of `edge` to the pixels of `other_edge`, which bound the area `other`.

    `spacing` (n_shapes, 3) is how wide, high and deep a pixel of each shape is.
    """
    row, start, end, inside = kernels.cut(edge.side.start, edge.side.end, other.start, other.end)
    pieces = edge.pieces(row, start, end)
    length = end - start
    distance = (_in_space if sheets.is_deep.any() else _in_plane)(pieces, other_edge, sheets, spacing)
    shape = np.repeat(sheets.shape[pieces.side.owner], length)
    return BoundaryDistances(
        shape, distance, np.repeat(inside, length), _near_image_border(pieces, distance, sheets, spacing)
    )


def _in_plane(edge: BoundaryStrips, other: BoundaryStrips, sheets: ShapeFrames, spacing: Floats) -> Floats:
    return kernels.nearest(
        edge.x,
        edge.top,
        edge.top + (edge.side.end - edge.side.start),
        edge.side.owner,
        other.x,
        other.top,
        other.top + (other.side.end - other.side.start),
        other.side.owner,
        np.ascontiguousarray(spacing[sheets.shape, 0]),
        np.ascontiguousarray(spacing[sheets.shape, 1]),
    )


def _in_space(edge: BoundaryStrips, other: BoundaryStrips, sheets: ShapeFrames, spacing: Floats) -> Floats:
    """(p,) distances across the slices of volumes."""
    from scipy.spatial import cKDTree

    shape, points = _voxels(edge, sheets)
    other_shape, other_points = _voxels(other, sheets)
    distance = np.full(len(points), np.inf)
    comparable = np.flatnonzero(np.isin(shape, other_shape))
    if len(comparable) == 0:
        return distance
    shape, points, size = shape[comparable], points[comparable], spacing[shape[comparable]]
    # Shapes lie so far apart in a fourth direction that the nearest point is one of the same shape.
    placed, other_placed = points * size, other_points * spacing[other_shape]
    far = 2 * (placed.max() + other_placed.max() + 1)
    tree = cKDTree(np.column_stack([other_placed, far * other_shape]), balanced_tree=False, compact_nodes=False)
    _, nearest = tree.query(np.column_stack([placed, far * shape]))
    distance[comparable] = np.sqrt((((points - other_points[nearest]) * size) ** 2).sum(axis=1))
    return distance


def _voxels(strips: BoundaryStrips, sheets: ShapeFrames) -> tuple[Ints, Ints]:
    """The shape (p,) and the column, row and slice (p, 3) of pixels."""
    length = strips.side.end - strips.side.start
    sheet = np.repeat(strips.side.owner, length)
    shape = sheets.shape[sheet]
    columns = np.repeat(strips.x, length), _pixel_rows(strips.top, length), sheets.number[sheet]
    return shape, np.column_stack(columns)


def _near_image_border(pieces: BoundaryStrips, distance: Floats, sheets: ShapeFrames, spacing: Floats) -> Flags:
    """(p,) whether pixels are as near to one at the end of the image, or of the volume, as `distance` (p,)."""
    framed = np.zeros(len(distance), bool)
    sheet, length = pieces.side.owner, pieces.side.end - pieces.side.start
    if len(sheet) == 0:
        return framed
    wide, high, deep = (spacing[sheets.shape, axis] for axis in range(3))
    room = pieces.across * wide[sheet]
    if sheets.is_deep.any():
        above = sheets.n_slices - 1 - sheets.number
        room = np.minimum(room, np.where(sheets.is_deep, np.minimum(sheets.number, above) * deep, np.inf)[sheet])
    # Most strips are farther from the end of the image than any of their pixels is from the other boundary.
    first = np.cumsum(length) - length
    least = np.minimum(room, pieces.along * high[sheet])
    doubtful = np.flatnonzero(np.maximum.reduceat(distance, first) >= least)
    count, top = length[doubtful], pieces.top[doubtful]
    below = sheets.line.height[sheet[doubtful]] - top - count  # rows below the strip
    row, strip = _pixel_rows(0 * count, count), np.repeat(np.arange(len(doubtful)), count)
    near = np.minimum(top[strip] + row, below[strip] + count[strip] - 1 - row) * high[sheet[doubtful]][strip]
    pixel = first[doubtful][strip] + row
    framed[pixel] = distance[pixel] >= np.minimum(room[doubtful][strip], near)
    return framed


def _pixel_rows(top: Ints, length: Ints) -> Ints:
    """(p,) the row of each pixel of strips (n,)."""
    row: Ints = np.repeat(top - (np.cumsum(length) - length), length)
    row += np.arange(len(row))
    return row


Columns = dict[str, NDArray[np.int64] | NDArray[np.float64]]
_ROUNDING = 1 + 1e-9  # three pixels of 0.1 mm are within 0.3 mm
_FARTHEST = np.finfo(np.float64).max  # what is infinite is no distance
_REACH = 5  # pixels, at least, up to which what ends elsewhere is a boundary; beyond that a part is missing


class CategoryTolerance(msgspec.Struct, frozen=True):
    """How far apart two boundaries may be and still count as one.

    In pixels (`px` in JSON), and in mm where the spacing is known (null: as many mm as these pixels are within a
    slice).
    """

    pixels: float = msgspec.field(default=2.0, name="px")
    mm: float | None = None


class Tolerance(CategoryTolerance, frozen=True):
    """The same for all categories, and for single categories by name."""

    categories: dict[str, CategoryTolerance] = {}

    def of(self, names: Sequence[str]) -> tuple[Floats, Floats]:
        """(n,) the pixels, and the mm (NaN: none are given), of categories."""
        every = [self.categories.get(name, self) for name in names]
        mm = [np.nan if columns.mm is None else columns.mm for columns in every]
        return np.array([columns.pixels for columns in every], np.float64), np.array(mm, np.float64)


def surface_table(
    opposite: AnnotatorPair,
    matches: Mapping[str, NDArray[np.generic]],
    *,
    tolerance: Tolerance | None = None,
    spacing: Floats | None = None,
    outlines_of_batch: OutlineCache | None = None,
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
    tolerance : of boundaries; None: the default
    spacing : (n_cases, 3) width, height and depth of a pixel in mm; NaN: unknown
    outlines_of_batch : outlines that other pairs of the batch use too; None: they are made for this pair
    """
    of_categories = (
        outlines_of_batch.of(opposite)
        if outlines_of_batch
        else outline_pair(opposite, ComparedShapes.of_categories(opposite))
    )
    of_matches = outline_pair(opposite, ComparedShapes.of_matches(opposite, matches))
    near = tolerance or Tolerance()
    parts = [_shape_columns(opposite, outlines, near, spacing) for outlines in (of_categories, of_matches)]
    # What neither of the two has is a category of others.
    some = np.append(parts[0]["band_any"] > 0, np.ones(len(of_matches.shapes), bool))
    return {"surfaces": {name: np.concatenate([part[name] for part in parts])[some] for name in parts[0]}}


def _shape_columns(
    opposite: AnnotatorPair, outlines: PairOutlines, tolerance: Tolerance, spacing: Floats | None
) -> Columns:
    shapes, sheets, one, other = outlines.shapes, outlines.sheets, outlines.a, outlines.b
    size, within, far = _shape_units(opposite, shapes, tolerance, spacing)
    a = boundary_distances(one.counted, other.edge, other.area, sheets, size)
    b = boundary_distances(other.counted, one.edge, one.area, sheets, size)
    both = sheets.pixels(intersect_runs(one.band, other.band))
    columns: Columns = {
        "pair": shapes.case,
        "category": shapes.category,
        "match": shapes.match,
        "band_both": both,
        "band_any": one.band_pixels + other.band_pixels - both,
    }
    return columns | _distance_columns(a, b, within, far)


def _distance_columns(a: BoundaryDistances, b: BoundaryDistances, within: Floats, far: Floats) -> Columns:
    """The columns about distances; `within` (n_shapes,) is how far apart boundaries may be, `far` where they end."""
    n = len(within)
    columns: Columns = {}
    directed, means, squares = [], [], []
    for name, side in (("a", a), ("b", b)):
        offset = np.searchsorted(side.shape, np.arange(n + 1)).astype(np.int64)
        columns[f"edge_{name}"] = np.diff(offset)
        columns[f"near_{name}"] = _count_by_shape(side.distance <= _by_pixel(within * _ROUNDING, side), offset)
        directed.append([directed_hausdorff(side.distance, offset, percent) for percent in (95.0, 100.0)])
        total = np.bincount(side.shape, weights=side.distance, minlength=n)
        columns[f"sum_{name}"] = np.where(np.isfinite(total) & (columns[f"edge_{name}"] > 0), total, np.nan)
        mean, square = _offset_moments(side, far, offset)
        means.append(mean)
        squares.append(square)
    columns["hd95"], columns["hd"] = (hausdorff(*pair) for pair in zip(*directed, strict=True))
    columns["offset"] = boundary_offset(*means)
    columns["offset_sd"] = offset_spread(means[0], squares[0], means[1], squares[1])
    return columns


def _offset_moments(side: BoundaryDistances, far: Floats, offset: Ints) -> tuple[Floats, Floats]:
    """(n,) mean and mean square of the signed distances of the pixels that count for the offset, up to `far` (n,).

    The pixels of shape i are `offset[i]:offset[i + 1]`.
    """
    counted = ~side.is_framed & (side.distance <= np.minimum(_by_pixel(far, side), _FARTHEST))
    signed = np.where(counted, side.distance, 0.0)
    square = np.bincount(side.shape, signed * signed, len(far))
    np.negative(signed, out=signed, where=side.is_inside)
    count = _count_by_shape(counted, offset).astype(float)
    count[count == 0] = np.nan
    return np.bincount(side.shape, signed, len(far)) / count, square / count


def _by_pixel(values: Floats, side: BoundaryDistances) -> Floats:
    """The values (n,) of each pixel's shape, (p,), or the one that all have."""
    return values[:1] if len(values) and (values == values[0]).all() else values[side.shape]


def _count_by_shape(chosen: Flags, offset: Ints) -> Ints:
    """(n,) how many of the pixels (p,) of each shape are chosen."""
    upto = np.concatenate([[0], np.cumsum(chosen)])
    return np.asarray(np.diff(upto[offset]), np.int64)


def _shape_units(
    opposite: AnnotatorPair, shapes: ComparedShapes, tolerance: Tolerance, spacing: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """What a pixel of each shape measures (n_shapes, 3), the tolerance, and the reach of the offset (n_shapes,).

    All in mm where the spacing is known. Matches have an infinite reach.
    """
    size = np.ones((opposite.n_cases, 3))
    spacings = np.full((opposite.n_cases, 3), np.nan) if spacing is None else spacing
    is_deep = np.bincount(opposite.case_of_frame, minlength=opposite.n_cases) > 1
    has_spacing = np.isfinite(spacings[:, :2]).all(axis=1) & (np.isfinite(spacings[:, 2]) | ~is_deep)
    size[has_spacing, :2] = spacings[has_spacing, :2]
    size[has_spacing & is_deep, 2] = spacings[has_spacing & is_deep, 2]
    pixels, mm = (
        limits[shapes.category] for limits in tolerance.of([category.name for category in opposite.categories])
    )
    side = np.sqrt(size[:, 0] * size[:, 1])[shapes.case]  # of a pixel
    deep = np.maximum(band_depth(opposite.line.height, opposite.line.width), _REACH)
    first = np.unique(opposite.case_of_frame, return_index=True)[1]
    far = np.where(shapes.match < 0, deep[first][shapes.case] * side * _ROUNDING, np.inf)
    return size[shapes.case], np.where(has_spacing[shapes.case] & np.isfinite(mm), mm, pixels * side), far
