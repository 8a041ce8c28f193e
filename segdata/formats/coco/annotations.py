"""What one annotation of a COCO document, or one entry of `segments_info`, says beside its pixels."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from segdata.formats.coco.fault import Fault
from segdata.formats.coco.items import MISSING, Id, Raw, decode_column, number_of

Box = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]


class Said(msgspec.Struct, gc=False, kw_only=True):
    """The keys that annotations and `segments_info` share. What only matters once it is loaded stays raw.

    `score` (of results files), `track_id` (of video datasets) and `attributes` (of CVAT and others) are no keys of
    COCO's own, but widely used ones.
    """

    id: Id
    category_id: int
    area: Raw = MISSING
    bbox: Raw = MISSING
    iscrowd: Raw = MISSING
    score: Raw = MISSING
    track_id: Raw = MISSING
    attributes: Raw = MISSING


class AnnotationItem(Said, gc=False, kw_only=True):
    """An entry of `annotations` of an instances file."""

    image_id: Id
    segmentation: Raw = MISSING


class StrictAnnotationItem(AnnotationItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An entry of `annotations` without further keys."""


SAID = frozenset(Said.__struct_fields__)


def columns_of(items: Sequence[Said], extras: Sequence[dict[str, str]]) -> tuple[dict[str, object], list[Fault]]:
    """Columns of `columns.BATCH_SEGMENTS` for n items, and what in them is malformed: that value is null then."""
    faults: list[Fault] = []

    def column(name: str, type_: Any) -> list[Any]:  # Any: a msgspec type, and its values
        raws = [getattr(item, name) for item in items]
        if not any(map(len, raws)):
            return [None] * len(raws)
        values, broken = decode_column(raws, type_)
        for row, why in broken.items():
            faults.append(Fault(row, "SEG004", f"{name}: {why.message}; ignored", f"/{name}{why.place}"))
        return values

    crowd = column("iscrowd", int)
    for row, value in enumerate(crowd):
        if value not in (0, 1, None):
            faults.append(Fault(row, "SEG004", f"iscrowd is {value}, not 0 or 1; read as 0", "/iscrowd"))
    ids = [number_of(item.id) for item in items]
    held = [
        [*extra.items(), *((key, str(memoryview(raw), "utf-8")) for key, raw in (given or {}).items())] or None
        for extra, given in zip(extras, column("attributes", dict[str, Raw]), strict=True)
    ]
    columns: dict[str, object] = {
        "segment_id": [number for number, _ in ids],
        "source_id": [text for _, text in ids],
        "iscrowd": [value == 1 for value in crowd],
        "track_id": column("track_id", int),
        "score": column("score", float),
        "attributes": held,
        "declared_area": column("area", float),
        "declared_bbox": pa.array(column("bbox", Box), pa.list_(pa.float64())),
    }
    return columns, faults
