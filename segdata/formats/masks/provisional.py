"""Provisional taxonomies: what values of masks probably mean, for masks that come without a taxonomy.

All masks are decoded once. A value that masks have in common is a category, or foreground if the masks are binary, or
an instance if they are ids; a value of a few pixels that one mask in many has is doubted, not believed.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.config import InstanceIds
from segdata.core.errors import UnreadableError, count_noun
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect, Severity
from segdata.core.runs import Flags, Ints, segment_shapes
from segdata.core.taxonomy import Category, CategoryKind, Taxonomy
from segdata.formats.shared.file_names import spread_sample
from segdata.formats.shared.mask_files import (
    UNKNOWN,
    Legend,
    MaskFile,
    Palette,
    ValueRuns,
    colour_legend,
    decode_mask,
    index_legend,
    n_pages,
    pack_color,
    shown_colors,
    unpack_color,
)

_VOC_VOID = (224, 224, 192)
MAX_CATEGORIES = 200  # more distinct values than this are no categories; COCO-Stuff has 182
_FEW_LEVELS = 8  # more greys than this between the two of a binary mask come from smoothing
_NEAR = 16  # greys as near as this to black or white are what compression makes of them
_TINGE = 8  # between the channels of greys that a conversion tinged
_TRANSITION = 4.0  # pixels: runs of greys of smoothed outlines are shorter; those of categories are longer
_LEAST_SMOOTHED = 0.9  # of the masks: fewer that were smoothed are not how the dataset is
_LEAST_MASKS = 10  # fewer masks do not tell what is rare
_FEW_PIXELS = 64  # a value with more pixels than this in a mask was drawn, not slipped
_LEAST_INSTANCES = 8  # categories seldom are numbered 1 to n, with another n in each image, for n beyond this
_FEWEST_INSTANCES = 3  # fewer in the usual mask tell nothing, even if each is one part
_DENSE = 8  # of as many numbers fewer than one occurs: they are no ids of classes
_LEAST_INNER = 0.25  # of the pixels of a level have none but its own around them
_LEAST_LEVEL = 0.001  # of all pixels: what has fewer may be what compression or smoothing left
_LEAST_NEAR = 0.9  # of all pixels have a value near a level, where compression or smoothing made the others
_SINGLE = 0.9  # of the numbers are one part; what stands before an object may cut it in two
_TRIED = 12  # masks whose parts are counted
_DIVISORS = (1000, 256, 65536)
_WHITE_16 = 65535  # white in 16 bits


class MaskValues(msgspec.Struct, frozen=True):
    """The values of one mask, or of all pages of one file."""

    path: Path
    value: Ints  # (k,) int64 ascending, ids or packed colours
    area: Ints  # (k,) pixels of each
    n_runs: Ints  # (k,) vertical runs of each
    size: int  # pixels of the mask
    coloured: bool
    palette: Palette | None
    by_palette: bool = False  # values are the colours that a palette showed

    @property
    def is_grey(self) -> bool:
        """Whether values are colours with equal channels."""
        return self.coloured and bool((self.value == (self.value & 255) * 0x010101).all())

    def as_shown(self) -> "MaskValues":
        """The colours that the palette shows the values in; unchanged without a palette."""
        if self.palette is None or self.coloured or self.value[-1] >= len(self.palette):
            return self
        value, row = np.unique(shown_colors(self.palette)[self.value].astype(np.int64), return_inverse=True)
        area, n_runs = (np.bincount(row, counts, len(value)).astype(np.int64) for counts in (self.area, self.n_runs))
        colors = msgspec.structs.replace(self, value=value, area=area, n_runs=n_runs, coloured=True)
        return msgspec.structs.replace(colors, palette=None, by_palette=True)

    def as_grey(self) -> "MaskValues":
        """The values of grey colours."""
        return msgspec.structs.replace(self, value=self.value & 255, coloured=False)


@dataclass(frozen=True)
class ValueCounts:
    """How often each value occurs in a set of masks."""

    masks: tuple[MaskValues, ...]  # those that could be read
    value: Ints  # (k,) int64 ascending, ids or packed colours
    # pixels, files, leads, runs: (k,) int64, how many pixels, in how many masks, in how many more than half of the
    # pixels, and in how many vertical runs
    pixels: Ints
    files: Ints
    leads: Ints
    runs: Ints

    @staticmethod
    def count(masks: Iterable[MaskValues]) -> "ValueCounts":
        """The counts over those masks that are stored as most are: by colour, or by grey value or index."""
        given = tuple(masks)
        coloured = 2 * sum(mask.coloured for mask in given) > len(given)
        if len({mask.coloured for mask in given}) == 2:  # of two programs: one stores greys as colours
            coloured = coloured and not all(mask.is_grey for mask in given if mask.coloured)
            given = given if coloured else tuple(mask.as_grey() if mask.is_grey else mask for mask in given)
        every = tuple(mask for mask in given if mask.coloured == coloured)
        if not every:
            none = np.empty(0, np.int64)
            return ValueCounts((), none, none, none, none, none)
        values = np.concatenate([mask.value for mask in every])
        areas = np.concatenate([mask.area for mask in every])
        runs = np.concatenate([mask.n_runs for mask in every])
        leads = np.concatenate([2 * mask.area > mask.size for mask in every])
        value, row = np.unique(values, return_inverse=True)
        counts = [
            np.bincount(row, weights, len(value)).astype(np.int64)
            for weights in (areas, np.ones(len(values)), leads, runs)
        ]
        return ValueCounts(every, value, counts[0], counts[1], counts[2], counts[3])

    def select(self, rows: Flags) -> "ValueCounts":
        """The counts of some values alone; `rows` (k,)."""
        columns = (self.value, self.pixels, self.files, self.leads, self.runs)
        return ValueCounts(self.masks, *(column[rows] for column in columns))

    def as_grey(self) -> "ValueCounts":
        """The counts of colours whose channels are equal as those of greys."""
        return replace(self, masks=tuple(mask.as_grey() for mask in self.masks), value=self.value & 255)

    @cached_property
    def shown(self) -> "ValueCounts":
        """The counts by the colours of palettes that differ, where these colours are what was drawn; else itself.

        They are if they are fewer than the indices, as one colour is at several of them, or if they were smoothed.
        """
        palettes = {mask.palette.tobytes() for mask in self.masks if mask.palette is not None}
        masks = [mask.as_shown() for mask in self.masks] if len(palettes) > 1 else []
        shown = ValueCounts.count(masks)
        if not masks or not all(mask.coloured for mask in masks):
            return self
        return shown if len(shown.value) < len(self.value) or _levels(shown) is not None else self

    @cached_property
    def has_colors(self) -> bool:
        """Whether values are colours."""
        return any(mask.coloured for mask in self.masks)

    @cached_property
    def palette(self) -> Palette | None:
        """The first palette; None where no mask has one."""
        return next((mask.palette for mask in self.masks if mask.palette is not None), None)

    @cached_property
    def n_pixels(self) -> int:
        """Pixels of all masks."""
        return sum(mask.size for mask in self.masks)


def count_values(masks: Iterable[Path]) -> ValueCounts:
    """How often each value occurs in mask files, each counted once; unreadable files are left out."""
    counted: list[MaskValues] = []
    distinct: set[int] = set()
    for mask in run_ordered(_values_of, dict.fromkeys(masks)):
        if mask is None:
            continue
        counted.append(mask)
        distinct.update(mask.value.tolist())
        if len(distinct) > 100 * MAX_CATEGORIES:
            break  # photographs or ids, not categories
    return ValueCounts.count(counted)


def _values_of(path: Path) -> MaskValues | None:
    """The values of a mask file with all of its pages; None if it cannot be read."""
    pages: list[ValueRuns] = []
    mask: MaskFile | None = None
    with suppress(OSError):
        for page in range(n_pages(path)):
            mask = decode_mask(path, page)
            pages.append(ValueRuns.of(mask.pixels))
    if mask is None or not pages:
        return None
    value, row = np.unique(np.concatenate([page.value for page in pages]), return_inverse=True)
    area = np.bincount(row, np.concatenate([page.area for page in pages]), len(value)).astype(np.int64)
    n_runs = np.concatenate([np.bincount(page.row, minlength=len(page.value)) for page in pages])
    runs = np.bincount(row, n_runs, len(value)).astype(np.int64)
    size = sum(page.height * page.width for page in pages)
    return MaskValues(
        path=path, value=value, area=area, n_runs=runs, size=size, coloured=mask.coloured, palette=mask.palette
    )


class ProvisionalTaxonomy(msgspec.Struct, frozen=True):
    """What values of masks probably mean, until a person says so."""

    taxonomy: Taxonomy  # the categories
    reading: str  # how the values are read, a clause
    sparse: bool = False  # pixels need not be labelled, as beside the foreground of a binary mask
    defects: tuple[Defect, ...] = ()  # values that one mask alone has, and that may be a mistake
    legend: Legend | None = None  # of all values, where compression or smoothing made most of them
    by_palette: bool = False  # values of different palettes mean the colours that these show


def propose_taxonomy(counts: ValueCounts) -> ProvisionalTaxonomy:
    """What the values in masks probably mean; raises UnreadableError if there are too many for categories."""
    if counts.shown is not counts:
        return msgspec.structs.replace(propose_taxonomy(counts.shown), by_palette=True)
    foreground, levels = binary_level(counts), _levels(counts)
    if levels is not None and (foreground is None or len(levels) > 2):
        return _smoothed(counts, levels)
    if foreground is not None:
        return _binary(counts, foreground)
    slips = _are_slips(counts)
    kept = counts.select(~slips)
    foreground = binary_level(kept) if slips.any() else None
    if foreground is not None or kept.value.tolist() == [0]:
        return _binary(kept, foreground)
    _check_number(kept)
    categories = tuple(_numbered_categories(kept))
    defects = _rare(kept)
    return ProvisionalTaxonomy(Taxonomy(categories=categories), _reading(kept, categories), defects=tuple(defects))


def binary_level(counts: ValueCounts) -> int | None:
    """The value of the foreground if masks are binary; None if they are not.

    Binary masks hold 0 and either 1, or one value from 128 on, 65535 in 16 bits. Beside these two a smoothed or
    compressed mask holds many greys between them, in runs of few pixels, and few masks of a set may hold some levels
    more, or be stored as 0 and 255 where the others hold 0 and 1.
    """
    if counts.has_colors:
        is_grey = np.ptp(_channels(counts.value), axis=1) <= _TINGE
        has_white = bool((counts.value[-1:] == counts.value[-1:] // 0x010101 * 0x010101).all())
        return binary_level(counts.as_grey()) if is_grey.all() and has_white else None
    if len(counts.value) < 2 or counts.value[0] != 0:
        return None
    if counts.palette is not None and not _is_black_and_white(counts.palette, int(counts.value[-1])):
        return None
    if len(counts.value) == 2:
        level = int(counts.value[1])
        return level if level in (1, _WHITE_16) or 128 <= level <= 255 else None
    drawn = [mask for mask in counts.masks if mask.value[-1] > 0]
    stretched = [mask for mask in drawn if mask.value[-1] > 1]
    n_bits = len(drawn) - len(stretched)
    if n_bits >= 3 and len(stretched) <= max(1, 0.05 * len(drawn)) and 128 <= counts.value[-1] <= 255:
        return 1  # one of them is stored as 0 to 255
    if 0 < 2 * n_bits < len(drawn):
        return binary_level(ValueCounts.count(stretched))
    high = np.flatnonzero((counts.value >= 128) & (counts.value <= 255))
    if len(high) == 0 or counts.value[-1] > 255:
        return None
    level = int(counts.value[high[counts.pixels[high].argmax()]])
    others = counts.select((counts.value != 0) & (counts.value != level))
    if len(others.value) > _FEW_LEVELS:
        near = (counts.value <= _NEAR) | (counts.value >= level - _NEAR)
        short = others.pixels.sum() < _TRANSITION * others.runs.sum()
        return level if short and counts.pixels[near].sum() > 0.8 * counts.n_pixels else None
    n_binary = sum(bool(np.isin(mask.value, (0, level)).all()) for mask in counts.masks)
    between = bool((others.value < level).all())
    is_few = len(counts.masks) - n_binary <= max(1, 0.05 * len(counts.masks)) and n_binary >= 3
    # A third level that several masks share, 128 beside 0 and 255, is a category.
    return level if between and is_few and level >= 128 else None


def _is_black_and_white(palette: Palette, level: int) -> bool:
    """Whether a palette shows index 0 black, and `level` white; other colours may be those of instances."""
    return level < len(palette) and bool((palette[0] <= _NEAR).all() and (palette[level] >= 255 - _NEAR).all())


def _binary(counts: ValueCounts, level: int | None) -> ProvisionalTaxonomy:
    """The taxonomy of binary masks: foreground, and 0 is not labelled; `level` None: no mask has a foreground."""
    value = 1 if level is None else level
    color = (value, value, value) if counts.has_colors else None
    row = np.flatnonzero(counts.value == (value if color is None else pack_color(color))).tolist()
    definition = _occurrence(counts, row[0] if row else None)
    foreground = Category(id=value, name="foreground", kind="stuff", color=color, definition=definition)
    taxonomy = Taxonomy(categories=(foreground,), unlabelled=0 if color is None else (0, 0, 0))
    if level is None:
        return ProvisionalTaxonomy(taxonomy, "every mask holds 0 alone, which is read as not labelled", sparse=True)
    what, black = (f"value {value}", "0") if color is None else (f"colour {color}", "black")
    return ProvisionalTaxonomy(taxonomy, f"{what} is read as foreground, {black} as not labelled", sparse=True)


def _levels(counts: ValueCounts) -> Ints | None:
    """(m,) the values, ascending, that masks were drawn with, if compression or smoothing made the many others.

    Levels are far from each other, and most of their pixels lie within others of the same level. None where a palette
    says what each value is.
    """
    is_told = any(mask.palette is not None and not _is_grey_ramp(mask.palette) for mask in counts.masks)
    if len(counts.value) <= _FEW_LEVELS + 2 or is_told or (not counts.has_colors and counts.value[-1] > 255):
        return None
    channels = _channels(counts.value)
    frequent = np.flatnonzero(counts.pixels >= _LEAST_LEVEL * counts.n_pixels)
    levels: list[int] = []
    for row in frequent[np.argsort(-counts.pixels[frequent], kind="stable")].tolist():
        if not levels or _distance(channels[row], channels[levels]).min() > _NEAR:
            levels.append(row)
    levels = sorted(row for row in levels if _inner_share(counts, channels[[row]]) > _LEAST_INNER)
    return counts.value[levels] if len(levels) > 1 and _are_all(counts, levels) else None


def _are_all(counts: ValueCounts, levels: list[int]) -> bool:
    """Whether the values beside levels, given by rows, are many, and near a level or in runs too short to be drawn."""
    channels = _channels(counts.value)
    others = np.ones(len(counts.value), bool)
    others[levels] = False
    short = counts.pixels[others].sum() < _TRANSITION * counts.runs[others].sum()
    n_near = counts.pixels[_distance(channels, channels[levels]).min(axis=1) <= _NEAR].sum()
    if others.sum() <= _FEW_LEVELS or not short or n_near <= _LEAST_NEAR * counts.n_pixels:
        return False
    return _inner_share(counts, channels[levels], near=False) < 1 - _LEAST_NEAR


def _is_grey_ramp(palette: Palette) -> bool:
    """Whether a palette shows each index as the grey of that brightness: such indices are greys."""
    return bool((palette == np.arange(len(palette))[:, None]).all())


class SmoothedReading(msgspec.Struct, frozen=True):
    """How compressed or smoothed masks of a taxonomy are read."""

    legend: Legend  # of all values
    defect: Defect  # what says so


def read_smoothed(counts: ValueCounts, taxonomy: Taxonomy) -> SmoothedReading | None:
    """The reading of compressed or smoothed masks under a taxonomy; None unless each level is near a value of its.

    A value that the taxonomy lacks means what the nearest level means. Nearly all masks must have such values: if they
    are usual, the dataset is like that; if not, each mask that has them was spoiled, and is an error of its own.
    """
    shown = counts.shown
    legend = colour_legend(taxonomy) if shown.has_colors else index_legend(taxonomy, None)
    of_several = [mask for mask in shown.masks if len(mask.value) > 1]
    n_smoothed = sum(not np.isin(mask.value, legend.value).all() for mask in of_several)
    if len(legend.value) == 0 or n_smoothed < _LEAST_SMOOTHED * len(of_several):
        return None
    levels = _levels(shown)
    if levels is None:
        return None
    distance = _distance(_channels(levels), _channels(legend.value))
    if distance.min(axis=1).max() > _NEAR:
        return None
    meaning = legend.category[distance.argmin(axis=1)]
    nearest = meaning[_distance(_channels(shown.value), _channels(levels)).argmin(axis=1)]
    named = legend.read(shown.value)
    is_left = named == UNKNOWN
    read = Legend(shown.value, np.where(is_left, nearest, named))
    return SmoothedReading(read, _left_by_compression(shown, is_left, len(levels)))


def _left_by_compression(
    counts: ValueCounts, is_left: Flags, n_levels: int, severity: Severity | None = None
) -> Defect:
    """SEG010 for the values (k,) that compression or smoothing left."""
    pixels = int(counts.pixels[is_left].sum())
    what = "colours" if counts.has_colors else "greys"
    message = (
        f"{count_noun(int(is_left.sum()), what.removesuffix('s'))} of the masks ({pixels:,} px) are left by "
        f"compression or smoothing, and each is read as the nearest of {n_levels} {what}; save the masks as PNG "
        "from the program that drew them"
    )
    return Defect("SEG010", message, pixels=pixels, severity=severity)


def _channels(values: Ints) -> Ints:
    """(..., 3) the channels of packed colours; greys have one and zeros."""
    return np.stack([values >> shift & 255 for shift in (0, 8, 16)], axis=-1)


def _distance(channels: Ints, levels: Ints) -> Ints:
    """(..., k) how far colours (..., 3) are from each of the levels (k, 3), in the channel that differs most."""
    return np.stack([np.abs(channels - level).max(axis=-1) for level in levels], axis=-1)


def _inner_share(counts: ValueCounts, levels: Ints, near: bool = True) -> float:
    """The share of the pixels near a level, or far from all, that have none but such around them, in some masks.

    Soft outlines have hardly any.
    """
    n_inner = n_all = 0
    for mask in counts.masks[:: max(1, len(counts.masks) // _TRIED)][:_TRIED]:
        with suppress(OSError):
            drawn = decode_mask(mask.path)
            channels = _channels((drawn.as_shown() if mask.by_palette else drawn).values.astype(np.int64))
            chosen = (_distance(channels, levels).min(axis=-1) <= _NEAR) == near
            inner = chosen[1:-1] & chosen[:-2] & chosen[2:]
            n_inner += int((inner[:, 1:-1] & inner[:, :-2] & inner[:, 2:]).sum())
            n_all += int(chosen.sum())
    return n_inner / max(n_all, 1)


def _smoothed(counts: ValueCounts, levels: Ints) -> ProvisionalTaxonomy:
    """The taxonomy of the levels (m,) of compressed or smoothed masks."""
    is_level = np.isin(counts.value, levels)
    kept = counts.select(is_level)
    categories = tuple(_numbered_categories(kept))
    ids = np.array([category.id for category in categories])
    nearest = _distance(_channels(counts.value), _channels(levels)).argmin(axis=1)
    return ProvisionalTaxonomy(
        Taxonomy(categories=categories),
        _reading(kept, categories),
        # No taxonomy says that the values are wrong.
        defects=(_left_by_compression(counts, ~is_level, len(levels), "warning"),),
        legend=Legend(counts.value, ids[nearest]),
    )


def _are_slips(counts: ValueCounts) -> Flags:
    """(k,) whether a value is doubted: in one mask of many, with so few pixels as hardly any value has in a mask."""
    if len(counts.masks) < _LEAST_MASKS:
        return np.zeros(len(counts.value), bool)
    shared = set(counts.value[counts.files > 1].tolist())
    areas = [
        area for mask in counts.masks for value, area in zip(mask.value, mask.area, strict=True) if value in shared
    ]
    usual = min(np.quantile(areas, 0.05), _FEW_PIXELS) if areas else 0
    slips: Flags = (counts.files == 1) & (counts.pixels <= usual)
    return slips


def _rare(counts: ValueCounts) -> Iterator[Defect]:
    """An info for values that one mask in many has, with all of its pixels: a rare category, or a mistake."""
    if len(counts.masks) < _LEAST_MASKS:
        return
    rows = np.flatnonzero(counts.files == 1).tolist()
    for row in rows if len(rows) <= 3 else ():
        path = next(mask.path for mask in counts.masks if counts.value[row] in mask.value)
        message = f"{_value_text(counts, row)} occurs in one of {len(counts.masks)} masks, {path.name}"
        pixels = int(counts.pixels[row])
        yield Defect(
            "SEG009", f"{message} ({pixels:,} px): a rare category, or a mistake", pixels=pixels, severity="info"
        )
    if len(rows) <= 3:
        return
    listed = ", ".join(_value_text(counts, row) for row in rows[:5])
    message = f"{len(rows)} of {len(counts.value)} values occur in one of {len(counts.masks)} masks each: {listed}, …"
    yield Defect("SEG009", f"{message}; rare categories, or mistakes", severity="info")


def _value_text(counts: ValueCounts, row: int) -> str:
    value = int(counts.value[row])
    return f"colour {unpack_color(value)}" if counts.has_colors else f"value {value}"


def _reading(counts: ValueCounts, categories: tuple[Category, ...]) -> str:
    what = "colours" if counts.has_colors else "values"
    named = [category.name for category in categories if category.kind != "void"]
    listed = ", ".join(named) if len(named) <= 3 else f"{named[0]}, {named[1]} … {named[-1]}"
    void = [category for category in categories if category.kind == "void"]
    ignored = (
        f", and {', '.join(_category_text(category, counts.has_colors) for category in void)} as void" if void else ""
    )
    if len(named) == 1:
        return f"the one {what.removesuffix('s')} is read as the category {listed}{ignored}"
    return f"the {len(named)} {what} are read as the categories {listed}{ignored}"


def _category_text(category: Category, coloured: bool) -> str:
    return f"colour {category.rgb}" if coloured else str(category.id)


def _check_number(counts: ValueCounts) -> None:
    """Raise UnreadableError if there are too many values for categories."""
    if len(counts.value) > MAX_CATEGORIES:
        n_jpeg = sum(mask.path.suffix.lower() in (".jpg", ".jpeg") for mask in counts.masks)
        if 2 * n_jpeg > len(counts.masks):
            raise UnreadableError(
                f"the masks are JPEG files, whose compression made {len(counts.value):,} different values: save "
                "them as PNG from the program that drew them, or export them again"
            )
        raise UnreadableError(
            f"{len(counts.value):,} different values in the masks are no categories: ids of instances, or greys of "
            "smoothed masks or of pictures"
        )


def infer_mask_taxonomy(masks: Iterable[Path], named: Taxonomy | None = None) -> Taxonomy:
    """A taxonomy of the values in mask files; `named` names the colours or ids that it has.

    Raises UnreadableError if there are too many values for categories.
    """
    counts = count_values(masks)
    if named is None:
        return propose_taxonomy(counts).taxonomy
    _check_number(counts)
    rows = {int(value): row for row, value in enumerate(counts.value)}
    counted = [
        msgspec.structs.replace(
            category,
            definition=_occurrence(
                counts, rows.get(pack_color(category.rgb) if counts.has_colors and category.rgb else category.id)
            ),
        )
        for category in named.categories
    ]
    return Taxonomy(categories=tuple(counted))


def _numbered_categories(counts: ValueCounts) -> Iterator[Category]:
    """A category for each value: numbered colours, or ids in the palette's colours."""
    for row, value in enumerate(counts.value.tolist()):
        color = unpack_color(value) if counts.has_colors else _palette_color(value, counts.palette)
        number = row + 1 if counts.has_colors else value
        void = color == _VOC_VOID or (not counts.has_colors and _is_void_id(counts, row))
        background = value == 0 and 2 * counts.leads[row] > len(counts.masks) and len(counts.value) > 1
        name = "void" if void else "background" if background else f"category_{number}"
        kind: CategoryKind = "void" if void else "stuff"
        yield Category(id=number, name=name, kind=kind, color=color, definition=_occurrence(counts, row))


def _is_void_id(counts: ValueCounts, row: int) -> bool:
    """Whether an id is void: 255 beside small ids. Alone with 0 it is foreground; beside spread greys, a category."""
    others = np.delete(counts.value, row)
    if counts.value[row] != 255 or len(others) < 2 or others.max() >= 200:
        return False
    steps = np.diff(counts.value)
    is_spread = steps.max() - steps.min() <= 2  # 0, 127, 255
    share = counts.pixels[row] / max(counts.n_pixels, 1)
    # Small ids with few gaps are classes; 255 beside them is void, however much there is of it.
    is_dense = len(others) > 2 and others.max() < _DENSE * len(others)
    return not is_spread and bool(share < 0.25 or is_dense)


def _palette_color(value: int, palette: Palette | None) -> tuple[int, int, int] | None:
    if palette is None or not 0 <= value < len(palette):
        return None
    red, green, blue = palette[value].tolist()
    return red, green, blue


def _occurrence(counts: ValueCounts, row: int | None) -> str:
    if row is None:
        return "drafted: in no mask"
    share = 100 * counts.pixels[row] / max(counts.n_pixels, 1)
    return f"drafted: in {counts.files[row]} of {len(counts.masks)} masks, {share:.2f} % of their pixels"


def are_ids(counts: ValueCounts) -> bool:
    """Whether grey values of 8 bits are numbers of instances: 1 to n in most masks with few gaps, another n in each.

    If there are few of them in a mask, or many masks, so that some have the same n, each number must also be one part.
    """
    if counts.has_colors or len(counts.masks) < 3:
        return False
    highest = [int(mask.value[-1]) for mask in counts.masks]
    numbered = [np.sum(mask.value > 0) >= 0.8 * top for mask, top in zip(counts.masks, highest, strict=True)]
    usual = float(np.median(highest))
    if np.mean(numbered) <= 0.8 or usual < _FEWEST_INSTANCES:
        return False
    if usual > _LEAST_INSTANCES and 2 * len(set(highest)) > len(highest):
        return True
    often = max(highest.count(top) for top in set(highest))
    return len(set(highest)) > 2 and 2 * often <= len(highest) and _are_single_parts(counts.masks)


def are_categories(counts: ValueCounts, table: Taxonomy | None) -> bool:
    """Whether values of more than 8 bits are categories, not numbers of instances.

    They are if a table beside the masks names all of them; or if all masks hold one value beside 0, and it is white, or
    in several places of a mask.
    """
    if table is not None:
        return bool(np.isin(counts.value, list(table.by_id())).all())
    drawn = counts.value[counts.value != 0].tolist()
    return len(drawn) == 1 and (drawn[0] == _WHITE_16 or not _are_single_parts(counts.masks))


def _are_single_parts(masks: tuple[MaskValues, ...]) -> bool:
    """Whether nearly every value of some masks but 0 is one part; those of categories are in many places."""
    n_parts: list[Ints] = []
    for mask in spread_sample(masks, _TRIED):
        with suppress(OSError):
            runs = ValueRuns.of(decode_mask(mask.path).pixels)
            rows = np.flatnonzero(runs.value > 0)
            height = np.full(len(rows), runs.height, np.int64)
            n_parts.append(segment_shapes(runs.select(rows), height, len(rows)).n_parts)
    return bool(n_parts) and float(np.mean(np.concatenate(n_parts) == 1)) > _SINGLE


def propose_id_rule(counts: ValueCounts, given: InstanceIds | None = None) -> tuple[InstanceIds, Taxonomy, str]:
    """The setting that ids of instances probably need, its taxonomy, and the reading in words.

    Values are category * divisor + number if their categories are few, and the numbers of each are small and without
    gaps of half the divisor; else every value is an instance of one category. `given`: a setting with a divisor.
    """
    fitting = filter(lambda divisor: _fits_divisor(counts.value, divisor), _DIVISORS)
    divisor = next(fitting, None) if given is None else given.divisor
    if divisor is None:
        setting = InstanceIds(category="object", background=0)
        taxonomy = Taxonomy(categories=(Category(id=1, name="object", kind="thing"),))
        return setting, taxonomy, "each value but 0 is read as an instance of one category, object"
    setting = InstanceIds(divisor=divisor, background=0) if given is None else given
    values = counts.value[(counts.value != setting.background) & (counts.value != setting.void)]
    numbered = np.unique(values[values >= divisor] // divisor).tolist()
    bare = values[(values < divisor) & (values > 0)].tolist()
    categories = [
        Category(id=id_, name=f"category_{id_}", kind="thing" if id_ in numbered else "stuff")
        for id_ in sorted({*numbered, *bare})
    ]
    if setting.void is not None:
        categories.append(Category(id=setting.void, name="void", kind="void"))
    return (
        setting,
        Taxonomy(categories=tuple(categories)),
        f"values are read as category * {divisor} + number of the instance",
    )


def _fits_divisor(values: Ints, divisor: int) -> bool:
    """Whether values are category * divisor + number."""
    numbered, bare = values[values >= divisor], values[(values < divisor) & (values > 0)]
    if len(numbered) == 0:
        return False
    category, number = np.divmod(numbered, divisor)
    # Running ids fill the values below the divisor, and all numbers; categories and their instances are few.
    if int(category.max()) > 255 or int(number.max()) >= divisor // 2 or int(bare.max(initial=0)) >= divisor // 4:
        return False
    dense = 0  # values of categories whose instances are numbered from 0 or 1, with hardly a gap
    for id_ in np.unique(category).tolist():
        numbers = number[category == id_]
        dense += len(numbers) * bool(numbers.min() <= 1 and numbers.max() <= 2 * len(numbers))
    return 1 < len(numbered) >= len(bare) and dense >= 0.8 * len(numbered)
