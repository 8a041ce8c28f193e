"""Image index: `images.csv`, which lists the images of a dataset with their masks or label files, sizes and places."""

import csv
import io
import re
from collections.abc import Iterable
from os.path import lexists
from pathlib import Path

from segdata.core.finding import Defect
from segdata.core.paths import absolute_uri, is_file, is_unsafe_path, relative_uri
from segdata.core.safe_text import quote_path
from segdata.core.yaml_files import read_utf8
from segdata.formats.shared.image_names import missing_images
from segdata.formats.shared.images import MAX_PIXELS, ImageFolder
from segdata.formats.shared.per_image import ImageEntry

INDEX_FILE = "images.csv"
_INDEX_COLUMNS = ("image", "mask", "width", "height", "uri")
_SEQUENCE_COLUMNS = ("sequence", "frame", "split")
Cell = str | int | None


def write_index(target: Path, rows: Iterable[tuple[Cell, ...]], videos: bool = False) -> None:
    """Write `images.csv` below `target`.

    `rows` hold image id, mask (below `target`; None: not annotated), width, height, uri; for videos also sequence,
    frame and split. Paths of images below `target` are written relative to it.
    """
    with (target / INDEX_FILE).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(_INDEX_COLUMNS + (_SEQUENCE_COLUMNS if videos else ()))
        for image, mask, width, height, uri, *sequence_cells in rows:
            place = relative_uri(None if uri is None else str(uri), target)
            cells = (image, mask, width, height, place, *sequence_cells)
            lines.writerow("" if value is None else value for value in cells)


def has_index(root: Path) -> bool:
    """Whether there is an `images.csv`; a dangling link counts, so that reading reports it."""
    return lexists(root / INDEX_FILE)


def read_index(root: Path, images: Path | None) -> tuple[list[ImageEntry], list[Defect]]:
    """Read `images.csv`: the images, and the defects of its lines (unsafe paths, invalid sizes, duplicates)."""
    folder = ImageFolder.below(images or root / "images")
    entries: dict[str, ImageEntry] = {}
    defects: list[Defect] = []
    records = csv.DictReader(io.StringIO(read_utf8(root / INDEX_FILE), newline=""))
    try:
        if "image" not in (records.fieldnames or ()):
            names = records.fieldnames
            columns = f"has the columns {', '.join(names)}, not" if names else "is empty; it has"
            return [], [Defect("SEG001", f"{columns} {', '.join(_INDEX_COLUMNS)}", INDEX_FILE)]
        for record in records:
            entry, line = _index_entry(root, folder, record), records.line_num
            if isinstance(entry, tuple):
                defects.append(Defect(entry[0], entry[1], INDEX_FILE, line=line, image=record.get("image") or None))
            elif entries.setdefault(entry.image_id, entry) is not entry:
                defects.append(Defect("SEG008", "the same image twice", INDEX_FILE, line=line, image=entry.image_id))
    except csv.Error as error:
        message = f"cannot be read from here on: {error}"
        defects.append(Defect("SEG001", message, INDEX_FILE, line=records.line_num))
    return list(entries.values()), defects


def _index_entry(root: Path, folder: ImageFolder, record: dict[str, str]) -> ImageEntry | tuple[str, str]:
    """The image that a record describes, or the code and message of its defect."""
    image_id, mask = record.get("image") or "", record.get("mask") or ""
    if not image_id:
        return "SEG004", "no image is named in the column 'image'"
    unsafe = next((name for name in (image_id, mask) if name and is_unsafe_path(name)), None)
    if unsafe:
        return "SEG015", f"path {quote_path(unsafe)} leaves the dataset's root; name files below it"
    try:
        size = (int(record.get("height") or 0), int(record.get("width") or 0))
    except ValueError:
        return "SEG004", f"width {record.get('width')!r} and height {record.get('height')!r} are not whole numbers"
    if min(size) < 0 or size[0] * size[1] > MAX_PIXELS or max(size) > MAX_PIXELS:
        return "SEG004", f"the size is {size[1]} x {size[0]}; up to {MAX_PIXELS:,} pixels are expected"
    uri = absolute_uri(record.get("uri") or None, root)
    image = folder.paths.get(image_id) or (Path(uri) if uri and "://" not in uri and is_file(Path(uri)) else None)
    number = record.get("frame") or ""
    if number and re.fullmatch(r"-?[0-9]{1,18}", number) is None:
        return "SEG004", f"frame {number!r} is not a whole number"
    return ImageEntry(
        image_id,
        image,
        (root / mask,) if mask else (),
        size=size,
        uri=uri,
        sequence=record.get("sequence") or None,
        frame=int(number) if number else None,
        split=record.get("split") or None,
    )


def pair_by_index(root: Path, images: Path | None) -> tuple[list[ImageEntry], list[Defect]]:
    """Pair by `images.csv`: its images, and the defects of its lines and of missing image files."""
    entries, defects = read_index(root, images)

    def describe(entry: ImageEntry) -> Defect:
        return Defect("SEG002", f"image file {entry.image_id!r} does not exist", INDEX_FILE, image=entry.image_id)

    return entries, [*defects, *missing_images(entries, root, images, describe)]


def images_without_labels(rows: Iterable[ImageEntry], entries: Iterable[ImageEntry]) -> list[ImageEntry]:
    """The unannotated images: those in images.csv that have no label file and are not among `entries`."""
    known = {entry.image_id for entry in entries}
    return [row for row in rows if not row.files and row.image_id not in known]
