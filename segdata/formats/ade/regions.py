"""Regions: what one mask of ADE20K shows, class in red and green, instance in blue."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import count_noun
from segdata.core.finding import Defect
from segdata.core.runs import Ints, Runs
from segdata.formats.shared.mask_files import ValueRuns, decode_mask, undecodable_mask
from segdata.formats.shared.mask_values import unpack_color
from segdata.formats.shared.per_image import BrokenLabelsError, relative_path


@dataclass(frozen=True, slots=True)
class Regions:
    """The n regions of one level, in the order of their blue values.

    Attributes
    ----------
    level : 0 for objects, 1 for their parts …
    category : (n,) class indices, R // 10 * 256 + G
    key : (n,) blue; 0: the class is known and the instance is not
    runs : owners are the regions
    size : height and width in pixels
    encoding : how the file stores them
    file : its name in defects
    defects : what is wrong with it
    """

    level: int
    category: Ints
    key: Ints
    runs: Runs
    size: tuple[int, int]
    encoding: str
    file: str
    defects: tuple[Defect, ...] = ()

    def __len__(self) -> int:
        return len(self.key)

    def numbers(self, n_known: int) -> Ints | None:
        """(n,) which instance of its level each region is, of `n_known` from 1; None where blue does not tell.

        Blue is spread: that of instance k is 255 k / n_known, rounded up at a half, so that hidden instances are told
        apart from those that come after them. Where other programs made it, its ranks count.
        """
        keys, rank = np.unique(self.key, return_inverse=True)
        number = np.rint(keys * n_known / 255).astype(np.int64)
        if not (np.floor(255 * number / max(n_known, 1) + 0.5) == keys).all():
            if int((keys > 0).sum()) != n_known:
                return None
            number = np.arange(len(keys)) + (keys[:1] > 0).sum()
        result: Ints = number[rank]
        return result


def regions(root: Path, path: Path, level: int, expected: Container[int], known: Container[int]) -> Regions:
    """The regions of a mask.

    Parameters
    ----------
    expected : the classes that the image's text file has on this level: they are read from a red value that is no
        multiple of 10, too
    known : all classes of the dataset

    Raises BrokenLabelsError, with the defect, where the mask cannot be used at all.
    """
    file = relative_path(root, path)
    try:
        mask = decode_mask(path)
    except OSError as error:
        raise BrokenLabelsError(undecodable_mask(root, path, error)) from error
    if mask.lossy:
        message = f"{mask.lossy} changes values, so classes and instances are lost; save masks as PNG"
        raise BrokenLabelsError(Defect("SEG010", message, file))
    if not mask.coloured:
        message = f"is {mask.encoding}, ADE20K's masks are RGB: class in red and green, instance in blue"
        raise BrokenLabelsError(Defect("SEG004", message, file))
    runs = ValueRuns.of(mask.pixels)
    red, green, blue = (runs.value >> shift & 255 for shift in (0, 8, 16))
    category = red // 10 * 256 + green
    odd = red % 10 != 0
    if odd.any() and _is_swapped(red, green, blue, known):
        message = "red and blue are swapped: the file was saved by a program that takes RGB for BGR"
        raise BrokenLabelsError(Defect("SEG010", message, file))
    shown = (category > 0) & ~(odd & ~np.array([each in expected for each in category.tolist()], bool))
    keys, owner = np.unique(blue[shown] << 16 | category[shown], return_inverse=True)
    owners = np.full(len(runs.value), -1, np.int32)
    owners[shown] = owner
    return Regions(
        level,
        keys & 0xFFFF,
        keys >> 16,
        runs.owned(owners, len(keys)),
        (runs.height, runs.width),
        mask.encoding,
        file,
        tuple(_defects(runs, odd, (category == 0) & ~odd & (blue > 0), file)),
    )


def _is_swapped(red: Ints, green: Ints, blue: Ints, known: Container[int]) -> bool:
    """Whether all values make sense once red and blue change places."""
    if (blue % 10 != 0).any():
        return False
    classes = np.unique(blue // 10 * 256 + green).tolist()
    return len(classes) > 1 and all(each == 0 or each in known for each in classes)


def _defects(runs: ValueRuns, odd: NDArray[np.bool_], classless: NDArray[np.bool_], file: str) -> Iterator[Defect]:
    """SEG010 for reds that are no multiples of 10, SEG009 for instances of no class: one each, with the first pixel."""
    for rows, code, said in (
        (np.flatnonzero(odd), "SEG010", "whose red is no multiple of 10: the mask was smoothed, resized or recoloured"),
        (np.flatnonzero(classless), "SEG009", "of an instance without class"),
    ):
        if len(rows):
            area = int(runs.area[rows].sum())
            x, y = runs.first_pixel(int(rows[0]))
            first = unpack_color(int(runs.value[rows[0]]))
            message = f"{count_noun(len(rows), 'colour')} {said}: {area:,} px, the first, {first}, at x={x}, y={y}"
            yield Defect(code, message, file, f"x={x}, y={y}", pixels=area)
