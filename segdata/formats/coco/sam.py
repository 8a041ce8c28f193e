"""SAM: the masks that a Segment Anything model generates for an image, one JSON for each image, without categories.

Specification: README.md, scripts/amg.py and segment_anything/automatic_mask_generator.py of
facebookresearch/segment-anything on GitHub.

Read: the lists that ``amg.py --convert-to-rle`` writes, ``<stem>.json``, and the files of SA-1B, an object of `image`
and `annotations`; RLE in either form. `predicted_iou` is the score; `stability_score`, `point_coords`, `crop_box` and
further keys are attributes. All segments have one category, ``object`` or the one that you set with the option
`category`. The annotations come from a model, which you name with `--annotator`. An empty list is an image without
masks.

Not read: the folders of PNGs that ``amg.py`` writes without that option. Not written.
"""

from segdata.core.errors import list_names
from segdata.core.format import FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.coco import document_sort

ALIASES = ("sa1b", "segment-anything")
LOSSES: frozenset[LossKind] = frozenset()
READ_OPTIONS = {"category": "name of the category of all segments; default: object"}
CHECKED = ("pycocotools", "Datumaro 1.13 (its reader of SA-1B)")
_SAM_KEYS = rb'"(predicted_iou|stability_score)"\s*:|\A\s*\{\s*"image"\s*:\s*\{[^{}]*"image_id".*"annotations"\s*:'


def detect(files: FileProbe) -> FormatMatch | None:
    """JSON files with SAM's scores, or with one image and its annotations; not COCO documents."""
    names = [
        name
        for name in files.heads(r"\.json$", b"(?s)" + _SAM_KEYS)
        if b'"category_id"' not in files.head(name) and document_sort(files.path(name)) is None
    ]
    return FormatMatch(1.0, f"masks with predicted_iou in {list_names(names)}") if names else None


read = ImportedOnCall("segdata.formats.coco.sam_reader:open_sam")
