"""Borders: where two segments follow each other along an image column, touching or with a thin band between them."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.taxonomy import Taxonomy

WIDEST = 5  # pixels of a band; Pascal VOC's void borders are 5 wide


def borders(batch: Batch, side: Side, line: Line, taxonomy: Taxonomy) -> pa.Table:
    """One row per pair a < b of segments of one annotation that follow each other somewhere along an image column.

    `side` are the batch's runs on `line`, its annotations' number line. `touching` counts the places (image columns)
    where no pixel is between them, or they overlap, and `apart` those where 1 to `WIDEST` pixels are that are void or
    nobody's. Runs lie along columns, so one pass over them sees every border but those that are exactly upright.
    """
    seen = ~np.isin(batch.segments["category_id"].to_numpy(), taxonomy.void_ids)[side.owner]
    start, end, owner = side.start[seen], side.end[seen], side.owner[seen]
    above, below = np.flatnonzero(owner[1:] != owner[:-1]), np.flatnonzero(owner[1:] != owner[:-1]) + 1
    between = start[below] - end[above]
    # A spare place parts the columns of the line: what is as near as a band may be in the next one.
    near = between <= WIDEST
    above, below, between = above[near], below[near], between[near]
    frame, x, _ = line.lower(start[above])
    other_frame, other_x, _ = line.lower(start[below])
    same = (frame == other_frame) & (x == other_x)
    a, b, between = owner[above[same]], owner[below[same]], between[same]
    first, second = np.minimum(a, b), np.maximum(a, b)
    at, to, apart = kernels.tally(first, second, (between > 0).astype(np.int64))
    every = kernels.tally(first, second, np.ones(len(first), np.int64))[2]
    return pa.table({"a": at.astype(np.int64), "b": to.astype(np.int64), "touching": every - apart, "apart": apart})
