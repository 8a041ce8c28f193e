"""What one annotation of a COCO document, or one entry of `segments_info`, says beside its pixels."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from segdata.formats.coco.fault import Fault
from segdata.formats.coco.items import MISSING, Id, Raw, decode_column, number_of

Whole = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Box = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]


class Said(msgspec.Struct, gc=False, kw_only=True):
    """The keys that annotations and `segments_info` share. What only matters once it is loaded stays raw.

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


class AnnotationItem(Said, gc=False, kw_only=True):
    """An entry of `annotations` of an instances file. What `segdata_keyhole` says, the rings say themselves."""

    image_id: Id
    segmentation: Raw = MISSING
    segdata_keyhole: Raw = MISSING


class StrictAnnotationItem(AnnotationItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An entry of `annotations` without further keys."""


SAID = frozenset(Said.__struct_fields__)
_COCO: dict[str, Any] = {"iscrowd": int | bool, "area": float, "bbox": Box}  # Any: msgspec types
_WIDELY_USED: dict[str, Any] = {"score": float, "track_id": Whole, "attributes": dict[str, Raw], "also": list[Whole]}


def columns_of(
    items: Sequence[Said], extras: Sequence[dict[str, str]], to: Mapping[int, int]
) -> tuple[dict[str, list[Any]], list[Fault]]:
    """Columns of `columns.BATCH_SEGMENTS` for n items, and what in them is malformed: that value is null then.

    `extras` (n,) are their further keys. A widely used key of another type than usual is one of those. `to`: category
    ids in the document -> in the taxonomy.
    """
    faults: list[Fault] = []
    values: dict[str, list[Any]] = {}
    kept = [dict(extra) for extra in extras]
    for name, type_ in (_COCO | _WIDELY_USED).items():
        raws: list[Raw] = [getattr(item, name) for item in items]
        values[name], broken = decode_column(raws, type_) if any(map(len, raws)) else ([None] * len(raws), {})
        for row, why in broken.items():
            if name in _COCO:
                faults.append(Fault(row, "SEG004", f"{name}: {why.message}; ignored", f"/{name}{why.place}"))
            else:
                kept[row][name] = _text(raws[row])
    for row, value in enumerate(values["iscrowd"]):
        if value not in (0, 1, None):
            faults.append(Fault(row, "SEG004", f"iscrowd is {value}, not 0 or 1; read as 0", "/iscrowd"))
    for extra, given in zip(kept, values["attributes"], strict=True):
        extra.update({key: _text(raw) for key, raw in (given or {}).items()})
    ids = [number_of(item.id) for item in items]
    columns: dict[str, list[Any]] = {  # Any: each column has its own type
        "segment_id": [number for number, _ in ids],
        "source_id": [text for _, text in ids],
        "iscrowd": [value == 1 for value in values["iscrowd"]],
        "track_id": values["track_id"],
        "score": values["score"],
        "also": [also and [to.get(id_, id_) for id_ in also] for also in values["also"]],
        "attributes": [list(extra.items()) or None for extra in kept],
        "declared_area": values["area"],
        "declared_bbox": values["bbox"],
    }
    return columns, faults


def _text(raw: Raw) -> str:
    return str(memoryview(raw), "utf-8")
