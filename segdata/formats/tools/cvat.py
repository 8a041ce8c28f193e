"""CVAT: its own XML 1.1, for images and for videos.

Specification: docs.cvat.ai/docs/dataset_management/formats/format-cvat (XML annotation format 1.1);
cvat/apps/dataset_manager/formats/cvat.py and transformations.py of cvat-ai/cvat.

Read: ``annotations.xml`` of an unzipped export, or a folder with several, images beside it or in ``images/``. Polygons,
boxes and ellipses, rotated or not, and masks, whose counts go row by row through their box, are drawn as CVAT draws
them for COCO. Shapes of one label and group_id are the parts of one segment. Polylines, points, cuboids and skeletons
have no area: they are counted and left out. Attributes keep the types that the labels declare. occluded and z_order are
attributes too; the former is is_occluded if labels declare an attribute of its name. source is kept: manual is human,
auto is model, semi-auto is human with an attribute that says so. The attributes is_crowd, score and track_id become the
columns of these names. Tags, and the ids of the task and the job, are metadata of the image, a subset is its split.

In a video every frame is an image and every track a track; a shape that is outside is not there. Frames between two
keyframes, which CVAT itself writes out, are unknown: with the option `interpolate=yes` you interpolate shapes with as
many points, and masks stay as they are until the next keyframe. Deleted frames are not in the files, and the files do
not say which they were.

Written: ``annotations.xml``, by default for images. A segment is a polygon, or several with a group_id that is free,
if the source's rings draw exactly its pixels, else a mask. ``taxonomy.yaml`` beside it has the ids and kinds of the
categories. If an image has several annotators, you get the first one's work. XML holds texts: attributes of one name
and label are written with the type that all of them have. With the option `layout=video` you get a file for each
video, in folders if there are several: a track for each object, with a polygon or a mask for each frame, and a shape
that is outside where the track ends or pauses. Frames are numbered from 0; `images.csv` beside the file keeps their
names, numbers and sizes, and reading uses it. A segment without a track gets one.
"""

import zipfile
from pathlib import Path

from segdata.core.errors import list_names
from segdata.core.format import FileProbe, FormatMatch, NameLimits
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import CVAT_LOSSES

ALIASES = ("cvat-xml", "cvat-images")
NAMES = NameLimits("[^\\t\\n\\r -\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]", files=False)
LOSSES: frozenset[LossKind] = CVAT_LOSSES | {"track"}
CHECKED = ("Datumaro's fixtures of CVAT files", "pycocotools", "OpenCV")
CVAT_HEAD = rb"<annotations\s*>(?s:.*)<(meta|image|track)[\s>]"
READ_OPTIONS = {
    "interpolate": "yes: between keyframes of a track, shapes with as many points are interpolated (default: no)"
}


WRITE_OPTIONS = {"layout": "images (default) or video (CVAT for video: tracks, a file for each sequence)"}


def detect(probe: FileProbe) -> FormatMatch | None:
    """XML that begins with annotations, their meta data or images; or a zip archive with such a file."""
    names = probe.heads(r"\.xml$", CVAT_HEAD)
    if names:
        return FormatMatch(1.0, f"annotations with meta data in {list_names(names)}")
    if probe.root.is_file() and "annotations.xml" in _names_in_zip(probe.root):
        return FormatMatch(1.0, "a zip archive with annotations.xml")
    return None


def _names_in_zip(path: Path) -> list[str]:
    """The names in a zip archive; none in any other file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return []


read = ImportedOnCall("segdata.formats.tools.cvat_reader:open_cvat")


write = ImportedOnCall("segdata.formats.tools.cvat_writer:write_cvat")
