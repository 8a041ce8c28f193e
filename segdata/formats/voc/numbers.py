"""Numbers: which object each value in a mask of objects stands for."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import Defect
from segdata.core.runs import Ints
from segdata.formats.shared.mask_files import MaskFile, ValueRuns
from segdata.formats.shared.mask_values import pack_color, unpack_color, voc_color
from segdata.formats.voc.classes import VOID
from segdata.formats.voc.joining import BORDER

_INDEX = {pack_color(voc_color(index)): index for index in range(256)}
_MANY = 32  # more strange colours than this in one image come from smoothing
_STRANGE = -2


def object_numbers(mask: MaskFile, runs: ValueRuns) -> tuple[Ints, list[Defect]]:
    """(k,) the object of each value, 0 for none and BORDER for void; and what colours are in the way.

    Palette and grey masks hold the numbers themselves, RGB masks the colours that VOC's palette has for them. 255 is
    void, but not in masks of more than 8 bits.
    """
    if not mask.coloured:
        border = (runs.value == VOID) & (mask.values.dtype == np.uint8)
        return np.where(border, BORDER, np.maximum(runs.value, 0)), []
    number = np.array([_INDEX.get(each, _STRANGE) for each in runs.value.tolist()], np.int64)
    strange = np.flatnonzero(number == _STRANGE)
    number[number == VOID] = BORDER
    number[strange] = 0
    return number, _strange_colors(runs, strange)


def _strange_colors(runs: ValueRuns, rows: Ints) -> list[Defect]:
    """SEG009 for each colour that VOC's palette lacks, or one SEG010 where they come from smoothing."""
    if len(rows) > _MANY:
        pixels = int(runs.area[rows].sum())
        x, y = runs.first_pixel(int(rows[0]))
        message = f"{count_noun(len(rows), 'colour')} of objects are not in VOC's palette ({pixels:,} px)"
        hint = "the mask was smoothed, resized or compressed, or painted in colours of its own"
        return [Defect("SEG010", f"{message}: {hint}", place=f"x={x}, y={y}", pixels=pixels)]
    return [_strange_color(runs, row) for row in rows.tolist()]


def _strange_color(runs: ValueRuns, row: int) -> Defect:
    x, y = runs.first_pixel(row)
    area = int(runs.area[row])
    message = f"colour {unpack_color(int(runs.value[row]))} of an object is not in VOC's palette: {area:,} px"
    return Defect("SEG009", f"{message}, the first at x={x}, y={y}", place=f"x={x}, y={y}", pixels=area)
