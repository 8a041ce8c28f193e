"""Window: the pixels of one segment as a small picture, for the few that are looked at more closely."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints, Runs, boxes

Mask = NDArray[np.uint8]


class Windows:
    """Cuts segments out of runs; `height` (n_segments,) is that of the image of each segment, in pixels."""

    def __init__(self, runs: Runs, height: Ints) -> None:
        self._runs, self._height = runs, height
        self._offset = runs.offsets(len(height))
        self.box = boxes(runs, height, len(height))

    def mask(self, segment: int) -> Mask:
        """1 where the segment is, within its bounding box: (height, width) of `box`."""
        rows = slice(self._offset[segment], self._offset[segment + 1])
        x, top = np.divmod(self._runs.start[rows], max(self._height[segment], 1))
        left, upper, width, high = (int(side[segment]) for side in self.box)
        start = (x - left) * high + top - upper
        edges = np.zeros(width * high + 1, np.int8)
        np.add.at(edges, start, 1)
        np.subtract.at(edges, start + self._runs.length[rows], 1)
        return np.cumsum(edges[:-1], dtype=np.int8).astype(np.uint8).reshape(width, high).T
