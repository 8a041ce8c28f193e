"""Reads the CSV files and masks of Open Images."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import dataset_folder, is_unsafe_path, split_from_path
from segdata.core.runs import Flags, Runs, mask_to_runs
from segdata.formats.shared.file_names import is_image_name
from segdata.formats.shared.image_names import images_folder, no_images_defect
from segdata.formats.shared.images import ImageFolder, read_header
from segdata.formats.shared.mask_files import decode_mask
from segdata.formats.shared.pairing import find_label_files
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import resolve_names
from segdata.formats.tools.shapes import json_text

_COLUMNS = ("MaskPath", "ImageID", "LabelName")
_DESCRIPTIONS = re.compile(r"class-descriptions.*\.csv$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MaskRow:
    """A row of a CSV file."""

    file: str  # the CSV file's name in defects
    line: int
    label: str
    mask: Path | None  # None if it does not exist
    name: str  # the mask's name in the row
    box: str | None
    predicted_iou: float | None


def open_openimages(request: ReadRequest) -> PerImageSource:
    """Open the CSV files at or below a path; raises UnreadableError if none has the columns."""
    root = request.root
    folder = dataset_folder(root)
    files = {PurePosixPath(name).name: path for name, path in ImageFolder.near(root).paths.items()}
    rows: dict[str, list[MaskRow]] = {}
    splits: dict[str, str | None] = {}
    defects: list[Defect] = []
    tables = [path for path in find_label_files(root, ".csv").values() if not _DESCRIPTIONS.search(path.name)]
    n_tables = sum(_read_table(path, relative_path(root, path), files, rows, splits, defects) for path in tables)
    if not n_tables:
        raise UnreadableError(f"{root}: no CSV file with the columns {', '.join(_COLUMNS)}")
    described = _descriptions(folder)
    labels = {row.label for group in rows.values() for row in group}
    names = resolve_names({described.get(label, label) for label in labels}, request.taxonomy)
    masks = {row.name for group in rows.values() for row in group}
    entries = _entries(rows, splits, ImageFolder.near(root, images_folder(request)), masks)
    if entries and all(entry.image is None for entry in entries):
        defects.append(no_images_defect(len(entries), folder, images_folder(request)))
    ids = {label: names.to[described.get(label, label)] for label in labels}
    profile = names.profile("openimages", root, "instance", "sparse", "allow")
    return PerImageSource(root, profile, entries, tuple(defects), partial(read_image, ids, root), request.annotator)


def _read_table(
    path: Path,
    file: str,
    files: dict[str, Path],
    rows: dict[str, list[MaskRow]],
    splits: dict[str, str | None],
    defects: list[Defect],
) -> bool:
    """Add the rows of a file to `rows` by image; returns whether it has the columns."""
    seen: set[str] = set()
    word = path.name.partition("-")[0]
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            records = csv.DictReader(text)
            if not set(_COLUMNS) <= set(records.fieldnames or ()):
                return False
            for record in records:
                line, name, image = records.line_num, record["MaskPath"] or "", record["ImageID"] or ""
                label = record["LabelName"] or ""
                if not (name and image and label):
                    defects.append(Defect("SEG004", "a row lacks MaskPath, ImageID or LabelName", file, line=line))
                elif is_unsafe_path(name) or is_unsafe_path(image):
                    defects.append(Defect("SEG015", f"path {name!r} leaves the dataset's root", file, line=line))
                elif name in seen:
                    defects.append(Defect("SEG008", f"the mask {name!r} occurs twice", file, line=line, image=image))
                else:
                    seen.add(name)
                    mask = files.get(PurePosixPath(name).name)
                    iou = _number(record.get("PredictedIoU"))
                    row = MaskRow(
                        file=file,
                        line=line,
                        label=label,
                        mask=mask,
                        name=PurePosixPath(name).name,
                        box=record.get("BoxID") or None,
                        predicted_iou=iou,
                    )
                    rows.setdefault(image, []).append(row)
                    splits[image] = split_from_path(f"{word}/a")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        defects.append(Defect("SEG001", f"cannot be read: {error}", file))
        return bool(seen)
    return True


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _descriptions(folder: Path) -> dict[str, str]:
    """The display name of each LabelName, from the files of class descriptions."""
    described: dict[str, str] = {}
    for path in sorted(folder.rglob("*.csv")):
        if _DESCRIPTIONS.search(path.name):
            try:
                with path.open(newline="", encoding="utf-8-sig") as text:
                    described |= {row[0]: row[1] for row in csv.reader(text) if len(row) >= 2 and row[1]}
            except (OSError, UnicodeDecodeError, csv.Error) as error:
                raise UnreadableError(f"{path}: cannot be read: {error}") from error
    return described


def _entries(
    rows: dict[str, list[MaskRow]], splits: dict[str, str | None], folder: ImageFolder, masks: Iterable[str]
) -> list[ImageEntry]:
    """The images in the order of their ids; the stem of an image file is the image's id."""
    taken = set(masks)
    pictures = {
        PurePosixPath(name).stem: (name, path)
        for name, path in folder.paths.items()
        if PurePosixPath(name).name not in taken and is_image_name(name)
    }
    entries = []
    for image, group in sorted(rows.items()):
        name, path = pictures.get(image, (image, None))
        files = tuple(row.mask for row in group if row.mask is not None)
        entries.append(ImageEntry(name, path, files, group, source_id=image, split=splits[image]))
    return entries


def read_image(ids: dict[str, int], root: Path, entry: ImageEntry) -> list[ImageAnnotation]:
    """The segments of an image; raises BrokenLabelsError if none of its masks can be read."""
    group: list[MaskRow] = entry.record
    defects: list[Defect] = []
    decoded: list[tuple[MaskRow, Flags]] = []
    for row in group:
        if row.mask is None:
            defects.append(Defect("SEG002", f"the mask {row.name!r} does not exist", row.file, line=row.line))
            continue
        try:
            decoded.append((row, decode_mask(row.mask).values != 0))
        except OSError as error:
            message = f"the mask of line {row.line} of {row.file} cannot be read: {error.strerror or error}"
            defects.append(Defect("SEG001", message, relative_path(root, row.mask)))
    size = _size(entry, decoded)
    if size is None:
        raise BrokenLabelsError(*defects)
    pieces = []
    for row, mask in decoded:
        if mask.shape != size:
            expected = mask.shape[0] * size[1] / size[0]
            if abs(expected - mask.shape[1]) > 2:
                shape = f"{mask.shape[1]}x{mask.shape[0]}"
                message = f"the mask is {shape}, which has not the proportions of the image, {size[1]}x{size[0]}"
                defects.append(Defect("SEG003", message, row.file, line=row.line))
            scaled = Image.fromarray(mask.view(np.uint8)).resize((size[1], size[0]), Image.Resampling.NEAREST)
            mask = np.asarray(scaled).astype(bool)
        pieces.append(mask_to_runs(mask))
    rows = [row for row, _ in decoded]
    columns: dict[str, list[object]] = {
        "file": [row.file for row in rows],
        "place": [f"line {row.line}" for row in rows],
        "source_id": [row.box for row in rows],
        "attributes": [
            None if row.predicted_iou is None else [("PredictedIoU", json_text(row.predicted_iou))] for row in rows
        ],
    }
    numbers = np.arange(1, len(rows) + 1, dtype=np.int64)
    categories = np.array([ids[row.label] for row in rows], np.int64)
    runs = Runs.concatenate(pieces, [1] * len(pieces))
    return [ImageAnnotation(size, numbers, categories, runs, columns, defects=defects)]


def _size(entry: ImageEntry, decoded: list[tuple[MaskRow, Flags]]) -> tuple[int, int] | None:
    """Height and width of the image file, else of the first mask; None without either."""
    if entry.image is not None:
        try:
            head = read_header(entry.image)
        except OSError:  # reported with the image
            pass
        else:
            return head.height, head.width
    return (decoded[0][1].shape[0], decoded[0][1].shape[1]) if decoded else None
