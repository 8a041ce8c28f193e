"""The number line: the runs of many images laid out one after the other, so that one sweep serves them all."""

from dataclasses import dataclass

import numpy as np

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
        at = frame[runs.owner]
        x = (runs.start / np.maximum(self.height[at], 1)).astype(np.int64)  # as fast, and as exact, as in `columns`
        return self.base[at] + runs.start + x

    def frame_of(self, place: Ints) -> Ints:
        """(n,) the frame that each place lies in."""
        return np.searchsorted(self.base, place, side="right") - 1

    def lower(self, place: Ints) -> tuple[Ints, Ints, Ints]:
        """Frame, x and y (n,) of places on the line."""
        frame = self.frame_of(place)
        place = place - self.base[frame]
        room = (self.height + 1)[frame]
        x = (place / room).astype(np.int64)  # as above
        return frame, x, place - x * room
