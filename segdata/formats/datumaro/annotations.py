"""Annotations of Datumaro documents as they are written: polygons, those of one segment in a group, and masks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, integer_column
from segdata.core.format import LossCounter
from segdata.core.runs import Ints
from segdata.formats.coco.attributes import raw_json
from segdata.formats.coco.document import Raw
from segdata.formats.coco.instances_writer import encode_segments
from segdata.formats.coco.segmentations import write_rles
from segdata.formats.shared.painting import segment_examples

_STANDING = frozenset({"is_crowd", "score", "track_id"})  # attributes that stand for what has a column
_COLUMNS = ("segment_id", "source_id", "category_id", "iscrowd", "track_id", "score", "attributes")
Json = dict[str, Any]  # Any: JSON


def annotations_of(batch: Batch, rows: Ints, label_of: Mapping[int, int], losses: LossCounter) -> list[list[Json]]:
    """(n,) the annotations that each segment at these rows becomes."""
    said = batch.segments.select(_COLUMNS).take(pa.array(rows))
    moved = np.flatnonzero((integer_column(said["segment_id"]) == 0) | said["source_id"].is_valid().to_numpy())
    losses.add("segment-id", "segments", len(moved), examples=segment_examples(batch, rows[moved]))
    segments = said.to_pylist()
    attributes = [{key: raw_json(value) for key, value in each["attributes"] or ()} for each in segments]
    taken = np.array([k for k, each in enumerate(attributes) if _STANDING & each.keys()], np.int64)
    losses.add("attributes", "segments", len(taken), examples=segment_examples(batch, rows[taken]))
    labels = [label_of[each["category_id"]] for each in segments]
    group, alone = _groups(batch.segment_image[rows].tolist(), labels, attributes)
    shapes = _shapes(batch, rows, alone, losses)
    own = max(group, default=0) + 1
    return [
        [{**_said(each, kept, label), "group": number or (own + k if len(parts) > 1 else 0), **part} for part in parts]
        for k, (each, kept, label, number, parts) in enumerate(
            zip(segments, attributes, labels, group, shapes, strict=True)
        )
    ]


def _groups(
    image: Sequence[int], labels: Sequence[int], attributes: Sequence[dict[str, Raw]]
) -> tuple[list[int], list[bool]]:
    """(n,) the group of each segment, 0 for none, and whether it is the only one there with its label.

    A group of several segments is no attribute, but a field; polygons of one group and label would become one segment.
    """
    number = [int(bytes(each["group"])) if bytes(each.get("group", b"")).isdigit() else 0 for each in attributes]
    size = Counter(zip(image, number, strict=True))
    group = [each if each and size[where, each] > 1 else 0 for where, each in zip(image, number, strict=True)]
    for each, kept in zip(group, attributes, strict=True):
        if each:
            del kept["group"]
    alike = Counter(zip(image, group, labels, strict=True))
    alone = [
        not each or alike[where, each, label] == 1 for where, each, label in zip(image, group, labels, strict=True)
    ]
    return group, alone


def _shapes(batch: Batch, rows: Ints, alone: Sequence[bool], losses: LossCounter) -> list[list[Json]]:
    """(n,) the polygons of each segment, or its mask where it cannot be polygons."""
    drawn = encode_segments(batch, rows, "source").shapes
    masked = [not (each and isinstance(shape, list) and shape) for shape, each in zip(drawn, alone, strict=True)]
    at = np.flatnonzero(masked)
    lost = at[batch.segments["rings"].is_valid().to_numpy()[rows[at]]]
    losses.add("rings", "segments", len(lost), examples=segment_examples(batch, rows[lost]))
    coded = iter(write_rles(batch.runs, rows[at], *batch.segment_size))
    return [
        [{"type": "mask", "rle": next(coded)}]
        if mask
        else [{"type": "polygon", "points": ring} for ring in _rings(shape)]
        for shape, mask in zip(drawn, masked, strict=True)
    ]


def _rings(shape: object) -> list[object]:
    return shape if isinstance(shape, list) else []


def _said(segment: Json, attributes: Mapping[str, Raw], label: int) -> Json:
    """What an annotation says beside its shape."""
    kept: Json = {key: value for key, value in attributes.items() if key not in _STANDING}
    if segment["iscrowd"]:
        kept["is_crowd"] = True
    if segment["score"] is not None:
        kept["score"] = segment["score"]
    z_order, track = _whole(kept.get("z_order")), segment["track_id"]
    if z_order:
        del kept["z_order"]
    said: Json = {"id": segment["segment_id"] or 0, "label_id": label, "z_order": z_order, "attributes": kept}
    if track is not None and track >= 0:
        said["object_id"] = track
    elif track is not None:
        kept["track_id"] = track
    return said


def _whole(raw: Raw | None) -> int:
    """A JSON text as a number; 0 where it is none."""
    text = b"" if raw is None else bytes(raw)
    return int(text) if text.removeprefix(b"-").isdigit() and len(text) < 10 else 0
