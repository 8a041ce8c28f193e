"""Lobes: segments that come apart at a neck, and segments in two large parts."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.runs import Floats, Ints, Runs, bounding_boxes, unique_inverse
from segdata.core.statistics import group_median
from segdata.measure.registry import BatchView, measure

Mask = NDArray[np.uint8]
LEAST_PEERS = 7  # segments that a group needs so that one can be an outlier
_LARGER = 1.25  # times the typical area, or
_BEYOND = 0.8  # standard deviations above it, from which a segment is looked at
_CONVEX = 0.96  # the solidity from which a segment has no neck worth the name
_ALIKE = 0.7  # the spread of log area up to which a group has a typical size
_COMPARED = 40  # peers whose solidity is measured
_MAD_TO_SD = 1.4826  # times the median absolute deviation it is the standard deviation of a normal distribution
_LOBE_COLUMNS = ("neck", "lobes", "first", "second", "solidity", "lobe_solidity")
_PEER_COLUMNS = ("typical", "spread", "typical_solidity", "solidity_spread")
_LARGE_PART_SHARE = 0.15  # of the largest part, from which the second one is large, too
_SAMPLED_POINTS = 64  # looked at between two parts


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
        """1 where the segment is, within its bounding box: (height, width)."""
        return self.place(segment)[0]

    def place(self, segment: int) -> tuple[Mask, int, int]:
        """As `mask`, and x and y of the box's first column and row in the image; 0 of a segment without pixels."""
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

    Peers are the segments of its annotation and category, itself included, without crowds; at least `LEAST_PEERS`, of
    similar areas.

    neck: the width of the narrowest neck, over that of the smaller lobe that it joins, widths being those of inscribed
    circles. lobes: how many. first, second: the areas of the two largest, in pixels. solidity: the segment's share of
    its convex hull; lobe_solidity: the smaller one of the two largest lobes. typical, spread: median of the peers'
    areas in pixels, and standard deviation of their logarithms; typical_solidity, solidity_spread: median and standard
    deviation of the peers' solidities; standard deviations by the median absolute deviation.
    """
    batch = view.batch
    group, area, typical, spread = _peer_areas(batch, view.walk.area)
    least = typical * np.maximum(_LARGER, np.exp(_BEYOND * spread))
    larger = np.flatnonzero((spread <= _ALIKE) & (area >= least))
    lobe_rows = list(_lobe_rows(batch, larger, group, area)) if len(larger) else []
    segment = np.array([row[0] for row in lobe_rows], np.int64)
    values = np.array([row[1:] for row in lobe_rows], float).reshape(-1, len(_LOBE_COLUMNS) + 2)
    columns = dict(zip((*_LOBE_COLUMNS, *_PEER_COLUMNS[2:]), values.T, strict=True))
    columns |= {"typical": typical[segment], "spread": spread[segment]}
    for name in ("lobes", "first", "second"):
        columns[name] = np.rint(columns[name]).astype(np.int64)
    return pa.table({"segment": segment, **{name: columns[name] for name in (*_LOBE_COLUMNS, *_PEER_COLUMNS)}})


def _peer_areas(batch: Batch, area: Ints) -> tuple[Ints, Ints, Floats, Floats]:
    """Each segment's group, area, and its peers' typical area and spread; NaN if they are too few."""
    counts = (area > 0) & ~batch.segments["iscrowd"].fill_null(False).to_numpy()
    _, category = unique_inverse(batch.segments["category_id"].to_numpy())
    group = batch.segment_annotation.astype(np.int64) * (int(category.max(initial=0)) + 1) + category
    group[~counts] = -1
    _, inverse, size = np.unique(group, return_inverse=True, return_counts=True)
    some = np.flatnonzero(counts & (size[inverse] >= LEAST_PEERS))
    typical, spread = np.full(len(area), np.nan), np.full(len(area), np.nan)
    log = np.log(area[some])
    middle = group_median(log, group[some])
    typical[some] = np.exp(middle)
    spread[some] = _MAD_TO_SD * group_median(np.abs(log - middle), group[some])
    return group, area, typical, spread


def _lobe_rows(batch: Batch, larger: Ints, group: Ints, area: Ints) -> Iterator[tuple[float, ...]]:
    """Row, `_LOBE_COLUMNS` and the two solidities of the peers, for the segments that have several lobes."""
    from segdata.measure import necks  # two modules, and most runs have nothing to look at

    windows = SegmentCrops(batch.runs, batch.segment_size[0])

    def solidities(members: Ints) -> tuple[float, float]:
        """Median and standard deviation of the solidities of a group, of its most typical members if many."""
        log = np.log(area[members])
        compared = members[np.argsort(np.abs(log - np.median(log)), kind="stable")[:_COMPARED]]
        values = np.array([necks.solidity(necks.shrink_mask(windows.mask(int(segment)))[0]) for segment in compared])
        middle = float(np.median(values))
        return middle, _MAD_TO_SD * float(np.median(np.abs(values - middle)))

    of_group: dict[int, tuple[float, float]] = {}
    for segment in larger.tolist():
        mask, scale = necks.shrink_mask(windows.mask(segment))
        solidity = necks.solidity(mask)
        cut = necks.cut_at_necks(mask) if solidity < _CONVEX else None
        if cut is None:
            continue
        largest = sorted(cut.pieces, key=lambda piece: -int(piece.sum()))[:2]
        first, second = (float(piece.sum()) / scale**2 for piece in largest)
        key = int(group[segment])
        if key not in of_group:
            of_group[key] = solidities(np.flatnonzero(group == key))
        lobe = min(necks.solidity(piece) for piece in largest)
        yield segment, cut.neck, len(cut.pieces), first, second, solidity, lobe, *of_group[key]


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
    """(n,) the share of the points between two parts, outside the segment, that things cover; 0 where no point is."""
    batch, line, sweep = view.batch, view.line, view.sweep
    way = (np.arange(_SAMPLED_POINTS) + 0.5) / _SAMPLED_POINTS
    x, y = (
        np.floor(np.outer(centre[ends[0]], 1 - way) + np.outer(centre[ends[1]], way)).astype(np.int64)
        for centre in middle
    )
    frame = batch.segment_annotation[segment][:, None]
    place = (line.base[frame] + x * (line.height[frame] + 1) + y).ravel()
    order = np.argsort(place, kind="stable")
    point, covering, _, _ = kernels.strips(
        place[order], place[order] + 1, order.astype(np.int32), sweep.start, sweep.end, sweep.owner
    )
    own = covering == segment[point // _SAMPLED_POINTS]
    no_things = [category.id for category in view.taxonomy.categories if category.kind != "thing"]
    thing = ~np.isin(batch.segments["category_id"].to_numpy(), no_things)[covering]
    outside, covered = np.ones(len(place), bool), np.zeros(len(place), bool)
    outside[point[own]] = False
    covered[point[thing & ~own]] = True
    n_outside, n_covered = (flags.reshape(-1, _SAMPLED_POINTS).sum(axis=1) for flags in (outside, outside & covered))
    hidden: np.ndarray = n_covered / np.maximum(n_outside, 1)
    return hidden
