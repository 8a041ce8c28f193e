"""images.csv: which mask belongs to which image, where names alone cannot say it. Our mask writers leave one."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segdata.core.defect import Defect
from segdata.core.unsafe import is_unsafe
from segdata.core.yamlfile import read_text
from segdata.formats.images import MAX_PIXELS, ImageFolder

INDEX = "images.csv"
_COLUMNS = ("image", "mask", "width", "height", "uri")
_OF_VIDEOS = ("sequence", "frame", "split")
Cell = str | int | None


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
    sequence, frame, split : where the image belongs in a video
    """

    image_id: str
    masks: tuple[Path, ...]
    size: tuple[int, int]
    uri: str | None
    image: Path | None
    sequence: str | None = None
    frame: int | None = None
    split: str | None = None


def write_index(target: Path, rows: Iterable[tuple[Cell, ...]], videos: bool = False) -> None:
    """Write `images.csv` below `target`.

    `rows` are image id, mask (below `target`; None: not annotated), width, height, uri; of videos also sequence, frame
    and split.
    """
    with (target / INDEX).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(_COLUMNS + (_OF_VIDEOS if videos else ()))
        lines.writerows(("" if value is None else value for value in row) for row in rows)


def indexed(root: Path, images: Path | None) -> tuple[list[IndexRow], list[Defect]]:
    """The rows of `images.csv`, and what is wrong with them: unsafe paths, sizes that are none, duplicates."""
    folder = ImageFolder.below(images or root / "images")
    rows: list[IndexRow] = []
    defects: list[Defect] = []
    seen: set[str] = set()
    records = csv.DictReader(io.StringIO(read_text(root / INDEX), newline=""))
    try:
        for record in records:
            row, line = _row(root, folder, record), records.line_num
            if isinstance(row, tuple):
                defects.append(Defect(row[0], row[1], INDEX, line=line, image=record.get("image") or None))
            elif row.image_id in seen:
                defects.append(Defect("SEG008", "the same image twice", INDEX, line=line, image=row.image_id))
            else:
                seen.add(row.image_id)
                rows.append(row)
    except csv.Error as error:
        message = f"cannot be read from here on: {error}"
        defects.append(Defect("SEG001", message, INDEX, line=records.line_num))
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
    if min(size) < 0 or size[0] * size[1] > MAX_PIXELS or max(size) > MAX_PIXELS:
        return "SEG004", f"the size is {size[1]} x {size[0]}; up to {MAX_PIXELS:,} pixels are expected"
    uri = record.get("uri") or None
    image = folder.paths.get(image_id) or (Path(uri) if uri and Path(uri).is_file() else None)
    number = record.get("frame") or ""
    if number and re.fullmatch(r"-?[0-9]{1,18}", number) is None:
        return "SEG004", f"frame {number!r} is not a whole number"
    film = (record.get("sequence") or None, int(number) if number else None, record.get("split") or None)
    return IndexRow(image_id, (root / mask,) if mask else (), size, uri, image, *film)
