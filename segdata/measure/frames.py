"""Frames: how what is drawn on one frame of a video fits to the frames before and after it."""

from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.runs import Ints, Runs, columns
from segdata.core.taxonomy import Taxonomy
from segdata.measure.stretch import Stretch

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[np.generic]]
BAND = 2  # pixels at the border of what flickers that do not count: outlines tremble
_BOX = ("x", "y", "width", "height")


def links(stretch: Stretch, track: Ints) -> Columns:
    """The table `links`: segments a of a frame and b of the next one that have tracks and share pixels: how many.

    `track` (n_segments,) of the batch; negative: none.
    """
    line, layer = stretch.line(), np.where(track >= 0, 0, -1)
    before = stretch.side(line, 1, stretch.follows, layer)
    here = stretch.side(line, 0, stretch.follows, layer)
    a, b, _, length = kernels.strips(before.start, before.end, before.owner, here.start, here.end, here.owner)
    a, b, shared = kernels.tally(a, b, length)
    return {"a": stretch.row[a], "b": stretch.row[b], "shared": shared}


def turns(stretch: Stretch, track: Ints) -> Columns:
    """The table `turns`: each segment of a track that has one in the frame before and in the frame after, too.

    The neighbours are moved to where their centroids would meet halfway, as if the track moved straight on. agree:
    their IoU, there. fit: the better of their IoUs with the segment as it is drawn. shift: how far its centroid is from
    there, in pixels. stray, stray_x …: area and box of its largest part that shares no pixel with either; 0: none.
    """
    before, here, after = _threes(stretch, track)
    height = stretch.batch.segment_size[0]
    runs, n_segments = stretch.batch.runs, stretch.batch.n_segments
    area = runs.areas(n_segments)
    x, y = _centroids(runs, height, area)
    middle = (x[before] + x[after]) / 2, (y[before] + y[after]) / 2
    moved = [
        (runs, each, np.rint(middle[0] - x[each]).astype(np.int64), np.rint(middle[1] - y[each]).astype(np.int64))
        for each in (before, after)
    ]
    still = np.zeros(len(here), np.int64)
    high = height[here]
    agree = _iou(_shared(moved[0], moved[1], high), area[before], area[after])
    drawn = (runs, here, still, still)
    fits = [_iou(_shared(each, drawn, high), area[each[1]], area[here]) for each in moved]
    strays = _strays(runs, height, n_segments, here, moved)
    return {
        "before": stretch.row[before],
        "segment": stretch.row[here],
        "after": stretch.row[after],
        "agree": agree,
        "fit": np.maximum(*fits),
        "shift": np.hypot(x[here] - middle[0], y[here] - middle[1]),
        **{f"stray_{name}".removesuffix("_area"): values for name, values in strays.items()},
    }


def flickers(stretch: Stretch, taxonomy: Taxonomy) -> Columns:
    """The table `flickers`: pixels of one category before and after a frame that are another one in it.

    annotation and segment (rows) of the frame, category_id before and after, pixels and box, and around: the pixels of
    that category in the frame before or after, whichever has fewer. Of what flickers a band of two pixels at its border
    does not count; void neither flickers nor is flickered to.
    """
    category = stretch.batch.segments["category_id"].to_numpy()
    ids, layer = np.unique(category, return_inverse=True)
    layer = np.where(np.isin(category, taxonomy.void_ids), -1, layer).astype(np.int64)
    n_layers, at = max(len(ids), 1), stretch.between
    layered = stretch.line(n_layers)
    laid = partial(stretch.side, layered, at=at, layer=layer, n_layers=n_layers)
    before, here, after = laid(1), laid(0), laid(-1)
    around = np.minimum(*(_claimed(each, layered) for each in (before, after)))
    start, end = _eroded(*_without(_both(before, after), here), layered)
    frame, x, y = layered.lower(start)
    plain = stretch.line()
    at_frame = plain.base[frame // n_layers] + x * (plain.height[frame // n_layers] + 1) + y
    order = np.argsort(at_frame, kind="stable")
    core = at_frame[order], (at_frame + end - start)[order], frame[order].astype(np.int32)
    shown = stretch.side(plain, 0, at, np.minimum(layer, 0))
    which, segment, place, length = kernels.strips(*core, shown.start, shown.end, shown.owner)
    pair, label = np.unique(which * np.int64(max(len(layer), 1)) + segment, return_inverse=True)
    which, segment = np.divmod(pair, max(len(layer), 1))
    _, x, y = plain.lower(place)
    area, *box = kernels.extents(label.astype(np.int64), x, y, y + length, len(pair))
    return {
        "annotation": stretch.annotation[which // n_layers],
        "segment": stretch.row[segment],
        "category_id": ids[which % n_layers] if len(ids) else which,
        "pixels": area,
        **dict(zip(_BOX, box, strict=True)),
        "around": around[which],
    }


def _threes(stretch: Stretch, track: Ints) -> tuple[Ints, Ints, Ints]:
    """The segments (of the batch) of one track in three successive frames, where each has it once and with pixels."""
    some = np.flatnonzero((track >= 0) & (stretch.place >= 0) & (stretch.batch.runs.areas(len(track)) > 0))
    ids, code = np.unique(track[some], return_inverse=True)
    n_frames = len(stretch.frame) + 2  # so that tracks never neighbour each other
    key, first, count = np.unique(code * n_frames + stretch.place[some], return_index=True, return_counts=True)
    key, segment = key[count == 1], some[first[count == 1]]
    place = key % n_frames
    turn = np.flatnonzero(stretch.between[place]) if len(key) else np.empty(0, np.int64)
    turn = turn[(turn > 0) & (turn < len(key) - 1)]
    turn = turn[(key[turn - 1] == key[turn] - 1) & (key[turn + 1] == key[turn] + 1)]
    return segment[turn - 1], segment[turn], segment[turn + 1]


def _centroids(runs: Runs, height: Ints, area: Ints) -> tuple[Floats, Floats]:
    """X and y (n,) of the mean pixel of each segment; 0 without pixels."""
    x, top = columns(runs, height)
    n, pixels = len(area), np.maximum(area, 1)
    along = np.bincount(runs.owner, weights=x * runs.length, minlength=n)
    down = np.bincount(runs.owner, weights=runs.length * (top + (runs.length - 1) / 2), minlength=n)
    return along / pixels, down / pixels


Moved = tuple[Runs, Ints, Ints, Ints]  # runs; and for each of n: the owner, and by how many columns and rows it is moved


def _shared(a: Moved, b: Moved, height: Ints) -> Ints:
    """(n,) pixels that a's i-th owner shares with b's; `height` (n,) of the images, of one size for both."""
    placed = [_placed(*each, height) for each in (a, b)]
    left, up, right, down = (
        extreme([box[k] for box, _ in placed], axis=0)
        for k, extreme in enumerate((np.min, np.min, np.max, np.max))
    )  # fmt: skip
    line = Line.of(np.maximum(down - up, 0), np.maximum(right - left, 0))
    sides = []
    for _, (x, top, length, owner) in placed:
        start = line.base[owner] + (x - left[owner]) * (line.height[owner] + 1) + top - up[owner]
        sides.append((start, start + length, owner))
    which, _, _, length = kernels.strips(*sides[0], *sides[1])
    return np.bincount(which, weights=length, minlength=len(height)).astype(np.int64)


def _placed(
    runs: Runs, owner: Ints, across: Ints, down: Ints, height: Ints
) -> tuple[tuple[Ints, ...], tuple[Ints, Ints, Ints, NDArray[np.int32]]]:
    """The moved owners' boxes (left, top, right, bottom), and their runs: x, top, length and which of n."""
    mine = runs.take(owner, int(max(owner.max(initial=-1), runs.owner.max(initial=-1))) + 1)
    x, top = columns(mine, height)
    x, top = x + across[mine.owner], top + down[mine.owner]
    far = np.iinfo(np.int32).max
    box = tuple(np.full(len(owner), value, np.int64) for value in (far, far, -far, -far))
    for side, values, extreme in zip(
        box, (x, top, x + 1, top + mine.length), (np.minimum, np.minimum, np.maximum, np.maximum), strict=True
    ):
        extreme.at(side, mine.owner, values)
    return box, (x, top, mine.length, mine.owner)


def _iou(shared: Ints, a: Ints, b: Ints) -> Floats:
    return shared / np.maximum(a + b - shared, 1)


def _strays(runs: Runs, height: Ints, n_segments: int, here: Ints, moved: list[Moved]) -> Columns:
    """Area and box of the largest part of each of n segments (`here`) that shares no pixel with the moved ones."""
    mine = runs.take(here, n_segments)
    x, top = columns(mine, height[here])
    part = kernels.parts(x, top, top + mine.length, mine.owner, True)[0]
    n_parts = int(part.max(initial=-1)) + 1
    owner = np.zeros(n_parts, np.int64)
    owner[part] = mine.owner
    several = np.flatnonzero(np.bincount(owner, minlength=len(here))[owner] > 1)
    order = kernels.order_by(part.astype(np.int32), n_parts)
    pieces = Runs(mine.start[order], mine.length[order], part[order].astype(np.int32))
    still, high = np.zeros(len(several), np.int64), height[here][owner[several]]
    met = np.zeros(len(several), np.int64)
    for source, who, across, down in moved:
        of = owner[several]
        met += _shared((source, who[of], across[of], down[of]), (pieces, several, still, still), high)
    stray = several[met == 0]
    area, *box = kernels.extents(part, x, top, top + mine.length, n_parts)
    largest = stray[np.lexsort((stray, -area[stray], owner[stray]))]
    of, first = np.unique(owner[largest], return_index=True)
    found = {}
    for name, values in zip(("area", *_BOX), (area, *box), strict=True):
        found[name] = np.zeros(len(here), np.int64)
        found[name][of] = values[largest[first]]
    return found


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


def as_table(found: list[Columns]) -> pa.Table:
    """Columns of several stretches as one table."""
    return pa.table({name: np.concatenate([each[name] for each in found]) for name in found[0]})
