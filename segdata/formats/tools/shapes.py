"""Shapes in the files of annotation tools, and their grouping into segments."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec
import numpy as np
from PIL import Image, ImageDraw

from segdata.core import kernels
from segdata.core.finding import Defect
from segdata.core.polygons import Rings, has_bridges, spurs, unkeyhole
from segdata.core.runs import Flags, Floats, Ints, expand_ranges, group_offsets
from segdata.formats.shapes.geometry import MAX_COORDINATE, Bitmap, Polygon, PolygonArrays, Ring, Shape, check_ring

GROUP = "group_id"  # the key in LabelMe and CVAT, and the attribute
_Item = TypeVar("_Item")


class BrokenShapeError(Exception):
    """A shape cannot be read, and is left out.

    `code` is the defect's code, `within` the place in the shape, as the end of a JSON pointer.
    """

    def __init__(self, code: str, message: str, within: str = "") -> None:
        super().__init__(message)
        self.code, self.within = code, within

    def defect(self, place: str, segments: tuple[str, ...] = ()) -> Defect:
        """The defect of the shape at `place`; lines of CSV files have no places within."""
        within = self.within if place.startswith("/") else ""
        return Defect(self.code, f"{self}; left out", place=place + within, segments=segments)


@dataclass(slots=True, eq=False)
class PolygonText:
    """A polygon as the text in its file."""

    texts: Sequence[bytes]  # its rings, the exterior first, each as JSON in the tool's layout
    name: str  # the subject of messages; ``{}`` is replaced by the category's name
    within: str | None  # the place of the rings in messages


@dataclass(slots=True, eq=False)
class ToolShape:
    """A shape in a tool's file."""

    name: str  # the category's name in the tool
    geometry: Shape | PolygonText
    place: str  # in the file
    # shapes of one name and group are parts of one segment; None: a segment by itself
    group: int | None = None
    id: int | None = None  # the segment's id; None if the tool has none
    attributes: Mapping[str, str] = field(default_factory=dict)  # name -> JSON text
    columns: Mapping[str, object] = field(default_factory=dict)  # more of `schema.BATCH_SEGMENTS`, a value each

    def refusal(self, problem: str) -> Defect:
        """The defect of a polygon that is left out: `problem` is a sentence without its subject."""
        return self._defect(f"{problem}; left out")

    def doubt(self, problem: str) -> Defect:
        """The defect of a polygon that is kept: `problem` is a sentence without its subject."""
        return self._defect(problem, False)

    def _defect(self, problem: str, lost: bool | None = None) -> Defect:
        if not isinstance(self.geometry, PolygonText):
            return Defect("SEG006", f"the shape {problem}", place=self.place, lost=lost)
        name = self.geometry.name.format(f"{self.name!r:.40}")
        return Defect("SEG006", f"{name} {problem}", place=self.geometry.within, lost=lost)


@dataclass(frozen=True, slots=True)
class ShapeAnnotation:
    """The shapes on one image, by one annotator."""

    size: tuple[int, int]  # height and width in pixels
    shapes: Sequence[ToolShape]  # in the order of the file
    annotator: str | None = None  # None: the user's default
    # further columns of `schema.BATCH_ANNOTATIONS`, a value each
    annotation: Mapping[str, object] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)  # of the image, name -> JSON text
    defects: Sequence[Defect] = ()  # of the file; the caller fills in a missing `file` or `image`
    file: str | None = None  # the file; None: the entry's first


def read_shapes(
    items: Iterable[tuple[str, _Item]], read: Callable[[_Item, str], ToolShape | None], defects: list[Defect]
) -> list[ToolShape]:
    """The shapes of the items of a file, given with their places.

    `read` gets an item and its place and returns None for one without area. If it raises BrokenShapeError, the item is
    left out, with a defect.
    """
    shapes = []
    for place, item in items:
        try:
            shape = read(item, place)
        except BrokenShapeError as broken:
            defects.append(broken.defect(place))
            continue
        if shape is not None:
            shapes.append(shape)
    return shapes


@dataclass(frozen=True, slots=True)
class GroupedShapes:
    """Shapes grouped into segments: each segment's rows of shapes, id and attributes; and the defects."""

    parts: list[list[int]]
    ids: list[int]
    defects: list[Defect]
    attributes: list[list[tuple[str, str]]]


_MIN_LUMPED_SHAPES = 4  # so many shapes of an image hardly are parts of one object


def group_shapes(shapes: Sequence[ToolShape], rows: Sequence[int]) -> GroupedShapes:
    """Group shapes of one name and group into segments, in the order of their first shapes.

    Only the shapes at these rows. A group's number stays as the attribute `group_id` if it does more than join parts: a
    group of a single shape, or with several names.
    """
    group = [shapes[row] for row in rows]
    if not any(shape.group is not None for shape in group):  # the usual case
        attribute_lists = [sorted(shape.attributes.items()) if shape.attributes else [] for shape in group]
        return GroupedShapes([[row] for row in rows], *_segment_ids([[shape] for shape in group]), attribute_lists)
    by_key: dict[object, list[int]] = {}
    for row in rows:
        shape = shapes[row]
        by_key.setdefault(row if shape.group is None else (shape.name, shape.group), []).append(row)
    parts = list(by_key.values())
    names = Counter(shapes[part_rows[0]].group for part_rows in parts)
    ids, defects = _segment_ids([[shapes[row] for row in part_rows] for part_rows in parts])
    largest = max(parts, key=len)
    if len(group) >= _MIN_LUMPED_SHAPES and len(names) == 1 < len(parts) and len(largest) > 1:
        first = shapes[largest[0]]
        message = (
            f"all {len(group)} shapes have the group {first.group}, so that {len(largest)} of {first.name!r:.40} "
            "are one object; give each object a group of its own, or none"
        )
        defects.append(Defect("SEG004", message, place=first.place, severity="warning"))
    attributes = []
    for part_rows in parts:
        first = shapes[part_rows[0]]
        own = dict(first.attributes)
        if first.group is not None and (len(part_rows) == 1 or names[first.group] > 1):
            own[GROUP] = str(first.group)
        attributes.append(sorted(own.items()))
        other = next((row for row in part_rows if shapes[row].attributes != first.attributes), None)
        if other is not None:
            message = f"parts of group {first.group} have different attributes; those of the first are kept"
            defects.append(Defect("SEG004", message, place=shapes[other].place, severity="warning"))
    return GroupedShapes(parts, ids, defects, attributes)


def _segment_ids(parts: Sequence[Sequence[ToolShape]]) -> tuple[list[int], list[Defect]]:
    """The ids of the segments (None for those without), and duplicate ids."""
    ids = [
        shapes[0].id if len(shapes) == 1 else next((shape.id for shape in shapes if shape.id is not None), None)
        for shapes in parts
    ]
    own = [id_ for id_ in ids if id_ is not None]
    if len(set(own)) == len(own):
        return fill_ids(ids), []
    count = Counter(own)
    defects = [
        Defect(
            "SEG008",
            f"segment id {id_} is used {n} times; all are read",
            place=parts[ids.index(id_)][0].place,
            segments=(id_,),
        )
        for id_, n in count.items()
        if n > 1
    ]
    return fill_ids(ids), defects


def fill_ids(ids: Sequence[int | None]) -> list[int]:
    """Replace None by the lowest free ids from 1.

    >>> fill_ids([7, None, 1, None])
    [7, 2, 1, 3]
    """
    if not any(id_ is not None for id_ in ids):
        return list(range(1, len(ids) + 1))
    taken = set(ids)
    free = (number for number in itertools.count(1) if number not in taken)
    return [next(free) if id_ is None else id_ for id_ in ids]


def json_text(value: object) -> str:
    """A value as JSON text.

    >>> json_text({"ä": [1, None]})
    '{"ä":[1,null]}'
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


Layout = Literal["pairs", "flat", "axes"]
_MIN_POINTS = 3  # of a ring


def parse_leniently(shape: ToolShape, size: tuple[int, int]) -> list[Ring] | Defect:
    """The rings of a polygon with unusual JSON, or its defect."""
    rings = []
    for text in shape.geometry.texts if isinstance(shape.geometry, PolygonText) else ():
        try:
            points = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            points = None
        problem = check_ring(points)
        if problem is not None:
            return shape.refusal(problem)
        rings.append(np.asarray(points, np.float64).reshape(-1, 2))
    return rings


def _no_bridges(flat: PolygonArrays, height: Ints, width: Ints) -> dict[int, Bitmap]:
    """No rows: for tools whose polygons have no bridges."""
    return {}


@dataclass(frozen=True, slots=True)
class PolygonNotation:
    """A tool's notation of polygons."""

    # of the lists in a text: "pairs" of numbers, all of them in one ("flat"), or one of x and one of y ("axes")
    layout: Layout = "pairs"
    low: float = -MAX_COORDINATE  # the least valid number
    high: float = MAX_COORDINATE  # the largest valid number
    # the points to be drawn, and those to be kept, in pixels; takes the polygons as they are written, and the width and
    # height (m, 2) of the image of each point; None: points are pixels as they are written
    placed: Callable[[PolygonArrays, Floats], tuple[Floats, Floats]] | None = None
    mend: Callable[[ToolShape, tuple[int, int]], list[Ring] | Defect] = parse_leniently  # parses texts that deviate
    # the pixels of polygons that go some way there and back, by their rows; heights and widths (n,) are given
    unbridge: Callable[[PolygonArrays, Ints, Ints], dict[int, Bitmap]] = _no_bridges
    keeps_bridges: bool = False  # whether such polygons are kept as the source's


@dataclass(frozen=True, slots=True)
class ParsedPolygons:
    """The polygons among n shapes."""

    drawn: PolygonArrays  # the polygons, to be drawn
    kept: Floats  # (m, 2) the same points as the source has them, in pixels
    owner: Ints  # (n_polygons,) the row of each polygon's shape, ascending
    broken: dict[int, Defect] = field(default_factory=dict)  # rows of shapes that cannot be drawn, and why


def parse_polygons(shapes: Sequence[ToolShape], size: Ints, notation: PolygonNotation) -> ParsedPolygons:
    """The polygons of shapes; `size` (n, 2) are heights and widths in pixels of the images that they are on."""
    broken: dict[int, Defect] = {}
    rows, flat = _rings(shapes, size, notation, broken)
    boxes: dict[int, Polygon] = {}
    if len(rows) + len(broken) < len(shapes):
        boxes = {row: shape.geometry for row, shape in enumerate(shapes) if isinstance(shape.geometry, Polygon)}
    drawn_points, kept_points = flat.points, flat.points
    if notation.placed is not None:
        drawn_points, kept_points = notation.placed(flat, _point_sides(size[rows], flat))
    far = _out_of_reach(kept_points, flat)
    for row in rows[far].tolist():
        result = notation.mend(shapes[row], (int(size[row, 0]), int(size[row, 1])))
        if isinstance(result, Defect):
            broken[row] = result
    near = np.setdiff1d(np.arange(len(rows)), far) if len(far) else np.arange(len(rows))
    if len(far) == 0 and not boxes:
        return ParsedPolygons(PolygonArrays(drawn_points, flat.ring, flat.polygon), kept_points, rows, broken)
    more = PolygonArrays.of(list(boxes.values()))
    all_rows = np.concatenate([rows, np.array(list(boxes), np.int64)])
    ring_rows = np.concatenate([near, len(rows) + np.arange(len(boxes))])
    ring_rows = ring_rows[np.argsort(all_rows[ring_rows], kind="stable")]
    first, second = (
        take_polygons(_concatenate(PolygonArrays(points, flat.ring, flat.polygon), more), ring_rows)
        for points in (drawn_points, kept_points)
    )
    return ParsedPolygons(first, second.points, all_rows[ring_rows], broken)


def _out_of_reach(points: Floats, flat: PolygonArrays) -> Ints:
    """The polygons with a point of `points` (m, 2) beyond the drawable range."""
    if points.min(initial=0) >= -MAX_COORDINATE and points.max(initial=0) <= MAX_COORDINATE:
        return np.empty(0, np.int64)
    rows: Ints = np.unique(polygon_of_point(flat)[~(np.abs(points) <= MAX_COORDINATE).all(axis=1)])
    return rows


def _rings(
    shapes: Sequence[ToolShape], size: Ints, notation: PolygonNotation, broken: dict[int, Defect]
) -> tuple[Ints, PolygonArrays]:
    """The rows of shapes with texts of rings, and their rings; defects of other shapes go to `broken`."""
    texts = {row: shape.geometry.texts for row, shape in enumerate(shapes) if type(shape.geometry) is PolygonText}
    count = np.fromiter(map(len, texts.values()), np.int64, len(texts))
    points, offset, is_odd = _parse_texts(list(itertools.chain.from_iterable(texts.values())), notation)
    if not is_odd.any():
        return np.array(list(texts), np.int64), PolygonArrays(points, offset, group_offsets(count))
    rings_of = {}
    begins = group_offsets(count).tolist()
    for row, first, last in zip(texts, begins[:-1], begins[1:], strict=True):
        if not is_odd[first:last].any():
            rings_of[row] = [points[offset[ring] : offset[ring + 1]] for ring in range(first, last)]
            continue
        result = notation.mend(shapes[row], (int(size[row, 0]), int(size[row, 1])))
        if isinstance(result, Defect):
            broken[row] = result
        else:
            rings_of[row] = result
    return np.array(list(rings_of), np.int64), _as_arrays(list(rings_of.values()))


def _parse_texts(texts: Sequence[bytes], notation: PolygonNotation) -> tuple[Floats, Ints, Flags]:
    """Parse n texts: the points of the rings, the start of each ring (n + 1,), and which texts need lenient parsing.

    Those have no points.
    """
    size = np.fromiter(map(len, texts), np.int64, len(texts))
    last = np.cumsum(size)
    numbers, item, text, error = kernels.parse_rings(np.frombuffer(b"".join(texts), np.uint8), last - size, last)
    n_items, offset = np.diff(text), item[text]
    of_item = np.repeat(np.arange(len(texts)), n_items)
    count = np.diff(offset)
    is_odd = (error != 0) | (count < 2 * _MIN_POINTS) | (count % 2 == 1)
    if notation.layout == "pairs":
        is_odd[of_item[np.diff(item) != 2]] = True
    else:
        n_lists = 1 if notation.layout == "flat" else 2
        is_odd |= n_items != n_lists
        is_odd[of_item[n_lists * np.diff(item) != count[of_item]]] = True
    if len(numbers) and not (numbers.min() >= notation.low and numbers.max() <= notation.high):  # false for NaN, too
        beyond = ~((numbers >= notation.low) & (numbers <= notation.high))
        is_odd[np.searchsorted(offset, np.flatnonzero(beyond), side="right") - 1] = True
    n_points = np.where(is_odd, 0, count // 2)
    if notation.layout != "axes":
        kept = numbers if not is_odd.any() else numbers[expand_ranges(offset[:-1], 2 * n_points)]
        return kept.reshape(-1, 2), group_offsets(n_points), is_odd
    place = expand_ranges(offset[:-1], n_points)
    points = np.empty((len(place), 2))
    points[:, 0] = numbers[place]
    place += np.repeat(n_points, n_points)
    points[:, 1] = numbers[place]
    return points, group_offsets(n_points), is_odd


def _as_arrays(polygons: Sequence[Sequence[Ring]]) -> PolygonArrays:
    rings = [ring for polygon in polygons for ring in polygon]
    return PolygonArrays(
        np.concatenate([np.empty((0, 2)), *rings]),
        group_offsets(np.fromiter(map(len, rings), np.int64, len(rings))),
        group_offsets(np.fromiter(map(len, polygons), np.int64, len(polygons))),
    )


def _point_sides(size: Ints, flat: PolygonArrays) -> Floats:
    """(m, 2) width and height of the image of each point; `size` (n, 2) are those of the polygons."""
    sides: Floats = size[:, ::-1].astype(np.float64)[polygon_of_point(flat)]
    return sides


def polygon_of_point(flat: PolygonArrays) -> Ints:
    """(m,) the polygon of each point."""
    return np.repeat(np.arange(len(flat.polygon) - 1), np.diff(flat.ring[flat.polygon]))


def _concatenate(a: PolygonArrays, b: PolygonArrays) -> PolygonArrays:
    return PolygonArrays(
        np.concatenate([a.points, b.points]),
        np.concatenate([a.ring, a.ring[-1] + b.ring[1:]]),
        np.concatenate([a.polygon, a.polygon[-1] + b.polygon[1:]]),
    )


def take_polygons(flat: PolygonArrays, rows: Ints) -> PolygonArrays:
    """Select polygons by row."""
    n_rings = np.diff(flat.polygon)[rows]
    rings = expand_ranges(flat.polygon[rows], n_rings)
    n_points = np.diff(flat.ring)[rings]
    return PolygonArrays(
        flat.points[expand_ranges(flat.ring[rings], n_points)], group_offsets(n_points), group_offsets(n_rings)
    )


def split_bridged(flat: PolygonArrays) -> dict[int, Rings[np.float64]]:
    """Row -> the rings that bridged polygons, of one ring each, consist of; last the edges of dead ends."""
    rows = _revisiting_rows(flat)
    if len(rows) == 0:
        return {}
    candidates = take_polygons(flat, rows)
    rings = Rings.outer_rings(candidates.points.ravel(), 2 * candidates.ring)
    bridged_rows = np.flatnonzero(has_bridges(rings))
    if len(bridged_rows) == 0:
        return {}
    parts = unkeyhole(rings.take(bridged_rows))
    several = np.flatnonzero(np.diff(parts.offsets(len(rows))) > 1)
    parts = parts.merge(spurs(rings.take(several)))
    offset = parts.offsets(len(rows)).tolist()
    return {int(rows[k]): parts.take(np.arange(offset[k], offset[k + 1])) for k in several.tolist()}


def retraces(flat: PolygonArrays) -> Flags:
    """(n,) which polygons, of one ring each, pass an edge in both directions."""
    result = np.zeros(len(flat.polygon) - 1, bool)
    rows = _revisiting_rows(flat)
    candidates = take_polygons(flat, rows)
    result[rows] = has_bridges(Rings.outer_rings(candidates.points.ravel(), 2 * candidates.ring))
    return result


def _revisiting_rows(flat: PolygonArrays) -> Ints:
    """The rows of polygons, of one ring each, that return to a point after others."""
    rows = _recurring_rows(flat)
    candidates = take_polygons(flat, rows)
    # A repeated point is no return.
    kept = (candidates.points != candidates.points[candidates.following]).any(axis=1)
    count = np.bincount(polygon_of_point(candidates)[kept], minlength=len(rows))
    return rows[_recurring_rows(PolygonArrays(candidates.points[kept], group_offsets(count), candidates.polygon))]


def _recurring_rows(flat: PolygonArrays) -> Ints:
    """The rows of polygons, of one ring each, that have a point twice."""
    rows: Ints = np.flatnonzero(kernels.recurring(flat.points.ravel(), 2 * flat.ring))
    return rows


def remove_bridges(flat: PolygonArrays, height: Ints, width: Ints) -> dict[int, Bitmap]:
    """Row -> pixels without bridges, by Pillow's rule, for those of n polygons that have bridges.

    Edges of holes are pixels of the segment, as they are in the ring. Sizes (n,) of the images are in pixels.
    """
    return {row: _draw_rings(parts, int(height[row]), int(width[row])) for row, parts in split_bridged(flat).items()}


def _draw_rings(parts: Rings[np.float64], height: int, width: int) -> Bitmap:
    """The pixels of rings and their holes by Pillow's rule, within the image."""
    points = [np.array(ring).reshape(-1, 2).astype(np.int32) for ring in parts.as_lists()]
    low = np.maximum(np.concatenate(points).min(axis=0), 0)
    high = np.minimum(np.concatenate(points).max(axis=0) + 1, [width, height])
    if (high <= low).any():
        return Bitmap(0, 0, np.zeros((0, 0), bool))
    canvas = Image.new("L", (int(high[0] - low[0]), int(high[1] - low[1])))
    draw = ImageDraw.Draw(canvas)
    for ring, hole in zip(points, parts.hole.tolist(), strict=True):
        draw.polygon((ring - low).ravel().tolist(), fill=0 if hole else 1, outline=1)
    mask: Flags = np.asarray(canvas) > 0
    return Bitmap(int(low[0]), int(low[1]), mask)
