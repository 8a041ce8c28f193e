"""Written: polygons as files have them, many at a time: their numbers are parsed, checked and put in place at once."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.finding import Defect
from segdata.core.runs import Ints, expand_ranges
from segdata.formats.shapes.flat import Flat, sums
from segdata.formats.shapes.shape import Bitmap, Floats, Polygon, Ring
from segdata.formats.shapes.soundness import MAX_COORDINATE, check_ring
from segdata.formats.tools.mark import Mark, Written

Layout = Literal["pairs", "flat", "axes"]
_FEWEST = 3  # points of a ring


def mended(mark: Mark, size: tuple[int, int]) -> list[Ring] | Defect:
    """The rings of a polygon whose text is not as others are, or why they cannot be drawn."""
    rings = []
    for text in mark.shape.texts if isinstance(mark.shape, Written) else ():
        try:
            points = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            points = None
        wrong = check_ring(points)
        if wrong is not None:
            return mark.refusal(wrong)
        rings.append(np.asarray(points, np.float64).reshape(-1, 2))
    return rings


def as_written(flat: Flat, sides: Floats) -> tuple[Floats, Floats]:
    """Points that files have in pixels: those to be drawn, and those to be kept."""
    return flat.points, flat.points


def nothing_bridged(flat: Flat, height: Ints, width: Ints) -> dict[int, Bitmap]:
    """Of a tool whose polygons have no bridges."""
    return {}


@dataclass(frozen=True, slots=True)
class Notation:
    """How a tool writes polygons.

    Attributes
    ----------
    layout : of the lists in a text: "pairs" of numbers, all of them in one ("flat"), or one of x and one of y ("axes")
    low, high : what a number may be
    placed : the points to be drawn, and those to be kept, in pixels; takes the polygons as they are written, and the
        width and height (m, 2) of the image of each point
    mend : for a text that is not so
    unbridge : the pixels of polygons that go some way there and back, by their rows; heights and widths (n,) are given
    keeps_bridges : such polygons are kept as the source's all the same
    """

    layout: Layout = "pairs"
    low: float = -MAX_COORDINATE
    high: float = MAX_COORDINATE
    placed: Callable[[Flat, Floats], tuple[Floats, Floats]] = as_written
    mend: Callable[[Mark, tuple[int, int]], list[Ring] | Defect] = mended
    unbridge: Callable[[Flat, Ints, Ints], dict[int, Bitmap]] = nothing_bridged
    keeps_bridges: bool = False


@dataclass(frozen=True, slots=True)
class Sketch:
    """The polygons among n marks.

    Attributes
    ----------
    drawn : the polygons, to be drawn
    kept : (m, 2) the same points as the source has them, in pixels
    mark : (n_polygons,) the mark of each, ascending
    broken : marks that cannot be drawn, and why
    """

    drawn: Flat
    kept: Floats
    mark: Ints
    broken: dict[int, Defect] = field(default_factory=dict)


def sketched(marks: Sequence[Mark], size: Ints, notation: Notation) -> Sketch:
    """The polygons of marks; `size` (n, 2) are heights and widths in pixels of the images that they are on."""
    broken: dict[int, Defect] = {}
    rows, flat = _rings(marks, size, notation, broken)
    boxes: dict[int, Polygon] = {}
    if len(rows) + len(broken) < len(marks):
        boxes = {row: mark.shape for row, mark in enumerate(marks) if isinstance(mark.shape, Polygon)}
    as_they_are = notation.placed is as_written
    drawn, kept = (flat.points, flat.points) if as_they_are else notation.placed(flat, _sides(size[rows], flat))
    far = _far(kept, flat)
    for row in rows[far].tolist():
        result = notation.mend(marks[row], (int(size[row, 0]), int(size[row, 1])))
        if isinstance(result, Defect):
            broken[row] = result
    near = np.setdiff1d(np.arange(len(rows)), far) if len(far) else np.arange(len(rows))
    if len(far) == 0 and not boxes:
        return Sketch(Flat(drawn, flat.ring, flat.polygon), kept, rows, broken)
    more, every = Flat.of(list(boxes.values())), np.concatenate([rows, np.array(list(boxes), np.int64)])
    chosen = np.concatenate([near, len(rows) + np.arange(len(boxes))])
    chosen = chosen[np.argsort(every[chosen], kind="stable")]
    first, second = (taken(_joined(Flat(each, flat.ring, flat.polygon), more), chosen) for each in (drawn, kept))
    return Sketch(first, second.points, every[chosen], broken)


def _far(points: Floats, flat: Flat) -> Ints:
    """The polygons that have a point of `points` (m, 2) further out than anything is drawn."""
    if points.min(initial=0) >= -MAX_COORDINATE and points.max(initial=0) <= MAX_COORDINATE:
        return np.empty(0, np.int64)
    rows: Ints = np.unique(polygon_of_point(flat)[~(np.abs(points) <= MAX_COORDINATE).all(axis=1)])
    return rows


def _rings(marks: Sequence[Mark], size: Ints, notation: Notation, broken: dict[int, Defect]) -> tuple[Ints, Flat]:
    """The marks that have texts of rings, and these; what is wrong with the others is told in `broken`."""
    texts = {row: mark.shape.texts for row, mark in enumerate(marks) if type(mark.shape) is Written}
    count = np.fromiter(map(len, texts.values()), np.int64, len(texts))
    points, offset, wrong = _parsed(list(itertools.chain.from_iterable(texts.values())), notation)
    if not wrong.any():
        return np.array(list(texts), np.int64), Flat(points, offset, sums(count))
    found = {}
    begins = sums(count).tolist()
    for row, first, last in zip(texts, begins[:-1], begins[1:], strict=True):
        if not wrong[first:last].any():
            found[row] = [points[offset[ring] : offset[ring + 1]] for ring in range(first, last)]
            continue
        result = notation.mend(marks[row], (int(size[row, 0]), int(size[row, 1])))
        if isinstance(result, Defect):
            broken[row] = result
        else:
            found[row] = result
    return np.array(list(found), np.int64), _flat(list(found.values()))


def _parsed(texts: Sequence[bytes], notation: Notation) -> tuple[Floats, Ints, NDArray[np.bool_]]:
    """The points of the rings in n texts, where each ring begins (n + 1,), and which are to be looked at closely.

    Those have no points.
    """
    size = np.fromiter(map(len, texts), np.int64, len(texts))
    last = np.cumsum(size)
    numbers, item, text, error = kernels.parse_rings(np.frombuffer(b"".join(texts), np.uint8), last - size, last)
    n_items, offset = np.diff(text), item[text]
    of_item = np.repeat(np.arange(len(texts)), n_items)
    count = np.diff(offset)
    wrong = (error != 0) | (count < 2 * _FEWEST) | (count % 2 == 1)
    if notation.layout == "pairs":
        wrong[of_item[np.diff(item) != 2]] = True
    else:
        n_lists = 1 if notation.layout == "flat" else 2
        wrong |= n_items != n_lists
        wrong[of_item[n_lists * np.diff(item) != count[of_item]]] = True
    if len(numbers) and not (numbers.min() >= notation.low and numbers.max() <= notation.high):  # NaN neither
        odd = ~((numbers >= notation.low) & (numbers <= notation.high))
        wrong[np.searchsorted(offset, np.flatnonzero(odd), side="right") - 1] = True
    n_points = np.where(wrong, 0, count // 2)
    if notation.layout != "axes":
        kept = numbers if not wrong.any() else numbers[expand_ranges(offset[:-1], 2 * n_points)]
        return kept.reshape(-1, 2), sums(n_points), wrong
    at = expand_ranges(offset[:-1], n_points)
    points = np.empty((len(at), 2))
    points[:, 0] = numbers[at]
    at += np.repeat(n_points, n_points)
    points[:, 1] = numbers[at]
    return points, sums(n_points), wrong


def _flat(polygons: Sequence[Sequence[Ring]]) -> Flat:
    """The rings of polygons, in order."""
    rings = [ring for polygon in polygons for ring in polygon]
    return Flat(
        np.concatenate([np.empty((0, 2)), *rings]),
        sums(np.fromiter(map(len, rings), np.int64, len(rings))),
        sums(np.fromiter(map(len, polygons), np.int64, len(polygons))),
    )


def _sides(size: Ints, flat: Flat) -> Floats:
    """(m, 2): width and height of the image that each point is on; `size` (n, 2) are those of the polygons."""
    sides: Floats = size[:, ::-1].astype(np.float64)[polygon_of_point(flat)]
    return sides


def polygon_of_point(flat: Flat) -> Ints:
    """(m,) the polygon of each point."""
    return np.repeat(np.arange(len(flat.polygon) - 1), np.diff(flat.ring[flat.polygon]))


def _joined(a: Flat, b: Flat) -> Flat:
    """The polygons of both."""
    return Flat(
        np.concatenate([a.points, b.points]),
        np.concatenate([a.ring, a.ring[-1] + b.ring[1:]]),
        np.concatenate([a.polygon, a.polygon[-1] + b.polygon[1:]]),
    )


def taken(flat: Flat, rows: Ints) -> Flat:
    """Some of the polygons, in the order given."""
    n_rings = np.diff(flat.polygon)[rows]
    rings = expand_ranges(flat.polygon[rows], n_rings)
    n_points = np.diff(flat.ring)[rings]
    return Flat(flat.points[expand_ranges(flat.ring[rings], n_points)], sums(n_points), sums(n_rings))
