"""Mask values: count how often each occurs in a set of masks, and recover levels, the few that were drawn.

Compression, smoothing and other programs add values between the levels.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import count_noun
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect, Severity
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.taxonomy import Taxonomy
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
    shown_colors,
)

MAX_CATEGORIES = 200  # with more distinct values, they are no categories; COCO-Stuff has 182
WHITE_16 = 65535
_WHITES = frozenset({1, 255, WHITE_16})  # of 1, 8 and 16 bits
_MIN_WHITES = 3  # masks with 255; in fewer it may be void, where others hold 1
_MAX_LEVELS = 8  # levels of a binary mask; more greys come from smoothing
_MAX_DISTANCE = 16  # change of a grey by compression
_MAX_STEP = 3  # of it, for most pixels
_MAX_WHITES = 0.1  # share of whites besides the usual one, such as 254 beside 255; with more, they are categories
_MAX_TINGE = 8  # difference between the channels of a grey after conversion
_MAX_TRANSITION = 4.0  # length in pixels of grey runs at smoothed outlines; runs of categories are longer
_MIN_SMOOTHED = 0.9  # share of smoothed masks for which the dataset counts as smoothed
_MIN_INNER = 0.25  # share of a level's pixels that are surrounded by the same level
_MIN_LEVEL = 0.001  # share of all pixels; rarer values may come from compression or smoothing
_MIN_NEAR = 0.9  # share of all pixels with a value near a level
_MIN_SHADED = 20  # masks; in fewer, one value of each group may be chance
_MIN_SHADE_GAP = 8  # between the greys of two categories that have several each
_MIN_SHADES = 4  # greys of such a category
_RARE_SHADE = 0.05  # of the masks that have the usual grey; rarer ones need no order, and lie at an end
_MIN_ONE_SHADE = 0.98  # share of the pixels that have the usual grey of their category in their mask
_N_SAMPLED = 12  # masks whose interior is checked


class MaskValues(msgspec.Struct, frozen=True):
    """The value counts of one mask, or of all pages of one file."""

    path: Path
    value: Ints  # (k,) int64 ascending, ids or packed colours
    area: Ints  # (k,) pixels of each
    n_runs: Ints  # (k,) vertical runs of each
    size: int  # pixels of the mask
    coloured: bool
    palette: Palette | None
    by_palette: bool = False  # whether values are a palette's colours

    @property
    def is_grey(self) -> bool:
        """Whether values are colours with equal channels."""
        return self.coloured and bool((self.value == (self.value & 255) * 0x010101).all())

    def as_shown(self) -> "MaskValues":
        """The counts by palette colour; unchanged without a palette."""
        if self.palette is None or self.coloured or self.value[-1] >= len(self.palette):
            return self
        value, row = np.unique(shown_colors(self.palette)[self.value].astype(np.int64), return_inverse=True)
        area, n_runs = (np.bincount(row, counts, len(value)).astype(np.int64) for counts in (self.area, self.n_runs))
        colors = msgspec.structs.replace(self, value=value, area=area, n_runs=n_runs, coloured=True)
        return msgspec.structs.replace(colors, palette=None, by_palette=True)

    def as_grey(self) -> "MaskValues":
        """The counts of grey colours by grey level."""
        return msgspec.structs.replace(self, value=self.value & 255, coloured=False)


@dataclass(frozen=True)
class ValueCounts:
    """How often each value occurs in a set of masks."""

    masks: tuple[MaskValues, ...]  # the readable masks
    value: Ints  # (k,) int64 ascending, ids or packed colours
    pixels: Ints  # (k,) int64, how many pixels
    files: Ints  # (k,) int64, in how many masks
    leads: Ints  # (k,) int64, in how many masks more than half of the pixels
    runs: Ints  # (k,) int64, in how many vertical runs

    @staticmethod
    def count(masks: Iterable[MaskValues]) -> "ValueCounts":
        """Sum the counts of the masks that are stored like most of them: by colour, or by grey value or index."""
        given = tuple(masks)
        coloured = 2 * sum(mask.coloured for mask in given) > len(given)
        if len({mask.coloured for mask in given}) == 2:  # from two programs, one of which stores greys as colours
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
        """The counts of grey colours by grey level."""
        return replace(self, masks=tuple(mask.as_grey() for mask in self.masks), value=self.value & 255)

    @cached_property
    def has_colors(self) -> bool:
        """Whether values are colours."""
        return any(mask.coloured for mask in self.masks)

    @cached_property
    def palette(self) -> Palette | None:
        """The first palette; None if no mask has one."""
        return next((mask.palette for mask in self.masks if mask.palette is not None), None)

    @cached_property
    def n_pixels(self) -> int:
        """Pixels of all masks."""
        return sum(mask.size for mask in self.masks)


def count_values(masks: Iterable[Path]) -> ValueCounts:
    """Count the values in mask files; skips repeated and unreadable files."""
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
    """The value counts of a mask file over all its pages; None if it cannot be read."""
    pages: list[ValueRuns] = []
    mask: MaskFile | None = None
    with suppress(OSError):
        for page in range(n_pages(path)):
            mask = decode_mask(path, page, keeps=True)
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


def binary_level(counts: ValueCounts) -> int | None:
    """The value of the foreground if masks are binary; None if they are not.

    Binary masks hold 0 and either 1 or one value from 128 on, 65535 in 16 bits. Smoothed or compressed ones also hold
    many greys between the two, in runs of few pixels. A few masks of a set may hold further levels, or 0 and 255 where
    the others hold 0 and 1. Masks of several programs hold one white each; some pixels may be nearly of it.
    """
    if counts.has_colors:
        is_grey = np.ptp(_channels(counts.value), axis=1) <= _MAX_TINGE
        has_white = bool((counts.value[-1:] % 0x010101 == 0).all())
        return binary_level(counts.as_grey()) if is_grey.all() and has_white else None
    if len(counts.value) < 2 or counts.value[0] != 0:
        return None
    if counts.palette is not None and not _is_black_and_white(counts.palette, int(counts.value[-1])):
        return None
    if len(counts.value) == 2:
        level = int(counts.value[1])
        return level if level in (1, WHITE_16) or 128 <= level <= 255 else None
    if are_whites(counts) and (counts.value[-1] == WHITE_16 or counts.files[1:].min() >= _MIN_WHITES):
        return int(counts.value[1:][counts.files[1:].argmax()])
    drawn = [mask for mask in counts.masks if mask.value[-1] > 0]
    stretched = [mask for mask in drawn if mask.value[-1] > 1]
    n_bits = len(drawn) - len(stretched)
    if n_bits >= 3 and len(stretched) <= max(1, 0.05 * len(drawn)) and 128 <= counts.value[-1] <= 255:
        return 1  # one mask is stored as 0 to 255
    if 0 < 2 * n_bits < len(drawn):
        return binary_level(ValueCounts.count(stretched))
    return _level_among_greys(counts)


def _level_among_greys(counts: ValueCounts) -> int | None:
    """The foreground's value in masks of more than two values, which are smoothed, compressed or of several whites."""
    high = np.flatnonzero((counts.value >= 128) & (counts.value <= 255))
    if len(high) == 0 or counts.value[-1] > 255:
        return None
    level = int(counts.value[high[counts.pixels[high].argmax()]])
    others = counts.select((counts.value != 0) & (counts.value != level))
    if len(others.value) > _MAX_LEVELS:
        near = (counts.value <= _MAX_DISTANCE) | (counts.value >= level - _MAX_DISTANCE)
        short = others.pixels.sum() < _MAX_TRANSITION * others.runs.sum()
        return level if short and counts.pixels[near].sum() > 0.8 * counts.n_pixels else None
    n_white = counts.pixels[high].sum()
    if (np.abs(others.value - level) <= _MAX_DISTANCE).all() and others.pixels.sum() < _MAX_WHITES * n_white:
        return level
    n_binary = sum(bool(np.isin(mask.value, (0, level)).all()) for mask in counts.masks)
    between = bool((others.value < level).all())
    is_few = len(counts.masks) - n_binary <= max(1, 0.05 * len(counts.masks)) and n_binary >= 3
    # A third level in several masks, such as 128 beside 0 and 255, is a category.
    return level if between and is_few and level >= 128 else None


def are_whites(counts: ValueCounts) -> bool:
    """Whether each mask holds one value beside 0, and it is white in 1, 8 or 16 bits."""
    drawn = counts.value[counts.value != 0].tolist()
    return _WHITES.issuperset(drawn) and all(np.count_nonzero(mask.value) <= 1 for mask in counts.masks)


def _is_black_and_white(palette: Palette, level: int) -> bool:
    """Whether a palette has black at index 0 and white at `level`; the other colours may be those of instances."""
    return level < len(palette) and bool(
        (palette[0] <= _MAX_DISTANCE).all() and (palette[level] >= 255 - _MAX_DISTANCE).all()
    )


def find_levels(counts: ValueCounts) -> Ints | None:
    """(m,) the drawn values, ascending, if the many others come from compression or smoothing; else None.

    Levels are far from each other, most of their pixels are surrounded by the same level, and values next to them are
    rarer, unlike those of soft masks. None if a palette defines the values.
    """
    has_palette = any(mask.palette is not None and not _is_grey_ramp(mask.palette) for mask in counts.masks)
    if len(counts.value) <= _MAX_LEVELS + 2 or has_palette or (not counts.has_colors and counts.value[-1] > 255):
        return None
    channels = _channels(counts.value)
    frequent = np.flatnonzero(counts.pixels >= _MIN_LEVEL * counts.n_pixels)
    levels: list[int] = []
    for row in frequent[np.argsort(-counts.pixels[frequent], kind="stable")].tolist():
        if not levels or _distance(channels[row], channels[levels]).min() > _MAX_DISTANCE:
            levels.append(row)
    shares = _inner_shares(counts, [channels[[row]] for row in levels])
    levels = sorted(row for row, share in zip(levels, shares.tolist(), strict=True) if share > _MIN_INNER)
    levels = [row for row in levels if _is_peak(counts, channels, row)]
    return counts.value[levels] if len(levels) > 1 and _are_all(counts, levels) else None


def find_shades(counts: ValueCounts) -> Ints | None:
    """(m,) the usual value of each category, ascending, if categories have several greys, of which a mask has one.

    The greys of a category lie side by side, far from those of the others, and the further from the usual one, the
    rarer; ids that were chosen are not. None if they do not, or in colours or under a palette.
    """
    if counts.has_colors or counts.palette is not None or len(counts.masks) < _MIN_SHADED or counts.value[-1] > 255:
        return None
    groups = np.split(np.arange(len(counts.value)), np.flatnonzero(np.diff(counts.value) > _MIN_SHADE_GAP) + 1)
    shaded = [rows for rows in groups if len(rows) >= _MIN_SHADES]
    if len(shaded) < 2 or len(groups) - len(shaded) > len(shaded) or not all(_is_bell(counts, rows) for rows in shaded):
        return None
    group = np.repeat(np.arange(len(groups)), list(map(len, groups)))
    largest = 0
    for mask in counts.masks:
        areas = np.zeros(len(groups), np.int64)
        np.maximum.at(areas, group[np.searchsorted(counts.value, mask.value)], mask.area)
        largest += int(areas.sum())
    usual: Ints = counts.value[[rows[counts.pixels[rows].argmax()] for rows in groups]]
    return usual if largest > _MIN_ONE_SHADE * counts.n_pixels else None


def _is_bell(counts: ValueCounts, rows: Ints) -> bool:
    """Whether neighbouring values (rows) are the rarer, the further they are from the most frequent one."""
    files = counts.files[rows]
    usual = files[files > _RARE_SHADE * files.max()]
    top = int(usual.argmax())
    is_narrow = counts.value[rows[-1]] - counts.value[rows[0]] <= _MAX_DISTANCE
    rises, falls = (np.diff(usual[: top + 1]) >= 0).all(), (np.diff(usual[top:]) <= 0).all()
    return bool(is_narrow and rises and falls and min(files[0], files[-1]) <= _RARE_SHADE * files.max())


def _is_peak(counts: ValueCounts, channels: Ints, row: int) -> bool:
    """Whether most pixels near a level are nearly of its value: the greys of a soft mask are as frequent as others."""
    distance = _distance(channels, channels[[row]])[:, 0]
    return bool(2 * counts.pixels[distance <= _MAX_STEP].sum() > counts.pixels[distance <= _MAX_DISTANCE].sum())


def _are_all(counts: ValueCounts, levels: list[int]) -> bool:
    """Whether the values other than `levels` (rows) are many, and near a level or in runs too short to be drawn."""
    channels = _channels(counts.value)
    others = np.ones(len(counts.value), bool)
    others[levels] = False
    short = counts.pixels[others].sum() < _MAX_TRANSITION * counts.runs[others].sum()
    n_near = counts.pixels[_distance(channels, channels[levels]).min(axis=1) <= _MAX_DISTANCE].sum()
    if others.sum() <= _MAX_LEVELS or not short or n_near <= _MIN_NEAR * counts.n_pixels:
        return False
    return bool(_inner_shares(counts, [channels[levels]], near=False)[0] < 1 - _MIN_NEAR)


def _is_grey_ramp(palette: Palette) -> bool:
    """Whether each index of a palette is the grey of that brightness."""
    return bool((palette == np.arange(len(palette))[:, None]).all())


class SmoothedReading(msgspec.Struct, frozen=True):
    """The reading of compressed or smoothed masks under a taxonomy."""

    legend: Legend  # of all values
    defect: Defect  # that reports it


def read_smoothed(counts: ValueCounts, taxonomy: Taxonomy, wanted: bool = False) -> SmoothedReading | None:
    """The reading of compressed or smoothed masks under a taxonomy; None unless each level is near one of its values.

    A value beyond the taxonomy means the nearest level. Nearly all masks must have such values; otherwise, each mask
    that has them is an error by itself. `wanted`: the user declared it, so any number of masks suffices.
    """
    shown = shown_counts(counts)
    legend = colour_legend(taxonomy) if shown.has_colors else index_legend(taxonomy, None)
    with_several = [mask for mask in shown.masks if len(mask.value) > 1]
    n_smoothed = sum(not np.isin(mask.value, legend.value).all() for mask in with_several)
    if len(legend.value) == 0 or n_smoothed < (0 if wanted else _MIN_SMOOTHED * len(with_several)):
        return None
    levels = find_levels(shown)
    levels = find_shades(shown) if levels is None else levels
    if levels is None:
        return None
    distance = _distance(_channels(levels), _channels(legend.value))
    if distance.min(axis=1).max() > _MAX_DISTANCE:
        return None
    meaning = legend.category[distance.argmin(axis=1)]
    category = legend.read(shown.value)
    is_left = category == UNKNOWN
    all_values = Legend(shown.value, np.where(is_left, meaning[nearest_levels(shown, levels)], category))
    return SmoothedReading(all_values, left_values(shown, is_left, len(levels), "warning" if wanted else None))


def nearest_levels(counts: ValueCounts, levels: Ints) -> Ints:
    """(k,) the nearest of the levels (m,) to each value."""
    nearest: Ints = _distance(_channels(counts.value), _channels(levels)).argmin(axis=1)
    return nearest


def left_values(counts: ValueCounts, is_left: Flags, n_levels: int, severity: Severity | None) -> Defect:
    """SEG010 for the values (k,) that come from compression or smoothing."""
    pixels, left = int(counts.pixels[is_left].sum()), counts.value[is_left]
    n_masks = sum(bool(np.isin(mask.value, left).any()) for mask in counts.masks)
    what = "colours" if counts.has_colors else "grey levels"
    message = (
        f"{count_noun(len(left), what.removesuffix('s'))} in {n_masks} of {count_noun(len(counts.masks), 'mask')} "
        f"({pixels:,} px) are left by compression or smoothing, and each is read as the nearest of {n_levels} {what}; "
        "save the masks as PNG from the program that drew them"
    )
    return Defect("SEG010", message, pixels=pixels, severity=severity)


def _channels(values: Ints) -> Ints:
    """(..., 3) the channels of packed colours; greys have one channel and zeros."""
    return np.stack([values >> shift & 255 for shift in (0, 8, 16)], axis=-1)


def _distance(channels: Ints, levels: Ints) -> Ints:
    """(..., k) the largest channel difference between colours (..., 3) and each of the levels (k, 3)."""
    return np.stack([np.abs(channels - level).max(axis=-1) for level in levels], axis=-1)


def _inner_shares(counts: ValueCounts, choices: Sequence[Ints], near: bool = True) -> Floats:
    """(k,) for each choice of levels (m, 3), the share of pixels near a level (or far from all) among alike neighbours.

    Soft outlines have hardly any. Some of the masks are looked at.
    """
    n_inner, n_all = np.zeros((2, len(choices)), np.int64)
    for mask in counts.masks[:: max(1, len(counts.masks) // _N_SAMPLED)][:_N_SAMPLED]:
        with suppress(OSError):
            drawn = decode_mask(mask.path)
            values = (drawn.as_shown() if mask.by_palette else drawn).values
            for k, levels in enumerate(choices):
                is_near = _are_near(values, levels) == near
                inner = is_near[1:-1] & is_near[:-2] & is_near[2:]
                n_inner[k] += np.count_nonzero(inner[:, 1:-1] & inner[:, :-2] & inner[:, 2:])
                n_all[k] += np.count_nonzero(is_near)
    return n_inner / np.maximum(n_all, 1)


def _are_near(values: NDArray[np.integer], levels: Ints) -> Flags:
    """(...,) whether packed colours are near one of the levels (m, 3): channel by channel, by table."""
    packed = values.astype(np.uint32, copy=False)
    channels = [(packed >> shift).astype(np.uint8) for shift in (0, 8, 16)]
    near = np.zeros(values.shape, bool)
    for level in levels:
        tables = np.abs(np.arange(256)[:, None] - level) <= _MAX_DISTANCE
        near |= np.logical_and.reduce([table[channel] for table, channel in zip(tables.T, channels, strict=True)])
    return near


def shown_counts(counts: ValueCounts) -> ValueCounts:
    """The counts by palette colour if palettes differ and the colours carry the meaning; else the counts unchanged.

    They do if one colour has several indices, or if colours were smoothed.
    """
    palettes = {mask.palette.tobytes() for mask in counts.masks if mask.palette is not None}
    masks = [mask.as_shown() for mask in counts.masks] if len(palettes) > 1 else []
    shown = ValueCounts.count(masks)
    if not masks or not all(mask.coloured for mask in masks):
        return counts
    return shown if len(shown.value) < len(counts.value) or find_levels(shown) is not None else counts
