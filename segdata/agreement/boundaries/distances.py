"""Distances: how far the boundary pixels of shapes are from the boundaries that another annotator gave them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.boundaries.sheets import Sheets
from segdata.agreement.opposite import Flags
from segdata.core import kernels
from segdata.core.meet import Side
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


def apart(edge: Side, other_edge: Side, other: Side, sheets: Sheets, spacing: Floats) -> Apart:
    """The distances of the pixels of `edge` to the pixels of `other_edge`, which bound the area `other`.

    `spacing` (n_shapes, 3) is how wide, high and deep a pixel of each shape is.
    """
    row, start, end, inside = kernels.cut(edge.start, edge.end, other.start, other.end)
    pieces = Side(start, end, edge.owner[row])
    length = end - start
    distance = (_in_space if sheets.is_deep.any() else _in_plane)(pieces, other_edge, sheets, spacing)
    shape = np.repeat(sheets.shape[pieces.owner], length)
    return Apart(shape, distance, np.repeat(inside, length), _framed(pieces, distance, sheets, spacing))


def _in_plane(edge: Side, other: Side, sheets: Sheets, spacing: Floats) -> Floats:
    """(p,) distances within sheets."""
    x, top = sheets.places(edge)
    other_x, other_top = sheets.places(other)
    return kernels.nearest(
        x,
        top,
        top + (edge.end - edge.start),
        edge.owner,
        other_x,
        other_top,
        other_top + (other.end - other.start),
        other.owner,
        np.ascontiguousarray(spacing[sheets.shape, 0]),
        np.ascontiguousarray(spacing[sheets.shape, 1]),
    )


def _in_space(edge: Side, other: Side, sheets: Sheets, spacing: Floats) -> Floats:
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


def _points(side: Side, sheets: Sheets) -> tuple[Ints, Ints]:
    """The shape (p,) and the column, row and slice (p, 3) of pixels."""
    x, top = sheets.places(side)
    length = side.end - side.start
    sheet = np.repeat(side.owner, length)
    shape = sheets.shape[sheet]
    return shape, np.column_stack([np.repeat(x, length), _rows(top, length), sheets.number[sheet]])


def _framed(side: Side, distance: Floats, sheets: Sheets, spacing: Floats) -> Flags:
    """(p,) whether pixels are as near to one at the end of the image, or of the volume, as `distance` (p,)."""
    x, top = sheets.places(side)
    length = side.end - side.start
    wide, high = (np.ascontiguousarray(spacing[sheets.shape, axis])[side.owner] for axis in (0, 1))
    room = np.minimum(x, (sheets.line.width - 1)[side.owner] - x) * wide
    if sheets.is_deep.any():
        above = sheets.n_slices - 1 - sheets.number
        deep = np.where(sheets.is_deep, np.minimum(sheets.number, above) * spacing[sheets.shape, 2], np.inf)
        room = np.minimum(room, deep[side.owner])
    below = sheets.line.height[side.owner] - top - length  # rows below the strip
    first = np.cumsum(length) - length
    framed = np.zeros(len(distance), bool)
    if len(first) == 0:
        return framed
    # Most strips are farther from the end of the image than any of their pixels is from the other boundary.
    doubtful = np.flatnonzero(np.maximum.reduceat(distance, first) >= np.minimum(room, np.minimum(top, below) * high))
    count = length[doubtful]
    row = _rows(0 * count, count)
    of = np.repeat(doubtful, count)
    near = np.minimum(top[of] + row, below[of] + length[of] - 1 - row) * high[of]
    pixel = first[of] + row
    framed[pixel] = distance[pixel] >= np.minimum(room[of], near)
    return framed


def _rows(top: Ints, length: Ints) -> Ints:
    """(p,) the row of each pixel of strips (n,)."""
    row: Ints = np.repeat(top - (np.cumsum(length) - length), length)
    row += np.arange(len(row))
    return row
