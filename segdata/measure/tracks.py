"""Tracks: how a track's segment in one frame of a video fits to those in the frames before and after it."""

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.line import Line
from segdata.core.runs import Ints, Runs, columns
from segdata.core.table import Table
from segdata.measure.stretch import Columns, Stretch

Floats = NDArray[np.float64]
_BOX = ("x", "y", "width", "height")


def tracks_of(segments: Table) -> Ints:
    """(n_segments,) the track of each segment; -1: none."""
    known = ~segments.missing("track_id")
    track = np.full(len(segments), -1, np.int64)
    track[known] = segments["track_id"][known].astype(np.int64)
    return track


def exchanges(stretch: Stretch, track: Ints) -> Columns:
    """The table `exchanges`: two tracks, each of which shares pixels with the other's segment in the frame before.

    a, b: the segments (rows) in the later frame. own: the mean IoU of the two tracks' segments with their own in the
    frame before; crossed: with each other's. `track` (n_segments,) of the batch; negative: none.
    """
    line, layer, at = stretch.line(), np.where(track >= 0, 0, -1), stretch.own & stretch.follows
    before, here = stretch.side(line, 1, at, layer), stretch.side(line, 0, at, layer)
    first, second, _, length = kernels.strips(before.start, before.end, before.owner, here.start, here.end, here.owner)
    first, second, shared = kernels.tally(first, second, length)
    area, n = stretch.batch.runs.areas(len(track)), max(len(track), 1)
    code, iou = first.astype(np.int64) * n + second, _iou(shared, area[first], area[second])

    def iou_of(a: Ints, b: Ints) -> Floats:
        place = np.minimum(np.searchsorted(code, a * n + b), len(code) - 1)
        return np.where(code[place] == a * n + b, iou[place], 0.0)

    key, segment = _keyed(stretch, track)
    own_key = np.full(n, -1, np.int64)
    own_key[segment] = key
    pairs = np.flatnonzero((track[first] < track[second]) & (own_key[first] >= 0) & (own_key[second] >= 0))
    a, b = first[pairs].astype(np.int64), second[pairs].astype(np.int64)
    later, earlier = _at(key, segment, own_key[a] + 1), _at(key, segment, own_key[b] - 1)
    both = np.flatnonzero((later >= 0) & (earlier >= 0))
    a, b, later, earlier = a[both], b[both], later[both], earlier[both]
    back = iou_of(earlier, later)
    crossed, own = (iou_of(a, b) + back) / 2, (iou_of(a, later) + iou_of(earlier, b)) / 2
    kept = back > 0
    return {"a": stretch.row[later[kept]], "b": stretch.row[b[kept]], "own": own[kept], "crossed": crossed[kept]}


def turns(stretch: Stretch, track: Ints) -> Columns:
    """The table `turns`: each segment of a track that has one in the frame before and in the frame after, too.

    The neighbours are moved to where their centroids would meet halfway, as if the track moved straight on. agree:
    their IoU, there. stray, stray_x …: area and box of the segment's largest part that shares no pixel with either
    there; 0: none. fit: the better of their IoUs with the segment without that part. like_before, like_after: their
    IoUs with it where they are drawn. shift: how far its centroid is from halfway, in pixels.
    """
    before, here, after = _threes(stretch, track)
    height = stretch.batch.segment_size[0]
    runs, n_segments = stretch.batch.runs, stretch.batch.n_segments
    area = runs.areas(n_segments)
    x, y = _centroids(runs, height, area)
    middle = (x[before] + x[after]) / 2, (y[before] + y[after]) / 2
    moved = [(runs, each, _whole(middle[0] - x[each]), _whole(middle[1] - y[each])) for each in (before, after)]
    still, high = np.zeros(len(here), np.int64), height[here]
    agree = _iou(_shared(moved[0], moved[1], high), area[before], area[after])
    drawn = (runs, here, still, still)
    strays = _strays(runs, height, n_segments, here, moved)
    rest = area[here] - strays["area"]
    fits = [_iou(_shared(each, drawn, high), area[each[1]], rest) for each in moved]
    nears = [_iou(_shared((runs, each, still, still), drawn, high), area[each], area[here]) for each in (before, after)]
    return {
        "before": stretch.row[before],
        "segment": stretch.row[here],
        "after": stretch.row[after],
        "agree": agree,
        "fit": np.maximum(*fits),
        "like_before": nears[0],
        "like_after": nears[1],
        "shift": np.hypot(x[here] - middle[0], y[here] - middle[1]),
        **{f"stray_{name}".removesuffix("_area"): values for name, values in strays.items()},
    }


def _keyed(stretch: Stretch, track: Ints) -> tuple[Ints, Ints]:
    """A number for each track and frame that has it once and with pixels, and the segment (of the batch).

    Ascending; the same track in the next frame has the next number.
    """
    some = np.flatnonzero((track >= 0) & (stretch.place >= 0) & (stretch.batch.runs.areas(len(track)) > 0))
    code = np.unique(track[some], return_inverse=True)[1]
    n_frames = len(stretch.frame) + 2  # so that tracks never neighbour each other
    key, first, count = np.unique(code * n_frames + stretch.place[some], return_index=True, return_counts=True)
    return key[count == 1], some[first[count == 1]]


def _at(key: Ints, segment: Ints, wanted: Ints) -> Ints:
    """The segments of some keys; -1 where there is none."""
    if len(key) == 0:
        return np.full(len(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    return np.where(key[place] == wanted, segment[place], -1)


def _threes(stretch: Stretch, track: Ints) -> tuple[Ints, Ints, Ints]:
    """The segments (of the batch) of one track in three successive frames."""
    key, segment = _keyed(stretch, track)
    middle = stretch.between[stretch.place[segment]]
    before, after = _at(key, segment, key - 1), _at(key, segment, key + 1)
    turn = np.flatnonzero(middle & (before >= 0) & (after >= 0))
    return before[turn], segment[turn], after[turn]


def _centroids(runs: Runs, height: Ints, area: Ints) -> tuple[Floats, Floats]:
    """X and y (n,) of the mean pixel of each segment; 0 without pixels."""
    x, top = columns(runs, height)
    n, pixels = len(area), np.maximum(area, 1)
    along = np.bincount(runs.owner, weights=x * runs.length, minlength=n)
    down = np.bincount(runs.owner, weights=runs.length * (top + (runs.length - 1) / 2), minlength=n)
    return along / pixels, down / pixels


def _whole(shift: Floats) -> Ints:
    """(n,) the nearest whole numbers, halves to the even one: half a pixel is half, whatever the last digit says."""
    return np.rint(np.round(shift, 9)).astype(np.int64)


Moved = tuple[Runs, Ints, Ints, Ints]  # runs; and for each of n the owner, and how far it is moved across and down


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
    found: Floats = shared / np.maximum(a + b - shared, 1)
    return found


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
    found: Columns = {}
    for name, values in zip(("area", *_BOX), (area, *box), strict=True):
        found[name] = np.zeros(len(here), np.int64)
        found[name][of] = values[largest[first]]
    return found
