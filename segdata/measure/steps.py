"""Steps: how wide the stairs of a segment's outline are, which tells whether its mask was enlarged."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.runs import Ints, Runs, columns, spread

_FEW = 12  # runs of each segment that are looked at first: most segments change from one column to the next


def steps(batch: Batch) -> pa.Table:
    """One row per segment whose outline never changes in two neighbouring columns, nor in two neighbouring rows.

    segment (row), across and down: the narrowest distance in pixels between two columns (rows) at which the outline
    changes; n_across and n_down: at how many it does. Edges along the frame do not count.
    """
    height, width = batch.segment_size
    doubtful = _doubtful(batch.runs, height, batch.n_segments)
    runs = batch.runs.take(doubtful, batch.n_segments)
    across, n_across = _across(runs, height[doubtful], width[doubtful])
    wide = across > 1
    runs, rows = runs.take(np.flatnonzero(wide), len(doubtful)), doubtful[wide]
    down, n_down = _down(runs, height[rows])
    even = down > 1
    return pa.table(
        {
            "segment": rows[even].astype(np.int64),
            "across": across[wide][even],
            "down": down[even],
            "n_across": n_across[wide][even],
            "n_down": n_down[even],
        }
    )


def _doubtful(runs: Runs, height: Ints, n_segments: int) -> Ints:
    """The segments that show no two changes side by side among their first runs, nor among those in the middle."""
    offset = runs.offsets(n_segments)
    count = np.diff(offset)
    rows = np.flatnonzero(count > 0)
    rows = rows[~_changes(runs, height, rows, offset[rows], np.minimum(count[rows], _FEW))]
    few = np.minimum(count[rows], _FEW)
    return rows[~_changes(runs, height, rows, offset[rows] + (count[rows] - few) // 2, few)]


def _changes(runs: Runs, height: Ints, segments: Ints, first: Ints, count: Ints) -> NDArray[np.bool_]:
    """(n,) whether the outline of each segment changes twice, side by side, among some of its runs."""
    rows = spread(first, count)
    of = np.repeat(np.arange(len(segments)), count)
    high = np.maximum(height[segments], 1)[of]
    x = runs.start[rows] // high
    change = (np.diff(runs.start[rows]) != high[1:]) | (np.diff(runs.length[rows]) != 0)
    change &= (np.diff(x) == 1) & (of[1:] == of[:-1])
    found = np.zeros(len(segments), bool)
    found[of[1:-1][change[1:] & change[:-1]]] = True
    return found


def _across(runs: Runs, height: Ints, width: Ints) -> tuple[Ints, Ints]:
    """The narrowest distance between columns where an owner's runs change, and their number; 0 where there is none."""
    x, top = columns(runs, height)
    key = runs.owner.astype(np.int64) * (int(width.max(initial=0)) + 2) + x
    first = np.flatnonzero(np.diff(key, prepend=-2) != 0)
    count = np.diff(np.append(first, len(key)))
    same = np.zeros(len(first), bool)
    # A column is as the one before where all of its runs are: as many, at the same rows.
    alike = (np.diff(key[first], prepend=-2) == 1) & (count == np.concatenate([[0], count[:-1]]))
    rows = spread(first[alike], count[alike])
    before = rows - np.repeat(count[alike], count[alike])
    equal = (top[rows] == top[before]) & (runs.length[rows] == runs.length[before])
    if len(rows):
        same[alike] = np.logical_and.reduceat(equal, np.cumsum(count[alike]) - count[alike])
    owner, column = runs.owner[first], x[first]
    # Behind a column that nothing follows it changes once more.
    ends = np.append(np.diff(key[first]) != 1, True)[: len(first)]
    at = np.concatenate([column[~same], column[ends] + 1])
    whose = np.concatenate([owner[~same], owner[ends]])
    return _narrowest(whose, at, width)


def _down(runs: Runs, height: Ints) -> tuple[Ints, Ints]:
    """The narrowest distance between rows where runs of an owner begin or end, and their number."""
    _, top = columns(runs, height)
    return _narrowest(np.tile(runs.owner, 2), np.concatenate([top, top + runs.length]), height)


def _narrowest(owner: NDArray[np.int32], at: Ints, size: Ints) -> tuple[Ints, Ints]:
    """The narrowest distance between the places of each owner that are not at 0 or `size`, and how many there are."""
    inside = (at > 0) & (at < size[owner])
    place = np.unique(owner[inside].astype(np.int64) * (int(size.max(initial=0)) + 1) + at[inside])
    whose, at = np.divmod(place, int(size.max(initial=0)) + 1)
    narrowest = np.full(len(size), np.iinfo(np.int64).max)
    together = whose[1:] == whose[:-1]
    np.minimum.at(narrowest, whose[1:][together], np.diff(at)[together])
    narrowest[narrowest == np.iinfo(np.int64).max] = 0
    return narrowest, np.bincount(whose, minlength=len(size))
