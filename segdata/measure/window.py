"""Window: the pixels of one segment as a small picture, for the few that are looked at more closely."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints, Runs, boxes

Mask = NDArray[np.uint8]


class Windows:
    """Cuts segments out of runs; `height` (n_segments,) is that of the image of each segment, in pixels."""

    def __init__(self, runs: Runs, height: Ints) -> None:
        self._runs, self._height = runs, height
        self._offset = runs.offsets(len(height))

    @cached_property
    def box(self) -> tuple[Ints, Ints, Ints, Ints]:
        """X, y, width and height (n_segments,) of all bounding boxes."""
        return boxes(self._runs, self._height, len(self._height))

    def mask(self, segment: int) -> Mask:
        """1 where the segment is, within its bounding box: (height, width)."""
        return self.place(segment)[0]

    def place(self, segment: int) -> tuple[Mask, int, int]:
        """As `mask`, and x and y of the box's first column and row in the image; 0 of a segment without pixels."""
        rows = slice(self._offset[segment], self._offset[segment + 1])
        length = self._runs.length[rows]
        if len(length) == 0:
            return np.zeros((0, 0), np.uint8), 0, 0
        x, top = np.divmod(self._runs.start[rows], max(self._height[segment], 1))
        left, upper = int(x.min()), int(top.min())
        width, high = int(x.max()) - left + 1, int((top + length).max()) - upper
        start = (x - left) * high + top - upper
        edges = np.zeros(width * high + 1, np.int8)
        np.add.at(edges, start, 1)
        np.subtract.at(edges, start + length, 1)
        return np.cumsum(edges[:-1], dtype=np.int8).astype(np.uint8).reshape(width, high).T, left, upper
