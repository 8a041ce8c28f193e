"""Classes, label maps and palettes of VOC's layout.

`labelmap.txt` of CVAT and Datumaro has a line `name:r,g,b:parts:actions` for each class; if no line has a colour, VOC's
palette is meant, and in grey masks a value is the position of a line. `class_names.txt` of labelme has a name on each
line, whose position is the palette index.
Source: VOC2012 development kit, section 1; open-edge-platform/datumaro src/datumaro/plugins/data_formats/voc/format.py
(parse_label_map, write_label_map); docs.cvat.ai, Segmentation Mask; wkentaro/labelme
examples/instance_segmentation/labelme2voc.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.errors import SegdataError
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Color, Taxonomy
from segdata.core.yaml_files import read_utf8
from segdata.formats.shared.mask_values import voc_color
from segdata.formats.shared.taxonomies import load_preset

BACKGROUND, VOID = 0, 255  # in both masks: no object, and the border between objects
MOST_OBJECTS = 254  # classes of a dataset, and objects of an image
VOC = load_preset("voc")
LABELMAP, _CLASS_NAMES = "labelmap.txt", "class_names.txt"
BACKGROUND_NAMES = frozenset({"background", "_background_", "__background__"})
OBJECT_PALETTE = np.array([voc_color(index) for index in range(256)], np.uint8).tobytes()


@dataclass(frozen=True, slots=True)
class ListedClass:
    """A class in a label map: the index that grey and palette masks have for it, its name, its colour."""

    index: int
    name: str
    color: Color


def load_label_map(folder: Path) -> tuple[ListedClass, ...] | None:
    """The label map in a folder; None if there is none. Raises SegdataError with file and line."""
    path = folder / LABELMAP
    if path.is_file():
        return _read_labelmap(path)
    path = folder / _CLASS_NAMES
    if path.is_file():
        names = read_utf8(path).splitlines()
        return tuple(ListedClass(index, name, voc_color(index)) for index, name in enumerate(names) if name.strip())
    return None


def _read_labelmap(path: Path) -> tuple[ListedClass, ...]:
    rows: list[tuple[str, Color | None]] = []
    for number, line in enumerate(read_utf8(path).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, *fields = line.split(":")
        if not name.strip() or not fields:
            raise SegdataError(f"{path}:{number}: {line!r} is not 'name:r,g,b:parts:actions'")
        rows.append((name, _color(fields[0], path, number)))
    if any(color is not None for _, color in rows):
        lacking = [name for name, color in rows if color is None]
        if lacking:
            raise SegdataError(f"{path}: {lacking[0]!r} has no colour, others have; give each one, or none")
    return tuple(ListedClass(index, name, color or voc_color(index)) for index, (name, color) in enumerate(rows))


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


@dataclass(frozen=True, slots=True)
class ClassPalette:
    """How the classes of a taxonomy are painted.

    Attributes
    ----------
    index : category id -> palette index
    colors : each category with a colour that no other has
    palette : 768 bytes
    """

    index: dict[int, int]
    colors: list[tuple[Category, Color]]
    palette: bytes

    def values(self, categories: Ints) -> Ints:
        """(n,) the index of each category id; -1 for one that the taxonomy lacks."""
        return np.array([self.index.get(id_, -1) for id_ in categories.tolist()], np.int64)


def class_palette(taxonomy: Taxonomy) -> ClassPalette:
    """The ink of a taxonomy: ids are indices, the void category is 255.

    Raises SegdataError for ids that are none from 1 to 254.
    """
    voids, by_id = taxonomy.void_ids, taxonomy.by_id()
    void = VOID if VOID in voids else next(iter(voids), None)
    for category in by_id.values():
        if category.id != void and not 1 <= category.id <= MOST_OBJECTS:
            raise SegdataError(
                f"category {category.name!r} has id {category.id}, VOC's masks hold classes 1 to {MOST_OBJECTS}; "
                "renumber it"
            )
    index = {id_: VOID if id_ == void else id_ for id_ in by_id}
    colors = _distinct_colors(by_id, index)
    table = np.frombuffer(OBJECT_PALETTE, np.uint8).reshape(256, 3).copy()
    for category, color in colors:
        table[index[category.id]] = color
    return ClassPalette(index, colors, table.tobytes())


def _distinct_colors(by_id: dict[int, Category], index: dict[int, int]) -> list[tuple[Category, Color]]:
    """The categories' own colours if they are distinct, else colours of VOC's palette."""
    chosen: dict[int, Color] = {}
    taken = {voc_color(BACKGROUND)}
    for id_, category in by_id.items():
        if category.rgb is not None and category.rgb not in taken:
            chosen[id_] = category.rgb
            taken.add(category.rgb)
    for id_ in sorted(by_id.keys() - chosen.keys()):
        palette = (voc_color(index_) for index_ in chain([index[id_]], count(1)))
        chosen[id_] = next(color for color in palette if color not in taken)
        taken.add(chosen[id_])
    return [(by_id[id_], chosen[id_]) for id_ in sorted(by_id)]


def palette_image(pixels: NDArray[np.uint8], palette: bytes) -> Image.Image:
    """A palette image with the values `pixels` (height, width)."""
    image = Image.fromarray(pixels)
    image.putpalette(palette)
    return image
