"""Where runs lie: in columns of images, and on the number line."""

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


def bounds(owner: Int32, n_owners: int) -> Int64:
    """Where the rows of each owner begin, and (n_owners + 1,) where the last one's end.

    Takes `owner` (n,), ascending.

    >>> bounds(np.array([0, 0, 2], np.int32), 3).tolist()
    [0, 2, 2, 3]
    """
    return np.searchsorted(owner, np.arange(n_owners + 1, dtype=np.int32)).astype(np.int64)


def columns(start: Int64, owner: Int32, height: Int64) -> tuple[Int64, Int64]:
    """X and the first row (n,) of each run, in pixels.

    Takes the pixel that each run begins with, counted in its own image, the owner of each, and the height in pixels
    of each owner's image; 0 counts as 1.

    >>> [each.tolist() for each in columns(np.array([3, 9]), np.array([0, 1], np.int32), np.array([4, 5]))]
    [[0, 1], [3, 4]]
    """
    check(owner, len(height))
    high = np.maximum(height, 1)[owner]
    # Ten times as fast as dividing integers, and exact: start / high is at least 1 / high away from the next whole
    # number, far more than the rounding error while an image has less than 2^53 / high pixels.
    x = (start / high).astype(np.int64)
    return x, start - x * high


def lift(start: Int64, owner: Int32, base: Int64, height: Int64) -> Int64:
    """Where on the number line (n,) each run starts.

    Takes runs as `columns` does, and for each owner where its frame begins on the line, and its height.

    >>> lift(np.array([3, 9]), np.array([0, 1], np.int32), np.array([0, 50]), np.array([4, 5])).tolist()
    [3, 60]
    """
    if len(base) != len(height):
        raise ValueError(f"{len(base)} base come with {len(height)} height")
    x, _ = columns(start, owner, height)
    return base[owner] + start + x


def lower(place: Int64, base: Int64, height: Int64) -> tuple[Int64, Int64, Int64]:
    """Frame, x and y (n,) of places on the number line.

    Takes where each frame begins on the line, ascending, and its height in pixels; a column has one place more.

    >>> [each.tolist() for each in lower(np.array([3, 60]), np.array([0, 50]), np.array([4, 5]))]
    [[0, 1], [0, 1], [3, 4]]
    """
    if len(base) != len(height):
        raise ValueError(f"{len(base)} base come with {len(height)} height")
    frame = np.searchsorted(base, place, side="right") - 1
    if (frame < 0).any():
        raise ValueError(f"place {place[frame < 0][0]} lies before all {len(base)} frames")
    place = place - base[frame]
    room = (height + 1)[frame]
    x = (place / room).astype(np.int64)  # as in `columns`
    return frame, x, place - x * room


def check(owner: Int32, n_owners: int) -> None:
    """Refuse owners that do not exist."""
    strange = owner[(owner < 0) | (owner >= n_owners)]
    if len(strange):
        raise ValueError(f"owner {strange[0]} of {n_owners} owners: 0 to {n_owners - 1} are possible")
