"""Segment walk: what one pass over the runs measures of every segment alone, for the tables that share it."""

import msgspec
import numpy as np

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.runs import Components, Flags, Ints

SHORTEST_END = 8  # pixels of a flat end
LEAST_FLATNESS = 0.75  # of what the segment's width changes by within `_NEAR` pixels; the end of a disc has 0.5
_NEAR = 3


class FlatEnds(msgspec.Struct, frozen=True):
    """The lines between two columns, or two rows, of an image at which a segment begins or ends, or nearly so.

    Attributes
    ----------
    segment : (n,) rows, ascending; upright lines of a segment first, then by `at`
    upright : (n,) whether the line is
    at : (n,) its x or y, in pixels from the image's top left corner
    step : (n,) by how many pixels the segment is wider right of the line, or below
    """

    segment: Ints
    upright: Flags
    at: Ints
    step: Ints


class SegmentWalk(msgspec.Struct, frozen=True):
    """What a pass over its runs shows of every segment; all numbers are 0 for a segment without pixels.

    Attributes
    ----------
    area, x, y, width, height : (n_segments,) pixels, and the bounding box
    parts, holes : (n_segments,) 4-connected parts, and holes
    largest : (n_segments,) pixels of the largest part
    perimeter : (n_segments,) pixel edges between the segment and everything else, the frame's edge included
    several : the parts of the segments that have several
    cluster : (n_several,) pixels of the 8-connected region that each of these belongs to
    ends : flat ends
    """

    area: Ints
    x: Ints
    y: Ints
    width: Ints
    height: Ints
    parts: Ints
    holes: Ints
    largest: Ints
    perimeter: Ints
    several: Components
    cluster: Ints
    ends: FlatEnds


def walk_segments(batch: Batch) -> SegmentWalk:
    """Measure every segment of a batch alone."""
    runs, (height, width) = batch.runs, batch.segment_size
    measured, (owner, *several, cluster), (segment, upright, at, step) = kernels.walk(
        runs.start, runs.length, runs.owner, height, width, SHORTEST_END, LEAST_FLATNESS, _NEAR
    )
    parts = Components(owner.astype(np.int32), *several)
    ends = FlatEnds(segment, upright.astype(bool), at, step)
    area, *box = measured[:5]
    n_parts, n_holes, largest, perimeter = measured[5:]
    return SegmentWalk(area, box[0], box[1], box[2], box[3], n_parts, n_holes, largest, perimeter, parts, cluster, ends)
