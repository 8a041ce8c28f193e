"""Colour tables and presets: the taxonomy of masks that come without a taxonomy.yaml.

Colour tables are small text files: `label_colors.txt` (CamVid: ``128 64 128<TAB>Road``), `labelmap.txt` (CVAT and VOC:
``road:128,64,128:parts:actions``), `labelmap.csv`, `classes.csv` and `class_dict.csv` (a header, then name, r, g, b),
`_classes.csv` of each split (Roboflow: pixel value, class), `classes.txt` (also a name in each line, numbered from 0 or
1 as in the masks), `label_classes.json` (Hasty: `png_index`, `class_name` or `name`), `dataset_meta.json` (Datumaro and
CVAT: `labels`, or `label_map` with `segmentation_colors`), `labels_info.json`, `id2label.json`, `labels.json`,
`label_map.json` or `classes.json` (a list of names, or of objects with id and name, ``{"0": name}``, ``{name: 0}``, or
one of these under a key such as `label_to_id`), and `data.yaml` with `masks_dir` or `masks`, and `names` (Ultralytics:
values are classes, 255 is ignored).
A preset is the taxonomy of a well-known dataset; presets are files in `presets/`.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import msgspec

from segdata.core import yaml_files
from segdata.core.config import did_you_mean
from segdata.core.errors import SegdataError
from segdata.core.paths import is_folder, is_unsafe_path
from segdata.core.safe_text import whole_number
from segdata.core.taxonomy import Category, Taxonomy, load_taxonomy
from segdata.formats.shared.file_names import spread_sample
from segdata.formats.shared.taxonomies import kind_from_name

_NAME_LIST_FILES = ("labels_info.json", "id2label.json", "labels.json", "label_map.json", "classes.json")
_DATA_YAML = "data.yaml"
_IGNORED_VALUE = 255  # in masks of Ultralytics
_IGNORED_NAMES = ("ignore", "ignored", "void 255")
_N_SAMPLED = 8  # masks to read, whose values tell whether names are numbered from 0
_MAX_BYTES = 1 << 20  # of a data.yaml, or a list of names
_MASKS_LINE = re.compile(r"""^masks_dir\s*:\s*["']?([^"'#\n]+)""", re.MULTILINE)
_Row = tuple[int, str, tuple[int, int, int] | None]  # id, name, colour
_COLOR_FIRST = re.compile(r"\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(\S.*?)\s*")
_PLAIN_NAME = re.compile(r"[^\d\s#][^:#/\\]{0,63}")
_LABELMAP = re.compile(r"\s*([^:#]+):\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*:.*")
_NAME_KEYS = ("label_to_id", "class_to_id", "name_to_id", "id_to_label", "id2label", "class_names", "names", "classes")


def find_colour_table(root: Path, masks: Path | None = None) -> Path | None:
    """Find the colour table of a dataset: in its folder, in that of its masks, or in a folder between them."""
    between = [] if masks is None else [folder for folder in masks.parents if root in folder.parents]
    folders = [folder for folder in (root, masks, root.parent if root.is_file() else None, *between) if folder]
    folders = [folder for folder in folders if is_folder(folder)]
    for names, is_table in _TABLES:
        for path in (folder / name for folder in folders for name in names):
            if is_table(path):
                return path
    return None


def load_colour_table(path: Path) -> Taxonomy:
    """Load the taxonomy in a colour table; raises SegdataError with file and line.

    Ids are the `id` column of a CSV file, else positions from 0, as in grey masks of CVAT.
    Categories are stuff, except those called void, ignore or unlabelled.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SegdataError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    return _PARSERS.get(path.name, _PARSERS_BY_SUFFIX.get(path.suffix, _text_table))(text, path)


def find_taxonomy(root: Path, masks: Sequence[Path]) -> Taxonomy | None:
    """Find the taxonomy in the colour table of a dataset with these masks; None if it has no table.

    Raises SegdataError if the folders of two splits have different tables.
    """
    folders = sorted({mask.parent for mask in masks})
    table = find_colour_table(root, folders[0] if folders else None)
    if table is None:
        return None
    taxonomy = load_colour_table(table)
    others = [folder for folder in folders if folder != table.parent] if table.parent in folders else []
    for other in (folder / table.name for folder in others):
        if other.is_file() and load_colour_table(other) != taxonomy:
            raise SegdataError(f"{table} and {other} differ; make them the same, or read one folder at a time")
    return taxonomy if taxonomy.by_color() or table.suffix != ".txt" else _numbered_by_masks(taxonomy, masks)


def _numbered_by_masks(taxonomy: Taxonomy, masks: Sequence[Path]) -> Taxonomy | None:
    """Number names that stand in lines of a text, from 0 or from 1, as the values of the masks are.

    0 is unlabelled if it has no name, and 255 is void. None if the masks have other values: the list is not theirs.
    """
    from segdata.formats.shared.mask_files import occurring_values  # needs Pillow

    values = occurring_values(spread_sample(masks, _N_SAMPLED)) - {_IGNORED_VALUE}
    names = taxonomy.by_name()
    last = max(values, default=0)
    if last > len(names):
        return None
    first = int(last == len(names))
    categories = [msgspec.structs.replace(category, id=category.id + first) for category in taxonomy.categories]
    if len(names) < _IGNORED_VALUE:
        name = next(name for name in _IGNORED_NAMES if name not in names)
        categories.append(Category(id=_IGNORED_VALUE, name=name, kind="void"))
    return Taxonomy(categories=tuple(categories), unlabelled=0 if first else None)


def _name_list(text: str, path: Path) -> Taxonomy:
    return _taxonomy_of_rows((number, name, None) for number, name in sorted(_numbered_names(path).items()))


def _taxonomy_of_rows(rows: Iterable[_Row]) -> Taxonomy:
    return Taxonomy(
        categories=tuple(
            Category(id=number, name=name, color=color, kind=kind_from_name(name, "stuff"))
            for number, name, color in rows
        )
    )


def _small_text(path: Path) -> str:
    """The text of a file; empty if it is too large, or does not exist."""
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def _names_masks(path: Path) -> bool:
    """Whether a data.yaml describes masks, by the key `masks_dir` or the common variant `masks`."""
    text = _small_text(path)
    return re.search(r"^masks(_dir)?\s*:", text, re.MULTILINE) is not None and "names" in text


def ultralytics_masks(root: Path) -> Path | None:
    """The folder of masks that an Ultralytics `data.yaml` names; None if there is none."""
    line = _MASKS_LINE.search(_small_text(root / _DATA_YAML))
    named = line[1].strip() if line else None
    folder = root / named if named and not is_unsafe_path(named) else None
    return folder if folder is not None and is_folder(folder) and folder != root else None


def _numbered_names(path: Path) -> dict[int, str]:
    """Id -> name in a JSON file, at the top level or under one of `_NAME_KEYS`; empty if there are none."""
    try:
        content = json.loads(path.read_bytes()) if path.stat().st_size <= _MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return {}
    nested = [content[key] for key in _NAME_KEYS if key in content] if isinstance(content, dict) else []
    return next(filter(None, map(_names_by_id, [content, *nested])), {})


def _names_by_id(content: object) -> dict[int, str]:
    """Id -> name in a list of names, a list of objects with id and name, {"0": name} or {name: 0}; else empty."""
    try:
        if isinstance(content, list):
            pairs = [
                (item["id"], item["name"]) if isinstance(item, dict) else (k, item) for k, item in enumerate(content)
            ]
        else:
            pairs = list(content.items()) if isinstance(content, dict) else []
            if all(isinstance(value, int) for _, value in pairs) and {0, 1} & {value for _, value in pairs}:
                pairs = [(value, key) for key, value in pairs]
        names = {int(number): name for number, name in pairs}
    except (ValueError, KeyError, TypeError, OverflowError):  # of Infinity
        return {}
    are_names = all(isinstance(name, str) and name for name in names.values()) and len(names) == len(pairs)
    return names if are_names and min(names, default=-1) >= 0 else {}


def _text_table(text: str, path: Path) -> Taxonomy:
    rows: list[_Row] = []
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if path.name == "classes.txt" and len({*names}) == len(names) and all(map(_PLAIN_NAME.fullmatch, names)):
        return _taxonomy_of_rows((number, name, None) for number, name in enumerate(names))
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
    return _nonempty(rows, path)


def _csv_table(text: str, path: Path) -> Taxonomy:
    rows: list[_Row] = []
    head, _, _ = text.partition("\n")
    delimiter = ";" if ";" in head and "," not in head else ","  # spreadsheets, where a comma is decimal
    records = csv.DictReader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    for number, record in enumerate(records, 2):
        cell = {(key or "").strip().lower(): str(value or "").strip() for key, value in record.items()}
        name = cell.get("name") or cell.get("class") or cell.get("label") or cell.get("category")
        color = next((keys for keys in (("r", "g", "b"), ("red", "green", "blue")) if keys[0] in cell), None)
        value = cell.get("id") or cell.get("pixel value")
        if not name or (color is None and value is None):
            wanted = "name, r, g, b (and id), or pixel value and class"
            raise SegdataError(f"{path}:{number}: columns are {wanted}; found {', '.join(cell)}")
        identity = value or str(len(rows))
        identity_number = whole_number(identity)
        if identity_number is None:
            raise SegdataError(f"{path}:{number}: id {identity!r} is not a whole number")
        mixed = _color(tuple(cell.get(key, "") for key in color), path, number) if color else None
        rows.append((identity_number, name, mixed))
    return _nonempty(rows, path)


def _nonempty(rows: Sequence[_Row], path: Path) -> Taxonomy:
    if not rows:
        raise SegdataError(f"{path}:1: no categories; lines are 'r g b name' or 'name:r,g,b:parts:actions'")
    return _taxonomy_of_rows(rows)


class _LabelClass(msgspec.Struct):
    """An item of `label_classes.json`, https://hasty.ai/docs/userdocs/export-formats/semantic-segmentation-png-images.

    Its colour is that of the tool; the masks hold `png_index`, a value or three (red, green, blue).
    """

    png_index: int | tuple[int, int, int]
    class_name: str = ""
    name: str = ""


def _label_classes(text: str, path: Path) -> Taxonomy:
    """The taxonomy of a `label_classes.json`, whose `png_index` are the values of masks; 0 (black) is unlabelled."""
    try:
        items = msgspec.json.decode(text, type=list[_LabelClass])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise SegdataError(f"{path}: is no list of classes: {error}") from error
    if not items:
        raise SegdataError(f"{path}: no categories; each item has png_index and class_name")
    categories = []
    for number, item in enumerate(items, 1):
        value, name = item.png_index, item.class_name or item.name
        if not name:
            raise SegdataError(f"{path}: class {number} has no name")
        if isinstance(value, int):
            categories.append(Category(id=value, name=name, kind="stuff"))
        elif all(0 <= channel <= 255 for channel in value):
            categories.append(Category(id=number, name=name, color=value, kind="stuff"))
        else:
            raise SegdataError(f"{path}: png_index: {list(value)} is not three values from 0 to 255")
    n_colors = sum(category.color is not None for category in categories)
    if 0 < n_colors < len(categories):
        raise SegdataError(f"{path}: png_index mixes values and colours")
    zero: int | tuple[int, ...] = (0, 0, 0) if n_colors else 0
    has_zero = any(zero in (category.id, category.color) for category in categories)
    return Taxonomy(categories=tuple(categories), unlabelled=None if has_zero else zero)


class _UltralyticsData(msgspec.Struct):
    """The `data.yaml` of a semantic dataset, https://docs.ultralytics.com/datasets/semantic."""

    names: dict[int, str] | list[str]


def _ultralytics_names(text: str, path: Path) -> Taxonomy:
    """The taxonomy of a `data.yaml`, whose class numbers are the values of masks; 255 is ignored."""
    names = yaml_files.parse_yaml(text, _UltralyticsData, str(path)).names
    numbered = dict(enumerate(names)) if isinstance(names, list) else names
    for number, name in numbered.items():
        if not 0 <= number < _IGNORED_VALUE or not name:
            raise SegdataError(
                f"{path}: names: {number} {name!r} is no class; classes are 0 to {_IGNORED_VALUE - 1}, with names"
            )
    ignored = next(name for name in _IGNORED_NAMES if name not in numbered.values())
    categories = [Category(id=number, name=name, kind="stuff") for number, name in sorted(numbered.items())]
    return Taxonomy(categories=(*categories, Category(id=_IGNORED_VALUE, name=ignored, kind="void")))


class _DatasetMeta(msgspec.Struct):
    """The content of `dataset_meta.json`, as datumaro/util/meta_file_util.py reads it."""

    labels: list[str] = []
    label_map: dict[str, str] = {}
    segmentation_colors: list[tuple[int, int, int] | None] = []


def _dataset_meta(text: str, path: Path) -> Taxonomy:
    """The taxonomy in a `dataset_meta.json`: ids are the positions of `labels`, then of `label_map`."""
    try:
        meta = msgspec.json.decode(text, type=_DatasetMeta)
        numbers = {name: int(number) for number, name in meta.label_map.items()}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SegdataError(f"{path}: is no list of labels: {error}") from error
    colors = meta.segmentation_colors
    for name, number in numbers.items():
        color = colors[number] if 0 <= number < len(colors) else None
        if colors and not 0 <= number < len(colors):
            raise SegdataError(
                f"{path}: label_map: {number} {name!r} has none of the {len(colors)} segmentation_colors"
            )
        if color is not None and not all(0 <= value <= 255 for value in color):
            raise SegdataError(f"{path}: segmentation_colors: {list(color)} is not three values from 0 to 255")
    names = list(dict.fromkeys([*meta.labels, *numbers]))
    if not names:
        raise SegdataError(f"{path}: no categories; it has neither labels nor a label_map")
    return _taxonomy_of_rows(
        (id_ if meta.labels else numbers[name], name, colors[numbers[name]] if colors and name in numbers else None)
        for id_, name in enumerate(names)
    )


def _color(texts: tuple[str, ...], path: Path, line: int) -> tuple[int, int, int]:
    values = [-1 if (number := whole_number(text)) is None else number for text in texts]
    if len(values) != 3 or any(not 0 <= value <= 255 for value in values):
        raise SegdataError(f"{path}:{line}: colour {', '.join(texts)} is not three values from 0 to 255")
    return (values[0], values[1], values[2])


_Parser = Callable[[str, Path], Taxonomy]
_PARSERS: dict[str, _Parser] = {
    "label_classes.json": _label_classes,
    **dict.fromkeys(_NAME_LIST_FILES, _name_list),
    _DATA_YAML: _ultralytics_names,
}
_PARSERS_BY_SUFFIX: dict[str, _Parser] = {".json": _dataset_meta, ".csv": _csv_table}
_COLOUR_TABLES = (
    "label_colors.txt", "labelmap.txt", "labelmap.csv", "classes.csv", "class_dict.csv", "class_dict_seg.csv",
    "classes.txt", "_classes.csv", "dataset_meta.json", "label_classes.json",
)  # fmt: skip
# Names of files, and whether such a file is a table of categories; the first kind that lies there is read.
_TABLES: tuple[tuple[Sequence[str], Callable[[Path], object]], ...] = (
    (_COLOUR_TABLES, Path.is_file),
    (_NAME_LIST_FILES, _numbered_names),
    ((_DATA_YAML,), _names_masks),
)


_PRESETS = Path(__file__).parent / "presets"
_CAMVID_NAME = re.compile(r"(?:0001TP_\d{6}|0006R0_f\d{5}|0016E5_\d{5}|Seq05VD_f\d{5})(?:_L)?")
_SCENEPARSE_NAME = re.compile(r"ADE_(?:train|val|test)_\d{8}")


def preset_names() -> list[str]:
    """The names of all presets."""
    return sorted([*(path.stem for path in _PRESETS.glob("*.yaml")), "sceneparse150-reduced"])


@cache
def load_preset(name: str) -> Taxonomy:
    """Load the preset of this name; raises SegdataError that lists the known names.

    `sceneparse150-reduced` is for masks with 1 subtracted from each value, so that 0, the other objects, became 255
    (`reduce_zero_label` in mmsegmentation).
    """
    if name not in preset_names():
        names = preset_names()
        raise SegdataError(f"no preset is called {name!r}{did_you_mean(name, names)}; known: {', '.join(names)}")
    if name == "sceneparse150-reduced":
        full = load_preset("sceneparse150")
        categories = [msgspec.structs.replace(category, id=(category.id - 1) % 256) for category in full.categories]
        return msgspec.structs.replace(full, name="SceneParse150, reduced", categories=tuple(categories))
    return load_taxonomy(_PRESETS / f"{name}.yaml")


def preset_from_names(masks: Sequence[Path], coloured: bool) -> str | None:
    """The preset that the file names of masks imply, such as CamVid's or SceneParse's; None if they imply none.

    `coloured`: whether the masks are RGB, not grey. One name in twenty may differ.
    """
    pattern = _name_pattern(masks)
    if pattern is _CAMVID_NAME:
        if coloured:
            return "camvid32"
        return "camvid11" if all(path.parent.name.endswith("annot") for path in masks) else None
    return "sceneparse150" if not coloured and pattern is _SCENEPARSE_NAME else None


def outside_preset(masks: Sequence[Path]) -> list[Path]:
    """The masks whose names differ from the pattern of a known dataset that nearly all others follow."""
    pattern = _name_pattern(masks)
    return [] if pattern is None else [path for path in masks if not pattern.fullmatch(path.stem)]


def _name_pattern(masks: Sequence[Path]) -> re.Pattern[str] | None:
    """The known pattern that at least 95 % of the names match; None if there is none."""
    for pattern in (_CAMVID_NAME, _SCENEPARSE_NAME):
        n_called = sum(pattern.fullmatch(path.stem) is not None for path in masks)
        if masks and 20 * n_called >= 19 * len(masks):
            return pattern
    return None
