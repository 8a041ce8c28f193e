"""Instance writer: a value for each segment of an image, and the table that tells its category.

Segment ids are the values where they fit 16 bits and are unique in the image; else the table's `segment_id` keeps them.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.loss import Losses
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.shared.count_losses import count_segment_mask_losses, count_spatial_losses
from segdata.formats.shared.instance_id_rules import ID_TABLE_COLUMNS
from segdata.formats.shared.painting import (
    ImageSegments,
    MaskPaths,
    are_visible,
    paint,
    pixel_values,
    segment_examples,
    segments_by_image,
)
from segdata.formats.shared.pairing import write_index
from segdata.formats.shared.taxonomies import table_names, write_sidecars

TABLE = "instances.csv"
_MOST_16 = 2**16 - 1


def write_instance_ids(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write `masks/`, `instances.csv`, `images.csv`, `taxonomy.yaml` and `segdata.yaml` below `target`."""
    count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    names = table_names(profile.taxonomy)
    with (target / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(ID_TABLE_COLUMNS)
        write_index(target, _rows(batches, target, names, table, losses))
    write_sidecars(target, profile, profile.taxonomy, InstanceIds(table=TABLE))


def _rows(
    batches: Iterable[Batch],
    target: Path,
    names: dict[int, str],
    table: Any,  # csv has no name for its writer's type
    losses: Losses,
) -> Iterator[tuple[str, str | None, int, int, str | None]]:
    """Write the masks and the table, and tell the rows of the index."""
    files = MaskPaths()
    for batch in batches:
        categories = batch.segments["category_id"].to_numpy()
        known = np.array([each in names for each in categories.tolist()], bool)
        count_segment_mask_losses(batch, known, losses)
        ids = batch.segments["segment_id"].fill_null(0).to_numpy()
        crowds = batch.segments["iscrowd"].fill_null(False).to_numpy(zero_copy_only=False)
        for sheet in segments_by_image(batch):
            if not sheet.annotated:
                yield sheet.image_id, None, sheet.width, sheet.height, sheet.uri
                continue
            areas = sheet.runs.areas(len(sheet.segments))
            kept = np.flatnonzero(known[sheet.segments] & (areas > 0))
            sheet = sheet.only(kept)
            rows = sheet.segments
            values = pixel_values(ids[rows])
            name, seen = _save(sheet, values, target, files)
            losses.add("empty-segment", "segments", int((~seen).sum()), 0, segment_examples(batch, rows[~seen]))
            table.writerows(
                (sheet.image_id, value, names[category], "" if value == identity else identity, int(crowd))
                for value, category, identity, crowd in zip(
                    *(each[seen].tolist() for each in (values, categories[rows], ids[rows], crowds[rows])), strict=True
                )
            )
            yield sheet.image_id, name, sheet.width, sheet.height, sheet.uri


def _save(sheet: ImageSegments, values: Ints, target: Path, files: MaskPaths) -> tuple[str, NDArray[np.bool_]]:
    """Write one mask; its path below the target, and which segments can be seen in it."""
    wide = bool(len(values)) and int(values.max()) > _MOST_16
    name = files.name(sheet.image_id, ".tif" if wide else ".png")
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if wide:
        ids = paint(sheet, values, 0, np.int32)
        Image.fromarray(ids).save(path, compression="tiff_adobe_deflate")
        return name, are_visible(values, ids)
    pixels = paint(sheet, values, 0, np.uint16)
    Image.fromarray(pixels).save(path)
    return name, are_visible(values, pixels)
