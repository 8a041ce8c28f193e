"""Solids: parts and holes of things in volumes, in three dimensions."""

from collections.abc import Sequence

import numpy as np

from segdata.core.reels import Reel
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.measure.slices import Pairs, Slices
from segdata.measure.stretch import Tabled
from segdata.measure.tracks import tracks_of

_BOX = ("x", "y", "width", "height")


def solids(tables: Tabled, found: list[Reel], pieces: Sequence[Slices]) -> Table:
    """The table `solids`: the parts of things in volumes, connected by faces of voxels.

    segment: the row of the one that has most of it; thing: numbered from 0; area: voxels; cluster: voxels of the
    region, connected by corners, that it belongs to; slices: how many it is in; whole: the thing's voxels; box: on the
    slice of `segment`.
    """
    segments, parts = tables["segments"], tables["parts"]
    thing = _things(segments, found)
    owner = np.repeat(np.arange(len(segments)), segments["parts"])
    several = (segments["parts"] > 1)[owner]
    shape = {name: segments[name][owner].astype(np.int64) for name in ("area", *_BOX)}
    for name, values in shape.items():
        values[several] = parts[name]
    rows = np.flatnonzero(thing[owner] >= 0)
    faces = _components(len(owner), rows, [each.faces for each in pieces])
    corners = _components(len(owner), rows, [each.touching for each in pieces])
    joint = Table({"segment": owner[rows], "thing": thing[owner[rows]], **{k: v[rows] for k, v in shape.items()}})
    cluster = np.bincount(corners, weights=joint["area"]).astype(np.int64)[corners]
    one = _merged(joint.beside(cluster=cluster), faces)
    images = np.unique(np.stack([faces, segments["image"][owner[rows]]]), axis=1)[0]
    whole = np.bincount(one["thing"], weights=one["area"]).astype(np.int64)[one["thing"]]
    return one.beside(slices=np.bincount(images, minlength=len(one)), whole=whole)


def cavities(tables: Tabled, found: list[Reel], pieces: Sequence[Slices], whole: Table) -> Table:
    """The table `cavities`: the holes of things in volumes, connected by corners of voxels, that are closed all round.

    segment: the row of the one that has most of it; thing, whole: as in `solids`, which `whole` is; area: voxels;
    empty: no segment claims a voxel of it; box: on the slice of `segment`.
    """
    segments, holes = tables["segments"], tables["holes"]
    thing = _things(segments, found)[holes["segment"]]
    rows = np.flatnonzero(thing >= 0)
    group = _components(len(holes), rows, [each.joined for each in pieces])
    opened = np.isin(rows, np.concatenate([np.empty(0, np.int64), *(each.open for each in pieces)]))
    filled = ~holes["empty"][rows]
    names = ("segment", "area", *_BOX)
    one = _merged(Table({name: holes[name][rows] for name in names}).beside(thing=thing[rows]), group)
    is_open = np.bincount(group, weights=opened, minlength=len(one)) > 0
    empty = np.bincount(group, weights=filled, minlength=len(one)) == 0
    total = np.zeros(int(thing.max(initial=-1)) + 1, np.int64)
    known = whole["thing"] < len(total)
    total[whole["thing"][known]] = whole["whole"][known]
    return one.beside(empty=empty, whole=total[one["thing"]]).take(~is_open)


def _things(segments: Table, found: list[Reel]) -> Ints:
    """(n_segments,) the number of the thing that a segment shows a slice of; -1 where it is in no volume."""
    reel = np.full(int(segments["annotation"].max(initial=-1)) + 1, -1, np.int64)
    for number, each in enumerate(found):
        inside = each.annotation[each.annotation < len(reel)]
        reel[inside] = number
    thing = np.full(len(segments), -1, np.int64)
    rows = np.flatnonzero(reel[segments["annotation"]] >= 0)
    columns_ = reel[segments["annotation"]], segments["category_id"], tracks_of(segments)
    thing[rows] = np.unique(np.stack([each[rows] for each in columns_]), axis=1, return_inverse=True)[1].reshape(-1)
    return thing


def _components(n: int, rows: Ints, pairs: list[Pairs]) -> Ints:
    """(n_rows,) the component of each of some of n nodes that pairs connect, numbered from 0."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = (np.concatenate([np.empty(0, np.int64), *(each[k] for each in pairs)]) for k in (0, 1))
    label = connected_components(coo_array((np.ones(len(a), np.int8), (a, b)), shape=(n, n)), directed=False)[1]
    _, number = np.unique(label[rows], return_inverse=True)
    return number.astype(np.int64)


def _merged(things: Table, group: Ints) -> Table:
    """One row per group: the sum of `area`, and everything else from its row with the largest area, or the first."""
    order = np.lexsort((-things["area"], group))
    first = order[np.searchsorted(group[order], np.arange(int(group.max(initial=-1)) + 1))]
    return things.take(first).beside(area=np.bincount(group, weights=things["area"]).astype(np.int64))
