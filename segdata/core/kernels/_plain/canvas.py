"""Runs of what is drawn on canvases of the images' sizes."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from segdata.core.kernels._plain.labels import label_runs
from segdata.core.kernels.offsets import check_offsets

Int64 = NDArray[np.int64]
Pixels = NDArray[np.uint8]
Rings = list[NDArray[np.int32]]


def runs_of_drawings(
    draw: Callable[[Rings, int, int], Pixels],
    xy: NDArray[np.float64],
    ring: Int64,
    segment: Int64,
    height: Int64,
    width: Int64,
) -> tuple[Int64, Int64, NDArray[np.int32]]:
    """Start, length and owner of the runs of what `draw` makes of each segment's rings; see `draw_pillow`.

    `draw` takes the rings (m, 2) of a segment, height and width, and returns pixels (height, width).
    """
    check_offsets(ring, len(ring) - 1, len(xy))
    check_offsets(segment, len(height), len(ring) - 1)
    if len(width) != len(height):
        raise ValueError(f"{len(height)} heights come with {len(width)} widths")
    sizes = zip(height.tolist(), width.tolist(), strict=True)
    starts, lengths, owners = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    for owner, (tall, wide) in enumerate(sizes):
        first, last = segment[owner : owner + 2].tolist()
        rings = [_points(xy[ring[j] : ring[j + 1]]) for j in range(first, last)]
        start, length, value = label_runs(draw([ring for ring in rings if len(ring)], tall, wide))
        is_drawn = value > 0
        starts.append(start[is_drawn])
        lengths.append(length[is_drawn])
        owners.append(np.full(np.count_nonzero(is_drawn), owner, np.int32))
    return np.concatenate(starts), np.concatenate(lengths), np.concatenate(owners)


def _points(numbers: NDArray[np.float64]) -> NDArray[np.int32]:
    """The points (m, 2), truncated; a last odd number is none."""
    return numbers[: len(numbers) // 2 * 2].reshape(-1, 2).astype(np.int32)
