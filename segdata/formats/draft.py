"""Draft: a first taxonomy made from the data itself, for a person to correct."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.config import Config, load_config
from segdata.core.errors import UnreadableError
from segdata.core.format import Request
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Kind, Taxonomy
from segdata.formats.masks import colourtable
from segdata.formats.masks.legend import packed, unpacked
from segdata.formats.masks.maskfile import Palette, decode
from segdata.formats.masks.pairing import images_of, paired
from segdata.formats.masks.valueruns import ValueRuns

_VOC_VOID = (224, 224, 192)
_MOST = 256  # more distinct values than this are no categories


@dataclass(frozen=True, slots=True)
class Census:
    """Which values masks hold.

    Attributes
    ----------
    value : (k,) int64 ascending, ids or packed colours
    pixels, files : (k,) int64, how many pixels, and in how many masks
    coloured : the values are colours
    palette : the first palette; None where no mask has one
    n_files : masks that could be read
    """

    value: Ints
    pixels: Ints
    files: Ints
    coloured: bool
    palette: Palette | None
    n_files: int


def draft_taxonomy(root: Path, images: Path | None = None) -> Taxonomy:
    """A taxonomy for the dataset at `root`: names from a colour table or COCO file beside it, else `category_1` ….

    Colours or ids are those found in the masks; each definition says how often. Void is guessed from names, from the
    colour (224, 224, 192) and from the id 255. Raises UnreadableError where there is nothing to draft from.
    """
    settings = root / "segdata.yaml"
    config = load_config(settings) if settings.is_file() else Config()
    described = _coco(root)
    if described is not None:
        return described
    if config.layers is not None:
        return _from_layers(root, images, config)
    pairing = paired(root, images_of(Request(root, images=images, config=config)))
    masks = [mask for pair in pairing.pairs for mask in pair.masks]
    if not masks:
        raise UnreadableError(f"{root}: no masks and no COCO file to draft a taxonomy from")
    table = colourtable.beside(root, masks[0].parent)
    named = colourtable.load_colour_table(table) if table else None
    return draft_masks(masks, named)


def draft_masks(masks: Iterable[Path], named: Taxonomy | None = None) -> Taxonomy:
    """A taxonomy of the values in mask files; `named` gives the names of the colours or ids that it knows."""
    found = census(masks)
    if len(found.value) > _MOST:
        raise UnreadableError(f"{len(found.value):,} different values in the masks: these are no categories")
    if named is None:
        return Taxonomy(categories=tuple(_made_up(found)))
    rows = {int(value): row for row, value in enumerate(found.value)}
    counted = [
        msgspec.structs.replace(category, definition=_seen(found, rows.get(_value_of(category, found.coloured))))
        for category in named.categories
    ]
    return Taxonomy(categories=tuple(counted))


def census(masks: Iterable[Path]) -> Census:
    """Every value in the masks that can be read, counted."""
    pixels: dict[int, int] = {}
    files: dict[int, int] = {}
    coloured, palette, n_files = False, None, 0
    for path in masks:
        with suppress(OSError):
            mask = decode(path)
            runs = ValueRuns.of(mask.values)
            n_files += 1
            coloured = coloured or mask.coloured
            palette = mask.palette if palette is None else palette
            for value, area in zip(runs.value.tolist(), runs.area.tolist(), strict=True):
                pixels[value] = pixels.get(value, 0) + area
                files[value] = files.get(value, 0) + 1
            if len(pixels) > 100 * _MOST:
                break  # photographs, not masks
    value = np.array(sorted(pixels), np.int64)
    counts = [np.array([count[each] for each in value.tolist()], np.int64) for count in (pixels, files)]
    return Census(value, counts[0], counts[1], coloured, palette, n_files)


def _made_up(found: Census) -> list[Category]:
    """A category for each value: numbered colours, or ids in the palette's colours."""
    categories = []
    for row, value in enumerate(found.value.tolist()):
        color = unpacked(value) if found.coloured else _shown(value, found.palette)
        number = row + 1 if found.coloured else value
        void = color == _VOC_VOID or (not found.coloured and _is_void_id(found, row))
        name = "void" if void else f"category_{number}"
        kind: Kind = "void" if void else "stuff"
        categories.append(Category(id=number, name=name, kind=kind, color=color, definition=_seen(found, row)))
    return categories


def _is_void_id(found: Census, row: int) -> bool:
    """Whether an id is 255 far above the others and rare, as borders are; alone with 0 it is foreground."""
    others = np.delete(found.value, row)
    share = found.pixels[row] / max(int(found.pixels.sum()), 1)
    return bool(found.value[row] == 255 and len(others) > 1 and others.max() < 200 and share < 0.25)


def _shown(value: int, palette: Palette | None) -> tuple[int, int, int] | None:
    if palette is None or not 0 <= value < len(palette):
        return None
    red, green, blue = palette[value].tolist()
    return red, green, blue


def _value_of(category: Category, coloured: bool) -> int:
    return packed(category.rgb) if coloured and category.rgb else category.id


def _seen(found: Census, row: int | None) -> str:
    if row is None:
        return "drafted: in no mask"
    share = 100 * found.pixels[row] / max(int(found.pixels.sum()), 1)
    return f"drafted: in {found.files[row]} of {found.n_files} masks, {share:.2f} % of their pixels"


def _coco(root: Path) -> Taxonomy | None:
    """The categories of a COCO file: `root` itself, or the first in it or in its `annotations/` that has some."""
    if root.is_file():
        files = [root] if root.suffix == ".json" else []
    else:
        files = sorted(root.glob("*.json")) + sorted(root.glob("annotations/*.json"))
    for path in files:
        try:
            data = msgspec.json.decode(path.read_bytes(), type=_CocoFile)
        except (OSError, msgspec.DecodeError):
            continue
        if data.categories:
            return Taxonomy(categories=tuple(_coco_category(each) for each in data.categories))
    return None


class _CocoCategory(msgspec.Struct):
    id: int
    name: str
    supercategory: str | None = None
    isthing: int = 1
    color: tuple[int, ...] | None = None


class _CocoFile(msgspec.Struct):
    categories: tuple[_CocoCategory, ...] = ()


def _coco_category(found: _CocoCategory) -> Category:
    void = found.name.lower() in colourtable.VOID_NAMES
    color = found.color if found.color and len(found.color) == 3 else None
    return Category(
        id=found.id, name=found.name, kind="void" if void else "thing" if found.isthing else "stuff", color=color
    )


def _from_layers(root: Path, images: Path | None, config: Config) -> Taxonomy:
    """The categories that the names of layer files tell."""
    from segdata.formats.layers import read

    return read(Request(root, images=images, config=config)).profile.taxonomy
