"""Instance reader: images whose values are ids of segments."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from segdata.core.config import InstanceIds
from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError
from segdata.core.format import Request
from segdata.core.profile import Policy, Profile
from segdata.formats.shared.instance_id_rules import IdRule, id_rule
from segdata.formats.shared.mask_files import MaskFile, ValueRuns, decode_entry_mask, decode_mask
from segdata.formats.shared.pairing import open_pairing
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource, relative_path

_DIVISORS = (1000, 256, 65536)
_TRIED = 16  # masks that are decoded to detect the divisor


def open_instance_ids(request: Request) -> PerImageSource:
    """The dataset; raises UnreadableError where nothing tells the category of a value."""
    pairing = open_pairing(request)
    masks = [entry.files[0] for entry in pairing.entries if entry.files]
    config = request.config.instance_ids or _detected(request, masks)
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
    found = partial(_look, request.root, rule, config.divisor)
    return PerImageSource(request.root, profile, pairing.entries, pairing.defects, found, request.annotator)


def _look(root: Path, rule: IdRule, divisor: int | None, entry: ImageEntry) -> list[ImageAnnotation]:
    """What one image holds: a segment for each value that means one."""
    path = entry.files[0]
    mask = decode_entry_mask(root, entry)
    runs = ValueRuns.of(mask.pixels)
    meaning = rule(runs, entry.image_id)
    kept = np.flatnonzero(meaning.kept)
    owner = np.full(len(runs.value), -1, np.int32)
    owner[kept] = np.arange(len(kept), dtype=np.int32)
    found = ImageAnnotation(
        size=(runs.height, runs.width),
        encoding=mask.encoding,
        segment_id=meaning.segment_id[kept],
        category_id=meaning.category_id[kept],
        runs=runs.owned(owner, len(kept)),
        columns={
            "file": [relative_path(root, path)] * len(kept),
            "place": [f"value {value}" for value in runs.value[kept].tolist()],
            "iscrowd": meaning.iscrowd[kept].tolist(),
            "track_id": [] if entry.page is None else meaning.segment_id[kept].tolist(),
        },
        defects=[*_lossy(mask), *(_wrapped(mask, divisor, meaning.defects) or meaning.defects)],
    )
    return [found]


def _lossy(mask: MaskFile) -> list[Defect]:
    return [Defect("SEG010", f"{mask.lossy} changes values; save ids as PNG or TIFF")] if mask.lossy else []


def _wrapped(mask: MaskFile, divisor: int | None, unknown: Sequence[Defect]) -> list[Defect]:
    """SEG010 in place of the values without a category, where 8 bits cannot hold category * divisor + number."""
    if not unknown or divisor is None or divisor <= 255 or mask.values.dtype != np.uint8:
        return []
    pixels = sum(defect.pixels or 0 for defect in unknown)
    message = f"8 bits hold no id of {divisor} or more: ids have wrapped, {pixels:,} px mean nothing; save 16 bit"
    return [Defect("SEG010", message, place=unknown[0].place, pixels=pixels)]


def _detected(request: Request, masks: list[Path]) -> InstanceIds:
    """The only setting that fits: one category in the taxonomy, or one divisor for all values of some masks."""
    taxonomy = request.taxonomy
    need = f"{request.root}: nothing tells the category of a pixel value; write in segdata.yaml"
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
    known = set(taxonomy.by_id()) | {0}
    fits = [each for each in _DIVISORS if max(values, default=0) >= each and {_class(v, each) for v in values} <= known]
    if len(fits) != 1:
        found = f"divisors {fits} all fit" if fits else "no usual divisor fits"
        raise UnreadableError(f"{need} `instance_ids: {{divisor: 1000}}` ({found} the values and the taxonomy)")
    return InstanceIds(divisor=fits[0])


def _class(value: int, divisor: int) -> int:
    return value // divisor if value >= divisor else value
