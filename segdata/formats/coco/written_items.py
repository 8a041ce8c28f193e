"""Written COCO items: the entries of images and annotations, their ids, and the document around them."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch, integer_column
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints, bounding_boxes
from segdata.core.taxonomy import Taxonomy
from segdata.formats.coco.categories import category_items
from segdata.formats.coco.document import Raw, raw_json
from segdata.formats.coco.images import IMAGE_KEYS
from segdata.formats.shared.painting import in_first_annotation, segment_examples

PANOPTIC_COLUMNS = frozenset({"images.metadata", "annotations.attributes"})


class WrittenSegment(msgspec.Struct, gc=False, omit_defaults=True, kw_only=True):
    """A written entry of `annotations` or `segments_info`."""

    id: int
    image_id: int | None = None
    category_id: int
    area: int
    bbox: list[int]
    iscrowd: int
    score: float | None = None
    track_id: int | None = None
    attributes: dict[str, Raw] | None = None
    also: list[int] | None = None  # secondary categories
    segmentation: object = None
    segdata_keyhole: int = 0  # 1: the one ring of the segmentation has bridges to holes


def written_segments(batch: Batch, rows: Ints, ids: Ints) -> list[WrittenSegment]:
    """The segments at these rows under new ids; area and bbox from the pixels."""
    height, _ = batch.segment_size
    areas = batch.runs.areas(batch.n_segments)[rows]
    box = np.stack(bounding_boxes(batch.runs, height, batch.n_segments), axis=1)[rows]
    columns = batch.segments.select(["category_id", "iscrowd", "score", "track_id", "also", "attributes"]).take(
        pa.array(rows)
    )
    return [
        WrittenSegment(
            id=id_,
            category_id=category,
            area=area,
            bbox=bbox,
            iscrowd=int(crowd or False),
            score=score,
            track_id=track,
            also=also or None,
            attributes={key: raw_json(value) for key, value in attributes} if attributes else None,
        )
        for id_, area, bbox, category, crowd, score, track, also, attributes in zip(
            ids.tolist(),
            areas.tolist(),
            box.tolist(),
            *(columns[name].to_pylist() for name in columns.column_names),
            strict=True,
        )
    ]


class ImageIds:
    """Assigns image ids: the source's own if they are unused integers, else the next free ones."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._next = 1

    def of(self, batch: Batch) -> list[int]:
        """(n_images,) the ids of a batch's images."""
        return [self._one(source_id) for source_id in batch.images["source_id"].to_pylist()]

    def _one(self, source_id: str | None) -> int:
        own = int(source_id) if source_id is not None and source_id.isascii() and source_id.isdecimal() else None
        if own is None or own in self._taken or own >= 2**62:
            while self._next in self._taken:
                self._next += 1
            own = self._next
        self._taken.add(own)
        return own


def image_items(batch: Batch, ids: list[int]) -> list[dict[str, object]]:
    """The entries of `images`: name, size if known, and the metadata as further keys."""
    height, width = batch.image_size
    entries = []
    for id_, name, high, wide, metadata in zip(
        ids,
        batch.images["image_id"].to_pylist(),
        height.tolist(),
        width.tolist(),
        batch.images["metadata"].to_pylist(),
        strict=True,
    ):
        entry: dict[str, object] = {"id": id_, "file_name": name}
        if wide and high:
            entry |= {"width": wide, "height": high}
        entry |= {key: raw_json(value) for key, value in metadata or () if key not in IMAGE_KEYS}
        entries.append(entry)
    return entries


def entry_attributes(batch: Batch) -> list[dict[str, Raw]]:
    """(n_annotations,) the annotations' attributes as further keys."""
    return [
        {key: raw_json(value) for key, value in attributes or ()}
        for attributes in batch.annotations["attributes"].to_pylist()
    ]


class SegmentIds:
    """Assigns segment ids that are unique in a file and positive: pycocotools takes 0 for "no match"."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._last = 0

    def of(self, own_ids: Ints) -> Ints:
        """(n,) the `own_ids` ids; those in use are replaced by numbers beyond all so far."""
        _, first = np.unique(own_ids, return_index=True)
        taken = np.ones(len(own_ids), bool)
        taken[first] = False
        taken |= np.array([id_ < 1 or id_ in self._taken for id_ in own_ids.tolist()], bool)
        self._last = max(self._last, int(own_ids.max(initial=0)))
        ids = own_ids.copy()
        ids[taken] = self._last + 1 + np.arange(int(taken.sum()))
        self._last = max(self._last, int(ids.max(initial=0)))
        self._taken.update(ids.tolist())
        return ids


def are_listable(batch: Batch, taxonomy: Taxonomy, losses: LossCounter) -> NDArray[np.bool_]:
    """(n_segments,) whether a document can list a segment: it must be the first annotator's and of a listed category.

    COCO has no void, and an id that is not among its categories means nothing: segments of either are counted.
    """
    category, first = integer_column(batch.segments["category_id"]), in_first_annotation(batch)
    areas = batch.runs.areas(batch.n_segments)
    void = np.isin(category, np.array(taxonomy.void_ids, np.int64))
    in_taxonomy = np.isin(category, np.array(list(taxonomy.by_id()), np.int64))
    kinds: tuple[tuple[LossKind, NDArray[np.bool_]], ...] = (("void", void), ("category", ~in_taxonomy))
    for kind, flag in kinds:
        rows = np.flatnonzero(flag & first)
        losses.add(kind, "segments", len(rows), int(areas[rows].sum()), segment_examples(batch, rows))
    return first & in_taxonomy & ~void


def write_document(path: Path, profile: Profile, pieces: Iterable[tuple[list[bytes], list[bytes]]]) -> None:
    """Write a document: images and annotations come encoded, a piece at a time.

    The images come after the annotations, for they are few, and annotations need not wait for them; the categories
    come last, when what the profile's metadata says of them may have been counted on the way.
    """
    head: dict[str, Raw] = {
        key: raw_json(profile.metadata[key]) for key in ("info", "licenses") if key in profile.metadata
    }
    images: list[bytes] = []
    separator = b"\n"
    with path.open("wb") as file:
        file.write(msgspec.json.encode(head)[:-1] + (b"," if head else b"") + b'"annotations":[')
        for entries, annotations in pieces:
            images += entries
            if annotations:
                file.write(separator + b",\n".join(annotations))
                separator = b",\n"
        categories = msgspec.json.encode(category_items(profile.taxonomy, profile.metadata))
        file.write(b'\n],"images":[\n' + b",\n".join(images) + b'\n],"categories":' + categories + b"}\n")
