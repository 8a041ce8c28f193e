"""Strays: what tells a part that somebody drew from one that the raster broke off."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.runs import columns
from segdata.measure.rings import Rings, are_rings


def strays(batch: Batch, parts: pa.Table) -> pa.Table:
    """The table `parts` (all parts of the segments that have several) with two more columns.

    cluster: the area in pixels of the 8-connected region that the part belongs to. drawn: the part is a whole ring of
    its segment's polygon, or of those that bridges join to one, or there is no polygon; where a ring is narrower than a
    pixel, its raster falls apart.
    """
    height, width = batch.segment_size
    segments = np.unique(parts["segment"].to_numpy())
    runs = batch.runs.take(segments, batch.n_segments)
    x, top = columns(runs, height[segments])
    part = kernels.parts(x, top, top + runs.length, runs.owner, False)[0]
    cluster = kernels.parts(x, top, top + runs.length, runs.owner, True)[0]
    area = np.bincount(cluster, weights=runs.length).astype(np.int64)
    cluster_area = np.zeros(parts.num_rows, np.int64)
    cluster_area[part] = area[cluster]  # parts are numbered by their first run, here as in the table
    rings = Rings.among(batch.segments["rings"], segments)
    drawn = are_rings(parts, rings.opened(), height, width)
    drawn |= ~np.isin(parts["segment"].to_numpy(), rings.segment)
    return parts.append_column("cluster", pa.array(cluster_area)).append_column("drawn", pa.array(drawn))
