"""Bitmaps to runs, and runs back to the bitmaps of single segments."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from segdata.core import kernels
from segdata.core.runs import Ints, Runs, bounding_boxes, run_columns
from segdata.formats.shapes.flat import sums
from segdata.formats.shapes.shape import Bitmap

_PIXELS = 1 << 23  # of the boxes that are cropped at once, unless a single one has more


def fill_bitmaps(bitmaps: Sequence[Bitmap], height: Ints, width: Ints) -> Runs:
    """The pixels of n bitmaps as far as they lie in their images, whose sizes (n,) are in pixels; owners are they."""
    places = np.array([(bitmap.x, bitmap.y, bitmap.mask.shape[1]) for bitmap in bitmaps], np.int64)
    left, top, wide = places.reshape(-1, 3).T.copy()
    masks = [bitmap.mask.ravel() for bitmap in bitmaps]
    pixels = np.concatenate([np.empty(0, bool), *masks]).view(np.uint8)
    cut = sums(np.fromiter(map(len, masks), np.int64, len(masks)))
    return Runs(*kernels.draw_bitmaps(pixels, cut, left, top, wide, height, width))


def crop_bitmaps(runs: Runs, height: Ints, n_owners: int) -> Iterator[Bitmap]:
    """The bitmap of each owner, cropped to its pixels; one of 0 x 0 for an owner without any.

    `height` (n_owners,) is that of the owner's image, in pixels. Memory is bounded by a few megabytes of boxes, or
    the largest one.
    """
    x, y, wide, high = bounding_boxes(runs, height, n_owners)
    column, row = run_columns(runs, height)
    column, row = column - x[runs.owner], row - y[runs.owner]
    offset = runs.offsets(n_owners)
    portion = (np.cumsum(wide * high) - 1) // _PIXELS
    cuts = [0, *(np.flatnonzero(np.diff(portion)) + 1).tolist(), n_owners]
    for first, last in pairwise(cuts):
        these, some = slice(offset[first], offset[last]), slice(first, last)
        owner = (runs.owner[these] - first).astype(np.int32)
        pixels = kernels.crop_runs(column[these], row[these], runs.length[these], owner, wide[some], high[some])
        area = sums(wide[some] * high[some]).tolist()
        for i in range(first, last):
            mask = pixels[area[i - first] : area[i - first + 1]].reshape(int(high[i]), int(wide[i]))
            yield Bitmap(int(x[i]), int(y[i]), mask.view(bool))
