"""Value runs: a decoded mask as the runs of its values, ready to be given to segments."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    height, width : pixels
    start, length : (n,) int64, runs in column-major order
    row : (n,) int32, the row of `value` that each run has
    """

    value: Ints
    area: Ints
    height: int
    width: int
    start: Ints
    length: Ints
    row: Rows

    @staticmethod
    def of(values: Values) -> "ValueRuns":
        """The runs of a (height, width) array of values."""
        height, width = values.shape
        start, length, value = kernels.label_runs(values)
        distinct, row = _distinct(value)
        area = np.bincount(row, weights=length, minlength=len(distinct)).astype(np.int64)
        return ValueRuns(distinct, area, height, width, start, length, row)

    def first_pixel(self, row: int) -> tuple[int, int]:
        """(x, y) of the first pixel, in column-major order, of a value."""
        x, y = divmod(int(self.start[int((self.row == row).argmax())]), max(self.height, 1))
        return x, y

    def owned(self, owner: Rows, n_owners: int) -> Runs:
        """The runs of each owner; `owner` (k,) says whose each value is, -1: nobody's.

        Values that share an owner become one region.
        """
        whose = owner[self.row]
        kept = np.flatnonzero(whose >= 0)
        runs = Runs(self.start[kept], self.length[kept], whose[kept]).sorted_by_owner(n_owners)
        claimed = owner[owner >= 0]
        shared = len(np.unique(claimed)) < len(claimed)
        return joined(runs, self.height) if shared else runs


def joined(runs: Runs, height: int) -> Runs:
    """`runs` with those of one owner that touch within a column made one; `height` is the image's, in pixels."""
    if len(runs) == 0:
        return runs
    end = runs.start + runs.length
    goes_on = (runs.owner[1:] == runs.owner[:-1]) & (runs.start[1:] == end[:-1]) & (runs.start[1:] % height != 0)
    first = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    return Runs(runs.start[first], np.add.reduceat(runs.length, first), runs.owner[first])


def _distinct(value: NDArray[np.integer]) -> tuple[Ints, Rows]:
    """The distinct values (k,) ascending, and the row among them of each."""
    if value.dtype in (np.uint8, np.uint16):
        present = np.zeros(np.iinfo(value.dtype).max + 1, bool)
        present[value] = True
        distinct = np.flatnonzero(present)
        code = (np.cumsum(present) - 1).astype(np.int32)
        return distinct, code[value]
    found, inverse = np.unique(value, return_inverse=True)
    return found.astype(np.int64), inverse.astype(np.int32)
