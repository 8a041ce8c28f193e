"""images.csv: which mask belongs to which image, where names alone cannot say it. Our mask writers leave one."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segdata.core.defect import Defect
from segdata.core.unsafe import is_unsafe
from segdata.formats.images import ImageFolder

INDEX = "images.csv"
_COLUMNS = ("image", "mask", "width", "height", "uri")


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One line of the index.

    Attributes
    ----------
    image_id : as in the canonical dataset
    masks : the mask file, or none for an image that is not annotated
    size : height and width in pixels; (0, 0) where unknown
    uri : where the image is said to be
    image : the image file, where it is found
    """

    image_id: str
    masks: tuple[Path, ...]
    size: tuple[int, int]
    uri: str | None
    image: Path | None


def write_index(target: Path, rows: Iterable[tuple[str, str | None, int, int, str | None]]) -> None:
    """Write `images.csv` below `target`: image id, mask (below `target`; None: not annotated), width, height, uri."""
    with (target / INDEX).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(_COLUMNS)
        lines.writerows(("" if value is None else value for value in row) for row in rows)


def indexed(root: Path, images: Path | None) -> tuple[list[IndexRow], list[Defect]]:
    """The rows of `images.csv`, and what is wrong with them: unsafe paths, sizes that are none, duplicates."""
    folder = ImageFolder.below(images or root / "images")
    rows: list[IndexRow] = []
    defects: list[Defect] = []
    seen: set[str] = set()
    with (root / INDEX).open(encoding="utf-8-sig", newline="") as file:
        for line, record in enumerate(csv.DictReader(file), 2):
            row = _row(root, folder, record)
            if isinstance(row, tuple):
                defects.append(Defect(row[0], row[1], INDEX, line=line, image=record.get("image") or None))
            elif row.image_id in seen:
                defects.append(Defect("SEG008", "the same image twice", INDEX, line=line, image=row.image_id))
            else:
                seen.add(row.image_id)
                rows.append(row)
    return rows, defects


def _row(root: Path, folder: ImageFolder, record: dict[str, str]) -> IndexRow | tuple[str, str]:
    """A record as a row, or the code and message of what is wrong with it."""
    image_id, mask = record.get("image") or "", record.get("mask") or ""
    if not image_id:
        return "SEG004", "no image is named in the column 'image'"
    unsafe = next((name for name in (image_id, mask) if name and is_unsafe(name)), None)
    if unsafe:
        return "SEG015", f"path {unsafe!r} leaves the dataset's root; name files below it"
    try:
        size = (int(record.get("height") or 0), int(record.get("width") or 0))
    except ValueError:
        return "SEG004", f"width {record.get('width')!r} and height {record.get('height')!r} are not whole numbers"
    uri = record.get("uri") or None
    image = folder.paths.get(image_id) or (Path(uri) if uri and Path(uri).is_file() else None)
    return IndexRow(image_id, (root / mask,) if mask else (), size, uri, image)
