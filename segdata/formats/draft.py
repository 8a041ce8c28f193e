"""Draft: a first taxonomy made from the data itself, for a person to correct."""

from collections.abc import Container, Iterable
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
from segdata.formats.coco.categories import read_categories
from segdata.formats.coco.document import read_document
from segdata.formats.coco.sniff import SORTS, documents
from segdata.formats.masks import colourtable
from segdata.formats.masks.legend import packed, unpacked
from segdata.formats.masks.maskclue import look
from segdata.formats.masks.maskfile import Palette, decode, mask_headers
from segdata.formats.masks.pairing import Pairing, images_of, paired
from segdata.formats.masks.valueruns import ValueRuns
from segdata.formats.naming import VOID_NAMES

_VOC_VOID = (224, 224, 192)
_MOST = 200  # more distinct values than this are no categories; COCO-Stuff has 182


@dataclass(frozen=True, slots=True)
class Census:
    """Which values masks hold.

    Attributes
    ----------
    value : (k,) int64 ascending, ids or packed colours
    pixels, files, leads : (k,) int64, how many pixels, in how many masks, and in how many more than half of the pixels
    coloured : the values are colours
    palette : the first palette; None where no mask has one
    n_files : masks that could be read
    """

    value: Ints
    pixels: Ints
    files: Ints
    leads: Ints
    coloured: bool
    palette: Palette | None
    n_files: int


def draft_taxonomy(
    root: Path, images: Path | None = None, config: Config | None = None, only: Container[str] | None = None
) -> Taxonomy:
    """A taxonomy for the dataset at `root`: names from a colour table or COCO file beside it, else `category_1` ….

    Colours or ids are those found in the masks; each definition says how often. Void is guessed from names, from the
    colour (224, 224, 192) and from the id 255; black or id 0 that covers most pixels of most masks is called
    background. `config` is the one beside the data by default; `only` are the
    image_ids whose masks are looked at, None: all. Raises UnreadableError where there is nothing to draft from, or the
    values are no categories.
    """
    if config is None:
        settings = root / "segdata.yaml"
        config = load_config(settings) if settings.is_file() else Config()
    described = _from_coco(root)
    if described is not None:
        return described
    if config.layers is not None:
        return _from_layers(root, images, config)
    pairing = paired(root, images_of(Request(root, images=images, config=config)))
    masks = [mask for entry in pairing.entries if only is None or entry.image_id in only for mask in entry.files]
    if not masks:
        raise UnreadableError(f"{root}: no masks and no COCO file to draft a taxonomy from")
    _must_be_categories(root, masks, pairing)
    table = colourtable.beside(root, masks[0].parent)
    named = colourtable.load_colour_table(table) if table else None
    return draft_masks(masks, named)


def draft_masks(masks: Iterable[Path], named: Taxonomy | None = None) -> Taxonomy:
    """A taxonomy of the values in mask files; `named` gives the names of the colours or ids that it knows."""
    found = census(masks)
    if len(found.value) > _MOST:
        raise UnreadableError(
            f"{len(found.value):,} different values in the masks are no categories: ids of instances, or greys of "
            "smoothed masks or of pictures"
        )
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
    leads: dict[int, int] = {}
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
                leads[value] = leads.get(value, 0) + (2 * area > mask.values.size)
            if len(pixels) > 100 * _MOST:
                break  # photographs, not masks
    value = np.array(sorted(pixels), np.int64)
    counts = [np.array([count[each] for each in value.tolist()], np.int64) for count in (pixels, files, leads)]
    return Census(value, counts[0], counts[1], counts[2], coloured, palette, n_files)


def _made_up(found: Census) -> list[Category]:
    """A category for each value: numbered colours, or ids in the palette's colours."""
    categories = []
    for row, value in enumerate(found.value.tolist()):
        color = unpacked(value) if found.coloured else _shown(value, found.palette)
        number = row + 1 if found.coloured else value
        void = color == _VOC_VOID or (not found.coloured and _is_void_id(found, row))
        background = value == 0 and 2 * found.leads[row] > found.n_files and len(found.value) > 1
        name = "void" if void else "background" if background else f"category_{number}"
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


def _from_coco(root: Path) -> Taxonomy | None:
    """The categories of the COCO files at `root`, which must be the same in all that have some; None without any."""
    found: list[tuple[Path, Taxonomy]] = []
    for path in documents(root, *SORTS):
        taxonomy = read_categories(read_document(path, path.name), None).taxonomy
        if taxonomy.categories:
            found.append((path, taxonomy))
    if any(taxonomy != found[0][1] for _, taxonomy in found):
        listed = ", ".join(path.name for path, _ in found)
        raise UnreadableError(f"{root}: the categories of these COCO files differ, name one of them: {listed}")
    return _with_void(found[0][1]) if found else None


def _with_void(taxonomy: Taxonomy) -> Taxonomy:
    """What COCO has no kind for, where a name tells it."""
    categories = [
        msgspec.structs.replace(each, kind="void") if each.name.lower() in VOID_NAMES else each
        for each in taxonomy.categories
    ]
    return msgspec.structs.replace(taxonomy, categories=tuple(categories))


def _must_be_categories(root: Path, masks: list[Path], pairing: Pairing) -> None:
    """Raise UnreadableError, with the reason, where the values in the masks cannot be those of categories."""
    if not pairing.bare and all(entry.image is None for entry in pairing.entries):
        reason = next(each.message for each in pairing.defects if each.code == "SEG011")
        raise UnreadableError(f"{root}: {reason}; give the masks as DATA, and their images as --images")
    heads = mask_headers(masks)
    n_lossy = sum(head.lossy is not None for head in heads)
    if n_lossy:
        raise UnreadableError(
            f"{root}: {n_lossy:,} of {len(masks):,} files are JPEG: photographs, or masks whose values are lost; "
            "give the folder of the masks as DATA, or say in segdata.yaml how layers are called"
        )
    stored = sorted({"colours" if head.coloured else f"{'more than ' * (head.bits > 8)}8 bits" for head in heads})
    if len(stored) > 1:
        raise UnreadableError(
            f"{root}: the masks are of several sorts ({', '.join(stored)}), as where labels, instance ids and pictures "
            "of them lie side by side; give a folder of one sort as DATA"
        )
    if stored == ["more than 8 bits"]:
        raise UnreadableError(
            f"{root}: {heads[0].encoding} masks hold ids of instances, not of categories; write in segdata.yaml "
            "`instance_ids: {category: nucleus}`"
        )
    if look(root) is None:
        raise UnreadableError(f"{root}: the files look like photographs: their values are no categories")


def _from_layers(root: Path, images: Path | None, config: Config) -> Taxonomy:
    """The categories that the names of layer files tell."""
    from segdata.formats.layers import read

    return read(Request(root, images=images, config=config)).profile.taxonomy
