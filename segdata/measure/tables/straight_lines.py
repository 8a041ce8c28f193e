"""Straight lines: flat ends, outlines in stairs and straight seams, and thin lines that are drawn in pieces."""

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.overlay import SweepRuns
from segdata.core.runs import (
    Flags,
    Floats,
    Ints,
    NumberLine,
    Runs,
    expand_ranges,
    label_parts,
    run_columns,
    unique_inverse,
)
from segdata.measure.registry import BatchView, measure
from segdata.measure.tables.lobes import Mask, SegmentCrops

_Crop = tuple[Mask, int, int]  # of a segment: its mask, and x and y of its box

SHORTEST_SEAM = 6.0  # pixels of contact
LARGEST_DEVIATION = 0.35  # pixels root mean square; a digital straight line of any slope is within 0.3
_MIRRORED_PIXELS = 900  # of the box of a large segment: its share is then within 0.05 of that of all pixels
_ASTRAY_PIXELS = 20_000  # the same: its share beyond a line is then within 0.005
_MAX_SIBLINGS_COMPARED = 300  # with more, boxes are not compared one by one
MIN_SLENDERNESS = 2.0  # length over breadth of a piece: rounder ones have no direction
WIDEST_GAP = 1.5  # between two pieces, over the length of the shorter one
_MIN_COSINE = np.cos(np.radians(20))  # between the directions of two pieces
_MAX_PIECES = 300  # of a segment that are compared, the largest first
MIN_MARGIN, MIN_CROSSED = 8, 4  # columns or rows of a margin, and segments that cross each
_MIN_KINDS = 4  # different columns or rows of a mirrored margin


@measure("ends", tables={"ends": {"segment": "segments"}})
def measure_ends(view: BatchView) -> pa.Table:
    """The table `ends`: flat ends of segments, along a row or column of pixels that is not the frame.

    segment (row), upright (the line is), at (its x or y, in pixels from the image's top left corner), length (the
    pixels by which the segment is wider on one side of the line), begins (it lies right of the line, or below). Ends of
    segments that bend, as of discs, are none: there the width goes on to change. Crowds are left out.
    """
    ends = view.walk.ends
    rows = np.flatnonzero(~view.batch.segment_is_crowd[ends.segment])
    return pa.table(
        {
            "segment": ends.segment[rows],
            "upright": ends.upright[rows],
            "at": ends.at[rows],
            "length": np.abs(ends.step[rows]),
            "begins": ends.step[rows] > 0,
        }
    )


@measure("steps", tables={"steps": {"segment": "segments"}})
def measure_steps(view: BatchView) -> pa.Table:
    """The table `steps`: segments whose outline never changes in two neighbouring columns, nor in two rows.

    segment (row), across and down: the narrowest distance in pixels between two columns (rows) at which the outline
    changes; n_across and n_down: at how many it does. Edges along the frame do not count.
    """
    runs, (height, width) = view.batch.runs, view.batch.segment_size
    across, n_across, down, n_down = kernels.even_steps(runs.start, runs.length, runs.owner, height, width)
    even = np.flatnonzero(across)
    return pa.table(
        {
            "segment": even,
            "across": across[even],
            "down": down[even],
            "n_across": n_across[even],
            "n_down": n_down[even],
        }
    )


@measure("seams", tables={"seams": {"a": "segments", "b": "segments"}})
def measure_seams(view: BatchView) -> pa.Table:
    """The table `seams`: pairs a < b of segments of one annotation and category that touch along a straight line.

    length: of the contact, in pixels. deviation: of its pixel edges from the straight line through them, root mean
    square, in pixels. flush: the contact's length over the width that both segments have beside it, or the reverse,
    whichever is smaller, and of the side where it is smaller; 1 where both end as the contact does. waist: the width a
    bit farther out over the contact's length, on the side where it is smaller; above 1 both widen, as two touching
    discs do. astray: the share of pixels on the other's side of the line, of the segment where it is larger. mirrored:
    the intersection over union of one segment and the mirror image of the other within the frame, whichever way it is
    larger. And x, y, width, height: the box of the contact. Crowds are left out.
    """
    batch = view.batch
    rows, begin, end = siblings(batch, view.tables["segments"])
    runs = batch.runs.take(rows, batch.n_segments)
    x, _ = run_columns(runs, batch.segment_size[0][rows])
    near = (x >= begin[runs.owner]) & (x <= end[runs.owner])
    line = view.line
    nearby = Runs(runs.start[near], runs.length[near], runs.owner[near])
    side = SweepRuns.from_runs(nearby, line, batch.segment_annotation[rows])
    contact = _seam_contacts(side, line, batch.segment_category[rows])
    is_straight = (contact.length >= SHORTEST_SEAM) & (contact.deviation <= LARGEST_DEVIATION)
    straight = np.flatnonzero(is_straight & (contact.length <= 1.05 * contact.edges))  # longer than its edges: gaps
    *ends, mirrored = np.empty((4, 0))
    if len(straight):
        height, width = (side[rows] for side in batch.segment_size)
        windows = SegmentCrops(runs, height)
        measured = []
        for pair in straight.tolist():
            first = int(contact.a[pair])
            crops = [windows.place(segment) for segment in (first, int(contact.b[pair]))]
            frame = np.array([width[first], height[first]])
            measured.append((*_seam_ends(crops, contact, pair), _mirrored(crops, frame, contact, pair)))
        *ends, mirrored = np.array(measured).round(6).T
    return pa.table(
        {
            "a": rows[contact.a[straight]].astype(np.int64),
            "b": rows[contact.b[straight]].astype(np.int64),
            "length": contact.length[straight],
            "deviation": contact.deviation[straight],
            **dict(zip(("flush", "waist", "astray"), ends, strict=True)),
            "mirrored": mirrored,
            **{name: contact.box[i][straight] for i, name in enumerate(("x", "y", "width", "height"))},
        }
    )


def siblings(batch: Batch, segments: pa.Table) -> tuple[Ints, Ints, Ints]:
    """The segments, ascending, whose box touches that of another of the same annotation and category, without crowds.

    Also returns the first and last column of the image in which each can touch another.
    """
    group, size = _sibling_groups(batch)
    rows = np.flatnonzero(size > 1)
    order = rows[np.argsort(group[rows], kind="stable")]
    count = size[order]
    crowded = count > _MAX_SIBLINGS_COMPARED
    # Compare every member of a group with every earlier one.
    begins = np.searchsorted(group[order], group[order])
    earlier = np.where(crowded, 0, np.arange(len(order)) - begins)
    first = order[expand_ranges(begins, earlier)]
    second = np.repeat(order, earlier)
    x, y, width, height = (segments[name].to_numpy() for name in ("x", "y", "width", "height"))
    near = (x[first] <= x[second] + width[second]) & (x[second] <= x[first] + width[first])
    near &= (y[first] <= y[second] + height[second]) & (y[second] <= y[first] + height[first])
    first, second = first[near], second[near]
    begin, end = np.full(batch.n_segments, np.iinfo(np.int64).max), np.full(batch.n_segments, -1)
    begin[order[crowded]], end[order[crowded]] = 0, np.iinfo(np.int64).max
    for side in (first, second):
        np.minimum.at(begin, side, np.maximum(x[first], x[second]) - 1)
        np.maximum.at(end, side, np.minimum(x[first] + width[first], x[second] + width[second]))
    rows_found = np.flatnonzero(end >= 0).astype(np.int64)
    return rows_found, begin[rows_found], end[rows_found]


def _sibling_groups(batch: Batch) -> tuple[Ints, Ints]:
    """The group (annotation and category) of each segment, and its size; 0 for crowds and empty segments."""
    offset = batch.runs.offsets(batch.n_segments)
    counts = (np.diff(offset) > 0) & ~batch.segment_is_crowd
    _, category = unique_inverse(batch.segment_category)
    key = batch.segment_annotation.astype(np.int64) * (int(category.max(initial=0)) + 1) + category
    _, group = unique_inverse(key)
    size = np.bincount(group[counts], minlength=int(group.max(initial=-1)) + 1)
    return group.astype(np.int64), np.where(counts, size[group], 0)


class _SeamContacts(msgspec.Struct, frozen=True):
    """The contacts of pairs a < b, and the straight line that fits the pixel edges of each best."""

    a: Ints  # (n,) rows
    b: Ints  # (n,) rows
    edges: Floats  # (n,) pixel edges
    x: Floats  # (n,) the middle of the edges, in pixels from the image's left
    y: Floats  # (n,) and from its top
    angle: Floats  # (n,) of the line, in radians from the x axis
    length: Floats  # (n,) see `measure_seams`
    deviation: Floats  # (n,) see `measure_seams`
    box: tuple[Ints, Ints, Ints, Ints]  # x, y, width and height (n,) in pixels


def _seam_contacts(side: SweepRuns, line: NumberLine, category: Ints) -> _SeamContacts:
    """The contacts between segments of one category, sorted by pair."""
    a, b, rows = kernels.contacts(side.start, side.end, side.owner, line.base, line.height, category)
    left, top, wide, high, n_edges = rows[:5]
    edges = n_edges.astype(np.float64)
    u, v, uu, vv, uv = (total / times / edges for total, times in zip(rows[5:], (2, 2, 3, 3, 4), strict=True))
    uu, vv, uv = uu - u * u, vv - v * v, uv - u * v
    mean, half = (uu + vv) / 2, np.hypot((uu - vv) / 2, uv)
    return _SeamContacts(
        a.astype(np.int64),
        b.astype(np.int64),
        edges,
        u + left,
        v + top,
        np.arctan2(2 * uv, uu - vv) / 2,
        # Of a line with this variance along it; rounded, so that an upright one of 8 pixels is 8.
        np.sqrt(12 * np.maximum(mean + half, 0)).round(6),
        np.sqrt(np.maximum(mean - half, 0)).round(6),
        (left, top, wide, high),
    )


def _seam_ends(crops: Sequence[_Crop], contact: _SeamContacts, pair: int) -> tuple[float, float, float]:
    """Flush, waist and astray of a pair; see `measure_seams`."""
    length = float(contact.length[pair])
    inner, outer = max(1, round(0.12 * length)), max(3, round(0.3 * length))
    flush, waist, astray = 1.0, np.inf, 0.0
    for crop in crops:
        along, across = _rotate_to_seam(*_crop_beside(crop, contact, pair, length, (-2, 2)), contact, pair)
        here = np.abs(across) <= 2
        sign = -1 if across[here & (np.abs(along) < length / 2)].sum() < 0 else 1
        beside = ((sign * across > 0) & here & (np.abs(along) < length)).sum() / 2
        band = _crop_beside(crop, contact, pair, 1.5 * length, (sign * inner, sign * outer))
        along, across = _rotate_to_seam(*band, contact, pair)
        across = sign * across
        farther = ((across > inner) & (across <= outer) & (np.abs(along) < 1.5 * length)).sum() / (outer - inner)
        flush = min(flush, length / max(beside, 0.5), beside / length)
        waist = min(waist, farther / length)
        step = max(1, math.isqrt(crop[0].size // _ASTRAY_PIXELS))
        if not crop[0][::step, ::step].any():  # thinner than a step
            step = 1
        across = sign * _rotate_to_seam(*crop, contact, pair, step)[1]
        astray = max(astray, float((across < -1.5).mean()))
    return flush, waist, astray


def _crop_beside(
    crop: _Crop, contact: _SeamContacts, pair: int, along: float, across: tuple[float, float]
) -> tuple[Mask, int, int]:
    """The part of a segment's crop around all pixels that lie so far along the contact's line, either way, and across.

    See `_rotate_to_seam`; the part is a rectangle of rows and columns, so that other pixels are in it as well.
    """
    mask, left, top = crop
    cosine, sine = np.cos(contact.angle[pair]), np.sin(contact.angle[pair])
    corners = [(one, other) for one in (-along, along) for other in across]
    x = [contact.x[pair] + one * cosine - other * sine - left for one, other in corners]
    y = [contact.y[pair] + one * sine + other * cosine - top for one, other in corners]
    first, above = (max(0, math.floor(min(side)) - 1) for side in (x, y))
    last, below = (max(0, math.ceil(max(side)) + 1) for side in (x, y))
    return mask[above:below, first:last], left + first, top + above


def _rotate_to_seam(
    mask: Mask, left: int, top: int, contact: _SeamContacts, pair: int, step: int = 1
) -> tuple[Floats, Floats]:
    """The centres of a mask's pixels, of every `step`-th row and column, along and across the contact's line.

    Both are in pixels, from the middle of the contact.
    """
    y, x = step * np.stack(np.nonzero(mask[::step, ::step]))
    dx, dy = x + (left + 0.5 - contact.x[pair]), y + (top + 0.5 - contact.y[pair])
    cosine, sine = np.cos(contact.angle[pair]), np.sin(contact.angle[pair])
    # Rounded, since pixels often lie exactly on a limit.
    return (dx * cosine + dy * sine).round(6), (dy * cosine - dx * sine).round(6)


def _mirrored(crops: Sequence[_Crop], frame: Ints, contact: _SeamContacts, pair: int) -> float:
    """How much a segment and the other one's mirror image in the contact's line share; see `measure_seams`.

    Every k-th row and column of a large segment is looked at, some `_MIRRORED_PIXELS` pixels.
    """
    normal = np.array([-np.sin(contact.angle[pair]), np.cos(contact.angle[pair])])
    middle = np.array([contact.x[pair], contact.y[pair]])
    n_inside, n_shared = [], []
    for (mask, left, top), (other, *corner) in (crops, crops[::-1]):
        step = max(1, math.isqrt(mask.size // _MIRRORED_PIXELS))
        y, x = step * np.stack(np.nonzero(mask[::step, ::step]))
        centre = np.stack([x + left, y + top], axis=1) + 0.5
        # Rounded, since the mirrored middle of a pixel often lies on a border between two.
        image = np.floor((centre - 2 * ((centre - middle) @ normal)[:, None] * normal).round(6)).astype(np.int64)
        n_inside.append(step**2 * int(((image >= 0) & (image < frame)).all(axis=1).sum()))
        x, y = (image - corner).T
        within = (x >= 0) & (x < other.shape[1]) & (y >= 0) & (y < other.shape[0])
        n_shared.append(step**2 * int(other[y[within], x[within]].sum()))
    areas = [int(mask.sum()) for mask, _, _ in crops]
    return max(
        shared / max(inside + area - shared, 1)
        for shared, inside, area in zip(n_shared, n_inside, areas[::-1], strict=True)
    )


@measure("dashes", tables={"dashes": {"segment": "segments"}})
def measure_dashes(view: BatchView) -> pa.Table:
    """The table `dashes`: segments of `thin` categories with at least three pieces in line.

    segment (row), pieces: how many lie in line with another one, between: how many of them lie between two, gap: the
    widest gap between neighbours in pixels, rounded up, and x, y, width, height: the box of these pieces. A piece is
    8-connected; two lie in line where either's middle is on the other's axis. Crowds are left out.
    """
    batch = view.batch
    thin = [category.id for category in view.taxonomy.categories if category.thin]
    is_thin = np.isin(batch.segment_category, thin)
    rows = np.flatnonzero(is_thin & ~batch.segment_is_crowd)
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
    """The slender pieces of segments, as rectangles with the centroid and moments of the piece."""

    owner: Ints  # (n,) ascending
    x: Floats  # (n,) the middle, in pixels from the image's left
    y: Floats  # (n,) and from its top
    dx: Floats  # (n,) the direction, of length 1
    dy: Floats  # (n,) of upright ones up or down
    length: Floats  # (n,) pixels
    breadth: Floats  # (n,) pixels
    left: Ints  # (n,) the box, half open
    top: Ints  # (n,)
    right: Ints  # (n,)
    bottom: Ints  # (n,)

    def along(self, piece: Ints, other: Ints) -> Floats:
        """(p,) the offset of each other piece's centroid along the direction of `piece`, in pixels."""
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
        slender = (length >= MIN_SLENDERNESS * breadth)[order]
        kept = order[slender & (place < _MAX_PIECES)]
        _, left, upper, wide, high = kernels.extents(label, x, top, bottom, n)
        columns = (u, v, np.cos(angle), np.sin(angle), length, breadth, left, upper, left + wide, upper + high)
        return _Pieces(owner[kept], *(column[kept] for column in columns))


def _in_line(pieces: _Pieces) -> tuple[Ints, Ints, Floats]:
    """Pairs of pieces a and b of one owner that lie in line, and the gap between them in pixels."""
    begins = np.searchsorted(pieces.owner, pieces.owner)
    earlier = np.arange(len(pieces.owner)) - begins
    a, b = expand_ranges(begins, earlier), np.repeat(np.arange(len(pieces.owner)), earlier)
    to_x, to_y = pieces.x[b] - pieces.x[a], pieces.y[b] - pieces.y[a]
    straight = np.abs(pieces.dx[a] * pieces.dx[b] + pieces.dy[a] * pieces.dy[b]) >= _MIN_COSINE
    # Rounded, since pieces often lie exactly on a limit.
    room = (np.maximum(np.maximum(pieces.breadth[a], pieces.breadth[b]), 2) / 2 + 0.5).round(6)
    for side in (a, b):
        straight &= np.abs(to_x * pieces.dy[side] - to_y * pieces.dx[side]).round(6) <= room
    gap = (np.abs(pieces.along(a, b)) - (pieces.length[a] + pieces.length[b]) / 2).round(6)
    straight &= (gap > 0) & (gap <= (WIDEST_GAP * np.minimum(pieces.length[a], pieces.length[b])).round(6))
    return a[straight], b[straight], gap[straight]


@measure("margins", tables={"margins": {"annotation": "annotations"}})
def measure_margins(view: BatchView) -> pa.Table:
    """The table `margins`: what looks like padding along the sides of an image.

    annotation (row), side (0 to 3: left, top, right, bottom), width: the columns (rows) at this side that repeat the
    one before them, or, if `mirrored`, that are the mirror image of those before them. elsewhere: the most columns
    (rows) that repeat one within the image; 0 for mirrored ones. Only columns and rows count that the boxes of at least
    `MIN_CROSSED` segments cross, margins of at least `MIN_MARGIN`, and sides that as many segments reach. A mirrored
    margin is half as wide as the rest at most, or half of the image.
    """
    batch = view.batch
    segments = {name: view.tables["segments"][name].to_numpy() for name in ("x", "y", "width", "height")}
    height, width = (side.astype(np.int64)[batch.annotation_image] for side in batch.image_size)
    owner = batch.segment_annotation.astype(np.int64)
    columns = _Lines.of_segments(owner, width, segments["x"], segments["width"])
    rows = _Lines.of_segments(owner, height, segments["y"], segments["height"])
    hashes = kernels.line_hashes(
        batch.runs.start,
        batch.runs.length,
        batch.runs.owner,
        batch.segment_size[0],
        columns.first[owner],
        rows.first[owner],
        len(columns.is_crossed),
        len(rows.is_crossed),
    )
    margins = np.concatenate([columns.margins(hashes[0], 0), rows.margins(hashes[1], 1)]).T
    table = dict(zip(("annotation", "side", "width", "mirrored", "elsewhere"), margins, strict=True))
    return pa.table(table | {"mirrored": margins[3] > 0})


class _Lines(msgspec.Struct, frozen=True):
    """The columns, or the rows, of the annotations of which enough segments reach a side, one line after the other."""

    annotation: Ints  # (n,) of each line, ascending
    begin: Ints  # (n + 1,) of each line, and the end of the last; the last place of each is free
    first: Ints  # (n_annotations,) where each annotation's line begins; -1: it has none
    reach: Ints  # (2, n_annotations) how many segments reach the first and the last place
    is_crossed: Flags  # (places,) whether at least MIN_CROSSED segments cross the column or row

    @staticmethod
    def of_segments(owner: Ints, length: Ints, low: Ints, size: Ints) -> "_Lines":
        """The lines of annotations of this `length`, whose segments cover `size` places from `low` on."""
        high = low + size
        at_sides = (low == 0, high == length[owner])
        reach = np.stack([np.bincount(owner[rows], minlength=len(length)) for rows in at_sides])
        annotation = np.flatnonzero(reach.max(axis=0) >= MIN_CROSSED)
        begin = np.concatenate([[0], np.cumsum(length[annotation] + 1)])
        first = np.full(len(length), -1, np.int64)
        first[annotation] = begin[:-1]
        rows = np.flatnonzero(first[owner] >= 0)
        begins, ends = (np.bincount(first[owner[rows]] + end[rows], minlength=begin[-1]) for end in (low, high))
        return _Lines(annotation, begin, first, reach, np.cumsum(begins - ends) >= MIN_CROSSED)

    def margins(self, number: NDArray[np.uint64], axis: int) -> Ints:
        """(m, 5) the columns of the table `margins`, from a number (places,) for each column or row."""
        found: Ints = np.concatenate([self._repeated(number), *self._mirrored(number)])
        found[:, 0] = self.annotation[found[:, 0]]
        found = found[self.reach[found[:, 1] // 2, found[:, 0]] >= MIN_CROSSED]
        found[:, 1] += axis
        return found

    def _repeated(self, number: NDArray[np.uint64]) -> Ints:
        """(n, 5) line, side (0 or 2), width, 0, elsewhere: margins at both ends that repeat the place before them."""
        n, crossed = len(number), self.is_crossed
        same = np.zeros(n, bool)
        same[1:] = (number[1:] == number[:-1]) & crossed[1:] & crossed[:-1]
        same[self.begin[:-1]] = False
        breaks = np.flatnonzero(~same)
        line = np.searchsorted(self.begin, breaks, side="right") - 1
        end = self.begin[1:][line] - 1  # the free places, which no segment crosses
        stretch = np.minimum(np.diff(np.append(breaks, n)) - 1, np.maximum(end - breaks - 1, 0))
        is_first, is_last = breaks == self.begin[line], breaks + stretch + 1 == end
        inner = np.zeros(len(self.begin) - 1, np.int64)
        np.maximum.at(inner, line, np.where(is_first | is_last, 0, stretch))
        margins = [
            np.stack([line[rows], np.full(len(rows), side), stretch[rows], 0 * rows, inner[line[rows]]], axis=1)
            for side, at in ((0, is_first & ~is_last), (2, is_last & ~is_first))
            for rows in [np.flatnonzero(at & (stretch >= MIN_MARGIN))]
        ]
        return np.concatenate(margins)

    def _mirrored(self, number: NDArray[np.uint64]) -> Iterator[Ints]:
        """The same for margins that mirror the places before them, with or without the outermost one twice."""
        n, crossed = len(number), self.is_crossed
        changes = np.append(0, np.cumsum(number[1:] != number[:-1]))  # before each place
        for once in (0, 1):
            at = np.arange(MIN_MARGIN, max(n - MIN_MARGIN + 1 - once, MIN_MARGIN))
            at = at[crossed[at] & (number[at + once] == number[at - 1])]
            for step in range(1, MIN_MARGIN):
                at = at[number[at + once + step] == number[at - 1 - step]]
            line = np.searchsorted(self.begin, at, side="right") - 1
            begin, end = self.begin[line], self.begin[line + 1] - 1
            size = np.stack([at - begin, end - at - once])  # before the place and behind it; the margin is the shorter
            n_changes = np.minimum(changes[at - 1] - changes[begin], changes[end - 1] - changes[at + once])
            shorter, longer = size.min(axis=0), size.max(axis=0)
            may_be = (2 * shorter <= longer) | (longer - shorter <= 1)  # a margin, or half of the image
            may_be &= shorter >= MIN_MARGIN
            found: list[list[int]] = []
            for k in np.flatnonzero(may_be & (n_changes >= _MIN_KINDS - 1)).tolist():
                width, side = int(size[:, k].min()), 2 * int(size[1, k] < size[0, k])
                behind, before = number[at[k] + once :][:width], number[at[k] - width : at[k]][::-1]
                if np.array_equal(behind, before) and len(np.unique(behind)) >= _MIN_KINDS:
                    found.append([int(line[k]), side, width, 1, 0])
            yield np.array(found, np.int64).reshape(-1, 5)
