"""Exact: the polygons that a tool may be given for a segment, because it draws exactly the segment's pixels of them."""

import numpy as np

from segdata.core.batch import Batch
from segdata.core.profile import RasterRule
from segdata.core.runs import Ints
from segdata.formats.shapes.rings import Drawn
from segdata.formats.shapes.shape import Polygon


def source_polygons(batch: Batch, rows: Ints, rule: RasterRule) -> list[list[Polygon]]:
    """(n,) the source's polygons of the segments at these rows; none where they have holes or are not exact."""
    drawn = Drawn.of(batch)
    exact = drawn.exact(batch.runs, rule)
    holed = np.diff(drawn.polygons.polygon) > 1
    exact[drawn.segment[holed]] = False
    return [drawn.of_segment(row) if whole else [] for row, whole in zip(rows.tolist(), exact[rows], strict=True)]
