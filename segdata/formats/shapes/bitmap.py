"""Bitmaps to runs, and runs back to the bitmaps of single segments."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from segdata.core.runs import Ints, Runs, boxes, columns, spread
from segdata.formats.shapes.atlas import Atlas, Boxes
from segdata.formats.shapes.flat import sums
from segdata.formats.shapes.shape import Bitmap

_PIXELS = 1 << 23  # of the boxes that are cropped at once, unless a single one has more


def fill_bitmaps(bitmaps: Sequence[Bitmap], height: Ints, width: Ints) -> Runs:
    """The pixels of n bitmaps as far as they lie in their images, whose sizes (n,) are in pixels; owners are they."""
    left, top, wide, high = (
        np.array([(bitmap.x, bitmap.y, *bitmap.mask.shape[::-1]) for bitmap in bitmaps], np.int64).reshape(-1, 4).T
    )
    places = Boxes(left, top, left + wide, top + high).within(height, width)
    found = []
    for rows in places.portions():
        some = places.take(rows)
        atlas = Atlas(some)
        first_x, first_y = (some.left - left[rows]).tolist(), (some.top - top[rows]).tolist()
        for cell, row, x, y in zip(atlas.cells, rows.tolist(), first_x, first_y, strict=True):
            cell[:] = bitmaps[row].mask[y : y + cell.shape[0], x : x + cell.shape[1]]
        runs = atlas.runs(height[rows])
        found.append(Runs(runs.start, runs.length, rows[runs.owner].astype(np.int32)))
    return Runs.concatenate(found, [0] * len(found))


def crop_bitmaps(runs: Runs, height: Ints, n_owners: int) -> Iterator[Bitmap]:
    """The bitmap of each owner, cropped to its pixels; one of 0 x 0 for an owner without any.

    `height` (n_owners,) is that of the owner's image, in pixels. Memory is bounded by a few megabytes of boxes, or
    the largest one.
    """
    x, y, wide, high = boxes(runs, height, n_owners)
    offset = runs.offsets(n_owners)
    portion = (np.cumsum(wide * high) - 1) // _PIXELS
    cuts = [0, *(np.flatnonzero(np.diff(portion)) + 1).tolist(), n_owners]
    for first, last in pairwise(cuts):
        these = slice(offset[first], offset[last])
        some = Runs(runs.start[these], runs.length[these], (runs.owner[these] - first).astype(np.int32))
        column, row = columns(some, height[first:last])
        area = sums((wide * high)[first:last])
        owner = some.owner + first
        begin = area[some.owner] + (column - x[owner]) * high[owner] + row - y[owner]
        pixels = np.zeros(area[-1], bool)
        pixels[spread(begin, some.length)] = True
        for i in range(first, last):
            mask = pixels[area[i - first] : area[i - first + 1]].reshape(int(wide[i]), int(high[i])).T
            yield Bitmap(int(x[i]), int(y[i]), mask)
