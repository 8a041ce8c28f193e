"""Necks: cut a mask where it is narrow, and measure its solidity."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Ints
from segdata.measure.region_properties import lower_hull

_SIDE = 160  # pixels; larger pictures are made smaller
_LEVELS = np.arange(2, 20) / 20  # of the largest inscribed circle's radius
_HALF = 8  # the level of one half
_SPLIT = 0.55  # the radius of a lobe, of that of the largest one
_WIDEST = 0.9  # the widest neck, of the width of the smaller lobe

Mask = NDArray[np.uint8]


class NeckCut(NamedTuple):
    """A segment cut at its necks: the narrowest neck over its smaller lobe's width, and the pieces."""

    neck: float
    pieces: list[Mask]


def shrink_mask(mask: Mask) -> tuple[Mask, float]:
    """The mask, made smaller where it is larger than need be, and by how much."""
    scale = min(1.0, _SIDE / max(mask.shape))
    if scale == 1:
        return mask, 1.0
    shares = mask.astype(np.float64)
    for axis, size in enumerate(mask.shape):
        shares = _mean_along(shares, axis, max(round(size * scale), 1), 1 / scale)
    return (shares > 0.5 - 1e-9).astype(np.uint8), scale  # of half a pixel rounding must not decide


def _mean_along(values: NDArray[np.float64], axis: int, n: int, step: float) -> NDArray[np.float64]:
    """The means of n stretches of an axis, each `step` values long, as far as there are values."""
    total = np.insert(np.cumsum(values, axis=axis), 0, 0, axis=axis)
    last = values.shape[axis]
    place = np.minimum(np.arange(n + 1) * step, last)
    low = np.minimum(place.astype(np.int64), last - 1)
    part = np.expand_dims(place - low, 1 - axis)
    upto = np.take(total, low, axis) * (1 - part) + np.take(total, low + 1, axis) * part
    means: NDArray[np.float64] = np.diff(upto, axis=axis) / np.expand_dims(np.diff(place), 1 - axis)
    return means


def cut_at_necks(mask: Mask) -> NeckCut | None:
    """A segment cut where what is left of it after erosion falls into lobes of similar width; None where it does not.

    The radius of erosion grows from 0.1 to 0.95 of that of the largest inscribed circle, and the first to part lobes
    is taken; a lobe is at least 0.55 as wide as the widest one. Pixels belong to the lobe that is nearest. `mask` is
    (height, width) of 0 and 1.
    """
    room = np.pad(mask, 1)
    depth = inner_distances(room)
    radius = float(depth.max())
    least = max(_SPLIT * radius, 1.5)
    levels = _LEVELS * radius
    if _deep_regions(depth, levels[_HALF], least) is None:  # then none smaller parts them: lobes reach deeper than that
        levels = levels[_HALF + 1 :]
    for level in levels:
        parted = _deep_regions(depth, level, least)
        if parted is not None:
            seeds, second = parted
            neck = float(level) / second
            return NeckCut(neck, _nearest_seed_masks(seeds, room)) if neck <= _WIDEST else None
    return None


def solidity(mask: Mask) -> float:
    """The share of its convex hull, of pixels as squares, that a mask covers; `mask` is (height, width) of 0 and 1."""
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


def _deep_regions(depth: NDArray[np.float64], level: float, least: float) -> tuple[NDArray[np.bool_], float] | None:
    """Where the regions deeper than a level are that reach down to `least`, and the second's depth; None: only one."""
    label, number = label_regions(depth > level)
    if number < 2:
        return None
    deepest = np.zeros(number + 1)
    inside = label > 0
    np.maximum.at(deepest, label[inside], depth[inside])
    lobes = deepest >= least
    return (lobes[label], float(np.sort(deepest)[-2])) if lobes.sum() > 1 else None


def inner_distances(room: Mask) -> NDArray[np.float64]:
    """(height, width) the distance of each pixel of a mask to the nearest that is none, in pixels; 0 outside."""
    (x, top, bottom), other = _row_strips(room > 0), _row_strips(room == 0)
    group, other_group = (np.zeros(len(strips[0]), np.int32) for strips in ((x, top), other))
    depth = np.zeros(room.shape)
    depth[room > 0] = kernels.nearest(x, top, bottom, group, *other, other_group, np.ones(1), np.ones(1))
    return depth


def label_regions(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """The region (height, width) of each pixel of a mask, from 1 row by row, 0 outside; and how many there are.

    Pixels have eight neighbours.
    """
    y, left, right = _row_strips(mask)
    part = kernels.parts(y, left, right, np.zeros(len(y), np.int32), True)[0]
    label = np.zeros(mask.shape, np.int32)
    label[mask] = np.repeat(part + 1, right - left)
    return label, int(part.max(initial=-1)) + 1


def _row_strips(mask: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Y, the first column and that after the last (n,) of the horizontal strips of a mask, row by row."""
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


def _nearest_seed_masks(seeds: NDArray[np.bool_], mask: Mask) -> list[Mask]:
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
    """Pass on distances and labels, in place, from each row to those below, and to the right; the frame is 2 wide."""
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
