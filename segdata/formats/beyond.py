"""Beyond: what the files of formats cannot hold, where a format and its writer, or several formats, have to know it."""

from segdata.core.loss import Kind

# Masks of one value a pixel, whatever the value means.
BESIDE_PIXELS: frozenset[Kind] = frozenset(
    {
        "annotator",
        "attributes",
        "annotation-attributes",
        "category",
        "empty-segment",
        "image-details",
        "overlap",
        "rings",
        "score",
        "secondary-categories",
        "segment-id",
        "source",
        "track",
    }
)
# Masks of categories.
BY_CATEGORY: frozenset[Kind] = BESIDE_PIXELS | {"crowd", "instance", "unlabelled"}
# Masks of street scenes, whose categories are numbered.
BESIDE_STREETS: frozenset[Kind] = BY_CATEGORY | {"spatial", "void"}
# Masks of tracks.
BESIDE_TRACKS: frozenset[Kind] = BESIDE_PIXELS | {"crowd", "instance", "spatial", "track-id"}
# Files of COCO, of instances as of panoptic data.
BEYOND_COCO: frozenset[Kind] = frozenset(
    {
        "annotator",
        "annotation-attributes",
        "category",
        "category-details",
        "image-details",
        "rings",
        "segment-id",
        "source",
        "spatial",
        "void",
    }
)
# Lists of results.
BEYOND_RESULTS: frozenset[Kind] = BEYOND_COCO | {
    "attributes",
    "crowd",
    "empty-annotation",
    "score",
    "secondary-categories",
    "track",
}
# Files of annotation tools.
BEYOND_TOOLS: frozenset[Kind] = frozenset(
    {
        "annotation-attributes",
        "attributes",
        "category",
        "image-details",
        "rings",
        "secondary-categories",
        "segment-id",
        "spatial",
    }
)
# LabelMe's files.
BEYOND_LABELME: frozenset[Kind] = BEYOND_TOOLS | {"annotator", "empty-annotation"}
# Projects of VIA.
BEYOND_VIA: frozenset[Kind] = BEYOND_LABELME | {"empty-segment"}
# CVAT's XML.
BEYOND_CVAT: frozenset[Kind] = BEYOND_VIA | {"source"}
# Datumaro's documents.
BEYOND_DATUMARO: frozenset[Kind] = BEYOND_LABELME | {"source"}
