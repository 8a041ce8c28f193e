"""Apart: segments in two large parts, and whether something lies between these that may hide what joins them."""

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy

_SHARE = 0.15  # of the largest part, from which the second one is large, too
_POINTS = 64  # looked at between two parts


def apart(batch: Batch, parts: pa.Table, side: Side, line: Line, taxonomy: Taxonomy) -> pa.Table:
    """One row per segment whose second largest part is not small beside the largest.

    `parts` lists all parts of the segments that have several; `side` are the batch's runs on `line`, its annotations'
    number line. first, second: the areas of the two, in pixels. first_reach, second_reach: the diagonals of their
    boxes, in pixels. hidden: the share of the way from one to the other that leads over things other than the segment:
    what lies in front of it, or between. The way goes straight from middle to middle of the boxes.
    """
    segment, area = parts["segment"].to_numpy(), parts["area"].to_numpy()
    order = np.lexsort((-area, segment))
    first = order[np.searchsorted(segment[order], np.unique(segment))]
    second = order[np.searchsorted(segment[order], np.unique(segment)) + 1]
    large = area[second] >= _SHARE * area[first]
    first, second = first[large], second[large]
    x, y, width, height = (parts[name].to_numpy() for name in ("x", "y", "width", "height"))
    reach = np.hypot(width, height)
    return pa.table(
        {
            "segment": segment[first],
            "first": area[first],
            "second": area[second],
            "first_reach": reach[first],
            "second_reach": reach[second],
            "hidden": _hidden(
                batch, segment[first], (x + width / 2, y + height / 2), (first, second), side, line, taxonomy
            ),
        }
    )


def _hidden(
    batch: Batch,
    segment: Ints,
    middle: tuple[np.ndarray, np.ndarray],
    ends: tuple[Ints, Ints],
    side: Side,
    line: Line,
    taxonomy: Taxonomy,
) -> np.ndarray:
    """(n,) the share of the points between two parts, outside the segment, that things cover; 0 where no point is."""
    way = (np.arange(_POINTS) + 0.5) / _POINTS
    x, y = (np.floor(np.outer(at[ends[0]], 1 - way) + np.outer(at[ends[1]], way)).astype(np.int64) for at in middle)
    frame = batch.segment_annotation[segment][:, None]
    place = (line.base[frame] + x * (line.height[frame] + 1) + y).ravel()
    order = np.argsort(place, kind="stable")
    point, covering, _, _ = kernels.strips(
        place[order], place[order] + 1, order.astype(np.int32), side.start, side.end, side.owner
    )
    own = covering == segment[point // _POINTS]
    no_things = [each.id for each in taxonomy.categories if each.kind != "thing"]
    thing = ~np.isin(batch.segments["category_id"].to_numpy(), no_things)[covering]
    outside, covered = np.ones(len(place), bool), np.zeros(len(place), bool)
    outside[point[own]] = False
    covered[point[thing & ~own]] = True
    n_outside, n_covered = (each.reshape(-1, _POINTS).sum(axis=1) for each in (outside, outside & covered))
    hidden: np.ndarray = n_covered / np.maximum(n_outside, 1)
    return hidden
