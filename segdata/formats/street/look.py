"""Look: the segments in a mask of label ids, or of label ids and numbers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.finding import Defect
from segdata.core.runs import Ints
from segdata.formats.shared.mask_files import MaskFile, ValueRuns, decode_entry_mask
from segdata.formats.shared.mask_values import UNKNOWN
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry, relative_path
from segdata.formats.street.codebook import Codebook
from segdata.formats.street.numbering import NO_NUMBER, Numbering


@dataclass(frozen=True, slots=True)
class Look:
    """How masks of one kind are looked into.

    Attributes
    ----------
    root : of the dataset
    book : what label ids mean
    numbering : of values that hold numbers too; None: values are label ids
    groups : an unnumbered region of a thing is a crowd
    joins_stuff : numbers of what is no thing mean nothing
    """

    root: Path
    book: Codebook
    numbering: Numbering | None
    groups: bool
    joins_stuff: bool = False

    def at(self, entry: ImageEntry) -> ImageAnnotation:
        """What the mask of an entry shows; raises BrokenLabelsError where it cannot be read at all."""
        mask = self.decoded(entry)
        return self.found(ValueRuns.of(mask.pixels), relative_path(self.root, entry.files[0]), mask)

    def decoded(self, entry: ImageEntry) -> MaskFile:
        """The mask of an entry; raises BrokenLabelsError where it holds no such values."""
        mask = decode_entry_mask(self.root, entry)
        file = relative_path(self.root, entry.files[0])
        if mask.coloured:
            raise BrokenLabelsError(Defect("SEG009", f"{mask.encoding}: colours, where ids are expected", file))
        if self.numbering is not None and not self.numbering.plain and mask.values.dtype == np.uint8:
            message = f"8 bits hold no label id * {self.numbering.divisor} + number: the labels are lost; save 16 bits"
            raise BrokenLabelsError(Defect("SEG010", message, file, pixels=mask.values.size))
        return mask

    def split(self, values: Ints) -> tuple[Ints, Ints]:
        """(n,) the label ids and numbers of values."""
        if self.numbering is None:
            return values, np.full(len(values), NO_NUMBER, np.int64)
        return self.numbering.split(values)

    def found(self, runs: ValueRuns, file: str, mask: MaskFile | None = None) -> ImageAnnotation:
        """What values stand for: a segment for each numbered one, and one for each category of the others.

        Segments have their lowest value as id, those of masks without numbers their category's id.
        """
        labels, numbers = self.split(runs.value)
        category = self.book.legend.read(labels)
        thing = self.book.is_thing(category)
        numbers = np.where(thing | ((numbers > 0) & (not self.joins_stuff)), numbers, NO_NUMBER)
        known = np.flatnonzero(category > UNKNOWN)
        first, segment = _grouped(category[known], labels[known], numbers[known])
        rows = known[first]
        owner = np.full(len(runs.value), -1, np.int32)
        owner[known] = segment
        return ImageAnnotation(
            size=(runs.height, runs.width),
            segment_id=category[rows] if self.numbering is None else runs.value[rows],
            category_id=category[rows],
            runs=runs.owned(owner, len(rows)),
            columns={
                "file": [file] * len(rows),
                "place": [f"value {value}" for value in runs.value[rows].tolist()],
                "iscrowd": (thing[rows] & (numbers[rows] == NO_NUMBER) & self.groups).tolist(),
            },
            encoding=None if mask is None else mask.encoding,
            defects=self._defects(runs, labels, category == UNKNOWN, mask, file),
        )

    def _defects(
        self, runs: ValueRuns, labels: Ints, unknown: NDArray[np.bool_], mask: MaskFile | None, file: str
    ) -> list[Defect]:
        """SEG009 for each label id that is none, or SEG010 where the way of storing changed values."""
        pixels = int(runs.area[unknown].sum())
        if mask is not None and mask.lossy:
            return [Defect("SEG010", f"{mask.lossy} changes values; save ids as PNG", file, pixels=pixels)]
        if pixels and mask is not None and self.numbering is not None and mask.values.dtype == np.uint8:
            message = (
                f"8 bits hold no value of {self.numbering.divisor} or more: numbers have wrapped, {pixels:,} px mean "
                "nothing, and others may mean something else than they say; save 16 bits"
            )
            raise BrokenLabelsError(Defect("SEG010", message, file, pixels=pixels))
        every: list[int] = np.unique(labels[unknown]).tolist()
        return [self._unknown(runs, np.flatnonzero(unknown & (labels == each)), each) for each in every]

    def _unknown(self, runs: ValueRuns, rows: Ints, label: int) -> Defect:
        """SEG009 for one label id, with its values and the first pixel."""
        first = int(runs.start[np.isin(runs.row, rows).argmax()])
        x, y = divmod(first, runs.height)
        area = int(runs.area[rows].sum())
        values = ", ".join(map(str, runs.value[rows[:5]].tolist())) + (", …" if len(rows) > 5 else "")
        what = f"label {label} (value {values})" if self.numbering is not None else f"value {label}"
        message = f"{what} is none of the labels: {area:,} px, the first at x={x}, y={y}"
        return Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area)


def _grouped(category: Ints, labels: Ints, numbers: Ints) -> tuple[Ints, Ints]:
    """The first row of each segment (m,), ascending, and the segment (n,) of each row.

    Numbered rows are apart by label and number, the others by category alone.
    """
    if len(category) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    keys = np.stack([category, np.where(numbers == NO_NUMBER, -1, labels), numbers], axis=1)
    _, first, same = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order].astype(np.int64), rank[same.reshape(-1)]
