"""Dense masks to runs and back: slow and obvious, for tests and small examples."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints, Runs

Mask = NDArray[np.bool_]


def runs_of_masks(masks: Sequence[Mask]) -> Runs:
    """The runs of masks (H, W), each mask an owner; sizes may differ.

    >>> runs_of_masks([np.array([[True, False], [True, True]])]).start.tolist()
    [0, 3]
    """
    start, length, owner = [], [], []
    for row, mask in enumerate(masks):
        for x in range(mask.shape[1]):
            column = np.concatenate([[0], mask[:, x].astype(np.int8), [0]])
            edges = np.flatnonzero(np.diff(column))
            for top, bottom in zip(edges[::2], edges[1::2], strict=True):
                start.append(x * mask.shape[0] + int(top))
                length.append(int(bottom - top))
                owner.append(row)
    return Runs(np.array(start, np.int64), np.array(length, np.int64), np.array(owner, np.int32))


def masks_of_runs(runs: Runs, height: Ints, width: Ints) -> list[Mask]:
    """The masks (H, W) of each owner; `height` and `width` (n_owners,) in pixels."""
    masks = [np.zeros(int(h) * int(w), bool) for h, w in zip(height, width, strict=True)]
    for start, length, owner in zip(runs.start, runs.length, runs.owner, strict=True):
        masks[owner][start : start + length] = True
    return [mask.reshape(int(w), int(h)).T for mask, h, w in zip(masks, height, width, strict=True)]
