"""Marks: what people draw in annotation tools, an entry of a file each, and the segments that they make up."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from segdata.core.defect import Defect
from segdata.formats.shapes.shape import Shape

GROUP = "group_id"  # what LabelMe and CVAT call it, and we the attribute that keeps it


@dataclass(frozen=True, slots=True)
class Mark:
    """A shape as a tool keeps it.

    Attributes
    ----------
    name : the category, as the tool has it
    shape : what was drawn
    place : where in the file
    group : marks of one name and group are the parts of one segment; None: it is a segment by itself
    id : the segment's own; None where the tool has none
    attributes : name -> JSON text
    columns : more of `columns.BATCH_SEGMENTS`, a value each
    """

    name: str
    shape: Shape
    place: str
    group: int | None = None
    id: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn on one image, by one annotator.

    Attributes
    ----------
    size : height and width in pixels
    marks : in the order of the file
    annotator : who drew; None: as the user says
    annotation : further columns of `columns.BATCH_ANNOTATIONS`, a value each
    metadata : what the file says of the image, name -> JSON text
    defects : met in the file; `file` and `image` are filled in where they are None
    """

    size: tuple[int, int]
    marks: Sequence[Mark]
    annotator: str | None = None
    annotation: Mapping[str, object] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    defects: Sequence[Defect] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """The segments that marks make up: the parts of each, its id and its attributes; and what is wrong with them."""

    parts: list[list[Mark]]
    ids: list[int]
    attributes: list[list[tuple[str, str]]]
    defects: list[Defect]


def joined(marks: Sequence[Mark]) -> Joined:
    """Put marks of one name and group together; segments are in the order of their first marks.

    The number of a group stays as the attribute `group_id` where it says more than which parts belong together: of a
    single mark, and of a group with several names.
    """
    by_key: dict[tuple[str, int | None, int], list[Mark]] = {}
    for row, mark in enumerate(marks):
        key = (mark.name, mark.group, -1 if mark.group is not None else row)
        by_key.setdefault(key, []).append(mark)
    parts = list(by_key.values())
    names = Counter(each[0].group for each in parts)
    ids, defects = _ids(parts)
    attributes = []
    for each in parts:
        first = each[0]
        said = dict(first.attributes)
        if first.group is not None and (len(each) == 1 or names[first.group] > 1):
            said[GROUP] = str(first.group)
        attributes.append(sorted(said.items()))
        other = next((mark for mark in each if mark.attributes != first.attributes), None)
        if other is not None:
            message = f"parts of group {first.group} have different attributes; those of the first are kept"
            defects.append(Defect("SEG004", message, place=other.place, severity="warning"))
    return Joined(parts, ids, attributes, defects)


def _ids(parts: Sequence[Sequence[Mark]]) -> tuple[list[int], list[Defect]]:
    """Ids of the segments: their own, and free ones for those that have none."""
    given = [next((mark.id for mark in each if mark.id is not None), None) for each in parts]
    count = Counter(id_ for id_ in given if id_ is not None)
    defects = [
        Defect("SEG008", f"segment id {id_} is used {n} times; all are read", place=parts[given.index(id_)][0].place)
        for id_, n in count.items()
        if n > 1
    ]
    free = itertools.count(max(count, default=0) + 1)
    return [next(free) if id_ is None else id_ for id_ in given], defects


def as_text(value: object) -> str:
    """A value as JSON text.

    >>> as_text({"ä": [1, None]})
    '{"ä":[1,null]}'
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
