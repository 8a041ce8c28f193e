"""Mask values: what ids and colours mean, what categories are painted with, and which values occur."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, CategoryKind, Color, Taxonomy
from segdata.formats.shared.mask_files import MaskFile, Palette, ValueRuns, decode_mask

UNLABELLED, UNKNOWN = -(2**63), -(2**63) + 1  # in place of a category id, which never is that low
_MANY = 32  # more unknown colours than this in one image come from smoothing, not from a forgotten category


@dataclass(frozen=True, slots=True)
class Legend:
    """Values and their categories.

    Attributes
    ----------
    value : (k,) int64 ascending, ids or packed colours
    category : (k,) int64, the category id of each; UNLABELLED where it has none
    """

    value: Ints
    category: Ints

    @staticmethod
    def of(meaning: dict[int, int]) -> "Legend":
        """The legend in a dict: value -> category id."""
        value = np.array(sorted(meaning), np.int64)
        return Legend(value, np.array([meaning[item] for item in value.tolist()], np.int64))

    def read(self, values: Ints) -> Ints:
        """The category id (n,) of each value; UNLABELLED for unlabelled ones, UNKNOWN for those not in the legend."""
        if len(self.value) == 0:
            return np.full(len(values), UNKNOWN, np.int64)
        position = np.minimum(np.searchsorted(self.value, values), len(self.value) - 1)
        return np.where(self.value[position] == values, self.category[position], UNKNOWN)


def pack_color(color: Color) -> int:
    """A colour as one number, R + 256 G + 65536 B."""
    return color[0] + 256 * color[1] + 65536 * color[2]


def unpack_color(value: int) -> Color:
    """The colour of a packed number.

    >>> unpack_color(pack_color((128, 64, 32)))
    (128, 64, 32)
    """
    return value & 255, value >> 8 & 255, value >> 16 & 255


def colour_legend(taxonomy: Taxonomy) -> Legend:
    """The legend of RGB masks; if `unlabelled` is the id of a category, that category's colour is unlabelled, too."""
    meaning = {pack_color(color): category.id for color, category in taxonomy.by_color().items()}
    nobody = taxonomy.unlabelled_color
    if nobody is None and taxonomy.unlabelled_id is not None:
        named = taxonomy.by_id().get(taxonomy.unlabelled_id)
        nobody = named.rgb if named else None
    return Legend.of(meaning if nobody is None else meaning | {pack_color(nobody): UNLABELLED})


def index_legend(taxonomy: Taxonomy, palette: Palette | None) -> Legend:
    """The legend of index masks, whose values are category ids.

    If `unlabelled` is a colour, values of that colour are unlabelled: by the palette, or as grey v = (v, v, v). The
    id of a category is never unlabelled.
    """
    meaning = {category: category for category in taxonomy.by_id()}
    if taxonomy.unlabelled_id is not None:
        return Legend.of(meaning | {taxonomy.unlabelled_id: UNLABELLED})
    nobody = taxonomy.unlabelled_color
    if nobody is None:
        return Legend.of(meaning)
    shown = np.repeat(np.arange(256)[:, None], 3, axis=1) if palette is None else palette
    return Legend.of({int(value): UNLABELLED for value in np.flatnonzero((shown == nobody).all(axis=1))} | meaning)


def unknown_value_defects(mask: MaskFile, runs: ValueRuns, category: Ints, taxonomy: Taxonomy) -> list[Defect]:
    """SEG009 for each value without a meaning, or one SEG010 if lossy compression or smoothing made them."""
    rows = np.flatnonzero(category == UNKNOWN)
    pixels = int(runs.area[rows].sum())
    if mask.lossy:
        message = f"{mask.lossy} changes values: {len(rows)} of {len(runs.value)} are not in the taxonomy"
        return [Defect("SEG010", f"{message} ({pixels:,} px); save masks as PNG", pixels=pixels)]
    if mask.coloured and len(rows) > _MANY:
        x, y = runs.first_pixel(int(rows[0]))
        near = int(runs.area[rows][_distance(runs.value[rows], taxonomy).min(axis=1) <= 16].sum())
        message = (
            f"{len(rows):,} colours are not in the taxonomy ({pixels:,} px, {near:,} of them within 16 of a known "
            "colour): the mask was smoothed, resized or compressed"
        )
        return [Defect("SEG010", message, place=f"x={x}, y={y}", pixels=pixels)]
    return [_unknown(mask, runs, int(row), taxonomy) for row in rows]


def _unknown(mask: MaskFile, runs: ValueRuns, row: int, taxonomy: Taxonomy) -> Defect:
    """SEG009 for one value: its pixels, the first of them, and the nearest known colour."""
    value, area = int(runs.value[row]), int(runs.area[row])
    x, y = runs.first_pixel(row)
    what = f"colour {unpack_color(value)}" if mask.coloured else f"value {value}"
    message = f"{what} is not in the taxonomy: {area:,} px, the first at x={x}, y={y}"
    if mask.coloured:
        message += _nearest_hint(value, taxonomy)
    return Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area)


def _nearest_hint(value: int, taxonomy: Taxonomy) -> str:
    """A hint at the nearest known colour, or at swapped channels."""
    categories = taxonomy.by_color()
    red, green, blue = unpack_color(value)
    swapped = categories.get((blue, green, red))
    if swapped is not None:
        return f"; with red and blue swapped it is {swapped.name!r}"
    if not categories:
        return ""
    color, category = list(categories.items())[int(_distance(np.array([value]), taxonomy)[0].argmin())]
    return f"; the nearest is {category.name!r} {color}"


def _distance(values: Ints, taxonomy: Taxonomy) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(n, k) the Euclidean distance of packed colours to the k colours of the taxonomy, in `by_color` order."""
    taxonomy_colors = np.array(list(taxonomy.by_color()) or [(10**6,) * 3], np.float64)
    colors = np.stack([values & 255, values >> 8 & 255, values >> 16 & 255], axis=1).astype(np.float64)
    result: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.linalg.norm(
        colors[:, None] - taxonomy_colors[None], axis=2
    )
    return result


@dataclass(frozen=True, slots=True)
class MaskPalette:
    """The values that categories are painted with.

    Attributes
    ----------
    value : category id -> palette index, or packed colour
    blank : the value of unlabelled pixels; None where all are taken
    palette : 768 bytes; None for RGB
    unlabelled : the value of `unlabelled` in taxonomy.yaml if some pixels are blank
    """

    value: dict[int, int]
    blank: int | None
    palette: bytes | None
    unlabelled: int | Color | None

    def values(self, categories: Ints) -> Ints:
        """(n,) the value of each category id; -1 for one that the taxonomy lacks."""
        return np.array([self.value.get(category, -1) for category in categories.tolist()], np.int64)

    def picture(self, pixels: NDArray[np.uint32]) -> Image.Image:
        """The mask whose values are `pixels` (height, width)."""
        if self.palette is not None:
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.putpalette(self.palette)
            return picture
        channels = pixels.view(np.uint8).reshape(*pixels.shape, 4)[:, :, :3]
        return Image.fromarray(np.ascontiguousarray(channels))


def mask_palette(taxonomy: Taxonomy) -> MaskPalette:
    """Palette indices if every id is 0 to 255, else colours; raises SegdataError if neither is possible."""
    ids = list(taxonomy.by_id())
    over = [id_ for id_ in ids if not 0 <= id_ <= 255]
    if not over:
        blank = _free_id(taxonomy, ids)
        unlabelled = taxonomy.unlabelled_color or blank
        return MaskPalette({id_: id_ for id_ in ids}, blank, _palette_bytes(taxonomy, blank), unlabelled)
    by_color = {category.rgb: category for category in taxonomy.categories}
    if None in by_color or len(by_color) < len(ids):
        raise SegdataError(
            f"category id {over[0]} does not fit an 8-bit mask (0 to 255), and not every category has a color of its "
            "own for RGB masks; give each a color in taxonomy.yaml, or write instance-ids"
        )
    blank_color = taxonomy.unlabelled_color or _free_color(taxonomy)
    value = {category.id: pack_color(color) for color, category in by_color.items() if color is not None}
    return MaskPalette(value, pack_color(blank_color), None, blank_color)


def _free_id(taxonomy: Taxonomy, ids: list[int]) -> int | None:
    """The id for unlabelled pixels: the taxonomy's, else 0, else the highest that is no category; None: all taken."""
    if taxonomy.unlabelled_id is not None and 0 <= taxonomy.unlabelled_id <= 255:
        return taxonomy.unlabelled_id
    return next((id_ for id_ in (0, *range(255, 0, -1)) if id_ not in ids), None)


def _free_color(taxonomy: Taxonomy) -> Color:
    taken = taxonomy.by_color()
    return next(color for color in map(unpack_color, range(2**24)) if color not in taken)


def _palette_bytes(taxonomy: Taxonomy, blank: int | None) -> bytes:
    """The colours of the ids; an id without one gets an unused colour of VOC's scheme."""
    by_id, taken = taxonomy.by_id(), set(taxonomy.by_color())
    nobody = taxonomy.unlabelled_color
    taken |= {nobody} if nobody else set()
    voc = [voc_color(index) for index in range(1, 256)]
    other_colors = (color for color in map(unpack_color, range(2**24)) if color not in voc)
    spare = (color for color in chain(voc, other_colors) if color not in taken)
    palette: NDArray[np.uint8] = np.zeros((256, 3), np.uint8)
    for identity, category in by_id.items():
        palette[identity] = category.rgb or next(spare)
    if blank is not None and blank not in by_id:
        palette[blank] = nobody or (0, 0, 0)
    return palette.tobytes()


def voc_color(index: int) -> Color:
    """The colour of an index in PASCAL VOC's palette: its bits, lowest first, spread over the channels' high bits.

    Source: `VOClabelcolormap` of the VOC development kit.

    >>> voc_color(1), voc_color(15)
    ((128, 0, 0), (192, 128, 128))
    """
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]


_VOC_VOID = (224, 224, 192)


_MAX_CATEGORIES = 200  # more distinct values than this are no categories; COCO-Stuff has 182


@dataclass(frozen=True, slots=True)
class _ValueCounts:
    """How often each value occurs in a set of masks.

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


def infer_mask_taxonomy(masks: Iterable[Path], named: Taxonomy | None = None) -> Taxonomy:
    """A taxonomy of the values in mask files; `named` names the colours or ids that it has.

    Raises UnreadableError if there are too many values for categories.
    """
    counts = _count_values(masks)
    if len(counts.value) > _MAX_CATEGORIES:
        raise UnreadableError(
            f"{len(counts.value):,} different values in the masks are no categories: ids of instances, or greys of "
            "smoothed masks or of pictures"
        )
    if named is None:
        return Taxonomy(categories=tuple(_numbered_categories(counts)))
    rows = {int(value): row for row, value in enumerate(counts.value)}
    counted = [
        msgspec.structs.replace(
            category, definition=_occurrence(counts, rows.get(_value_of(category, counts.coloured)))
        )
        for category in named.categories
    ]
    return Taxonomy(categories=tuple(counted))


def _count_values(masks: Iterable[Path]) -> _ValueCounts:
    """Count every value in the masks that can be read."""
    pixels: dict[int, int] = {}
    files: dict[int, int] = {}
    leads: dict[int, int] = {}
    coloured, palette, n_files = False, None, 0
    for path in masks:
        with suppress(OSError):
            mask = decode_mask(path)
            runs = ValueRuns.of(mask.values)
            n_files += 1
            coloured = coloured or mask.coloured
            palette = mask.palette if palette is None else palette
            for value, area in zip(runs.value.tolist(), runs.area.tolist(), strict=True):
                pixels[value] = pixels.get(value, 0) + area
                files[value] = files.get(value, 0) + 1
                leads[value] = leads.get(value, 0) + (2 * area > mask.values.size)
            if len(pixels) > 100 * _MAX_CATEGORIES:
                break  # photographs, not masks
    value = np.array(sorted(pixels), np.int64)
    counts = [np.array([count[item] for item in value.tolist()], np.int64) for count in (pixels, files, leads)]
    return _ValueCounts(value, counts[0], counts[1], counts[2], coloured, palette, n_files)


def _numbered_categories(counts: _ValueCounts) -> list[Category]:
    """A category for each value: numbered colours, or ids in the palette's colours."""
    categories = []
    for row, value in enumerate(counts.value.tolist()):
        color = unpack_color(value) if counts.coloured else _palette_color(value, counts.palette)
        number = row + 1 if counts.coloured else value
        void = color == _VOC_VOID or (not counts.coloured and _is_void_id(counts, row))
        background = value == 0 and 2 * counts.leads[row] > counts.n_files and len(counts.value) > 1
        name = "void" if void else "background" if background else f"category_{number}"
        kind: CategoryKind = "void" if void else "stuff"
        categories.append(Category(id=number, name=name, kind=kind, color=color, definition=_occurrence(counts, row)))
    return categories


def _is_void_id(counts: _ValueCounts, row: int) -> bool:
    """Whether an id is a border: 255, far above the others, and rare. Alone with 0, 255 is foreground."""
    other_ids = np.delete(counts.value, row)
    share = counts.pixels[row] / max(int(counts.pixels.sum()), 1)
    return bool(counts.value[row] == 255 and len(other_ids) > 1 and other_ids.max() < 200 and share < 0.25)


def _palette_color(value: int, palette: Palette | None) -> tuple[int, int, int] | None:
    if palette is None or not 0 <= value < len(palette):
        return None
    red, green, blue = palette[value].tolist()
    return red, green, blue


def _value_of(category: Category, coloured: bool) -> int:
    return pack_color(category.rgb) if coloured and category.rgb else category.id


def _occurrence(counts: _ValueCounts, row: int | None) -> str:
    if row is None:
        return "drafted: in no mask"
    share = 100 * counts.pixels[row] / max(int(counts.pixels.sum()), 1)
    return f"drafted: in {counts.files[row]} of {counts.n_files} masks, {share:.2f} % of their pixels"
