"""What is drawn on the items of a Datumaro document, as the annotations that COCO documents have.

Polygons of one group and label are the parts of one segment, as Datumaro has it. Masks of a group, and segments of
different labels, keep its number as the attribute `group`.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import msgspec
import numpy as np

from segdata.core.finding import Defect, Severity
from segdata.formats.coco.attributes import AnnotationItem
from segdata.formats.coco.document import MISSING, Document, Raw, decode_each
from segdata.formats.datumaro.items import Drawn, ShapeItems

_SEGMENTS = frozenset({"polygon", "ellipse", "mask"})
_ELLIPSE_POINTS = 720  # of the polygon that Datumaro makes of an ellipse
_SPECIAL = (b'"is_crowd"', b'"score"', b'"track_id"')  # what Datumaro has attributes for, not fields
_Four = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]


@dataclass(frozen=True, slots=True)
class Drawing:
    """The segments of a document, gathered item by item.

    Attributes
    ----------
    document : takes the defects
    n_labels : how many labels it has
    segments, rows, parts : (n,) the segments so far, their items, and the annotations that each is made of
    others : how many annotations are no segments, by type
    """

    document: Document
    n_labels: int
    segments: list[AnnotationItem] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    parts: list[list[int]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def add(self, item: int, raw: Raw, image: str) -> None:
        """Add the segments of an item, of which `raw` are the annotations."""
        place = f"/items/{item}/annotations"
        known = len(self.document.defects)
        drawn = self._sound(place, raw)
        groups = _groups(drawn)
        firsts = [drawn[group[0]] for group in groups]
        shared = Counter(one.group for one in firsts if one.group)
        for group, first, id_ in zip(groups, firsts, self._ids(place, groups, firsts), strict=True):
            parts = [first] if len(group) == 1 else [drawn[k] for k in group]
            if len(group) > 1:
                self._report_different(f"{place}/{group[-1]}", parts)
            self.segments.append(_segment(id_, parts, shared[first.group or 0] > 1))
        self.rows.extend([item] * len(groups))
        self.parts.extend(groups)
        if len(self.document.defects) > known:
            self.document.defects[known:] = [replace(each, image=image) for each in self.document.defects[known:]]

    def items(self) -> ShapeItems:
        """All of them."""
        return ShapeItems(self.segments, self.rows, parts=self.parts)

    def _sound(self, place: str, raw: Raw) -> dict[int, Drawn]:
        """The annotations that are segments of a known label, by position."""
        try:
            every: Sequence[Drawn | None] = msgspec.json.decode(raw, type=list[Drawn]) if len(raw) else []
        except msgspec.ValidationError:
            every = self._each(place, raw)
        drawn = {}
        for k, one in enumerate(every):
            if one is None:
                continue
            if one.type not in _SEGMENTS:
                self.others[one.type] += 1
            elif one.label_id is None:
                self._report("SEG004", "the annotation has no label; left out", f"{place}/{k}")
            elif not 0 <= one.label_id < self.n_labels:
                message = f"label_id {one.label_id} is not among the {self.n_labels} labels; left out"
                self._report("SEG007", message, f"{place}/{k}/label_id")
            elif one.type != "ellipse" or self._outlined(one, f"{place}/{k}/points"):
                drawn[k] = one
        return drawn

    def _each(self, place: str, raw: Raw) -> Sequence[Drawn | None]:
        """The annotations one by one, None for those that are broken."""
        try:
            raws = msgspec.json.decode(raw, type=list[Raw])
        except msgspec.ValidationError:
            self._report("SEG004", "annotations is not a list", place)
            return []
        every, broken = decode_each(raws, Drawn)
        for k, why in broken.items():
            self._report("SEG004", f"{why.message}; left out", f"{place}/{k}{why.place}")
        return every

    def _outlined(self, ellipse: Drawn, place: str) -> bool:
        """Give an ellipse the polygon that Datumaro makes of it; False where it is broken."""
        try:
            x0, y0, x1, y1 = msgspec.json.decode(ellipse.points, type=_Four)
        except msgspec.MsgspecError:
            self._report("SEG004", "an ellipse has 4 numbers, the corners of its box; left out", place)
            return False
        angle = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS)
        x, y = (x0 + x1) / 2 + (x1 - x0) / 2 * np.cos(angle), (y0 + y1) / 2 + (y1 - y0) / 2 * np.sin(angle)
        ellipse.points = Raw(msgspec.json.encode(np.stack([x, y], axis=1).reshape(-1).tolist()))
        return True

    def _ids(self, place: str, groups: Sequence[list[int]], firsts: Sequence[Drawn]) -> list[int]:
        """Ids of the segments of an item: their own, and free ones where Datumaro has 0, for none."""
        ids = [one.id or 0 for one in firsts]
        if len(set(ids)) == len(ids) and 0 not in ids:
            return ids
        twice = {id_: count for id_, count in Counter(ids).items() if id_ and count > 1}
        for id_, count in twice.items():
            message = f"annotation id {id_} is in the item {count} times; all are read"
            self._report("SEG008", message, f"{place}/{groups[ids.index(id_)][0]}/id")
        free = itertools.count(max(0, *ids) + 1)
        return [id_ or next(free) for id_ in ids]

    def _report_different(self, place: str, group: Sequence[Drawn]) -> None:
        """A warning where the parts of a segment say different things."""
        if len({bytes(one.attributes) for one in group}) > 1:
            message = f"parts of group {group[0].group} have different attributes; those of the first are kept"
            self._report("SEG004", message, f"{place}/attributes", "warning")

    def _report(self, code: str, message: str, place: str, severity: Severity | None = None) -> None:
        self.document.defects.append(Defect(code, message, self.document.name, place, severity=severity))


def _groups(drawn: Mapping[int, Drawn]) -> list[list[int]]:
    """The positions of the parts of each segment."""
    if not any(one.group for one in drawn.values()):
        return [[k] for k in drawn]
    groups: dict[tuple[object, ...], list[int]] = {}
    for k, one in drawn.items():
        joined = one.group and one.type != "mask"
        groups.setdefault((one.group, one.label_id) if joined else (k,), []).append(k)
    return list(groups.values())


def _segment(id_: int, parts: Sequence[Drawn], shared: bool) -> AnnotationItem:
    """The parts of a segment as one annotation; `shared`: others are of its group too."""
    first = parts[0]
    said = _attributes(first, shared)
    whole = said.pop("", MISSING)
    points = first.points if len(parts) == 1 else b",".join([bytes(one.points) or b"null" for one in parts])
    return AnnotationItem(
        id=id_,
        image_id=0,
        category_id=first.label_id or 0,
        segmentation=first.rle if first.type == "mask" else Raw(b"[%b]" % (bytes(points) or b"null")),
        iscrowd=said.pop("is_crowd", MISSING),
        score=said.pop("score", MISSING),
        track_id=said.pop("track_id", MISSING),
        attributes=whole if len(whole) else Raw(msgspec.json.encode(said)),
    )


def _attributes(one: Drawn, shared: bool) -> dict[str, Raw]:
    """The attributes of an annotation, with its fields that are attributes here; under "" all of them undecoded."""
    more = {}
    if one.z_order:
        more["z_order"] = Raw(str(one.z_order))
    if shared:
        more["group"] = Raw(str(one.group))
    if one.object_id is not None and one.object_id >= 0:
        more["track_id"] = Raw(str(one.object_id))
    text = bytes(one.attributes)
    if not more and (len(text) < 3 or not any(word in text for word in _SPECIAL)):
        return {"": one.attributes}
    try:
        return msgspec.json.decode(text or b"{}", type=dict[str, Raw]) | more
    except msgspec.ValidationError:  # no object: what it is will be told
        return {"": one.attributes}
