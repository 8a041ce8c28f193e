"""Lobes: segments that fall apart when they are cut at a neck, and segments in two large parts."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.runs import Flags, Floats, Ints, Runs, bounding_boxes, unique_inverse
from segdata.core.statistics import MAD_TO_SD, group_median
from segdata.measure.region_properties import lower_hull
from segdata.measure.registry import BatchView, measure

_MAX_SIDE = 160  # pixels; larger masks are reduced
_LEVELS = np.arange(2, 20) / 20  # of erosion, as shares of the largest inscribed circle's radius
_HALF_LEVEL = 8  # the row of the level of one half
_MIN_LOBE_RADIUS = 0.55  # as a share of that of the widest lobe
_MAX_NECK = 0.9  # width as a share of the smaller lobe's

Mask = NDArray[np.uint8]
MIN_GROUP_SEGMENTS = 7  # segments that a group needs so that one can be an outlier
_MIN_AREA_RATIO = 1.25  # to the typical area, or
_MIN_AREA_Z = 0.8  # standard deviations above it, from which a segment is examined
_MAX_SOLIDITY = 0.96  # a more convex segment has no relevant neck
_MAX_SPREAD = 0.7  # of the logarithm of area, up to which a group has a typical size
_MAX_PEERS_MEASURED = 40  # for their solidity
_LOBE_COLUMNS = ("neck", "lobes", "first", "second", "solidity", "lobe_solidity")
_PEER_COLUMNS = ("typical", "spread", "typical_solidity", "solidity_spread")
_LARGE_PART_SHARE = 0.15  # of the largest part, from which the second one is large too
_SAMPLED_POINTS = 64  # between two parts


class NeckCut(NamedTuple):
    """A segment cut at its necks: the ratio of the narrowest neck to its smaller lobe's width, and the lobes."""

    neck: float
    pieces: list[Mask]


def shrink_mask(mask: Mask) -> tuple[Mask, float]:
    """Reduce a mask (height, width) that is larger than needed; returns the mask and the factor."""
    scale = min(1.0, _MAX_SIDE / max(mask.shape))
    if scale == 1:
        return mask, 1.0
    shares = mask.astype(np.float64)
    for axis, size in enumerate(mask.shape):
        shares = _mean_along(shares, axis, max(round(size * scale), 1), 1 / scale)
    return (shares > 0.5 - 1e-9).astype(np.uint8), scale  # of half a pixel rounding must not decide


def _mean_along(values: Floats, axis: int, n: int, step: float) -> Floats:
    """The means of n intervals of an axis, each `step` values long, of the values that exist."""
    total = np.insert(np.cumsum(values, axis=axis), 0, 0, axis=axis)
    last = values.shape[axis]
    place = np.minimum(np.arange(n + 1) * step, last)
    low = np.minimum(place.astype(np.int64), last - 1)
    part = np.expand_dims(place - low, 1 - axis)
    upto = np.take(total, low, axis) * (1 - part) + np.take(total, low + 1, axis) * part
    means: Floats = np.diff(upto, axis=axis) / np.expand_dims(np.diff(place), 1 - axis)
    return means


def cut_at_necks(mask: Mask) -> NeckCut | None:
    """Cut a segment that erosion splits into lobes of similar width; None if it does not.

    The radius of erosion grows from 0.1 to 0.95 of that of the largest inscribed circle, until the segment splits into
    lobes; a lobe is at least 0.55 as wide as the widest one. Pixels belong to the nearest lobe. `mask` is
    (height, width) of 0 and 1.
    """
    room = np.pad(mask, 1)
    depth = inner_distances(room)
    radius = float(depth.max())
    least = max(_MIN_LOBE_RADIUS * radius, 1.5)
    levels = _LEVELS * radius
    if (
        _deep_regions(depth, levels[_HALF_LEVEL], least) is None
    ):  # then none smaller parts them: lobes reach deeper than that
        levels = levels[_HALF_LEVEL + 1 :]
    for level in levels:
        parted = _deep_regions(depth, level, least)
        if parted is not None:
            seeds, second = parted
            neck = float(level) / second
            return NeckCut(neck, _nearest_seed_masks(seeds, room)) if neck <= _MAX_NECK else None
    return None


def solidity(mask: Mask) -> float:
    """The area of a mask over that of its convex hull, with pixels as squares; `mask` is (height, width) of 0 and 1."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):  # a thin segment, made smaller
        return 1.0
    left, right = mask[rows].argmax(axis=1), mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    hull = -_integrate_lower_hull(rows, left) - _integrate_lower_hull(rows, -right)
    return float(mask.sum()) / hull


def _integrate_lower_hull(rows: Ints, side: Ints) -> float:
    """The integral over y of the convex hull's left side; `side` (n,) is that of the pixels in each of the rows."""
    y, x = np.concatenate([rows, rows + 1]), np.tile(side, 2)
    order = np.lexsort((x, y))
    _, first = np.unique(y[order], return_index=True)
    _, y, x = lower_hull(np.zeros(len(first), np.int32), y[order][first], x[order][first])
    return float(np.trapezoid(x, y))


def _deep_regions(depth: Floats, level: float, least: float) -> tuple[Flags, float] | None:
    """The regions deeper than `level` whose depth reaches `least`, and the depth of the second; None for one region."""
    label, number = label_regions(depth > level)
    if number < 2:
        return None
    deepest = np.zeros(number + 1)
    inside = label > 0
    np.maximum.at(deepest, label[inside], depth[inside])
    lobes = deepest >= least
    return (lobes[label], float(np.sort(deepest)[-2])) if lobes.sum() > 1 else None


def inner_distances(room: Mask) -> Floats:
    """(height, width) the distance of each pixel of a mask to the nearest pixel outside, in pixels; 0 outside."""
    (x, top, bottom), other = _row_strips(room > 0), _row_strips(room == 0)
    group, other_group = (np.zeros(len(strips[0]), np.int32) for strips in ((x, top), other))
    depth = np.zeros(room.shape)
    depth[room > 0] = kernels.nearest(x, top, bottom, group, *other, other_group, np.ones(1), np.ones(1))
    return depth


def label_regions(mask: Flags) -> tuple[NDArray[np.int32], int]:
    """Label the 8-connected regions of a mask: (height, width) from 1, row by row, 0 outside; and their number."""
    y, left, right = _row_strips(mask)
    part = kernels.parts(y, left, right, np.zeros(len(y), np.int32), True)[0]
    label = np.zeros(mask.shape, np.int32)
    label[mask] = np.repeat(part + 1, right - left)
    return label, int(part.max(initial=-1)) + 1


def _row_strips(mask: Flags) -> tuple[Ints, Ints, Ints]:
    """Y, first column and the column after the last (n,) of the horizontal strips of a mask, row by row."""
    start, length, value = kernels.label_runs(mask.T.view(np.uint8))
    y, left = np.divmod(start[value > 0], mask.shape[1])
    return y, left, left + length[value > 0]


_FAR = 1 << 40
# Rows and columns to neighbours in rows above, and the way there, times 2^16: 1, 1.4 or 2.1969 pixels.
_LONG, _DIAGONAL, _STRAIGHT = 143976, 91750, 65536
_WAYS = (
    (0, 0, 0),
    (2, 1, _LONG),
    (2, -1, _LONG),
    (1, 2, _LONG),
    (1, 1, _DIAGONAL),
    (1, 0, _STRAIGHT),
    (1, -1, _DIAGONAL),
    (1, -2, _LONG),
)


def _nearest_seed_masks(seeds: Flags, mask: Mask) -> list[Mask]:
    """The pixels of a mask that are nearest to each of the seeds, by chamfer distances.

    Source: G. Borgefors (1986), Distance transformations in digital images, Computer Vision, Graphics, and Image
    Processing 34(3), 344-371; the weights are those of OpenCV's `distanceTransformWithLabels`.
    """
    label, number = label_regions(np.pad(seeds, 2))
    away = np.where(label > 0, 0, _FAR)
    _sweep_down(away, label)
    _sweep_down(away[::-1, ::-1], label[::-1, ::-1])
    near = label[2:-2, 2:-2]
    return [((near == seed) & (mask > 0)).astype(np.uint8) for seed in range(1, number + 1)]


def _sweep_down(away: Ints, label: NDArray[np.int32]) -> None:
    """Propagate distances and labels, in place, to the rows below and to the right; the frame is 2 pixels wide."""
    column = np.arange(away.shape[1] - 4)
    for y in range(2, len(away) - 2):
        places = [(y - up, slice(2 - left, 2 - left + len(column))) for up, left, _ in _WAYS]
        ways = np.stack([away[place] + length for place, (_, _, length) in zip(places, _WAYS, strict=True)])
        labels = np.stack([label[place] for place in places])
        best = np.argmin(ways, axis=0)
        level = ways[best, column] - _STRAIGHT * column
        least = np.minimum.accumulate(level)
        source = np.maximum.accumulate(np.where(level == least, column, 0))
        away[y, 2:-2], label[y, 2:-2] = least + _STRAIGHT * column, labels[best, column][source]


class SegmentCrops:
    """Cuts segments out of runs; `height` (n_segments,) is that of the image of each segment, in pixels."""

    def __init__(self, runs: Runs, height: Ints) -> None:
        self._runs, self._height = runs, height
        self._offset = runs.offsets(len(height))

    @cached_property
    def box(self) -> tuple[Ints, Ints, Ints, Ints]:
        """X, y, width and height (n_segments,) of all bounding boxes."""
        return bounding_boxes(self._runs, self._height, len(self._height))

    def mask(self, segment: int) -> Mask:
        """The mask (height, width) of a segment within its bounding box, of 0 and 1."""
        return self.place(segment)[0]

    def place(self, segment: int) -> tuple[Mask, int, int]:
        """The mask of a segment, and x and y of its box in the image; 0 for a segment without pixels."""
        rows = slice(self._offset[segment], self._offset[segment + 1])
        length = self._runs.length[rows]
        if len(length) == 0:
            return np.zeros((0, 0), np.uint8), 0, 0
        x, top = np.divmod(self._runs.start[rows], max(self._height[segment], 1))
        left, upper = int(x.min()), int(top.min())
        width, high = int(x.max()) - left + 1, int((top + length).max()) - upper
        start = (x - left) * high + top - upper
        edges = np.zeros(width * high + 1, np.int8)
        np.add.at(edges, start, 1)
        np.subtract.at(edges, start + length, 1)
        return np.cumsum(edges[:-1], dtype=np.int8).astype(np.uint8).reshape(width, high).T, left, upper


@measure("lobes", tables={"lobes": {"segment": "segments"}})
def measure_lobes(view: BatchView) -> pa.Table:
    """The table `lobes`: one row per segment that is larger than its peers and has a neck between two lobes or more.

    Peers are the segments of its annotation and category, itself included, without crowds; at least
    `MIN_GROUP_SEGMENTS`, of similar areas.

    neck: the width of the narrowest neck, over that of the smaller lobe that it joins, widths being those of inscribed
    circles. lobes: how many. first, second: the areas of the two largest, in pixels. solidity: the segment's share of
    its convex hull; lobe_solidity: the smaller one of the two largest lobes. typical, spread: median of the peers'
    areas in pixels, and standard deviation of their logarithms; typical_solidity, solidity_spread: median and standard
    deviation of the peers' solidities; standard deviations by the median absolute deviation.
    """
    batch = view.batch
    group, area, typical, spread = _peer_areas(batch, view.walk.area)
    least = typical * np.maximum(_MIN_AREA_RATIO, np.exp(_MIN_AREA_Z * spread))
    larger = np.flatnonzero((spread <= _MAX_SPREAD) & (area >= least))
    lobe_rows = list(_lobe_rows(batch, larger, group, area)) if len(larger) else []
    segment = np.array([row[0] for row in lobe_rows], np.int64)
    values = np.array([row[1:] for row in lobe_rows], float).reshape(-1, len(_LOBE_COLUMNS) + 2)
    columns = dict(zip((*_LOBE_COLUMNS, *_PEER_COLUMNS[2:]), values.T, strict=True))
    columns |= {"typical": typical[segment], "spread": spread[segment]}
    for name in ("lobes", "first", "second"):
        columns[name] = np.rint(columns[name]).astype(np.int64)
    return pa.table({"segment": segment, **{name: columns[name] for name in (*_LOBE_COLUMNS, *_PEER_COLUMNS)}})


def _peer_areas(batch: Batch, area: Ints) -> tuple[Ints, Ints, Floats, Floats]:
    """The group and area of each segment, and the typical area and spread of its peers; NaN for too few peers."""
    counts = (area > 0) & ~batch.segment_is_crowd
    _, category = unique_inverse(batch.segment_category)
    group = batch.segment_annotation.astype(np.int64) * (int(category.max(initial=0)) + 1) + category
    group[~counts] = -1
    _, inverse, size = np.unique(group, return_inverse=True, return_counts=True)
    some = np.flatnonzero(counts & (size[inverse] >= MIN_GROUP_SEGMENTS))
    typical, spread = np.full(len(area), np.nan), np.full(len(area), np.nan)
    log = np.log(area[some])
    middle = group_median(log, group[some])
    typical[some] = np.exp(middle)
    spread[some] = MAD_TO_SD * group_median(np.abs(log - middle), group[some])
    return group, area, typical, spread


def _lobe_rows(batch: Batch, larger: Ints, group: Ints, area: Ints) -> Iterator[tuple[float, ...]]:
    """Yield row, `_LOBE_COLUMNS` and the peers' median solidity and its spread, for segments with several lobes."""
    windows = SegmentCrops(batch.runs, batch.segment_size[0])

    def solidities(members: Ints) -> tuple[float, float]:
        """Median and standard deviation of the solidities of a group, or of its most typical members if many."""
        log = np.log(area[members])
        compared = members[np.argsort(np.abs(log - np.median(log)), kind="stable")[:_MAX_PEERS_MEASURED]]
        values = np.array([solidity(shrink_mask(windows.mask(int(segment)))[0]) for segment in compared])
        middle = float(np.median(values))
        return middle, MAD_TO_SD * float(np.median(np.abs(values - middle)))

    of_group: dict[int, tuple[float, float]] = {}
    for segment in larger.tolist():
        mask, scale = shrink_mask(windows.mask(segment))
        own = solidity(mask)
        cut = cut_at_necks(mask) if own < _MAX_SOLIDITY else None
        if cut is None:
            continue
        largest = sorted(cut.pieces, key=lambda piece: -int(piece.sum()))[:2]
        first, second = (float(piece.sum()) / scale**2 for piece in largest)
        key = int(group[segment])
        if key not in of_group:
            of_group[key] = solidities(np.flatnonzero(group == key))
        lobe = min(solidity(piece) for piece in largest)
        yield segment, cut.neck, len(cut.pieces), first, second, own, lobe, *of_group[key]


@measure("apart", tables={"apart": {"segment": "segments"}}, needs=("parts",))
def measure_apart(view: BatchView) -> pa.Table:
    """The table `apart`: one row per segment whose second largest part is not small beside the largest.

    first, second: the areas of the two, in pixels. first_reach, second_reach: the diagonals of their
    boxes, in pixels. hidden: the share of the way from one to the other that leads over things other than the segment:
    what lies in front of it, or between. The way goes straight from middle to middle of the boxes.
    """
    parts = view.tables["parts"]
    segment, area = parts["segment"].to_numpy(), parts["area"].to_numpy()
    order = np.lexsort((-area, segment))
    first = order[np.searchsorted(segment[order], np.unique(segment))]
    second = order[np.searchsorted(segment[order], np.unique(segment)) + 1]
    large = area[second] >= _LARGE_PART_SHARE * area[first]
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
            "hidden": _hidden_share(view, segment[first], (x + width / 2, y + height / 2), (first, second)),
        }
    )


def _hidden_share(
    view: BatchView, segment: Ints, middle: tuple[np.ndarray, np.ndarray], ends: tuple[Ints, Ints]
) -> np.ndarray:
    """(n,) the share of points between two parts, outside the segment, that things cover; 0 without points."""
    batch, line, sweep = view.batch, view.line, view.sweep
    way = (np.arange(_SAMPLED_POINTS) + 0.5) / _SAMPLED_POINTS
    x, y = (
        np.floor(np.outer(centre[ends[0]], 1 - way) + np.outer(centre[ends[1]], way)).astype(np.int64)
        for centre in middle
    )
    frame = batch.segment_annotation[segment][:, None]
    place = line.place(frame, x, y).ravel()
    order = np.argsort(place, kind="stable")
    point, covering, _, _ = kernels.strips(
        place[order], place[order] + 1, order.astype(np.int32), sweep.start, sweep.end, sweep.owner
    )
    own = covering == segment[point // _SAMPLED_POINTS]
    no_things = [category.id for category in view.taxonomy.categories if category.kind != "thing"]
    thing = ~np.isin(batch.segment_category, no_things)[covering]
    outside, covered = np.ones(len(place), bool), np.zeros(len(place), bool)
    outside[point[own]] = False
    covered[point[thing & ~own]] = True
    n_outside, n_covered = (flags.reshape(-1, _SAMPLED_POINTS).sum(axis=1) for flags in (outside, outside & covered))
    hidden: np.ndarray = n_covered / np.maximum(n_outside, 1)
    return hidden
