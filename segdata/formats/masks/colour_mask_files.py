"""Read and write colour masks and index masks: one file per image, whose values are categories."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.config import Coverage
from segdata.core.errors import SegdataError, UnreadableError, count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import with_folder
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints
from segdata.core.taxonomy import Taxonomy
from segdata.formats.masks import colour_masks, most_of
from segdata.formats.masks.instance_id_files import open_provisional_ids, provisional_reading
from segdata.formats.shared import writing
from segdata.formats.shared.colour_tables import find_taxonomy, load_preset, outside_preset, preset_from_names
from segdata.formats.shared.file_names import spread_sample
from segdata.formats.shared.image_index import Cell, write_index
from segdata.formats.shared.mask_files import (
    UNKNOWN,
    Legend,
    MaskFile,
    ValueRuns,
    category_annotation,
    colour_legend,
    decode_entry_mask,
    index_legend,
    mask_headers,
    occurring_values,
    refuse_unreadable,
    unknown_value_defects,
    value_place,
)
from segdata.formats.shared.pairing import Pairing, open_pairing
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames, write_sidecars
from segdata.formats.shared.writing import MaskPalette, mask_palette

if TYPE_CHECKING:
    from segdata.formats.masks.mask_values import SmoothedReading

_N_HEADERS = 64  # masks whose headers are read before any is decoded
_MAX_SMOOTHED = 0.1  # share of grey pixels in the foreground; with more, the threshold decides its shape
_MAX_DISTANCE = 16  # of greys from black or white, to which they belong for any threshold
_MIN_SOFT = 2  # grey pixels for each white one; smoothing greys outlines alone
_SOFT_SIDE = 8  # pixels of squares that are all grey: more than the width of smoothed outlines
_MIN_SOFT_SHARE = 0.25  # of the grey pixels in such squares: 0.8 in maps of saliency, 0 in smoothed masks
_MAX_TINGE = 32  # difference of channels in black and white after compression
_N_DECODED = 4  # masks decoded to see whether values are ids, or come from smoothing
_MAX_UNCOUNTED = 0.01  # share of the pixels of a mask that the nearest level may explain
_MAX_UNKNOWN_VALUES = 8  # beyond the taxonomy; more come from smoothing


class MaskReading(msgspec.Struct, frozen=True):
    """The reading of a dataset's masks, decided once for all of them."""

    taxonomy: Taxonomy
    colours: Legend  # for masks that store colours
    # meaning of palette indices: the index, the colour shown, or that colour if the taxonomy has it
    palettes: Literal["ids", "colours", "known colours"] = "ids"
    legend: Legend | None = None  # of all values, if most come from compression or smoothing
    guess: Literal["ids", "colours"] | None = None  # the encoding of most masks, if the taxonomy is inferred
    nearest: bool = False  # whether the user declared that masks are smoothed or compressed, so that this is no error

    def read(self, stored: MaskFile, file: str) -> ImageAnnotation:
        """The segments of a decoded mask named `file`; raises BrokenLabelsError if the reading does not cover it."""
        mask = self._as_meant(stored)
        kind = "colours" if mask.coloured else "ids"
        if self.guess not in (None, kind) and not (mask.coloured and _is_named(mask, self.colours)):
            message = f"the mask is {mask.encoding}, most others hold {self.guess}: without a taxonomy it means nothing"
            raise BrokenLabelsError(Defect("SEG009", message, file, severity="warning", lost=True))
        if self.legend is not None:
            runs = ValueRuns.of(mask.pixels)
            meaning = self._with_nearest(runs, self.legend.read(runs.value), mask.coloured)
            if (meaning != UNKNOWN).all():
                return category_annotation(
                    runs, meaning, file, mask.encoding, [], partial(value_place, coloured=mask.coloured)
                )
        if self.guess is None:
            annotation = read_mask(mask, self.taxonomy, self.colours, file)
            known = [defect for defect in annotation.defects if defect.code == "SEG010" and self.nearest]
            others = [defect for defect in annotation.defects if defect not in known]
            return replace(annotation, defects=[*others, *_soften(known)])
        other = _other_binary(mask, self.taxonomy)
        if other is None:
            annotation = read_mask(mask, self.taxonomy, self.colours, file, guessed=True)
            return replace(annotation, defects=_soften(annotation.defects))
        mask = msgspec.structs.replace(mask, pixels=other[0])
        return replace(read_mask(mask, self.taxonomy, self.colours, file), defects=[other[1]])

    def _with_nearest(self, runs: ValueRuns, meaning: Ints, coloured: bool) -> Ints:
        """The categories (k,) of values; of few pixels of values that no counted mask has, that of the nearest level.

        Of many masks not all are counted, and smoothing leaves other values in each.
        """
        unknown = meaning == UNKNOWN
        levels = self.colours if coloured else index_legend(self.taxonomy, None)
        is_much = runs.area[unknown].sum() > _MAX_UNCOUNTED * runs.area.sum()
        if not unknown.any() or is_much or len(levels.value) == 0:
            return meaning
        channels = [np.stack([values >> shift & 255 for shift in (0, 8, 16)]) for values in (runs.value, levels.value)]
        distance = np.abs(channels[0][:, unknown, None] - channels[1][:, None]).max(axis=0)
        read = meaning.copy()
        read[unknown] = levels.category[distance.argmin(axis=1)]
        return read

    def _as_meant(self, stored: MaskFile) -> MaskFile:
        """The mask with the values that carry the meaning: ids, colours, or palette colours."""
        mask = stored.as_grey() if self.guess == "ids" else stored
        if self.palettes == "ids" or mask.palette is None:
            return mask
        shown = mask.as_shown()
        return shown if self.palettes == "colours" or _is_named(shown, self.colours) else mask


class MaskSample:
    """A sample of a dataset's masks: headers, and the values of a few, decoded once."""

    def __init__(self, masks: Sequence[Path]) -> None:
        self.masks = masks  # all masks
        headers = ((path, next(iter(mask_headers([path])), None)) for path in spread_sample(masks, _N_HEADERS))
        self.header_of = {path: head for path, head in headers if head is not None}
        self.heads = tuple(self.header_of.values())

    @property
    def palettes(self) -> dict[bytes, Path]:
        """Each palette, and the first mask that has it."""
        paths: dict[bytes, Path] = {}
        for path, head in self.header_of.items():
            if head.palette is not None:
                paths.setdefault(head.palette.tobytes(), path)
        return paths

    @property
    def palette_encoding(self) -> Literal["ids", "known colours"]:
        """The meaning of palette indices, given the encoding of the other masks."""
        return "known colours" if most_of(self.heads, lambda head: head.has_colors) else "ids"

    @cached_property
    def values(self) -> set[int]:
        """The distinct values of a few masks."""
        return occurring_values(spread_sample(self.masks, _N_DECODED))


def open_colour_masks(request: ReadRequest) -> PerImageSource:
    """Open the dataset, without a taxonomy under a provisional one; raises UnreadableError if none can be inferred."""
    pairing = open_pairing(request)
    masks = [entry.files[0] for entry in pairing.entries if entry.files]
    sample = MaskSample(masks)
    taxonomy = _given_taxonomy(request, sample)
    if taxonomy is None:
        return _open_provisional(request, pairing, sample)
    reading, doubts = _declared_reading(request, sample, taxonomy)
    # A tool's table or a preset with a colour for "unlabelled" leaves pixels out on purpose.
    sparse = request.taxonomy is None and taxonomy.unlabelled is not None
    profile = _profile(request, pairing, CategoryNames(taxonomy, True, {}), sparse)
    return _source(request, pairing, profile, reading, [*_odd_names(request, pairing, masks), *doubts])


def _profile(request: ReadRequest, pairing: Pairing, names: CategoryNames, sparse: bool) -> Profile:
    coverage: Coverage = "sparse" if sparse else "exhaustive"
    opened = names.profile("colour-masks", request.root, "semantic", coverage, "forbid", places=pairing.places)
    return replace(opened, drafted={"coverage": coverage} if sparse else {})


def _open_provisional(request: ReadRequest, pairing: Pairing, sample: MaskSample) -> PerImageSource:
    """Open masks under a taxonomy that their values suggest; raises UnreadableError if they suggest none."""
    from segdata.formats.masks.mask_values import count_values  # these two are seldom needed
    from segdata.formats.masks.provisional import are_ids, propose_taxonomy

    root, masks = request.root, sample.masks
    counts = count_values(masks)
    if masks and not counts.masks:
        refuse_unreadable(root, masks)
    if are_ids(counts):
        return open_provisional_ids(request, pairing, counts)
    try:
        proposed = propose_taxonomy(counts)
    except UnreadableError as error:
        raise UnreadableError(f"{root}: {error}") from error
    guess = provisional_reading(root, proposed.reading, "for ids of instances: --from instance-ids")
    doubts = [*proposed.defects, Defect("SEG219", guess, severity="info")]
    if proposed.sparse and all(path.stem.endswith("_masks") for path in masks):
        message = (
            "the masks are called as cellpose's (…_masks), and hold one value, so that all cells of an image are "
            "one object; give each cell a number of its own, from 1, before you train on them"
        )
        doubts.append(Defect("SEG219", message, severity="warning", lost=False))
    palettes = "colours" if proposed.by_palette else sample.palette_encoding
    doubts += _reordered_palettes(root, sample) if palettes == "ids" else []
    reading = MaskReading(
        proposed.taxonomy,
        colour_legend(proposed.taxonomy),
        palettes,
        proposed.legend,
        "colours" if counts.has_colors or proposed.by_palette else "ids",
    )
    profile = _profile(request, pairing, CategoryNames(proposed.taxonomy, False, {}), proposed.sparse)
    drafted = dict(profile.drafted)
    if proposed.legend is not None or (proposed.sparse and len(counts.value) > 2):  # levels, and values between them
        drafted["options"] = {"smoothed": "nearest"}
    return _source(request, pairing, replace(profile, provisional=guess, drafted=drafted), reading, doubts)


def _declared_reading(
    request: ReadRequest, sample: MaskSample, taxonomy: Taxonomy
) -> tuple[MaskReading, Sequence[Defect]]:
    """The reading of masks under a declared taxonomy, and contradictions; raises UnreadableError if it cannot apply."""
    colours = colour_legend(taxonomy)
    palettes = "colours" if _are_read_by_palette(sample, taxonomy) else sample.palette_encoding
    doubts = _contradicting_palettes(request.root, sample, taxonomy) if palettes == "ids" else []
    doubts = doubts or (_reordered_palettes(request.root, sample) if palettes == "ids" else [])
    wanted = _is_nearest_wanted(request)
    smoothed = _read_smoothed(sample, taxonomy, wanted=wanted)
    if smoothed is not None:
        return MaskReading(taxonomy, colours, palettes, smoothed.legend, nearest=wanted), [smoothed.defect, *doubts]
    _must_be_ids(request, sample, taxonomy)
    return MaskReading(taxonomy, colours, palettes, nearest=wanted), doubts


def _source(
    request: ReadRequest, pairing: Pairing, profile: Profile, reading: MaskReading, doubts: Sequence[Defect]
) -> PerImageSource:
    """The source of a dataset."""

    def read(entry: ImageEntry) -> list[ImageAnnotation]:
        return [reading.read(decode_entry_mask(request.root, entry), relative_path(request.root, entry.files[0]))]

    defects = (*pairing.defects, *doubts)
    return PerImageSource(request.root, profile, pairing.entries, defects, read, request.annotator)


def _other_binary(mask: MaskFile, taxonomy: Taxonomy) -> tuple[NDArray[np.generic], Defect] | None:
    """A mask of 0 and another white (1, 255 or 65535) than the others', converted to theirs; None for others."""
    ids = list(taxonomy.by_id())
    if mask.coloured or mask.lossy or len(ids) != 1 or taxonomy.unlabelled_id != 0:
        return None
    values, level, top = mask.values, ids[0], int(mask.values.max(initial=0))
    bits, own = _bits_of_white(top), _bits_of_white(level)
    if bits in (0, own) or own == 0:
        return None
    white = 1 if bits == 1 else 1 << (bits - 1)  # the least value that is nearer to it than to black
    is_foreground = values >= white
    if level == 1 and (values == 1).sum() >= is_foreground.sum():
        return None
    stored = "0 and 1" if top == 1 else f"values up to {top}"
    read = f"read as foreground from {white} on" if top > 1 else "read as binary, too"
    message = f"the mask holds {stored}, the others 0 and {level}: {read}; save it as the others are"
    kind = np.uint16 if own > 8 else np.uint8
    return np.where(is_foreground, level, 0).astype(kind), Defect("SEG010", message, severity="warning")


def _bits_of_white(value: int) -> int:
    """The bits of masks in which a value is white: 1 alone, 128 to 255, or 65535; 0 for others."""
    return 1 if value == 1 else 8 if 128 <= value <= 255 else 16 if value == 0xFFFF else 0


def _soften(defects: Sequence[Defect]) -> list[Defect]:
    """The defects of a mask under a provisional taxonomy, without errors; an unknown value is in this mask alone."""
    return [
        replace(
            defect,
            message=defect.message.replace("is not in the taxonomy:", "is in no other mask, probably by mistake:"),
            severity="info" if defect.severity == "info" else "warning",
        )
        for defect in defects
    ]


def read_mask(
    mask: MaskFile, taxonomy: Taxonomy, colours: Legend, file: str, *, guessed: bool = False
) -> ImageAnnotation:
    """The segments of a decoded mask, one for each category; `colours` is the taxonomy's colour legend.

    `file` is the name of the mask in columns and defects. `guessed`: nobody declared the taxonomy, so that a soft mask
    breaks no promise.
    """
    runs = ValueRuns.of(mask.pixels)
    meaning = (colours if mask.coloured else index_legend(taxonomy, mask.palette)).read(runs.value)
    if mask.coloured and (meaning == UNKNOWN).any():
        meaning = _ids_of_greys(runs.value, taxonomy, meaning)
    smoothed = _cut_smoothed(mask, runs, meaning, taxonomy, colours, guessed) if (meaning == UNKNOWN).any() else None
    defects = [smoothed] if smoothed else []
    if (mask.lossy and smoothed is None) or (meaning == UNKNOWN).any():
        defects += unknown_value_defects(mask, runs, meaning, taxonomy)
    place = partial(value_place, coloured=mask.coloured)
    return category_annotation(runs, meaning, file, mask.encoding, defects, place)


def _ids_of_greys(value: Ints, taxonomy: Taxonomy, meaning: Ints) -> Ints:
    """The categories of colours (n,) whose three channels are one id, as OpenCV writes grey masks; else `meaning`."""
    grey = value & 255
    ids = index_legend(taxonomy, None).read(grey)
    return ids if (value == grey * 0x010101).all() and (ids != UNKNOWN).all() else meaning


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


def _cut_smoothed(
    mask: MaskFile, runs: ValueRuns, meaning: Ints, taxonomy: Taxonomy, colours: Legend, guessed: bool
) -> Defect | None:
    """Assign values between the levels of a binary mask to the nearer one, in place; returns SEG010."""
    if mask.palette is not None:
        return None
    if mask.coloured:
        level, legend = _binary_colour(taxonomy), colours
        channels = np.stack([runs.value >> shift & 255 for shift in (0, 8, 16)])
        value, is_grey = channels.sum(axis=0) // 3, np.ptp(channels, axis=0) <= _MAX_TINGE
    else:
        level, legend, value, is_grey = binary_value(taxonomy), index_legend(taxonomy, None), runs.value, True
    top = 255 if guessed and (level or 0) <= 255 else level  # of two whites, one was guessed
    between = (meaning == UNKNOWN) & (value >= 0) & (value <= (top or 0)) & is_grey
    if level is None or not between.any():
        return None
    half = (level + 1) // 2
    levels = np.array([0, level], np.int64)
    black, white = legend.read(levels * 0x010101 if mask.coloured else levels).tolist()
    meaning[between] = np.where(value[between] < half, black, white)
    pixels, (x, y) = int(runs.area[between].sum()), runs.first_pixel(int(np.flatnonzero(between)[0]))
    far = between & (value > _MAX_DISTANCE) & (np.abs(value - level) > _MAX_DISTANCE)
    n_white, n_far = int(runs.area[value >= half].sum()), int(runs.area[far].sum())
    doubtful = mask.lossy is not None or n_far > _MAX_SMOOTHED * n_white
    severity: Severity = "error" if doubtful else "warning"
    relation = "between" if value[between].max() < level else "beside"
    values = (
        f"{count_noun(int(between.sum()), 'value')} {relation} 0 and {level} in a binary mask ({pixels:,} px; cut at "
    )
    reason = "it was smoothed, resized or compressed; save it with two values"
    if mask.lossy:
        reason = f"{mask.lossy} changed it; save it as PNG, with two values"
    elif guessed and _is_soft(mask, runs, far, value >= level - _MAX_DISTANCE):
        severity = "info"
        reason = "the greys fill areas, as in a map of saliency or confidence; masks of segments cannot hold them"
    elif guessed and n_far == 0:
        severity, reason = "info", "all are next to black or white, so that any threshold reads them alike"
    return Defect("SEG010", f"{values}{half}): {reason}", place=f"x={x}, y={y}", pixels=pixels, severity=severity)


def _is_soft(mask: MaskFile, runs: ValueRuns, far: Flags, white: Flags) -> bool:
    """Whether the greys of a mask are drawn; the values (k,) that are `far` from black and white, and those near white.

    Drawn greys are more than white pixels, and fill squares.
    """
    if runs.area[far].sum() <= _MIN_SOFT * runs.area[white].sum():
        return False
    is_far = np.isin(mask.values, runs.value[far])
    height, width = (side // _SOFT_SIDE for side in is_far.shape)
    squares = is_far[: height * _SOFT_SIDE, : width * _SOFT_SIDE].reshape(height, _SOFT_SIDE, width, _SOFT_SIDE)
    n_inside = np.count_nonzero(squares.all(axis=(1, 3))) * _SOFT_SIDE**2
    return bool(n_inside > _MIN_SOFT_SHARE * np.count_nonzero(is_far))


def _given_taxonomy(request: ReadRequest, sample: MaskSample) -> Taxonomy | None:
    """The user's taxonomy, else the colour table's, else the preset that names imply; None if there is none."""
    named = find_taxonomy(request.root, sample.masks)
    taxonomy = _with_colors(request.taxonomy, named) if request.taxonomy and named else request.taxonomy or named
    taxonomy = _preset(request, sample, taxonomy)
    coloured = bool(sample.heads) and all(head.has_colors for head in sample.heads)
    if taxonomy is not None and coloured and not taxonomy.by_color():
        encoding = sample.heads[0].encoding
        raise UnreadableError(f"{request.root}: the masks are {encoding}, and no category of the taxonomy has a color")
    return taxonomy


def _preset(request: ReadRequest, sample: MaskSample, taxonomy: Taxonomy | None) -> Taxonomy | None:
    """The preset that the user names, else the taxonomy beside the masks, else the preset that their names imply."""
    option = request.options.get("preset")
    if option is not None:
        if taxonomy is not None:
            raise SegdataError(
                f"{request.root}: there are a taxonomy or colour table and the preset {option!r}; give one of them"
            )
        return load_preset(str(option))
    if taxonomy is not None or sample.palettes:
        return taxonomy
    coloured = bool(sample.heads) and all(head.has_colors for head in sample.heads)
    name = preset_from_names(sample.masks, coloured)
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
    """Whether a legend has all values of a mask."""
    return bool((colours.read(np.array(list(mask.distinct_values()), np.int64)) != UNKNOWN).all())


def _are_read_by_palette(sample: MaskSample, taxonomy: Taxonomy) -> bool:
    """Whether palette colours carry the meaning: palettes differ, and most indices are no ids of the taxonomy."""
    if len(sample.palettes) < 2 or not taxonomy.by_color():
        return False
    return 2 * len(sample.values - set(index_legend(taxonomy, None).value.tolist())) >= len(sample.values)


def _is_nearest_wanted(request: ReadRequest) -> bool:
    """Whether the option `smoothed` assigns values beyond the taxonomy to the nearest of its values."""
    if request.options.get("smoothed") not in (None, "nearest"):
        raise SegdataError(f"smoothed must be nearest, it is {request.options['smoothed']!r}")
    return "smoothed" in request.options


def _read_smoothed(sample: MaskSample, taxonomy: Taxonomy, *, wanted: bool) -> "SmoothedReading | None":
    """The reading of compressed or smoothed masks under a taxonomy of three or more values; else None."""
    if binary_value(taxonomy) is not None or _binary_colour(taxonomy) is not None:
        return None  # each mask has its own threshold
    known = {*colour_legend(taxonomy).value.tolist(), *index_legend(taxonomy, None).value.tolist()}
    if not wanted and len(sample.values - known) <= _MAX_UNKNOWN_VALUES:
        return None
    from segdata.formats.masks.mask_values import (
        count_values,
        read_smoothed,  # these two are seldom needed
    )

    return read_smoothed(count_values(sample.masks), taxonomy, wanted)


def _must_be_ids(request: ReadRequest, sample: MaskSample, taxonomy: Taxonomy) -> None:
    """Raise UnreadableError if most values of grey masks are no ids, so that they are no index masks."""
    heads = sample.heads
    is_certain = request.explicit or any(head.has_colors or head.palette is not None for head in heads)
    if is_certain or not heads or binary_value(taxonomy) is not None:
        return  # values between black and white come from smoothing
    unknown = sorted(sample.values - set(index_legend(taxonomy, None).value.tolist()))
    if unknown and 2 * len(unknown) >= len(sample.values):
        listed = ", ".join(map(str, unknown[:5])) + (", …" if len(unknown) > 5 else "")
        raise UnreadableError(
            f"{request.root}: grey masks whose values ({listed}) are not ids of the taxonomy: choose with --from "
            "instance-ids or layers, or correct the ids in taxonomy.yaml"
        )


def _contradicting_palettes(root: Path, sample: MaskSample, taxonomy: Taxonomy) -> list[Defect]:
    """SEG202 for each palette that shows a category in the colour of another one in the taxonomy."""
    by_color, by_id = taxonomy.by_color(), taxonomy.by_id()
    defects = []
    for palette, path in sample.palettes.items():
        colors = np.frombuffer(palette, np.uint8).reshape(-1, 3).tolist()
        wrong = [
            f"{index} is {by_id[index].name!r}, its colour that of {by_color[color].name!r}"
            for index, color in enumerate(map(tuple, colors))
            if index in by_id and by_id[index].rgb != color and color in by_color and by_color[color].id != index
        ]
        if wrong:
            message = f"the palette contradicts the taxonomy: {'; '.join(wrong[:3])} ({len(wrong)} in all)"
            defects.append(Defect("SEG202", message, relative_path(root, path)))
    return defects


def _odd_names(request: ReadRequest, pairing: Pairing, masks: list[Path]) -> list[Defect]:
    """SEG011 for each mask whose name does not belong to the known dataset that the other names imply."""
    reported = {defect.file for defect in pairing.defects if defect.code == "SEG011"}
    odd = [relative_path(request.root, path) for path in outside_preset(masks)]
    message = "the name is none of this dataset's, unlike those of the other masks; read as one of them"
    return [Defect("SEG011", message, file) for file in odd if file not in reported]


_NO_VALUE = 2**32 - 1  # neither an index nor a packed colour


def write_colour_masks(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, layout: str = "flat"
) -> None:
    """Write a dataset as masks; the segments of a category in an image become one.

    Raises SegdataError if the category ids fit neither 8 bits nor colours, and for an unknown layout.
    """
    from segdata.formats.masks.training_layouts import write_training_masks  # seldom needed

    counted = writing.count_losses_of_batches(batches, losses, colour_masks.LOSSES)
    if layout == "flat":
        _write_flat_masks(profile, counted, target, losses)
    else:
        write_training_masks(profile, counted, target, losses, layout)


def _write_flat_masks(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write `masks/`, `images.csv` and `taxonomy.yaml` below `target`: pixels are kept, instances are not."""
    palette = mask_palette(profile.taxonomy)
    writing.count_spatial_losses(profile, losses)
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
    names = writing.MaskPaths()
    for batch in batches:
        values = palette.values(batch.segment_category)
        writing.count_category_mask_losses(batch, values, losses, palette.blank)
        for image in writing.segments_by_image(batch):
            mask = None
            if image.annotated:
                mask = names.name(image.image_id)
                pixels = _paint(image, values[image.segments], palette)
                blank_used.append(palette.blank is not None and bool((pixels == palette.blank).any()))
                writing.count_hidden_segments(batch, image, values[image.segments], pixels, losses)
                palette.picture(pixels).save(with_folder(target / mask))
            yield image.index_row(mask)


def _paint(image: writing.ImageSegments, values: Ints, palette: MaskPalette) -> NDArray[np.uint32]:
    """The values of one mask, without segments of unknown categories."""
    pixels = writing.paint(image, values, _NO_VALUE if palette.blank is None else palette.blank, np.uint32)
    if palette.blank is None and bool((pixels == _NO_VALUE).any()):
        raise SegdataError(
            f"image {image.image_id!r}: all ids from 0 to 255 are categories, none is left for unlabelled"
        )
    return pixels


def _reordered_palettes(root: Path, sample: MaskSample) -> list[Defect]:
    """SEG202 if a palette has the colours of another one in another order, so that an index means two things."""
    places: list[tuple[dict[tuple[int, ...], int], Path]] = []  # the index of each colour that a mask may show
    for palette, path in sample.palettes.items():
        colors = [tuple(color) for color in np.frombuffer(palette, np.uint8).reshape(-1, 3).tolist()]
        used = sorted(value for value in sample.values if 0 <= value < len(colors))
        places.append(({colors[index]: index for index in reversed(used)}, path))
    for index_of, path in places[1:]:
        first_index_of, first_path = places[0]
        shared = sorted(index_of.keys() & first_index_of.keys(), key=lambda color: first_index_of[color])
        moved = [color for color in shared if index_of[color] != first_index_of[color]]
        if len(moved) >= 2 and 2 * len(moved) >= len(shared):
            color, file = moved[0], relative_path(root, path)
            message = (
                f"the palette has the colours of {first_path.name} in another order: {color} is index "
                f"{index_of[color]} here and {first_index_of[color]} there ({count_noun(len(moved), 'such colour')}). "
                "The masks are read by index; if the colours carry the meaning, give a taxonomy of colours"
            )
            return [Defect("SEG202", message, file, lost=False)]
    return []
