"""QuPath: GeoJSON of its annotations, detections and cells, a file for each image.

Specification: qupath.github.io, "Exporting annotations" (GeoJSON); QuPathTypeAdapters.java and GsonTools.java
in qupath-core of qupath/qupath.

Read: files ``<image>.geojson`` that are a collection of features, a list of them, or one. Polygons and multipolygons,
holes included, cover the pixels whose centres they contain, at full resolution. The class is the category, with its
colour; the names of a derived class are joined as in QuPath (``Tumor: Positive``). Objects without a class are
``Unclassified``; classes whose names end in an asterisk, which QuPath ignores, are void. Name, type of object (unless
it is an annotation), metadata and measurements become attributes. For cells you choose the outline with the option
`geometry`: the cell or its nucleus. Points and lines have no area, and objects on other planes than the first are
outside the image: both are counted and left out. The size is that of the image file; without one, give `size`.
The XML files of Aperio ImageScope (``<image>.xml``, as of MoNuSeg) are read, too: a layer is a class, by its name or
that of its attribute, and regions of negative area are holes.

Written: one file for each image, which QuPath imports as annotations. Polygons draw exactly the segment's pixels. Texts
and numbers in attributes become metadata and measurements. A member ``segdata``, which QuPath ignores, has the name and
size of the image. ``taxonomy.yaml`` beside the files has the ids and kinds of the categories. If an image has several
annotators, you get the first one's work.
"""

from segdata.core.errors import list_names
from segdata.core.format import FILE_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import TOOL_LOSSES

NAMES = FILE_NAMES
LOSSES: frozenset[LossKind] = TOOL_LOSSES | {
    "annotator", "crowd", "empty-annotation", "empty-segment", "score", "source", "track",
}  # fmt: skip
CHECKED = ("rasterio (GDAL) draws the same pixels", "QuPath's documented GeoJSON")
READ_OPTIONS = {
    "geometry": "cell or nucleus: which outline of cells is read (default: cell)",
    "size": "HEIGHTxWIDTH in pixels of all images whose files are not there",
}


def detect(probe: FileProbe) -> FormatMatch | None:
    """GeoJSON whose features have an object type, or segdata's member; XML with regions of ImageScope."""
    names = probe.heads(
        r"\.(geo)?json$", rb'"objectType"\s*:\s*"|\A\s*\{\s*"type"\s*:\s*"FeatureCollection"\s*,\s*"segdata"'
    )
    names = [name for name in names if b'"Feature' in probe.head(name)]
    if names:
        return FormatMatch(1.0, f"features with objectType in {list_names(names)}")
    names = probe.heads(r"\.xml$", rb"(?s)<Annotations\b[^>]*>\s*<Annotation\b.*<Regions>")
    return FormatMatch(1.0, f"regions of ImageScope in {list_names(names)}") if names else None


read = ImportedOnCall("segdata.formats.tools.qupath_files:open_qupath")


write = ImportedOnCall("segdata.formats.tools.qupath_files:write_qupath")
