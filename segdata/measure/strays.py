"""Strays: what tells a part that somebody drew from one that the raster broke off."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.runs import Ints, Runs, boxes, columns
from segdata.measure.outlines import Rings


def strays(batch: Batch, parts: pa.Table) -> pa.Table:
    """The table `parts` (all parts of the segments that have several) with two more columns.

    cluster: the area in pixels of the 8-connected region that the part belongs to. drawn: the part is a whole ring of
    its segment's polygon, or there is no polygon; where a ring is narrower than a pixel, its raster falls apart.
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
    rings = Rings.of(batch.segments["rings"].take(pa.array(segments)))
    drawn = _are_rings(parts, rings, segments, height, width)
    drawn |= ~np.isin(parts["segment"].to_numpy(), segments[rings.segment])
    return parts.append_column("cluster", pa.array(cluster_area)).append_column("drawn", pa.array(drawn))


def _are_rings(parts: pa.Table, rings: Rings, segments: Ints, height: Ints, width: Ints) -> NDArray[np.bool_]:
    """(n_parts,) whether a ring of the part's segment has the same area and box; `rings` are those of `segments`."""
    of = segments[rings.segment[rings.ring_segment]]
    single = np.arange(len(of) + 1, dtype=np.int64)
    runs = Runs(*kernels.rasterise(rings.xy, rings.first_number, single, height[of], width[of]))
    of_rings = np.column_stack([of, runs.areas(len(of)), *boxes(runs, height[of], len(of))])
    of_parts = np.column_stack([parts[name].to_numpy() for name in ("segment", "area", "x", "y", "width", "height")])
    _, number = np.unique(np.concatenate([of_parts, of_rings]), axis=0, return_inverse=True)
    return np.isin(number[: len(of_parts)], number[len(of_parts) :])
