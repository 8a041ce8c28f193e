"""Kaggle run-length CSV: a row for each mask, `start length` pairs that count pixels from 1 down the columns.

Read: a column of images (ImageId, id, img, image_id …) and one of pairs (EncodedPixels, rle, rle_mask, annotation,
segmentation …), as in Airbus Ship Detection, TGS Salt and the Data Science Bowl 2018; a class in a column of its own
(ClassId, class, label …, as in iMaterialist, with Height and Width) or behind the image's name (`a.jpg_1`,
`a.jpg_Fish`: ImageId_ClassId and Image_Label, as in Severstal and Understanding Clouds). A row without pairs says that
the image was looked at. Competitions number pixels along the rows as well (`order=row`); which way is meant the file
does not say, and rows that make no coherent regions one way, but do the other way, are a finding.
Written: ImageId, EncodedPixels, Height, Width, ClassId (the category's name), a row for each segment.
The encoding is described on the evaluation pages of these competitions, for example
https://www.kaggle.com/competitions/airbus-ship-detection/overview/evaluation; the names of the columns are from memory.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TextIO

import numpy as np

from segdata.core.batch import Batch
from segdata.core.defect import Defect
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Ints
from segdata.formats.image_folder import find_images
from segdata.formats.kaggle.look import Order, look
from segdata.formats.kaggle.rows import Rows, read_rows
from segdata.formats.masks.beside import write_beside
from segdata.formats.naming import naming
from segdata.formats.perimage.entry import Entry
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.sheets import Sheet, examples, sheets
from segdata.formats.unheld import count_not_annotated, count_spatial, count_unheld

LOSSES: frozenset[Kind] = frozenset(
    {
        "annotation-attributes",
        "annotator",
        "attributes",
        "category",
        "category-details",
        "crowd",
        "empty-annotation",
        "empty-segment",
        "image-details",
        "rings",
        "score",
        "secondary-categories",
        "segment-id",
        "source",
        "spatial",
        "track",
    }
)
CHECKED = ("pycocotools (the same pairs as uncompressed counts)", "the competitions' published decoder, as a formula")
FILE_SUFFIXES = (".csv",)
READ_OPTIONS = {
    "order": "column (default): pixels are numbered down the columns; row: along the rows",
    "size": "HEIGHTxWIDTH of all images, where neither the table nor the image files tell",
    "category": "the name of the only category, where the table has no classes; default: object",
}
_FILE = "labels.csv"
_HEAD = rb"\A\W{0,3}(image_?id|id|img|image|image_label|image_?id_classid|filename|id_code)\W[^\n]*"
_PIXELS = rb"(encoded_?pixels|rle(_mask)?|rle_encoded|predicted|annotation|segmentation)\b"


def detect(seen: Glance) -> Clue | None:
    """A CSV file with a column of images and one of run lengths."""
    found = seen.heads(r"^[^/]*\.csv$", rb"(?i)" + _HEAD + _PIXELS + rb'[^\n]*\n[^\n]*,"?(\d+ \d+[ \d]*)?"?(,|\s)')
    return Clue(0.95, f"{found[0]} has run lengths") if found else None


def read(request: Request) -> PerImageSource:
    """Open a table; raises UnreadableError where there is none, or where nothing tells the size of the images."""
    path, order, size = _table(request.root), _order(request), _size(request)
    rows = read_rows(path, path.name)
    only = str(request.options.get("category", "object"))
    names = {line.category or only for lines in rows.of_image.values() for line in lines}
    taxonomy = request.taxonomy
    by_id = {} if taxonomy is None else {str(id_): each.name for id_, each in taxonomy.by_id().items()}
    known = naming((by_id.get(name, name) for name in names), taxonomy)
    ids = {name: known.to[by_id.get(name, name)] for name in names} | {None: known.to.get(by_id.get(only, only), 0)}
    entries, defects = _entries(request, path, rows, size)
    profile = Profile(
        name=request.root.stem,
        format="kaggle-rle",
        task="semantic" if rows.by_class else "instance",
        taxonomy=known.taxonomy,
        taxonomy_declared=known.declared,
        coverage=Policy("sparse"),
        overlap=Policy("allow"),
        files=str(path),
        metadata=known.metadata,
    )
    found = partial(look, path.name, ids, order)
    return PerImageSource(
        path.parent, profile, entries, (*rows.defects, *defects), found, request.annotator, 64, "declared size"
    )


def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write the table: `target` itself where it ends in .csv, else labels.csv in that folder, with taxonomy.yaml."""
    count_spatial(profile, losses)
    alone = target.suffix.lower() == ".csv"
    path = target if alone else target / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    if alone:
        losses.add("category-details", "taxonomies", 1)
    else:
        write_beside(target, profile, profile.taxonomy)
    with path.open("w", encoding="utf-8", newline="") as file:
        _write(profile, batches, file, losses)


def _write(profile: Profile, batches: Iterable[Batch], file: TextIO, losses: Losses) -> None:
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(("ImageId", "EncodedPixels", "Height", "Width", "ClassId"))
    names = {id_: category.name for id_, category in profile.taxonomy.by_id().items()}
    for batch in batches:
        count_unheld(batch, losses, LOSSES)
        count_not_annotated(batch, losses)
        category = batch.segments["category_id"].to_pylist()
        for sheet in sheets(batch):
            written = _kept(batch, sheet, [category[row] in names for row in sheet.segments.tolist()], losses)
            size = (sheet.height or "", sheet.width or "")
            said = [names[category[row]] for row in written.segments.tolist()]
            for name, pairs in zip(said, _pairs(written), strict=True):
                lines.writerow((sheet.image_id, pairs, *size, name))
            if not said:
                lines.writerow((sheet.image_id, "", *size, ""))


def _kept(batch: Batch, sheet: Sheet, known: list[bool], losses: Losses) -> Sheet:
    """The segments of an image that have rows; the others are counted."""
    areas = sheet.runs.areas(len(sheet.segments))
    lacking = sheet.segments[~np.array(known, bool)]
    losses.add("category", "segments", len(lacking), int(areas[~np.array(known, bool)].sum()), examples(batch, lacking))
    kept = np.flatnonzero(np.array(known, bool) & (areas > 0))
    empty = sheet.segments[np.array(known, bool) & (areas == 0)]
    losses.add("empty-segment", "segments", len(empty), examples=examples(batch, empty))
    rows = sheet.segments[kept]
    ids = batch.segments["segment_id"].to_numpy()[rows]
    named = batch.segments["source_id"].is_valid().to_numpy()[rows]
    renumbered = rows[(ids != np.arange(1, len(rows) + 1)) | named]
    losses.add("segment-id", "segments", len(renumbered), examples=examples(batch, renumbered))
    return replace(sheet, segments=rows, runs=sheet.runs.take(kept, len(areas)))


def _pairs(sheet: Sheet) -> Iterator[str]:
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


def _table(root: Path) -> Path:
    """The table; raises UnreadableError where a folder has none, or several."""
    if root.is_file():
        return root
    seen = Glance(root)
    found = seen.heads(r"^[^/]*\.csv$", rb"(?i)" + _HEAD + _PIXELS) or seen.matching(r"^[^/]*\.csv$")
    if len(found) != 1:
        what = "no CSV file in it" if not found else f"{len(found)} tables, name one of them: {', '.join(found)}"
        raise UnreadableError(f"{root}: {what}")
    return root / found[0]


def _order(request: Request) -> Order | None:
    order = request.options.get("order")
    if order is None:
        return None
    if order not in ("column", "row"):
        raise SegdataError(f"kaggle-rle: order is {order!r}, it is column or row")
    return "row" if order == "row" else "column"


def _size(request: Request) -> tuple[int, int]:
    """Height and width of all images, as the user says; (0, 0): not said."""
    said = str(request.options.get("size", ""))
    parts = said.lower().split("x")
    if not said:
        return 0, 0
    if len(parts) != 2 or not all(part.isdigit() and 0 < int(part) <= 2**20 for part in parts):
        raise SegdataError(f"kaggle-rle: size is {said!r}, it is HEIGHTxWIDTH in pixels, as 768x768")
    return int(parts[0]), int(parts[1])


def _entries(request: Request, path: Path, rows: Rows, size: tuple[int, int]) -> tuple[list[Entry], list[Defect]]:
    """The images of a table, with their files; raises UnreadableError where no size is known of any of them."""
    names = list(rows.of_image)
    bare = not any(PurePosixPath(name).suffix for name in names)
    wanted = [name + suffix for suffix in (".png", ".jpg", ".tif") for name in names] if bare else names
    folder, defects = find_images(path, path.name, wanted, request.images)
    by_stem = {PurePosixPath(name).with_suffix("").as_posix(): name for name in folder.paths} if bare else {}
    entries = []
    for name, lines in sorted(rows.of_image.items()):
        image_id = by_stem.get(name, name)
        sizes = [line.size for line in lines if 0 not in line.size]
        entries.append(
            Entry(image_id, folder.paths.get(image_id), (path,), lines, (sizes or [size])[0], source_id=name)
        )
    if entries and all(entry.image is None and 0 in entry.size for entry in entries):
        raise UnreadableError(
            f"{path}: run lengths need the size of the images: give --images DIR, or --read-option size=HEIGHTxWIDTH"
        )
    return entries, defects
