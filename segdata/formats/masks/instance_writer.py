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
from segdata.core.errors import SegdataError
from segdata.core.loss import Losses
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy
from segdata.formats.masks.beside import write_beside
from segdata.formats.masks.idtable import COLUMNS
from segdata.formats.masks.maskindex import write_index
from segdata.formats.masks.merging import count_by_segment
from segdata.formats.masks.painting import MaskNames, occurs, painted
from segdata.formats.sheets import Sheet, examples, sheets
from segdata.formats.unheld import count_spatial

TABLE = "instances.csv"
_MOST_16 = 2**16 - 1


def write_instance_ids(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write `masks/`, `instances.csv`, `images.csv`, `taxonomy.yaml` and `segdata.yaml` below `target`."""
    count_spatial(profile, losses)
    target.mkdir(parents=True)
    names = category_names(profile.taxonomy)
    with (target / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        write_index(target, _rows(batches, target, names, table, losses))
    write_beside(target, profile, profile.taxonomy, InstanceIds(table=TABLE))


def _rows(
    batches: Iterable[Batch],
    target: Path,
    names: dict[int, str],
    table: Any,  # csv has no name for its writer's type
    losses: Losses,
) -> Iterator[tuple[str, str | None, int, int, str | None]]:
    """Write the masks and the table, and tell the rows of the index."""
    files = MaskNames()
    for batch in batches:
        categories = batch.segments["category_id"].to_numpy()
        known = np.array([each in names for each in categories.tolist()], bool)
        count_by_segment(batch, known, losses)
        ids = batch.segments["segment_id"].fill_null(0).to_numpy()
        crowds = batch.segments["iscrowd"].fill_null(False).to_numpy(zero_copy_only=False)
        for sheet in sheets(batch):
            if not sheet.annotated:
                yield sheet.image_id, None, sheet.width, sheet.height, sheet.uri
                continue
            areas = sheet.runs.areas(len(sheet.segments))
            kept = np.flatnonzero(known[sheet.segments] & (areas > 0))
            sheet = sheet.only(kept)
            rows = sheet.segments
            values = values_of(ids[rows])
            name, seen = _save(sheet, values, target, files)
            losses.add("empty-segment", "segments", int((~seen).sum()), 0, examples(batch, rows[~seen]))
            table.writerows(
                (sheet.image_id, value, names[category], "" if value == identity else identity, int(crowd))
                for value, category, identity, crowd in zip(
                    *(each[seen].tolist() for each in (values, categories[rows], ids[rows], crowds[rows])), strict=True
                )
            )
            yield sheet.image_id, name, sheet.width, sheet.height, sheet.uri


def values_of(ids: Ints, most: int = _MOST_16) -> Ints:
    """(n,) the pixel value of each segment of one image: its id where that is 1 to `most` and its own, else a free one.

    >>> values_of(np.array([7, 7, 900100, 2])).tolist()
    [1, 3, 4, 2]
    """
    values, count = np.unique(ids, return_counts=True)
    own = np.isin(ids, values[(count == 1) & (values > 0) & (values <= most)])
    taken = ids[own]
    n_free = int((~own).sum())
    free = np.setdiff1d(np.arange(1, len(ids) + 1, dtype=np.int64), taken)[:n_free]
    result = ids.astype(np.int64)
    result[~own] = free
    return result


def _save(sheet: Sheet, values: Ints, target: Path, files: MaskNames) -> tuple[str, NDArray[np.bool_]]:
    """Write one mask; its path below the target, and which segments can be seen in it."""
    wide = bool(len(values)) and int(values.max()) > _MOST_16
    name = files.name(sheet.image_id, ".tif" if wide else ".png")
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if wide:
        ids = painted(sheet, values, 0, np.int32)
        Image.fromarray(ids).save(path, compression="tiff_adobe_deflate")
        return name, occurs(values, ids)
    pixels = painted(sheet, values, 0, np.uint16)
    Image.fromarray(pixels).save(path)
    return name, occurs(values, pixels)


def category_names(taxonomy: Taxonomy) -> dict[int, str]:
    """Category id -> what the table calls it: its name, or its id where another category has that name first."""
    named = taxonomy.by_name()
    called = {}
    for identity, category in taxonomy.by_id().items():
        name = category.name if named[category.name].id == identity else str(identity)
        if name != category.name and name in named:
            raise SegdataError(f"categories {named[name].name!r} and {identity} cannot be told apart; rename one")
        called[identity] = name
    return called
