"""Shared by families of formats: images, masks, pairing, taxonomies, and sets of losses for a format's `LOSSES`."""

from segdata.core.losses import LossKind

# Masks with one value per pixel, whatever the value means.
MASK_LOSSES: frozenset[LossKind] = frozenset({
    "annotator", "attributes", "annotation-attributes", "category", "empty-segment", "image-details", "overlap",
    "rings", "score", "secondary-categories", "segment-id", "source", "track",
})  # fmt: skip
# Masks of categories.
CATEGORY_MASK_LOSSES: frozenset[LossKind] = MASK_LOSSES | {"crowd", "instance", "unlabelled"}
# Masks of street scenes, whose categories are numbered.
STREET_MASK_LOSSES: frozenset[LossKind] = CATEGORY_MASK_LOSSES | {"spatial", "void"}
# Masks of tracks.
TRACK_MASK_LOSSES: frozenset[LossKind] = MASK_LOSSES | {"crowd", "instance", "spatial", "track-id"}
# COCO's files of instances and of panoptic data.
COCO_LOSSES: frozenset[LossKind] = frozenset({
    "annotator", "annotation-attributes", "category", "category-details", "image-details", "rings", "segment-id",
    "source", "spatial", "void",
})  # fmt: skip
# Lists of results.
COCO_RESULTS_LOSSES: frozenset[LossKind] = COCO_LOSSES | {
    "attributes", "crowd", "empty-annotation", "score", "secondary-categories", "track",
}  # fmt: skip
# Files of annotation tools.
TOOL_LOSSES: frozenset[LossKind] = frozenset({
    "annotation-attributes", "attributes", "category", "image-details", "rings", "secondary-categories", "segment-id",
    "spatial",
})  # fmt: skip
# LabelMe's files.
LABELME_LOSSES: frozenset[LossKind] = TOOL_LOSSES | {"annotator", "empty-annotation"}
# Projects of VIA.
VIA_LOSSES: frozenset[LossKind] = LABELME_LOSSES | {"empty-segment"}
# CVAT's XML.
CVAT_LOSSES: frozenset[LossKind] = VIA_LOSSES | {"source"}
# Datumaro's documents.
DATUMARO_LOSSES: frozenset[LossKind] = LABELME_LOSSES | {"source"}
