"""Look: what is drawn in a raster, or a window of it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.finding import Defect
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy
from segdata.formats.geo.opening import Pane
from segdata.formats.geo.raster import BROKEN, MASKED, Patch, RasterHead, read_patch
from segdata.formats.shared.instance_id_rules import IdRule, ValueMeanings
from segdata.formats.shared.mask_files import MaskFile, ValueRuns, undecodable_mask
from segdata.formats.shared.mask_values import (
    UNKNOWN,
    UNLABELLED,
    Legend,
    colour_legend,
    index_legend,
    unknown_value_defects,
)
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry, relative_path

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Looker:
    """Looks at one image after the other, from any thread.

    Attributes
    ----------
    root : where paths in messages start
    taxonomy : what values mean
    void : the category of what means nothing; None where no raster has any
    band : that holds the labels
    rule : values are ids of segments, and what they mean; None: they are categories
    background : the value of what is no segment, where they are ids
    """

    root: Path
    taxonomy: Taxonomy
    void: int | None
    band: int | None
    rule: IdRule | None = None
    background: int = 0

    def __call__(self, entry: ImageEntry) -> list[ImageAnnotation]:
        """What is drawn on an image."""
        pane: Pane = entry.record
        try:
            patch = read_patch(pane.head, pane.window, self.band)
        except OSError as error:
            raise BrokenLabelsError(undecodable_mask(self.root, pane.head.path, error)) from error
        if self.rule is None:
            runs = ValueRuns.of(patch.values)
            drawn = self._categories(pane.head, patch, runs)
        else:
            whole = patch.values if patch.broken is None else np.where(patch.broken, self.background, patch.values)
            runs = ValueRuns.of(whole)
            drawn = _segments(self.rule(runs, entry.image_id))
        if patch.broken is not None and patch.broken.any():
            drawn.defects.append(_no_labels(patch.broken))
        return [drawn.as_found(relative_path(self.root, pane.head.path), runs, pane.head.encoding)]

    def _categories(self, head: RasterHead, patch: Patch, runs: ValueRuns) -> "_Drawn":
        """A segment for each category."""
        coloured = head.coloured and self.band is None
        meaning = (self._colours if coloured else self._ids).read(runs.value)
        nothing = (runs.value == MASKED) | (runs.value == (MASKED if head.nodata_value is None else head.nodata_value))
        meaning[nothing & (meaning == UNKNOWN)] = UNLABELLED if self.void is None else self.void
        meaning[runs.value == BROKEN] = UNLABELLED
        mask = MaskFile(patch.values, coloured, head.encoding, head.palette, head.lossy)
        strange = head.lossy is not None or bool((meaning == UNKNOWN).any())
        known = meaning > UNKNOWN
        categories, owner = np.unique(meaning[known], return_inverse=True)
        owners = np.full(len(runs.value), -1, np.int32)
        owners[known] = owner.reshape(-1)
        return _Drawn(
            categories,
            categories,
            np.zeros(len(categories), bool),
            owners,
            coloured,
            unknown_value_defects(mask, runs, meaning, self.taxonomy) if strange else [],
        )

    @cached_property
    def _colours(self) -> Legend:
        return colour_legend(self.taxonomy)

    @cached_property
    def _ids(self) -> Legend:
        return index_legend(self.taxonomy, None)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """n segments, and which of them each distinct value belongs to (k,)."""

    segment_id: Ints
    category_id: Ints
    iscrowd: Flags
    owner: NDArray[np.int32]
    coloured: bool
    defects: list[Defect]

    def as_found(self, file: str, runs: ValueRuns, encoding: str) -> ImageAnnotation:
        """The same with runs, and where each segment is from."""
        n_segments = len(self.segment_id)
        first = np.zeros(n_segments, np.int64)
        owned = np.flatnonzero(self.owner >= 0)[::-1]
        first[self.owner[owned]] = runs.value[owned]
        return ImageAnnotation(
            size=(runs.height, runs.width),
            segment_id=self.segment_id,
            category_id=self.category_id,
            runs=runs.owned(self.owner, n_segments),
            columns={
                "file": [file] * n_segments,
                "place": [_place(value, self.coloured) for value in first.tolist()],
                "iscrowd": self.iscrowd.tolist(),
            },
            encoding=encoding,
            defects=self.defects,
        )


def _place(value: int, coloured: bool) -> str:
    if coloured:
        return f"colour #{value & 255:02x}{value >> 8 & 255:02x}{value >> 16:02x}"
    return "masked out" if value == MASKED else f"value {value}"


def _segments(meaning: ValueMeanings) -> _Drawn:
    """A segment for each value that means one."""
    kept = np.flatnonzero(meaning.kept)
    owners = np.full(len(meaning.kept), -1, np.int32)
    owners[kept] = np.arange(len(kept), dtype=np.int32)
    return _Drawn(
        meaning.segment_id[kept],
        meaning.category_id[kept],
        meaning.iscrowd[kept],
        owners,
        coloured=False,
        defects=list(meaning.defects),
    )


def _no_labels(broken: Flags) -> Defect:
    """SEG017 for pixels that are no whole numbers of 32 bits."""
    x, y = divmod(int(broken.T.argmax()), broken.shape[0])
    area = int(broken.sum())
    message = f"{area:,} px are no labels: not whole numbers, or beyond 32 bits; they are left out"
    return Defect("SEG017", message, place=f"x={x}, y={y}", pixels=area)
