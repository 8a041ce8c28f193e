"""Drawn: the pixels of marks, and the polygons that their segments keep."""

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from segdata.core.profile import RasterRule
from segdata.core.runs import Ints, Runs
from segdata.formats.shapes.flat import Flat, sums
from segdata.formats.shapes.raster import rasterise, rasterise_flat, united
from segdata.formats.shapes.shape import Bitmap, Ellipse, Shape
from segdata.formats.tools.mark import Mark
from segdata.formats.tools.written import Notation, Sketch, taken

_PICTURES = (Ellipse, Bitmap)


def drawn(
    marks: Sequence[Mark],
    size: Ints,
    sketch: Sketch,
    parts: Sequence[Sequence[int]],
    notation: Notation,
    rule: RasterRule,
) -> tuple[Runs, pa.Array]:
    """The pixels of n segments, and the column `rings` (n,), null where a part is no polygon.

    Parameters
    ----------
    marks : m of them
    size : (m, 2) heights and widths in pixels of the images that they are on
    sketch : their polygons
    parts : of each segment the rows of its marks
    notation, rule : of the tool
    """
    count = np.fromiter(map(len, parts), np.int64, len(parts))
    mark = np.fromiter(itertools.chain.from_iterable(parts), np.int64, count.sum())
    segment = np.repeat(np.arange(len(parts)), count)
    place = np.full(len(marks), -1, np.int64)
    place[mark] = np.arange(len(mark))
    height, width = size[sketch.mark].T
    bridged = notation.unbridge(sketch.drawn, height, width)
    others: dict[int, Shape] = {}
    if len(sketch.mark) + len(sketch.broken) < len(marks):
        others = {row: each.shape for row, each in enumerate(marks) if isinstance(each.shape, _PICTURES)}
    flat, plain = sketch.drawn, np.arange(len(sketch.mark))
    if bridged:
        plain = np.delete(plain, list(bridged))
        flat = taken(flat, plain)
    runs = rasterise_flat(flat, rule, height[plain], width[plain])
    rows = sketch.mark[plain]
    if bridged or others:
        others |= dict(zip(sketch.mark[list(bridged)].tolist(), bridged.values(), strict=True))
        these = np.array(list(others), np.int64)
        more = rasterise([[shape] for shape in others.values()], rule, size[these, 0], size[these, 1])
        runs, rows = Runs.concatenate([runs, more], [len(plain), 0]), np.concatenate([rows, these])
    at = place[rows]
    if (at != np.arange(len(at))).any():
        runs = Runs(runs.start, runs.length, at[runs.owner].astype(np.int32)).sorted_by_owner(len(mark))
    first = mark[np.cumsum(count) - count]
    runs = united(runs, segment, size[first, 0], size[first, 1])
    kept = np.arange(len(sketch.mark)) if notation.keeps_bridges else plain
    return runs, _rings(sketch, kept, place[sketch.mark[kept]], segment, len(parts))


def _rings(sketch: Sketch, polygon: Ints, place: Ints, segment: Ints, n: int) -> pa.Array:
    """The column `rings` (n,) of these polygons, which are the shapes at `place` of their segments."""
    order = np.argsort(place, kind="stable")
    polygon, owner = polygon[order], segment[place[order]]
    whole = np.bincount(owner, minlength=n) == np.bincount(segment, minlength=n)
    polygon, owner = polygon[whole[owner]], owner[whole[owner]]
    flat = Flat(sketch.kept, sketch.drawn.ring, sketch.drawn.polygon)
    if len(polygon) < len(sketch.mark) or (np.diff(polygon) != 1).any():
        flat = taken(flat, polygon)
    n_rings = np.bincount(owner, weights=np.diff(flat.polygon), minlength=n).astype(np.int64)
    lists = pa.ListArray.from_arrays(pa.array((2 * flat.ring).astype(np.int32)), pa.array(flat.points.ravel()))
    return pa.ListArray.from_arrays(pa.array(sums(n_rings).astype(np.int32)), lists, mask=pa.array(~whole))
