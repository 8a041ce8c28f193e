"""Region of interest: where labels are expected in an image."""

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.counts import runs_of_counts
from segdata.core.cover import complement
from segdata.core.runs import Runs


def roi_runs(batch: Batch) -> Runs | None:
    """The regions of interest as runs (owner: image row); None when no image of the batch has one.

    An image without a region of its own is its own region. Raises ValueError for a region that is not a valid RLE.
    """
    roi = batch.images["roi"].combine_chunks()
    if roi.null_count == len(roi):
        return None
    height, width = batch.image_size
    limited = roi.is_valid().to_numpy(zero_copy_only=False)
    some, others = np.flatnonzero(limited), np.flatnonzero(~limited)
    given, error = runs_of_counts(roi.take(pa.array(some)), height[some], width[some])
    if error.any():
        name = batch.images["image_id"][int(some[error.argmax()])].as_py()
        raise ValueError(f"the region of interest of image {name!r} is not a valid RLE of its size")
    whole = complement(Runs.empty(), height[others], width[others])
    start = np.concatenate([given.start, whole.start])
    length = np.concatenate([given.length, whole.length])
    owner = np.concatenate([some[given.owner], others[whole.owner]]).astype(np.int32)
    order = np.argsort(owner, kind="stable")
    return Runs(start[order], length[order], owner[order])
