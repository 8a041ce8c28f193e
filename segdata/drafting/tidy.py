"""Tidy: drafts without specks and pinholes, numbered from 1."""

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]


def parts(mask: Mask) -> Labels:
    """The 4-connected parts of a mask, numbered from 1."""
    from scipy.ndimage import label

    return np.asarray(label(mask)[0], np.int32)


def filled(mask: Mask, most: int) -> Mask:
    """The mask with its holes of up to `most` pixels filled."""
    from scipy.ndimage import label

    holes, n = label(~mask, structure=np.ones((3, 3)))  # holes are 8-connected, the dual of 4-connected parts
    area = np.bincount(holes.ravel(), minlength=n + 1)
    at_frame = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    small = area <= most
    small[0] = False
    small[at_frame] = False
    return np.asarray(mask | small[holes])


def without_small(labels: Labels, least: int) -> Labels:
    """The labels without those of fewer than `least` pixels, numbered from 1 again."""
    area = np.bincount(labels.ravel())
    kept = area >= least
    kept[0] = False
    number = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return np.asarray(number[labels], np.int32)
