"""Checks that both twins of the kernel of outlines make."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # Any: several types


def check_outlines(
    distance: Array, strips: Sequence[Array], sheets: Sequence[Array], within: Array, far: Array
) -> None:
    """Raise ValueError for columns of strips, sheets or shapes of different lengths, or rows that are not there."""
    length, *_, sheet = strips
    shape = sheets[0]
    if len({len(column) for column in strips}) > 1 or len({len(column) for column in sheets}) > 1:
        raise ValueError("columns of strips, and of sheets, must be equally long")
    if len(within) != len(far):
        raise ValueError(f"{len(within)} tolerances come with {len(far)} reaches")
    if len(length) and (int(length.min()) < 0 or int(length.sum()) != len(distance)):
        raise ValueError(f"strips of {int(length.sum())} pixels come with {len(distance)} distances")
    if len(sheet) and (int(sheet.min()) < 0 or int(sheet.max()) >= len(shape)):
        raise ValueError(f"a strip is on sheet {int(sheet.max())} of {len(shape)}")
    if len(shape) and (int(np.min(shape)) < 0 or int(np.max(shape)) >= len(within)):
        raise ValueError(f"a sheet is of shape {int(np.max(shape))} of {len(within)}")
