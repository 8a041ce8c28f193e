"""Cityscapes: masks and polygons of street scenes, `<city>_<seq>_<frame>_gtFine_<what>` beside `leftImg8bit`.

Read: the first of these files that an image has, or the one that you name with the option `labels`. `instanceIds` (16
bits; below 1000 the id of a label, which for a thing is a group and becomes a crowd; else label id * 1000 + number).
`labelIds` (8 bits). `labelTrainIds` (ids for training; 255 is ignored, and what it was is unknown). `polygons.json`
(painted in the order of the list by Pillow's rule; labels that end in `group` are crowds; licence plates are not
drawn). Id 0 is unlabelled. You cannot read masks that hold train ids under the name of label ids, or the reverse, nor
colours alone, which several labels share: segdata refuses them. A `label_colors.txt`, as Datumaro and CVAT write it,
gives the dataset its own labels. Coarse labels are sparse, fine ones cover every pixel.

Written: `gtFine/<split>/<city>/` with `instanceIds` and `labelIds` (a semantic dataset: `labelIds` alone),
taxonomy.yaml, and `images.csv` with each mask's image, its split and its place in a video. Images without a split go to
`train`. Categories are Cityscapes' by name or alias. Stuff and crowds have no numbers: several segments of one category
become one. You cannot write more than 1000 instances of a label. With `--copy-images` you get the images in
`leftImg8bit/<split>/<city>/`.

Specification: mcordts/cityscapesScripts, README.md, cityscapesscripts/helpers/labels.py,
cityscapesscripts/preparation/json2instanceImg.py and json2labelImg.py.
"""

import re

from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import STREET_MASK_LOSSES

ALIASES = ("gtfine", "cityscape")
NAMES = NameLimits(r"\r")
LOSSES: frozenset[LossKind] = STREET_MASK_LOSSES
CHECKED = (
    "the formulas of cityscapesScripts' json2instanceImg, json2labelImg and createPanopticImgs",
    "Pillow's ImageDraw.polygon",
    "Datumaro 1.13.12's sample",
)
READ_OPTIONS = {
    "labels": "instanceIds, labelIds, trainIds or polygons; default: the first of these that an image has",
    "gt": "gtFine or gtCoarse; default: the fine labels of an image that has both",
    "ids": "official (default): ids are Cityscapes'; taxonomy: they are those of the taxonomy given",
}
WRITE_OPTIONS = {
    "trainids": "yes: write labelTrainIds too; default: no",
    "unknown": "refuse (default): categories that Cityscapes lacks are an error; drop: they are counted and left out",
}


def image_of(mask: str) -> str:
    """`gtFine/<split>/<city>/<base>_gtFine_<what>.png` -> `leftImg8bit/<split>/<city>/<base>_leftImg8bit`."""
    return re.sub(r"_gtFine_\w+\.png$", "_leftImg8bit", mask).replace("gtFine/", "leftImg8bit/", 1)


def detect(probe: FileProbe) -> FormatMatch | None:
    """Files with Cityscapes' endings."""
    names = probe.matching(r"_gt(Fine|Coarse)_((instanceIds|labelIds|labelTrainIds|color)\.png|polygons\.json)$")
    return FormatMatch(1.0, f"{names[0]} is named as in Cityscapes") if names else None


read = ImportedOnCall("segdata.formats.street.cityscapes_files:open_cityscapes")


write = ImportedOnCall("segdata.formats.street.cityscapes_files:write_cityscapes")
