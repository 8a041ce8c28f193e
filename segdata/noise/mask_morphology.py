"""Strokes: segments drawn larger, smaller, elsewhere or with a shaky hand, from runs to runs."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.overlay import complement
from segdata.core.runs import Ints, NumberLine, Runs, expand_ranges, run_columns

Floats = NDArray[np.float64]


def grow(runs: Runs, height: Ints, width: Ints, by: Ints) -> Runs:
    """Segments with all pixels near them, so that outlines are about `by` (n,) pixels further out; below 0: further in.

    A pixel is near at a distance, from centre to centre, of at most the square root of by^2 + by / 2: `by` itself would
    move outlines by less where they are oblique. `height`, `width` (n,) are those of each segment's image, beyond which
    there is nothing: a segment that ends with the image is not made smaller there.
    """
    larger = _dilate(runs, height, width, np.maximum(by, 0))
    shrunken = np.flatnonzero(by < 0)
    if not len(shrunken):
        return larger
    n = len(height)
    high, wide = height[shrunken], width[shrunken]
    background = complement(runs.take(shrunken, n), high, wide)
    smaller = complement(_dilate(background, high, wide, -by[shrunken]), high, wide)
    is_grown = by[larger.owner] >= 0
    start = np.append(larger.start[is_grown], smaller.start)
    length = np.append(larger.length[is_grown], smaller.length)
    owner = np.append(larger.owner[is_grown], shrunken[smaller.owner].astype(np.int32))
    return Runs(start, length, owner).sorted_by_owner(n)


def _dilate(runs: Runs, height: Ints, width: Ints, radius: Ints) -> Runs:
    x, top = run_columns(runs, height)
    owner, bottom = runs.owner.astype(np.int64), top + runs.length
    pieces = []
    for right in range(-int(radius.max(initial=0)), int(radius.max(initial=0)) + 1):
        row = np.flatnonzero(radius[owner] >= abs(right))
        row_radius = radius[owner[row]]
        reach = np.floor(np.sqrt(row_radius**2 + row_radius / 2 - right**2) + 1e-9).astype(np.int64)
        pieces.append((owner[row], x[row] + right, top[row] - reach, bottom[row] + reach))
    owner, x, top, bottom = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return union_strips(owner, x, top, bottom, height, width)


def translate(runs: Runs, height: Ints, width: Ints, right: Ints, down: Ints) -> Runs:
    """Segments moved by `right` and `down` (n,) pixels; what leaves the image is lost."""
    x, top = run_columns(runs, height)
    owner = runs.owner.astype(np.int64)
    top = top + down[owner]
    return union_strips(owner, x + right[owner], top, top + runs.length, height, width)


def perturb_outlines(runs: Runs, height: Ints, width: Ints, size: Floats, rng: np.random.Generator) -> Runs:
    """Segments whose runs begin and end some pixels earlier or later, by two waves along the columns.

    `size` (n,) is the standard deviation in pixels; waves of six to sixty columns, so that neighbours go together.
    """
    n, waves = len(height), 3
    x, top = run_columns(runs, height)
    owner = runs.owner.astype(np.int64)
    length, phase = rng.uniform(6, 60, (n, 2, waves)), rng.uniform(0, 2 * np.pi, (n, 2, waves))
    wave = np.sin(2 * np.pi * x[:, None, None] / length[owner] + phase[owner]).sum(axis=2) * np.sqrt(2 / waves)
    by = np.round(wave * size[owner][:, None]).astype(np.int64)
    return union_strips(owner, x, top + by[:, 0], top + runs.length + by[:, 1], height, width)


def union_strips(owner: Ints, x: Ints, top: Ints, bottom: Ints, height: Ints, width: Ints) -> Runs:
    """Strips of segments, in any order and overlapping, as runs; what lies beyond the images is left out."""
    top, bottom = np.maximum(top, 0), np.minimum(bottom, height[owner])
    inside = np.flatnonzero((bottom > top) & (x >= 0) & (x < width[owner]))
    owner, x, top, bottom = owner[inside], x[inside], top[inside], bottom[inside]
    line = NumberLine.of(height, width)
    begin = line.base[owner] + x * (height[owner] + 1) + top
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], (begin + bottom - top)[order]
    start, length = _union(begin, end)
    frame, column, row = line.lower(start)
    return Runs(column * height[frame] + row, length, frame.astype(np.int32))


def _union(start: Ints, end: Ints) -> tuple[Ints, Ints]:
    if not len(start):
        return start, end
    furthest = np.maximum.accumulate(end)
    first = np.flatnonzero(np.append(True, start[1:] > furthest[:-1]))
    last = np.append(first[1:], len(start)) - 1
    return start[first], furthest[last] - start[first]


def keep_topmost(runs: Runs, frame: Ints, height: Ints, width: Ints, rank: Ints) -> Runs:
    """Segments without the pixels that one of greater `rank` (n,) of the same frame claims too.

    `frame` (n,) counts from 0; `height`, `width` (n,) are those of its frame.
    """
    n = len(frame)
    first = np.unique(frame, return_index=True)[1]
    line = NumberLine.of(height[first], width[first])
    start = line.lift(runs, frame)
    end = start + runs.length
    cut = np.unique(np.append(start, end))
    begin = np.searchsorted(cut, start)
    count = np.searchsorted(cut, end) - begin
    order = np.argsort(rank, kind="stable")
    height_of = np.empty(n, np.int64)
    height_of[order] = np.arange(n)
    top = np.full(len(cut), -1, np.int64)
    np.maximum.at(top, expand_ranges(begin, count), np.repeat(height_of[runs.owner], count))
    claimed = np.flatnonzero(top >= 0)
    owner = order[top[claimed]]
    _, x, y = line.lower(cut[claimed])
    return union_strips(owner, x, y, y + cut[claimed + 1] - cut[claimed], height, width)
