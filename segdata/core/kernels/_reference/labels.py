"""Label images and bitmaps to runs, and back."""

from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._reference.sweep import expand
from segdata.core.kernels.checks import check_offsets

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


def label_runs(image: NDArray[np.integer]) -> tuple[Int64, Int64, NDArray[np.integer]]:
    """Runs of equal value, column by column, the background included.

    Takes an image (height, width) of integers, or one of bytes (height, width, 3 or 4), whose values are colours as
    `pack_rgb` has them. Returns `start`, `length` in pixels and `value` (r,), with the image's dtype or that of packed
    colours: the longest vertical runs, which cover the image without gaps.

    >>> start, length, value = label_runs(np.array([[1, 2], [1, 3]], np.uint8))
    >>> start.tolist(), length.tolist(), value.tolist()
    ([0, 2, 3], [2, 1, 1], [1, 2, 3])
    """
    coloured = image.ndim == 3 and image.shape[2] in (3, 4) and image.dtype == np.uint8
    if image.ndim != 2 and not coloured:
        raise ValueError(f"the image has shape {image.shape}: (height, width) is needed, or 3 or 4 bytes a pixel")
    values: NDArray[Any] = pack_rgb(image.view(np.uint8)) if coloured else image  # Any: of the image's dtype, or packed
    columns = np.ascontiguousarray(values.T)
    begins = np.ones(columns.shape, bool)
    np.not_equal(columns[:, 1:], columns[:, :-1], out=begins[:, 1:])
    start = np.flatnonzero(begins)
    return start, np.diff(start, append=values.size), columns.ravel()[start]


def pack_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """One number for each colour: red + 256 green + 65536 blue; alpha is ignored.

    Takes an image (height, width, 3 or 4). Returns (height, width).

    >>> pack_rgb(np.array([[[1, 2, 3]]], np.uint8)).tolist()
    [[197121]]
    """
    if image.shape[2] not in (3, 4):
        raise ValueError(f"the image has {image.shape[2]} channels: 3 or 4 are needed")
    place = np.array([1, 1 << 8, 1 << 16], np.uint32)
    packed: NDArray[np.uint32] = (image[..., :3] * place).sum(axis=2, dtype=np.uint32)
    return packed


def distinct(value: Int64, weight: Int64) -> tuple[Int64, Int64, Int64, Int32]:
    """The distinct values among n: each with the sum of its weights, and where it comes first.

    Takes `value` and `weight` (n,). Returns the values (k,) ascending, their sums (k,), their first positions (k,), and
    the row (n,) among them of each.

    >>> [column.tolist() for column in distinct(np.array([7, 5, 7]), np.array([1, 2, 3]))]
    [[5, 7], [2, 4], [1, 0], [1, 0, 1]]
    """
    if len(value) != len(weight):
        raise ValueError(f"{len(value)} values come with {len(weight)} weights")
    values, first, row = np.unique(value, return_index=True, return_inverse=True)
    total = np.zeros(len(values), np.int64)
    np.add.at(total, row, weight)
    return values, total, first.astype(np.int64, copy=False), row.astype(np.int32)


def deal(
    start: Int64, length: Int64, row: Int32, owner: Int32, n_owners: int, height: int
) -> tuple[Int64, Int64, Int32]:
    """Runs dealt out to owners; those of one owner that touch within a column become one.

    Takes runs (n,) of an image of this height, in pixels, in the order of their starts and without overlaps, the row
    (n,) of each, and `owner` (k,) of each row: -1 for nobody, else from 0 to `n_owners` - 1. Returns `start`, `length`
    and `owner` (m,), sorted by owner and start.

    >>> start, length = np.array([0, 2, 3]), np.array([2, 1, 2])
    >>> [column.tolist() for column in deal(start, length, np.int32([0, 1, 2]), np.int32([0, 0, 0]), 1, 3)]
    [[0, 3], [3, 2], [0, 0]]
    """
    if not len(start) == len(length) == len(row):
        raise ValueError(f"{len(start)} starts come with {len(length)} lengths and {len(row)} rows")
    strange = row[(row < 0) | (row >= len(owner))]
    strange = strange if len(strange) else row[owner[row] >= n_owners]
    if len(strange):
        raise ValueError(f"row {strange[0]} of {len(owner)} rows, and {n_owners} owners: it has none of them")
    whose = owner[row]
    kept = np.flatnonzero(whose >= 0)
    kept = kept[np.argsort(whose[kept], kind="stable")]
    start, length, whose = start[kept], length[kept], whose[kept]
    touches = (whose[1:] == whose[:-1]) & (start[1:] == start[:-1] + length[:-1]) & (start[1:] % height != 0)
    first = np.flatnonzero(np.concatenate([np.ones(min(len(kept), 1), bool), ~touches]))
    return start[first], np.add.reduceat(length, first) if len(first) else length, whose[first]


Pixels = NDArray[np.uint8]


def flood(height: Pixels, seeds: Int32, mask: Pixels) -> Int32:
    """A watershed: seeds grow over the mask until they meet, the lowest pixels first.

    Takes the `height` (h, w) of each pixel, `seeds` (h, w), 0 where there is none, and `mask` (h, w), 0 where nothing
    grows. Pixels have four neighbours; of equally high ones that which was reached first comes first, and seeds are
    reached row by row. Returns (h, w) the seed that each pixel belongs to, 0: none.
    Source: Meyer (1991), "Un algorithme optimal pour la ligne de partage des eaux".

    >>> height, mask = np.array([[0, 9, 5, 0]], np.uint8), np.ones((1, 4), np.uint8)
    >>> flood(height, np.array([[1, 0, 0, 2]], np.int32), mask).tolist()
    [[1, 1, 2, 2]]
    """
    if not height.shape == seeds.shape == mask.shape or height.ndim != 2:
        raise ValueError(f"heights {height.shape}, seeds {seeds.shape} and mask {mask.shape} are not of one image")
    wide = height.shape[1] + 2
    level, inside = (np.pad(values, 1).ravel().tolist() for values in (height, mask))
    label = np.pad(np.where(mask, seeds, 0), 1).ravel().tolist()
    waiting = [(level[pixel], order, pixel) for order, pixel in enumerate(np.flatnonzero(label).tolist())]
    heapify(waiting)
    n = len(waiting)
    while waiting:
        _, _, pixel = heappop(waiting)
        for near in (pixel - wide, pixel - 1, pixel + 1, pixel + wide):
            if inside[near] and not label[near]:
                label[near] = label[pixel]
                heappush(waiting, (level[near], n, near))
                n += 1
    return np.array(label, np.int32).reshape(-1, wide)[1:-1, 1:-1]


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
        # Cut off parts beyond the left and upper border of the image, then those beyond the others.
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
