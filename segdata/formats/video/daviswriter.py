"""DAVIS writer: videos of index masks, with the lists of splits."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import check_choice
from segdata.core.format import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.shared.mask_values import voc_color
from segdata.formats.shared.taxonomies import write_sidecars
from segdata.formats.video.davisfiles import SetWriter
from segdata.formats.video.davisnames import MASKS, SIZES
from segdata.formats.video.davisobjects import OBJECT, VOID
from segdata.formats.video.painter import Painter, Values
from segdata.formats.video.scheme import Scheme
from segdata.formats.video.spots import Spot, Spots
from segdata.formats.video.tracks import TrackNumbers

_COLOURS = bytes(channel for index in range(256) for channel in voc_color(index))
_LAST_FRAME, _LAST_TRACK = 99_999, VOID - 1


def write_davis(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    kinds: frozenset[LossKind],
    *,
    size: str = "480p",
) -> None:
    """Write all images; raises SegdataError for what a sequence has no numbers for."""
    check_choice("size", size, SIZES)
    names = {each.id: each.name for each in profile.taxonomy.by_id().values() if each.kind != "void"}
    scheme = Scheme(
        base=dict.fromkeys(names, 0),
        void=VOID,
        voids=profile.taxonomy.void_ids,
        numbers=TrackNumbers(1, _LAST_TRACK, f"DAVIS holds {_LAST_TRACK}"),
    )
    target.mkdir(parents=True)
    sets = SetWriter(target, names if set(names.values()) - {OBJECT} else {})
    save = partial(_save, target, size, sets)
    Painter(scheme, 0, Spots(_LAST_FRAME), save, kinds).write(profile, batches, target, losses)
    sets.write()
    write_sidecars(target, profile, profile.taxonomy)


def _save(target: Path, size: str, sets: SetWriter, spot: Spot, pixels: Values, shown: Ints, category: Ints) -> str:
    """Write one frame."""
    name = f"{MASKS[0]}/{size}/{spot.folder}/{spot.number:05d}.png"
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels.astype(np.uint8))
    picture.putpalette(_COLOURS)
    picture.save(target / name)
    objects = shown < VOID
    sets.add(spot, shown[objects], category[objects])
    return name
