"""Outlines along the edges of pixels, which rasterise back to exactly the same pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

# Directions 0 right, 1 down, 2 left, 3 up: the inside lies to the right of the way.
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def rings(mask: Mask) -> list[list[int]]:
    """All closed outlines of a mask, outer ones and holes, as flat lists x0, y0, x1, y1, ...

    Coordinates are pixel corners: pixel (x, y) covers [x, x + 1) times [y, y + 1). Parts are 4-connected.
    """
    leaving = _edges(mask)
    found = []
    while leaving:
        vertex = next(iter(leaving))
        found.append(_walk(leaving, vertex))
    return found


def _edges(mask: Mask) -> dict[tuple[int, int], list[int]]:
    """The directions in which border edges leave each pixel corner."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    borders = (
        (inside & ~padded[:-2, 1:-1], 0, 0), (inside & ~padded[1:-1, 2:], 1, 0),
        (inside & ~padded[2:, 1:-1], 1, 1), (inside & ~padded[1:-1, :-2], 0, 1),
    )  # fmt: skip
    leaving: dict[tuple[int, int], list[int]] = {}
    for direction, (edge, right, down) in enumerate(borders):
        rows, columns = np.nonzero(edge)
        for corner in zip((columns + right).tolist(), (rows + down).tolist(), strict=True):
            leaving.setdefault(corner, []).append(direction)
    return leaving


def _walk(leaving: dict[tuple[int, int], list[int]], start: tuple[int, int]) -> list[int]:
    """Follow edges from a corner until the way closes, taking them out; corners where it turns are the ring."""
    first = direction = leaving[start][0]
    corner, ring = start, list[int]()
    while True:
        leaving[corner].remove(direction)
        if not leaving[corner]:
            del leaving[corner]
        corner = (corner[0] + STEPS[direction][0], corner[1] + STEPS[direction][1])
        choices = leaving.get(corner, []) + [first] * (corner == start)
        # Where two pixels touch at a corner only, a right turn stays on the same pixel.
        right = (direction + 1) % 4
        ahead = right if right in choices else choices[0]
        if ahead != direction:
            ring += corner
        if corner == start and ahead == first:
            return ring
        direction = ahead


def n_parts(mask: Mask) -> int:
    """How many 4-connected parts a mask has."""
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0]) - 1
