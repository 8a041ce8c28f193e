"""Region of interest: where labels are expected in an image."""

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.counts import runs_of_counts
from segdata.core.runs import Runs


def roi_runs(batch: Batch) -> Runs | None:
    """The regions of interest as runs (owner: image row); None when no image of the batch has one.

    An image without a region of its own is its own region.
    """
    roi = batch.images["roi"]
    if roi.null_count == len(roi):
        return None
    height, width = batch.image_size
    given = roi.combine_chunks()
    some = np.flatnonzero(given.is_valid().to_numpy(zero_copy_only=False))
    whole = np.setdiff1d(np.arange(len(height)), some)
    explicit, error = runs_of_counts(given.take(pa.array(some)), height[some], width[some])
    if error.any():
        raise ValueError(f"region of interest of image row {int(some[error.argmax()])} is not a valid RLE")
    n_columns = width[whole] * (height[whole] > 0)
    image = np.repeat(whole, n_columns)
    x = np.arange(len(image)) - np.repeat(np.concatenate([[0], np.cumsum(n_columns)[:-1]]), n_columns)
    start = np.concatenate([explicit.start, x * height[image]])
    length = np.concatenate([explicit.length, height[image]])
    owner = np.concatenate([some[explicit.owner], image]).astype(np.int32)
    order = np.argsort(owner, kind="stable")
    return Runs(start[order], length[order], owner[order])
