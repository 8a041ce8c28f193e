"""Supervisely projects of images: meta.json, and folders `<dataset>/ann/<image file>.json` and `<dataset>/img`.

Specification: https://docs.supervisely.com/data-organization/00_ann_format_navi, and of supervisely/supervisely on
GitHub supervisely/geometry/{bitmap,alpha_mask,polygon,rectangle,point_location}.py, supervisely/annotation/label.py.

Read: bitmaps (base64 of a PNG, packed with zlib or not) at their origin; polygons with OpenCV's fillPoly on truncated
coordinates, holes drawn with 0 afterwards; rectangles with both corners; alpha masks, of which pixels of at least half
opacity are taken and the soft ones counted. Datasets, nested ones too, are the folders of image ids; one called train,
val or test is a split. Classes are found by title, not by classId. Tags are attributes: true without a value, a list
where a name is given several times; of the tags `confidence`, `track_id` and `iscrowd` the first is the score, the
others are the columns of these names. Tags of an image are attributes of its annotation. labelerLogin is the annotator
where all objects of an image have the same one, else an attribute. Points, lines and skeletons have no pixels and are
counted. An annotation file without objects is an image on which nothing is: Supervisely writes one for images that
nobody worked on, too. Projects of videos, volumes and point clouds are refused.

Written: bitmaps, as Supervisely encodes them. Attributes that are texts, numbers, true, or lists of several of these
are tags; others are counted. taxonomy.yaml keeps what meta.json has no place for, images.csv the sizes and where the
images are. `--copy-images` puts images in `<dataset>/img`. The tags `track_id`
and `iscrowd` are our own; that `confidence` is what models call their scores is from memory.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.format import FileProbe, FormatMatch, LossCounter, LossKind, ReadRequest
from segdata.core.profile import Profile
from segdata.formats.shared.declared_losses import TOOL_LOSSES

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.tools.source import ToolSource

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


def detect(seen: FileProbe) -> FormatMatch | None:
    """meta.json with classes, and annotations in folders `ann`."""
    if seen.root.is_file():
        named = seen.root.name == _META and seen.heads(".", _IN_META) and any(seen.root.parent.glob("*/ann"))
        return FormatMatch(1.0, f"{_META} beside datasets with ann/") if named else None
    meta = seen.heads(r"^meta\.json$", _IN_META)
    drawn = seen.heads(r"(^|/)ann/[^/]+\.json$", _IN_ANN)
    if meta and drawn:
        return FormatMatch(1.0, f"{_META} has classes, {drawn[0]} has objects")
    if meta and seen.matching(r"(^|/)ann/[^/]+\.json$"):
        return FormatMatch(0.95, f"{_META} has classes, and there are files in ann/")
    return FormatMatch(0.9, f"{drawn[0]} has objects with classTitle") if drawn else None


def read(request: ReadRequest) -> "ToolSource":
    """Open a project, or a dataset of one; raises UnreadableError where there is none, or it is not one of images."""
    from segdata.formats.tools.supervisely.project import open_supervisely

    return open_supervisely(request)


def write(profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter) -> None:
    """Write the project `target`; raises SegdataError where two images would share an annotation file."""
    from segdata.formats.tools.supervisely.writer import write_project

    write_project(profile, batches, target, losses, LOSSES)
