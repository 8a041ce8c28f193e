"""Ink: with which palette index and colour each class is painted in VOC's masks."""

from dataclasses import dataclass
from itertools import chain, count

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.errors import SegdataError
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Color, Taxonomy
from segdata.formats.shared.mask_values import voc_color
from segdata.formats.voc.classes import BACKGROUND, MOST, VOID

OBJECT_PALETTE = np.array([voc_color(index) for index in range(256)], np.uint8).tobytes()


@dataclass(frozen=True, slots=True)
class Ink:
    """How the classes of a taxonomy are painted.

    Attributes
    ----------
    index : category id -> palette index
    colors : each category with a colour that no other has
    palette : 768 bytes
    """

    index: dict[int, int]
    colors: list[tuple[Category, Color]]
    palette: bytes

    def values(self, categories: Ints) -> Ints:
        """(n,) the index of each category id; -1 for one that the taxonomy lacks."""
        return np.array([self.index.get(each, -1) for each in categories.tolist()], np.int64)


def ink_for(taxonomy: Taxonomy) -> Ink:
    """The ink of a taxonomy: ids are indices, the void category is 255.

    Raises SegdataError for ids that are none from 1 to 254.
    """
    voids, by_id = taxonomy.void_ids, taxonomy.by_id()
    void = VOID if VOID in voids else next(iter(voids), None)
    for category in by_id.values():
        if category.id != void and not 1 <= category.id <= MOST:
            raise SegdataError(
                f"category {category.name!r} has id {category.id}, VOC's masks hold classes 1 to {MOST}; renumber it"
            )
    index = {id_: VOID if id_ == void else id_ for id_ in by_id}
    colors = _colors(by_id, index)
    table = np.frombuffer(OBJECT_PALETTE, np.uint8).reshape(256, 3).copy()
    for category, color in colors:
        table[index[category.id]] = color
    return Ink(index, colors, table.tobytes())


def _colors(by_id: dict[int, Category], index: dict[int, int]) -> list[tuple[Category, Color]]:
    """The categories' own colours as far as they tell them apart, else those of VOC's palette."""
    chosen: dict[int, Color] = {}
    taken = {voc_color(BACKGROUND)}
    for id_, category in by_id.items():
        if category.rgb is not None and category.rgb not in taken:
            chosen[id_] = category.rgb
            taken.add(category.rgb)
    for id_ in sorted(by_id.keys() - chosen.keys()):
        palette = (voc_color(each) for each in chain([index[id_]], count(1)))
        chosen[id_] = next(color for color in palette if color not in taken)
        taken.add(chosen[id_])
    return [(by_id[id_], chosen[id_]) for id_ in sorted(by_id)]


def picture(pixels: NDArray[np.uint8], palette: bytes) -> Image.Image:
    """A palette image whose values are `pixels` (height, width)."""
    image = Image.fromarray(pixels)
    image.putpalette(palette)
    return image
