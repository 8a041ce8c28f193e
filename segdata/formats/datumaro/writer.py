"""Writes Datumaro documents: one for each split, an item for each image, a batch at a time.

A segment is one polygon, several polygons of one group, or a mask.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, integer_column
from segdata.core.losses import LossCounter
from segdata.core.paths import without_extension
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.safe_text import whole_number
from segdata.core.taxonomy import Taxonomy
from segdata.formats.coco.document import Raw, raw_json
from segdata.formats.coco.segments import write_rles
from segdata.formats.coco.writer import encode_segments, rings_are_exact
from segdata.formats.datumaro.reader import DEFAULT
from segdata.formats.shared import DATUMARO_LOSSES, writing
from segdata.formats.shared.json_files import Json
from segdata.formats.shared.taxonomies import write_sidecars
from segdata.formats.tools.source import count_lost_rings, image_rows, writable_rows

_COLUMN_ATTRIBUTES = frozenset({"is_crowd", "score", "track_id"})  # attributes with a column of their own
_COLUMNS = ("segment_id", "source_id", "category_id", "iscrowd", "track_id", "score", "attributes")
_HELD_COLUMNS = frozenset({"annotations.annotator", "annotations.source", "images.metadata", "images.split"})
_COORDINATE_DIGITS = 2  # of coordinates in single precision: COORDINATE_ROUNDING_DIGITS of Datumaro
_IMAGE_MEDIA = 2  # Datumaro's number for media that are images
_ANNOTATION_KEYS = frozenset({"annotator", "source"})  # attributes of an item that are about its annotation


def _segment_annotations(
    batch: Batch, rows: Ints, label_of: Mapping[int, int], losses: LossCounter
) -> list[list[Json]]:
    """(n,) the Datumaro annotations of each segment at these rows."""
    table = batch.segments.select(_COLUMNS).take(pa.array(rows))
    moved = np.flatnonzero((integer_column(table["segment_id"]) == 0) | table["source_id"].is_valid().to_numpy())
    writing.count_segments(batch, rows[moved], "segment-id", losses)
    segments = table.to_pylist()
    attributes = [{key: raw_json(value) for key, value in segment["attributes"] or ()} for segment in segments]
    held = np.array([k for k, values in enumerate(attributes) if _COLUMN_ATTRIBUTES & values.keys()], np.int64)
    writing.count_segments(batch, rows[held], "attributes", losses)
    labels = [label_of[segment["category_id"]] for segment in segments]
    group, alone = _groups(batch.segment_image[rows].tolist(), labels, attributes)
    shapes = _segment_shapes(batch, rows, alone, losses)
    own = max(group, default=0) + 1
    return [
        [
            {**_annotation_fields(segment, kept, label), "group": number or (own + k if len(parts) > 1 else 0), **part}
            for part in parts
        ]
        for k, (segment, kept, label, number, parts) in enumerate(
            zip(segments, attributes, labels, group, shapes, strict=True)
        )
    ]


def _groups(
    image: Sequence[int], labels: Sequence[int], attributes: Sequence[dict[str, Raw]]
) -> tuple[list[int], list[bool]]:
    """(n,) the group of each segment, 0 for none, and whether it is the only one in the group with its label.

    The group of several segments is a field, not an attribute. Polygons of one group and label would become one
    segment.
    """
    texts = [bytes(values.get("group", b"")).decode("ascii", "replace") for values in attributes]
    number = [max(whole_number(text) or 0, 0) for text in texts]
    size = Counter(zip(image, number, strict=True))
    group = [
        group_id if group_id and size[where, group_id] > 1 else 0 for where, group_id in zip(image, number, strict=True)
    ]
    for group_id, kept in zip(group, attributes, strict=True):
        if group_id:
            del kept["group"]
    n_alike = Counter(zip(image, group, labels, strict=True))
    alone = [
        not group_id or n_alike[where, group_id, label] == 1
        for where, group_id, label in zip(image, group, labels, strict=True)
    ]
    return group, alone


def _segment_shapes(batch: Batch, rows: Ints, alone: Sequence[bool], losses: LossCounter) -> list[list[Json]]:
    """(n,) the polygons of each segment, or its mask if polygons cannot hold it."""
    shapes = encode_segments(batch, rows, "source").shapes
    held = _hold_pixels(batch, rows, shapes)
    masked = [
        not (is_alone and is_held and isinstance(shape, list) and shape)
        for shape, is_alone, is_held in zip(shapes, alone, held, strict=True)
    ]
    masked_rows = np.flatnonzero(masked)
    count_lost_rings(batch, rows[masked_rows], losses)
    coded = iter(write_rles(batch.runs, rows[masked_rows], *batch.segment_size))
    return [
        [{"type": "polygon", "points": ring} for ring in shape]
        if isinstance(shape, list) and not mask
        else [{"type": "mask", "rle": next(coded)}]
        for shape, mask in zip(shapes, masked, strict=True)
    ]


def _hold_pixels(batch: Batch, rows: Ints, shapes: Sequence[object]) -> list[bool]:
    """(n,) whether polygons still draw exactly the segment's pixels after Datumaro's rounding."""
    rings = [
        [np.array(ring, np.float32).round(_COORDINATE_DIGITS).tolist() for ring in shape]
        if isinstance(shape, list)
        else None
        for shape in shapes
    ]
    rounded = pa.array(rings, pa.list_(pa.list_(pa.float64())))
    height, width = (side[rows] for side in batch.segment_size)
    held: list[bool] = rings_are_exact(batch.runs.take(rows, batch.n_segments), rounded, height, width).tolist()
    return held


def _annotation_fields(segment: Json, attributes: Mapping[str, Raw], label: int) -> Json:
    kept: Json = {key: value for key, value in attributes.items() if key not in _COLUMN_ATTRIBUTES}
    if segment["iscrowd"]:
        kept["is_crowd"] = True
    if segment["score"] is not None:
        kept["score"] = segment["score"]
    z_order, track = _as_integer(kept.get("z_order")), segment["track_id"]
    if z_order:
        del kept["z_order"]
    fields: Json = {"id": segment["segment_id"] or 0, "label_id": label, "z_order": z_order, "attributes": kept}
    if track is not None and track >= 0:
        fields["object_id"] = track
    elif track is not None:
        kept["track_id"] = track
    return fields


def _as_integer(raw: Raw | None) -> int:
    """A JSON text as an integer; 0 for other values."""
    text = b"" if raw is None else bytes(raw)
    return int(text) if text.removeprefix(b"-").isdigit() and len(text) < 10 else 0


def _label_items(taxonomy: Taxonomy) -> dict[str, Any]:
    """The categories as Datumaro's labels, in the order of the taxonomy."""
    labels, colors = [], []
    for id_, category in enumerate(taxonomy.categories):
        attributes = sorted(attribute.name for attribute in category.attributes)
        labels.append({"name": category.name, "parent": category.parent or "", "attributes": attributes})
        if category.rgb is not None:
            colors.append({"label_id": id_, **dict(zip("rgb", category.rgb, strict=True))})
    items: dict[str, Any] = {"label": {"labels": labels, "label_groups": [], "attributes": []}}
    return items | ({"mask": {"colormap": colors}} if colors else {})


class _DocumentWriter:
    """Writes one document for each split, opened with its first item."""

    def __init__(self, folder: Path, profile: Profile, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        categories = _label_items(profile.taxonomy)
        head = {"dm_format_version": "1.0", "media_type": _IMAGE_MEDIA, "infos": {}, "categories": categories}
        self._head = msgspec.json.encode(head)[:-1] + b',"items":['
        self._files: dict[str, IO[bytes]] = {}
        self._ids: set[tuple[str, str]] = set()
        folder.mkdir(parents=True)

    def add(self, subset: str, item: Json) -> None:
        """Write an item; its id is the image's path, without extension unless another item has that."""
        path = item["image"]["path"]
        stem = without_extension(path)
        item["id"] = path if (subset, stem) in self._ids else stem
        self._ids.add((subset, item["id"]))
        is_open = subset in self._files
        file = self._file(subset)
        file.write((b",\n" if is_open else b"\n") + msgspec.json.encode(item))

    def finish(self) -> None:
        """Finish all documents; an empty dataset gets one document."""
        if not self._files:
            self._file(DEFAULT)
        for file in self._files.values():
            file.write(b"\n]}\n")

    def _file(self, subset: str) -> IO[bytes]:
        if subset not in self._files:
            self._files[subset] = self._stack.enter_context((self._folder / f"{subset}.json").open("wb"))
            self._files[subset].write(self._head)
        return self._files[subset]


def write_documents(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write ``annotations/<split>.json`` and ``taxonomy.yaml`` into `target`."""
    writing.count_spatial_losses(profile, losses)
    label_of = {category.id: k for k, category in reversed(list(enumerate(profile.taxonomy.categories)))}
    with ExitStack() as stack:
        documents = _DocumentWriter(target / "annotations", profile, stack)
        for batch in batches:
            _count_unheld(batch, losses)
            for subset, item in _items(batch, label_of, losses):
                documents.add(subset, item)
        documents.finish()
    write_sidecars(target, profile, profile.taxonomy)


def _count_unheld(batch: Batch, losses: LossCounter) -> None:
    writing.count_losses(batch, losses, DATUMARO_LOSSES - {"attributes", "rings"}, _HELD_COLUMNS)
    writing.count_unannotated_images(batch, losses)
    for image in batch.images.select(["image_id", "split", "metadata"]).to_pylist():
        split = image["split"]
        if (
            _subset(split) != (split or DEFAULT)
            or split == DEFAULT
            or _ANNOTATION_KEYS & dict(image["metadata"] or ()).keys()
        ):
            losses.add("image-details", "images", 1, examples=[image["image_id"]])


def _subset(split: str | None) -> str:
    """The name of a split's document."""
    return split if split and re.fullmatch(r"[^/\\.][^/\\]*", split) else DEFAULT


def _items(batch: Batch, label_of: dict[int, int], losses: LossCounter) -> Iterator[tuple[str, Json]]:
    """The items of a batch, and the subset of each."""
    rows = writable_rows(batch, label_of, losses, empty=True)
    annotations = _segment_annotations(batch, rows, label_of, losses)
    for image, in_image, owner in image_rows(batch, rows):
        attributes: Json = {
            key: raw_json(value) for key, value in image["metadata"] or () if key not in _ANNOTATION_KEYS
        }
        attributes |= {key: value for key, value in owner.items() if value}
        media: Json = {"path": image["image_id"]}
        if image["height"] and image["width"]:
            media["size"] = [image["height"], image["width"]]
        shapes = [part for parts in annotations[in_image] for part in parts]
        item = {"id": "", "annotations": shapes, **({"attr": attributes} if attributes else {}), "image": media}
        yield _subset(image["split"]), item
