"""Borders: where two segments follow each other along an image column, touching or with a thin band between them."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.taxonomy import Taxonomy

WIDEST = 5  # pixels of a band; Pascal VOC's void borders are 5 wide
_HALF = 1 << 31


def borders(batch: Batch, side: Side, line: Line, taxonomy: Taxonomy) -> pa.Table:
    """One row per pair a < b of segments of one annotation that follow each other somewhere along an image column.

    `side` are the batch's runs on `line`, its annotations' number line. `touching` counts the places (image columns)
    where no pixel is between them, or they overlap, and `apart` those where 1 to `WIDEST` pixels are that are void or
    nobody's. Runs lie along columns, so one pass over them sees every border but those that are exactly upright.
    """
    start, end, owner = side.start, side.end, side.owner
    void = np.isin(batch.segments["category_id"].to_numpy(), taxonomy.void_ids)
    if void.any():
        seen = ~void[owner]
        start, end, owner = start[seen], end[seen], owner[seen]
    between = start[1:] - end[:-1]
    above = np.flatnonzero((between <= WIDEST) & (owner[1:] != owner[:-1]))
    # The next run may be that of the next column, which is as near on the line as a band is wide.
    frame, _, y = line.lower(start[above])
    above = above[y + start[above + 1] - start[above] < line.height[frame]]
    a, b = owner[above], owner[above + 1]
    # Places and bands are counted in one sum, each in half of the number.
    at, to, total = kernels.tally(np.minimum(a, b), np.maximum(a, b), 1 + (between[above] > 0) * _HALF)
    apart, places = np.divmod(total, _HALF)
    return pa.table({"a": at.astype(np.int64), "b": to.astype(np.int64), "touching": places - apart, "apart": apart})
