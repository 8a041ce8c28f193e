"""STEP writer: panoptic maps of videos."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.shared.taxonomies import write_sidecars
from segdata.formats.video.painter import Painter, Values
from segdata.formats.video.scheme import Scheme
from segdata.formats.video.spots import Spot, Spots
from segdata.formats.video.stepclasses import VOID, written_classes
from segdata.formats.video.stepnames import LAST_TRACK, MAPS, SPLITS
from segdata.formats.video.tracks import TrackNumbers

_LAST_FRAME, _SMALL = 999_999, 999


def write_step(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    kinds: frozenset[LossKind],
    *,
    labels: str | None = None,
) -> None:
    """Write all images; raises SegdataError for what the format has no numbers for."""
    classes, whose = written_classes(profile.taxonomy, labels)
    stuff = frozenset(each.id for each in profile.taxonomy.categories if each.kind == "stuff")
    refusal = f"STEP holds {LAST_TRACK:,} of a category"
    scheme = Scheme(
        base={id_: number << 16 for id_, number in classes.items()},
        void=VOID << 16,
        voids=profile.taxonomy.void_ids,
        numbers=TrackNumbers(1, LAST_TRACK, refusal, small=_SMALL),
        plain=stuff,
        plain_crowds=True,
    )
    (target / MAPS).mkdir(parents=True)
    Painter(scheme, VOID << 16, Spots(_LAST_FRAME), partial(_save, target), kinds).write(
        profile, batches, target, losses
    )
    taxonomy = profile.taxonomy
    if not taxonomy.void_ids:
        taxonomy = msgspec.structs.replace(taxonomy, unlabelled=VOID)
    write_sidecars(target, profile, taxonomy, options={"labels": whose})


def _save(target: Path, spot: Spot, pixels: Values, shown: Ints, category: Ints) -> str:
    """Write one frame."""
    name = f"{MAPS}/{_split(spot)}/{spot.folder}/{spot.number:06d}.png"
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    bytes_ = pixels.astype("<u4").view(np.uint8).reshape(*pixels.shape, 4)
    Image.fromarray(np.ascontiguousarray(bytes_[:, :, 2::-1])).save(target / name)
    return name


def _split(spot: Spot) -> str:
    return spot.split if spot.split in SPLITS else SPLITS[0]
