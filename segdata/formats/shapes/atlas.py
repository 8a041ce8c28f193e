"""Atlas: the pixels of many small pictures in one large array, which becomes runs all at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from segdata.core import kernels
from segdata.core.runs import Ints, Runs
from segdata.formats.shapes.flat import sums

_PIXELS = 1 << 23  # of the pictures in one atlas, unless a single one has more


@dataclass(frozen=True, slots=True)
class Boxes:
    """The places of n pictures in their images, in pixels: [left, right) times [top, bottom), empty where they cross.

    Attributes
    ----------
    left, top, right, bottom : (n,) int64
    """

    left: Ints
    top: Ints
    right: Ints
    bottom: Ints

    def within(self, height: Ints, width: Ints) -> "Boxes":
        """What lies inside the images, whose sizes (n,) are in pixels."""
        return Boxes(
            np.maximum(self.left, 0),
            np.maximum(self.top, 0),
            np.minimum(self.right, width),
            np.minimum(self.bottom, height),
        )

    def grown(self, by: Ints) -> "Boxes":
        """The boxes with `by` (n,) pixels more on every side."""
        return Boxes(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def take(self, rows: Ints) -> "Boxes":
        """Only some boxes."""
        return Boxes(self.left[rows], self.top[rows], self.right[rows], self.bottom[rows])

    @property
    def width(self) -> Ints:
        """(n,) pixels."""
        width: Ints = np.maximum(self.right - self.left, 0)
        return width

    @property
    def height(self) -> Ints:
        """(n,) pixels."""
        height: Ints = np.maximum(self.bottom - self.top, 0)
        return height

    def portions(self) -> Iterator[Ints]:
        """Rows of boxes that are not empty, as many at a time as one atlas should hold."""
        area = self.width * self.height
        some = np.flatnonzero(area)
        portion = (np.cumsum(area[some]) - 1) // _PIXELS
        yield from np.split(some, np.flatnonzero(np.diff(portion)) + 1) if len(some) else ()


class Atlas:
    """One array that holds n pictures, side by side on shelves, the tallest first.

    Attributes
    ----------
    cells : n arrays (height, width) uint8 of zeros, to be drawn into: anything else than zero is a pixel
    """

    def __init__(self, boxes: Boxes) -> None:
        high, wide = boxes.height, boxes.width
        order = np.argsort(-high, kind="stable")
        high, wide = high[order], wide[order]
        widest = int(wide.max(initial=1))
        span = max(widest, int(np.sqrt(wide @ high)))
        shelf, left = np.divmod(np.cumsum(wide) - wide, span)
        tallest = high[np.flatnonzero(np.diff(shelf, prepend=-1))]
        self._shelf_top = sums(tallest + 1)  # a free row: no run reaches the next shelf
        top = self._shelf_top[shelf]
        self._pixels = np.zeros((self._shelf_top[-1], span + widest), np.uint8)
        self._boxes, self._order, self._left, self._top = boxes, order, left, top
        places = np.empty((len(order), 4), np.int64)
        places[order] = np.column_stack([top, top + high, left, left + wide])
        self.cells = [self._pixels[y0:y1, x0:x1] for y0, y1, x0, x1 in places.tolist()]

    def runs(self, height: Ints) -> Runs:
        """The pixels that were drawn; owners are the pictures, `height` (n,) is that of their images, in pixels."""
        start, length, value = kernels.label_runs(self._pixels)
        drawn = np.flatnonzero(value)
        x, y = np.divmod(start[drawn], len(self._pixels))
        shelf = np.searchsorted(self._shelf_top, y, side="right") - 1
        row = self._pixels.shape[1]
        at = np.searchsorted(self._top * row + self._left, self._shelf_top[shelf] * row + x, side="right") - 1
        owner = self._order[at]
        x += self._boxes.left[owner] - self._left[at]
        y += self._boxes.top[owner] - self._top[at]
        return Runs(x * height[owner] + y, length[drawn], owner.astype(np.int32)).sorted_by_owner(len(height))
