"""SAM: what a Segment Anything model finds by itself on an image, one JSON an image, without categories.

Specification: README.md, scripts/amg.py and segment_anything/automatic_mask_generator.py of
facebookresearch/segment-anything on GitHub.

Read: the lists that ``amg.py --convert-to-rle`` writes, ``<stem>.json``, and the files of SA-1B, an object of `image`
and `annotations`; RLE in either form. `predicted_iou` is the score; `stability_score`, `point_coords`, `crop_box` and
further keys are attributes. All segments are of one category, ``object`` or what the option `category` says. The
annotations are from a model; `--annotator` gives its name. An empty list is an image on which nothing was found.

Not read: the folders of PNGs that ``amg.py`` writes without that option. Not written.
"""

from typing import TYPE_CHECKING

from segdata.core.format import FileProbe, FormatMatch, LossKind, ReadRequest
from segdata.formats.coco.probe import document_sort

if TYPE_CHECKING:
    from segdata.formats.shared.per_image import PerImageSource


LOSSES: frozenset[LossKind] = frozenset()
READ_OPTIONS = {"category": "the name of the category of all segments; default: object"}
CHECKED = ("pycocotools", "Datumaro 1.13 (its reader of SA-1B)")
_OF_SAM = rb'"(predicted_iou|stability_score)"\s*:|\A\s*\{\s*"image"\s*:\s*\{[^{}]*"image_id".*"annotations"\s*:'


def detect(seen: FileProbe) -> FormatMatch | None:
    """JSON files with the scores that only SAM gives, or with one image and its annotations; not those of COCO."""
    found = [
        name
        for name in seen.heads(r"\.json$", b"(?s)" + _OF_SAM)
        if b'"category_id"' not in seen.head(name) and document_sort(seen.path(name)) is None
    ]
    return FormatMatch(1.0, f"SAM: {', '.join(found[:3])} holds masks with predicted_iou") if found else None


def read(request: ReadRequest) -> "PerImageSource":
    """Open the files of a dataset, or one of them; raises UnreadableError where there is none."""
    from segdata.formats.coco.sam_reader import open_sam

    return open_sam(request)
