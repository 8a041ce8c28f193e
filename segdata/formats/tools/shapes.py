"""Shapes as annotation tools keep them, one entry of a file each, and the segments that they make up."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from segdata.core.finding import Defect
from segdata.formats.shapes.geometry import Shape

GROUP = "group_id"  # the name in LabelMe and CVAT, and of our attribute


class BrokenShapeError(Exception):
    """A shape that cannot be read, and is left out.

    `code` is that of the defect, `within` the place in the shape, as the rest of a JSON pointer.
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
    """A polygon in the spelling of its file.

    Attributes
    ----------
    texts : its rings, the exterior first, each as JSON in the layout that the tool has
    name : how complaints begin; ``{}`` in it is the category's name
    within : the place of the rings, as they say it
    """

    texts: Sequence[bytes]
    name: str
    within: str | None


@dataclass(slots=True, eq=False)
class ToolShape:
    """A shape as a tool keeps it.

    Attributes
    ----------
    name : the category, as the tool has it
    geometry : the shape itself
    place : in the file
    group : shapes of one name and group are the parts of one segment; None: it is a segment by itself
    id : the segment's own; None if the tool has none
    attributes : name -> JSON text
    columns : more of `schema.BATCH_SEGMENTS`, a value each
    """

    name: str
    geometry: Shape | PolygonText
    place: str
    group: int | None = None
    id: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, object] = field(default_factory=dict)

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
    """The shapes on one image, by one annotator.

    Attributes
    ----------
    size : height and width in pixels
    shapes : in the order of the file
    annotator : who drew; None: as the user says
    annotation : further columns of `schema.BATCH_ANNOTATIONS`, a value each
    metadata : of the image, name -> JSON text
    defects : of the file; `file` and `image` are filled in if they are None
    file : that it is in; None: the entry's first
    """

    size: tuple[int, int]
    shapes: Sequence[ToolShape]
    annotator: str | None = None
    annotation: Mapping[str, object] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    defects: Sequence[Defect] = ()
    file: str | None = None


@dataclass(frozen=True, slots=True)
class GroupedShapes:
    """The segments of shapes: the rows of the shapes of each, its id and attributes; and the defects."""

    parts: list[list[int]]
    ids: list[int]
    defects: list[Defect]
    attributes: list[list[tuple[str, str]]]


def group_shapes(shapes: Sequence[ToolShape], rows: Sequence[int]) -> GroupedShapes:
    """Group shapes of one name and group into segments, in the order of their first shapes.

    Only the shapes at these rows. A group's number stays as the attribute `group_id` if it does more than join parts: a
    group of a single shape, or with several names.
    """
    chosen = [shapes[row] for row in rows]
    if not any(shape.group is not None for shape in chosen):  # as most people draw
        attribute_lists = [sorted(shape.attributes.items()) if shape.attributes else [] for shape in chosen]
        return GroupedShapes([[row] for row in rows], *_segment_ids([[shape] for shape in chosen]), attribute_lists)
    by_key: dict[object, list[int]] = {}
    for row in rows:
        shape = shapes[row]
        by_key.setdefault(row if shape.group is None else (shape.name, shape.group), []).append(row)
    parts = list(by_key.values())
    names = Counter(shapes[part_rows[0]].group for part_rows in parts)
    ids, defects = _segment_ids([[shapes[row] for row in part_rows] for part_rows in parts])
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
    """The ids of the segments, their own if they have any; and duplicate ids."""
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
    """The ids, with the lowest free ones, from 1, in place of None.

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
