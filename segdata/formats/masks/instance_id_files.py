"""Instance-id files: images whose values are ids of segments, read and written.

The writer uses a segment's id as its value if it fits 16 bits and is unique in the image; else the table's `segment_id`
keeps the id.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import LossCounter, ReadRequest
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Ints
from segdata.formats.shared.count_losses import count_segment_mask_losses, count_spatial_losses
from segdata.formats.shared.instance_id_rules import ID_TABLE_COLUMNS, IdRule, id_rule
from segdata.formats.shared.mask_files import MaskFile, ValueRuns, decode_entry_mask, decode_mask
from segdata.formats.shared.painting import (
    ImageSegments,
    MaskPaths,
    are_visible,
    paint,
    pixel_values,
    segment_examples,
    segments_by_image,
)
from segdata.formats.shared.pairing import open_pairing, write_index
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource, relative_path
from segdata.formats.shared.taxonomies import table_names, write_sidecars

_DIVISORS = (1000, 256, 65536)
_TRIED = 16  # masks that are decoded to detect the divisor


def open_instance_ids(request: ReadRequest) -> PerImageSource:
    """Open the dataset; raises UnreadableError if no setting gives values a category."""
    pairing = open_pairing(request)
    masks = [entry.files[0] for entry in pairing.entries if entry.files]
    config = request.config.instance_ids or _detect_rule(request, masks)
    taxonomy, rule = id_rule(request, config)
    kinds = {category.kind for category in taxonomy.categories}
    profile = Profile(
        name=request.root.stem,
        format="instance-ids",
        task="panoptic" if kinds >= {"thing", "stuff"} else "instance",
        taxonomy=taxonomy,
        taxonomy_declared=request.taxonomy is not None,
        coverage=Policy("sparse"),
        overlap=Policy("forbid"),
        files=str(request.root),
        places=pairing.places,
    )
    read = partial(_read_ids, request.root, rule, config.divisor)
    return PerImageSource(request.root, profile, pairing.entries, pairing.defects, read, request.annotator)


def _read_ids(root: Path, rule: IdRule, divisor: int | None, entry: ImageEntry) -> list[ImageAnnotation]:
    """The segments of one image: one for each value that is a segment."""
    path = entry.files[0]
    mask = decode_entry_mask(root, entry)
    runs = ValueRuns.of(mask.pixels)
    meaning = rule(runs, entry.image_id)
    kept = np.flatnonzero(meaning.kept)
    owner = np.full(len(runs.value), -1, np.int32)
    owner[kept] = np.arange(len(kept), dtype=np.int32)
    annotation = ImageAnnotation(
        size=(runs.height, runs.width),
        encoding=mask.encoding,
        segment_id=meaning.segment_id[kept],
        category_id=meaning.category_id[kept],
        runs=runs.assign_owners(owner, len(kept)),
        columns={
            "file": [relative_path(root, path)] * len(kept),
            "place": [f"value {value}" for value in runs.value[kept].tolist()],
            "iscrowd": meaning.iscrowd[kept].tolist(),
            "track_id": [] if entry.page is None else meaning.segment_id[kept].tolist(),
        },
        defects=[*_lossy(mask), *(_wrapped(mask, divisor, meaning.defects) or meaning.defects)],
    )
    return [annotation]


def _lossy(mask: MaskFile) -> list[Defect]:
    return [Defect("SEG010", f"{mask.lossy} changes values; save ids as PNG or TIFF")] if mask.lossy else []


def _wrapped(mask: MaskFile, divisor: int | None, unknown: Sequence[Defect]) -> list[Defect]:
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
    taxonomy = request.taxonomy
    need = f"{request.root}: no setting gives pixel values a category; write in segdata.yaml"
    if taxonomy is None:
        raise UnreadableError(
            f"{need} `instance_ids: {{category: nucleus}}`, or {{divisor: 1000}} with a taxonomy.yaml"
        )
    named = [category for category in taxonomy.categories if category.kind != "void"]
    if len(named) == 1:
        return InstanceIds(category=named[0].id)
    values: set[int] = set()
    for path in masks[:: max(1, len(masks) // _TRIED)][:_TRIED]:
        with suppress(OSError):
            values |= set(np.unique(decode_mask(path).values).tolist())
    categories = set(taxonomy.by_id()) | {0}
    fits = [
        divisor
        for divisor in _DIVISORS
        if max(values, default=0) >= divisor and {_class(v, divisor) for v in values} <= categories
    ]
    if len(fits) != 1:
        message = f"divisors {fits} all fit" if fits else "no usual divisor fits"
        raise UnreadableError(f"{need} `instance_ids: {{divisor: 1000}}` ({message} the values and the taxonomy)")
    return InstanceIds(divisor=fits[0])


def _class(value: int, divisor: int) -> int:
    return value // divisor if value >= divisor else value


TABLE = "instances.csv"
_MOST_16 = 2**16 - 1


def write_instance_ids(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write `masks/`, `instances.csv`, `images.csv`, `taxonomy.yaml` and `segdata.yaml` below `target`."""
    count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    names = table_names(profile.taxonomy)
    with (target / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(ID_TABLE_COLUMNS)
        write_index(target, _write_id_files(batches, target, names, table, losses))
    write_sidecars(target, profile, profile.taxonomy, InstanceIds(table=TABLE))


def _write_id_files(
    batches: Iterable[Batch],
    target: Path,
    names: dict[int, str],
    table: Any,  # csv has no name for its writer's type
    losses: LossCounter,
) -> Iterator[tuple[str, str | None, int, int, str | None]]:
    """Write the masks and the table; yields the rows of the index."""
    files = MaskPaths()
    for batch in batches:
        categories = batch.segments["category_id"].to_numpy()
        is_known = np.array([column in names for column in categories.tolist()], bool)
        count_segment_mask_losses(batch, is_known, losses)
        ids = batch.segments["segment_id"].fill_null(0).to_numpy()
        crowds = batch.segments["iscrowd"].fill_null(False).to_numpy(zero_copy_only=False)
        for image in segments_by_image(batch):
            if not image.annotated:
                yield image.image_id, None, image.width, image.height, image.uri
                continue
            areas = image.runs.areas(len(image.segments))
            kept = np.flatnonzero(is_known[image.segments] & (areas > 0))
            image = image.only(kept)
            rows = image.segments
            values = pixel_values(ids[rows])
            name, visible = _save(image, values, target, files)
            losses.add("empty-segment", "segments", int((~visible).sum()), 0, segment_examples(batch, rows[~visible]))
            table.writerows(
                (image.image_id, value, names[category], "" if value == identity else identity, int(crowd))
                for value, category, identity, crowd in zip(
                    *(column[visible].tolist() for column in (values, categories[rows], ids[rows], crowds[rows])),
                    strict=True,
                )
            )
            yield image.image_id, name, image.width, image.height, image.uri


def _save(image: ImageSegments, values: Ints, target: Path, files: MaskPaths) -> tuple[str, NDArray[np.bool_]]:
    """Write one mask; returns its path below the target, and which segments are visible in it."""
    wide = bool(len(values)) and int(values.max()) > _MOST_16
    name = files.name(image.image_id, ".tif" if wide else ".png")
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if wide:
        ids = paint(image, values, 0, np.int32)
        Image.fromarray(ids).save(path, compression="tiff_adobe_deflate")
        return name, are_visible(values, ids)
    pixels = paint(image, values, 0, np.uint16)
    Image.fromarray(pixels).save(path)
    return name, are_visible(values, pixels)
