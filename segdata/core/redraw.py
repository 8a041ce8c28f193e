"""Redraw: segments with other pixels, and pixels as pictures, where one annotation at a time is changed."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core.batch import Batch, replaced
from segdata.core.runs import Ints, Runs

Picture = NDArray[np.bool_]


def redrawn(batch: Batch, rows: Ints, drawn: Runs) -> Batch:
    """The batch with other pixels for some segments, which no longer know the polygons that they came from.

    `drawn` has the owners 0, 1, … for `rows` (ascending).
    """
    others = np.setdiff1d(np.arange(batch.n_segments), rows)
    place = np.argsort(np.concatenate([rows, others]), kind="stable")
    both = Runs.concatenate([drawn, batch.runs.take(others, batch.n_segments)], [len(rows), len(others)]).take(
        place, batch.n_segments
    )
    return replace(batch, runs=both, segments=undeclared(batch.segments, rows, "rings"))


def undeclared(segments: pa.Table, rows: Ints, *more: str) -> pa.Table:
    """The segments without what their file declares of some of them: area and box, and the columns `more`."""
    gone = np.isin(np.arange(segments.num_rows), rows)
    for name in ("declared_area", "declared_bbox", *more):
        column = segments[name].combine_chunks()
        segments = replaced(segments, name, pc.if_else(pa.array(gone), pa.scalar(None, column.type), column))
    return segments


def dense(runs: Runs, height: int, width: int) -> Picture:
    """The pixels of runs of one image as a picture (height, width)."""
    change = np.zeros(height * width + 1, np.int64)
    np.add.at(change, runs.start, 1)
    np.add.at(change, runs.start + runs.length, -1)
    return (np.cumsum(change[:-1]) > 0).reshape(width, height).T


def runs_of(picture: Picture) -> Runs:
    """The pixels of a picture (height, width) as runs of owner 0."""
    columns = np.pad(picture.T, ((0, 0), (1, 1))).astype(np.int8)
    step = np.diff(columns, axis=1)
    x, top = np.nonzero(step == 1)
    _, bottom = np.nonzero(step == -1)
    return Runs(x * picture.shape[0] + top, bottom - top, np.zeros(len(x), np.int32))
