"""Parts, holes and perimeter of segments, in the run domain."""

from dataclasses import dataclass

import numpy as np

from segdata.core import kernels
from segdata.core.runs import Ints, Rows, Runs, boxes, columns


@dataclass(frozen=True, slots=True)
class Regions:
    """Connected regions, each of one owner, numbered by their first run.

    Attributes
    ----------
    owner : (n,) int32, whose region it is
    area, x, y, width, height : (n,) int64, pixels
    runs : the regions' pixels; `runs.owner` is the region
    """

    owner: Rows
    area: Ints
    x: Ints
    y: Ints
    width: Ints
    height: Ints
    runs: Runs

    def take(self, rows: Ints) -> "Regions":
        """Some of these regions, renumbered in the order given."""
        return Regions(
            self.owner[rows],
            self.area[rows],
            self.x[rows],
            self.y[rows],
            self.width[rows],
            self.height[rows],
            self.runs.take(rows, len(self.area)),
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """What one pass over neighbouring columns tells of every segment.

    Attributes
    ----------
    parts : the 4-connected components of all segments
    perimeter : (n_owners,) int64, pixel edges between the segment and everything else, the frame's edge included
    """

    parts: Regions
    perimeter: Ints


def shape(runs: Runs, height: Ints, n_owners: int) -> Shape:
    """Parts (4-connected) and perimeter of every owner; `height` (n_owners,) is that of its image.

    Perimeter in pixel edges: two per run, and two per pixel less those shared with a horizontal neighbour.
    """
    x, top = columns(runs, height)
    label, left = kernels.parts(x, top, top + runs.length, runs.owner, False)
    edges = 2 + 2 * runs.length - 2 * left
    total = np.concatenate([[0], np.cumsum(edges)])
    return Shape(_regions(runs, label, height), np.diff(total[runs.offsets(n_owners)]))


def holes(runs: Runs, height: Ints, n_owners: int) -> Regions:
    """The holes of every owner: 8-connected components of its complement that do not reach the frame.

    8-connected, as the dual of 4-connected parts: so parts less holes is the Euler number
    (Gray, 1971, IEEE Transactions on Computers C-20(5), 551-561; `skimage.measure.euler_number(connectivity=1)`).
    `Regions.owner` is the segment.
    """
    empty = _complement(runs, height, n_owners)
    if len(empty.start) == 0:
        return _regions(Runs.empty(), np.empty(0, np.int64), height)
    label, _ = kernels.parts(empty.x, empty.top, empty.bottom, empty.owner, True)
    outside = np.zeros(int(label.max()) + 1, bool)
    outside[label[empty.open]] = True
    inside = ~outside[label]
    _, label = np.unique(label[inside], return_inverse=True)
    found = Runs(empty.start[inside], (empty.bottom - empty.top)[inside], empty.owner[inside])
    return _regions(found, label.astype(np.int64), height)


@dataclass(frozen=True, slots=True)
class _Empty:
    """Strips of the complement of each owner within the columns of its box; `open` ones reach out of the box."""

    start: Ints
    x: Ints
    top: Ints
    bottom: Ints
    owner: Rows
    open: np.ndarray[tuple[int], np.dtype[np.bool_]]


def _complement(runs: Runs, height: Ints, n_owners: int) -> _Empty:
    """What lies above, between and below the runs of each column that an owner has runs in.

    Strips above the first and below the last run are open: they reach past the owner's box, one row beyond it.
    Columns that an owner skips split it into parts with an open way between them, so the strips next to such a
    column, and those of the first and last column, are open too. Owners without a gap between two runs of one
    column cannot have a hole and are left out.
    """
    x, top = columns(runs, height)
    bottom = top + runs.length
    same_column = (runs.owner[1:] == runs.owner[:-1]) & (x[1:] == x[:-1])
    candidate = np.zeros(n_owners, bool)
    candidate[runs.owner[1:][same_column]] = True
    chosen = candidate[runs.owner]
    owner, x, top, bottom = runs.owner[chosen], x[chosen], top[chosen], bottom[chosen]
    if len(owner) == 0:
        nothing = np.empty(0, np.int64)
        return _Empty(nothing, nothing, nothing, nothing, np.empty(0, np.int32), np.empty(0, bool))
    new_column = np.concatenate([[True], (owner[1:] != owner[:-1]) | (x[1:] != x[:-1])])
    last_of_column = np.concatenate([new_column[1:], [True]])
    limit = int((bottom - top).max()) + int(bottom.max()) + 1
    above_top = np.full(int(new_column.sum()), -1, np.int64)
    above_bottom = top[new_column]
    between_top, between_bottom = bottom[~last_of_column], top[~new_column]
    below_top = bottom[last_of_column]
    below_bottom = np.full(int(last_of_column.sum()), limit, np.int64)
    strip_owner = np.concatenate([owner[new_column], owner[~new_column], owner[last_of_column]])
    strip_x = np.concatenate([x[new_column], x[~new_column], x[last_of_column]])
    strip_top = np.concatenate([above_top, between_top, below_top])
    strip_bottom = np.concatenate([above_bottom, between_bottom, below_bottom])
    is_open = np.concatenate(
        [np.ones(len(above_top), bool), np.zeros(len(between_top), bool), np.ones(len(below_top), bool)]
    )
    order = np.lexsort((strip_top, strip_x, strip_owner))
    strip_owner, strip_x, strip_top = strip_owner[order], strip_x[order], strip_top[order]
    strip_bottom, is_open = strip_bottom[order], is_open[order]
    edge = _beside_skipped_column(strip_owner, strip_x)
    return _Empty(
        strip_x * height[strip_owner] + strip_top, strip_x, strip_top, strip_bottom, strip_owner, is_open | edge
    )


def _beside_skipped_column(owner: Rows, x: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(n,) whether the column before or after a strip's column holds no strip of its owner."""
    starts = np.flatnonzero(np.concatenate([[True], (owner[1:] != owner[:-1]) | (x[1:] != x[:-1])]))
    count = np.diff(np.concatenate([starts, [len(owner)]]))
    column_owner, column_x = owner[starts], x[starts]
    follows = (column_owner[1:] == column_owner[:-1]) & (column_x[1:] == column_x[:-1] + 1)
    alone = ~np.concatenate([[False], follows]) | ~np.concatenate([follows, [False]])
    return np.repeat(alone, count)


def _regions(runs: Runs, label: Ints, height: Ints) -> Regions:
    """The regions that `label` (n,) groups runs into; labels count from 0 without gaps."""
    n_regions = int(label.max()) + 1 if len(label) else 0
    order = kernels.order_by(label.astype(np.int32), n_regions)
    by_region = Runs(runs.start[order], runs.length[order], label[order].astype(np.int32))
    first = by_region.offsets(n_regions)[:-1]
    owner = runs.owner[order][first] if n_regions else np.empty(0, np.int32)
    return Regions(owner, by_region.areas(n_regions), *boxes(by_region, height[owner], n_regions), by_region)
