"""The borders of the parts of a bitmap, and of their holes."""

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


def borders(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.int32], Int64, NDArray[np.bool_], Int64]:
    """Rings along the border pixels of a bitmap (height, width), of what is not zero, and how they lie in each other.

    Parts are 8-connected. An outer border runs along the pixels of its part, a hole's border along the pixels of the
    part around it; points in the middle of straight lines (along rows, columns and diagonals) are left out. Returns
    `xy` (n, 2), the points x, y of all rings; `ring` (m + 1,), where each ring begins in `xy`; `hole` (m,), whether it
    is a hole's; and `parent` (m,), the ring directly around it, -1 for none. Rings come as `findContours` of OpenCV
    gives them: the one whose first pixel comes last, row by row, is the first.
    Source: S. Suzuki and K. Abe (1985), Topological structural analysis of digitized binary images by border following,
    Computer Vision, Graphics, and Image Processing 30(1), 32-46.

    >>> xy, ring, hole, parent = borders(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8))
    >>> xy.tolist()
    [[0, 1], [1, 0], [2, 1], [1, 2], [0, 0], [0, 2], [2, 2], [2, 0]]
    >>> ring.tolist(), hole.tolist(), parent.tolist()
    ([0, 4, 8], [True, False], [1, -1])
    """
    tracer = _Tracer(pixels)
    rings, parents = tracer.rings[::-1], np.array(tracer.parents[::-1], np.int64)
    places = np.array([place for ring in rings for place in ring], np.int64)
    return (
        np.stack([places % tracer.width - 1, places // tracer.width - 1], axis=1).astype(np.int32),
        np.cumsum([0, *map(len, rings)], dtype=np.int64),
        np.array(tracer.holes[::-1], bool),
        np.where(parents < 0, -1, len(rings) - 1 - parents),
    )


class _Tracer:
    """Follows borders; `mark` is 0, 1, or the number of a border + 2, negative where the part ends to the right."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        framed = np.pad(pixels != 0, 1)
        self.width = framed.shape[1]
        self.mark: list[int] = framed.ravel().astype(int).tolist()
        wide = self.width
        # To the neighbours: from the right one, counter-clockwise as images are shown.
        self.steps = (1, 1 - wide, -wide, -wide - 1, -1, wide - 1, wide, wide + 1)
        self.rings: list[list[int]] = []
        self.holes: list[bool] = []
        self.parents: list[int] = []
        inner = framed.copy()  # pixels without a border
        for dy, dx in ((1, 1), (1, 0), (1, -1), (0, 1)):
            inner &= np.roll(framed, (dy, dx), (0, 1)) & np.roll(framed, (-dy, -dx), (0, 1))
        edge = (framed & ~inner).ravel()
        edge[1:] |= edge[:-1]
        self._scan(np.flatnonzero(edge).tolist())

    def _scan(self, places: list[int]) -> None:
        """Follow the borders that begin in these pixels; all others lie in the middle of parts or outside them."""
        mark, row, last = self.mark, -1, -1
        for i in places:
            if i // self.width != row:
                row, last = i // self.width, -1
            before, value = mark[i - 1], mark[i]
            if value == before:
                continue
            if (before == 0 and value == 1) or (value == 0 and before >= 1):
                is_hole = value == 0
                if before > 1:
                    last = before - 2
                self._follow(i - is_hole, is_hole, last)
            if abs(mark[i]) > 1:
                last = abs(mark[i]) - 2

    def _follow(self, first: int, is_hole: bool, last: int) -> None:
        mark, steps, own = self.mark, self.steps, len(self.rings) + 2
        self.parents.append(self.parents[last] if last >= 0 and self.holes[last] == is_hole else last)
        self.holes.append(is_hole)
        ring: list[int] = []
        self.rings.append(ring)
        start = 0 if is_hole else 4
        end = next((s for s in ((start - k) & 7 for k in range(1, 8)) if mark[first + steps[s]]), None)
        if end is None:  # a single pixel
            mark[first] = -own
            ring.append(first)
            return
        arrived, here, came = first + steps[end], first, end ^ 4
        while True:
            ahead = end + 1
            while not mark[here + steps[ahead & 7]]:
                ahead += 1
            ahead &= 7
            if 0 < ahead <= end:  # the pixel to its right was looked at, and is none of the part
                mark[here] = -own
            elif mark[here] == 1:
                mark[here] = own
            if ahead != came:
                ring.append(here)
            came = ahead
            if here + steps[ahead] == first and here == arrived:
                return
            here, end = here + steps[ahead], (ahead + 4) & 7
