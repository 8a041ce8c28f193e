"""Pairs: which segments of one annotation share pixels, and which touch."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.line import Line
from segdata.core.meet import Side, touch_within
from segdata.core.parts import shape
from segdata.core.runs import Ints, Rows, Runs, boxes
from segdata.core.twins import first_twins


def pairs(batch: Batch, side: Side, line: Line) -> pa.Table:
    """One row per pair a < b of segments of one annotation that share pixels: shared pixels, their box, and perimeter.

    `side` are the batch's runs on `line`, its annotations' number line. Of segments with exactly the same pixels the
    first one stands for all where others are met, and is itself paired with each: n copies are n - 1 pairs.
    """
    a, b, start, length = _strips(batch, side)
    first, second, which = kernels.paired(a, b)
    number = which.astype(np.int32)
    order = kernels.order_by(number, len(first))
    frame, x, y = line.lower(start[order])
    shared = Runs(x * line.height[frame] + y, length[order], number[order])
    height = line.height[batch.segment_annotation[first]]
    box = boxes(shared, height, len(first))
    return pa.table(
        {
            "a": first.astype(np.int64),
            "b": second.astype(np.int64),
            "shared": shared.areas(len(first)),
            "x": box[0],
            "y": box[1],
            "width": box[2],
            "height": box[3],
            "perimeter": shape(shared, height, len(first)).perimeter,
        }
    )


def _strips(batch: Batch, side: Side) -> tuple[Rows, Rows, Ints, Ints]:
    """What segments share, strip by strip; copies share all of their pixels with the first of them."""
    twin = first_twins(batch.runs, batch.segment_annotation, batch.n_segments)
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


def contacts(side: Side, line: Line) -> pa.Table:
    """One row per pair a < b of segments of one annotation that touch: the contact's length in pixel edges."""
    met = touch_within(side, line)
    return pa.table({"a": met.a.astype(np.int64), "b": met.b.astype(np.int64), "length": met.pixels})
