"""KITTI semantics: `training/instance/*.png` and `training/semantic/*.png`, with the labels of Cityscapes.

Read: `instance` (16 bits, label id * 256 + number; number 0 means that there is no instance, which for a thing is a
crowd), or where an image has none `semantic` (8 bits, label ids). Label 0 is unlabelled. Labels that have no instances
in Cityscapes may be numbered all the same (the devkit names buildings); their numbers are joined, unless the option
`stuff` says else. A `label_colors.txt`, as Datumaro and CVAT write it, gives the dataset labels of its own.

Written: `<split>/instance` and `<split>/semantic`, of a semantic dataset `<split>/semantic` alone; taxonomy.yaml; and
`images.csv`, which tells each mask's image, its split and its place in a video. What has no split is in `training`.
Categories are Cityscapes' by name or alias. Stuff and crowds have no numbers: several of one category become one
segment. More than 255 instances of a label are refused.

Specification: README.md of the devkit (https://s3.eu-central-1.amazonaws.com/avg-kitti/devkit_semantics.zip, here read
as copied to stevenwudi/6DVNET maskrcnn_benchmark/data/datasets/devkit_semantics/README.md);
http://www.cvlibs.net/datasets/kitti/eval_semseg.php. Not checked on KITTI's own files, which are not free to copy.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.config import Option
from segdata.core.errors import check_choice
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.formats.beyond import BESIDE_STREETS
from segdata.formats.masks.maskindex import INDEX
from segdata.formats.masks.pairing import images_of
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.street import cityscapes_table as table
from segdata.formats.street.cityscapes_writer import known_alone, official_labels
from segdata.formats.street.codebook import codebook
from segdata.formats.street.label_colours import labels_beside
from segdata.formats.street.look import Look
from segdata.formats.street.numbering import KITTI
from segdata.formats.street.opened import opened
from segdata.formats.street.pairs import chosen, paired_by_index, paired_files
from segdata.formats.street.split_folders import kind_of, relabelled, split_files, stem_of
from segdata.formats.street.writer import Pixels, Style, write_street

LOSSES: frozenset[Kind] = BESIDE_STREETS
CHECKED = ("the formulas of KITTI's devkit for semantics", "Datumaro 1.13.12's sample")
READ_OPTIONS = {
    "labels": "instance or semantic; default: of each image the first of these",
    "stuff": "joined (default): numbers of labels without instances mean nothing; numbered: each is a segment",
}
WRITE_OPTIONS = {
    "unknown": "refuse (default): categories that Cityscapes lacks are an error; drop: they are counted and left out"
}
_KINDS = {"instance": "instance", "semantic": "semantic"}  # kind -> folder
_PICTURES = "image_2"


def detect(seen: Glance) -> Clue | None:
    """Folders `instance` or `semantic` beside `image_2`, or both, in the root or in its folders; or our index."""
    folders = {name: seen.matching(rf"^([^/]+/)?{name}/[^/]+\.png$") for name in (*_KINDS, _PICTURES)}
    there = [f"{name}/" for name, found in folders.items() if found]
    if len(there) > 1:
        return Clue(0.95, f"folders {' and '.join(there)}, as in KITTI")
    indexed = there and seen.heads(r"^images\.csv$", rb",[^/\n]+/(instance|semantic)/[^/\n]+\.png,")
    return Clue(0.95, f"{there[0]} and {INDEX}") if indexed else None


def read(request: Request) -> PerImageSource:
    """Open a dataset: a folder with splits, or one split; raises UnreadableError where there are no labels."""
    kind = chosen(request.options, "labels", tuple(_KINDS))
    joins = chosen(request.options, "stuff", ("joined", "numbered")) != "numbered"
    root, images = request.root, images_of(request)
    if (root / INDEX).is_file():
        pairing = paired_by_index(root, images, kind, kind_of, relabelled)
    else:
        pairing = paired_files(root, split_files(root, images, _PICTURES, ".png", _KINDS), tuple(_KINDS), kind, images)
    book = codebook(labels_beside(root), request.taxonomy)
    numbered = any(entry.record == "instance" for entry in pairing.entries)
    looks = {
        "instance": Look(root, book, KITTI, numbered, joins).at,
        "semantic": Look(root, book, None, numbered).at,
    }
    return opened(request, "kitti", pairing, book.naming, looks, numbered)


def write(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, *, unknown: Option = "refuse"
) -> None:
    """Write a dataset; raises SegdataError for categories that Cityscapes lacks, and for too many instances."""
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
