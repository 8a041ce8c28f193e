"""Pairs: which segments of one annotation share pixels, touch, or have a thin band between them."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns, find_contacts, first_identical
from segdata.core.parts import segment_shapes
from segdata.core.runs import Ints, Rows, Runs, bounding_boxes
from segdata.measure.registry import BatchView, measure

WIDEST_BAND = 5  # pixels of a band; Pascal VOC's void borders are 5 wide
_HALF = 1 << 31


@measure("pairs", tables={"pairs": {"a": "segments", "b": "segments"}})
def measure_pairs(view: BatchView) -> pa.Table:
    """The table `pairs`: segments a < b of one annotation that share pixels, their box and perimeter.

    The first of identical segments stands for all in pairs with others, and is paired with each copy: n copies give n -
    1 pairs.
    """
    batch, line = view.batch, view.line
    a, b, start, length = _shared_strips(batch, view.sweep)
    first, second, which = kernels.paired(a, b)
    number = which.astype(np.int32)
    order = kernels.order_by(number, len(first))
    frame, x, y = line.lower(start[order])
    shared = Runs(x * line.height[frame] + y, length[order], number[order])
    height = line.height[batch.segment_annotation[first]]
    return pa.table(
        {
            "a": first.astype(np.int64),
            "b": second.astype(np.int64),
            "shared": shared.areas(len(first)),
            **dict(zip(("x", "y", "width", "height"), bounding_boxes(shared, height, len(first)), strict=True)),
            "perimeter": segment_shapes(shared, height, len(first)).perimeter,
        }
    )


def _shared_strips(batch: Batch, side: SweepRuns) -> tuple[Rows, Rows, Ints, Ints]:
    """The strips that segments share; a copy shares all of its pixels with the first of its kind."""
    twin = first_identical(batch.runs, batch.segment_annotation, batch.n_segments)
    copy = (twin != np.arange(batch.n_segments))[side.owner]
    if not copy.any():
        return kernels.strips_within(side.start, side.end, side.owner)
    single = kernels.strips_within(side.start[~copy], side.end[~copy], side.owner[~copy])
    owner, start = side.owner[copy], side.start[copy]
    return (
        np.concatenate([single[0], twin[owner].astype(np.int32)]),
        np.concatenate([single[1], owner]),
        np.concatenate([single[2], start]),
        np.concatenate([single[3], side.end[copy] - start]),
    )


@measure("contacts", tables={"contacts": {"a": "segments", "b": "segments"}})
def measure_contacts(view: BatchView) -> pa.Table:
    """The table `contacts`: segments a < b of one annotation that touch, and the contact's length in pixel edges."""
    contacts = find_contacts(view.sweep, view.line)
    return pa.table({"a": contacts.a.astype(np.int64), "b": contacts.b.astype(np.int64), "length": contacts.pixels})


@measure("borders", tables={"borders": {"a": "segments", "b": "segments"}})
def measure_borders(view: BatchView) -> pa.Table:
    """The table `borders`: pairs a < b of segments of one annotation that follow each other along an image column.

    `touching` counts the places (image columns) where no pixel is between them, or they overlap, and `apart` those
    where 1 to `WIDEST_BAND` pixels lie between them that are void or unlabelled. Runs lie along columns, so one pass
    over them sees every border but those that are exactly upright.
    """
    batch, line, side = view.batch, view.line, view.sweep
    start, end, owner = side.start, side.end, side.owner
    void = np.isin(batch.segments["category_id"].to_numpy(), view.taxonomy.void_ids)
    if void.any():
        seen = ~void[owner]
        start, end, owner = start[seen], end[seen], owner[seen]
    between = start[1:] - end[:-1]
    above = np.flatnonzero((between <= WIDEST_BAND) & (owner[1:] != owner[:-1]))
    # The next run may be that of the next column, which is as near on the line as a band is wide.
    frame, _, y = line.lower(start[above])
    above = above[y + start[above + 1] - start[above] < line.height[frame]]
    a, b = owner[above], owner[above + 1]
    # Places and bands are counted in one sum, each in half of the number.
    first, second, total = kernels.tally(np.minimum(a, b), np.maximum(a, b), 1 + (between[above] > 0) * _HALF)
    apart, places = np.divmod(total, _HALF)
    return pa.table(
        {"a": first.astype(np.int64), "b": second.astype(np.int64), "touching": places - apart, "apart": apart}
    )
