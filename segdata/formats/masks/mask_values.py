"""Mask values: count how often each value occurs in a set of masks."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.executor import run_ordered
from segdata.core.runs import Flags, Ints
from segdata.formats.shared.mask_files import MaskFile, Palette, ValueRuns, decode_mask, n_pages, shown_colors

MAX_CATEGORIES = 200  # with more distinct values, they are no categories; COCO-Stuff has 182


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
