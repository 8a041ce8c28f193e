"""The `segmentation` of COCO annotations as it is written: polygons that have exactly the segment's pixels, or RLE."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.keyhole import keyhole
from segdata.core.outline import Rings, outlines
from segdata.core.parts import shape
from segdata.core.runs import Ints, Runs, spread
from segdata.core.unkeyhole import bridged
from segdata.formats.coco.polygons import Polygons, malformed
from segdata.formats.coco.rle import write_rles

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Drawing:
    """The segmentations of n segments.

    Attributes
    ----------
    shapes : (n,) lists of rings, and RLEs
    keyhole : (n,) whether the one ring goes around holes, too (`segdata.core.keyhole`)
    lost : (n,) whether the source has rings that are not written
    """

    shapes: list[object]
    keyhole: Flags
    lost: Flags


def draw(batch: Batch, rows: Ints, polygons: str) -> Drawing:
    """The segments at these rows, by one of `POLYGONS`; polygons were rasterised and have exactly the pixels."""
    n = len(rows)
    height, width = (side[rows] for side in batch.segment_size)
    runs, rings = batch.runs.take(rows, batch.n_segments), batch.segments["rings"].combine_chunks().take(pa.array(rows))
    drawn = np.zeros(n, bool) if polygons == "never" else _still_exact(runs, rings, height, width)
    shapes: list[object] = rings.filter(pa.array(drawn)).to_pylist()
    of, marked = np.flatnonzero(drawn), np.zeros(n, bool)
    if polygons == "exact":
        marked[of] = _are_keyholes(runs.take(of, n), rings.filter(pa.array(drawn)), height[of])
        crowd = batch.segments["iscrowd"].fill_null(False).to_numpy().astype(bool)[rows]
        rest = np.flatnonzero(~drawn & ~crowd)
        outlined, place, holed = _outlined(runs.take(rest, n), height[rest], width[rest])
        shapes, of = shapes + outlined, np.concatenate([of, rest[place]])
        marked[rest[place]] = holed
    coded = np.setdiff1d(np.arange(n), of)
    shapes, of = shapes + list[object](write_rles(runs, coded, height, width)), np.concatenate([of, coded])
    lost = np.asarray(rings.is_valid().to_numpy(zero_copy_only=False), bool) & ~drawn
    return Drawing([shapes[k] for k in np.argsort(of).tolist()], marked, lost)


def _still_exact(runs: Runs, rings: pa.Array, height: Ints, width: Ints) -> Flags:
    """(n,) whether the source's rings rasterise to the segment's pixels."""
    polygons = Polygons.of_lists(rings)
    exact: Flags = np.asarray(rings.is_valid().to_numpy(zero_copy_only=False), bool).copy()
    owner = np.repeat(np.arange(len(exact)), np.diff(polygons.segment))
    exact[owner[malformed(polygons)]] = False
    drawn = polygons.take_rings(np.flatnonzero(exact[owner])).rasterise(height, width)
    return exact & _same(runs, drawn, len(exact))


def _are_keyholes(runs: Runs, rings: pa.Array, height: Ints) -> Flags:
    """(n,) whether the source's rings are one ring with bridges, of a segment that has holes."""
    n = len(rings)
    polygons = Polygons.of_lists(rings)
    found: Flags = (np.diff(polygons.segment) == 1) & (shape(runs, height, n).n_holes > 0)
    one = polygons.take_rings(polygons.segment[:-1][found])
    found[found] = bridged(Rings.alone(one.xy, one.ring))
    return found


def _outlined(runs: Runs, height: Ints, width: Ints) -> tuple[list[object], Ints, Flags]:
    """Polygons along pixels: those that are exact, (m,) the segments that they are of, and which are keyholes."""
    n = len(height)
    every = outlines(runs, height)
    holed = np.zeros(n, bool)
    holed[every.owner[every.hole]] = True
    chosen = holed[every.owner]
    rings = every.take(np.flatnonzero(~chosen)).merged(keyhole(every.take(np.flatnonzero(chosen))))
    offset = rings.offsets(n)
    drawn = Polygons(rings.xy.astype(np.float64), rings.ring, offset).rasterise(height, width)
    exact = np.flatnonzero(_same(runs, drawn, n) & (np.diff(offset) > 0))
    lists, begin, end = rings.as_lists(), offset[exact].tolist(), offset[exact + 1].tolist()
    return [lists[first:last] for first, last in zip(begin, end, strict=True)], exact, holed[exact]


def _same(a: Runs, b: Runs, n_owners: int) -> Flags:
    """(n_owners,) whether the runs of an owner are the same on both sides."""
    first_a, first_b = a.offsets(n_owners), b.offsets(n_owners)
    same: Flags = np.diff(first_a) == np.diff(first_b)
    rows = np.flatnonzero(same)
    count = np.diff(first_a)[rows]
    at_a, at_b = spread(first_a[rows], count), spread(first_b[rows], count)
    differ = (a.start[at_a] != b.start[at_b]) | (a.length[at_a] != b.length[at_b])
    same[np.repeat(rows, count)[differ]] = False
    return same
