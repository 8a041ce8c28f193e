"""Strips: boundary pixels that lie one below the other, and how far they are from the end of the image."""

from dataclasses import dataclass

import numpy as np

from segdata.agreement.boundaries.sheets import Sheets
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints


@dataclass(frozen=True, slots=True)
class Strips:
    """N strips of pixels.

    Attributes
    ----------
    side : on the line of the sheets
    x, top : (n,) the column, and the first row, in pixels
    across, along : (n,) how many columns, and rows, all of a strip's pixels are at least from those at the ends
    """

    side: SweepRuns
    x: Ints
    top: Ints
    across: Ints
    along: Ints

    @staticmethod
    def of(side: SweepRuns, sheets: Sheets) -> "Strips":
        """Runs on sheets."""
        x, top = sheets.places(side)
        width, height = sheets.line.width[side.owner], sheets.line.height[side.owner]
        below = height - top - (side.end - side.start)
        return Strips(side, x, top, np.minimum(x, width - 1 - x), np.minimum(top, below))

    def pieces(self, row: Ints, start: Ints, end: Ints) -> "Strips":
        """Parts of the strips `row` (m,), from the place `start` (m,) to `end` (m,)."""
        side = SweepRuns(start, end, self.side.owner[row])
        top = self.top[row]
        top += start - self.side.start[row]
        return Strips(side, self.x[row], top, self.across[row], self.along[row])
