"""Mapillary Vistas: `training/v1.2/{instances,labels}/*.png` with a `config_v1.2.json` that lists the labels.

Read: versions 1.1 (folders without a version, `config.json`), 1.2 and 2.0. If you have both 1.2 and 2.0, 2.0 is read,
unless you set the option `version`. Each image's `instances` (16 bits, label id * 256 + number, from 0), or if it has
none, `labels` (8 bits, palette; a thing is then a crowd, since its instances cannot be distinguished). A label's id is
its place in the config. `void--unlabeled` is unlabelled; other labels that the evaluation leaves out are void. Without
a config the ids are those of your taxonomy. The `panoptic` folders are COCO panoptic datasets. `polygons` are not read:
you have their pixels in the masks.

Written: version 1.2, `<split>/v1.2/instances` and `<split>/v1.2/labels` (a semantic dataset: the latter alone),
`config_v1.2.json` with the categories as labels, taxonomy.yaml, and `images.csv` with each mask's image, its split and
its place in a video. Images without a split go to `training`. There are no crowds. Several segments of a stuff category
become one. You cannot write more than 256 instances of a label, nor more than 255 categories. With `--copy-images` you
get the images in `<split>/images`.

Specification: demo.py of the release (mirrored in public repositories); mapillary/mapillary_vistas README.md and
mapillary_vistas/evaluation/instance_specific_instance_level.py (number 0 is an instance). Not checked on Vistas' own
files, which are not free to copy.
"""

import re

from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import STREET_MASK_LOSSES

ALIASES = ("mapillary", "vistas")
NAMES = NameLimits(r"\r", separator="_")
LOSSES: frozenset[LossKind] = STREET_MASK_LOSSES
CHECKED = ("the formulas of the release's demo.py and of mapillary_vistas' evaluation", "Datumaro 1.13.12's sample")
READ_OPTIONS = {
    "labels": "instances or labels; default: the first of these that an image has",
    "version": "v1.2 or v2.0; default: the latest there is",
}


def image_of(mask: str) -> str:
    """`training/v2.0/instances/<name>.png` -> `training/images/<name>`."""
    return re.sub(r"(v\d\.\d/)?(instances|labels)/(.*)\.png$", r"images/\3", mask)


def detect(probe: FileProbe) -> FormatMatch | None:
    """A config that lists labels with their readable names, or folders of a version."""
    folders = probe.matching(r"^([^/]+/)?(v[12]\.\d/)?(instances|labels)/[^/]+\.png$")
    configs = probe.heads(r"^config(_v\d\.\d)?\.json$", rb'"readable"\s*:')
    if folders and configs:
        return FormatMatch(1.0, f"{configs[0]} lists labels as in Mapillary Vistas")
    versioned = [name for name in folders if re.search(r"(^|/)v[12]\.\d/", name)]
    return FormatMatch(0.95, f"{versioned[0]}: a folder of Mapillary Vistas") if versioned else None


read = ImportedOnCall("segdata.formats.street.vistas_files:open_vistas")


write = ImportedOnCall("segdata.formats.street.vistas_files:write_vistas")
