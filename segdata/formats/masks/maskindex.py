"""images.csv: which mask belongs to which image, where names alone cannot say it. Our mask writers leave one."""

import csv
import io
import re
from collections.abc import Iterable
from os.path import lexists
from pathlib import Path

from segdata.core.defect import Defect
from segdata.core.unsafe import is_unsafe
from segdata.core.uri import inside, outside
from segdata.core.yamlfile import read_text
from segdata.formats.images import MAX_PIXELS, ImageFolder
from segdata.formats.perimage.entry import Entry

INDEX = "images.csv"
_COLUMNS = ("image", "mask", "width", "height", "uri")
_OF_VIDEOS = ("sequence", "frame", "split")
Cell = str | int | None


def write_index(target: Path, rows: Iterable[tuple[Cell, ...]], videos: bool = False) -> None:
    """Write `images.csv` below `target`.

    `rows` are image id, mask (below `target`; None: not annotated), width, height, uri; of videos also sequence, frame
    and split. Images below `target` are written as relative paths.
    """
    with (target / INDEX).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(_COLUMNS + (_OF_VIDEOS if videos else ()))
        for image, mask, width, height, uri, *film in rows:
            cells = (image, mask, width, height, inside(None if uri is None else str(uri), target), *film)
            lines.writerow("" if value is None else value for value in cells)


def has_index(root: Path) -> bool:
    """Whether there is an `images.csv`; a link to nowhere is a broken one, not none."""
    return lexists(root / INDEX)


def indexed(root: Path, images: Path | None) -> tuple[list[Entry], list[Defect]]:
    """The images in `images.csv`, and what is wrong with its lines: unsafe paths, sizes that are none, duplicates."""
    folder = ImageFolder.below(images or root / "images")
    entries: list[Entry] = []
    defects: list[Defect] = []
    seen: set[str] = set()
    records = csv.DictReader(io.StringIO(read_text(root / INDEX), newline=""))
    try:
        if "image" not in (records.fieldnames or ()):
            found = (
                f"has the columns {', '.join(records.fieldnames)}, not" if records.fieldnames else "is empty; it has"
            )
            defects.append(Defect("SEG001", f"{found} {', '.join(_COLUMNS)}", INDEX))
            return entries, defects
        for record in records:
            entry, line = _entry(root, folder, record), records.line_num
            if isinstance(entry, tuple):
                defects.append(Defect(entry[0], entry[1], INDEX, line=line, image=record.get("image") or None))
            elif entry.image_id in seen:
                defects.append(Defect("SEG008", "the same image twice", INDEX, line=line, image=entry.image_id))
            else:
                seen.add(entry.image_id)
                entries.append(entry)
    except csv.Error as error:
        message = f"cannot be read from here on: {error}"
        defects.append(Defect("SEG001", message, INDEX, line=records.line_num))
    return entries, defects


def _entry(root: Path, folder: ImageFolder, record: dict[str, str]) -> Entry | tuple[str, str]:
    """The image of a record, or the code and message of what is wrong with it."""
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
    uri = outside(record.get("uri") or None, root)
    image = folder.paths.get(image_id) or (Path(uri) if uri and "://" not in uri and Path(uri).is_file() else None)
    number = record.get("frame") or ""
    if number and re.fullmatch(r"-?[0-9]{1,18}", number) is None:
        return "SEG004", f"frame {number!r} is not a whole number"
    return Entry(
        image_id,
        image,
        (root / mask,) if mask else (),
        size=size,
        uri=uri,
        sequence=record.get("sequence") or None,
        frame=int(number) if number else None,
        split=record.get("split") or None,
    )
