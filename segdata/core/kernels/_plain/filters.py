"""Bytes of pictures from the differences that PNG stores."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def undo_filters(filtered: Bytes, step: int) -> Bytes:
    """The bytes of rows that are stored as differences from their neighbours, as PNG's filters make them.

    `filtered` is (height, 1 + size): of each row the filter, 0 to 4, and its bytes; `step` is the number of bytes of a
    pixel. Returns (height, size). Raises ValueError for another filter, and where rows are shorter than a pixel.

    Source: PNG specification (third edition), section 9.

    >>> undo_filters(np.array([[0, 1, 2], [2, 1, 1]], np.uint8), 1).tolist()
    [[1, 2], [2, 3]]
    """
    height, size = filtered.shape[0], filtered.shape[1] - 1
    if not 0 < step <= size:
        raise ValueError(f"rows of {size} bytes have no pixels of {step}")
    rows = np.zeros((height + 1, step + size), np.uint8)  # above and to the left of the picture is 0
    for y in range(height):
        row, above, differences = rows[y + 1], rows[y], filtered[y, 1:]
        match filtered[y, 0]:
            case 0:
                row[step:] = differences
            case 1:
                for channel in range(step):
                    row[step + channel :: step] = np.cumsum(differences[channel::step], dtype=np.uint8)
            case 2:
                row[step:] = differences + above[step:]
            case 3 | 4 as kind:
                _undo_pixel_by_pixel(row, above, differences.tolist(), step, kind == 4)
            case other:
                raise ValueError(f"row {y} has filter {other}; PNG has 0 to 4")
    return rows[1:, step:].copy()


def _undo_pixel_by_pixel(row: Bytes, above: Bytes, differences: list[int], step: int, is_paeth: bool) -> None:
    """Each byte needs the one to its left."""
    left, up = [0] * step, above.tolist()
    for i, difference in enumerate(differences):
        a, b, c = left[i], up[step + i], up[i]
        near = _paeth(a, b, c) if is_paeth else (a + b) // 2
        left.append((difference + near) % 256)
    row[step:] = left[step:]


def _paeth(left: int, up: int, corner: int) -> int:
    """The neighbour that is nearest to left + up - corner; of several the first."""
    guess = left + up - corner
    return min((left, up, corner), key=lambda neighbour: abs(guess - neighbour))
