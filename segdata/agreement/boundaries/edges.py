"""Edges: the boundary pixels of shapes, and the bands along their boundaries, from runs."""

from collections.abc import Iterator

import numpy as np

from segdata.agreement.boundaries.sheets import Sheets, less, shared
from segdata.agreement.opposite import Flags, Opposite
from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints

_SHARE = 0.02  # of the image's diagonal


def edges(area: SweepRuns, sheets: Sheets) -> SweepRuns:
    """The pixels of shapes that have one of their 4 neighbours outside, in volumes one of their 6.

    What lies beyond the image, or above and below a volume, is outside.
    """
    pitch = sheets.pitch[area.owner]
    inner = _shrunk(area, np.ones(len(area.start), np.int64))
    inner = shared(shared(inner, area.moved(pitch)), area.moved(-pitch))
    if not sheets.is_deep.any():
        return less(area, inner)
    deep = sheets.is_deep[inner.owner]
    within = _only(inner, deep)
    for slices in (-1, 1):
        within = shared(within, sheets.moved(area, slices))
    return less(less(area, _only(inner, ~deep)), within)


def _shrunk(side: SweepRuns, by: Ints) -> SweepRuns:
    """Runs (n,) without so many pixels (n,) at either end."""
    shorter = SweepRuns(side.start + by, side.end - by, side.owner)
    return _only(shorter, shorter.end > shorter.start)


def _only(side: SweepRuns, chosen: Flags) -> SweepRuns:
    """Some of the runs."""
    return SweepRuns(side.start[chosen], side.end[chosen], side.owner[chosen])


def depth(height: Ints, width: Ints) -> Ints:
    """How deep (n,) the band of Boundary IoU is in images of these sizes: 2 % of the diagonal, in pixels, at least 1.

    >>> depth(np.array([100, 1024]), np.array([100, 2048])).tolist()
    [3, 46]
    """
    return np.maximum(1, np.round(_SHARE * np.hypot(height, width))).astype(np.int64)


def band(area: SweepRuns, sheets: Sheets, depth: Ints) -> SweepRuns:
    """The pixels of shapes with a pixel outside at most `depth` (n_sheets,) columns and rows away.

    What lies beyond the image is outside. In volumes each slice has a band of its own.
    Source: Cheng et al. (2021), Boundary IoU, CVPR; it is the mask less the mask eroded `depth` times by 3 x 3 pixels.
    """
    return less(area, _eroded(area, sheets, depth))


def _eroded(area: SweepRuns, sheets: Sheets, depth: Ints) -> SweepRuns:
    """The pixels of shapes with a square of 2 depth + 1 pixels around them inside."""
    inner = _shrunk(area, depth[area.owner])
    # What is inside in so many columns, counted from each pixel to the right: twice as many with every round.
    wanted, columns = 2 * depth + 1, np.ones(len(depth), np.int64)
    while len(inner.start) and np.any(columns < wanted):
        more = np.minimum(columns, wanted - columns)
        inner = shared(inner, inner.moved(-(more * sheets.pitch)[inner.owner]))
        columns = columns + more
    return inner.moved((depth * sheets.pitch)[inner.owner])


def clear_of_void(edge: SweepRuns, opposite: Opposite, sheets: Sheets) -> SweepRuns:
    """The pixels of edges without void of either annotator as a neighbour, as `edges` has neighbours."""
    if len(opposite.void.start) == 0:
        return edge
    cases = Sheets.of(opposite, sheets.slices, np.arange(opposite.n_cases))
    frame = np.empty(len(cases.frame), np.int64)
    frame[cases.frame] = np.arange(len(cases.frame))
    by = (cases.origin[frame[sheets.frame]] - sheets.origin)[edge.owner]
    left = SweepRuns(edge.start + by, edge.end + by, np.arange(len(edge.start), dtype=np.int32))
    for void in _around(opposite, cases):
        left = less(left, void)
    by = by[left.owner]
    return SweepRuns(left.start - by, left.end - by, edge.owner[left.owner])


def _around(opposite: Opposite, cases: Sheets) -> Iterator[SweepRuns]:
    """The neighbours of void pixels, direction by direction, and void itself."""
    void = opposite.void
    laid = cases.lay(opposite, void, opposite.case_of_frame)
    pitch = cases.pitch[laid.owner]
    start, length, _ = kernels.cover(laid.start - 1, laid.end + 1)
    yield SweepRuns(start, start + length, cases.line.frame_of(start + 1).astype(np.int32))
    yield laid.moved(pitch)
    yield laid.moved(-pitch)
    if cases.is_deep.any():
        for slices in (-1, 1):
            yield cases.moved(laid, slices)
