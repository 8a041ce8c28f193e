"""The number line: the runs of many images laid out one after the other, so that one sweep serves them all."""

from dataclasses import dataclass

import numpy as np

from segdata.core import kernels
from segdata.core.runs import Ints, Rows, Runs


@dataclass(frozen=True, slots=True)
class Line:
    """Where each frame (an image, or an annotation's copy of it) lies on the number line.

    Pixel (x, y) of frame i is at ``base[i] + x * (height[i] + 1) + y``: one spare place follows each column, and one
    spare column each frame. So runs of different columns or frames never touch, and a run that is moved by one row
    or one column stays clear of what it does not neighbour in the picture.

    Attributes
    ----------
    base : (n,) int64
    height : (n,) int64, pixels
    width : (n,) int64, pixels
    """

    base: Ints
    height: Ints
    width: Ints

    @staticmethod
    def of(height: Ints, width: Ints) -> "Line":
        """Frames of these sizes (n,), in pixels, one after the other."""
        room = (height + 1) * (width + 1)
        return Line(np.concatenate([[0], np.cumsum(room)[:-1]]).astype(np.int64)[: len(room)], height, width)

    def lift(self, runs: Runs, frame: Rows | Ints) -> Ints:
        """(n,) where each run starts on the line; `frame` is the frame of each owner that has runs."""
        if not len(runs):
            return runs.start
        at = np.maximum(frame, 0)  # what has no frame has no runs either
        return kernels.lift(runs.start, runs.owner, self.base[at], self.height[at])

    def frame_of(self, place: Ints) -> Ints:
        """(n,) the frame that each place lies in."""
        return self.lower(place)[0]

    def lower(self, place: Ints) -> tuple[Ints, Ints, Ints]:
        """Frame, x and y (n,) of places on the line."""
        return kernels.lower(np.ascontiguousarray(place), self.base, self.height)
