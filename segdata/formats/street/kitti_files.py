"""KITTI files: reads and writes masks of instances and of labels."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

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
    mask_path,
    pair_by_index,
    pair_files,
    split_files,
    stem_of,
    with_folder_kind,
)
from segdata.formats.street.writer import LABEL_IDS, MaskStyle, write_scenes

_KINDS = {"instance": "instance", "semantic": "semantic"}  # kind -> folder
_IMAGES = "image_2"


def open_kitti(request: ReadRequest) -> PerImageSource:
    """Open the dataset with the labels of Cityscapes, or its own; raises UnreadableError if there are no masks."""
    kind = chosen_option(request.options, "labels", tuple(_KINDS))
    joins = chosen_option(request.options, "stuff", ("joined", "numbered")) != "numbered"
    root, images = request.root, images_folder(request)
    if has_index(root):
        pairing = pair_by_index(root, images, kind, folder_kind, with_folder_kind)
    else:
        pairing = pair_files(root, split_files(root, images, _IMAGES, ".png", _KINDS), tuple(_KINDS), kind, images)
    mapping = label_mapping(load_labels(root), request.taxonomy)
    numbered = any(entry.record == "instance" for entry in pairing.entries)
    readers = {
        "instance": LabelMaskReader(root, mapping, KITTI, numbered, joins).read,
        "semantic": LabelMaskReader(root, mapping, None, numbered).read,
    }
    return open_scenes(request, "kitti", pairing, mapping.naming, readers, numbered)


def write_kitti(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, unknown: Option = "refuse"
) -> None:
    """Write the masks of all images."""
    check_choice("unknown", unknown, ("refuse", "drop"))
    writable = batches if unknown == "drop" else require_known_categories(profile, batches, "KITTI")
    stem = partial(stem_of, _IMAGES)
    labels = official_labels(profile.taxonomy)
    style = MaskStyle(
        KITTI, labels, table.UNLABELLED, stem, partial(mask_path, ""), "instance", {"semantic": LABEL_IDS}
    )
    write_scenes(profile, writable, target, losses, style)
