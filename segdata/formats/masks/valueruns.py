"""Value runs: a decoded mask as the runs of its values, ready to be given to segments."""

from dataclasses import dataclass

import numpy as np

from segdata.core import kernels
from segdata.core.runs import Ints, Rows, Runs
from segdata.formats.masks.maskfile import Values


@dataclass(frozen=True, slots=True)
class ValueRuns:
    """Every pixel of a mask as maximal vertical runs of equal value, and the distinct values.

    Attributes
    ----------
    value : (k,) int64, the distinct values, ascending
    area : (k,) int64, pixels of each value
    first : (k,) int64, the first run of each value
    height, width : pixels
    start, length : (n,) int64, runs in column-major order
    row : (n,) int32, the row of `value` that each run has
    """

    value: Ints
    area: Ints
    first: Ints
    height: int
    width: int
    start: Ints
    length: Ints
    row: Rows

    @staticmethod
    def of(pixels: Values) -> "ValueRuns":
        """The runs of (height, width) values, or of colours (height, width, 3 or 4), whose values are packed."""
        height, width = pixels.shape[:2]
        start, length, value = kernels.label_runs(pixels)
        values, area, first, row = kernels.distinct(value.astype(np.int64), length)
        return ValueRuns(values, area, first, height, width, start, length, row)

    def first_pixel(self, row: int) -> tuple[int, int]:
        """(x, y) of the first pixel, in column-major order, of a value."""
        x, y = divmod(int(self.start[self.first[row]]), max(self.height, 1))
        return x, y

    def owned(self, owner: Rows, n_owners: int) -> Runs:
        """The runs of each owner; `owner` (k,) says whose each value is, -1: nobody's.

        Values that share an owner become one region.
        """
        return Runs(*kernels.deal(self.start, self.length, self.row, owner, n_owners, self.height))
