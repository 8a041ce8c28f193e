"""Writes COCO instances: one JSON, a batch at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.batch import Batch, whole
from segdata.core.errors import check_choice
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy
from segdata.formats.coco.categories import count_category_losses
from segdata.formats.coco.drawing import draw
from segdata.formats.coco.options import POLYGONS
from segdata.formats.coco.saying import (
    ImageIds,
    Segment,
    SegmentIds,
    image_entries,
    sayable,
    segments_of,
    write_lists,
)
from segdata.formats.shared.count_losses import count_losses, count_spatial_losses, count_unannotated_images
from segdata.formats.shared.painting import segment_examples


def write_instances(
    profile: Profile,
    batches: Iterable[Batch],
    path: Path,
    losses: Losses,
    lost: frozenset[Kind],
    *,
    polygons: str = "source",
) -> None:
    """Write the document at `path`; `polygons` is one of `options.POLYGONS`, else SegdataError."""
    check_choice("polygons", polygons, tuple(POLYGONS))
    encode = msgspec.json.Encoder().encode
    count_category_losses(profile.taxonomy, losses)
    count_spatial_losses(profile, losses)
    image_ids, segment_ids = ImageIds(), SegmentIds()

    def items() -> Iterator[tuple[list[bytes], list[bytes]]]:
        for batch in batches:
            # Rings are counted by what becomes of them.
            count_losses(batch, losses, lost - {"rings"}, frozenset({"images.metadata"}))
            count_unannotated_images(batch, losses)
            ids = image_ids.of(batch)
            image = np.array(ids, np.int64)
            annotations = _annotations(batch, profile.taxonomy, image, segment_ids, losses, polygons)
            yield [encode(entry) for entry in image_entries(batch, ids)], [encode(item) for item in annotations]

    write_lists(path, profile, items())


def _annotations(
    batch: Batch, taxonomy: Taxonomy, image_ids: Ints, segment_ids: SegmentIds, losses: Losses, polygons: str
) -> list[Segment]:
    """The annotations of a batch: those that a document can list."""
    rows = np.flatnonzero(sayable(batch, taxonomy, losses))
    wanted = whole(batch.segments["segment_id"])[rows]
    ids = segment_ids.of(wanted)
    texts = batch.segments["source_id"].is_valid().to_numpy()[rows]
    changed = np.flatnonzero((ids != wanted) | texts)
    losses.add("segment-id", "segments", len(changed), examples=segment_examples(batch, rows[changed]))
    items = segments_of(batch, rows, ids)
    drawing = draw(batch, rows, polygons)
    lost = np.flatnonzero(drawing.lost)
    losses.add("rings", "segments", len(lost), examples=segment_examples(batch, rows[lost]))
    for item, drawn, keyhole in zip(items, drawing.shapes, drawing.keyhole.tolist(), strict=True):
        item.segmentation, item.segdata_keyhole = drawn, int(keyhole)
    for item, image in zip(items, image_ids[batch.segment_image[rows]].tolist(), strict=True):
        item.image_id = image
    return items
