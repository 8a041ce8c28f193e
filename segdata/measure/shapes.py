"""Shapes: parts, holes and perimeter of every segment."""

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.parts import Regions, holes, shape
from segdata.core.runs import Ints


def shapes(batch: Batch) -> dict[str, pa.Table]:
    """Columns for `segments` (parts, largest, holes, hole_pixels, perimeter), and the tables `parts` and `holes`.

    `parts` lists the parts of segments that have several. Areas and boxes in pixels, perimeter in pixel edges.
    """
    height, _ = batch.segment_size
    n_segments = batch.n_segments
    found = shape(batch.runs, height, n_segments)
    n_parts = np.bincount(found.parts.owner, minlength=n_segments)
    largest = np.zeros(n_segments, np.int64)
    np.maximum.at(largest, found.parts.owner, found.parts.area)
    empty = holes(batch.runs, height, n_segments)
    hole_pixels = np.zeros(n_segments, np.int64)
    np.add.at(hole_pixels, empty.owner, empty.area)
    several = np.flatnonzero(n_parts[found.parts.owner] > 1)
    columns = {
        "parts": n_parts.astype(np.int64),
        "largest": largest,
        "holes": np.bincount(empty.owner, minlength=n_segments).astype(np.int64),
        "hole_pixels": hole_pixels,
        "perimeter": found.perimeter,
    }
    return {
        "shapes": pa.table(columns),
        "parts": regions(found.parts, "segment", several),
        "holes": regions(empty, "segment", np.arange(len(empty.area))),
    }


def regions(found: Regions, owner: str, rows: Ints) -> pa.Table:
    """Some regions as a table: the owner's row, area and box in pixels."""
    return pa.table(
        {
            owner: found.owner[rows].astype(np.int64),
            "area": found.area[rows],
            "x": found.x[rows],
            "y": found.y[rows],
            "width": found.width[rows],
            "height": found.height[rows],
        }
    )
