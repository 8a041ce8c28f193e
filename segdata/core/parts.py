"""Parts: connected components, holes and perimeter of segments, computed on runs."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Ints, Rows, Runs, run_columns, strips_between, unique_inverse


class Components(msgspec.Struct, frozen=True):
    """Connected regions, each of one owner, numbered by their first run.

    Attributes
    ----------
    owner : (n,) int32, whose region it is
    area, x, y, width, height : (n,) int64, pixels
    perimeter : (n,) int64, pixel edges between the region and everything else, the frame's edge included
    """

    owner: Rows
    area: Ints
    x: Ints
    y: Ints
    width: Ints
    height: Ints
    perimeter: Ints


class SegmentShapes(msgspec.Struct, frozen=True):
    """Parts, holes and perimeter of every segment, from one pass over neighbouring columns.

    Attributes
    ----------
    parts : the 4-connected components of all segments
    perimeter : (n_owners,) int64, pixel edges between the segment and everything else, the frame's edge included
    n_parts, n_holes : (n_owners,) int64
    """

    parts: Components
    perimeter: Ints
    n_parts: Ints
    n_holes: Ints


def segment_shapes(runs: Runs, height: Ints, n_owners: int) -> SegmentShapes:
    """Parts (4-connected), perimeter and number of holes of every owner; `height` (n_owners,) is that of its image.

    Perimeter in pixel edges: two per run, and two per pixel less those shared with a horizontal neighbour. The Euler
    number, parts less holes, is the number of runs less that of their contacts (`kernels.parts`).
    """
    x, top = run_columns(runs, height)
    bottom = top + runs.length
    label, left, links = kernels.parts(x, top, bottom, runs.owner, False)
    parts = _components(runs.owner, label, x, top, bottom, left)
    n_parts = np.bincount(parts.owner, minlength=n_owners)
    euler = np.diff(runs.offsets(n_owners)) - kernels.sums(runs.owner, links, n_owners)
    return SegmentShapes(parts, kernels.sums(parts.owner, parts.perimeter, n_owners), n_parts, n_parts - euler)


def find_holes(runs: Runs, height: Ints, among: NDArray[np.bool_]) -> Components:
    """The holes of every owner: 8-connected components of its complement that do not reach the frame.

    8-connected, as the dual of 4-connected parts: so parts less holes is the Euler number
    (Gray, 1971, IEEE Transactions on Computers C-20(5), 551-561; `skimage.measure.euler_number(connectivity=1)`).
    Only owners in `among` (n_owners,) are searched; `SegmentShapes.n_holes` counts the holes of each. `height`
    (n_owners,) is that of the owner's image. `Regions.owner` is the segment.
    """
    strips = hole_strips(runs, height, among)
    return _components(strips.owner, strips.hole, strips.x, strips.top, strips.bottom, strips.left)


def label_parts(runs: Runs, height: Ints, corners: bool = False) -> tuple[Ints, Ints]:
    """(n_runs,) the part of each run, by edges or also by corners of pixels, and (n_parts,) the owner of each part.

    Parts are numbered by their first run. `height` (n_owners,) is that of the owner's image.
    """
    x, top = run_columns(runs, height)
    part = kernels.parts(x, top, top + runs.length, runs.owner, corners)[0]
    owner = np.zeros(int(part.max(initial=-1)) + 1, np.int64)
    owner[part] = runs.owner
    return part, owner


class HoleStrips(msgspec.Struct, frozen=True):
    """The pixels of holes, as strips in columns, sorted by (owner, x, top).

    Attributes
    ----------
    x, top, bottom : (n,) int64, the column, the first row and that after the last
    owner : (n,) int32, the segment
    hole : (n,) int64, numbered from 0 in the order of first strips
    left : (n,) int64, pixels that have the hole to the left, too
    """

    x: Ints
    top: Ints
    bottom: Ints
    owner: Rows
    hole: Ints
    left: Ints


def hole_strips(runs: Runs, height: Ints, among: NDArray[np.bool_]) -> HoleStrips:
    """The pixels of the holes that `find_holes` finds; same parameters."""
    searched = np.flatnonzero(among)
    empty = _complement(runs.take(searched, len(among)), height[searched])
    label, left, _ = kernels.parts(empty.x, empty.top, empty.bottom, empty.owner, True)
    outside = np.zeros(int(label.max(initial=-1)) + 1, bool)
    outside[label[empty.open]] = True
    inside = ~outside[label]
    _, label = unique_inverse(label[inside])
    owner = searched.astype(np.int32)[empty.owner[inside]]
    return HoleStrips(empty.x[inside], empty.top[inside], empty.bottom[inside], owner, label, left[inside])


class _ComplementStrips(msgspec.Struct, frozen=True):
    """Strips of the complement of each owner, in the columns that it has runs in; `open` ones reach out of its box."""

    x: Ints
    top: Ints
    bottom: Ints
    owner: Rows
    open: NDArray[np.bool_]


def _complement(runs: Runs, height: Ints) -> _ComplementStrips:
    """What lies above, between and below the runs of each column that an owner has runs in.

    Strips above the first and below the last run are open: they reach out of the owner's box, beyond the frame even.
    So are the strips next to a column that the owner has no runs in, those of its first and last column among them.
    """
    x, top = run_columns(runs, height)
    bottom = top + runs.length
    first = np.ones(len(x), bool)
    first[1:] = (runs.owner[1:] != runs.owner[:-1]) | (x[1:] != x[:-1])
    n_columns = int(first.sum())
    limit = int(bottom.max(initial=0)) + 1
    column, strip_top, strip_bottom = strips_between(
        np.cumsum(first) - 1, top, bottom, np.full(n_columns, -1), np.full(n_columns, limit)
    )
    owner, x = runs.owner[first][column], x[first][column]
    is_open = (strip_top < 0) | (strip_bottom == limit) | _beside_skipped_column(owner, x)
    return _ComplementStrips(x, strip_top, strip_bottom, owner, is_open)


def _beside_skipped_column(owner: Rows, x: Ints) -> NDArray[np.bool_]:
    """(n,) whether the column before or after a strip's column holds no strip of its owner."""
    if len(x) == 0:
        return np.empty(0, bool)
    starts = np.flatnonzero(np.concatenate([[True], (owner[1:] != owner[:-1]) | (x[1:] != x[:-1])]))
    count = np.diff(np.concatenate([starts, [len(owner)]]))
    column_owner, column_x = owner[starts], x[starts]
    follows = (column_owner[1:] == column_owner[:-1]) & (column_x[1:] == column_x[:-1] + 1)
    alone = ~np.concatenate([[False], follows]) | ~np.concatenate([follows, [False]])
    return np.repeat(alone, count)


def _components(owner: Rows, label: Ints, x: Ints, top: Ints, bottom: Ints, left: Ints) -> Components:
    """The regions that `label` (n_runs,) groups runs into; labels count from 0 in the order of first runs."""
    n_regions = int(label.max(initial=-1)) + 1
    region_owner = np.empty(n_regions, np.int32)
    region_owner[label] = owner
    area, *box = kernels.extents(label, x, top, bottom, n_regions)
    perimeter = 2 * (np.bincount(label, minlength=n_regions) + area - kernels.sums(label, left, n_regions))
    return Components(region_owner, area, box[0], box[1], box[2], box[3], perimeter)
