"""VIA: projects and annotation exports of the VGG Image Annotator, versions 1 and 2, as JSON or CSV.

Specification: via-2.x.y/src/via.js of ox-vgg/via (pack_via_metadata, parse_csv_header_line). VIA 3 is another format,
and not read.

Read: JSON files with ``_via_img_metadata`` or the images themselves, regions as a list or (VIA 1) an object, and CSV
exports. Polygons, rectangles, circles and ellipses are drawn by COCO's rule, as after VIA's own COCO export. Points
and lines have no area: they are counted and left out, with a warning if a category of polygons has lines. The
category is the value of one region attribute: the one that you name with the option `attribute`, else the only one
with values, else the one that looks most like a category, which is reported. An attribute that mostly has the same
values counts where this one has none, which is reported, too. In a checkbox the first value is the category, the
others are secondary categories. ``not_defined``, which VIA writes into new regions, is no value. A region without a
value gets the category `region`, and that is reported (as an info if no region has one: then all are of one class).
Other attributes are kept, also those of files. VIA keeps no sizes, so you need the images, unless the files'
attributes have `width` and `height`. A folder ``train``, ``val`` … is a split, and the images of ``via_train.json``
may be in ``train``. If one folder has two splits, they are the dataset: folders beside it, as the example of a program,
are named and not read, nor are those of predictions and copies (``results/``, ``backup/``); with ``--from via`` all is
one.

Written: ``via_project.json``, which VIA opens, with a polygon for each segment: the source's if there is one and it is
exact, else the outlines of its pixels, parts and holes joined to one ring (exact by COCO's even-odd rule). Region
attributes hold the category and the other data of a segment, file attributes the size and the data of the image.
``taxonomy.yaml`` beside it has the ids and kinds of the categories.
"""

from segdata.core.errors import list_names
from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import VIA_LOSSES

ALIASES = ("vgg", "vgg-image-annotator")
NAMES = DOCUMENT_NAMES
LOSSES: frozenset[LossKind] = VIA_LOSSES
CHECKED = ("pycocotools", "VIA 2 exports of a public dataset")
JSON_HEAD = rb'"_via_img_metadata"\s*:|"shape_attributes"\s*:'
CSV_HEAD = rb"\A(\xef\xbb\xbf)?#?filename,file_size,file_attributes,region_count,region_id,region_shape_attributes"
READ_OPTIONS = {"attribute": "the region attribute that names the category"}


def detect(probe: FileProbe) -> FormatMatch | None:
    """JSON with regions or shape_attributes of images, or CSV with VIA's header."""
    names = probe.heads(r"\.json$", JSON_HEAD) + probe.heads(r"\.csv$", CSV_HEAD)
    return FormatMatch(1.0, f"regions with shape_attributes in {list_names(names)}") if names else None


read = ImportedOnCall("segdata.formats.tools.via_files:open_via")


write = ImportedOnCall("segdata.formats.tools.via_files:write_via")
