"""KITTI writer: masks of instances and of labels."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.config import Option
from segdata.core.errors import check_choice
from segdata.core.format import LossCounter
from segdata.core.profile import Profile
from segdata.formats.street import cityscapes_table as table
from segdata.formats.street.cityscapes_writer import known_alone, official_labels
from segdata.formats.street.numbering import KITTI
from segdata.formats.street.split_folders import stem_of
from segdata.formats.street.writer import Pixels, Style, write_street

_PICTURES = "image_2"


def write_kitti(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, unknown: Option = "refuse"
) -> None:
    """Write the masks of all images."""
    check_choice("unknown", unknown, ("refuse", "drop"))
    known = batches if unknown == "drop" else known_alone(profile, batches, "KITTI")
    stem = partial(stem_of, _PICTURES)
    labels = official_labels(profile.taxonomy)
    style = Style(KITTI, labels, table.UNLABELLED, stem, _save, _save_labels, crowds=True)
    write_street(profile, known, target, losses, style)


def _save(target: Path, stem: str, values: Pixels) -> str:
    """Write the masks of an image whose segments are instances and regions."""
    _save_labels(target, stem, _LABEL_OF[values])
    return _written(target, stem, "instance", values)


def _save_labels(target: Path, stem: str, labels: Pixels) -> str:
    """Write the mask of an image whose segments are label ids."""
    return _written(target, stem, "semantic", labels.astype(np.uint8))


def _written(target: Path, stem: str, kind: str, pixels: NDArray[np.uint8 | np.uint16]) -> str:
    split, _, name = stem.partition("/")
    path = target / split / kind / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return f"{split}/{kind}/{name}.png"


_LABEL_OF = KITTI.split(np.arange(2**16, dtype=np.int64))[0].astype(np.uint16)
