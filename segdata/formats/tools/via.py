"""VIA: projects and annotation exports of the VGG Image Annotator, versions 1 and 2, as JSON or CSV.

Specification: via-2.x.y/src/via.js of ox-vgg/via (pack_via_metadata, parse_csv_header_line). VIA 3 is another format,
and not read.

Read: JSON files with ``_via_img_metadata`` or the images themselves, regions as a list or (VIA 1) an object, and CSV
exports. Polygons, rectangles, circles and ellipses are drawn by COCO's rule, as after VIA's own COCO export. Points and
lines have no area: they are counted and left out. The category is the value of one region attribute: the one that you
name with the option `attribute`, else the only one with values, else the one that looks most like a category, which is
reported. In a checkbox the first value is the category, the others are secondary categories. A region without a value
gets the category `region`, and that is reported. Other attributes are kept, also those of files. VIA keeps no sizes, so
you need the images, unless the files' attributes have `width` and `height`. A folder ``train``, ``val`` … is a split.

Written: ``via_project.json``, which VIA opens, with a polygon for each segment: the source's if there is one and it is
exact, else the outlines of its pixels, parts and holes joined to one ring (exact by COCO's even-odd rule). Region
attributes hold the category and the other data of a segment, file attributes the size and the data of the image.
``taxonomy.yaml`` beside it has the ids and kinds of the categories.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch, LossCounter, LossKind, ReadRequest, list_names
from segdata.core.profile import Profile
from segdata.formats.shared import VIA_LOSSES

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.tools.source import ToolSource


ALIASES = ("vgg", "vgg-image-annotator")
NAMES = DOCUMENT_NAMES
LOSSES: frozenset[LossKind] = VIA_LOSSES
CHECKED = ("pycocotools", "VIA 2 exports of a public dataset")
_JSON_HEAD = rb'"_via_img_metadata"\s*:|"shape_attributes"\s*:'
_CSV_HEAD = rb"\A(\xef\xbb\xbf)?#?filename,file_size,file_attributes,region_count,region_id,region_shape_attributes"
READ_OPTIONS = {"attribute": "the region attribute that names the category"}


def detect(probe: FileProbe) -> FormatMatch | None:
    """JSON with regions or shape_attributes of images, or CSV with VIA's header."""
    names = probe.heads(r"\.json$", _JSON_HEAD) + probe.heads(r"\.csv$", _CSV_HEAD)
    return FormatMatch(1.0, f"regions with shape_attributes in {list_names(names)}") if names else None


def read(request: ReadRequest) -> "ToolSource":
    """Open the files at or below a path; raises UnreadableError if none is VIA's, or if no sizes are known."""
    from segdata.formats.tools.via_files import open_via

    return open_via(request, {".json": _JSON_HEAD, ".csv": _CSV_HEAD})


def write(profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter) -> None:
    """Write ``via_project.json`` and ``taxonomy.yaml`` into the folder `target`."""
    from segdata.formats.tools.via_files import write_via

    write_via(profile, batches, target, losses)
