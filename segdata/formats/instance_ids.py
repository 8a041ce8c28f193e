"""Instance-ID images: 8, 16 or 32 bit PNG or TIFF files whose pixel value is the id of a segment.

What category a value has comes from segdata.yaml (`instance_ids:`): a `divisor` (value = category id * divisor +
number, as in Cityscapes with 1000 and KITTI with 256), a side `table`, or one `category` for all. Values below the
divisor are the id of a category: its whole region, for a thing a crowd. Number 0 is an instance, except with the
divisor 256, where KITTI means "no instance".
Written: 16-bit PNG files, 32-bit TIFF for images of more than 65 535 segments, with the table beside them.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Policy, Profile
from segdata.formats.beyond import BESIDE_PIXELS
from segdata.formats.masks.decoded import decoded
from segdata.formats.masks.idrule import Rule, id_rule
from segdata.formats.masks.instance_writer import write_instance_ids
from segdata.formats.masks.maskclue import look
from segdata.formats.masks.maskfile import MaskFile, decode
from segdata.formats.masks.pairing import opened
from segdata.formats.masks.valueruns import ValueRuns
from segdata.formats.perimage.entry import Entry, below
from segdata.formats.perimage.found import Found
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.unheld import counted_unheld

LOSSES: frozenset[Kind] = BESIDE_PIXELS
_DIVISORS = (1000, 256, 65536)
_TRIED = 16  # masks that are decoded to detect the divisor


def detect(seen: Glance) -> Clue | None:
    """Masks in a known layout that have more than 8 bits, or whatever segdata.yaml says are instance ids."""
    masks = look(seen.root)
    if masks is None or masks.config.layers:
        return None
    if masks.config.instance_ids:
        return Clue(0.95, "segdata.yaml has instance_ids")
    if not masks.heads or any(head.coloured or head.lossy or head.bits < 16 for head in masks.heads):
        return None
    return Clue(0.7 if masks.named else 0.4, f"{masks.evidence}: {masks.heads[0].encoding} masks")


def read(request: Request) -> PerImageSource:
    """Open a dataset of instance-ID images.

    Raises UnreadableError where nothing tells the category of a value, with the line of segdata.yaml that would.
    """
    pairing = opened(request)
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


def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write a dataset as instance-ID images with a side table; only overlaps and what is not pixels are lost."""
    write_instance_ids(profile, counted_unheld(batches, losses, LOSSES), target, losses)


def _look(root: Path, rule: Rule, divisor: int | None, entry: Entry) -> list[Found]:
    """What one image holds: a segment for each value that means one."""
    path = entry.files[0]
    mask = decoded(root, entry)
    runs = ValueRuns.of(mask.values)
    meaning = rule(runs, entry.image_id)
    kept = np.flatnonzero(meaning.kept)
    owner = np.full(len(runs.value), -1, np.int32)
    owner[kept] = np.arange(len(kept), dtype=np.int32)
    found = Found(
        size=(runs.height, runs.width),
        encoding=mask.encoding,
        segment_id=meaning.segment_id[kept],
        category_id=meaning.category_id[kept],
        runs=runs.owned(owner, len(kept)),
        columns={
            "file": [below(root, path)] * len(kept),
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
            values |= set(np.unique(decode(path).values).tolist())
    known = set(taxonomy.by_id()) | {0}
    fits = [each for each in _DIVISORS if max(values, default=0) >= each and {_class(v, each) for v in values} <= known]
    if len(fits) != 1:
        found = f"divisors {fits} all fit" if fits else "no usual divisor fits"
        raise UnreadableError(f"{need} `instance_ids: {{divisor: 1000}}` ({found} the values and the taxonomy)")
    return InstanceIds(divisor=fits[0])


def _class(value: int, divisor: int) -> int:
    return value // divisor if value >= divisor else value
