"""Label maps: the small text files that name the classes of a dataset in VOC's layout that are not VOC's.

`labelmap.txt` of CVAT and Datumaro has a line `name:r,g,b:parts:actions` for each class; where no line has a colour,
VOC's palette is meant, and in grey masks a value is the position of a line. `class_names.txt` of labelme has a name a
line, whose position is the palette index.
Source: open-edge-platform/datumaro src/datumaro/plugins/data_formats/voc/format.py (parse_label_map, write_label_map);
docs.cvat.ai, Segmentation Mask; wkentaro/labelme examples/instance_segmentation/labelme2voc.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Color
from segdata.core.yaml_files import read_utf8
from segdata.formats.shared.mask_values import voc_color

LABELMAP, CLASS_NAMES = "labelmap.txt", "class_names.txt"
BACKGROUND_NAMES = frozenset({"background", "_background_", "__background__"})


@dataclass(frozen=True, slots=True)
class Listed:
    """A class in a label map: the index that grey and palette masks have for it, its name, its colour."""

    index: int
    name: str
    color: Color


def load_label_map(folder: Path) -> tuple[Listed, ...] | None:
    """The label map in a folder; None where there is none. Raises SegdataError with file and line."""
    path = folder / LABELMAP
    if path.is_file():
        return _labelmap(path)
    path = folder / CLASS_NAMES
    if path.is_file():
        names = read_utf8(path).splitlines()
        return tuple(Listed(index, name, voc_color(index)) for index, name in enumerate(names) if name.strip())
    return None


def _labelmap(path: Path) -> tuple[Listed, ...]:
    rows: list[tuple[str, Color | None]] = []
    for number, line in enumerate(read_utf8(path).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, *rest = line.split(":")
        if not name.strip() or not rest:
            raise SegdataError(f"{path}:{number}: {line!r} is not 'name:r,g,b:parts:actions'")
        rows.append((name, _color(rest[0], path, number)))
    if any(color is not None for _, color in rows):
        lacking = [name for name, color in rows if color is None]
        if lacking:
            raise SegdataError(f"{path}: {lacking[0]!r} has no colour, others have; give each one, or none")
    return tuple(Listed(index, name, color or voc_color(index)) for index, (name, color) in enumerate(rows))


def _color(text: str, path: Path, line: int) -> Color | None:
    if not text.strip():
        return None
    values = [int(part) if part.strip().isdecimal() else -1 for part in text.split(",")]
    if len(values) != 3 or any(not 0 <= value <= 255 for value in values):
        raise SegdataError(f"{path}:{line}: colour {text.strip()!r} is not three values from 0 to 255")
    return values[0], values[1], values[2]


def write_label_map(path: Path, classes: Iterable[tuple[Category, Color]]) -> None:
    """Write `labelmap.txt`: the background, then each class with its colour."""
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    for category, color in classes:
        if any(mark in category.name for mark in ":\r\n") or category.name.lstrip().startswith("#"):
            raise SegdataError(f"category {category.name!r} cannot be named in {LABELMAP}; rename it (no ':', no '#')")
        lines.append(f"{category.name}:{','.join(map(str, color))}::")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
