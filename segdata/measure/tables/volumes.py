"""Volumes: parts and holes of things in three dimensions, from links between neighbouring slices."""

from collections.abc import Sequence
from functools import partial

import msgspec
import numpy as np

from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Flags, HoleStrips, Ints, NumberLine, Runs, hole_strips, label_parts
from segdata.core.statistics import linked_groups
from segdata.core.table import Table
from segdata.measure.registry import measure_dataset
from segdata.measure.sequences import ColumnArrays, DatasetView, FrameSequence, FrameWindow, TablesByName
from segdata.measure.tables.video import track_ids

_BOX = ("x", "y", "width", "height")
IndexPairs = tuple[Ints, Ints]


@measure_dataset(
    "volumes",
    tables={
        "solids": ("segment", "thing", "area", *_BOX, "cluster", "cut", "slices", "whole"),
        "cavities": ("segment", "thing", "area", *_BOX, "empty", "whole"),
        "skips": ("before", "after", "annotation", "shared", "smaller", *_BOX),
    },
    reloads=True,
)
def measure_volumes(view: DatasetView) -> dict[str, Table | list[ColumnArrays]]:
    """The tables of parts and holes in three dimensions; needs the columns of the family `shapes`."""
    volumes = view.sequences("volume")
    if not volumes:
        return {}
    numbers = PartNumbers.from_segments(view.tables["segments"])
    links = view.map_windows(volumes, partial(link_slices, numbers=numbers))
    solids = measure_solids(view.tables, volumes, links)
    cavities = measure_cavities(view.tables, volumes, links, solids)
    return {"solids": solids, "cavities": cavities, "skips": [link.skips for link in links]}


class PartNumbers(msgspec.Struct, frozen=True):
    """The first part and hole of each segment, numbered over the whole dataset; and its track, -1 for none."""

    part: Ints
    hole: Ints
    holes: Ints
    track: Ints

    @staticmethod
    def from_segments(segments: Table) -> "PartNumbers":
        """The numbers for the table of all segments."""
        parts, holes = (np.concatenate([[0], np.cumsum(segments[name])]) for name in ("parts", "holes"))
        return PartNumbers(parts, holes, segments["holes"], track_ids(segments))


class SliceLinks(msgspec.Struct, frozen=True):
    """The links between parts and holes of successive slices, numbered over the whole dataset."""

    faces: IndexPairs  # pairs of parts of neighbouring slices that share a face
    touching: IndexPairs  # pairs of those that share a corner at least
    joined: IndexPairs  # pairs of holes of neighbouring slices that share a corner at least
    open: Ints  # holes that reach out of their thing
    skips: ColumnArrays  # rows of the table `skips`


def link_slices(window: FrameWindow, numbers: PartNumbers) -> SliceLinks:
    """Link the parts and holes of a window; a thing has one category and track in one volume."""
    category = window.batch.segment_category
    things = np.stack([category, numbers.track[window.row]])
    layer = np.unique(things, axis=1, return_inverse=True)[1].astype(np.int64)
    parts = _SliceParts.from_window(window, numbers, layer)
    own = window.own & window.adjoining
    before, here = parts.side(1, own), parts.side(0, own)
    faces = _numbered_pairs(parts.number, _overlapping_pairs(before, here))
    widened = _widen(before, window.line(parts.n_layers))
    corners = [parts.clusters, *(_overlapping_pairs(side, here) for side in widened)]
    touching = np.concatenate([a for a, _ in corners]), np.concatenate([b for _, b in corners])
    joined, opened = _holes(window, numbers, layer)
    return SliceLinks(faces, _numbered_pairs(parts.number, touching), joined, opened, _skips(window, parts))


class _SliceParts(msgspec.Struct, frozen=True):
    """The parts of the segments of a window."""

    window: FrameWindow  # the slices
    runs: Runs  # owned by parts
    segment: Ints  # of each part
    number: Ints  # of each part, in the dataset
    layer: Ints  # of each part
    clusters: IndexPairs  # pairs of parts of one segment that corners connect

    @staticmethod
    def from_window(window: FrameWindow, numbers: PartNumbers, layer: Ints) -> "_SliceParts":
        runs, height = window.batch.runs, window.batch.segment_size[0]
        part, segment = label_parts(runs, height)
        cluster, owner = label_parts(runs, height, corners=True)
        first_part = np.zeros(len(owner), np.int64)
        first_part[cluster] = part
        first = np.searchsorted(segment, segment)  # parts are numbered in the order of their segments
        number = numbers.part[window.row[segment]] + np.arange(len(segment)) - first
        head = np.zeros(len(segment), np.int64)
        head[part] = first_part[cluster]
        own = Runs(runs.start, runs.length, part.astype(np.int32))
        return _SliceParts(window, own, segment, number, layer[segment], (np.arange(len(segment)), head))

    @property
    def n_layers(self) -> int:
        return int(self.layer.max(initial=0)) + 1

    def side(self, shift: int, frames: Flags) -> SweepRuns:
        """The parts moved `shift` slices further on the number line, so that parts of one thing lie on each other."""
        line, place = self.window.line(self.n_layers), self.window.place[self.segment]
        return self.window.side(line, shift, frames, self.layer, self.n_layers, self.runs, place)


def _widen(side: SweepRuns, line: NumberLine) -> list[SweepRuns]:
    """The runs extended by one pixel in each direction, as three sets to compare in turn."""
    room = line.height[line.frame_of(side.start)] + 1
    return [SweepRuns(side.start - 1 + by * room, side.end + 1 + by * room, side.owner) for by in (-1, 0, 1)]


def _overlapping_pairs(a: SweepRuns, b: SweepRuns) -> IndexPairs:
    """The pairs that share a pixel."""
    first, second, _ = a.overlaps_with(b)
    return first.astype(np.int64), second.astype(np.int64)


def _numbered_pairs(number: Ints, pairs: IndexPairs) -> IndexPairs:
    return number[pairs[0]], number[pairs[1]]


def _holes(window: FrameWindow, numbers: PartNumbers, layer: Ints) -> tuple[IndexPairs, Ints]:
    """The pairs of holes that belong together, and the holes that are open to the outside of their thing.

    A hole is closed if each pixel of the slices before and after that touches it, by a corner at least, belongs to the
    thing or to another of its holes.
    """
    batch, n_layers = window.batch, int(layer.max(initial=0)) + 1
    height = batch.segment_size[0]
    strips = hole_strips(batch.runs, height, (numbers.holes[window.row] > 0) & (window.place >= 0))
    runs, segment, number = _hole_runs(strips, height, numbers, window)
    if len(segment) == 0:
        return (number, number), number
    line, place = window.line(n_layers), window.place[segment]
    laid = partial(window.side, line, layer=layer[segment], n_layers=n_layers, runs=runs, owner_place=place)
    own = window.own[place]
    is_open, joined = np.zeros(len(segment), bool), []
    following = np.concatenate([window.adjoining[1:], [False]])
    for shift, frames in ((1, window.adjoining), (-1, following)):
        thing = window.side(line, 0, frames, layer, n_layers)
        other = laid(0, frames)
        start, end = (np.concatenate(pair) for pair in ((thing.start, other.start), (thing.end, other.end)))
        order = np.argsort(start, kind="stable")
        start, length, _ = kernels.cover(start[order], end[order])
        within = SweepRuns(start, start + length, np.zeros(len(start), np.int32))
        wide, inside = np.zeros(len(segment), np.int64), np.zeros(len(segment), np.int64)
        for side in _widen(laid(shift, frames), line):
            hole, _, _, length = side.strips_with(within)
            np.add.at(wide, side.owner, side.end - side.start)
            np.add.at(inside, hole, length)
            if shift == 1:
                joined.append(_overlapping_pairs(side, other))
        is_open |= (inside < wide) | (wide == 0)
    pairs = tuple(np.concatenate([piece[k] for piece in joined]) for k in (0, 1))
    mine = own[pairs[1]]
    return _numbered_pairs(number, (pairs[0][mine], pairs[1][mine])), number[is_open & own]


def _hole_runs(strips: HoleStrips, height: Ints, numbers: PartNumbers, window: FrameWindow) -> tuple[Runs, Ints, Ints]:
    """The holes' runs (the owner is the hole), their segments, and their numbers in the dataset."""
    segment = np.zeros(int(strips.hole.max(initial=-1)) + 1, np.int64)
    segment[strips.hole] = strips.owner
    number = numbers.hole[window.row[segment]] + np.arange(len(segment)) - np.searchsorted(segment, segment)
    start = strips.x * height[strips.owner] + strips.top
    return Runs(start, strips.bottom - strips.top, strips.hole.astype(np.int32)), segment, number


def _skips(window: FrameWindow, parts: _SliceParts) -> ColumnArrays:
    """The table `skips`: overlapping parts of one thing in two slices, without a part in the slice between.

    before, after (segment rows), annotation (row, of the slice between), shared: the pixels that they share; smaller:
    those of the smaller one; the box of what they share.
    """
    frames = window.is_between & window.adjoining
    frames[:-1] &= window.adjoining[1:]
    before, here, after = (parts.side(shift, frames) for shift in (1, 0, -1))
    before = _without_owners(before, _overlapping_pairs(before, here)[0])
    after = _without_owners(after, _overlapping_pairs(here, after)[1])
    a, b, start, length = before.strips_with(after)
    n = max(len(parts.segment), 1)
    pair, label = np.unique(a.astype(np.int64) * n + b, return_inverse=True)
    first, second = np.divmod(pair, n)
    _, x, y = window.line(parts.n_layers).lower(start)
    shared, *box = kernels.extents(label.astype(np.int64), x, y, y + length, len(pair))
    area = np.bincount(parts.runs.owner, weights=parts.runs.length, minlength=n).astype(np.int64)
    return {
        "before": window.row[parts.segment[first]],
        "after": window.row[parts.segment[second]],
        "annotation": window.annotation[window.place[parts.segment[first]] + 1],
        "shared": shared,
        "smaller": np.minimum(area[first], area[second]),
        **dict(zip(_BOX, box, strict=True)),
    }


def _without_owners(side: SweepRuns, owners: Ints) -> SweepRuns:
    kept = ~np.isin(side.owner, owners)
    return side.take(kept)


def measure_solids(tables: TablesByName, volumes: list[FrameSequence], pieces: Sequence[SliceLinks]) -> Table:
    """The table `solids`: the parts of things in volumes, connected by faces of voxels.

    segment: the row of the one that has most of it; thing: numbered from 0; area: voxels; cluster: voxels of the
    region, connected by corners, that it belongs to; cut: this region is at the frame of a slice, or at the edge of its
    region of interest; slices: how many it is in; whole: the thing's voxels; box: on the slice of `segment`.
    """
    segments, parts, images = tables["segments"], tables["parts"], tables["images"]
    thing = _things(segments, volumes)
    owner = np.repeat(np.arange(len(segments)), segments["parts"])
    several = (segments["parts"] > 1)[owner]
    shape = {name: segments[name][owner].astype(np.int64) for name in ("area", *_BOX)}
    for name, values in shape.items():
        values[several] = parts[name]
    wide, high = (images[name][segments["image"]][owner] for name in ("width", "height"))
    cut = np.minimum(shape["x"], shape["y"]) == 0
    cut |= (shape["x"] + shape["width"] == wide) | (shape["y"] + shape["height"] == high)
    cut[several] = parts["cut"]
    rows = np.flatnonzero(thing[owner] >= 0)
    faces = _components(len(owner), rows, [piece.faces for piece in pieces])
    corners = _components(len(owner), rows, [piece.touching for piece in pieces])
    joint = Table({"segment": owner[rows], "thing": thing[owner[rows]], **{k: v[rows] for k, v in shape.items()}})
    cluster = np.bincount(corners, weights=joint["area"]).astype(np.int64)[corners]
    solids = _merge_by_group(joint.beside(cluster=cluster, cut=(np.bincount(corners, cut[rows]) > 0)[corners]), faces)
    in_slices = np.unique(np.stack([faces, segments["image"][owner[rows]]]), axis=1)[0]
    voxels = np.bincount(solids["thing"], weights=solids["area"]).astype(np.int64)[solids["thing"]]
    return solids.beside(slices=np.bincount(in_slices, minlength=len(solids)), whole=voxels)


def measure_cavities(
    tables: TablesByName, volumes: list[FrameSequence], pieces: Sequence[SliceLinks], solids: Table
) -> Table:
    """The table `cavities`: the holes of things in volumes, connected by corners of voxels, that are closed all round.

    segment: the row of the one that has most of it; thing, whole: as in `solids`; area:
    voxels; empty: no segment claims a voxel of it; box: on the slice of `segment`.
    """
    segments, holes = tables["segments"], tables["holes"]
    thing = _things(segments, volumes)[holes["segment"]]
    rows = np.flatnonzero(thing >= 0)
    group = _components(len(holes), rows, [piece.joined for piece in pieces])
    opened = np.isin(rows, np.concatenate([np.empty(0, np.int64), *(piece.open for piece in pieces)]))
    filled = ~holes["empty"][rows]
    names = ("segment", "area", *_BOX)
    cavities = _merge_by_group(Table({name: holes[name][rows] for name in names}).beside(thing=thing[rows]), group)
    is_open = np.bincount(group, weights=opened, minlength=len(cavities)) > 0
    empty = np.bincount(group, weights=filled, minlength=len(cavities)) == 0
    total = np.zeros(int(thing.max(initial=-1)) + 1, np.int64)
    in_range = solids["thing"] < len(total)
    total[solids["thing"][in_range]] = solids["whole"][in_range]
    return cavities.beside(empty=empty, whole=total[cavities["thing"]]).take(~is_open)


def _things(segments: Table, volumes: list[FrameSequence]) -> Ints:
    """(n_segments,) the number of the thing of which a segment is a slice; -1 outside volumes."""
    volume_of = np.full(int(segments["annotation"].max(initial=-1)) + 1, -1, np.int64)
    for number, volume in enumerate(volumes):
        inside = volume.annotation[volume.annotation < len(volume_of)]
        volume_of[inside] = number
    thing = np.full(len(segments), -1, np.int64)
    rows = np.flatnonzero(volume_of[segments["annotation"]] >= 0)
    columns_ = volume_of[segments["annotation"]], segments["category_id"], track_ids(segments)
    thing[rows] = np.unique(np.stack([column[rows] for column in columns_]), axis=1, return_inverse=True)[1]
    return thing


def _components(n: int, rows: Ints, pairs: list[IndexPairs]) -> Ints:
    """(n_rows,) the connected component of some of n nodes in the graph of `pairs`, numbered from 0."""
    a, b = (np.concatenate([np.empty(0, np.int64), *(pair[k] for pair in pairs)]) for k in (0, 1))
    _, number = np.unique(linked_groups(n, a, b)[rows], return_inverse=True)
    return number.astype(np.int64)


def _merge_by_group(things: Table, group: Ints) -> Table:
    """One row per group: the sum of `area`, and everything else from its row with the largest area, or the first."""
    order = np.lexsort((-things["area"], group))
    first = order[np.searchsorted(group[order], np.arange(int(group.max(initial=-1)) + 1))]
    return things.take(first).beside(area=np.bincount(group, weights=things["area"]).astype(np.int64))
