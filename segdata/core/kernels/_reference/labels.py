"""Label images and bitmaps to runs, and back; and measures of single segments: size, parts, holes and flat ends."""

from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._reference.groups import extents, sums
from segdata.core.kernels._reference.outlines import parts
from segdata.core.kernels._reference.sweep import bounds, check_owners, columns, expand
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


def measure_segments(
    start: Int64,
    length: Int64,
    owner: Int32,
    height: Int64,
    width: Int64,
    shortest: int,
    least: float,
    near: int,
) -> tuple[Int64, Int64, Int64]:
    """Size, parts, holes, perimeter and flat ends of every segment.

    Takes runs, sorted by (owner, start) and disjoint for each owner; the sizes of each owner's image; and which ends
    are flat: a line between two columns, or two rows, of pixels of the image at which the segment's width changes by
    `shortest` pixels or more, and by at least `least` of what it changes by within `near` pixels.

    Returns for all owners, as rows, (11, n_owners): area, x, y, width and height of the box, parts (4-connected),
    holes, area of the largest part, perimeter in pixel edges, and the sums over all pixels of their columns, and of
    twice their rows; all 0 without runs. For each part of a segment that has several, numbered by their first run,
    (8, n_parts): owner, area, x, y, width, height, perimeter, and the area of the 8-connected region that it belongs
    to. For each flat end (4, n_ends), upright ones of a segment first: owner, 1 if the line is upright, its x or y, and
    by how many pixels the segment is wider behind it.

    >>> one = np.array([1])
    >>> measured, parts, ends = measure_segments(one, 3 * one, np.zeros(1, np.int32), 5 * one, 4 * one, 3, 0.75, 3)
    >>> measured.ravel().tolist(), parts.shape, ends.ravel().tolist()
    ([3, 0, 1, 1, 3, 1, 0, 3, 8, 0, 12], (8, 0), [0, 1, 1, -3])
    """
    n, n_owners = len(start), len(height)
    if not len(length) == len(owner) == n or len(width) != n_owners:
        sizes = f"{len(length)} lengths and {len(owner)} owners"
        raise ValueError(f"{n} starts come with {sizes}, {n_owners} heights with {len(width)} widths")
    check_owners(owner, n_owners)
    unsorted = (owner[1:] == owner[:-1]) & (start[1:] < start[:-1])
    if unsorted.any():
        raise ValueError(f"the runs of owner {owner[int(unsorted.argmax())]} are not sorted")
    x, top = columns(start, owner, height)
    bottom = top + length
    area, *box = extents(owner, x, top, bottom, n_owners)
    part, left, links = parts(x, top, bottom, owner, False)
    n_parts = int(part.max(initial=-1)) + 1
    part_owner = np.zeros(n_parts, np.int64)
    part_owner[part] = owner
    part_area, *part_box = extents(part, x, top, bottom, n_parts)
    perimeter = 2 * (np.bincount(part, minlength=n_parts) + part_area - sums(part, left, n_parts))
    count = np.bincount(part_owner, minlength=n_owners)
    largest = np.zeros(n_owners, np.int64)
    np.maximum.at(largest, part_owner, part_area)
    euler = np.diff(bounds(owner, n_owners)) - sums(owner, links, n_owners)
    measured = [area, *box, count, count - euler, largest, sums(part_owner, perimeter, n_owners)]
    measured += [sums(owner, place * length, n_owners) for place in (x, top + bottom - 1)]
    cluster = parts(x, top, bottom, owner, True)[0]
    cluster_area = sums(cluster, length, int(cluster.max(initial=-1)) + 1)
    of_part = np.zeros(n_parts, np.int64)
    of_part[part] = cluster_area[cluster]
    several = count[part_owner] > 1
    rows = np.stack([part_owner, part_area, *part_box, perimeter, of_part])[:, several]
    flatness = (shortest, least, near)
    pixels = _Strips(box[0], box[2], near)
    across = np.bincount(pixels.place(owner, x), weights=length, minlength=pixels.total).astype(np.int64)
    upright = _flat_ends(pixels, across, width, flatness)
    pixels = _Strips(box[1], box[3], near)
    begins = np.bincount(pixels.place(owner, top), minlength=pixels.total)
    down = np.cumsum(begins - np.bincount(pixels.place(owner, bottom), minlength=pixels.total))
    level = _flat_ends(pixels, down, height, flatness)
    segment, offset, step = (np.concatenate(column) for column in zip(upright, level, strict=True))
    is_upright = np.arange(len(segment)) < len(upright[0])
    order = np.lexsort((offset, ~is_upright, segment))
    return np.stack(measured), rows, np.stack([segment, is_upright, offset, step]).astype(np.int64)[:, order]


class _Strips:
    """A strip of one number for each column (or row) of every segment's box, with room on either side."""

    def __init__(self, first: Int64, count: Int64, near: int) -> None:
        room = count + 2 * near + 3
        self.begin = np.cumsum(room) - room
        self.shift = self.begin - first + near + 1
        self.total = int(room.sum())

    def place(self, owner: Int32, column: Int64) -> Int64:
        """The number of a column of an owner."""
        places: Int64 = self.shift[owner] + column
        return places


def _flat_ends(
    strips: _Strips, pixels: Int64, size: Int64, flatness: tuple[int, float, int]
) -> tuple[Int64, Int64, Int64]:
    """Segment, place and step of the flat ends; `pixels` of every column, `size` (n_segments,) of the frame."""
    shortest, least, near = flatness
    step = np.diff(pixels, prepend=0)
    some = np.flatnonzero(np.abs(step) >= shortest)
    around = pixels[some + near] - pixels[some - near - 1]
    some = some[np.abs(step[some]) >= least * np.abs(around)]
    segment = np.searchsorted(strips.begin, some, side="right") - 1
    coordinate = some - strips.shift[segment]
    inside = (coordinate > 0) & (coordinate < size[segment])
    return segment[inside], coordinate[inside], step[some[inside]]


def even_steps(start: Int64, length: Int64, owner: Int32, height: Int64, width: Int64) -> Int64:
    """Segments whose outline never changes in two neighbouring columns, nor in two rows.

    Takes runs and sizes as `measure_segments` does. Returns (4, n_owners): the narrowest distance between two columns
    at which the runs of an owner change, and at how many they do; and the same of the rows at which runs begin or end.
    Changes at the ends of the image do not count. All 0 unless both distances are 2 or more.

    >>> start, one = np.array([10, 20, 36, 46]), np.array([10])
    >>> even_steps(start, np.full(4, 4), np.zeros(4, np.int32), one, one).ravel().tolist()
    [2, 3, 2, 2]
    """
    if not len(start) == len(length) == len(owner) or len(height) != len(width):
        sizes = f"{len(length)} lengths and {len(owner)} owners"
        raise ValueError(f"{len(start)} starts come with {sizes}, {len(height)} heights with {len(width)} widths")
    if ((owner[1:] < owner[:-1]) | ((owner[1:] == owner[:-1]) & (start[1:] < start[:-1]))).any():
        raise ValueError("runs are not sorted")
    x, top = columns(start, owner, height)
    across = _narrowest_distances(*_column_changes(x, top, length, owner), width)
    down = _narrowest_distances(np.tile(owner, 2), np.concatenate([top, top + length]), height)
    steps = np.stack([*across, *down])
    return np.where((steps[0] > 1) & (steps[2] > 1), steps, 0)


def _column_changes(x: Int64, top: Int64, length: Int64, owner: Int32) -> tuple[Int32, Int64]:
    """The owner and the place of every line between two columns at which the runs of an owner change."""
    key = owner.astype(np.int64) * (int(x.max(initial=0)) + 3) + x
    first = np.flatnonzero(np.diff(key, prepend=-2) != 0)
    count = np.diff(np.append(first, len(key)))
    same = np.zeros(len(first), bool)
    # A column is as the one before where all of its runs are: as many, at the same rows.
    alike = (np.diff(key[first], prepend=-2) == 1) & (count == np.concatenate([[0], count[:-1]]))
    rows, _ = expand(first[alike], first[alike] + count[alike])
    before = rows - np.repeat(count[alike], count[alike])
    equal = (top[rows] == top[before]) & (length[rows] == length[before])
    if len(rows):
        same[alike] = np.logical_and.reduceat(equal, np.cumsum(count[alike]) - count[alike])
    # Behind a column that nothing follows it changes once more.
    ends = np.append(np.diff(key[first]) != 1, True)[: len(first)]
    places = np.concatenate([x[first][~same], x[first][ends] + 1])
    return np.concatenate([owner[first][~same], owner[first][ends]]), places


def _narrowest_distances(owner: Int32, places: Int64, size: Int64) -> tuple[Int64, Int64]:
    """The narrowest distance between the places of each owner that are not at 0 or `size`, and how many there are."""
    inside = (places > 0) & (places < size[owner])
    place = np.unique(owner[inside].astype(np.int64) * (int(size.max(initial=0)) + 1) + places[inside])
    whose, place = np.divmod(place, int(size.max(initial=0)) + 1)
    narrowest = np.full(len(size), np.iinfo(np.int64).max)
    together = whose[1:] == whose[:-1]
    np.minimum.at(narrowest, whose[1:][together], np.diff(place)[together])
    narrowest[narrowest == np.iinfo(np.int64).max] = 0
    return narrowest, np.bincount(whose, minlength=len(size))
