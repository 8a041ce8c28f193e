"""Cover: which pixels of a frame any segment claims, and the gaps that are left."""

from dataclasses import dataclass

import numpy as np

from segdata.core import kernels
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.runs import Ints, Runs, between, columns


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
    return Cover(runs, runs.areas(n_frames), kernels.sums(runs.owner, multiple, n_frames))


def complement(runs: Runs, height: Ints, width: Ints) -> Runs:
    """The pixels of each frame that `runs` (whose owners are frames, disjoint) leave; sizes (n_frames,) in pixels.

    Every column is visited, so memory is one entry per column and run.
    """
    n_columns = np.where(height > 0, width, 0)
    first_column = np.concatenate([[0], np.cumsum(n_columns)])
    frame_of = np.repeat(np.arange(len(height), dtype=np.int32), n_columns)
    x, top = columns(runs, height)
    n_all = len(frame_of)
    column, strip_top, strip_bottom = between(
        first_column[runs.owner] + x, top, top + runs.length, np.zeros(n_all, np.int64), height[frame_of]
    )
    some = strip_bottom > strip_top
    column, strip_top, strip_bottom = column[some], strip_top[some], strip_bottom[some]
    frame = frame_of[column]
    start = (column - first_column[frame]) * height[frame] + strip_top
    return Runs(start, strip_bottom - strip_top, frame)
