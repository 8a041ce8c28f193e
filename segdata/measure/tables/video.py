"""Video: continuity of tracks and labels from one frame, or slice, to the next; flickers; repeated frames."""

from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.profile import Profile
from segdata.core.runs import Floats, Ints, NumberLine, Runs, label_parts, run_columns
from segdata.core.table import Table
from segdata.core.taxonomy import Taxonomy
from segdata.measure.registry import measure_dataset
from segdata.measure.sequences import ColumnArrays, DatasetView, FrameSequence, FrameWindow, image_successions

_BOX = ("x", "y", "width", "height")
ShiftedRuns = tuple[Runs, Ints, Ints, Ints]  # for each of n the owner, and how far it is moved across and down
FLICKER_BAND = 2  # pixels at the border of a flicker that do not count: outlines tremble


@measure_dataset(
    "frames",
    tables={
        "exchanges": ("a", "b", "own", "crossed"),
        "turns": (
            *("before", "segment", "after", "agree", "fit", "like_before", "like_after", "shift"),
            *("stray", "stray_x", "stray_y", "stray_width", "stray_height"),
        ),
        "flickers": ("annotation", "segment", "category_id", "area", *_BOX, "part", "around", "lost", "gained"),
        "still": ("annotation", "of"),
        "repeats": ("image", "of"),
    },
    reloads=True,
)
def measure_video(view: DatasetView) -> dict[str, list[ColumnArrays]]:
    """The tables that compare frames of videos with their neighbours."""
    segments, taxonomy = view.tables["segments"], view.profile.taxonomy
    left_out = segments["iscrowd"] | np.isin(segments["category_id"], taxonomy.void_ids)
    track = np.where(left_out, -1, track_ids(segments))

    def measure_window(window: FrameWindow) -> dict[str, ColumnArrays]:
        own = track[window.row]
        return {
            "exchanges": measure_exchanges(window, own),
            "turns": measure_turns(window, own),
            "flickers": measure_flickers(window, taxonomy),
            "still": repeated_masks(window),
        }

    windows = view.map_windows(view.sequences("video"), measure_window)
    tables = {name: [window[name] for window in windows] for name in ("exchanges", "turns", "flickers", "still")}
    return tables | {"repeats": [repeated_images(view.profile, view.tables["images"])]}


def track_ids(segments: Table) -> Ints:
    """(n_segments,) the track of each segment; -1: none."""
    has_track = ~segments.missing("track_id")
    track = np.full(len(segments), -1, np.int64)
    track[has_track] = segments["track_id"][has_track].astype(np.int64)
    return track


def measure_exchanges(window: FrameWindow, track: Ints) -> ColumnArrays:
    """The table `exchanges`: two tracks, each of which shares pixels with the other's segment in the frame before.

    a, b: the segments (rows) in the later frame. own: the mean IoU of the two tracks' segments with their own in the
    frame before; crossed: with each other's. `track` (n_segments,) of the batch; negative: none.
    """
    line, layer, frames = window.line(), np.where(track >= 0, 0, -1), window.own & window.follows
    before, here = window.side(line, 1, frames, layer), window.side(line, 0, frames, layer)
    first, second, shared = before.overlaps_with(here)
    area, n = window.batch.runs.areas(len(track)), max(len(track), 1)
    code, iou = first.astype(np.int64) * n + second, _iou(shared, area[first], area[second])

    def iou_of(a: Ints, b: Ints) -> Floats:
        place = np.minimum(np.searchsorted(code, a * n + b), len(code) - 1)
        return np.where(code[place] == a * n + b, iou[place], 0.0)

    key, segment = _track_keys(window, track)
    own_key = np.full(n, -1, np.int64)
    own_key[segment] = key
    pairs = np.flatnonzero((track[first] < track[second]) & (own_key[first] >= 0) & (own_key[second] >= 0))
    a, b = first[pairs].astype(np.int64), second[pairs].astype(np.int64)
    later, earlier = _segments_at(key, segment, own_key[a] + 1), _segments_at(key, segment, own_key[b] - 1)
    both = np.flatnonzero((later >= 0) & (earlier >= 0))
    a, b, later, earlier = a[both], b[both], later[both], earlier[both]
    back = iou_of(earlier, later)
    crossed, own = (iou_of(a, b) + back) / 2, (iou_of(a, later) + iou_of(earlier, b)) / 2
    kept = back > 0
    return {"a": window.row[later[kept]], "b": window.row[b[kept]], "own": own[kept], "crossed": crossed[kept]}


def measure_turns(window: FrameWindow, track: Ints) -> ColumnArrays:
    """The table `turns`: each segment of a track that has one in the frame before and in the frame after, too.

    The neighbours are shifted so that their centroids lie halfway, as if the track moved straight on. agree:
    their IoU, there. stray, stray_x …: area and box of the segment's largest part that shares no pixel with either
    there; 0: none. fit: the better of their IoUs with the segment without that part. like_before, like_after: their
    IoUs with it where they are drawn. shift: how far its centroid is from halfway, in pixels.
    """
    before, here, after = _track_triples(window, track)
    height = window.batch.segment_size[0]
    runs, n_segments = window.batch.runs, window.batch.n_segments
    area = runs.areas(n_segments)
    x, y = _centroids(runs, height, area)
    middle = (x[before] + x[after]) / 2, (y[before] + y[after]) / 2
    moved = [
        (runs, neighbour, _nearest_integers(middle[0] - x[neighbour]), _nearest_integers(middle[1] - y[neighbour]))
        for neighbour in (before, after)
    ]
    still, high = np.zeros(len(here), np.int64), height[here]
    agree = _iou(_shared_pixels(moved[0], moved[1], high), area[before], area[after])
    as_drawn = (runs, here, still, still)
    strays = _stray_parts(runs, height, n_segments, here, moved)
    rest = area[here] - strays["area"]
    fits = [_iou(_shared_pixels(runs_, as_drawn, high), area[runs_[1]], rest) for runs_ in moved]
    nears = [
        _iou(_shared_pixels((runs, neighbour, still, still), as_drawn, high), area[neighbour], area[here])
        for neighbour in (before, after)
    ]
    return {
        "before": window.row[before],
        "segment": window.row[here],
        "after": window.row[after],
        "agree": agree,
        "fit": np.maximum(*fits),
        "like_before": nears[0],
        "like_after": nears[1],
        "shift": np.hypot(x[here] - middle[0], y[here] - middle[1]),
        **{f"stray_{name}".removesuffix("_area"): values for name, values in strays.items()},
    }


def _track_keys(window: FrameWindow, track: Ints) -> tuple[Ints, Ints]:
    """A key for each track and frame with one segment that has pixels, and the segment (of the batch).

    Keys are ascending; the same track in the next frame has the next number.
    """
    some = np.flatnonzero((track >= 0) & (window.place >= 0) & (window.batch.runs.areas(len(track)) > 0))
    code = np.unique(track[some], return_inverse=True)[1]
    n_frames = len(window.frame) + 1  # so that tracks never neighbour each other
    key, first, count = np.unique(code * n_frames + window.place[some], return_index=True, return_counts=True)
    return key[count == 1], some[first[count == 1]]


def _segments_at(key: Ints, segment: Ints, keys: Ints) -> Ints:
    """The segments of these `keys`; -1 for keys without one."""
    if len(key) == 0:
        return np.full(len(keys), -1, np.int64)
    place = np.minimum(np.searchsorted(key, keys), len(key) - 1)
    return np.where(key[place] == keys, segment[place], -1)


def _track_triples(window: FrameWindow, track: Ints) -> tuple[Ints, Ints, Ints]:
    """The segments (of the batch) of one track in three successive frames."""
    key, segment = _track_keys(window, track)
    middle = window.is_between[window.place[segment]]
    before, after = _segments_at(key, segment, key - 1), _segments_at(key, segment, key + 1)
    turn = np.flatnonzero(middle & (before >= 0) & (after >= 0))
    return before[turn], segment[turn], after[turn]


def _centroids(runs: Runs, height: Ints, area: Ints) -> tuple[Floats, Floats]:
    """X and y (n,) of the mean pixel of each segment; 0 without pixels."""
    x, top = run_columns(runs, height)
    n, pixels = len(area), np.maximum(area, 1)
    along = np.bincount(runs.owner, weights=x * runs.length, minlength=n)
    down = np.bincount(runs.owner, weights=runs.length * (top + (runs.length - 1) / 2), minlength=n)
    return along / pixels, down / pixels


def _nearest_integers(shift: Floats) -> Ints:
    """(n,) the nearest integers, halves rounded to even after rounding errors are removed."""
    return np.rint(np.round(shift, 9)).astype(np.int64)


def _shared_pixels(a: ShiftedRuns, b: ShiftedRuns, height: Ints) -> Ints:
    """(n,) pixels that a's i-th owner shares with b's; `height` (n,) of the images, of one size for both."""
    placed = [_placed_boxes(*side, height) for side in (a, b)]
    (left, up, *_), (*_, right, down) = (extreme([box for box, _ in placed], axis=0) for extreme in (np.min, np.max))
    line = NumberLine.from_sizes(np.maximum(down - up, 0), np.maximum(right - left, 0))
    sides = []
    for _, (x, top, length, owner) in placed:
        start = line.place(owner, x - left[owner], top - up[owner])
        sides.append((start, start + length, owner))
    which, _, _, length = kernels.strips(*sides[0], *sides[1])
    return np.bincount(which, weights=length, minlength=len(height)).astype(np.int64)


def _placed_boxes(
    runs: Runs, owner: Ints, across: Ints, down: Ints, height: Ints
) -> tuple[tuple[Ints, ...], tuple[Ints, Ints, Ints, NDArray[np.int32]]]:
    """The boxes (left, top, right, bottom) of shifted owners, and their runs: x, top, length and position in n."""
    mine = runs.take(owner, int(max(owner.max(initial=-1), runs.owner.max(initial=-1))) + 1)
    x, top = run_columns(mine, height)
    x, top = x + across[mine.owner], top + down[mine.owner]
    far = np.iinfo(np.int32).max
    box = tuple(np.full(len(owner), value, np.int64) for value in (far, far, -far, -far))
    for side, values, extreme in zip(
        box, (x, top, x + 1, top + mine.length), (np.minimum, np.minimum, np.maximum, np.maximum), strict=True
    ):
        extreme.at(side, mine.owner, values)
    return box, (x, top, mine.length, mine.owner)


def _iou(shared: Ints, a: Ints, b: Ints) -> Floats:
    return np.asarray(shared / np.maximum(a + b - shared, 1), np.float64)


def _stray_parts(runs: Runs, height: Ints, n_segments: int, here: Ints, moved: list[ShiftedRuns]) -> ColumnArrays:
    """Area and box of the largest part of each of n segments (`here`) that shares no pixel with the shifted ones."""
    mine = runs.take(here, n_segments)
    x, top = run_columns(mine, height[here])
    part, owner = label_parts(mine, height[here], corners=True)
    n_parts = len(owner)
    several = np.flatnonzero(np.bincount(owner, minlength=len(here))[owner] > 1)
    order = kernels.order_by(part.astype(np.int32), n_parts)
    pieces = Runs(mine.start[order], mine.length[order], part[order].astype(np.int32))
    still, high = np.zeros(len(several), np.int64), height[here][owner[several]]
    shared = np.zeros(len(several), np.int64)
    for source, *placed in moved:
        who, across, down = (column[owner[several]] for column in placed)
        shared += _shared_pixels((source, who, across, down), (pieces, several, still, still), high)
    stray = several[shared == 0]
    area, *box = kernels.extents(part, x, top, top + mine.length, n_parts)
    largest = stray[np.lexsort((stray, -area[stray], owner[stray]))]
    owner_of, first = np.unique(owner[largest], return_index=True)
    columns: ColumnArrays = {}
    for name, values in zip(("area", *_BOX), (area, *box), strict=True):
        columns[name] = np.zeros(len(here), np.int64)
        columns[name][owner_of] = values[largest[first]]
    return columns


def measure_flickers(window: FrameWindow, taxonomy: Taxonomy) -> ColumnArrays:
    """The table `flickers`: pixels of one category before and after a frame that are another one in it.

    One row for each part of a segment and category. annotation and segment (rows) of the frame, category_id before and
    after, area: pixels, and their box. part: the area of the part. around: the pixels of the category before and after,
    in the frame that has fewer; lost: by how much they are fewer still in this frame; gained: by how much the segment's
    category has more in this frame than in the one before and in the one after. A band of two pixels at the border of
    what flickers does not count, nor does void.
    """
    category = window.batch.segment_category
    ids, layer = np.unique(category, return_inverse=True)
    layer = np.where(np.isin(category, taxonomy.void_ids), -1, layer).astype(np.int64)
    n_layers, frames = max(len(ids), 1), window.is_between
    layered = window.line(n_layers)
    laid = partial(window.side, layered, frames=frames, layer=layer, n_layers=n_layers)
    before, here, after = laid(1), laid(0), laid(-1)
    claimed = [claimed_pixels(side, layered) for side in (before, here, after)]
    around, most = np.minimum(claimed[0], claimed[2]), np.maximum(claimed[0], claimed[2])
    start, end = _erode_intervals(*_subtract_intervals(claimed_by_both(before, after), here), layered)
    frame, x, y = layered.lower(start)
    plain = window.line()
    at_frame = plain.place(frame // n_layers, x, y)
    order = np.argsort(at_frame, kind="stable")
    core = at_frame[order], (at_frame + end - start)[order], frame[order].astype(np.int32)
    part, segment = label_parts(window.batch.runs, window.batch.segment_size[0])
    runs = Runs(window.batch.runs.start, window.batch.runs.length, part.astype(np.int32))
    shown = window.side(plain, 0, frames, np.minimum(layer, 0)[segment], 1, runs, window.place[segment])
    which, shown_part, place, length = kernels.strips(*core, shown.start, shown.end, shown.owner)
    pair, label = np.unique(which * np.int64(max(len(segment), 1)) + shown_part, return_inverse=True)
    which, part = np.divmod(pair, max(len(segment), 1))
    _, x, y = plain.lower(place)
    area, *box = kernels.extents(label.astype(np.int64), x, y, y + length, len(pair))
    part_area = np.bincount(runs.owner, weights=runs.length, minlength=len(segment)).astype(np.int64)
    return {
        "annotation": window.annotation[which // n_layers],
        "segment": window.row[segment[part]],
        "category_id": ids[which % n_layers] if len(ids) else which,
        "area": area,
        **dict(zip(_BOX, box, strict=True)),
        "part": part_area[part],
        "around": around[which],
        "lost": (around - claimed[1])[which],
        "gained": (claimed[1] - most)[which // n_layers * n_layers + layer[segment[part]]],
    }


def claimed_pixels(side: SweepRuns, line: NumberLine) -> Ints:
    """(n_frames,) pixels of each frame that a side claims at least once."""
    start, length, _ = kernels.cover(side.start, side.end)
    frame = line.frame_of(start)
    return np.bincount(frame, weights=length, minlength=len(line.base)).astype(np.int64)


def claimed_by_both(a: SweepRuns, b: SweepRuns) -> tuple[Ints, Ints]:
    """Disjoint intervals of the pixels that both sides claim: their starts and ends, (m,) each."""
    _, _, start, length = a.strips_with(b)
    start, length, _ = kernels.cover(start, start + length)
    return start, start + length


def _subtract_intervals(those: tuple[Ints, Ints], side: SweepRuns) -> tuple[Ints, Ints]:
    """Disjoint intervals without the pixels that a side claims."""
    start, length, _ = kernels.cover(side.start, side.end)
    places = np.concatenate([those[0], those[1], start, start + length])
    n, k = len(those[0]), len(start)
    inside = np.repeat(np.array([1, -1, 0, 0]), [n, n, k, k])
    taken = np.repeat(np.array([0, 0, 1, -1]), [n, n, k, k])
    order = np.argsort(places, kind="stable")
    places = places[order]
    left = (np.cumsum(inside[order]) > 0) & (np.cumsum(taken[order]) == 0)
    rows = np.flatnonzero(left)
    return places[rows], places[rows + 1] if len(rows) else places[rows]


def _erode_intervals(start: Ints, end: Ints, line: NumberLine) -> tuple[Ints, Ints]:
    """Disjoint intervals without a band at their border: pixels whose square of side 2 `FLICKER_BAND` + 1 is inside."""
    start, length, _ = kernels.cover(start, end)  # intervals that touch become one
    wide = length > 2 * FLICKER_BAND
    start, end = (start + FLICKER_BAND)[wide], (start + length - FLICKER_BAND)[wide]
    kept = start, end
    zero = np.zeros(len(start), np.int32)
    for step in (*range(-FLICKER_BAND, 0), *range(1, FLICKER_BAND + 1)):
        by = step * (line.height[line.frame_of(start)] + 1)
        none = np.zeros(len(kept[0]), np.int32)
        _, _, first, length = kernels.strips(*kept, none, start + by, end + by, zero)
        kept = first, first + length
    return kept


def repeated_masks(window: FrameWindow) -> ColumnArrays:
    """Columns annotation and of (rows): annotations, not empty, that are equal to the one on the frame before."""
    batch, runs = window.batch, window.batch.runs
    category, frames = batch.segment_category, window.own & window.follows
    offset, repeats = runs.offsets(batch.n_segments), []
    segments = [np.flatnonzero(window.place == place) for place in range(len(frames))]
    for place in np.flatnonzero(frames).tolist():
        a, b = segments[place - 1], segments[place]
        if len(a) != len(b) or len(a) == 0 or not np.array_equal(category[a], category[b]):
            continue
        mine, others = (slice(offset[side[0]], offset[side[-1] + 1]) for side in (a, b))
        same = np.array_equal(runs.owner[mine] - a[0], runs.owner[others] - b[0])
        same = same and np.array_equal(runs.start[mine], runs.start[others])
        if same and np.array_equal(runs.length[mine], runs.length[others]) and mine.stop > mine.start:
            repeats.append(place)
    rows = np.array(repeats, np.int64)
    return {"annotation": window.annotation[rows], "of": window.annotation[rows - 1]}


def repeated_images(profile: Profile, images: Table) -> ColumnArrays:
    """Columns image and of (rows): frames whose file equals that of the frame before, by hash or byte by byte."""
    uris, hashes = images["uri"], images["sha256"]
    repeats: list[tuple[int, int]] = []
    for rows in image_successions(profile, images, "video"):
        for before, here in zip(rows.tolist(), rows[1:].tolist(), strict=False):
            if hashes[before] is not None and hashes[here] is not None:
                same = hashes[before] == hashes[here]
            else:
                same = _same_bytes(uris[before], uris[here])
            if same:
                repeats.append((here, before))
    pairs: Ints = np.array(repeats, np.int64).reshape(-1, 2)
    return {"image": pairs[:, 0], "of": pairs[:, 1]}


def _same_bytes(one: str | None, other: str | None) -> bool:
    """Whether two files on this machine have the same bytes; False if either cannot be read."""
    if one is None or other is None or one == other or "://" in one or "://" in other:
        return False
    import filecmp  # seldom needed

    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


@measure_dataset("succession", tables={"succession": ("annotation", "lag", "shared", "either")}, reloads=True)
def measure_succession(view: DatasetView) -> dict[str, list[ColumnArrays]]:
    """The table `succession`, of videos and volumes.

    One row for two annotations of a sequence whose images have one size. lag 1: annotation (row) is the later of two
    neighbours; lag 2: that between them. shared: pixels that one category and track has in both; either: that it has in
    one or both. Void and crowds do not count, and pixels of several tracks or categories count once for each.
    """
    segments, taxonomy = view.tables["segments"], view.profile.taxonomy
    left_out = segments["iscrowd"] | np.isin(segments["category_id"], taxonomy.void_ids)
    things = np.stack([segments["category_id"], track_ids(segments)])
    layer = np.unique(things, axis=1, return_inverse=True)[1].astype(np.int64)
    layer[left_out] = -1

    def measure_window(window: FrameWindow) -> list[ColumnArrays]:
        own = layer[window.row]
        tracks = np.unique(own[own >= 0])
        own = np.where(own >= 0, np.searchsorted(tracks, own), -1)
        return [
            _compare(window, own, len(tracks), 1, (1, 0), window.own & window.follows),
            _compare(window, own, len(tracks), 2, (1, -1), window.is_between),
        ]

    sequences: list[FrameSequence] = [*view.sequences("video"), *view.sequences("volume")]
    return {"succession": list(chain.from_iterable(view.map_windows(sequences, measure_window)))}


def _compare(
    window: FrameWindow, layer: np.ndarray, n_known: int, lag: int, shifts: tuple[int, int], frames: np.ndarray
) -> ColumnArrays:
    """The rows of `succession` that compare two annotations, shifted onto each other, at some frames (m,)."""
    n_layers = max(n_known, 1)
    line = window.line(n_layers)
    laid = partial(window.side, line, frames=frames, layer=layer, n_layers=n_layers)
    first, second = (laid(shift) for shift in shifts)
    start, end = claimed_by_both(first, second)
    both = np.bincount(line.frame_of(start), weights=end - start, minlength=len(line.base)).astype(np.int64)
    either = claimed_pixels(first, line) + claimed_pixels(second, line) - both
    place = np.flatnonzero(frames)
    return {
        "annotation": window.annotation[place],
        "lag": np.full(len(place), lag, np.int64),
        "shared": both.reshape(-1, n_layers).sum(axis=1)[place],
        "either": either.reshape(-1, n_layers).sum(axis=1)[place],
    }
