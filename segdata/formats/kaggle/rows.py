"""Rows: the table of a Kaggle run-length file, by image."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError
from segdata.core.unsafe import is_unsafe
from segdata.core.yamlfile import read_text

_IMAGE = ("imageid", "image_id", "id", "img", "image", "filename", "id_code")
_BOTH = ("imageid_classid", "image_id_class_id", "image_label")
_PIXELS = (
    "encodedpixels",
    "encoded_pixels",
    "rle",
    "rle_mask",
    "rle_encoded",
    "predicted",
    "annotation",
    "segmentation",
)
_CLASS = ("classid", "class_id", "class", "label", "category", "cell_type")
_MAX_SIDE = 2**20
csv.field_size_limit(2**30)  # a mask may have a hundred thousand runs


@dataclass(frozen=True, slots=True)
class Line:
    """One row: where it is, the class, the pairs as text, and height and width where the table has them, else 0."""

    number: int
    category: str | None
    pairs: str
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of each image, in the order of the table; `by_class`: the image's column holds the class too."""

    of_image: dict[str, tuple[Line, ...]]
    by_class: bool
    defects: tuple[Defect, ...]


def read_rows(path: Path, called: str) -> Rows:
    """The table at `path`, which defects call `called`; raises UnreadableError where it has not the columns."""
    records = csv.reader(io.StringIO(read_text(path), newline=""))
    head = [cell.strip().lower() for cell in next(records, [])]
    image, both = _column(head, _IMAGE), _column(head, _BOTH)
    pixels, category = _column(head, _PIXELS), _column(head, _CLASS)
    named = both if both is not None else image
    if named is None or pixels is None:
        found = ", ".join(head) or "nothing"
        raise UnreadableError(
            f"{path}:1: columns of images and of run lengths are expected (ImageId, EncodedPixels); {found} is there"
        )
    sides = [_column(head, ("height",)), _column(head, ("width",))]
    lines: dict[str, list[Line]] = {}
    defects: list[Defect] = []
    try:
        for cells in records:
            if not cells:
                continue
            if len(cells) != len(head):
                message = f"{len(cells)} cells, the table has {len(head)} columns; left out"
                defects.append(Defect("SEG004", message, called, line=records.line_num))
                continue
            name, of = (cells[named].strip(), None) if both is None else _split(cells[named].strip())
            wrong = _wrong(name)
            if wrong:
                defects.append(Defect(wrong[0], f"{wrong[1]}; left out", called, line=records.line_num))
                continue
            size = _size([None if side is None else cells[side] for side in sides])
            if size is None:
                said = " x ".join(cells[side] for side in sides if side is not None)
                message = f"height x width is {said}; 1 to {_MAX_SIDE:,} is expected"
                defects.append(Defect("SEG004", message, called, line=records.line_num, image=name))
            of = of or (cells[category] or None if category is not None else None)
            line = Line(records.line_num, of, cells[pixels].strip(), size or (0, 0))
            lines.setdefault(name, []).append(line)
    except csv.Error as error:
        defects.append(Defect("SEG001", f"cannot be read from here on: {error}", called, line=records.line_num))
    return Rows({name: tuple(each) for name, each in lines.items()}, both is not None, tuple(defects))


def _column(head: list[str], names: tuple[str, ...]) -> int | None:
    return next((head.index(name) for name in names if name in head), None)


def _split(name: str) -> tuple[str, str | None]:
    """An image's name and the class behind it.

    >>> _split("0002cc93b.jpg_1"), _split("a_b_Fish")
    (('0002cc93b.jpg', '1'), ('a_b', 'Fish'))
    """
    found = re.fullmatch(r"(.*\.\w+|.*)_([^_]*)", name)
    return (found[1], found[2]) if found else (name, None)


def _wrong(name: str) -> tuple[str, str] | None:
    """The code and message of what is wrong with an image's name."""
    if not name:
        return "SEG004", "no image is named"
    return ("SEG015", f"path {name!r} leaves the dataset's root; name files below it") if is_unsafe(name) else None


def _size(cells: list[str | None]) -> tuple[int, int] | None:
    """Height and width; (0, 0) where the table has none, None where they are none."""
    if None in cells or not any(cells):
        return 0, 0
    sides = [int(cell) if cell and cell.strip().isdigit() else 0 for cell in cells]
    return (sides[0], sides[1]) if all(0 < side <= _MAX_SIDE for side in sides) else None
