"""Linking: which object of a text file each region of a mask is. Neither file says it: places do.

The blue values of regions count neither the ids nor the order of the objects in a JSON file (in three sample images
their ranks have nothing to do with either), so a region is the object that covers it. Source: CSAILVision/ADE20K.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Ints
from segdata.formats.ade.drawn import Drawn
from segdata.formats.ade.note import Note
from segdata.formats.ade.regions import Regions

Floats = NDArray[np.float64]


def linked(regions: Regions, notes: Sequence[Note], drawn: Sequence[Drawn]) -> Ints:
    """(n_regions,) the row of the note that each region is, -1 for none; notes of other levels are none.

    First those that share most with the region, of its class and with more than half of it; then the only note of a
    class that is left for the only region of it.
    """
    found = np.full(len(regions), -1, np.int64)
    taken = np.array([note.level != regions.level for note in notes], bool)
    classes = np.array([note.category for note in notes], np.int64)
    same = (regions.category[:, None] == classes) & ~taken & (regions.key > 0)[:, None]
    iou, covered = _overlap(regions, drawn)
    region, note = np.nonzero(same & (covered > 0.5))
    for at in np.argsort(-iou[region, note], kind="stable").tolist():
        if found[region[at]] < 0 and not taken[note[at]]:
            found[region[at]] = note[at]
            taken[note[at]] = True
    free = same & ~taken & (found < 0)[:, None]
    alone = free & (free.sum(axis=1, keepdims=True) == 1) & (free.sum(axis=0, keepdims=True) == 1)
    region, note = np.nonzero(alone)
    found[region] = note
    return found


def _overlap(regions: Regions, drawn: Sequence[Drawn]) -> tuple[Floats, Floats]:
    """(n_regions, n_notes) shared pixels over those of either, and over the region's."""
    order = np.argsort(regions.runs.start, kind="stable")
    start, owner = regions.runs.start[order], regions.runs.owner[order]
    end = start + regions.runs.length[order]
    shared = np.zeros((len(regions), len(drawn)))
    for column, each in enumerate(drawn):
        mine, _, _, length = kernels.strips(
            start, end, owner, each.runs.start, each.runs.start + each.runs.length, each.runs.owner
        )
        shared[:, column] = np.bincount(mine, weights=length, minlength=len(regions))
    area = regions.runs.areas(len(regions))[:, None]
    theirs = np.array([int(each.runs.length.sum()) for each in drawn], np.int64)
    return shared / np.maximum(area + theirs - shared, 1), shared / np.maximum(area, 1)


def numbered(regions: Regions, notes: Sequence[Note]) -> Ints | None:
    """(n_regions,) the row of the note that each region is, by its number; None where numbers cannot be told."""
    rows = {note.number: row for row, note in enumerate(notes) if note.level == regions.level}
    numbers = regions.numbers(len(rows))
    if numbers is None:
        return None
    return np.array([rows.get(number, -1) for number in numbers.tolist()], np.int64)


def wholes(parts: Regions, objects: Regions) -> Ints:
    """(n_parts,) the row of the object that shares most pixels with each part; -1 where none does."""
    sides = [_in_order(each) for each in (parts, objects)]
    a, b, _, length = kernels.strips(*sides[0], *sides[1])
    shared = np.zeros((len(parts), len(objects) + 1))
    np.add.at(shared, (a, b + 1), length)  # column 0: none
    found: Ints = shared.argmax(axis=1).astype(np.int64)
    return found - 1


def _in_order(regions: Regions) -> tuple[Ints, Ints, NDArray[np.int32]]:
    """Start, end and owner of the runs, sorted by start."""
    order = np.argsort(regions.runs.start, kind="stable")
    start = regions.runs.start[order]
    return start, start + regions.runs.length[order], regions.runs.owner[order]
