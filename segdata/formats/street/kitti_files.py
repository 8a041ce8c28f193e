"""KITTI files: reads and writes masks of instances and of labels."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.config import Option
from segdata.core.errors import check_choice
from segdata.core.format import LossCounter, ReadRequest
from segdata.core.profile import Profile
from segdata.formats.shared.pairing import has_index, images_folder
from segdata.formats.shared.per_image import PerImageSource
from segdata.formats.street import cityscapes_labels as table
from segdata.formats.street.cityscapes_files import official_labels, require_known_categories
from segdata.formats.street.cityscapes_labels import load_labels
from segdata.formats.street.instance_masks import KITTI, LabelMaskReader, label_mapping, open_scenes
from segdata.formats.street.layout import (
    chosen_option,
    folder_kind,
    pair_by_index,
    pair_files,
    split_files,
    stem_of,
    with_folder_kind,
)
from segdata.formats.street.writer import MaskStyle, Pixels, write_scenes

_KINDS = {"instance": "instance", "semantic": "semantic"}  # kind -> folder
_IMAGES = "image_2"


def open_kitti(request: ReadRequest) -> PerImageSource:
    """The dataset with the labels of Cityscapes, or its own; raises UnreadableError where there are none."""
    kind = chosen_option(request.options, "labels", tuple(_KINDS))
    joins = chosen_option(request.options, "stuff", ("joined", "numbered")) != "numbered"
    root, images = request.root, images_folder(request)
    if has_index(root):
        pairing = pair_by_index(root, images, kind, folder_kind, with_folder_kind)
    else:
        pairing = pair_files(root, split_files(root, images, _IMAGES, ".png", _KINDS), tuple(_KINDS), kind, images)
    book = label_mapping(load_labels(root), request.taxonomy)
    numbered = any(entry.record == "instance" for entry in pairing.entries)
    looks = {
        "instance": LabelMaskReader(root, book, KITTI, numbered, joins).at,
        "semantic": LabelMaskReader(root, book, None, numbered).at,
    }
    return open_scenes(request, "kitti", pairing, book.naming, looks, numbered)


def write_kitti(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, unknown: Option = "refuse"
) -> None:
    """Write the masks of all images."""
    check_choice("unknown", unknown, ("refuse", "drop"))
    writable = batches if unknown == "drop" else require_known_categories(profile, batches, "KITTI")
    stem = partial(stem_of, _IMAGES)
    labels = official_labels(profile.taxonomy)
    style = MaskStyle(KITTI, labels, table.UNLABELLED, stem, _save, _save_labels, crowds=True)
    write_scenes(profile, writable, target, losses, style)


def _save(target: Path, stem: str, values: Pixels) -> str:
    """Write the masks of an image whose segments are instances and regions."""
    _save_labels(target, stem, _LABEL_OF[values])
    return _save_png(target, stem, "instance", values)


def _save_labels(target: Path, stem: str, labels: Pixels) -> str:
    """Write the mask of an image whose segments are label ids."""
    return _save_png(target, stem, "semantic", labels.astype(np.uint8))


def _save_png(target: Path, stem: str, kind: str, pixels: NDArray[np.uint8 | np.uint16]) -> str:
    split, _, name = stem.partition("/")
    path = target / split / kind / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return f"{split}/{kind}/{name}.png"


_LABEL_OF = KITTI.split(np.arange(2**16, dtype=np.int64))[0].astype(np.uint16)
