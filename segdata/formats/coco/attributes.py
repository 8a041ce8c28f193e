"""Attributes of COCO annotations: everything beside the pixels, read into columns."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from segdata.formats.coco.document import (
    MAX_ID,
    MISSING,
    DecodingProblem,
    Id,
    ItemFault,
    Raw,
    decode_boxes,
    decode_column,
    decode_numbers,
    integer_id,
)
from segdata.formats.coco.images import IMAGE_KEYS as IMAGE_KEYS

_WholeNumber = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Column = Any  # of values: a list, or an array of numpy or Arrow
Box = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]


class SegmentItem(msgspec.Struct, gc=False, kw_only=True):
    """The keys that annotations and `segments_info` share. Values that are needed only on loading stay raw.

    `score` (of results files), `track_id` (of video datasets) and `attributes` (of CVAT and others) are no keys of
    COCO's own, but widely used ones; `also`, ids of secondary categories, is ours.
    """

    id: Id
    category_id: int
    area: Raw = MISSING
    bbox: Raw = MISSING
    iscrowd: Raw = MISSING
    score: Raw = MISSING
    track_id: Raw = MISSING
    attributes: Raw = MISSING
    also: Raw = MISSING


class AnnotationItem(SegmentItem, gc=False, kw_only=True):
    """An entry of `annotations` of an instances file. `segdata_keyhole` is not read: the rings show it."""

    image_id: Id
    segmentation: Raw = MISSING
    segdata_keyhole: Raw = MISSING


class StrictAnnotationItem(AnnotationItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An entry of `annotations` without further keys."""


SEGMENT_KEYS = frozenset(SegmentItem.__struct_fields__)
_COCO: dict[str, Any] = {"iscrowd": int | bool, "area": float, "bbox": Box}  # Any: msgspec types
_WIDELY_USED: dict[str, Any] = {
    "score": float,
    "track_id": _WholeNumber,
    "attributes": dict[str, Raw],
    "also": list[_WholeNumber],
}


def segment_columns(
    items: Sequence[SegmentItem], extras: Sequence[dict[str, str]], to: Mapping[int, int]
) -> tuple[dict[str, Column], list[ItemFault]]:
    """Columns of `schema.BATCH_SEGMENTS` for n items, and their malformed values, which become null.

    `extras` (n,) are their further keys. A widely used key of another type than usual is one of those. `to`: category
    ids in the document -> in the taxonomy.
    """
    faults: list[ItemFault] = []
    values: dict[str, Column] = {}
    further: dict[int, dict[str, str]] = {row: dict(extra) for row, extra in enumerate(extras) if extra}
    for name, type_ in (_COCO | _WIDELY_USED).items():
        raws: list[Raw] = list(map(attrgetter(name), items))
        values[name], broken = _decode_key(name, raws, type_)
        for row, why in broken.items():
            if name in _COCO:
                faults.append(ItemFault(row, "SEG004", f"{name}: {why.message}; ignored", f"/{name}{why.place}"))
            else:
                further.setdefault(row, {})[name] = _text(raws[row])
    if not set(values["iscrowd"]) <= {0, 1, None}:
        for row, value in enumerate(values["iscrowd"]):
            if value not in (0, 1, None):
                faults.append(ItemFault(row, "SEG004", f"iscrowd is {value}, not 0 or 1; read as 0", "/iscrowd"))
    for row, attributes_of_row in enumerate(values["attributes"]):
        if attributes_of_row:
            further.setdefault(row, {}).update({key: _text(raw) for key, raw in attributes_of_row.items()})
    attributes: list[list[tuple[str, str]] | None] = [None] * len(items)
    for row, extra in further.items():
        attributes[row] = list(extra.items())
    segment_id, source_id = _ids(items)
    columns: dict[str, Column] = {
        "segment_id": segment_id,
        "source_id": source_id,
        "iscrowd": [value == 1 for value in values["iscrowd"]],
        "track_id": values["track_id"],
        "score": values["score"],
        "also": [also and [to.get(id_, id_) for id_ in also] for also in values["also"]],
        "attributes": attributes,
        "declared_area": values["area"],
        "declared_bbox": values["bbox"],
    }
    return columns, faults


def _decode_key(
    name: str, raws: Sequence[Raw], type_: Any
) -> tuple[Column, dict[int, DecodingProblem]]:  # Any: msgspec types
    """The values of a key, None if missing; sound numbers and boxes are decoded without Python objects."""
    if not any(map(len, raws)):
        return [None] * len(raws), {}
    plain = decode_numbers(raws) if name == "area" else decode_boxes(raws) if name == "bbox" else None
    return decode_column(raws, type_) if plain is None else (plain, {})


def _ids(items: Sequence[SegmentItem]) -> tuple[Column, Column]:
    """The ids of segments, and the source's own ids that are not integers."""
    ids = list(map(attrgetter("id"), items))
    if set(map(type, ids)) == {int} and min(ids) >= -MAX_ID and max(ids) <= MAX_ID:
        return ids, [None] * len(ids)
    numbered = list(map(integer_id, ids))
    return [number for number, _ in numbered], [text for _, text in numbered]


def _text(raw: Raw) -> str:
    return str(memoryview(raw), "utf-8")
