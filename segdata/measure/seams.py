"""Seams: where two segments of one category touch along a straight line, as the halves of one that was cut do."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.runs import Ints, boxes, spread
from segdata.measure.window import Mask, Windows

Floats = NDArray[np.float64]

SHORTEST = 6.0  # pixels of a contact that is looked at
STRAIGHTEST = 0.35  # pixels root mean square; a digital straight line of any slope is within 0.3
_MANY = 300  # siblings beyond which boxes are not compared one by one


def seams(batch: Batch) -> pa.Table:
    """One row per pair a < b of segments of one annotation and category that touch along a straight line.

    length: of the contact, in pixels. deviation: of its pixel edges from the straight line through them, root mean
    square, in pixels. flush: the contact's length over the width that both segments have beside it, or the reverse,
    whichever is smaller, and of the side where it is smaller; 1 where both end as the contact does. waist: the width a
    bit farther out over the contact's length, on the side where it is smaller; above 1 both widen, as two touching
    discs do. astray: the share of pixels on the other's side of the line, of the segment where it is larger. And x, y,
    width, height: the box of the contact. Crowds are left out.
    """
    rows = siblings(batch)
    runs = batch.runs.take(rows, batch.n_segments)
    line = batch.annotation_line
    side = Side.of(runs, line, batch.segment_annotation[rows])
    category = batch.segments["category_id"].to_numpy()[rows]
    contact = _Contact.between(side, line, category, len(rows))
    straight = np.flatnonzero(
        (contact.length >= SHORTEST)
        & (contact.deviation <= STRAIGHTEST)
        & (contact.length <= 1.05 * contact.edges)  # longer than its edges: it has gaps
    )
    windows = Windows(runs, batch.segment_size[0][rows])
    ends = np.array([_ends(windows, contact, pair) for pair in straight]).reshape(-1, 3).round(6)
    return pa.table(
        {
            "a": rows[contact.a[straight]].astype(np.int64),
            "b": rows[contact.b[straight]].astype(np.int64),
            "length": contact.length[straight],
            "deviation": contact.deviation[straight],
            "flush": ends[:, 0],
            "waist": ends[:, 1],
            "astray": ends[:, 2],
            **{name: contact.box[i][straight] for i, name in enumerate(("x", "y", "width", "height"))},
        }
    )


def siblings(batch: Batch) -> Ints:
    """The segments, ascending, whose box touches that of another of the same annotation and category; no crowds."""
    x, y, width, height = boxes(batch.runs, batch.segment_size[0], batch.n_segments)
    alone = batch.segments["iscrowd"].fill_null(False).to_numpy() | (width == 0)
    rows = np.flatnonzero(~alone)
    _, category = np.unique(batch.segments["category_id"].to_numpy(), return_inverse=True)
    key = batch.segment_annotation[rows].astype(np.int64) * (int(category.max(initial=0)) + 1) + category[rows]
    _, which, count = np.unique(key, return_inverse=True, return_counts=True)
    order = rows[np.argsort(which, kind="stable")]
    crowded = np.repeat(count > _MANY, count)
    found = np.zeros(batch.n_segments, bool)
    found[order[crowded]] = True
    # Of each group every later member is compared with every earlier one.
    place = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    earlier = np.where(crowded, 0, place)
    first = order[spread(np.arange(len(order)) - earlier, earlier)]
    second = np.repeat(order, earlier)
    near = (x[first] <= x[second] + width[second]) & (x[second] <= x[first] + width[first])
    near &= (y[first] <= y[second] + height[second]) & (y[second] <= y[first] + height[first])
    found[first[near]] = found[second[near]] = True
    return np.flatnonzero(found)


class _Contact:
    """The contacts of pairs a < b: how many pixel edges each has, and the straight line that is nearest to them."""

    def __init__(self, pair: Ints, which: Ints, n_segments: int, edges: tuple[Ints, Ints, Ints, NDArray[np.bool_]]):
        x, y, length, upright = edges
        self.a, self.b = np.divmod(pair, max(n_segments, 1))
        n = len(pair)

        def total(values: Floats) -> Floats:
            return np.bincount(which, weights=values, minlength=n)

        left, top = (np.full(n, np.iinfo(np.int64).max) for _ in range(2))
        np.minimum.at(left, which, x)
        np.minimum.at(top, which, y)
        right, bottom = left.copy(), top.copy()
        np.maximum.at(right, which, x + ~upright)
        np.maximum.at(bottom, which, np.where(upright, y + length, y + length - 1))
        self.box = (left, top, right - left, bottom - top)
        # Sums over the points of each strip of edges: upright ones run along y, others are `length` level ones.
        u, v = (x - left[which]).astype(float), (y - top[which]).astype(float)
        k = length.astype(float)
        mean_u = np.where(upright, u, u + 0.5)
        sum_v = np.where(upright, v * k + k * k / 2, v * k + k * (k - 1) / 2)
        square_u = np.where(upright, u * u, u * u + u + 1 / 3) * k
        square_v = np.where(
            upright, ((v + k) ** 3 - v**3) / 3, k * v * v + v * k * (k - 1) + (k - 1) * k * (2 * k - 1) / 6
        )
        self.edges = total(k)
        center_u, center_v = total(mean_u * k) / self.edges, total(sum_v) / self.edges
        uu = total(square_u) / self.edges - center_u**2
        vv = total(square_v) / self.edges - center_v**2
        uv = total(mean_u * sum_v) / self.edges - center_u * center_v
        half = np.hypot((uu - vv) / 2, uv)
        # Of a line with this variance along it; rounded, so that an upright one of 8 pixels is 8.
        self.length = np.sqrt(12 * np.maximum((uu + vv) / 2 + half, 0)).round(6)
        self.deviation = np.sqrt(np.maximum((uu + vv) / 2 - half, 0))
        self.angle = np.arctan2(2 * uv, uu - vv) / 2
        self.x, self.y = center_u + left, center_v + top

    @staticmethod
    def between(side: Side, line: Line, category: Ints, n_segments: int) -> "_Contact":
        """The contacts between segments of one category, sorted by pair."""
        frame = line.frame_of(side.start)
        found = []
        for upright, by in ((False, np.ones(len(side.start), np.int64)), (True, line.height[frame] + 1)):
            moved = side.moved(by)
            a, b, start, length = kernels.strips(moved.start, moved.end, moved.owner, side.start, side.end, side.owner)
            alike = (a != b) & (category[a] == category[b])
            _, x, y = line.lower(start[alike])
            pair = np.minimum(a, b)[alike].astype(np.int64) * n_segments + np.maximum(a, b)[alike]
            found.append((pair, x, y, length[alike], np.full(len(pair), upright)))
        key, x, y, length, standing = (np.concatenate(each) for each in zip(*found, strict=True))
        pair, which = np.unique(key, return_inverse=True)
        return _Contact(pair, which, n_segments, (x, y, length, standing))


def _ends(windows: Windows, contact: _Contact, pair: int) -> tuple[float, float, float]:
    """Flush, waist and astray of a pair; see `seams`."""
    length = float(contact.length[pair])
    inner, outer = max(1, round(0.12 * length)), max(3, round(0.3 * length))
    flush, waist, astray = 1.0, np.inf, 0.0
    for segment in (int(contact.a[pair]), int(contact.b[pair])):
        along, across = _turned(windows.mask(segment), segment, windows, contact, pair)
        here = np.abs(across) <= 2
        if across[here & (np.abs(along) < length / 2)].sum() < 0:
            across = -across
        beside = ((across > 0) & here & (np.abs(along) < length)).sum() / 2
        farther = ((across > inner) & (across <= outer) & (np.abs(along) < 1.5 * length)).sum() / (outer - inner)
        flush = min(flush, length / max(beside, 0.5), beside / length)
        waist = min(waist, farther / length)
        astray = max(astray, float((across < -1.5).mean()))
    return flush, waist, astray


def _turned(mask: Mask, segment: int, windows: Windows, contact: _Contact, pair: int) -> tuple[Floats, Floats]:
    """The centres of a segment's pixels in pixels along the contact's line from its middle, and across."""
    y, x = np.nonzero(mask)
    dx, dy = (
        x + (windows.box[0][segment] + 0.5 - contact.x[pair]),
        y + (windows.box[1][segment] + 0.5 - contact.y[pair]),
    )
    cosine, sine = np.cos(contact.angle[pair]), np.sin(contact.angle[pair])
    # Rounded, since pixels often lie exactly on a limit.
    return (dx * cosine + dy * sine).round(6), (dy * cosine - dx * sine).round(6)
