"""Drawn: where one object of a text file lies, by its own mask, else by its polygon."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.runs import Runs
from segdata.formats.ade.amodal import rle
from segdata.formats.ade.note import Note
from segdata.formats.shapes.raster import rasterise
from segdata.formats.shapes.shape import Polygon
from segdata.formats.shapes.soundness import check_ring
from segdata.formats.shared.mask_files import ValueRuns, decode_mask, undecodable_mask
from segdata.formats.shared.per_image import relative_path

VISIBLE, HIDDEN = 255, 128


@dataclass(frozen=True, slots=True)
class Drawn:
    """Where an object lies.

    Attributes
    ----------
    runs : of the one owner 0; with a mask what can be seen of it, else the inside of its polygon
    amodal : visible and hidden pixels as COCO's RLE, JSON; None where nothing is hidden, or nobody says so
    """

    runs: Runs
    amodal: str | None = None


class _Polygon(msgspec.Struct):
    x: list[float]
    y: list[float]


def draw(root: Path, note: Note, size: tuple[int, int], with_mask: bool, defects: list[Defect]) -> Drawn:
    """Where the object of a note lies in an image of this size; `with_mask`: its own mask is looked into."""
    if with_mask and note.mask is not None and note.mask.is_file():
        runs = _runs(root, note.mask, size, defects)
        if runs is not None:
            hidden = runs.value == HIDDEN
            visible = runs.owned(np.where(runs.value == VISIBLE, 0, -1).astype(np.int32), 1)
            if len(visible) or hidden.any():
                whole = np.where(hidden | (runs.value == VISIBLE), 0, -1).astype(np.int32)
                return Drawn(visible, rle(runs.owned(whole, 1), size) if hidden.any() else None)
    return Drawn(_inside(note, size))


def _runs(root: Path, path: Path, size: tuple[int, int], defects: list[Defect]) -> ValueRuns | None:
    """The values in the mask of an object; None, with a defect, where it cannot be used."""
    file = relative_path(root, path)
    try:
        mask = decode_mask(path)
    except OSError as error:
        defects.append(undecodable_mask(root, path, error))
        return None
    runs = ValueRuns.of(mask.pixels)
    if (runs.height, runs.width) != size:
        message = f"the mask of an object is {runs.width}x{runs.height}, that of all is {size[1]}x{size[0]}"
        defects.append(Defect("SEG003", message, file, lost=True))
        return None
    strange = np.flatnonzero(~np.isin(runs.value, (0, HIDDEN, VISIBLE)))
    if len(strange):
        x, y = runs.first_pixel(int(strange[0]))
        area = int(runs.area[strange].sum())
        message = (
            f"{count_noun(len(strange), 'value')} beside {VISIBLE}, visible, and {HIDDEN}, hidden: {area:,} px, "
            f"the first, {runs.value[strange[0]]}, at x={x}, y={y}"
        )
        defects.append(Defect("SEG009", message, file, f"x={x}, y={y}", pixels=area))
    return runs


def _inside(note: Note, size: tuple[int, int]) -> Runs:
    """The pixels inside the polygon of a note; none where it has no sound one."""
    try:
        said = msgspec.json.decode(note.attributes.get("polygon", "null"), type=_Polygon)
    except msgspec.ValidationError:
        return Runs.empty()
    if len(said.x) != len(said.y):
        return Runs.empty()
    points = np.column_stack([said.x, said.y])
    if check_ring(points) is not None:
        return Runs.empty()
    return rasterise([[Polygon(points)]], "centre-evenodd", *size)


def missing_masks(root: Path, notes: Sequence[Note], file: str) -> Iterator[Defect]:
    """SEG002 for the masks of objects that do not exist: for an image without any an info."""
    named = [note for note in notes if note.mask is not None]
    missing = [note for note in named if note.mask is not None and not note.mask.is_file()]
    if missing and missing[0].mask is not None:
        first = relative_path(root, missing[0].mask)
        message = f"{len(missing)} of {count_noun(len(named), 'mask')} of objects do not exist ({first} …)"
        severity: Severity | None = "info" if len(missing) == len(named) else None
        yield Defect("SEG002", message, file, f"{missing[0].place}/instance_mask", severity=severity)
