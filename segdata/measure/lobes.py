"""Lobes: segments larger than their companions that come apart at a neck, as two objects under one label do."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.runs import Ints
from segdata.core.statistics.robust import group_median
from segdata.measure.window import Windows

Floats = NDArray[np.float64]

COMPANIONS = 7  # segments that a group needs so that one can stand out
_LARGER = 1.25  # times the typical area, or
_BEYOND = 0.8  # standard deviations above it, from which a segment is looked at
_CONVEX = 0.96  # the solidity from which a segment has no neck worth the name
_ALIKE = 0.7  # the spread of log area up to which a group has a typical size
_COMPARED = 40  # companions whose solidity is measured
_MAD = 1.4826  # times the median absolute deviation it is the standard deviation of a normal distribution
_OWN = ("neck", "lobes", "first", "second", "solidity", "lobe_solidity")
_OF_GROUP = ("typical", "spread", "typical_solidity", "solidity_spread")


def lobes(batch: Batch) -> pa.Table:
    """One row per segment that is larger than its companions and has a neck between two lobes or more.

    Companions are the segments of its annotation and category, itself included, crowds left out; at least
    `COMPANIONS`, of similar areas.

    neck: the width of the narrowest neck, over that of the smaller lobe that it joins, widths being those of inscribed
    circles. lobes: how many. first, second: the areas of the two largest, in pixels. solidity: the segment's share of
    its convex hull; lobe_solidity: the smaller one of the two largest lobes. typical, spread: median of the companions'
    areas in pixels, and standard deviation of their logarithms; typical_solidity, solidity_spread: median and standard
    deviation of the companions' solidities; standard deviations by the median absolute deviation.
    """
    group, area, typical, spread = _companions(batch)
    least = typical * np.maximum(_LARGER, np.exp(_BEYOND * spread))
    larger = np.flatnonzero((spread <= _ALIKE) & (area >= least))
    found = list(_rows(batch, larger, group, area)) if len(larger) else []
    segment = np.array([row[0] for row in found], np.int64)
    values = np.array([row[1:] for row in found], float).reshape(-1, len(_OWN) + 2)
    columns = dict(zip((*_OWN, *_OF_GROUP[2:]), values.T, strict=True))
    columns |= {"typical": typical[segment], "spread": spread[segment]}
    for name in ("lobes", "first", "second"):
        columns[name] = np.rint(columns[name]).astype(np.int64)
    return pa.table({"segment": segment, **{name: columns[name] for name in (*_OWN, *_OF_GROUP)}})


def _companions(batch: Batch) -> tuple[Ints, Ints, Floats, Floats]:
    """Each segment's group, area, and its companions' typical area and spread; NaN where they are too few."""
    area = batch.runs.areas(batch.n_segments)
    counts = (area > 0) & ~batch.segments["iscrowd"].fill_null(False).to_numpy()
    _, category = np.unique(batch.segments["category_id"].to_numpy(), return_inverse=True)
    group = batch.segment_annotation.astype(np.int64) * (int(category.max(initial=0)) + 1) + category
    group[~counts] = -1
    _, which, size = np.unique(group, return_inverse=True, return_counts=True)
    some = np.flatnonzero(counts & (size[which] >= COMPANIONS))
    typical, spread = np.full(len(area), np.nan), np.full(len(area), np.nan)
    log = np.log(area[some])
    middle = group_median(log, group[some])
    typical[some] = np.exp(middle)
    spread[some] = _MAD * group_median(np.abs(log - middle), group[some])
    return group, area, typical, spread


def _rows(batch: Batch, larger: Ints, group: Ints, area: Ints) -> Iterator[tuple[float, ...]]:
    """Row, `_OWN` and the two solidities of the companions, of those segments that have several lobes."""
    from segdata.measure import necks  # OpenCV: slow to import, and most runs have nothing to look at

    windows = Windows(batch.runs, batch.segment_size[0])

    def solidities(members: Ints) -> tuple[float, float]:
        """Median and standard deviation of the solidities of a group, of its most typical members if many."""
        log = np.log(area[members])
        compared = members[np.argsort(np.abs(log - np.median(log)), kind="stable")[:_COMPARED]]
        values = np.array([necks.solidity(necks.smaller(windows.mask(int(each)))[0]) for each in compared])
        middle = float(np.median(values))
        return middle, _MAD * float(np.median(np.abs(values - middle)))

    of_group: dict[int, tuple[float, float]] = {}
    for segment in larger.tolist():
        mask, scale = necks.smaller(windows.mask(segment))
        whole = necks.solidity(mask)
        cut = necks.cut_at_necks(mask) if whole < _CONVEX else None
        if cut is None:
            continue
        largest = sorted(cut.pieces, key=lambda piece: -int(piece.sum()))[:2]
        first, second = (float(piece.sum()) / scale**2 for piece in largest)
        key = int(group[segment])
        if key not in of_group:
            of_group[key] = solidities(np.flatnonzero(group == key))
        lobe = min(necks.solidity(piece) for piece in largest)
        yield segment, cut.neck, len(cut.pieces), first, second, whole, lobe, *of_group[key]
