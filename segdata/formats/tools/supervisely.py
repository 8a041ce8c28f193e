"""Supervisely projects of images: meta.json, and folders `<dataset>/ann/<image file>.json` and `<dataset>/img`.

Specification: https://docs.supervisely.com/data-organization/00_ann_format_navi, and of supervisely/supervisely on
GitHub supervisely/geometry/{bitmap,alpha_mask,polygon,rectangle,point_location}.py, supervisely/annotation/label.py.

Read: bitmaps (base64 of a PNG, packed with zlib or not) at their origin; polygons with OpenCV's fillPoly on truncated
coordinates, holes drawn with 0 afterwards; rectangles with both corners; alpha masks, of which pixels of at least half
opacity are taken and the soft ones counted. Datasets, also nested ones, are the folders of image ids; one called train,
val or test is a split. Classes are found by title, not by classId. Tags are attributes: true without a value, a list if
a name is given several times. The tag `confidence` is the score; `track_id` and `iscrowd` become the columns of these
names. Tags of an image are attributes of its annotation. labelerLogin is the annotator if all objects of an image have
the same one, else an attribute. Points, lines and skeletons have no pixels and are counted. An annotation file without
objects is an image with nothing on it: Supervisely also writes one for images that were never annotated. You cannot
read projects of videos, volumes and point clouds.

Written: bitmaps, as Supervisely encodes them. Attributes that are texts, numbers, true, or lists of several of these
become tags; others are counted. taxonomy.yaml keeps what meta.json cannot hold, images.csv the sizes and where the
images are. With `--copy-images` you get the images in `<dataset>/img`. The tags `track_id` and `iscrowd` are our own;
that models call their scores `confidence` is from memory.
"""

import re

from segdata.core.format import FILE_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import TOOL_LOSSES

ALIASES = ("sly",)
NAMES = FILE_NAMES
LOSSES: frozenset[LossKind] = TOOL_LOSSES | {"annotator", "empty-segment", "source"}
CHECKED = (
    "the published rules of the Supervisely SDK (bitmap, alpha_mask, polygon, rectangle), with OpenCV and Pillow",
    "a project exported by Supervisely (lemons-annotated)",
)
_META = "meta.json"
_IN_META = rb'"classes"\s*:\s*\['
_IN_ANN = rb'"(geometryType|classTitle)"\s*:|"objects"\s*:\s*\[\s*\]'


def image_of(mask: str) -> str:
    """`<dataset>/ann/<name>.<suffix>.json` -> `<dataset>/img/<name>`."""
    return re.sub(r"ann/(.*)\.\w+\.json$", r"img/\1", mask)


def detect(probe: FileProbe) -> FormatMatch | None:
    """meta.json with classes, and annotations in folders `ann`."""
    if probe.root.is_file():
        named = probe.root.name == _META and probe.heads(".", _IN_META) and any(probe.root.parent.glob("*/ann"))
        return FormatMatch(1.0, f"{_META} beside datasets with ann/") if named else None
    meta = probe.heads(r"^meta\.json$", _IN_META)
    annotated = probe.heads(r"(^|/)ann/[^/]+\.json$", _IN_ANN)
    if meta and annotated:
        return FormatMatch(1.0, f"{_META} has classes, {annotated[0]} has objects")
    if meta and probe.matching(r"(^|/)ann/[^/]+\.json$"):
        return FormatMatch(0.95, f"{_META} has classes, and there are files in ann/")
    return FormatMatch(0.9, f"{annotated[0]} has objects with classTitle") if annotated else None


read = ImportedOnCall("segdata.formats.tools.supervisely_reader:open_supervisely")


write = ImportedOnCall("segdata.formats.tools.supervisely_writer:write_supervisely")
