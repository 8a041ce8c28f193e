"""Flickers: pixels of a video that change their category for one frame."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.runs import Ints, Runs, columns
from segdata.core.taxonomy import Taxonomy
from segdata.measure.stretch import Columns, Stretch

BAND = 2  # pixels at the border of what flickers that do not count: outlines tremble
_BOX = ("x", "y", "width", "height")


def flickers(stretch: Stretch, taxonomy: Taxonomy) -> Columns:
    """The table `flickers`: pixels of one category before and after a frame that are another one in it.

    One row for each part of a segment and category. annotation and segment (rows) of the frame, category_id before and
    after, area: pixels, and their box. part: the area of the part. around: the pixels of the category before and after,
    in the frame that has fewer; lost: by how much they are fewer still in this frame; gained: by how much the segment's
    category has more in this frame than in the one before and in the one after. Of what flickers a band of two pixels
    at its border does not count; void neither flickers nor is flickered to.
    """
    category = stretch.batch.segments["category_id"].to_numpy()
    ids, layer = np.unique(category, return_inverse=True)
    layer = np.where(np.isin(category, taxonomy.void_ids), -1, layer).astype(np.int64)
    n_layers, at = max(len(ids), 1), stretch.between
    layered = stretch.line(n_layers)
    laid = partial(stretch.side, layered, at=at, layer=layer, n_layers=n_layers)
    before, here, after = laid(1), laid(0), laid(-1)
    claimed = [_claimed(each, layered) for each in (before, here, after)]
    around, most = np.minimum(claimed[0], claimed[2]), np.maximum(claimed[0], claimed[2])
    start, end = _eroded(*_without(_both(before, after), here), layered)
    frame, x, y = layered.lower(start)
    plain = stretch.line()
    at_frame = plain.base[frame // n_layers] + x * (plain.height[frame // n_layers] + 1) + y
    order = np.argsort(at_frame, kind="stable")
    core = at_frame[order], (at_frame + end - start)[order], frame[order].astype(np.int32)
    part, segment = _parts(stretch)
    runs = Runs(stretch.batch.runs.start, stretch.batch.runs.length, part)
    shown = stretch.side(plain, 0, at, np.minimum(layer, 0)[segment], 1, runs, stretch.place[segment])
    which, part, place, length = kernels.strips(*core, shown.start, shown.end, shown.owner)
    pair, label = np.unique(which * np.int64(max(len(segment), 1)) + part, return_inverse=True)
    which, part = np.divmod(pair, max(len(segment), 1))
    _, x, y = plain.lower(place)
    area, *box = kernels.extents(label.astype(np.int64), x, y, y + length, len(pair))
    whole = np.bincount(runs.owner, weights=runs.length, minlength=len(segment)).astype(np.int64)
    return {
        "annotation": stretch.annotation[which // n_layers],
        "segment": stretch.row[segment[part]],
        "category_id": ids[which % n_layers] if len(ids) else which,
        "area": area,
        **dict(zip(_BOX, box, strict=True)),
        "part": whole[part],
        "around": around[which],
        "lost": (around - claimed[1])[which],
        "gained": (claimed[1] - most)[which // n_layers * n_layers + layer[segment[part]]],
    }


def _parts(stretch: Stretch) -> tuple[NDArray[np.int32], Ints]:
    """(n_runs,) the part of each run of the batch, and (n_parts,) the segment of each part."""
    runs = stretch.batch.runs
    x, top = columns(runs, stretch.batch.segment_size[0])
    part = kernels.parts(x, top, top + runs.length, runs.owner, False)[0]
    segment = np.zeros(int(part.max(initial=-1)) + 1, np.int64)
    segment[part] = runs.owner
    return part.astype(np.int32), segment


def _claimed(side: Side, line: Line) -> Ints:
    """(n_frames,) pixels of each frame that a side claims at least once."""
    start, length, _ = kernels.cover(side.start, side.end)
    frame = line.frame_of(start)
    return np.bincount(frame, weights=length, minlength=len(line.base)).astype(np.int64)


def _both(a: Side, b: Side) -> tuple[Ints, Ints]:
    """The pixels that both sides claim, as disjoint intervals."""
    _, _, start, length = kernels.strips(a.start, a.end, a.owner, b.start, b.end, b.owner)
    start, length, _ = kernels.cover(start, start + length)
    return start, start + length


def _without(those: tuple[Ints, Ints], side: Side) -> tuple[Ints, Ints]:
    """Disjoint intervals without the pixels that a side claims."""
    start, length, _ = kernels.cover(side.start, side.end)
    at = np.concatenate([those[0], those[1], start, start + length])
    n, k = len(those[0]), len(start)
    inside = np.repeat(np.array([1, -1, 0, 0]), [n, n, k, k])
    taken = np.repeat(np.array([0, 0, 1, -1]), [n, n, k, k])
    order = np.argsort(at, kind="stable")
    at = at[order]
    left = (np.cumsum(inside[order]) > 0) & (np.cumsum(taken[order]) == 0)
    left[:-1] &= at[1:] > at[:-1]
    chosen = np.flatnonzero(left)
    return at[chosen], at[chosen + 1] if len(chosen) else at[chosen]


def _eroded(start: Ints, end: Ints, line: Line) -> tuple[Ints, Ints]:
    """Disjoint intervals without a band at their border: pixels whose square of 2 `BAND` + 1 is wholly inside."""
    start, end = _joined(start, end)
    start, end = (start + BAND)[end - start > 2 * BAND], (end - BAND)[end - start > 2 * BAND]
    kept, whole = (start, end), (start, end)
    zero = np.zeros(len(start), np.int32)
    for step in (*range(-BAND, 0), *range(1, BAND + 1)):
        by = step * (line.height[line.frame_of(whole[0])] + 1)
        none = np.zeros(len(kept[0]), np.int32)
        _, _, first, length = kernels.strips(*kept, none, whole[0] + by, whole[1] + by, zero)
        kept = first, first + length
    return kept


def _joined(start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Intervals in order, those that touch as one."""
    first, length, _ = kernels.cover(start, end)
    return first, first + length
