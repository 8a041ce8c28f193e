"""Provisional taxonomies: infer the meaning of values in masks that come without a taxonomy.

All masks are decoded once. A value that masks have in common is a category, or foreground if the masks are binary, or
an instance if they are ids; a value of a few pixels that one mask in many has is doubted, not believed.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.config import InstanceIds
from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.runs import Flags, Ints, segment_shapes
from segdata.core.taxonomy import DRAFTED, Category, CategoryKind, Taxonomy
from segdata.formats.masks.mask_values import (
    MAX_CATEGORIES,
    WHITE_16,
    MaskValues,
    ValueCounts,
    are_whites,
    binary_level,
    count_values,
    find_levels,
    find_shades,
    left_values,
    nearest_levels,
    shown_counts,
)
from segdata.formats.shared.file_names import is_jpeg, spread_sample
from segdata.formats.shared.mask_files import (
    UNLABELLED,
    Legend,
    Palette,
    ValueRuns,
    decode_mask,
    pack_color,
    unpack_color,
)
from segdata.formats.shared.writing import voc_color

_MIN_MAIN, _MAX_MAIN, _MIN_ALL_MAIN = 0.001, 16, 0.95  # share of all pixels; such values; the share of all of them
_VOC_VOID = (224, 224, 192)
_MIN_MASKS = 10  # needed to call a value rare
_MAX_SLIP_PIXELS = 64  # of a value in a mask; with more, it was drawn on purpose
_MAX_ALIKE_NUMBERS = 8  # beyond it, categories seldom are 1 to n with a different n in each image
_MIN_GAPLESS_MASKS, _MIN_GAPLESS_NUMBERS = 20, 5  # masks; different n, since organs with a tumour are 1 and 2
_MIN_INSTANCES = 3  # in the usual mask, even if each is one part
_MAX_NUMBERS_PER_VALUE = 8  # sparser numbers are no class ids
_MIN_SINGLE_SHARE = 0.9  # of the numbers; occlusion may split an object
_N_SAMPLED = 12  # masks whose parts are counted
_MIN_FILLED = 3  # masks
_MOSTLY = 0.9  # share of the masks that are mostly foreground
_DIVISORS = (1000, 256, 65536)


class ProvisionalTaxonomy(msgspec.Struct, frozen=True):
    """The probable meaning of mask values, for the user to confirm."""

    taxonomy: Taxonomy  # the categories
    reading: str  # a clause that says how values are read
    sparse: bool = False  # whether pixels may be unlabelled, as in binary masks
    defects: tuple[Defect, ...] = ()  # values in a single mask, which may be mistakes
    legend: Legend | None = None  # of all values, if most come from compression or smoothing
    by_palette: bool = False  # whether palettes differ, so that their colours carry the meaning


def propose_taxonomy(counts: ValueCounts) -> ProvisionalTaxonomy:
    """Infer the meaning of mask values; raises UnreadableError if there are too many for categories."""
    shown = shown_counts(counts)
    if shown is not counts:
        return msgspec.structs.replace(propose_taxonomy(shown), by_palette=True)
    foreground, levels = binary_level(counts), find_levels(counts)
    if levels is not None and (foreground is None or len(levels) > 2):
        # These values are errors only if there is a taxonomy.
        return _by_level(counts, levels, left_values(counts, ~np.isin(counts.value, levels), len(levels), "warning"))
    if foreground is not None:
        return _binary(counts, foreground)
    shades = find_shades(counts)
    if shades is not None:
        listed = ", ".join(map(str, shades.tolist()[:8])) + (", …" if len(shades) > 8 else "")
        message = (
            f"categories have several greys each, of which a mask has one: {len(counts.value)} values are read as the "
            f"nearest of {len(shades)} ({listed}); save each category with one value"
        )
        return _by_level(counts, shades, Defect("SEG010", message, severity="warning"))
    slips = _are_slips(counts)
    kept = counts.select(~slips)
    foreground = binary_level(kept) if slips.any() else None
    if foreground is not None or kept.value.tolist() == [0]:
        return _binary(kept, foreground)
    _check_number(kept)
    categories = tuple(_numbered_categories(kept))
    defects = _rare(kept)
    return ProvisionalTaxonomy(Taxonomy(categories=categories), _reading(kept, categories), defects=tuple(defects))


def _binary(counts: ValueCounts, level: int | None) -> ProvisionalTaxonomy:
    """The taxonomy of binary masks: foreground, and 0 is not labelled; `level` None: no mask has a foreground."""
    value = 1 if level is None else level
    color = (value, value, value) if counts.has_colors else None
    row = np.flatnonzero(counts.value == (value if color is None else pack_color(color))).tolist()
    definition = _occurrence(counts, row[0] if row else None)
    foreground = Category(id=value, name="foreground", kind="stuff", color=color, definition=definition)
    taxonomy = Taxonomy(categories=(foreground,), unlabelled=0 if color is None else (0, 0, 0))
    mostly = None if level is None else _mostly_foreground(counts, color or level)
    if level is None:
        return ProvisionalTaxonomy(taxonomy, "every mask holds 0 alone, which is read as not labelled", sparse=True)
    what, black = (f"value {value}", "0") if color is None else (f"colour {color}", "black")
    reading = f"{what} is read as foreground, {black} as not labelled"
    return ProvisionalTaxonomy(taxonomy, reading, sparse=True, defects=() if mostly is None else (mostly,))


def _mostly_foreground(counts: ValueCounts, white: int | tuple[int, int, int]) -> Defect | None:
    """SEG219, an info, if white fills most of nearly every mask and its frame, as where objects are black on white."""
    value = white if isinstance(white, int) else pack_color(white)
    shares = np.array([mask.area[mask.value == value].sum() / mask.size for mask in counts.masks])
    n_filled = int((shares > 0.5).sum())
    if len(shares) < _MIN_FILLED or n_filled < _MOSTLY * len(shares) or _frame_share(counts, value) < _MOSTLY:
        return None
    swap = f"`id: 0` and `unlabelled: {white}`"
    if not isinstance(white, int):
        swap = f"`color: [0, 0, 0]` and `unlabelled: {list(white)}`"
    message = (
        f"foreground fills more than half of {n_filled} of {len(shares)} masks (the median: "
        f"{100 * np.median(shares):.0f} %): if the objects are black on white, run `segdata init`, and set "
        f"{swap} in taxonomy.yaml"
    )
    return Defect("SEG219", message, severity="info")


def _frame_share(counts: ValueCounts, value: int) -> float:
    """The share of the pixels at the frames of a sample of masks that have a value."""
    n_equal = n_all = 0
    for mask in spread_sample(counts.masks, _N_SAMPLED):
        with suppress(OSError):
            drawn = decode_mask(mask.path)
            values = (drawn if counts.has_colors else drawn.as_grey()).values
            frame = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
            n_equal, n_all = n_equal + int((frame == value).sum()), n_all + len(frame)
    return n_equal / max(n_all, 1)


def _by_level(counts: ValueCounts, levels: Ints, defect: Defect) -> ProvisionalTaxonomy:
    """The taxonomy of the levels (m,) of masks that have other values, too; `defect` reports these."""
    kept = counts.select(np.isin(counts.value, levels))
    white = int(levels[-1]) & 255
    if counts.has_colors and levels.tolist() == [0, white * 0x010101] and white >= 128:
        binary = _binary(counts, white)
        meaning = np.array([UNLABELLED, white])[nearest_levels(counts, levels)]
        return msgspec.structs.replace(binary, defects=(*binary.defects, defect), legend=Legend(counts.value, meaning))
    categories = tuple(_numbered_categories(kept))
    ids = np.array([category.id for category in categories])
    return ProvisionalTaxonomy(
        Taxonomy(categories=categories),
        _reading(kept, categories),
        defects=(defect,),
        legend=Legend(counts.value, ids[nearest_levels(counts, levels)]),
    )


def _are_slips(counts: ValueCounts) -> Flags:
    """(k,) whether a value probably is a mistake: in one mask of many, with an unusually small number of pixels."""
    if len(counts.masks) < _MIN_MASKS:
        return np.zeros(len(counts.value), bool)
    shared = set(counts.value[counts.files > 1].tolist())
    areas = [
        area for mask in counts.masks for value, area in zip(mask.value, mask.area, strict=True) if value in shared
    ]
    usual = min(np.quantile(areas, 0.05), _MAX_SLIP_PIXELS) if areas else 0
    slips: Flags = (counts.files == 1) & (counts.pixels <= usual)
    return slips


def _rare(counts: ValueCounts) -> Iterator[Defect]:
    """A defect of severity info for values in one mask of many: rare categories, or mistakes."""
    if len(counts.masks) < _MIN_MASKS:
        return
    rows = np.flatnonzero(counts.files == 1).tolist()
    for row in rows if len(rows) <= 3 else ():
        path = next(mask.path for mask in counts.masks if counts.value[row] in mask.value)
        message = f"{_value_text(counts, row)} occurs in one of {len(counts.masks)} masks, {path.name}"
        pixels = int(counts.pixels[row])
        yield Defect(
            "SEG009", f"{message} ({pixels:,} px): a rare category, or a mistake", pixels=pixels, severity="info"
        )
    if len(rows) <= 3:
        return
    listed = ", ".join(_value_text(counts, row) for row in rows[:5])
    message = f"{len(rows)} of {len(counts.value)} values occur in one of {len(counts.masks)} masks each: {listed}, …"
    yield Defect("SEG009", f"{message}; rare categories, or mistakes", severity="info")


def _value_text(counts: ValueCounts, row: int) -> str:
    value = int(counts.value[row])
    return f"colour {unpack_color(value)}" if counts.has_colors else f"value {value}"


def _reading(counts: ValueCounts, categories: tuple[Category, ...]) -> str:
    what = "colours" if counts.has_colors else "values"
    named = [category.name for category in categories if category.kind != "void"]
    listed = ", ".join(named) if len(named) <= 3 else f"{named[0]}, {named[1]} … {named[-1]}"
    void = [category for category in categories if category.kind == "void"]
    ignored = (
        f", and {', '.join(_category_text(category, counts.has_colors) for category in void)} as void" if void else ""
    )
    if len(named) == 1:
        return f"the one {what.removesuffix('s')} is read as the category {listed}{ignored}"
    return f"the {len(named)} {what} are read as the categories {listed}{ignored}"


def _category_text(category: Category, coloured: bool) -> str:
    return f"colour {category.rgb}" if coloured else str(category.id)


def _check_number(counts: ValueCounts) -> None:
    """Raise UnreadableError if there are too many values for categories."""
    if len(counts.value) > MAX_CATEGORIES:
        n_jpeg = sum(is_jpeg(mask.path.name) for mask in counts.masks)
        if 2 * n_jpeg > len(counts.masks):
            raise UnreadableError(
                f"the masks are JPEG files, whose compression made {len(counts.value):,} different values: save "
                "them as PNG from the program that drew them, or export them again"
            )
        main = np.flatnonzero(counts.pixels >= _MIN_MAIN * counts.n_pixels)
        share = counts.pixels[main].sum() / max(counts.n_pixels, 1)
        if 1 < len(main) <= _MAX_MAIN and share >= _MIN_ALL_MAIN:
            listed = ", ".join(_value_text(counts, row) for row in main[np.argsort(-counts.pixels[main])].tolist())
            raise UnreadableError(
                f"{len(main)} of {len(counts.value):,} different values hold {100 * share:.1f} % of the masks: "
                f"{listed}; the others are remains of pictures, or of smoothing: name those that were drawn as "
                "categories in taxonomy.yaml beside the data, and you get a finding for the others"
            )
        raise UnreadableError(
            f"{len(counts.value):,} different values in the masks are no categories: ids of instances, or greys of "
            "smoothed masks or of pictures; give the folder of the masks as DATA, choose with --from instance-ids, or "
            "name the files as layers in segdata.yaml"
        )


def infer_mask_taxonomy(masks: Iterable[Path], named: Taxonomy | None = None) -> Taxonomy:
    """Draft a taxonomy of the values in mask files; `named` provides names of colours or ids.

    Raises UnreadableError if there are too many values for categories.
    """
    counts = count_values(masks)
    if named is None:
        return propose_taxonomy(counts).taxonomy
    _check_number(counts)
    rows = {int(value): row for row, value in enumerate(counts.value)}
    counted = [
        msgspec.structs.replace(
            category,
            definition=_occurrence(
                counts, rows.get(pack_color(category.rgb) if counts.has_colors and category.rgb else category.id)
            ),
        )
        for category in named.categories
    ]
    return Taxonomy(categories=tuple(counted))


def _numbered_categories(counts: ValueCounts) -> Iterator[Category]:
    """A category for each value: numbered colours, or ids in the palette's colours.

    Value 0, or black, is the background if most masks have more of it than of others, or if the colours are the first
    ones of VOC's palette, which begins with the background.
    """
    colors = {*counts.value.tolist()} - {pack_color(_VOC_VOID)}
    is_voc = counts.has_colors and len(colors) > 2 and colors == {*map(pack_color, map(voc_color, range(len(colors))))}
    for row, value in enumerate(counts.value.tolist()):
        color = unpack_color(value) if counts.has_colors else _palette_color(value, counts.palette)
        number = row + 1 if counts.has_colors else value
        void = color == _VOC_VOID or (not counts.has_colors and _is_void_id(counts, row))
        usual = is_voc or 2 * counts.leads[row] > len(counts.masks)
        background = value == 0 and usual and len(counts.value) > 1
        name = "void" if void else "background" if background else f"category_{number}"
        kind: CategoryKind = "void" if void else "stuff"
        yield Category(id=number, name=name, kind=kind, color=color, definition=_occurrence(counts, row))


def _is_void_id(counts: ValueCounts, row: int) -> bool:
    """Whether an id is void: 255 beside small ids. Alone with 0 it is foreground; beside spread greys, a category."""
    others = np.delete(counts.value, row)
    if counts.value[row] != 255 or len(others) < 2 or others.max() >= 200:
        return False
    steps = np.diff(counts.value)
    is_spread = steps.max() - steps.min() <= 2  # 0, 127, 255
    share = counts.pixels[row] / max(counts.n_pixels, 1)
    # Small ids with few gaps are classes; 255 beside them is void, however frequent it is.
    is_dense = len(others) > 2 and others.max() < _MAX_NUMBERS_PER_VALUE * len(others)
    return not is_spread and bool(share < 0.25 or is_dense)


def _palette_color(value: int, palette: Palette | None) -> tuple[int, int, int] | None:
    if palette is None or not 0 <= value < len(palette):
        return None
    red, green, blue = palette[value].tolist()
    return red, green, blue


def _occurrence(counts: ValueCounts, row: int | None) -> str:
    if row is None:
        return f"{DRAFTED}in no mask"
    share = 100 * counts.pixels[row] / max(counts.n_pixels, 1)
    return f"{DRAFTED}in {counts.files[row]} of {len(counts.masks)} masks, {share:.2f} % of their pixels"


def are_ids(counts: ValueCounts) -> bool:
    """Whether 8-bit grey values number instances: 1 to n with few gaps in most masks, with different n.

    If masks have few of them, or share n, each number must also be a single part. Masks that usually have one or two
    must have no gap at all, and many different n.
    """
    if counts.has_colors or len(counts.masks) < 3:
        return False
    highest = [int(mask.value[-1]) for mask in counts.masks]
    numbered = [np.sum(mask.value > 0) >= 0.8 * top for mask, top in zip(counts.masks, highest, strict=True)]
    usual = float(np.median(highest))
    gapless = all(np.sum(mask.value > 0) == top for mask, top in zip(counts.masks, highest, strict=True))
    is_sure = gapless and len(highest) >= _MIN_GAPLESS_MASKS and len(set(highest)) >= _MIN_GAPLESS_NUMBERS
    if np.mean(numbered) <= 0.8 or (usual < _MIN_INSTANCES and not is_sure):
        return False
    if usual > _MAX_ALIKE_NUMBERS and 2 * len(set(highest)) > len(highest):
        return True
    often = max(highest.count(top) for top in set(highest))
    return len(set(highest)) > 2 and 2 * often <= len(highest) and _are_single_parts(counts.masks)


def are_categories(counts: ValueCounts, table: Taxonomy | None) -> bool:
    """Whether values of more than 8 bits are categories, not numbers of instances.

    They are if a table beside the masks names all of them; or if each mask holds one value beside 0, and it is white,
    or the same in all masks with several parts in one.
    """
    if table is not None:
        return bool(np.isin(counts.value, list(table.by_id())).all())
    drawn = counts.value[counts.value != 0].tolist()
    if are_whites(counts) and WHITE_16 in drawn:
        return True
    return len(drawn) == 1 and not _are_single_parts(counts.masks)


def _are_single_parts(masks: tuple[MaskValues, ...]) -> bool:
    """Whether nearly every value except 0 is a single part, while categories usually have several."""
    n_parts: list[Ints] = []
    for mask in spread_sample(masks, _N_SAMPLED):
        with suppress(OSError):
            runs = ValueRuns.of(decode_mask(mask.path).pixels)
            rows = np.flatnonzero(runs.value > 0)
            height = np.full(len(rows), runs.height, np.int64)
            n_parts.append(segment_shapes(runs.select(rows), height, len(rows)).n_parts)
    return bool(n_parts) and float(np.mean(np.concatenate(n_parts) == 1)) > _MIN_SINGLE_SHARE


def propose_id_rule(counts: ValueCounts, given: InstanceIds | None = None) -> tuple[InstanceIds, Taxonomy, str]:
    """Infer the setting for instance ids, its taxonomy, and a clause that describes the reading.

    Values are category * divisor + number if there are few categories, whose numbers are small and without gaps of half
    the divisor; else every value is an instance of one category. `given`: a setting with a divisor.
    """
    fitting = filter(lambda divisor: _fits_divisor(counts.value, divisor), _DIVISORS)
    divisor = next(fitting, None) if given is None else given.divisor
    if divisor is None:
        setting = InstanceIds(category="object", background=0)
        taxonomy = Taxonomy(categories=(Category(id=1, name="object", kind="thing"),))
        return setting, taxonomy, "each value but 0 is read as an instance of one category, object"
    setting = InstanceIds(divisor=divisor, background=0) if given is None else given
    values = counts.value[(counts.value != setting.background) & (counts.value != setting.void)]
    numbered = np.unique(values[values >= divisor] // divisor).tolist()
    bare = values[(values < divisor) & (values > 0)].tolist()
    categories = [
        Category(id=id_, name=f"category_{id_}", kind="thing" if id_ in numbered else "stuff")
        for id_ in sorted({*numbered, *bare})
    ]
    if setting.void is not None:
        categories.append(Category(id=setting.void, name="void", kind="void"))
    return (
        setting,
        Taxonomy(categories=tuple(categories)),
        f"values are read as category * {divisor} + number of the instance",
    )


def _fits_divisor(values: Ints, divisor: int) -> bool:
    """Whether values are category * divisor + number."""
    numbered, bare = values[values >= divisor], values[(values < divisor) & (values > 0)]
    if len(numbered) == 0:
        return False
    category, number = np.divmod(numbered, divisor)
    # Consecutive ids fill all values below the divisor, while categories and their instances are few.
    if int(category.max()) > 255 or int(number.max()) >= divisor // 2 or int(bare.max(initial=0)) >= divisor // 4:
        return False
    dense = 0  # values of categories whose instances are numbered from 0 or 1, with hardly a gap
    for id_ in np.unique(category).tolist():
        numbers = number[category == id_]
        dense += len(numbers) * bool(numbers.min() <= 1 and numbers.max() <= 2 * len(numbers))
    return 1 < len(numbered) >= len(bare) and dense >= 0.8 * len(numbered)
