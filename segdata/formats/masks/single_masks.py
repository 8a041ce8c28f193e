"""Single masks: one file an image, whose values name categories or are ids of segments, read and written."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import SegdataError, UnreadableError, count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.format import LossCounter, ReadRequest
from segdata.core.paths import with_folder
from segdata.core.profile import Profile, Task
from segdata.core.runs import Ints
from segdata.core.safe_text import shell_word
from segdata.core.taxonomy import Taxonomy
from segdata.formats.masks import colour_masks, instance_ids
from segdata.formats.shared.file_names import spread_sample
from segdata.formats.shared.mask_files import (
    UNKNOWN,
    Legend,
    MaskFile,
    MaskHeader,
    MaskPalette,
    ValueRuns,
    category_annotation,
    colour_legend,
    decode_entry_mask,
    decode_mask,
    index_legend,
    mask_headers,
    mask_palette,
    unknown_value_defects,
    value_place,
)
from segdata.formats.shared.painting import (
    ImageSegments,
    MaskPaths,
    count_category_mask_losses,
    count_hidden_segments,
    count_losses_of_batches,
    count_spatial_losses,
    number_segments,
    paint,
    segments_by_image,
)
from segdata.formats.shared.pairing import Cell, Pairing, open_pairing, write_index
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import (
    CategoryNames,
    find_taxonomy,
    load_preset,
    outside_preset,
    preset_from_names,
    table_names,
    write_sidecars,
)

if TYPE_CHECKING:
    from segdata.formats.masks.provisional import SmoothedReading, ValueCounts
    from segdata.formats.shared.instance_id_rules import IdRule, IdTableWriter

_SAMPLE = 64  # masks whose headers are read before any is decoded
_MOST_SMOOTHED = 0.1  # greys, as a share of the foreground: more of them, and where one cuts decides its shape
_NEAR = 16  # greys as near as this to black or white belong to it wherever one cuts
_GREY_RANGE = 32  # between the channels of what compression makes of black and white
_TRIED_GREYS = 4  # masks that are decoded to see whether values are ids, or come from smoothing
_FEW_UNKNOWN = 8  # values that a taxonomy lacks: more of them come from smoothing


def open_colour_masks(request: ReadRequest) -> PerImageSource:
    """Open the dataset, for want of a taxonomy under a provisional one; raises UnreadableError if there is none."""
    pairing = open_pairing(request)
    masks = [entry.files[0] for entry in pairing.entries if entry.files]
    root, taxonomy = request.root, _given_taxonomy(request, masks)
    heads = mask_headers(spread_sample(masks, _SAMPLE))
    in_colors = 2 * sum(head.has_colors for head in heads) > len(heads)
    if taxonomy is None:
        from segdata.formats.masks.provisional import are_ids, count_values, propose_taxonomy  # seldom needed

        counts = count_values(masks)
        if are_ids(counts):
            return _open_provisional_ids(request, pairing, counts)
        try:
            proposed = propose_taxonomy(counts)
        except UnreadableError as error:
            raise UnreadableError(
                f"{root}: {error}; give the folder of the masks as DATA, choose with --from instance-ids, or name the "
                "files as layers in segdata.yaml"
            ) from error
        taxonomy, doubts = proposed.taxonomy, list(proposed.defects)
        provisional = _provisional(root, proposed.reading, "for ids of instances: --from instance-ids")
        doubts.append(Defect("SEG219", provisional, severity="info"))
        if proposed.sparse and all(path.stem.endswith("_masks") for path in masks):
            message = (
                "the masks are called as cellpose's (…_masks), and hold one value, so that all cells of an image are "
                "one object; give each cell a number of its own, from 1, before you train on them"
            )
            doubts.append(Defect("SEG219", message, severity="warning", lost=False))
        settings = {"coverage": "sparse"} if proposed.sparse else {}
        named = CategoryNames(taxonomy, False, {})
        legend, by_palette = proposed.legend, proposed.by_palette
        coloured = counts.has_colors or by_palette
    else:
        doubts = _odd_names(request, pairing, masks)
        smoothed = _read_smoothed(masks, taxonomy)
        if smoothed is None:
            _must_be_ids(request, masks, heads, taxonomy)
        else:
            doubts.append(smoothed.defect)
        legend = None if smoothed is None else smoothed.legend
        by_palette, coloured = _are_read_by_palette(masks, heads, taxonomy), None
        if not by_palette and not in_colors:
            doubts += _contradicting_palettes(root, masks, taxonomy)
        provisional, settings, named = None, {}, CategoryNames(taxonomy, True, {})
    profile = named.profile(
        "colour-masks", root, "semantic", "sparse" if settings else "exhaustive", "forbid", places=pairing.places
    )
    profile = replace(profile, provisional=provisional, drafted=settings)
    colours = colour_legend(taxonomy)

    def read(entry: ImageEntry) -> list[ImageAnnotation]:
        mask, file = decode_entry_mask(root, entry), relative_path(root, entry.files[0])
        mask = mask if coloured or coloured is None else mask.as_grey()
        if by_palette or (in_colors and mask.palette is not None):
            shown = mask.as_shown()  # most others hold colours: its indices mean those that its palette shows
            mask = shown if by_palette or _is_named(shown, colours) else mask
        if coloured is not None and mask.coloured != coloured and not (mask.coloured and _is_named(mask, colours)):
            others = "colours" if coloured else "ids"
            message = f"the mask is {mask.encoding}, most others hold {others}: without a taxonomy it means nothing"
            raise BrokenLabelsError(Defect("SEG009", message, file, severity="warning", lost=True))
        if legend is not None:
            runs, place = ValueRuns.of(mask.pixels), partial(value_place, coloured=mask.coloured)
            meaning = legend.read(runs.value)
            if (meaning != UNKNOWN).all():
                return [category_annotation(runs, meaning, file, mask.encoding, [], place)]
        other = None if provisional is None else _other_binary(mask, taxonomy)
        if other is not None:
            pixels, defect = other
            return [
                replace(
                    read_mask(msgspec.structs.replace(mask, pixels=pixels), taxonomy, colours, file), defects=[defect]
                )
            ]
        annotation = read_mask(mask, taxonomy, colours, file)
        return [annotation if provisional is None else replace(annotation, defects=_soften(annotation.defects))]

    return PerImageSource(root, profile, pairing.entries, (*pairing.defects, *doubts), read, request.annotator)


def _other_binary(mask: MaskFile, taxonomy: Taxonomy) -> tuple[NDArray[np.uint8], Defect] | None:
    """A mask of 0 and 1 among those of 0 and 255, or the reverse, as the others are stored; None for others."""
    ids = list(taxonomy.by_id())
    if mask.coloured or mask.lossy or len(ids) != 1 or taxonomy.unlabelled_id != 0:
        return None
    values, level = mask.values, ids[0]
    ones, white, top = int((values == 1).sum()), int((values >= 128).sum()), int(values.max(initial=0))
    if level == 1 and ones < white and top <= 255:
        is_foreground, stored = values >= 128, f"values up to {top}, the others 0 and 1: read as foreground from 128 on"
    elif level >= 128 and top == 1 and ones > 0:
        is_foreground, stored = values == 1, f"0 and 1, the others 0 and {level}: read as binary, too"
    else:
        return None
    message = f"the mask holds {stored}; save it as the others are"
    return np.where(is_foreground, level, 0).astype(np.uint8), Defect("SEG010", message, severity="warning")


def _soften(defects: Sequence[Defect]) -> list[Defect]:
    """The defects of a mask that is read on a guess: none is an error, and an unknown value is in this mask alone."""
    return [
        replace(
            defect,
            message=defect.message.replace("is not in the taxonomy:", "is in no other mask, probably by mistake:"),
            severity="warning",
        )
        for defect in defects
    ]


def _provisional(root: Path, reading: str, other: str = "") -> str:
    """The sentence that says how values are read for want of a taxonomy, and what to do."""
    remedy = f"`segdata init {shell_word(root)}` writes this down for you to correct"
    return f"no taxonomy: {reading}; {remedy}{f' ({other})' if other else ''}"


def read_mask(mask: MaskFile, taxonomy: Taxonomy, colours: Legend, file: str) -> ImageAnnotation:
    """The segments of a decoded mask, one for each category; `colours` is the taxonomy's colour legend.

    `file` is the name of the mask in columns and defects.
    """
    runs = ValueRuns.of(mask.pixels)
    meaning = (colours if mask.coloured else index_legend(taxonomy, mask.palette)).read(runs.value)
    smoothed = _cut_smoothed(mask, runs, meaning, taxonomy, colours) if (meaning == UNKNOWN).any() else None
    defects = [smoothed] if smoothed else []
    if (mask.lossy and smoothed is None) or (meaning == UNKNOWN).any():
        defects += unknown_value_defects(mask, runs, meaning, taxonomy)
    place = partial(value_place, coloured=mask.coloured)
    return category_annotation(runs, meaning, file, mask.encoding, defects, place)


def binary_value(taxonomy: Taxonomy) -> int | None:
    """The value of the foreground if a taxonomy has two levels, 0 and one from 128 to 255; else None."""
    values = sorted({*taxonomy.by_id(), *(() if taxonomy.unlabelled_id is None else (taxonomy.unlabelled_id,))})
    return values[1] if len(values) == 2 and values[0] == 0 and 128 <= values[1] <= 255 else None


def _binary_colour(taxonomy: Taxonomy) -> int | None:
    """The brightness of the foreground if a taxonomy has two colours, black and a grey from 128 to 255; else None."""
    nobody = taxonomy.unlabelled_color
    colors = sorted({*taxonomy.by_color(), *(() if nobody is None else (nobody,))})
    is_grey = len(colors) == 2 and colors[0] == (0, 0, 0) and len(set(colors[1])) == 1
    return colors[1][0] if is_grey and colors[1][0] >= 128 else None


def _cut_smoothed(mask: MaskFile, runs: ValueRuns, meaning: Ints, taxonomy: Taxonomy, colours: Legend) -> Defect | None:
    """Give the values between the two levels of a binary mask, in place, the meaning of the nearer; SEG010 says so."""
    if mask.palette is not None:
        return None
    if mask.coloured:
        level, legend = _binary_colour(taxonomy), colours
        channels = np.stack([runs.value >> shift & 255 for shift in (0, 8, 16)])
        value, is_grey = channels.sum(axis=0) // 3, np.ptp(channels, axis=0) <= _GREY_RANGE
    else:
        level, legend, value, is_grey = binary_value(taxonomy), index_legend(taxonomy, None), runs.value, True
    between = (meaning == UNKNOWN) & (value >= 0) & (value <= (level or 0)) & is_grey
    if level is None or not between.any():
        return None
    half = (level + 1) // 2
    levels = np.array([0, level], np.int64)
    black, white = legend.read(levels * 0x010101 if mask.coloured else levels).tolist()
    meaning[between] = np.where(value[between] < half, black, white)
    pixels, (x, y) = int(runs.area[between].sum()), runs.first_pixel(int(np.flatnonzero(between)[0]))
    far = between & (value > _NEAR) & (value < level - _NEAR)
    doubtful = mask.lossy is not None or runs.area[far].sum() > _MOST_SMOOTHED * runs.area[value >= half].sum()
    why = f"{mask.lossy} changed it" if mask.lossy else "it was smoothed, resized or compressed"
    message = (
        f"{count_noun(int(between.sum()), 'value')} between 0 and {level} in a binary mask ({pixels:,} px; cut at "
        f"{half}): {why}; save it {'as PNG, ' if mask.lossy else ''}with two values"
    )
    severity: Severity = "error" if doubtful else "warning"
    return Defect("SEG010", message, place=f"x={x}, y={y}", pixels=pixels, severity=severity)


def _given_taxonomy(request: ReadRequest, masks: list[Path]) -> Taxonomy | None:
    """The user's taxonomy, else the colour table's, else the preset that names imply; None if there is none."""
    root = request.root
    named = find_taxonomy(root, masks)
    taxonomy = _with_colors(request.taxonomy, named) if request.taxonomy and named else request.taxonomy or named
    heads = mask_headers(spread_sample(masks, _SAMPLE))
    taxonomy = _preset(request, masks, heads, taxonomy)
    if taxonomy is None:
        return None
    if heads and all(head.has_colors for head in heads) and not taxonomy.by_color():
        raise UnreadableError(f"{root}: the masks are {heads[0].encoding}, and no category of the taxonomy has a color")
    return taxonomy


def _preset(
    request: ReadRequest, masks: list[Path], heads: Sequence[MaskHeader], taxonomy: Taxonomy | None
) -> Taxonomy | None:
    """The preset that the user names, else the taxonomy beside the masks, else the preset that their names imply."""
    chosen = request.options.get("preset")
    if chosen is not None:
        if taxonomy is not None:
            raise SegdataError(
                f"{request.root}: there are a taxonomy or colour table and the preset {chosen!r}; give one of them"
            )
        return load_preset(str(chosen))
    if taxonomy is not None or any(head.palette is not None for head in heads):
        return taxonomy
    coloured = bool(heads) and all(head.has_colors for head in heads)
    name = preset_from_names(masks, coloured)
    return None if name is None else load_preset(name)


def _with_colors(taxonomy: Taxonomy, named: Taxonomy) -> Taxonomy:
    """The user's taxonomy; categories without a colour get the colour table's."""
    colors = {name: category.color for name, category in named.by_name().items()}
    categories = []
    for category in taxonomy.categories:
        names = (category.name, *category.aliases)
        color = category.color or next((colors[name] for name in names if name in colors), None)
        categories.append(msgspec.structs.replace(category, color=color))
    return msgspec.structs.replace(taxonomy, categories=tuple(categories))


def _is_named(mask: MaskFile, colours: Legend) -> bool:
    """Whether a legend has each value of a mask."""
    return bool((colours.read(np.unique(mask.values).astype(np.int64)) != UNKNOWN).all())


def _are_read_by_palette(masks: list[Path], heads: Sequence[MaskHeader], taxonomy: Taxonomy) -> bool:
    """Whether palettes differ, and most indices are no ids of a taxonomy with colours: the colours shown are meant."""
    palettes = {head.palette.tobytes() for head in heads if head.palette is not None}
    if len(palettes) < 2 or not taxonomy.by_color():
        return False
    values = _occurring_values(spread_sample(masks, _TRIED_GREYS))
    return 2 * len(values - set(index_legend(taxonomy, None).value.tolist())) >= len(values)


def _read_smoothed(masks: list[Path], taxonomy: Taxonomy) -> "SmoothedReading | None":
    """The reading of compressed or smoothed masks of a taxonomy of three values or more; None of others."""
    if binary_value(taxonomy) is not None or _binary_colour(taxonomy) is not None:
        return None  # each mask is cut by itself
    known = {*colour_legend(taxonomy).value.tolist(), *index_legend(taxonomy, None).value.tolist()}
    if len(_occurring_values(spread_sample(masks, _TRIED_GREYS)) - known) <= _FEW_UNKNOWN:
        return None
    from segdata.formats.masks.provisional import count_values, read_smoothed  # seldom needed

    return read_smoothed(count_values(masks), taxonomy)


def _must_be_ids(request: ReadRequest, masks: list[Path], heads: Sequence[MaskHeader], taxonomy: Taxonomy) -> None:
    """Raise UnreadableError if most values in some grey masks are no ids: then these are no index masks."""
    told = request.explicit or any(head.has_colors or head.palette is not None for head in heads)
    if told or not heads or binary_value(taxonomy) is not None:
        return  # what lies between black and white comes from smoothing
    values = _occurring_values(spread_sample(masks, _TRIED_GREYS))
    unknown = sorted(values - set(index_legend(taxonomy, None).value.tolist()))
    if unknown and 2 * len(unknown) >= len(values):
        listed = ", ".join(map(str, unknown[:5])) + (", …" if len(unknown) > 5 else "")
        raise UnreadableError(
            f"{request.root}: grey masks whose values ({listed}) are not ids of the taxonomy: choose with --from "
            "instance-ids or layers, or correct the ids in taxonomy.yaml"
        )


def _contradicting_palettes(root: Path, masks: Sequence[Path], taxonomy: Taxonomy) -> list[Defect]:
    """SEG202 for each palette that shows a category in the colour of another one in the taxonomy."""
    by_color, by_id = taxonomy.by_color(), taxonomy.by_id()
    by_palette: dict[bytes, Defect | None] = {}
    for path in spread_sample(masks, _SAMPLE):
        head = next(iter(mask_headers([path])), None)
        if head is None or head.palette is None or head.palette.tobytes() in by_palette:
            continue
        wrong = [
            f"{index} is {by_id[index].name!r}, its colour that of {by_color[color].name!r}"
            for index, color in enumerate(map(tuple, head.palette.tolist()))
            if index in by_id and by_id[index].rgb != color and color in by_color and by_color[color].id != index
        ]
        message = f"the palette contradicts the taxonomy: {'; '.join(wrong[:3])} ({len(wrong)} in all)"
        by_palette[head.palette.tobytes()] = Defect("SEG202", message, relative_path(root, path)) if wrong else None
    return [defect for defect in by_palette.values() if defect]


def _odd_names(request: ReadRequest, pairing: Pairing, masks: list[Path]) -> list[Defect]:
    """SEG011 for each mask whose name is none of a dataset's that the names of the others tell."""
    reported = {defect.file for defect in pairing.defects if defect.code == "SEG011"}
    odd = [relative_path(request.root, path) for path in outside_preset(masks)]
    message = "the name is none of this dataset's, unlike those of the other masks; read as one of them"
    return [Defect("SEG011", message, file) for file in odd if file not in reported]


def _occurring_values(masks: Sequence[Path]) -> set[int]:
    values: set[int] = set()
    for path in masks:
        with suppress(OSError):
            values |= set(np.unique(decode_mask(path).values).tolist())
    return values


_NO_VALUE = 2**32 - 1  # neither an index nor a packed colour


def write_colour_masks(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, layout: str = "flat"
) -> None:
    """Write a dataset as masks; the segments of a category in an image become one.

    Raises SegdataError if the category ids fit neither 8 bits nor colours, and for an unknown layout.
    """
    from segdata.formats.masks.training_layouts import write_training_masks  # seldom needed

    counted = count_losses_of_batches(batches, losses, colour_masks.LOSSES)
    if layout == "flat":
        _write_flat_masks(profile, counted, target, losses)
    else:
        write_training_masks(profile, counted, target, losses, layout)


def _write_flat_masks(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write `masks/`, `images.csv` and `taxonomy.yaml` below `target`: pixels are kept, instances are not."""
    palette = mask_palette(profile.taxonomy)
    count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    blank_used: list[bool] = []
    write_index(target, _write_colour_files(batches, target, palette, losses, blank_used))
    taxonomy = profile.taxonomy
    if any(blank_used):
        taxonomy = msgspec.structs.replace(taxonomy, unlabelled=palette.unlabelled)
    write_sidecars(target, profile, taxonomy)


def _write_colour_files(
    batches: Iterable[Batch], target: Path, palette: MaskPalette, losses: LossCounter, blank_used: list[bool]
) -> Iterator[tuple[Cell, ...]]:
    """Write the masks; yields the rows of the index."""
    names = MaskPaths()
    for batch in batches:
        values = palette.values(batch.segment_category)
        count_category_mask_losses(batch, values, losses, palette.blank)
        for image in segments_by_image(batch):
            mask = None
            if image.annotated:
                mask = names.name(image.image_id)
                pixels = _paint(image, values[image.segments], palette)
                blank_used.append(palette.blank is not None and bool((pixels == palette.blank).any()))
                count_hidden_segments(batch, image, values[image.segments], pixels, losses)
                palette.picture(pixels).save(with_folder(target / mask))
            yield image.index_row(mask)


def _paint(image: ImageSegments, values: Ints, palette: MaskPalette) -> NDArray[np.uint32]:
    """The values of one mask, without segments of unknown categories."""
    pixels = paint(image, values, _NO_VALUE if palette.blank is None else palette.blank, np.uint32)
    if palette.blank is None and bool((pixels == _NO_VALUE).any()):
        raise SegdataError(
            f"image {image.image_id!r}: all ids from 0 to 255 are categories, none is left for unlabelled"
        )
    return pixels


_DIVISORS = (1000, 256, 65536)
_TRIED = 16  # masks that are decoded to detect the divisor


def open_instance_ids(request: ReadRequest) -> PerImageSource:
    """Open the dataset; raises UnreadableError if a taxonomy is given and no setting fits it."""
    pairing = open_pairing(request)
    masks = [entry.files[0] for entry in pairing.entries if entry.files]
    config = request.config.instance_ids
    usable = config is None or ((config.divisor or 0) > 0 and config.category is None and config.table is None)
    if usable and request.taxonomy is None:
        from segdata.formats.masks.provisional import count_values  # seldom needed

        return _open_provisional_ids(request, pairing, count_values(masks), config)
    return _open_ids(request, pairing, config or _detect_rule(request, masks))


def _open_provisional_ids(
    request: ReadRequest, pairing: Pairing, counts: "ValueCounts", given: InstanceIds | None = None
) -> PerImageSource:
    """Open instance-ID images under the setting that their values suggest, or a given one with a divisor."""
    from segdata.formats.masks.provisional import propose_id_rule  # seldom needed

    setting, taxonomy, reading = propose_id_rule(counts, given)
    source = _open_ids(replace(request, taxonomy=taxonomy), pairing, setting)
    drafted = {"instance_ids": msgspec.to_builtins(setting)}
    provisional = _provisional(request.root, reading)
    profile = replace(source.profile, taxonomy_declared=False, provisional=provisional, drafted=drafted)
    defects = (*source.defects, Defect("SEG219", provisional, severity="info"))
    return replace(source, profile=profile, defects=defects)


def _open_ids(request: ReadRequest, pairing: Pairing, config: InstanceIds) -> PerImageSource:
    """Open instance-ID images under a setting."""
    from segdata.formats.shared.instance_id_rules import id_rule  # masks of categories have no need of it

    taxonomy, rule = id_rule(request, config)
    kinds = {category.kind for category in taxonomy.categories}
    task: Task = "panoptic" if kinds >= {"thing", "stuff"} else "instance"
    profile = CategoryNames(taxonomy, request.taxonomy is not None, {}).profile(
        "instance-ids", request.root, task, "sparse", "forbid", places=pairing.places
    )
    read = partial(_read_ids, request.root, rule, config.divisor)
    return PerImageSource(request.root, profile, pairing.entries, pairing.defects, read, request.annotator)


def _read_ids(root: Path, rule: "IdRule", divisor: int | None, entry: ImageEntry) -> list[ImageAnnotation]:
    """The segments of one image: one for each value that is a segment."""
    mask = decode_entry_mask(root, entry)
    runs = ValueRuns.of(mask.pixels)
    meaning = rule(runs, entry.image_id)
    lossy = [Defect("SEG010", f"{mask.lossy} changes values; save ids as PNG or TIFF")] if mask.lossy else []
    if divisor is None and mask.values.dtype == np.uint16 and _are_byte_swapped(runs.value):
        message = (
            f"all {np.count_nonzero(runs.value)} ids are multiples of 256: are the bytes of 16-bit numbers exchanged?"
        )
        lossy.append(Defect("SEG010", message, severity="warning"))
    meaning = msgspec.structs.replace(
        meaning,
        defects=[*lossy, *(_wrapped_ids(mask, divisor, meaning.defects) or meaning.defects)],
        tracked=None if entry.page is None else np.ones(len(runs.value), bool),
    )
    return [meaning.annotation(runs, relative_path(root, entry.files[0]), mask.encoding)]


def _are_byte_swapped(values: Ints) -> bool:
    """Whether all of four ids or more are multiples of 256, which one id in 256 is by chance.

    >>> _are_byte_swapped(np.array([0, 256, 512, 768, 1024])), _are_byte_swapped(np.array([0, 256, 512, 768]))
    (True, False)
    """
    ids = values[values > 0]
    return len(ids) >= 4 and not (ids & 255).any()


def _wrapped_ids(mask: MaskFile, divisor: int | None, unknown: Sequence[Defect]) -> list[Defect]:
    """SEG010 in place of SEG009 for each value, if 8 bits cannot hold category * divisor + number."""
    if not unknown or divisor is None or divisor <= 255 or mask.values.dtype != np.uint8:
        return []
    pixels = sum(defect.pixels or 0 for defect in unknown)
    message = f"8 bits hold no id of {divisor} or more: ids have wrapped, {pixels:,} px mean nothing; save 16 bit"
    return [Defect("SEG010", message, place=unknown[0].place, pixels=pixels)]


def _detect_rule(request: ReadRequest, masks: list[Path]) -> InstanceIds:
    """The only setting that fits: one category in the taxonomy, or one divisor for all values of some masks.

    Raises UnreadableError if there is none, or several.
    """
    taxonomy = request.taxonomy or Taxonomy()
    need = f"{request.root}: no setting gives pixel values a category; write in segdata.yaml"
    named = [category for category in taxonomy.categories if category.kind != "void"]
    if len(named) == 1:
        return InstanceIds(category=named[0].id)
    values = _occurring_values(spread_sample(masks, _TRIED))
    categories = set(taxonomy.by_id()) | {0}
    fits = [
        divisor
        for divisor in _DIVISORS
        if max(values, default=0) >= divisor
        and {value // divisor if value >= divisor else value for value in values} <= categories
    ]
    if len(fits) != 1:
        message = f"divisors {fits} all fit" if fits else "no usual divisor fits"
        raise UnreadableError(f"{need} `instance_ids: {{divisor: 1000}}` ({message} the values and the taxonomy)")
    return InstanceIds(divisor=fits[0])


def write_instance_ids(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write `masks/`, `instances.csv`, `images.csv`, `taxonomy.yaml` and `segdata.yaml` below `target`."""
    from segdata.formats.shared.instance_id_rules import ID_TABLE, IdTableWriter  # seldom needed

    count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    names = table_names(profile.taxonomy)
    with (target / ID_TABLE).open("w", encoding="utf-8", newline="") as file:
        counted = count_losses_of_batches(batches, losses, instance_ids.LOSSES)
        write_index(target, _write_id_files(counted, target, names, IdTableWriter(file, names), losses))
    write_sidecars(target, profile, profile.taxonomy, InstanceIds(table=ID_TABLE))


def _write_id_files(
    batches: Iterable[Batch], target: Path, names: dict[int, str], table: "IdTableWriter", losses: LossCounter
) -> Iterator[tuple[Cell, ...]]:
    """Write the masks and the table; yields the rows of the index."""
    files = MaskPaths()
    for batch in batches:
        for image, numbered in number_segments(batch, names, losses):
            mask = None
            if numbered is not None:
                wide = numbered.pixels.dtype == np.uint32
                mask = files.name(image.image_id, ".tif" if wide else ".png")
                (target / mask).parent.mkdir(parents=True, exist_ok=True)
                if wide:
                    ids = numbered.pixels.astype(np.int32)  # what Pillow saves in 32 bits
                    Image.fromarray(ids).save(target / mask, compression="tiff_adobe_deflate")
                else:
                    Image.fromarray(numbered.pixels).save(target / mask)
                table.add_segments(batch, image.image_id, numbered)
            yield image.index_row(mask)
