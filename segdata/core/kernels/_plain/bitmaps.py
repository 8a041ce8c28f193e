"""Bitmaps of single segments to runs, and back."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._plain.labels import label_runs
from segdata.core.kernels._plain.ranges import expand
from segdata.core.kernels.offsets import check_offsets

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
Pixels = NDArray[np.uint8]


def draw_bitmaps(
    pixels: Pixels, bitmap: Int64, left: Int64, top: Int64, wide: Int64, height: Int64, width: Int64
) -> tuple[Int64, Int64, Int32]:
    """Runs of n bitmaps, of what is not zero and lies in their images.

    Takes the `pixels` of all bitmaps, row by row: bitmap i is `pixels[bitmap[i]:bitmap[i + 1]]`, `wide[i]` pixels in a
    row, with its upper left pixel at (`left[i]`, `top[i]`) of an image of `height[i]` x `width[i]` pixels. Returns
    `start`, `length` and `owner`, the number of the bitmap, as `rasterise` does.

    >>> one = np.array([1])
    >>> start, length, _ = draw_bitmaps(np.array([1, 0, 1, 1], np.uint8), np.array([0, 4]), one, -one, *[2 * one] * 3)
    >>> start.tolist(), length.tolist()
    ([2], [1])
    """
    n = len(wide)
    check_offsets(bitmap, n, len(pixels))
    if not len(left) == len(top) == len(height) == len(width) == n:
        raise ValueError(f"{n} bitmaps come with columns of other lengths")
    starts, lengths, owners = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    for i in np.flatnonzero(wide > 0).tolist():
        rows = (bitmap[i + 1] - bitmap[i]) // wide[i]
        picture = pixels[bitmap[i] : bitmap[i] + rows * wide[i]].reshape(rows, wide[i])
        # What lies beyond the left and upper border of the image is cut off, then what lies beyond the others.
        inside = picture[max(-top[i], 0) : max(height[i] - top[i], 0), max(-left[i], 0) : max(width[i] - left[i], 0)]
        start, length, value = label_runs((inside > 0).view(np.uint8))
        is_drawn = value > 0
        x, y = np.divmod(start[is_drawn], max(len(inside), 1))
        starts.append((x + max(left[i], 0)) * height[i] + y + max(top[i], 0))
        lengths.append(length[is_drawn])
        owners.append(np.full(len(x), i, np.int32))
    return np.concatenate(starts), np.concatenate(lengths), np.concatenate(owners)


def crop_runs(x: Int64, y: Int64, length: Int64, owner: Int32, wide: Int64, tall: Int64) -> Pixels:
    """Bitmaps of the runs of n owners: their pixels row by row, one after the other, one where a run is and else zero.

    Takes the column and the first row of each run in its owner's bitmap, which is `wide[owner]` x `tall[owner]` pixels.
    The runs of an owner do not overlap.

    >>> two, nobody = np.array([2]), np.zeros(1, np.int32)
    >>> crop_runs(np.array([1]), np.array([0]), two, nobody, two, two).tolist()
    [0, 1, 0, 1]
    """
    n, m = len(x), len(wide)
    if not len(y) == len(length) == len(owner) == n or len(tall) != m:
        raise ValueError(f"{n} runs in {m} bitmaps come with columns of other lengths")
    bitmap = np.concatenate([[0], np.cumsum(wide * tall)]).astype(np.int64)
    has_crop = (owner >= 0) & (owner < m)
    crop = np.where(has_crop, owner, 0)
    inside = has_crop & (x >= 0) & (y >= 0) & (length >= 0)
    inside[inside] &= (x < wide[crop])[inside] & (y + length <= tall[crop])[inside]
    if not inside.all():
        raise ValueError(f"{np.count_nonzero(~inside)} runs leave their bitmaps")
    pixels = np.zeros(bitmap[-1], np.uint8)
    row, run = expand(y, y + length)
    pixels[bitmap[crop[run]] + row * wide[crop[run]] + x[run]] = 1
    return pixels
