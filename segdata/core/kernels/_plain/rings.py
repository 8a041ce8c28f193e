"""Coordinates of COCO polygons, straight from the bytes of the JSON."""

import json

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


def parse_rings(
    text: bytes | bytearray | memoryview | NDArray[np.uint8], first: Int64, last: Int64
) -> tuple[NDArray[np.float64], Int64, Int64, NDArray[np.uint8]]:
    """Coordinates of polygons `[[x, y, ...], ...]` in JSON.

    Takes the bytes, and where each of the n polygons begins and ends in them. Returns `xy` (m,), the numbers as
    Python's `float` reads them; `ring` (r + 1,), where each ring begins in `xy`; `segment` (n + 1,), where each
    polygon's rings begin in `ring`; and `error` (n,): 0 fine, 1 not a list of lists of numbers, 2 a NaN or Infinity
    among the numbers. A polygon with an error has no rings. Rings come as they are, empty or with an odd count of
    numbers.

    >>> xy, ring, segment, error = parse_rings(b"[[1, 2.5], [-3e1]]", np.array([0]), np.array([18]))
    >>> xy.tolist(), ring.tolist(), segment.tolist(), error.tolist()
    ([1.0, 2.5, -30.0], [0, 2, 3], [0, 2], [0])
    """
    view = np.frombuffer(text, np.uint8)
    read = [_read(view, int(i), int(j)) for i, j in zip(first, last, strict=True)]
    rings = [np.array(ring, np.float64) for polygon, _ in read for ring in polygon]
    return (
        np.concatenate([np.zeros(0), *rings]),
        np.cumsum([0, *map(len, rings)], dtype=np.int64),
        np.cumsum([0, *(len(polygon) for polygon, _ in read)], dtype=np.int64),
        np.array([error for _, error in read], np.uint8),
    )


def _read(view: NDArray[np.uint8], first: int, last: int) -> tuple[list[list[float]], int]:
    """One polygon and its error."""
    strange: list[str] = []

    def constant(name: str) -> float:
        strange.append(name)
        return 0.0

    if not 0 <= first <= last <= len(view):
        return [], 1
    try:
        # Latin-1 keeps every byte one character: json.loads would guess an encoding from bytes.
        rings = json.loads(view[first:last].tobytes().decode("latin-1"), parse_int=float, parse_constant=constant)
    except (ValueError, RecursionError):
        return [], 1
    lists = isinstance(rings, list) and all(isinstance(ring, list) for ring in rings)
    if not lists or not all(isinstance(number, float) for ring in rings for number in ring):
        return [], 1
    return ([], 2) if strange else (rings, 0)
