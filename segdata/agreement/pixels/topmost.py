"""Topmost: every pixel under one segment only, as a picture of flat labels shows it."""

import numpy as np

from segdata.agreement.opposite import Drawn
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, expand_ranges


def is_flat(side: SweepRuns) -> bool:
    """Whether no pixel has two runs."""
    return bool((side.start[1:] >= side.end[:-1]).all())


def topmost(drawn: Drawn) -> SweepRuns:
    """The runs of what one annotator drew, cut so that no two share pixels.

    Where several segments claim a pixel, a void one has it, else the one drawn last: the highest row. The annotator's
    own side comes back where nothing overlaps.
    """
    side = drawn.side
    if is_flat(side):
        return side
    furthest = np.maximum.accumulate(side.end)
    apart = np.ones(len(side.start) + 1, bool)  # whether a run begins behind the end of all before it
    apart[1:-1] = side.start[1:] >= furthest[:-1]
    alone = apart[:-1] & apart[1:]
    heap = SweepRuns(side.start[~alone], side.end[~alone], side.owner[~alone])
    heaped = _uppermost(heap, np.arange(len(drawn)) + len(drawn) * drawn.is_void)
    start = np.concatenate([side.start[alone], heaped.start])
    order = np.argsort(start, kind="stable")
    end, owner = np.concatenate([side.end[alone], heaped.end]), np.concatenate([side.owner[alone], heaped.owner])
    return SweepRuns(start[order], end[order], owner[order])


def _uppermost(side: SweepRuns, height: Ints) -> SweepRuns:
    """Runs that share pixels, cut at every start and end: each piece belongs to the owner of the greatest height."""
    cut = np.unique(np.concatenate([side.start, side.end]))
    first = np.searchsorted(cut, side.start)
    count = np.searchsorted(cut, side.end) - first
    top = np.full(len(cut), -1, np.int64)
    np.maximum.at(top, expand_ranges(first, count), np.repeat(height[side.owner], count))
    some = np.flatnonzero(top >= 0)
    return SweepRuns(cut[some], cut[some + 1], (top[some] % len(height)).astype(np.int32))
