"""KITTI semantics: `training/instance/*.png` and `training/semantic/*.png`, with the labels of Cityscapes.

Read: `instance` (16 bits, label id * 256 + number; number 0 means no instance, which for a thing is a crowd), or if an
image has none, `semantic` (8 bits, label ids). Label 0 is unlabelled. Labels without instances in Cityscapes may be
numbered too (the devkit names buildings); their numbers are joined, unless you set the option `stuff`. A
`label_colors.txt`, as Datumaro and CVAT write it, gives the dataset its own labels.

Written: `<split>/instance` and `<split>/semantic` (a semantic dataset: `<split>/semantic` alone), taxonomy.yaml, and
`images.csv` with each mask's image, its split and its place in a video. Images without a split go to `training`.
Categories are Cityscapes' by name or alias. Stuff and crowds have no numbers: several segments of one category become
one. You cannot write more than 255 instances of a label. With `--copy-images` you get the images in `<split>/image_2`.

Specification: README.md of the devkit (https://s3.eu-central-1.amazonaws.com/avg-kitti/devkit_semantics.zip, here read
as copied to stevenwudi/6DVNET maskrcnn_benchmark/data/datasets/devkit_semantics/README.md);
http://www.cvlibs.net/datasets/kitti/eval_semseg.php. Not checked on KITTI's own files, which are not free to copy.
"""

import re

from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import STREET_MASK_LOSSES

NAMES = NameLimits(r"\r", separator="_")
LOSSES: frozenset[LossKind] = STREET_MASK_LOSSES
CHECKED = ("the formulas of KITTI's devkit for semantics", "Datumaro 1.13.12's sample")
READ_OPTIONS = {
    "labels": "instance or semantic; default: the first of these that an image has",
    "stuff": "joined (default): numbers of labels without instances mean nothing; numbered: each is a segment",
}
WRITE_OPTIONS = {
    "unknown": "refuse (default): categories that Cityscapes lacks are an error; drop: they are counted and left out"
}


def image_of(mask: str) -> str:
    """`training/instance/<name>.png` -> `training/image_2/<name>`."""
    return re.sub(r"(instance|semantic)/(.*)\.png$", r"image_2/\2", mask)


def detect(probe: FileProbe) -> FormatMatch | None:
    """Folders `instance` or `semantic` beside `image_2`, or both, in the root or its subfolders; or segdata's index."""
    folders = {name: probe.matching(rf"^([^/]+/)?{name}/[^/]+\.png$") for name in ("instance", "semantic", "image_2")}
    present = [f"{name}/" for name, names in folders.items() if names]
    if len(present) > 1:
        return FormatMatch(0.95, f"folders {' and '.join(present)}, as in KITTI")
    indexed = present and probe.heads(r"^images\.csv$", rb",[^/\n]+/(instance|semantic)/[^/\n]+\.png,")
    return FormatMatch(0.95, f"{present[0]} and images.csv") if indexed else None


read = ImportedOnCall("segdata.formats.street.cityscapes_files:open_kitti")


write = ImportedOnCall("segdata.formats.street.cityscapes_files:write_kitti")
