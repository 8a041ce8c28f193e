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
