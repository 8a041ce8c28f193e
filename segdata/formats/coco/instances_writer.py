"""Writes COCO instances: one JSON, a batch at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch, whole
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs, spread
from segdata.core.taxonomy import Taxonomy
from segdata.formats.coco.categories import count_category_losses
from segdata.formats.coco.polygons import Polygons, malformed
from segdata.formats.coco.rle import write_rles
from segdata.formats.coco.saying import (
    ImageIds,
    Segment,
    SegmentIds,
    image_entries,
    named,
    sayable,
    segments_of,
    write_lists,
)
from segdata.formats.unheld import count_unheld


def write_instances(
    profile: Profile, batches: Iterable[Batch], path: Path, losses: Losses, lost: frozenset[Kind]
) -> None:
    """Write the document at `path`."""
    encode = msgspec.json.Encoder().encode
    count_category_losses(profile.taxonomy, losses)
    image_ids, segment_ids = ImageIds(), SegmentIds()

    def items() -> Iterator[tuple[list[bytes], list[bytes]]]:
        for batch in batches:
            # Rings are counted by what becomes of them.
            count_unheld(batch, losses, lost - {"rings"}, frozenset({"images.metadata"}))
            _count_not_annotated(batch, losses)
            ids = image_ids.of(batch)
            annotations = _annotations(batch, profile.taxonomy, np.array(ids, np.int64), segment_ids, losses)
            yield [encode(entry) for entry in image_entries(batch, ids)], [encode(item) for item in annotations]

    write_lists(path, profile, items())


def _count_not_annotated(batch: Batch, losses: Losses) -> None:
    """COCO has one list of images: whoever reads it takes every image for annotated."""
    names = batch.images["image_id"].to_pylist()
    rows = np.setdiff1d(np.arange(len(names)), batch.annotation_image)
    losses.add("empty-annotation", "images", len(rows), examples=[names[row] for row in rows[:3]])


def _annotations(
    batch: Batch, taxonomy: Taxonomy, image_ids: Ints, segment_ids: SegmentIds, losses: Losses
) -> list[Segment]:
    """The annotations of a batch: those that a document can list."""
    rows = np.flatnonzero(sayable(batch, taxonomy, losses))
    wanted = whole(batch.segments["segment_id"])[rows]
    ids = segment_ids.of(wanted)
    texts = batch.segments["source_id"].is_valid().to_numpy()[rows]
    changed = np.flatnonzero((ids != wanted) | texts)
    losses.add("segment-id", "segments", len(changed), examples=named(batch, rows[changed]))
    items = segments_of(batch, rows, ids)
    drawn = _drawn_exactly(batch)[rows]
    lost = np.flatnonzero(batch.segments["rings"].is_valid().to_numpy()[rows] & ~drawn)
    losses.add("rings", "segments", len(lost), examples=named(batch, rows[lost]))
    rings = batch.segments["rings"].take(pa.array(rows[drawn])).to_pylist()
    height, width = batch.segment_size
    coded = write_rles(batch.runs, rows[~drawn], height, width)
    for shapes, some in ((rings, drawn), (coded, ~drawn)):
        for k, shape in zip(np.flatnonzero(some).tolist(), shapes, strict=True):
            items[k].segmentation = shape
    for item, image in zip(items, image_ids[batch.segment_image[rows]].tolist(), strict=True):
        item.image_id = image
    return items


def _drawn_exactly(batch: Batch) -> NDArray[np.bool_]:
    """(n_segments,) whether the source's rings still rasterise to the segment's pixels."""
    lists = batch.segments["rings"].combine_chunks()
    polygons = Polygons.of_lists(lists)
    exact: NDArray[np.bool_] = np.asarray(lists.is_valid().to_numpy(zero_copy_only=False), bool).copy()
    wrong = malformed(polygons)
    exact[np.repeat(np.arange(len(exact)), np.diff(polygons.segment))[wrong]] = False
    rows = np.flatnonzero(exact)
    ring_owner = np.repeat(np.arange(len(exact)), np.diff(polygons.segment))
    height, width = batch.segment_size
    drawn = polygons.take_rings(np.flatnonzero(exact[ring_owner])).rasterise(height, width)
    exact[rows] = _same(batch.runs, drawn, len(exact))[rows]
    return exact


def _same(a: Runs, b: Runs, n_owners: int) -> NDArray[np.bool_]:
    """(n_owners,) whether the runs of an owner are the same on both sides."""
    first_a, first_b = a.offsets(n_owners), b.offsets(n_owners)
    same: NDArray[np.bool_] = np.diff(first_a) == np.diff(first_b)
    rows = np.flatnonzero(same)
    count = np.diff(first_a)[rows]
    at_a, at_b = spread(first_a[rows], count), spread(first_b[rows], count)
    differ = (a.start[at_a] != b.start[at_b]) | (a.length[at_a] != b.length[at_b])
    same[np.repeat(rows, count)[differ]] = False
    return same
