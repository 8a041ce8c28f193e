"""Ends: rows and columns of pixels on which segments end flat, as where a tile was cut off."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.runs import Ints, Runs, boxes, columns

SHORTEST = 8  # pixels of a flat end
FLATTEST = 0.75  # of what the segment's width changes by within `_NEAR` pixels; the end of a disc has 0.5
_NEAR = 3


def ends(batch: Batch) -> pa.Table:
    """One row per flat end of a segment: a line along a row or column of pixels, which is not the frame.

    segment (row), upright (the line is), at (its x or y, in pixels from the image's top left corner), length (the
    pixels by which the segment is wider on one side of the line), begins (it lies right of the line, or below). Ends of
    segments that bend, as of discs, are none: there the width goes on to change. Crowds are left out.
    """
    height, width = batch.segment_size
    crowd = batch.segments["iscrowd"].fill_null(False).to_numpy()
    found = [_of(batch.runs, height, size, upright) for upright, size in ((True, width), (False, height))]
    segment, upright, at, step = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.lexsort((at, ~upright, segment))
    order = order[~crowd[segment[order]]]
    return pa.table(
        {
            "segment": segment[order].astype(np.int64),
            "upright": upright[order],
            "at": at[order].astype(np.int64),
            "length": np.abs(step[order]).astype(np.int64),
            "begins": step[order] > 0,
        }
    )


def _of(runs: Runs, height: Ints, size: Ints, upright: bool) -> tuple[Ints, NDArray[np.bool_], Ints, Ints]:
    """Segment, upright, place and step of the flat ends in one direction; `size` (n_segments,) is that of the frame.

    Every segment has a strip of one number for each column (or row) of its box, and room beside it.
    """
    left, top, wide, high = boxes(runs, height, len(height))
    first, count = (left, wide) if upright else (top, high)
    room = count + 2 * _NEAR + 3
    begin = np.cumsum(room) - room
    shift = begin - first + _NEAR + 1
    total = int(room.sum())
    x, y = columns(runs, height)
    if upright:
        pixels = np.bincount(shift[runs.owner] + x, runs.length, total).astype(np.int64)
        step = np.diff(pixels, prepend=0)
    else:
        place = shift[runs.owner] + y
        step = np.bincount(place, minlength=total) - np.bincount(place + runs.length, minlength=total)
        pixels = np.cumsum(step)
    some = np.flatnonzero(np.abs(step) >= SHORTEST)
    around = pixels[some + _NEAR] - pixels[some - _NEAR - 1]
    some = some[np.abs(step[some]) >= FLATTEST * np.abs(around)]
    segment = np.searchsorted(begin, some, side="right") - 1
    at = some - shift[segment]
    inside = (at > 0) & (at < size[segment])
    return segment[inside], np.full(int(inside.sum()), upright), at[inside], step[some[inside]]
