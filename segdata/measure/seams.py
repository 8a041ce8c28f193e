"""Seams: where two segments of one category touch along a straight line, as the halves of one that was cut do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.runs import Ints, Runs, columns, spread
from segdata.measure.window import Mask, Windows

Floats = NDArray[np.float64]

SHORTEST = 6.0  # pixels of a contact that is looked at
STRAIGHTEST = 0.35  # pixels root mean square; a digital straight line of any slope is within 0.3
_MANY = 300  # siblings beyond which boxes are not compared one by one


def seams(batch: Batch, segments: pa.Table) -> pa.Table:
    """One row per pair a < b of segments of one annotation and category that touch along a straight line.

    length: of the contact, in pixels. deviation: of its pixel edges from the straight line through them, root mean
    square, in pixels. flush: the contact's length over the width that both segments have beside it, or the reverse,
    whichever is smaller, and of the side where it is smaller; 1 where both end as the contact does. waist: the width a
    bit farther out over the contact's length, on the side where it is smaller; above 1 both widen, as two touching
    discs do. astray: the share of pixels on the other's side of the line, of the segment where it is larger. And x, y,
    width, height: the box of the contact. Crowds are left out. `segments` has the boxes of the batch's segments.
    """
    rows, begin, end = siblings(batch, segments)
    runs = batch.runs.take(rows, batch.n_segments)
    x, _ = columns(runs, batch.segment_size[0][rows])
    near = (x >= begin[runs.owner]) & (x <= end[runs.owner])
    line = batch.annotation_line
    side = Side.of(Runs(runs.start[near], runs.length[near], runs.owner[near]), line, batch.segment_annotation[rows])
    category = batch.segments["category_id"].to_numpy()[rows]
    contact = _contacts(side, line, category)
    straight = np.flatnonzero(
        (contact.length >= SHORTEST)
        & (contact.deviation <= STRAIGHTEST)
        & (contact.length <= 1.05 * contact.edges)  # longer than its edges: it has gaps
    )
    ends = np.empty((0, 3))
    if len(straight):
        windows = Windows(runs, batch.segment_size[0][rows])
        ends = np.array([_ends(windows, contact, pair) for pair in straight.tolist()]).round(6)
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


def siblings(batch: Batch, segments: pa.Table) -> tuple[Ints, Ints, Ints]:
    """The segments, ascending, whose box touches that of another of the same annotation and category; no crowds.

    And the first and last column of the image in which each can touch another.
    """
    group, size = _groups(batch)
    rows = np.flatnonzero(size > 1)
    order = rows[np.argsort(group[rows], kind="stable")]
    count = size[order]
    crowded = count > _MANY
    # Of each group every later member is compared with every earlier one.
    begins = np.searchsorted(group[order], group[order])
    earlier = np.where(crowded, 0, np.arange(len(order)) - begins)
    first = order[spread(begins, earlier)]
    second = np.repeat(order, earlier)
    x, y, width, height = (segments[name].to_numpy() for name in ("x", "y", "width", "height"))
    near = (x[first] <= x[second] + width[second]) & (x[second] <= x[first] + width[first])
    near &= (y[first] <= y[second] + height[second]) & (y[second] <= y[first] + height[first])
    first, second = first[near], second[near]
    begin, end = np.full(batch.n_segments, np.iinfo(np.int64).max), np.full(batch.n_segments, -1)
    begin[order[crowded]], end[order[crowded]] = 0, np.iinfo(np.int64).max
    for one in (first, second):
        np.minimum.at(begin, one, np.maximum(x[first], x[second]) - 1)
        np.maximum.at(end, one, np.minimum(x[first] + width[first], x[second] + width[second]))
    found = np.flatnonzero(end >= 0).astype(np.int64)
    return found, begin[found], end[found]


def _groups(batch: Batch) -> tuple[Ints, Ints]:
    """The group of each segment, of those of its annotation and category, and its size; 0 for crowds and empty ones."""
    offset = batch.runs.offsets(batch.n_segments)
    counts = (np.diff(offset) > 0) & ~batch.segments["iscrowd"].fill_null(False).to_numpy()
    _, category = np.unique(batch.segments["category_id"].to_numpy(), return_inverse=True)
    key = batch.segment_annotation.astype(np.int64) * (int(category.max(initial=0)) + 1) + category
    _, group = np.unique(key, return_inverse=True)
    size = np.bincount(group[counts], minlength=int(group.max(initial=-1)) + 1)
    return group.astype(np.int64), np.where(counts, size[group], 0)


@dataclass(frozen=True, slots=True)
class _Contacts:
    """The contacts of pairs a < b, and the straight line that is nearest to the pixel edges of each.

    Attributes
    ----------
    a, b : (n,) rows
    edges : (n,) pixel edges
    x, y : (n,) the middle of the edges, in pixels from the image's top left corner
    angle : (n,) of the line, in radians from the x axis
    length, deviation : (n,) see `seams`
    box : x, y, width and height (n,) in pixels
    """

    a: Ints
    b: Ints
    edges: Floats
    x: Floats
    y: Floats
    angle: Floats
    length: Floats
    deviation: Floats
    box: tuple[Ints, Ints, Ints, Ints]


def _contacts(side: Side, line: Line, category: Ints) -> _Contacts:
    """The contacts between segments of one category, sorted by pair."""
    one, other, x, y, length, upright = _strips(side, line, category)
    a, b, which = kernels.paired(one, other)
    left, top = (np.full(len(a), np.iinfo(np.int64).max) for _ in range(2))
    np.minimum.at(left, which, x)
    np.minimum.at(top, which, y)
    right, bottom = left.copy(), top.copy()
    np.maximum.at(right, which, x + ~upright)
    np.maximum.at(bottom, which, np.where(upright, y + length, y + length - 1))
    strips = _moments(x - left[which], y - top[which], length, upright)
    total = [np.bincount(which, weights=each, minlength=len(a)).astype(np.float64) for each in strips]
    edges = total[0]
    u, v, uu, vv, uv = (each / edges for each in total[1:])
    uu, vv, uv = uu - u * u, vv - v * v, uv - u * v
    mean, half = (uu + vv) / 2, np.hypot((uu - vv) / 2, uv)
    return _Contacts(
        a.astype(np.int64),
        b.astype(np.int64),
        edges,
        u + left,
        v + top,
        np.arctan2(2 * uv, uu - vv) / 2,
        # Of a line with this variance along it; rounded, so that an upright one of 8 pixels is 8.
        np.sqrt(12 * np.maximum(mean + half, 0)).round(6),
        np.sqrt(np.maximum(mean - half, 0)).round(6),
        (left, top, right - left, bottom - top),
    )


def _strips(side: Side, line: Line, category: Ints) -> list[NDArray[Any]]:  # Any: numbers and flags
    """The pair, x, y, length and whether it is upright, of the strips in which segments of one category touch."""
    frame = line.frame_of(side.start)
    found = []
    for upright, by in ((False, np.ones(len(side.start), np.int64)), (True, line.height[frame] + 1)):
        moved = side.moved(by)
        a, b, start, length = kernels.strips(moved.start, moved.end, moved.owner, side.start, side.end, side.owner)
        alike = (a != b) & (category[a] == category[b])
        _, x, y = line.lower(start[alike])
        a, b = a[alike], b[alike]
        found.append((np.minimum(a, b), np.maximum(a, b), x, y, length[alike], np.full(len(a), upright)))
    return [np.concatenate(each) for each in zip(*found, strict=True)]


def _moments(x: Ints, y: Ints, length: Ints, upright: NDArray[np.bool_]) -> tuple[Floats, ...]:
    """Integrals over each strip's edges of 1, x, y, x^2, y^2 and xy.

    An upright strip is one line of `length` edges; another is `length` level edges, one below the other.
    """
    u, v, k = x.astype(np.float64), y.astype(np.float64), length.astype(np.float64)
    middle = np.where(upright, u, u + 0.5)
    along = np.where(upright, v * k + k * k / 2, v * k + k * (k - 1) / 2)
    uu = np.where(upright, u * u, u * u + u + 1 / 3) * k
    level = k * v * v + v * k * (k - 1) + (k - 1) * k * (2 * k - 1) / 6
    vv = np.where(upright, ((v + k) ** 3 - v**3) / 3, level)
    return k, middle * k, along, uu, vv, middle * along


def _ends(windows: Windows, contact: _Contacts, pair: int) -> tuple[float, float, float]:
    """Flush, waist and astray of a pair; see `seams`."""
    length = float(contact.length[pair])
    inner, outer = max(1, round(0.12 * length)), max(3, round(0.3 * length))
    flush, waist, astray = 1.0, np.inf, 0.0
    for segment in (int(contact.a[pair]), int(contact.b[pair])):
        along, across = _turned(*windows.place(segment), contact, pair)
        here = np.abs(across) <= 2
        if across[here & (np.abs(along) < length / 2)].sum() < 0:
            across = -across
        beside = ((across > 0) & here & (np.abs(along) < length)).sum() / 2
        farther = ((across > inner) & (across <= outer) & (np.abs(along) < 1.5 * length)).sum() / (outer - inner)
        flush = min(flush, length / max(beside, 0.5), beside / length)
        waist = min(waist, farther / length)
        astray = max(astray, float((across < -1.5).mean()))
    return flush, waist, astray


def _turned(mask: Mask, left: int, top: int, contact: _Contacts, pair: int) -> tuple[Floats, Floats]:
    """The centres of a segment's pixels in pixels along the contact's line from its middle, and across."""
    y, x = np.nonzero(mask)
    dx, dy = x + (left + 0.5 - contact.x[pair]), y + (top + 0.5 - contact.y[pair])
    cosine, sine = np.cos(contact.angle[pair]), np.sin(contact.angle[pair])
    # Rounded, since pixels often lie exactly on a limit.
    return (dx * cosine + dy * sine).round(6), (dy * cosine - dx * sine).round(6)
