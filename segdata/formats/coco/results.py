"""COCO results: a list of model predictions, each item an image, a category, a segmentation and a score.

Specification: https://cocodataset.org/#format-results and `loadRes` of pycocotools.

Read: segmentations as in COCO instances, in practice compressed RLE; `score`; further keys as attributes. Items are
numbered from 1, as pycocotools does. The list names images and categories by id alone. You give them with the ground
truth (the option `truth`), an ``image_info….json`` beside the list, or a folder of images named by their ids together
with a taxonomy. All listed images count as predicted; an image without items has no predictions. The annotations come
from a model, which you name with `--annotator`.

Written: ``results.json``, and ``image_info.json`` with the images and categories, as COCO has it for its test images.
Items have no `bbox`: pycocotools and lvis-api would take the box's area for the segment's. A segment without a score
gets that of the option `score` (default: 1), which is counted as a loss.
"""

from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.coco import COCO_SORTS, IMAGE_INFO_FILES, TRUTH_OPTION, find_documents
from segdata.formats.shared import COCO_RESULTS_LOSSES

ALIASES = ("coco-predictions", "coco-detections")
FAMILY = "coco"  # `--from coco` reads this format, too
NAMES = DOCUMENT_NAMES
LOSSES: frozenset[LossKind] = COCO_RESULTS_LOSSES
READ_OPTIONS = TRUTH_OPTION
WRITE_OPTIONS = {"score": "score of segments that have none; default: 1"}
CHECKED = ("pycocotools (loadRes)",)
_MAX_FILES = 8  # JSON files opened


def detect(files: FileProbe) -> FormatMatch | None:
    """A JSON list whose items have an image_id and a category_id; a ground truth beside it goes first."""
    names = result_lists(files)
    if not names:
        return None
    alone = files.root.is_file() or not find_documents(files.root, *COCO_SORTS)
    return FormatMatch(
        1.0 if alone else 0.5, f"COCO results: {', '.join(names[:3])} is a list with image_id and category_id"
    )


read = ImportedOnCall("segdata.formats.coco.instances_reader:open_results")


write = ImportedOnCall("segdata.formats.coco.writer:write_results")


def result_lists(files: FileProbe) -> list[str]:
    """The names of the JSON lists of results; an empty list counts if the images are listed beside it."""
    names = files.heads(r"^[^/]*\.json$", rb"\A\s*\[\s*[{\]]", _MAX_FILES)
    listed = files.matching(rf"^{IMAGE_INFO_FILES.replace('*', '.*')}$")
    heads = {name: files.head(name) for name in names}
    return [
        name
        for name, head in heads.items()
        if (bool(listed) if b"".join(head.split()) == b"[]" else b'"image_id"' in head and b'"category_id"' in head)
    ]
