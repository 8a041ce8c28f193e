"""Kaggle writer: a row for each segment."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from segdata.core.batch import Batch
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.shared.count_losses import count_losses, count_spatial_losses, count_unannotated_images
from segdata.formats.shared.painting import ImageSegments, segment_examples, segments_by_image
from segdata.formats.shared.taxonomies import write_sidecars

_FILE = "labels.csv"


def write_table(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, kinds: frozenset[Kind]
) -> None:
    """Write the table at `target`, or in that folder; `kinds` are what it cannot hold."""
    count_spatial_losses(profile, losses)
    alone = target.suffix.lower() == ".csv"
    path = target if alone else target / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    if alone:
        losses.add("category-details", "taxonomies", 1)
    else:
        write_sidecars(target, profile, profile.taxonomy)
    with path.open("w", encoding="utf-8", newline="") as file:
        _write(profile, batches, file, losses, kinds)


def _write(profile: Profile, batches: Iterable[Batch], file: TextIO, losses: Losses, kinds: frozenset[Kind]) -> None:
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(("ImageId", "EncodedPixels", "Height", "Width", "ClassId"))
    names = {id_: category.name for id_, category in profile.taxonomy.by_id().items()}
    for batch in batches:
        count_losses(batch, losses, kinds)
        count_unannotated_images(batch, losses)
        category = batch.segments["category_id"].to_pylist()
        for sheet in segments_by_image(batch):
            written = _kept(batch, sheet, [category[row] in names for row in sheet.segments.tolist()], losses)
            size = (sheet.height or "", sheet.width or "")
            said = [names[category[row]] for row in written.segments.tolist()]
            for name, pairs in zip(said, _pairs(written), strict=True):
                lines.writerow((sheet.image_id, pairs, *size, name))
            if not said:
                lines.writerow((sheet.image_id, "", *size, ""))


def _kept(batch: Batch, sheet: ImageSegments, known: list[bool], losses: Losses) -> ImageSegments:
    """The segments of an image that have rows; the others are counted."""
    areas = sheet.runs.areas(len(sheet.segments))
    lacking = sheet.segments[~np.array(known, bool)]
    losses.add(
        "category", "segments", len(lacking), int(areas[~np.array(known, bool)].sum()), segment_examples(batch, lacking)
    )
    kept = np.flatnonzero(np.array(known, bool) & (areas > 0))
    empty = sheet.segments[np.array(known, bool) & (areas == 0)]
    losses.add("empty-segment", "segments", len(empty), examples=segment_examples(batch, empty))
    rows = sheet.segments[kept]
    ids = batch.segments["segment_id"].to_numpy()[rows]
    named = batch.segments["source_id"].is_valid().to_numpy()[rows]
    renumbered = rows[(ids != np.arange(1, len(rows) + 1)) | named]
    losses.add("segment-id", "segments", len(renumbered), examples=segment_examples(batch, renumbered))
    return sheet.only(kept)


def _pairs(sheet: ImageSegments) -> Iterator[str]:
    """The pairs of each segment; runs that go on in the next column are one."""
    runs, high = sheet.runs, max(sheet.height, 1)
    offset = runs.offsets(len(sheet.segments))
    for first, last in zip(offset[:-1].tolist(), offset[1:].tolist(), strict=True):
        start, length = _joined(runs.start[first:last], runs.length[first:last], high)
        yield " ".join(map(str, np.stack([start + 1, length], axis=1).reshape(-1).tolist()))


def _joined(start: Ints, length: Ints, high: int) -> tuple[Ints, Ints]:
    """Runs with those made one that end at the bottom of a column and go on at the top of the next."""
    goes_on = (start[1:] == start[:-1] + length[:-1]) & (start[1:] % high == 0)
    first = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    return start[first], np.add.reduceat(length, first)
