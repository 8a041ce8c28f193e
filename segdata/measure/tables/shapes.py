"""Shapes: parts, holes and perimeter of every segment; which parts were drawn, and which holes are empty."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns, complement, union_by_frame
from segdata.core.runs import Components, Ints, find_holes, label_parts, run_columns
from segdata.measure.registry import BatchView, measure
from segdata.measure.tables.outlines import SourceRings, are_among, matches_ring

_SHAPE = ("area", "x", "y", "width", "height")


def mark_drawn(batch: Batch, parts: pa.Table, cluster: Ints) -> pa.Table:
    """The table `parts` (all parts of the segments that have several) with two more columns.

    cluster: the area in pixels of the 8-connected region that the part belongs to. drawn: the part is a whole ring of
    its segment's polygon, or of those that bridges join to one, or there is no polygon; where a ring is narrower than a
    pixel, its raster falls apart.
    """
    segment = parts["segment"].to_numpy()
    rings = SourceRings.among(batch.segments["rings"], np.unique(segment))
    is_ring = matches_ring(parts, rings.unkeyhole(), *batch.segment_size)
    is_ring |= ~np.isin(segment, rings.segment)
    return parts.append_column("cluster", pa.array(cluster)).append_column("drawn", pa.array(is_ring))


def mark_empty_holes(view: BatchView, holes: pa.Table) -> pa.Table:
    """The table `holes` with the column `empty`: no segment of its annotation claims a pixel of the hole.

    A polygon has no holes but those that bridges join to its outline; where its raster encloses other pixels, as where
    it touches itself, `empty` is False.
    """
    batch, owner = view.batch, holes["segment"].to_numpy()
    rings = SourceRings.among(batch.segments["rings"], np.unique(owner))
    candidate = ~np.isin(owner, rings.segment) | matches_ring(holes, rings.holes(), *batch.segment_size)
    of_hole = batch.segment_annotation[owner]
    unclaimed = _unclaimed_regions(view, np.unique(of_hole[candidate]))
    # An empty hole is an unclaimed region with the same box and area: both are 8-connected.
    empty = candidate & are_among([of_hole, *(holes[name].to_numpy() for name in _SHAPE)], unclaimed)
    return holes.append_column("empty", pa.array(empty))


def _unclaimed_regions(view: BatchView, annotations: Ints) -> list[Ints]:
    """Annotation, area, x, y, width, height (n,) of the 8-connected regions that no segment of theirs claims."""
    side, line = view.sweep, view.line
    open_ = annotations[view.cover[0][annotations] < (line.height * line.width)[annotations]]
    wanted = np.zeros(len(line.base), bool)
    wanted[open_] = True
    of_these = wanted[view.batch.segment_annotation][side.owner]
    claimed = union_by_frame(SweepRuns(side.start[of_these], side.end[of_these], side.owner[of_these]), line)
    height, width = line.height[open_], line.width[open_]
    runs = complement(claimed.runs.take(open_, len(wanted)), height, width)
    x, top = run_columns(runs, height)
    region, frame = label_parts(runs, height, corners=True)
    extents = kernels.extents(region, x, top, top + runs.length, len(frame))
    return [open_[frame], *extents]


@measure("shapes", "parts", "holes", tables={"parts": {"segment": "segments"}, "holes": {"segment": "segments"}})
def measure_shapes(view: BatchView) -> dict[str, pa.Table]:
    """Columns for `segments` (parts, largest, holes, hole_pixels, perimeter), and the tables `parts` and `holes`.

    `parts` lists the parts of segments that have several; see `mark_drawn` and `mark_empty_holes` for their further
    columns. Areas and boxes in pixels, perimeters in pixel edges.
    """
    batch = view.batch
    walk = view.walk
    empty = find_holes(batch.runs, batch.segment_size[0], walk.holes > 0)
    columns = {
        "parts": walk.parts,
        "largest": walk.largest,
        "holes": walk.holes,
        "hole_pixels": np.bincount(empty.owner, weights=empty.area, minlength=batch.n_segments).astype(np.int64),
        "perimeter": walk.perimeter,
    }
    return {
        "segments": pa.table(columns),
        "parts": mark_drawn(batch, component_table(walk.several, "segment"), walk.cluster),
        "holes": mark_empty_holes(view, component_table(empty, "segment")),
    }


def component_table(regions: Components, owner: str) -> pa.Table:
    """Regions as a table: the owner's row, area and box in pixels, perimeter in pixel edges."""
    columns = {name: getattr(regions, name) for name in (*_SHAPE, "perimeter")}
    return pa.table({owner: regions.owner.astype(np.int64), **columns})
