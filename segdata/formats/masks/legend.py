"""Legend: what the values of a colour mask or an index mask mean under a taxonomy."""

from dataclasses import dataclass

import numpy as np

from segdata.core.defect import Defect
from segdata.core.runs import Ints
from segdata.core.taxonomy import Color, Taxonomy
from segdata.formats.masks.maskfile import MaskFile, Palette
from segdata.formats.masks.valueruns import ValueRuns

NOBODY, UNKNOWN = -(2**63), -(2**63) + 1  # in place of a category id, which never is that low
_MANY = 32  # more unknown colours than this in one image come from smoothing, not from a forgotten category


@dataclass(frozen=True, slots=True)
class Legend:
    """Values and their categories.

    Attributes
    ----------
    value : (k,) int64 ascending, ids or packed colours
    category : (k,) int64, the category id of each, NOBODY for what is unlabelled
    """

    value: Ints
    category: Ints

    @staticmethod
    def of(meaning: dict[int, int]) -> "Legend":
        """The legend in a dict: value -> category id."""
        value = np.array(sorted(meaning), np.int64)
        return Legend(value, np.array([meaning[each] for each in value.tolist()], np.int64))

    def read(self, values: Ints) -> Ints:
        """The category id (n,) of each value; NOBODY for unlabelled ones, UNKNOWN for those not in the legend."""
        if len(self.value) == 0:
            return np.full(len(values), UNKNOWN, np.int64)
        at = np.minimum(np.searchsorted(self.value, values), len(self.value) - 1)
        return np.where(self.value[at] == values, self.category[at], UNKNOWN)


def packed(color: Color) -> int:
    """A colour as one number, R + 256 G + 65536 B."""
    return color[0] + 256 * color[1] + 65536 * color[2]


def unpacked(value: int) -> Color:
    """The colour of a packed number.

    >>> unpacked(packed((128, 64, 32)))
    (128, 64, 32)
    """
    return value & 255, value >> 8 & 255, value >> 16 & 255


def colour_legend(taxonomy: Taxonomy) -> Legend:
    """The legend of RGB masks; the colour of the category that `unlabelled` names by its id is unlabelled too."""
    meaning = {packed(color): category.id for color, category in taxonomy.by_color().items()}
    nobody = taxonomy.unlabelled_color
    if nobody is None and taxonomy.unlabelled_id is not None:
        named = taxonomy.by_id().get(taxonomy.unlabelled_id)
        nobody = named.rgb if named else None
    return Legend.of(meaning if nobody is None else meaning | {packed(nobody): NOBODY})


def index_legend(taxonomy: Taxonomy, palette: Palette | None) -> Legend:
    """The legend of index masks, whose values are category ids.

    Where `unlabelled` is a colour, the values that show it are unlabelled: by the palette, or as grey v = (v, v, v);
    a category's id goes before.
    """
    meaning = {category: category for category in taxonomy.by_id()}
    if taxonomy.unlabelled_id is not None:
        return Legend.of(meaning | {taxonomy.unlabelled_id: NOBODY})
    nobody = taxonomy.unlabelled_color
    if nobody is None:
        return Legend.of(meaning)
    shown = np.repeat(np.arange(256)[:, None], 3, axis=1) if palette is None else palette
    return Legend.of({int(value): NOBODY for value in np.flatnonzero((shown == nobody).all(axis=1))} | meaning)


def unknown_values(mask: MaskFile, runs: ValueRuns, category: Ints, taxonomy: Taxonomy) -> list[Defect]:
    """SEG009 for each value without a meaning, or one SEG010 where they come from lossy or smoothed pixels."""
    rows = np.flatnonzero(category == UNKNOWN)
    pixels = int(runs.area[rows].sum())
    if mask.lossy:
        message = f"{mask.lossy} changes values: {len(rows)} of {len(runs.value)} are not in the taxonomy"
        return [Defect("SEG010", f"{message} ({pixels:,} px); save masks as PNG", pixels=pixels)]
    if mask.coloured and len(rows) > _MANY:
        x, y = runs.first_pixel(int(rows[0]))
        near = int(runs.area[rows][_distance(runs.value[rows], taxonomy).min(axis=1) <= 16].sum())
        message = (
            f"{len(rows):,} colours are not in the taxonomy ({pixels:,} px, {near:,} of them within 16 of a known "
            "colour): the mask was smoothed, resized or compressed"
        )
        return [Defect("SEG010", message, place=f"x={x}, y={y}", pixels=pixels)]
    return [_unknown(mask, runs, int(row), taxonomy) for row in rows]


def _unknown(mask: MaskFile, runs: ValueRuns, row: int, taxonomy: Taxonomy) -> Defect:
    """SEG009 for one value: how many pixels, where the first is, and which known colour is nearest."""
    value, area = int(runs.value[row]), int(runs.area[row])
    x, y = runs.first_pixel(row)
    what = f"colour {unpacked(value)}" if mask.coloured else f"value {value}"
    message = f"{what} is not in the taxonomy: {area:,} px, the first at x={x}, y={y}"
    if mask.coloured:
        message += _nearest(value, taxonomy)
    return Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area)


def _nearest(value: int, taxonomy: Taxonomy) -> str:
    """A hint at the known colour that is nearest, or at swapped channels."""
    known = taxonomy.by_color()
    red, green, blue = unpacked(value)
    swapped = known.get((blue, green, red))
    if swapped is not None:
        return f"; with red and blue swapped it is {swapped.name!r}"
    if not known:
        return ""
    color, category = list(known.items())[int(_distance(np.array([value]), taxonomy)[0].argmin())]
    return f"; the nearest is {category.name!r} {color}"


def _distance(values: Ints, taxonomy: Taxonomy) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(n, k) the Euclidean distance of packed colours to the k colours of the taxonomy, in `by_color` order."""
    known = np.array(list(taxonomy.by_color()) or [(10**6,) * 3], np.float64)
    colors = np.stack([values & 255, values >> 8 & 255, values >> 16 & 255], axis=1).astype(np.float64)
    result: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.linalg.norm(colors[:, None] - known[None], axis=2)
    return result
