"""Distances: how far the boundary pixels of shapes are from the boundaries that another annotator gave them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.opposite import Flags
from segdata.agreement.sheets import Sheets
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
    is_framed : (p,) the pixel lies where the image or the volume ends, and may be boundary for that reason alone
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
    return Apart(shape, distance, np.repeat(inside, length), _framed(pieces, sheets))


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

    shape, points = _points(edge, sheets, spacing)
    other_shape, other_points = _points(other, sheets, spacing)
    found = np.full(len(points), np.inf)
    known = np.isin(shape, other_shape)
    if not known.any():
        return found
    # Shapes lie so far apart in a fourth direction that the nearest point is one of the same shape.
    far = 2 * (np.abs(points).max() + np.abs(other_points).max() + 1)
    tree = cKDTree(np.column_stack([other_points, far * other_shape]), balanced_tree=False, compact_nodes=False)
    _, nearest = tree.query(np.column_stack([points[known], far * shape[known]]))
    found[known] = np.sqrt(((points[known] - other_points[nearest]) ** 2).sum(axis=1))
    return found


def _points(side: Side, sheets: Sheets, spacing: Floats) -> tuple[Ints, Floats]:
    """The shape (p,) and the place (p, 3) of pixels, in the unit of the spacing."""
    x, top = sheets.places(side)
    length = side.end - side.start
    sheet = np.repeat(side.owner, length)
    y = np.arange(len(sheet)) + np.repeat(top - (np.cumsum(length) - length), length)
    shape = sheets.shape[sheet]
    slice_ = sheet - sheets.first[shape]
    return shape, np.column_stack([np.repeat(x, length), y, slice_]) * spacing[shape]


def _framed(edge: Side, sheets: Sheets) -> Flags:
    """(p,) whether each pixel lies on the frame of its image, or in the first or last slice of a volume."""
    x, top = sheets.places(edge)
    length = edge.end - edge.start
    last = np.cumsum(length) - 1
    is_end = (edge.owner == sheets.first[sheets.shape[edge.owner]]) | np.isin(edge.owner + 1, sheets.first)
    whole = (x == 0) | (x == sheets.width[edge.owner] - 1) | (is_end & sheets.is_deep[edge.owner])
    framed: Flags = np.repeat(whole, length)
    framed[(last - length + 1)[top == 0]] = True
    framed[last[top + length == sheets.line.height[edge.owner]]] = True
    return framed
