"""Colour tables: the small text files that name the colours or ids of masks, read as a taxonomy.

Known are `label_colors.txt` (CamVid: ``128 64 128<TAB>Road``), `labelmap.txt` (CVAT and VOC:
``road:128,64,128:parts:actions``) and `classes.csv` / `class_dict.csv` (a header, then name, r, g, b).
"""

import csv
import re
from pathlib import Path

from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.naming import VOID_NAMES

NAMES = ("label_colors.txt", "labelmap.txt", "classes.csv", "class_dict.csv", "class_dict_seg.csv", "classes.txt")
Row = tuple[int, str, tuple[int, int, int]]  # id, name, colour
_COLOR_FIRST = re.compile(r"\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(\S.*?)\s*")
_LABELMAP = re.compile(r"\s*([^:#]+):\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*:.*")


def beside(root: Path, masks: Path | None = None) -> Path | None:
    """The colour table of a dataset: in its folder, or in that of its masks."""
    folders = [folder for folder in (root, masks, root.parent if root.is_file() else None) if folder]
    places = (folder / name for folder in folders if folder.is_dir() for name in NAMES)
    return next((path for path in places if path.is_file()), None)


def load_colour_table(path: Path) -> Taxonomy:
    """The taxonomy in a colour table; raises SegdataError with file and line.

    Ids are the `id` column of a CSV file, else the position, from 0: so grey masks of CVAT read as they should.
    Categories are stuff, except those called void, ignore or unlabelled.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SegdataError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    read = _csv_rows if path.suffix == ".csv" else _text_rows
    categories = tuple(
        Category(id=number, name=name, color=color, kind="void" if name.lower() in VOID_NAMES else "stuff")
        for number, name, color in read(text, path)
    )
    if not categories:
        raise SegdataError(f"{path}:1: no categories; lines are 'r g b name' or 'name:r,g,b:parts:actions'")
    return Taxonomy(categories=categories)


def _text_rows(text: str, path: Path) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        color_first, labelmap = _COLOR_FIRST.fullmatch(line), _LABELMAP.fullmatch(line)
        if color_first:
            rows.append((len(rows), color_first[4], _color(color_first.group(1, 2, 3), path, number)))
        elif labelmap:
            rows.append((len(rows), labelmap[1].strip(), _color(labelmap.group(2, 3, 4), path, number)))
        else:
            raise SegdataError(f"{path}:{number}: {line!r} is neither 'r g b name' nor 'name:r,g,b:parts:actions'")
    return rows


def _csv_rows(text: str, path: Path) -> list[Row]:
    rows: list[Row] = []
    records = csv.DictReader(text.splitlines(), skipinitialspace=True)
    for number, record in enumerate(records, 2):
        cell = {(key or "").strip().lower(): str(value or "").strip() for key, value in record.items()}
        name = cell.get("name") or cell.get("class") or cell.get("label") or cell.get("category")
        color = next((keys for keys in (("r", "g", "b"), ("red", "green", "blue")) if keys[0] in cell), None)
        if not name or color is None:
            raise SegdataError(f"{path}:{number}: columns are name, r, g, b (and id); found {', '.join(cell)}")
        identity = cell.get("id") or str(len(rows))
        if not identity.lstrip("-").isdigit():
            raise SegdataError(f"{path}:{number}: id {identity!r} is not a whole number")
        rows.append((int(identity), name, _color(tuple(cell.get(key, "") for key in color), path, number)))
    return rows


def _color(texts: tuple[str, ...], path: Path, line: int) -> tuple[int, int, int]:
    values = [int(text) if text.isdigit() else -1 for text in texts]
    if len(values) != 3 or any(not 0 <= value <= 255 for value in values):
        raise SegdataError(f"{path}:{line}: colour {', '.join(texts)} is not three values from 0 to 255")
    return (values[0], values[1], values[2])
