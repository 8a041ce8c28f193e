"""Cover: which pixels of a frame any segment claims, and the gaps that are left."""

from dataclasses import dataclass

import numpy as np

from segdata.core import kernels
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.runs import Ints, Runs, spread


@dataclass(frozen=True, slots=True)
class Cover:
    """The union of all segments of each frame.

    Attributes
    ----------
    runs : the claimed pixels as runs; `runs.owner` is the frame
    labelled : (n_frames,) int64, pixels that at least one segment claims
    multiple : (n_frames,) int64, pixels that at least two segments claim
    """

    runs: Runs
    labelled: Ints
    multiple: Ints


def cover(side: Side, line: Line) -> Cover:
    """What the runs of `side` cover in each frame of `line`."""
    start, length, multiple = kernels.cover(side.start, side.end)
    frame, x, y = line.lower(start)
    n_frames = len(line.base)
    runs = Runs(x * line.height[frame] + y, length, frame.astype(np.int32))
    total = np.concatenate([[0], np.cumsum(multiple)])
    return Cover(runs, runs.areas(n_frames), np.diff(total[runs.offsets(n_frames)]))


def complement(runs: Runs, height: Ints, width: Ints) -> Runs:
    """The pixels of each frame that `runs` (whose owners are frames, disjoint) leave; sizes (n_frames,) in pixels.

    Every column is visited, so memory is one entry per column and run.
    """
    n_frames = len(height)
    n_columns = np.where(height > 0, width, 0)
    column_frame = np.repeat(np.arange(n_frames, dtype=np.int64), n_columns)
    column_x = spread(np.zeros(n_frames, np.int64), n_columns)
    column_height = height[column_frame]
    first_column = np.concatenate([[0], np.cumsum(n_columns)])
    high = height[runs.owner]
    x, top = np.divmod(runs.start, np.maximum(high, 1))
    column = first_column[runs.owner] + x
    # Every run opens a gap below itself and closes the one above: the gap before each run, and one after the last.
    gap_column = np.concatenate([column, np.arange(len(column_x))])
    gap_bottom = np.concatenate([top, column_height])
    order = np.lexsort((gap_bottom, gap_column))
    gap_column, gap_bottom = gap_column[order], gap_bottom[order]
    gap_top = np.zeros(len(gap_column), np.int64)
    run_bottom = np.concatenate([top + runs.length, np.zeros(len(column_x), np.int64)])[order]
    if len(gap_column):
        same = gap_column[1:] == gap_column[:-1]
        gap_top[1:] = np.where(same, run_bottom[:-1], 0)
    some = gap_bottom > gap_top
    gap_column, gap_top, gap_bottom = gap_column[some], gap_top[some], gap_bottom[some]
    start = column_x[gap_column] * column_height[gap_column] + gap_top
    return Runs(start, gap_bottom - gap_top, column_frame[gap_column].astype(np.int32))
