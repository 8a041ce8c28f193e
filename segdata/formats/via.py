"""VIA: projects and annotation exports of the VGG Image Annotator, versions 1 and 2, as JSON or CSV.

Specification: via-2.x.y/src/via.js of ox-vgg/via (pack_via_metadata, parse_csv_header_line). VIA 3 is another format,
and not read.

Read: JSON files with ``_via_img_metadata`` or the images themselves, regions as a list or (VIA 1) an object, and CSV
exports. Polygons, rectangles, circles and ellipses are drawn by COCO's rule, as after VIA's own COCO export; points and
lines have no area: they are counted and left out. The category is the value of one region attribute: that of the option
`attribute`, else the only one with values, else the one that looks most like it, which is told; of a checkbox the first
value, the others are secondary categories. A region without a value is read as of the category `region`, and that is
reported. Other attributes are kept, and so is what files are said to be. VIA keeps no sizes, so the images are needed,
unless the files' attributes have `width` and `height`. A folder ``train``, ``val`` … is a split.

Written: ``via_project.json``, which VIA opens, with a polygon for each segment: the source's where there is one and it
is exact, else the outlines of its pixels, parts and holes joined to one ring (exact by COCO's even-odd rule). Region
attributes hold the category and what else is known of a segment, file attributes the size and what is known of the
image. ``taxonomy.yaml`` beside it has the ids and kinds of the categories.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.format import FileProbe, FormatMatch, LossCounter, LossKind, ReadRequest
from segdata.core.profile import Profile
from segdata.formats.shared.declared_losses import VIA_LOSSES
from segdata.formats.tools.heads import VIA_CSV, VIA_JSON

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.tools.source import ToolSource

LOSSES: frozenset[LossKind] = VIA_LOSSES
CHECKED = ("pycocotools", "VIA 2 exports of a public dataset")
READ_OPTIONS = {"attribute": "the region attribute that names the category"}


def detect(seen: FileProbe) -> FormatMatch | None:
    """JSON with regions or shape_attributes of images, or CSV with VIA's header."""
    found = seen.heads(r"\.json$", VIA_JSON) + seen.heads(r"\.csv$", VIA_CSV)
    return FormatMatch(1.0, f"VIA: {', '.join(found[:3])} has regions with shape_attributes") if found else None


def read(request: ReadRequest) -> "ToolSource":
    """Open the files at or below a path; raises UnreadableError where none is VIA's, or nothing tells sizes."""
    from segdata.formats.tools.via_files import open_via

    return open_via(request)


def write(profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter) -> None:
    """Write ``via_project.json`` and ``taxonomy.yaml`` into the folder `target`."""
    from segdata.formats.tools.via_writer import write_via

    write_via(profile, batches, target, losses)
