"""Read and write instance-ID images: one file per image, whose values are ids of segments."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.profile import Profile, Task
from segdata.core.runs import Ints
from segdata.core.safe_text import shell_word
from segdata.core.taxonomy import Taxonomy
from segdata.formats.masks import instance_ids
from segdata.formats.shared.file_names import spread_sample
from segdata.formats.shared.image_index import Cell, write_index
from segdata.formats.shared.mask_files import (
    MaskFile,
    ValueRuns,
    decode_entry_mask,
    occurring_values,
    refuse_unreadable,
)
from segdata.formats.shared.pairing import Pairing, open_pairing
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource, relative_path
from segdata.formats.shared.taxonomies import CategoryNames, table_names, write_sidecars
from segdata.formats.shared.writing import MaskPaths, count_losses_of_batches, count_spatial_losses, number_segments

if TYPE_CHECKING:
    from segdata.formats.masks.mask_values import ValueCounts
    from segdata.formats.shared.instance_id_rules import IdRule, IdTableWriter

_DIVISORS = (1000, 256, 65536)
_N_SAMPLED = 16  # masks decoded to detect the divisor


def open_instance_ids(request: ReadRequest) -> PerImageSource:
    """Open the dataset; raises UnreadableError if a taxonomy is given and no setting fits it."""
    pairing = open_pairing(request)
    masks = [entry.files[0] for entry in pairing.entries if entry.files]
    config = request.config.instance_ids
    usable = config is None or ((config.divisor or 0) > 0 and config.category is None and config.table is None)
    if usable and request.taxonomy is None:
        from segdata.formats.masks.mask_values import count_values  # seldom needed

        return open_provisional_ids(request, pairing, count_values(masks), config)
    return _open_ids(request, pairing, config or _detect_rule(request, masks))


def open_provisional_ids(
    request: ReadRequest, pairing: Pairing, counts: "ValueCounts", given: InstanceIds | None = None
) -> PerImageSource:
    """Open instance-ID images under the setting inferred from their values, or a given one with a divisor."""
    from segdata.formats.masks.provisional import propose_id_rule  # seldom needed

    setting, taxonomy, reading = propose_id_rule(counts, given)
    source = _open_ids(replace(request, taxonomy=taxonomy), pairing, setting)
    drafted = {"instance_ids": msgspec.to_builtins(setting)}
    provisional = provisional_reading(request.root, reading)
    profile = replace(source.profile, taxonomy_declared=False, provisional=provisional, drafted=drafted)
    defects = (*source.defects, Defect("SEG219", provisional, severity="info"))
    return replace(source, profile=profile, defects=defects)


def provisional_reading(root: Path, reading: str, other: str = "") -> str:
    """The sentence that says how values are read without a taxonomy, and what to do."""
    remedy = f"`segdata init {shell_word(root)}` writes this down for you to correct"
    return f"no taxonomy: {reading}; {remedy}{f' ({other})' if other else ''}"


def _open_ids(request: ReadRequest, pairing: Pairing, config: InstanceIds) -> PerImageSource:
    """Open instance-ID images under a setting."""
    from segdata.formats.shared.instance_id_rules import id_rule  # not needed for masks of categories

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
    """Whether there are four ids or more and all are multiples of 256, as after a byte swap.

    >>> _are_byte_swapped(np.array([0, 256, 512, 768, 1024])), _are_byte_swapped(np.array([0, 256, 512, 768]))
    (True, False)
    """
    ids = values[values > 0]
    return len(ids) >= 4 and not (ids & 255).any()


def _wrapped_ids(mask: MaskFile, divisor: int | None, unknown: Sequence[Defect]) -> list[Defect]:
    """One SEG010 instead of many SEG009 if 8 bits cannot hold category * divisor + number."""
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
    values = occurring_values(spread_sample(masks, _N_SAMPLED))
    if masks and not values:
        refuse_unreadable(request.root, masks)
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
                    ids = numbered.pixels.astype(np.int32)  # Pillow's type of 32 bits
                    Image.fromarray(ids).save(target / mask, compression="tiff_adobe_deflate")
                else:
                    Image.fromarray(numbered.pixels).save(target / mask)
                table.add_segments(batch, image.image_id, numbered)
            yield image.index_row(mask)
