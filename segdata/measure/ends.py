"""Ends: rows and columns of pixels on which segments end flat, as where a tile was cut off."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.runs import Ints, columns

SHORTEST = 8  # pixels of a flat end
FLATTEST = 0.75  # of what the segment's width changes by within `_NEAR` pixels; the end of a disc has 0.5
_NEAR = 3


def ends(batch: Batch, segments: pa.Table) -> pa.Table:
    """One row per flat end of a segment: a line along a row or column of pixels, which is not the frame.

    segment (row), upright (the line is), at (its x or y, in pixels from the image's top left corner), length (the
    pixels by which the segment is wider on one side of the line), begins (it lies right of the line, or below). Ends of
    segments that bend, as of discs, are none: there the width goes on to change. Crowds are left out.
    `segments` has the boxes of the batch's segments.
    """
    height, width = batch.segment_size
    x, y, wide, high = (segments[name].to_numpy() for name in ("x", "y", "width", "height"))
    column, row = columns(batch.runs, height)
    owner, length = batch.runs.owner, batch.runs.length
    strips = _Strips.of(x, wide)
    pixels = kernels.sums(strips.shift[owner] + column, length, strips.total)
    across = _flat(strips, np.diff(pixels, prepend=0), pixels, width)
    strips = _Strips.of(y, high)
    place = strips.shift[owner] + row
    step = np.bincount(place, minlength=strips.total) - np.bincount(place + length, minlength=strips.total)
    down = _flat(strips, step, np.cumsum(step), height)
    segment, at, step = (np.concatenate(each) for each in zip(across, down, strict=True))
    upright = np.arange(len(segment)) < len(across[0])
    order = np.lexsort((at, ~upright, segment))
    crowd = batch.segments["iscrowd"].fill_null(False).to_numpy()
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


@dataclass(frozen=True, slots=True)
class _Strips:
    """A strip of one number for each column (or row) of every segment's box, with room on either side.

    Attributes
    ----------
    begin : (n_segments,) where each strip begins
    shift : (n_segments,) what to add to a column to find its number
    total : numbers of all strips
    """

    begin: Ints
    shift: Ints
    total: int

    @staticmethod
    def of(first: Ints, count: Ints) -> "_Strips":
        """The strips of boxes that begin at `first` and have `count` columns (n_segments,)."""
        room = count + 2 * _NEAR + 3
        begin = np.cumsum(room) - room
        return _Strips(begin, begin - first + _NEAR + 1, int(room.sum()))


def _flat(strips: _Strips, step: Ints, pixels: Ints, size: Ints) -> tuple[Ints, Ints, Ints]:
    """Segment, place and step of the flat ends; `pixels` of every column, `size` (n_segments,) of the frame."""
    some = np.flatnonzero(np.abs(step) >= SHORTEST)
    around = pixels[some + _NEAR] - pixels[some - _NEAR - 1]
    some = some[np.abs(step[some]) >= FLATTEST * np.abs(around)]
    segment = np.searchsorted(strips.begin, some, side="right") - 1
    at = some - strips.shift[segment]
    inside = (at > 0) & (at < size[segment])
    return segment[inside], at[inside], step[some[inside]]
