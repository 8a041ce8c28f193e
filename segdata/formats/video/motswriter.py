"""MOTS writer: sequences as masks, or as lines."""

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
from segdata.formats.shared.taxonomies import write_sidecars
from segdata.formats.video import motsnames, motstext
from segdata.formats.video.motsclasses import DIVISOR, IGNORED, LABELS, written_classes
from segdata.formats.video.painter import Painter, Values
from segdata.formats.video.scheme import Scheme
from segdata.formats.video.spots import Spot, Spots
from segdata.formats.video.tracks import TrackNumbers

_LAYOUTS = ("png", "txt")
_MASKS = "instances"
_LAST_FRAME = 999_999


def write_mots(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    kinds: frozenset[LossKind],
    *,
    layout: str = "png",
) -> None:
    """Write all images; raises SegdataError for what the format has no numbers for."""
    check_choice("layout", layout, _LAYOUTS)
    classes, names = written_classes(profile.taxonomy)
    scheme = Scheme(
        base={id_: DIVISOR * number for id_, number in classes.items()},
        void=IGNORED * DIVISOR,
        voids=profile.taxonomy.void_ids,
        numbers=TrackNumbers(0, DIVISOR - 1, f"MOTS holds {DIVISOR:,} of a category"),
    )
    folder = target / (_MASKS if layout == "png" else motsnames.FOLDER)
    folder.mkdir(parents=True)
    if names is not None:
        (folder / LABELS).write_text("".join(f"{name}\n" for name in names), encoding="utf-8", newline="\n")
    if layout == "png":
        Painter(scheme, 0, Spots(_LAST_FRAME), partial(_save, target), kinds).write(profile, batches, target, losses)
    else:
        with motstext.TextWriter(target) as lines:
            Painter(scheme, 0, Spots(_LAST_FRAME, {Path(LABELS).stem}), lines.save, kinds).write(
                profile, batches, target, losses
            )
    write_sidecars(target, profile, profile.taxonomy)


def _save(target: Path, spot: Spot, pixels: Values, shown: Ints, category: Ints) -> str:
    """Write one frame."""
    name = f"{_MASKS}/{spot.folder}/{spot.number:06d}.png"
    (target / name).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels.astype(np.uint16)).save(target / name)
    return name
