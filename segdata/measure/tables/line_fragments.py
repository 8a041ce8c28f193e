"""Line fragments: thin lines that are drawn in pieces, one behind the other."""

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.runs import Floats, Ints, Runs, expand_ranges, label_parts, run_columns
from segdata.measure.registry import BatchView, measure

LEAST_SLENDERNESS = 2.0  # the least length of a piece over its breadth: what is rounder has no direction
WIDEST_GAP = 1.5  # the most that two pieces are apart, over the length of the shorter one
_STRAIGHTEST = np.cos(np.radians(20))  # between the directions of two pieces
_MOST_PIECES = 300  # pieces of a segment that are compared; of more the largest


@measure("dashes", tables={"dashes": {"segment": "segments"}})
def measure_dashes(view: BatchView) -> pa.Table:
    """The table `dashes`: segments of `thin` categories with at least three pieces in line.

    segment (row), pieces: how many lie in line with another one, between: how many of them lie between two, gap: the
    widest gap between neighbours in pixels, rounded up, and x, y, width, height: the box of these pieces. A piece is
    8-connected; two lie in line where either's middle is on the other's axis. Crowds are left out.
    """
    batch = view.batch
    thin = [category.id for category in view.taxonomy.categories if category.thin]
    wanted = np.isin(batch.segments["category_id"].to_numpy(), thin)
    rows = np.flatnonzero(wanted & ~batch.segments["iscrowd"].fill_null(False).to_numpy())
    pieces = _Pieces.from_runs(batch.runs.take(rows, batch.n_segments), batch.segment_size[0][rows])
    a, b, gap = _in_line(pieces)
    ahead, behind = (np.zeros(len(pieces.owner), bool) for _ in range(2))
    for piece, other in ((a, b), (b, a)):
        forward = pieces.along(piece, other) > 0
        ahead[piece[forward]] = True
        behind[piece[~forward]] = True
    joined, between = ahead | behind, ahead & behind
    n = len(rows)
    segments = np.flatnonzero(np.bincount(pieces.owner[between], minlength=n))
    kept = np.flatnonzero(joined & np.isin(pieces.owner, segments))
    owner = pieces.owner[kept]
    left, top = (np.full(n, np.iinfo(np.int64).max) for _ in range(2))
    right, bottom = (np.zeros(n, np.int64) for _ in range(2))
    for corner, side in ((left, pieces.left), (top, pieces.top)):
        np.minimum.at(corner, owner, side[kept])
    for corner, side in ((right, pieces.right), (bottom, pieces.bottom)):
        np.maximum.at(corner, owner, side[kept])
    widest = np.zeros(n)
    np.maximum.at(widest, pieces.owner[a], gap)
    return pa.table(
        {
            "segment": rows[segments].astype(np.int64),
            "pieces": np.bincount(owner, minlength=n)[segments],
            "between": np.bincount(pieces.owner[between], minlength=n)[segments],
            "gap": np.ceil(widest[segments]).astype(np.int64),
            "x": left[segments],
            "y": top[segments],
            "width": (right - left)[segments],
            "height": (bottom - top)[segments],
        }
    )


class _Pieces(msgspec.Struct, frozen=True):
    """The slender pieces of segments: the rectangle that has the piece's middle and moments.

    Attributes
    ----------
    owner : (n,) ascending
    x, y : (n,) the middle, in pixels from the image's top left corner
    dx, dy : (n,) the direction, of length 1; of upright ones up or down
    length, breadth : (n,) pixels
    left, top, right, bottom : (n,) the box, half open
    """

    owner: Ints
    x: Floats
    y: Floats
    dx: Floats
    dy: Floats
    length: Floats
    breadth: Floats
    left: Ints
    top: Ints
    right: Ints
    bottom: Ints

    def along(self, piece: Ints, other: Ints) -> Floats:
        """(p,) how far each other one's middle lies ahead, in the direction of the piece it is beside, in pixels."""
        return (self.x[other] - self.x[piece]) * self.dx[piece] + (self.y[other] - self.y[piece]) * self.dy[piece]

    @staticmethod
    def from_runs(runs: Runs, height: Ints) -> "_Pieces":
        """The slender pieces of all owners; `height` (n_owners,) is that of the owner's image."""
        x, top = run_columns(runs, height)
        bottom = top + runs.length
        label, owner = label_parts(runs, height, corners=True)
        n = len(owner)
        k = runs.length.astype(np.float64)
        middle = x + 0.5
        # Integrals over pixels as squares: k (v^2 + 1/12) in y about the run's middle, 1/12 in x.
        centre = (top + bottom) / 2
        sums = [np.bincount(label, weights, n) for weights in (k, k * middle, k * centre, k * middle**2 + k / 12)]
        sums += [np.bincount(label, weights, n) for weights in (k * centre**2 + k**3 / 12, k * middle * centre)]
        area, u, v, uu, vv, uv = (sums[0], *(total / sums[0] for total in sums[1:]))
        uu, vv, uv = uu - u * u, vv - v * v, uv - u * v
        mean, half = (uu + vv) / 2, np.hypot((uu - vv) / 2, uv)
        angle = np.arctan2(2 * uv, uu - vv) / 2
        length, breadth = np.sqrt(12 * (mean + half)), np.sqrt(12 * np.maximum(mean - half, 1 / 12))
        order = np.lexsort((-area, owner))
        place = np.arange(n) - np.searchsorted(owner[order], owner[order])
        slender = (length >= LEAST_SLENDERNESS * breadth)[order]
        kept = order[slender & (place < _MOST_PIECES)]
        _, left, upper, wide, high = kernels.extents(label, x, top, bottom, n)
        columns = (u, v, np.cos(angle), np.sin(angle), length, breadth, left, upper, left + wide, upper + high)
        return _Pieces(owner[kept], *(column[kept] for column in columns))


def _in_line(pieces: _Pieces) -> tuple[Ints, Ints, Floats]:
    """Pairs of pieces a and b of one owner that lie in line, and the gap between in pixels."""
    begins = np.searchsorted(pieces.owner, pieces.owner)
    earlier = np.arange(len(pieces.owner)) - begins
    a, b = expand_ranges(begins, earlier), np.repeat(np.arange(len(pieces.owner)), earlier)
    to_x, to_y = pieces.x[b] - pieces.x[a], pieces.y[b] - pieces.y[a]
    straight = np.abs(pieces.dx[a] * pieces.dx[b] + pieces.dy[a] * pieces.dy[b]) >= _STRAIGHTEST
    # Rounded, since pieces often lie exactly on a limit.
    room = (np.maximum(np.maximum(pieces.breadth[a], pieces.breadth[b]), 2) / 2 + 0.5).round(6)
    for one in (a, b):
        straight &= np.abs(to_x * pieces.dy[one] - to_y * pieces.dx[one]).round(6) <= room
    gap = (np.abs(pieces.along(a, b)) - (pieces.length[a] + pieces.length[b]) / 2).round(6)
    straight &= (gap > 0) & (gap <= (WIDEST_GAP * np.minimum(pieces.length[a], pieces.length[b])).round(6))
    return a[straight], b[straight], gap[straight]
