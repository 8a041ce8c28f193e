"""Panoptic writer: one JSON and a PNG for every annotated image, with one image in memory at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs
from segdata.formats.coco.categories import count_category_losses
from segdata.formats.coco.panoptic_masks import MAX_MASK_ID, UNLABELLED, read_regions
from segdata.formats.coco.written_items import (
    PANOPTIC_COLUMNS,
    ImageIds,
    are_listable,
    entry_attributes,
    image_items,
    write_document,
    written_segments,
)
from segdata.formats.shared.count_losses import count_losses, count_spatial_losses
from segdata.formats.shared.painting import MaskPaths, count_overlap_losses, paint, segment_examples, segments_by_image


def write_panoptic(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, lost: frozenset[LossKind]
) -> None:
    """Write ``panoptic.json`` and the folder ``panoptic`` below `target`."""
    folder = target / "panoptic"
    folder.mkdir(parents=True)
    count_category_losses(profile.taxonomy, losses)
    count_spatial_losses(profile, losses)
    image_ids, names = ImageIds(), MaskPaths()
    encode = msgspec.json.Encoder().encode

    def items() -> Iterator[tuple[list[bytes], list[bytes]]]:
        for batch in batches:
            count_losses(batch, losses, lost, PANOPTIC_COLUMNS)
            ids = image_ids.of(batch)
            shown = batch.take_segments(np.flatnonzero(are_listable(batch, profile.taxonomy, losses)))
            entries = _entries(shown, ids, names, folder, losses)
            yield [encode(entry) for entry in image_items(batch, ids)], [encode(entry) for entry in entries]

    write_document(target / "panoptic.json", profile, items())


def _entries(
    batch: Batch, image_ids: list[int], names: MaskPaths, folder: Path, losses: LossCounter
) -> list[dict[str, object]]:
    """Write the masks of a batch; returns the entries of `annotations` with the meanings of their ids."""
    ids = _segment_ids(batch, losses)
    count_overlap_losses(batch, ids, losses)
    attributes = entry_attributes(batch)
    annotation = np.searchsorted(batch.annotation_image, np.arange(len(image_ids))).tolist()
    visible, rows, entries = [], [], list[dict[str, object]]()
    for k, image in enumerate(segments_by_image(batch)):
        if image.annotated:
            name = names.name(image.image_id).removeprefix("masks/")
            picture = paint(image, ids[image.segments], UNLABELLED, np.uint32)
            _save(picture, folder / name)
            runs, visible_rows = _seen(picture, ids[image.segments])
            visible.append(runs)
            rows.append(image.segments[visible_rows])
            entries.append(
                {"image_id": image_ids[k], "file_name": name, "segments_info": [], **attributes[annotation[k]]}
            )
    kept = np.concatenate([np.empty(0, np.int64), *rows])
    hidden = np.setdiff1d(np.arange(batch.n_segments), kept)
    losses.add("empty-segment", "segments", len(hidden), examples=segment_examples(batch, hidden))
    shown = batch.take_segments(kept, Runs.concatenate(visible, [len(image_rows) for image_rows in rows]))
    segments = written_segments(shown, np.arange(len(kept)), ids[kept])
    bounds = np.cumsum([0, *map(len, rows)]).tolist()
    for entry, first, last in zip(entries, bounds[:-1], bounds[1:], strict=True):
        entry["segments_info"] = segments[first:last]
    return entries


def _save(picture: NDArray[np.uint32], path: Path) -> None:
    """Ids as a PNG: the low byte is red, the next green, the third blue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bytes_ = picture.astype("<u4").view(np.uint8).reshape(*picture.shape, 4)
    Image.fromarray(np.ascontiguousarray(bytes_[:, :, :3])).save(path, "PNG")


def _seen(picture: NDArray[np.uint32], ids: Ints) -> tuple[Runs, Ints]:
    """The pixels of the segments that are visible in a mask, and the positions of these segments, ascending."""
    present, _, runs = read_regions(picture)
    order = np.argsort(ids)
    position = order[np.searchsorted(ids, present, sorter=order)]
    return runs.take(np.argsort(position), len(present)), np.sort(position)


def _segment_ids(batch: Batch, losses: LossCounter) -> Ints:
    """(n_segments,) the segments' own ids if they are unique in their image and fit, else free ones."""
    own_ids = integer_column(batch.segments["segment_id"])
    image = batch.segment_image
    order = np.lexsort((np.arange(len(own_ids)), own_ids, image))
    again = np.zeros(len(own_ids), bool)
    again[order[1:]] = (own_ids[order[1:]] == own_ids[order[:-1]]) & (image[order[1:]] == image[order[:-1]])
    own = (own_ids >= 1) & (own_ids <= MAX_MASK_ID) & ~again
    ids = np.where(own, own_ids, 0)
    for row in np.unique(image[~own]).tolist():
        missing = np.flatnonzero((image == row) & ~own)
        taken = ids[(image == row) & own]
        # Among the first n + m numbers at most n are taken, so m are free.
        free = np.setdiff1d(np.arange(1, len(taken) + len(missing) + 1), taken)[: len(missing)]
        if len(free) and free[-1] > MAX_MASK_ID:
            raise SegdataError(
                f"an image has {len(taken) + len(missing):,} segments; COCO panoptic holds {MAX_MASK_ID:,}"
            )
        ids[missing] = free
    changed = np.flatnonzero(~own | batch.segments["source_id"].is_valid().to_numpy())
    losses.add("segment-id", "segments", len(changed), examples=segment_examples(batch, changed))
    return ids
