"""Colour writer: palette PNGs whose index is the category id, where ids and the unlabelled value fit, else RGB PNGs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.loss import Losses
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Color, Taxonomy
from segdata.formats.masks.beside import write_beside
from segdata.formats.masks.legend import packed, unpacked
from segdata.formats.masks.maskindex import write_index
from segdata.formats.masks.merging import count_by_category, count_covered
from segdata.formats.masks.painting import MaskNames, painted
from segdata.formats.sheets import Sheet, sheets
from segdata.formats.unheld import count_spatial

_NO_VALUE = 2**32 - 1  # neither an index nor a packed colour


@dataclass(frozen=True, slots=True)
class Ink:
    """How categories are painted.

    Attributes
    ----------
    value : category id -> palette index, or packed colour
    blank : the value of unlabelled pixels; None where all are taken
    palette : 768 bytes; None for RGB
    unlabelled : what taxonomy.yaml says where pixels were left blank
    """

    value: dict[int, int]
    blank: int | None
    palette: bytes | None
    unlabelled: int | Color | None

    def values(self, categories: Ints) -> Ints:
        """(n,) the value of each category id; -1 for one that the taxonomy lacks."""
        return np.array([self.value.get(each, -1) for each in categories.tolist()], np.int64)

    def picture(self, pixels: NDArray[np.uint32]) -> Image.Image:
        """The mask whose values are `pixels` (height, width)."""
        if self.palette is not None:
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.putpalette(self.palette)
            return picture
        channels = pixels.view(np.uint8).reshape(*pixels.shape, 4)[:, :, :3]
        return Image.fromarray(np.ascontiguousarray(channels))


def ink_for(taxonomy: Taxonomy) -> Ink:
    """Palette indices where every id fits 0 to 255, else colours; raises SegdataError where neither is possible."""
    ids = list(taxonomy.by_id())
    over = [each for each in ids if not 0 <= each <= 255]
    if not over:
        blank = _free_id(taxonomy, ids)
        unlabelled = taxonomy.unlabelled_color or blank
        return Ink({each: each for each in ids}, blank, _palette(taxonomy, blank), unlabelled)
    by_color = {category.rgb: category for category in taxonomy.categories}
    if None in by_color or len(by_color) < len(ids):
        raise SegdataError(
            f"category id {over[0]} does not fit an 8-bit mask (0 to 255), and not every category has a color of its "
            "own for RGB masks; give each a color in taxonomy.yaml, or write instance-ids"
        )
    blank_color = taxonomy.unlabelled_color or _free_color(taxonomy)
    value = {category.id: packed(color) for color, category in by_color.items() if color is not None}
    return Ink(value, packed(blank_color), None, blank_color)


def write_colour_masks(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write `masks/`, `images.csv` and `taxonomy.yaml` below `target`; pixels stay what they are, instances do not."""
    ink = ink_for(profile.taxonomy)
    count_spatial(profile, losses)
    target.mkdir(parents=True)
    blank_used: list[bool] = []
    write_index(target, _rows(batches, target, ink, losses, blank_used))
    taxonomy = profile.taxonomy
    if any(blank_used):
        taxonomy = msgspec.structs.replace(taxonomy, unlabelled=ink.unlabelled)
    write_beside(target, profile, taxonomy)


def _rows(
    batches: Iterable[Batch], target: Path, ink: Ink, losses: Losses, blank_used: list[bool]
) -> Iterator[tuple[str, str | None, int, int, str | None]]:
    """Write the masks, and tell the rows of the index."""
    names = MaskNames()
    for batch in batches:
        values = ink.values(batch.segments["category_id"].to_numpy())
        count_by_category(batch, values, losses, ink.blank)
        for sheet in sheets(batch):
            mask = None
            if sheet.annotated:
                mask = names.name(sheet.image_id)
                pixels = _paint(sheet, values[sheet.segments], ink)
                blank_used.append(ink.blank is not None and bool((pixels == ink.blank).any()))
                count_covered(batch, sheet, values[sheet.segments], pixels, losses)
                (target / mask).parent.mkdir(parents=True, exist_ok=True)
                ink.picture(pixels).save(target / mask)
            yield sheet.image_id, mask, sheet.width, sheet.height, sheet.uri


def _paint(sheet: Sheet, values: Ints, ink: Ink) -> NDArray[np.uint32]:
    """The values of one mask. Segments of unknown categories are left out."""
    pixels = painted(sheet, values, _NO_VALUE if ink.blank is None else ink.blank, np.uint32)
    if ink.blank is None and bool((pixels == _NO_VALUE).any()):
        raise SegdataError(
            f"image {sheet.image_id!r}: all ids from 0 to 255 are categories, none is left for unlabelled"
        )
    return pixels


def _free_id(taxonomy: Taxonomy, ids: list[int]) -> int | None:
    """The id for unlabelled pixels: the taxonomy's, else 0, else the highest that is no category; None: all taken."""
    if taxonomy.unlabelled_id is not None and 0 <= taxonomy.unlabelled_id <= 255:
        return taxonomy.unlabelled_id
    return next((each for each in (0, *range(255, 0, -1)) if each not in ids), None)


def _free_color(taxonomy: Taxonomy) -> Color:
    known = taxonomy.by_color()
    return next(color for color in map(unpacked, range(2**24)) if color not in known)


def _palette(taxonomy: Taxonomy, blank: int | None) -> bytes:
    """The colours of the ids; those without one get a colour of VOC's scheme that nobody else has."""
    by_id, taken = taxonomy.by_id(), set(taxonomy.by_color())
    nobody = taxonomy.unlabelled_color
    taken |= {nobody} if nobody else set()
    voc = [voc_color(index) for index in range(1, 256)]
    others = (color for color in map(unpacked, range(2**24)) if color not in voc)
    spare = (color for color in chain(voc, others) if color not in taken)
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
