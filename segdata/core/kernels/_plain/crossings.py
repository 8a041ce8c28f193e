"""Where the rings of polygons cross themselves."""

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-6  # square pixels: what is flatter than this does not cross


def crossings(
    xy: NDArray[np.float64], ring: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Proper crossings of each ring with itself: pairs of its edges that meet in a point inside both.

    So rings that only touch themselves, and bridges that are walked back and forth, do not cross.

    Parameters
    ----------
    xy : (m,) x and y in turn, pixels
    ring : (n + 1,) ring i is the numbers ``xy[ring[i]:ring[i + 1]]``; it is closed from its last point to its first

    Returns count (n,), and x and y (n,) of the crossing of the first edge that crosses (NaN without one).
    """
    n_rings = len(ring) - 1
    count, cross_x, cross_y = np.zeros(n_rings, np.int64), np.full(n_rings, np.nan), np.full(n_rings, np.nan)
    for each in range(n_rings):
        n_points = (ring[each + 1] - ring[each]) // 2
        if n_points > 3:
            points = xy[ring[each] : ring[each] + 2 * n_points].reshape(-1, 2)
            count[each], cross_x[each], cross_y[each] = _crossed(points)
    return count, cross_x, cross_y


def recurring(xy: NDArray[np.float64], ring: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) whether a ring is at some point twice.

    Takes rings as `crossings` does.

    >>> recurring(np.array([0.0, 0, 1, 1, 0, 0, 2, 2, 3, 3]), np.array([0, 6, 10])).tolist()
    [True, False]
    """
    n_points = np.diff(ring) // 2
    ring_of = np.repeat(np.arange(len(n_points)), n_points)
    position = np.arange(len(ring_of)) - np.repeat(np.cumsum(n_points) - n_points, n_points)
    x, y = (xy[np.repeat(ring[:-1], n_points) + 2 * position + side] for side in (0, 1))
    order = np.lexsort((y, x, ring_of))
    again = (
        (ring_of[order[1:]] == ring_of[order[:-1]]) & (x[order[1:]] == x[order[:-1]]) & (y[order[1:]] == y[order[:-1]])
    )
    recurs = np.zeros(len(n_points), bool)
    recurs[ring_of[order[1:][again]]] = True
    return recurs


def _crossed(a: NDArray[np.float64]) -> tuple[int, float, float]:
    """How often the closed ring through the points (n, 2) crosses itself, and where first."""
    b = np.roll(a, -1, axis=0)
    along = b - a
    # turn_a[i, j]: which side of edge i the start of edge j lies on; turn_b: its end.
    turn_a = along[:, None, 0] * (a[None, :, 1] - a[:, None, 1]) - along[:, None, 1] * (a[None, :, 0] - a[:, None, 0])
    turn_b = along[:, None, 0] * (b[None, :, 1] - a[:, None, 1]) - along[:, None, 1] * (b[None, :, 0] - a[:, None, 0])
    splits = ((turn_a > EPSILON) & (turn_b < -EPSILON)) | ((turn_a < -EPSILON) & (turn_b > EPSILON))
    first, second = np.nonzero(np.triu(splits & splits.T, 1))
    if len(first) == 0:
        return 0, np.nan, np.nan
    i, j = first[0], second[0]
    t = turn_a[j, i] / (turn_a[j, i] - turn_b[j, i])
    x, y = a[i] + t * along[i]
    return len(first), float(x), float(y)
