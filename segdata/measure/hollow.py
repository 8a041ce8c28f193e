"""Hollow: which holes nobody labelled, as against those that another segment fills."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.cover import complement, cover
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.runs import Ints, columns
from segdata.measure.rings import Rings, are_rings

_SHAPE = ("area", "x", "y", "width", "height")


def hollow(batch: Batch, holes: pa.Table) -> pa.Table:
    """The table `holes` with the column `empty`: no segment of its annotation claims a pixel of the hole.

    A polygon has no holes but those that bridges join to its outline; where its raster encloses other pixels, as where
    it touches itself, `empty` is False.
    """
    owner = holes["segment"].to_numpy()
    rings = Rings.among(batch.segments["rings"], np.unique(owner))
    candidate = ~np.isin(owner, rings.segment) | are_rings(holes, rings.holes(), *batch.segment_size)
    of_hole = batch.segment_annotation[owner]
    unclaimed = _unclaimed(batch, np.unique(of_hole[candidate]))
    own = np.column_stack([of_hole, *(holes[name].to_numpy() for name in _SHAPE)])
    # An empty hole is an unclaimed region with the same box and area: both are 8-connected.
    _, number = np.unique(np.concatenate([own, unclaimed]), axis=0, return_inverse=True)
    empty = candidate & np.isin(number[: len(own)], number[len(own) :])
    return holes.append_column("empty", pa.array(empty))


def _unclaimed(batch: Batch, annotations: Ints) -> Ints:
    """(n, 6) annotation, area, x, y, width, height of the 8-connected regions that no segment of theirs claims."""
    segments = np.flatnonzero(np.isin(batch.segment_annotation, annotations))
    frame = np.searchsorted(annotations, batch.segment_annotation[segments])
    height, width = (size[batch.annotation_image[annotations]] for size in batch.image_size)
    line = Line.of(height, width)
    claimed = cover(Side.of(batch.runs.take(segments, batch.n_segments), line, frame), line)
    open_ = np.flatnonzero(claimed.labelled < height * width)
    runs = complement(claimed.runs.take(open_, len(annotations)), height[open_], width[open_])
    x, top = columns(runs, height[open_])
    bottom = top + runs.length
    region = kernels.parts(x, top, bottom, runs.owner, True)[0]
    n_regions = int(region.max(initial=-1)) + 1
    of_region = np.zeros(n_regions, np.int64)
    of_region[region] = annotations[open_][runs.owner]
    return np.column_stack([of_region, *kernels.extents(region, x, top, bottom, n_regions)])
