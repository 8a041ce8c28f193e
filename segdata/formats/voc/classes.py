"""Classes of VOC's layout: label maps, palettes, the meaning of mask values, and the segments in masks.

`labelmap.txt` of CVAT and Datumaro has a line `name:r,g,b:parts:actions` for each class; without colours, VOC's palette
applies, and in grey masks a value is the position of a line. `class_names.txt` of labelme has a name on each
line, whose position is the palette index.
Source: VOC2012 development kit, section 1; open-edge-platform/datumaro src/datumaro/plugins/data_formats/voc/format.py
(parse_label_map, write_label_map); docs.cvat.ai, Segmentation Mask; wkentaro/labelme
examples/instance_segmentation/labelme2voc.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core import kernels
from segdata.core.errors import SegdataError, count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.runs import Flags, Ints, Runs
from segdata.core.safe_text import whole_number
from segdata.core.taxonomy import Category, CategoryKind, Color, Taxonomy
from segdata.core.yaml_files import read_utf8
from segdata.formats.shared.colour_tables import load_preset
from segdata.formats.shared.file_names import spread_sample
from segdata.formats.shared.mask_files import (
    UNKNOWN,
    UNLABELLED,
    Legend,
    MaskFile,
    ValueRuns,
    decode_mask,
    mask_headers,
    occurring_values,
    pack_color,
    unpack_color,
)
from segdata.formats.shared.taxonomies import VOID_NAMES, CategoryNames, resolve_names
from segdata.formats.shared.writing import voc_color

BACKGROUND, VOID = 0, 255  # in both masks: no object, and the border between objects
MAX_OBJECTS = 254  # the maximum of classes in a dataset, and of objects in an image
VOC = load_preset("voc")
_N_SAMPLED = 8  # masks decoded to see whether they have void
_MAX_OWN_COLORS = 64  # of masks in colours of their own
LABELMAP, _CLASS_NAMES = "labelmap.txt", "class_names.txt"
BACKGROUND_NAMES = frozenset({"background", "_background_", "__background__"})
OBJECT_PALETTE = np.array([voc_color(index) for index in range(256)], np.uint8).tobytes()


@dataclass(frozen=True, slots=True)
class ListedClass:
    """A class in a label map: its index in grey and palette masks, its name, its colour."""

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
    values = [-1 if (number := whole_number(part.strip())) is None else number for part in text.split(",")]
    if len(values) != 3 or any(not 0 <= value <= 255 for value in values):
        raise SegdataError(f"{path}:{line}: colour {text.strip()!r} is not three values from 0 to 255")
    return values[0], values[1], values[2]


def write_label_map(path: Path, classes: Iterable[tuple[Category, Color]]) -> None:
    """Write `labelmap.txt`: the background, then each class with its colour.

    Raises SegdataError if a name has a character that separates columns there.
    """
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    for category, color in classes:
        if any(mark in category.name for mark in ":\r\n") or category.name.lstrip().startswith("#"):
            raise SegdataError(f"category {category.name!r} cannot be named in {LABELMAP}; rename it (no ':', no '#')")
        lines.append(f"{category.name}:{','.join(map(str, color))}::")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class ClassPalette:
    """The palette indices and colours of a taxonomy's classes."""

    index: dict[int, int]  # category id -> palette index
    colors: list[tuple[Category, Color]]  # the categories, with unique colours
    palette: bytes  # 768 bytes

    def values(self, categories: Ints) -> Ints:
        """(n,) the index of each category id; -1 for one that the taxonomy lacks."""
        return np.array([self.index.get(id_, -1) for id_ in categories.tolist()], np.int64)


def class_palette(taxonomy: Taxonomy) -> ClassPalette:
    """The palette of a taxonomy: ids are indices, the void category is 255.

    Raises SegdataError for ids that are none from 1 to 254.
    """
    voids, by_id = taxonomy.void_ids, taxonomy.by_id()
    void = VOID if VOID in voids else next(iter(voids), None)
    for category in by_id.values():
        if category.id != void and not 1 <= category.id <= MAX_OBJECTS:
            raise SegdataError(
                f"category {category.name!r} has id {category.id}, VOC's masks hold classes 1 to {MAX_OBJECTS}; "
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
    colors: dict[int, Color] = {}
    taken = {voc_color(BACKGROUND)}
    for id_, category in by_id.items():
        if category.rgb is not None and category.rgb not in taken:
            colors[id_] = category.rgb
            taken.add(category.rgb)
    for id_ in sorted(by_id.keys() - colors.keys()):
        palette = (voc_color(index_) for index_ in chain([index[id_]], count(1)))
        colors[id_] = next(color for color in palette if color not in taken)
        taken.add(colors[id_])
    return [(by_id[id_], colors[id_]) for id_ in sorted(by_id)]


def palette_image(pixels: NDArray[np.uint8], palette: bytes) -> Image.Image:
    """A palette image with the values `pixels` (height, width)."""
    image = Image.fromarray(pixels)
    image.putpalette(palette)
    return image


BORDER = -1  # instead of an object's number
_INDEX = {pack_color(voc_color(value)): value for value in range(256)}
_MAX_UNKNOWN_COLORS = 32  # more in one image come from smoothing
_UNKNOWN_COLOR = -2


@dataclass(frozen=True, slots=True)
class JoinedMasks:
    """The n segments of one image: its objects in the order of their numbers, then the other pixels by category."""

    segment_id: Ints  # (n,) the object's number; for other segments a free number, for the border 255
    category_id: Ints  # (n,)
    runs: Runs  # owners are the segments
    n_objects: int
    defects: tuple[Defect, ...] = ()  # disagreements between the two masks


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The n pairs of an object and a class that share pixels."""

    object: Ints  # (n,) rows of the values in the mask of objects
    number: Ints  # (n,) of the object
    category: Ints  # (n,) of the class
    pixels: Ints  # (n,)
    first: Ints  # (n,) the first shared pixel, in column-major order


def join_masks(
    classes: ValueRuns, category: Ints, objects: ValueRuns, number: Ints, void: int, things: Ints
) -> JoinedMasks:
    """The segments of an image.

    Parameters
    ----------
    classes, category : the mask of classes, and the category id of each of its values (UNLABELLED, UNKNOWN)
    objects, number : the mask of objects, and the number of each of its values; 0: no object, BORDER: void
    void : the category of borders
    things : categories that should not occur outside of objects

    An object gets the category of most of its pixels, ignoring pixels without one.
    """
    o, c, start, length = kernels.strips(
        *(objects.start, objects.start + objects.length, objects.row),
        *(classes.start, classes.start + classes.length, classes.row),
    )
    code, pixels, first, pair_of_run = kernels.distinct(o.astype(np.int64) * len(category) + c, length)
    row, category_row = np.divmod(code, len(category))
    pairs = _Pairs(row, number[row], category[category_row], pixels, start[first])
    of_object = _majority_category(pairs, len(number))
    kept = np.flatnonzero((number > 0) & (of_object != UNLABELLED))
    kept = kept[np.argsort(number[kept], kind="stable")]
    region = np.where(pairs.number == BORDER, void, np.where(pairs.number == 0, pairs.category, UNLABELLED))
    others = np.unique(region[region > UNKNOWN])
    owner = np.full(len(number), -1, np.int64)
    owner[kept] = np.arange(len(kept))
    new_owner = np.where(pairs.number > 0, owner[row], -1)
    loose = region > UNKNOWN
    new_owner[loose] = len(kept) + np.searchsorted(others, region[loose])
    n_segments = len(kept) + len(others)
    runs = Runs(*kernels.deal(start, length, pair_of_run, new_owner.astype(np.int32), n_segments, objects.height))
    return JoinedMasks(
        np.concatenate([number[kept], _unused_ids(others, void, number)]),
        np.concatenate([of_object[kept], others]),
        runs,
        len(kept),
        tuple(_disagreements(pairs, of_object, void, things, objects.height)),
    )


def _majority_category(pairs: _Pairs, n_values: int) -> Ints:
    """(n_values,) the category of most pixels of each object (ties: the lower id); UNLABELLED if there is none."""
    with_category = np.flatnonzero((pairs.number > 0) & (pairs.category > UNKNOWN))
    order = with_category[
        np.lexsort((pairs.category[with_category], -pairs.pixels[with_category], pairs.object[with_category]))
    ]
    objects, first = np.unique(pairs.object[order], return_index=True)
    category = np.full(n_values, UNLABELLED, np.int64)
    category[objects] = pairs.category[order[first]]
    return category


def _unused_ids(others: Ints, void: int, number: Ints) -> Ints:
    """(n,) ids for segments that are not objects: 255 for void, as in masks, else the next free ones."""
    ids = max(VOID, int(number.max(initial=0))) + 1 + np.arange(len(others), dtype=np.int64)
    ids[(others == void) & ~np.isin(VOID, number)] = VOID
    return ids


def _disagreements(pairs: _Pairs, of_object: Ints, void: int, things: Ints, height: int) -> Iterator[Defect]:
    """One SEG014 each for objects with several classes, objects without a class, and things without an object."""
    meant = np.where(pairs.number == BORDER, void, of_object[pairs.object])
    inside = (pairs.number > 0) | (pairs.number == BORDER)
    nameless = (pairs.number > 0) & (meant == UNLABELLED)
    has_unknown = np.isin(pairs.object, pairs.object[pairs.category == UNKNOWN])  # reported with their values
    problems: tuple[tuple[Flags, Severity | None, str], ...] = (
        (inside & (meant != pairs.category) & ~nameless & (pairs.category != UNKNOWN), None, "have another class"),
        (nameless & ~has_unknown, None, "have no class: they are left out"),
        ((pairs.number == 0) & np.isin(pairs.category, things), "warning", "have a thing class and no object"),
    )
    for rows, severity, problem in problems:
        pair_rows = np.flatnonzero(rows)
        if len(pair_rows) == 0:
            continue
        area = int(pairs.pixels[pair_rows].sum())
        x, y = divmod(int(pairs.first[pair_rows].min()), max(height, 1))
        numbers = tuple(np.unique(pairs.number[pair_rows][pairs.number[pair_rows] > 0]).tolist())
        which = f" of {count_noun(len(numbers), 'object')} ({', '.join(map(str, numbers[:5]))})" if numbers else ""
        message = f"{count_noun(area, 'pixel')}{which} {problem}; the first at x={x}, y={y}"
        yield Defect("SEG014", message, place=f"x={x}, y={y}", segments=numbers, pixels=area, severity=severity)


def object_numbers(mask: MaskFile, runs: ValueRuns) -> tuple[Ints, list[Defect]]:
    """(k,) the object number of each value, 0 for none and BORDER for void; and defects of unknown colours.

    Palette and grey masks hold the numbers themselves, RGB masks the colours that VOC's palette has for them. 255 is
    void, except in masks of more than 8 bits.
    """
    if not mask.coloured:
        border = (runs.value == VOID) & (mask.values.dtype == np.uint8)
        return np.where(border, BORDER, np.maximum(runs.value, 0)), []
    number = np.array([_INDEX.get(value, _UNKNOWN_COLOR) for value in runs.value.tolist()], np.int64)
    unknown = np.flatnonzero(number == _UNKNOWN_COLOR)
    number[number == VOID] = BORDER
    number[unknown] = 0
    return number, _strange_colors(runs, unknown)


def _strange_colors(runs: ValueRuns, rows: Ints) -> list[Defect]:
    """SEG009 for each colour that VOC's palette lacks, or one SEG010 if they come from smoothing."""
    if len(rows) > _MAX_UNKNOWN_COLORS:
        pixels = int(runs.area[rows].sum())
        x, y = runs.first_pixel(int(rows[0]))
        message = f"{count_noun(len(rows), 'colour')} of objects are not in VOC's palette ({pixels:,} px)"
        hint = "the mask was smoothed, resized or compressed, or painted in colours of its own"
        return [Defect("SEG010", f"{message}: {hint}", place=f"x={x}, y={y}", pixels=pixels)]
    defects = []
    for row in rows.tolist():
        (x, y), area = runs.first_pixel(row), int(runs.area[row])
        message = f"colour {unpack_color(int(runs.value[row]))} of an object is not in VOC's palette: {area:,} px"
        place = f"x={x}, y={y}"
        defects.append(Defect("SEG009", f"{message}, the first at {place}", place=place, pixels=area))
    return defects


@dataclass(frozen=True, slots=True)
class ClassMap:
    """The categories of the values in class masks."""

    categories: CategoryNames  # the taxonomy, and the names that it lacks
    void: int  # the category id of the value 255
    by_index: Legend  # of palette and grey masks
    by_color: Legend  # of RGB masks
    # whether colours take precedence over palette indices, as a label map gives them
    palettes: bool = False
    greys: bool = False  # whether RGB masks store an index i as (i, i, i)
    provisional: str | None = None  # the reading of the values if no file names the classes

    @property
    def taxonomy(self) -> Taxonomy:
        """The user's, else the label map's, else VOC's."""
        return self.categories.taxonomy

    def read(self, mask: MaskFile, runs: ValueRuns) -> Ints:
        """(k,) the category id of each value of a class mask: UNLABELLED for background, UNKNOWN for unknown values."""
        if mask.coloured:
            return self.by_color.read(runs.value)
        if self.palettes and mask.palette is not None and runs.value[-1] < len(mask.palette):
            shown = mask.palette[runs.value].astype(np.int64) @ np.array([1, 1 << 8, 1 << 16])
            meaning = self.by_color.read(shown)
            if (meaning != UNKNOWN).all():
                return meaning
        return self.by_index.read(runs.value)


def class_map(folder: Path, taxonomy: Taxonomy | None, kind: CategoryKind, masks: Sequence[Path]) -> ClassMap:
    """The class map of the dataset in a folder.

    Parameters
    ----------
    taxonomy : the user's taxonomy, searched for the names of a label map; without a label map its ids are the values
    kind : of the classes that a label map names
    masks : the class masks, whose names show whether this is VOC itself
    """
    meaning = _class_map(folder, taxonomy, kind, masks)
    return replace(meaning, greys=_are_greys(meaning, spread_sample(masks, _N_SAMPLED)))


def _class_map(folder: Path, taxonomy: Taxonomy | None, kind: CategoryKind, masks: Sequence[Path]) -> ClassMap:
    label_map = load_label_map(folder)
    if label_map is not None:
        return _map_by_label_map(label_map, taxonomy, kind)
    if taxonomy is not None:
        return _map_by_ids(taxonomy, True)
    if any(_is_official_name(path.stem) for path in masks):
        return _map_by_ids(VOC, True)
    named, reading = VOC, "read as VOC's (1 aeroplane, 2 bicycle …); if they are others"
    if not _have_void(spread_sample(masks, _N_SAMPLED)):
        # VOC draws a border of void around every object: without it, these are not VOC's classes.
        named = _numbered_colors(masks, kind) or msgspec.structs.replace(
            VOC, categories=tuple(map(_numbered, VOC.categories))
        )
        reading = "numbered (category_1, category_2 …); to name them"
    message = (
        f"no file names the classes, so their values are {reading}, write labelmap.txt (name:r,g,b::) or taxonomy.yaml"
    )
    return replace(_map_by_ids(named, False), provisional=message)


def _numbered(category: Category) -> Category:
    is_void = category.kind == "void"
    return category if is_void else msgspec.structs.replace(category, name=f"category_{category.id}", aliases=())


def _numbered_colors(masks: Sequence[Path], kind: CategoryKind) -> Taxonomy | None:
    """Categories for the colours of RGB masks that are not painted in VOC's; None for other masks."""
    sample = spread_sample(masks, _N_SAMPLED)
    if not all(head.has_colors for head in mask_headers(sample)) or not _are_own_colors(occurring_values(sample)):
        return None
    colors = occurring_values(masks)
    if not _are_own_colors(colors):
        return None
    numbered = enumerate(sorted(colors - {BACKGROUND}), 1)
    categories = [
        Category(id=id_, name=f"category_{id_}", kind=kind, color=unpack_color(color)) for id_, color in numbered
    ]
    return Taxonomy(categories=tuple(categories), unlabelled=BACKGROUND)


def _are_own_colors(colors: set[int]) -> bool:
    """Whether most of few colours are none of VOC's; smoothed masks have many, and greys may be indices."""
    objects = colors - {BACKGROUND}
    known = {pack_color(color) for color in VOC.by_color()}
    has_hue = any(color != (color & 255) * 0x010101 for color in objects)
    return has_hue and len(objects) <= _MAX_OWN_COLORS and 2 * len(objects & known) < len(objects)


def _have_void(masks: Sequence[Path]) -> bool:
    """Whether any of the masks has a pixel of VOC's void."""
    for path in masks:
        with suppress(OSError):
            mask = decode_mask(path).as_grey()  # the colour of void is no grey
            if bool((mask.values == (pack_color(voc_color(VOID)) if mask.coloured else VOID)).any()):
                return True
    return False


def _are_greys(classes: ClassMap, masks: Sequence[Path]) -> bool:
    """Whether RGB masks hold indices as greys: all colours are greys, and only as indices do all have a meaning.

    Black and white alone do not decide, since white may be a foreground as well as void.
    """
    if not all(head.has_colors for head in mask_headers(masks)):
        return False
    colors = np.array(sorted(occurring_values(masks)), np.int64)
    greys = colors & 255
    return bool(
        (colors == greys * 0x010101).all()
        and not np.isin(greys, (0, VOID)).all()
        and (classes.by_color.read(colors) == UNKNOWN).any()
        and (classes.by_index.read(greys) != UNKNOWN).all()
    )


def _map_by_ids(taxonomy: Taxonomy, declared: bool) -> ClassMap:
    """The class map whose values are category ids and whose colours are those of the categories."""
    by_index = {id_: id_ for id_ in taxonomy.by_id()}
    by_color = {pack_color(color): category.id for color, category in taxonomy.by_color().items()}
    if taxonomy.unlabelled_id is not None:
        by_index[taxonomy.unlabelled_id] = UNLABELLED
    if taxonomy.unlabelled_color is not None:
        by_color[pack_color(taxonomy.unlabelled_color)] = UNLABELLED
    return _with_background_and_void(CategoryNames(taxonomy, declared, {}), by_index, by_color)


def _map_by_label_map(label_map: Sequence[ListedClass], taxonomy: Taxonomy | None, kind: CategoryKind) -> ClassMap:
    """The class map of a label map, with the user's categories for its names."""
    by_name = taxonomy.by_name() if taxonomy else {}
    names = [item.name if item.name in by_name else item.name.strip() for item in label_map]
    classes = {
        item: name
        for item, name in zip(label_map, names, strict=True)
        if name in by_name or name.lower() not in BACKGROUND_NAMES
    }
    own_categories = [
        Category(id=item.index, name=name, kind="void" if name.lower() in VOID_NAMES else kind, color=item.color)
        for item, name in classes.items()
    ]
    if len(label_map) <= VOID and not any(item.kind == "void" for item in own_categories):
        own_categories.append(Category(id=VOID, name="void", kind="void", color=voc_color(VOID)))
    own_taxonomy = Taxonomy(categories=tuple(own_categories), unlabelled=BACKGROUND)
    categories = resolve_names(classes.values(), taxonomy, own_taxonomy)
    meaning = {item: categories.to[classes[item]] if item in classes else UNLABELLED for item in label_map}
    by_index = {item.index: id_ for item, id_ in meaning.items()}
    by_color = {pack_color(item.color): id_ for item, id_ in meaning.items()}
    return replace(_with_background_and_void(categories, by_index, by_color), palettes=True)


def _with_background_and_void(
    categories: CategoryNames, by_index: Mapping[int, int], by_color: Mapping[int, int]
) -> ClassMap:
    """The class map with VOC's values for background and void, unless these mean something else."""
    voids, unknown = categories.taxonomy.void_ids, dict(categories.unknown)
    if voids:
        void = VOID if VOID in voids else voids[0]
    else:
        void = max([VOID, *categories.taxonomy.by_id(), *unknown]) + 1
        unknown[void] = "void"
    return ClassMap(
        msgspec.structs.replace(categories, unknown=unknown),
        void,
        Legend.from_mapping({BACKGROUND: UNLABELLED, VOID: void, **by_index}),
        Legend.from_mapping(
            {pack_color(voc_color(BACKGROUND)): UNLABELLED, pack_color(voc_color(VOID)): void, **by_color}
        ),
    )


def _is_official_name(stem: str) -> bool:
    """Whether a mask is named as VOC's: 2007_000032, or 000032 in VOC2007."""
    year, _, number = stem.rpartition("_")
    return len(number) == 6 and number.isdecimal() and (not year or (len(year) == 4 and year.isdecimal()))
