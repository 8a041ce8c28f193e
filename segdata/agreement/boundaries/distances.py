"""Distances: how far the boundary pixels of shapes are from the boundaries that another annotator gave them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.boundaries.sheets import Sheets
from segdata.agreement.boundaries.strips import Strips
from segdata.agreement.opposite import Flags
from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Apart:
    """Boundary pixels of n shapes, by shape.

    Attributes
    ----------
    shape : (p,) ascending
    distance : (p,) to the other boundary, in the unit of the spacing; infinite where there is none
    is_inside : (p,) the other annotator has the pixel too
    is_framed : (p,) the pixel is as near to the end of the image, or of the volume, as to the other boundary: what
        was drawn may go on beyond
    """

    shape: Ints
    distance: Floats
    is_inside: Flags
    is_framed: Flags

    @property
    def signed(self) -> Floats:
        """(p,) the distances, below 0 inside what the other annotator drew."""
        return np.where(self.is_inside, -self.distance, self.distance)


def apart(edge: Strips, other_edge: Strips, other: SweepRuns, sheets: Sheets, spacing: Floats) -> Apart:
    """The distances of the pixels of `edge` to the pixels of `other_edge`, which bound the area `other`.

    `spacing` (n_shapes, 3) is how wide, high and deep a pixel of each shape is.
    """
    row, start, end, inside = kernels.cut(edge.side.start, edge.side.end, other.start, other.end)
    pieces = edge.pieces(row, start, end)
    length = end - start
    distance = (_in_space if sheets.is_deep.any() else _in_plane)(pieces, other_edge, sheets, spacing)
    shape = np.repeat(sheets.shape[pieces.side.owner], length)
    return Apart(shape, distance, np.repeat(inside, length), _framed(pieces, distance, sheets, spacing))


def _in_plane(edge: Strips, other: Strips, sheets: Sheets, spacing: Floats) -> Floats:
    """(p,) distances within sheets."""
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


def _in_space(edge: Strips, other: Strips, sheets: Sheets, spacing: Floats) -> Floats:
    """(p,) distances across the slices of volumes."""
    from scipy.spatial import cKDTree

    shape, points = _points(edge, sheets)
    other_shape, other_points = _points(other, sheets)
    found = np.full(len(points), np.inf)
    known = np.flatnonzero(np.isin(shape, other_shape))
    if len(known) == 0:
        return found
    shape, points, size = shape[known], points[known], spacing[shape[known]]
    # Shapes lie so far apart in a fourth direction that the nearest point is one of the same shape.
    placed, other_placed = points * size, other_points * spacing[other_shape]
    far = 2 * (placed.max() + other_placed.max() + 1)
    tree = cKDTree(np.column_stack([other_placed, far * other_shape]), balanced_tree=False, compact_nodes=False)
    _, nearest = tree.query(np.column_stack([placed, far * shape]))
    found[known] = np.sqrt((((points - other_points[nearest]) * size) ** 2).sum(axis=1))
    return found


def _points(strips: Strips, sheets: Sheets) -> tuple[Ints, Ints]:
    """The shape (p,) and the column, row and slice (p, 3) of pixels."""
    length = strips.side.end - strips.side.start
    sheet = np.repeat(strips.side.owner, length)
    shape = sheets.shape[sheet]
    columns = np.repeat(strips.x, length), _rows(strips.top, length), sheets.number[sheet]
    return shape, np.column_stack(columns)


def _framed(pieces: Strips, distance: Floats, sheets: Sheets, spacing: Floats) -> Flags:
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
    row, of = _rows(0 * count, count), np.repeat(np.arange(len(doubtful)), count)
    near = np.minimum(top[of] + row, below[of] + count[of] - 1 - row) * high[sheet[doubtful]][of]
    pixel = first[doubtful][of] + row
    framed[pixel] = distance[pixel] >= np.minimum(room[doubtful][of], near)
    return framed


def _rows(top: Ints, length: Ints) -> Ints:
    """(p,) the row of each pixel of strips (n,)."""
    row: Ints = np.repeat(top - (np.cumsum(length) - length), length)
    row += np.arange(len(row))
    return row
