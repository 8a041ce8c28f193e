"""Shapes: parts, holes and perimeter of every segment."""

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.parts import Regions, holes, shape
from segdata.core.runs import Ints
from segdata.measure.hollow import hollow
from segdata.measure.strays import strays


def shapes(batch: Batch) -> dict[str, pa.Table]:
    """Columns for `segments` (parts, largest, holes, hole_pixels, perimeter), and the tables `parts` and `holes`.

    `parts` lists the parts of segments that have several; see `strays` and `hollow` for what else the two tables tell.
    Areas and boxes in pixels, perimeters in pixel edges.
    """
    height, _ = batch.segment_size
    n_segments = batch.n_segments
    found = shape(batch.runs, height, n_segments)
    largest = np.zeros(n_segments, np.int64)
    np.maximum.at(largest, found.parts.owner, found.parts.area)
    empty = holes(batch.runs, height, found.n_holes > 0)
    several = np.flatnonzero(found.n_parts[found.parts.owner] > 1)
    columns = {
        "parts": found.n_parts,
        "largest": largest,
        "holes": found.n_holes,
        "hole_pixels": np.bincount(empty.owner, weights=empty.area, minlength=n_segments).astype(np.int64),
        "perimeter": found.perimeter,
    }
    return {
        "shapes": pa.table(columns),
        "parts": strays(batch, regions(found.parts, "segment", several)),
        "holes": hollow(batch, regions(empty, "segment", np.arange(len(empty.area)))),
    }


def regions(found: Regions, owner: str, rows: Ints) -> pa.Table:
    """Some regions as a table: the owner's row, area and box in pixels, perimeter in pixel edges."""
    return pa.table(
        {
            owner: found.owner[rows].astype(np.int64),
            "area": found.area[rows],
            "x": found.x[rows],
            "y": found.y[rows],
            "width": found.width[rows],
            "height": found.height[rows],
            "perimeter": found.perimeter[rows],
        }
    )
