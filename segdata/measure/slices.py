"""Slices: how what is drawn on one slice of a volume goes on in the slices before and after it."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.meet import Side
from segdata.core.parts import HoleStrips, hole_strips
from segdata.core.runs import Ints, Runs, columns
from segdata.core.table import Table
from segdata.measure.stretch import Columns, Stretch
from segdata.measure.tracks import tracks_of

_BOX = ("x", "y", "width", "height")
Flags = NDArray[np.bool_]
Pairs = tuple[Ints, Ints]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where the parts and holes of each segment begin, numbered over the whole dataset; and its track, -1 for none."""

    part: Ints
    hole: Ints
    holes: Ints
    track: Ints

    @staticmethod
    def of(segments: Table) -> "Numbers":
        """Those of a dataset's segments."""
        parts, holes = (np.concatenate([[0], np.cumsum(segments[name])]) for name in ("parts", "holes"))
        return Numbers(parts, holes, segments["holes"], tracks_of(segments))


@dataclass(frozen=True, slots=True)
class Slices:
    """What successive slices tell of parts and holes, numbered over the whole dataset.

    Attributes
    ----------
    faces, touching : pairs of parts of neighbouring slices that share a face, and a corner at least
    joined : pairs of holes of neighbouring slices that share a corner at least
    open : holes that reach out of their thing
    skips : rows of the table `skips`
    """

    faces: Pairs
    touching: Pairs
    joined: Pairs
    open: Ints
    skips: Columns


def slices(stretch: Stretch, numbers: Numbers) -> Slices:
    """What a stretch of slices tells; a thing is what has one category and track in one volume."""
    category = stretch.batch.segments["category_id"].to_numpy()
    things = np.stack([category, numbers.track[stretch.row]])
    layer = np.unique(things, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)
    parts = _Parts.of(stretch, numbers, layer)
    own = stretch.own & stretch.adjoining
    before, here = parts.side(1, own), parts.side(0, own)
    faces = _met(before, here)
    corners = [parts.clusters, *(_met(each, here) for each in _widened(before, parts))]
    joined, opened = _holes(stretch, numbers, layer)
    return Slices(
        _named(parts.number, faces),
        _named(parts.number, (np.concatenate([a for a, _ in corners]), np.concatenate([b for _, b in corners]))),
        joined,
        opened,
        _skips(stretch, parts),
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a stretch's segments.

    Attributes
    ----------
    stretch : the slices
    runs : whose owner is the part
    segment, number, layer : of each part; `number` is that in the dataset
    clusters : pairs of parts of one segment that corners connect
    """

    stretch: Stretch
    runs: Runs
    segment: Ints
    number: Ints
    layer: Ints
    clusters: Pairs

    @staticmethod
    def of(stretch: Stretch, numbers: Numbers, layer: Ints) -> "_Parts":
        runs = stretch.batch.runs
        x, top = columns(runs, stretch.batch.segment_size[0])
        part = kernels.parts(x, top, top + runs.length, runs.owner, False)[0]
        cluster = kernels.parts(x, top, top + runs.length, runs.owner, True)[0]
        segment = np.zeros(int(part.max(initial=-1)) + 1, np.int64)
        segment[part] = runs.owner
        first_part = np.zeros(int(cluster.max(initial=-1)) + 1, np.int64)
        first_part[cluster] = part
        first = np.searchsorted(segment, segment)  # parts are numbered in the order of their segments
        number = numbers.part[stretch.row[segment]] + np.arange(len(segment)) - first
        head = np.zeros(len(segment), np.int64)
        head[part] = first_part[cluster]
        own = Runs(runs.start, runs.length, part.astype(np.int32))
        return _Parts(stretch, own, segment, number, layer[segment], (np.arange(len(segment)), head))

    @property
    def n_layers(self) -> int:
        return int(self.layer.max(initial=0)) + 1

    def side(self, shift: int, at: Flags) -> Side:
        """The parts laid `shift` slices further, those of one thing over those of the same."""
        line, place = self.stretch.line(self.n_layers), self.stretch.place[self.segment]
        return self.stretch.side(line, shift, at, self.layer, self.n_layers, self.runs, place)


def _widened(side: Side, parts: _Parts) -> list[Side]:
    """A side whose runs reach one pixel further in each direction, as three that may be met one after the other."""
    line = parts.stretch.line(parts.n_layers)
    room = line.height[line.frame_of(side.start)] + 1
    return [Side(side.start - 1 + by * room, side.end + 1 + by * room, side.owner) for by in (-1, 0, 1)]


def _met(a: Side, b: Side) -> Pairs:
    """The pairs that share a pixel."""
    first, second, _, length = kernels.strips(a.start, a.end, a.owner, b.start, b.end, b.owner)
    first, second, _ = kernels.tally(first, second, length)
    return first.astype(np.int64), second.astype(np.int64)


def _named(number: Ints, pairs: Pairs) -> Pairs:
    return number[pairs[0]], number[pairs[1]]


def _holes(stretch: Stretch, numbers: Numbers, layer: Ints) -> tuple[Pairs, Ints]:
    """The pairs of holes that belong together, and the holes that reach out of their thing.

    What surrounds a hole is wholly within it where each pixel of the slices before and after that touches it, by a
    corner at least, is the thing's or another hole of it.
    """
    batch, n_layers = stretch.batch, int(layer.max(initial=0)) + 1
    height = batch.segment_size[0]
    strips = hole_strips(batch.runs, height, (numbers.holes[stretch.row] > 0) & (stretch.place >= 0))
    runs, segment, number = _hole_runs(strips, height, numbers, stretch)
    if len(segment) == 0:
        return (number, number), number
    line, place = stretch.line(n_layers), stretch.place[segment]
    laid = partial(stretch.side, line, layer=layer[segment], n_layers=n_layers, runs=runs, owner_place=place)
    own = stretch.own[place]
    is_open, joined = np.zeros(len(segment), bool), []
    following = np.concatenate([stretch.adjoining[1:], [False]])
    for shift, at in ((1, stretch.adjoining), (-1, following)):
        thing = stretch.side(line, 0, at, layer, n_layers)
        other = laid(0, at)
        start, end = (np.concatenate(pair) for pair in ((thing.start, other.start), (thing.end, other.end)))
        order = np.argsort(start, kind="stable")
        start, length, _ = kernels.cover(start[order], end[order])
        within = Side(start, start + length, np.zeros(len(start), np.int32))
        wide, inside = np.zeros(len(segment), np.int64), np.zeros(len(segment), np.int64)
        source = laid(shift, at)
        room = line.height[line.frame_of(source.start)] + 1
        for by in (-1, 0, 1):
            side = Side(source.start - 1 + by * room, source.end + 1 + by * room, source.owner)
            hole, _, _, length = kernels.strips(*_columns(side), *_columns(within))
            np.add.at(wide, side.owner, side.end - side.start)
            np.add.at(inside, hole, length)
            if shift == 1:
                joined.append(_met(side, other))
        is_open |= (inside < wide) | (wide == 0)
    pairs = tuple(np.concatenate([each[k] for each in joined]) for k in (0, 1))
    mine = own[pairs[1]]
    return _named(number, (pairs[0][mine], pairs[1][mine])), number[is_open & own]


def _hole_runs(strips: HoleStrips, height: Ints, numbers: Numbers, stretch: Stretch) -> tuple[Runs, Ints, Ints]:
    """The holes' runs (the owner is the hole), their segments, and their numbers in the dataset."""
    segment = np.zeros(int(strips.hole.max(initial=-1)) + 1, np.int64)
    segment[strips.hole] = strips.owner
    number = numbers.hole[stretch.row[segment]] + np.arange(len(segment)) - np.searchsorted(segment, segment)
    start = strips.x * height[strips.owner] + strips.top
    return Runs(start, strips.bottom - strips.top, strips.hole.astype(np.int32)), segment, number


def _columns(side: Side) -> tuple[Ints, Ints, NDArray[np.int32]]:
    return side.start, side.end, side.owner


def _skips(stretch: Stretch, parts: _Parts) -> Columns:
    """The table `skips`: parts of one thing over each other in two slices, neither of which goes on in the one between.

    before, after (segment rows), annotation (row, of the slice between), shared: the pixels that they share; smaller:
    those of the smaller one; the box of what they share.
    """
    at = stretch.between & stretch.adjoining
    at[:-1] &= stretch.adjoining[1:]
    before, here, after = (parts.side(shift, at) for shift in (1, 0, -1))
    before = _only(before, ~np.isin(before.owner, _met(before, here)[0]))
    after = _only(after, ~np.isin(after.owner, _met(here, after)[1]))
    a, b, start, length = kernels.strips(*_columns(before), *_columns(after))
    n = max(len(parts.segment), 1)
    pair, label = np.unique(a.astype(np.int64) * n + b, return_inverse=True)
    first, second = np.divmod(pair, n)
    _, x, y = stretch.line(parts.n_layers).lower(start)
    shared, *box = kernels.extents(label.reshape(-1).astype(np.int64), x, y, y + length, len(pair))
    area = np.bincount(parts.runs.owner, weights=parts.runs.length, minlength=n).astype(np.int64)
    return {
        "before": stretch.row[parts.segment[first]],
        "after": stretch.row[parts.segment[second]],
        "annotation": stretch.annotation[stretch.place[parts.segment[first]] + 1],
        "shared": shared,
        "smaller": np.minimum(area[first], area[second]),
        **dict(zip(_BOX, box, strict=True)),
    }


def _only(side: Side, kept: Flags) -> Side:
    return Side(side.start[kept], side.end[kept], side.owner[kept])
