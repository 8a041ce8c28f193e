"""Scales: how wide and how high the pixels of groups are."""

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]


def check_scales(group: Int32, b_group: Int32, scale_x: Float64, scale_y: Float64) -> None:
    """Refuse groups without a scale, groups that do not ascend, and scales that are no sizes."""
    if len(scale_x) != len(scale_y):
        raise ValueError(f"{len(scale_x)} widths of pixels come with {len(scale_y)} heights")
    for groups in (group, b_group):
        if len(groups) and (groups[0] < 0 or groups[-1] >= len(scale_x) or np.any(groups[1:] < groups[:-1])):
            raise ValueError(f"groups from {groups.min()} to {groups.max()} are not 0 to {len(scale_x) - 1}, ascending")
    if not (np.all(scale_x > 0) and np.all(scale_y > 0)):
        raise ValueError("pixels have a width and a height above 0")
