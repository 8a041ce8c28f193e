"""Mask palettes: the values and colours of categories in masks that segdata writes."""

from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.errors import SegdataError
from segdata.core.runs import Ints
from segdata.core.taxonomy import Color, Taxonomy
from segdata.formats.shared.mask_files import pack_color, unpack_color


def rgb_picture(values: NDArray[np.uint32]) -> Image.Image:
    """The RGB image of packed colours `values` (height, width); red is the low byte."""
    channels = values.astype("<u4", copy=False).view(np.uint8).reshape(*values.shape, 4)[:, :, :3]
    return Image.fromarray(np.ascontiguousarray(channels))


class MaskPalette(msgspec.Struct, frozen=True):
    """The pixel values of categories in masks to be written."""

    value: dict[int, int]  # category id -> palette index, or packed colour
    blank: int | None  # the value of unlabelled pixels; None if all values are taken
    palette: bytes | None  # 768 bytes; None for RGB
    unlabelled: int | Color | None  # for `unlabelled` in taxonomy.yaml if some pixels are blank

    def values(self, categories: Ints) -> Ints:
        """(n,) the value of each category id; -1 for one that the taxonomy lacks."""
        return np.array([self.value.get(category, -1) for category in categories.tolist()], np.int64)

    def picture(self, pixels: NDArray[np.uint32]) -> Image.Image:
        """The mask image with the values `pixels` (height, width)."""
        if self.palette is not None:
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.putpalette(self.palette)
            return picture
        return rgb_picture(pixels)


def mask_palette(taxonomy: Taxonomy) -> MaskPalette:
    """The palette of a taxonomy: indices if every id is 0 to 255, else colours; else raises SegdataError."""
    ids = list(taxonomy.by_id())
    over = [id_ for id_ in ids if not 0 <= id_ <= 255]
    if not over:
        blank = _free_id(taxonomy, ids)
        unlabelled = taxonomy.unlabelled_color or blank
        return MaskPalette({id_: id_ for id_ in ids}, blank, _palette_bytes(taxonomy, blank), unlabelled)
    by_color = {category.rgb: category for category in taxonomy.categories}
    if None in by_color or len(by_color) < len(ids):
        raise SegdataError(
            f"category id {over[0]} does not fit an 8-bit mask (0 to 255), and not every category has a color of its "
            "own for RGB masks; give each a color in taxonomy.yaml, or write instance-ids"
        )
    blank_color = taxonomy.unlabelled_color or _free_color(taxonomy)
    value = {category.id: pack_color(color) for color, category in by_color.items() if color is not None}
    return MaskPalette(value, pack_color(blank_color), None, blank_color)


def _free_id(taxonomy: Taxonomy, ids: list[int]) -> int | None:
    """The id for unlabelled pixels: the taxonomy's, else 0, else the highest free one; None if all are taken."""
    if taxonomy.unlabelled_id is not None and 0 <= taxonomy.unlabelled_id <= 255:
        return taxonomy.unlabelled_id
    return next((id_ for id_ in (0, *range(255, 0, -1)) if id_ not in ids), None)


def _free_color(taxonomy: Taxonomy) -> Color:
    taken = taxonomy.by_color()
    return next(color for color in map(unpack_color, range(2**24)) if color not in taken)


def _palette_bytes(taxonomy: Taxonomy, blank: int | None) -> bytes:
    """The colours of the ids; an id without one gets an unused colour of VOC's scheme."""
    by_id, taken = taxonomy.by_id(), set(taxonomy.by_color())
    nobody = taxonomy.unlabelled_color
    taken |= {nobody} if nobody else set()
    voc = [voc_color(index) for index in range(1, 256)]
    other_colors = (color for color in map(unpack_color, range(2**24)) if color not in voc)
    spare = (color for color in chain(voc, other_colors) if color not in taken)
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
