"""Labels of which all are moved by as much."""

from dataclasses import replace

import numpy as np

from segdata.noise.segments import SegmentSet, translate


def moved_by(drawn: SegmentSet, right: int, down: int) -> SegmentSet:
    """All segments so many pixels further to the right and down."""
    n = len(drawn)
    by = (np.full(n, side, np.int64) for side in (right, down))
    return replace(drawn, runs=translate(drawn.runs, drawn.heights, drawn.widths, *by))
