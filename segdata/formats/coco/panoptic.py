"""COCO panoptic: one JSON, and a folder of PNGs whose pixels are segment ids.

Specification: https://cocodataset.org/#format-data and cocodataset/panopticapi, whose `rgb2id` reads the ids:
R + 256 G + 65536 B. Id 0 is unlabelled.

Read: 8 bit RGB masks (RGBA if nothing is transparent) joined to `segments_info`, with `isthing`, `iscrowd`, `area`,
`bbox`; `score`, `track_id`, `attributes`, `also` and further keys as in COCO instances. An image without a readable
mask is not annotated. If your predictions list no images or categories, name the ground truth that does with the option
`truth`; the annotations then come from a model.

Written: ``panoptic.json`` and ``panoptic/<image>.png``. Ids are kept if they are unique in the image and fit in 24
bits, else renumbered. If segments overlap, the later one wins; if an image has several annotators, you get the first
one's work. `area` and `bbox` are those of the remaining pixels. A void segment becomes id 0: COCO has one value for
void and unlabelled, so you read it back as unlabelled.
"""

from pathlib import Path

from segdata.core.format import FILE_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.coco import TRUTH_OPTION, document_clue, find_documents
from segdata.formats.shared import COCO_LOSSES

ALIASES = ("panoptic", "panoptic-png")
FAMILY = "coco"  # `--from coco` reads this format, too
NAMES = FILE_NAMES
LOSSES: frozenset[LossKind] = COCO_LOSSES | {"empty-segment", "overlap"}
READ_OPTIONS = TRUTH_OPTION
CHECKED = ("panopticapi (rgb2id, evaluation.py)",)


def detect(files: FileProbe) -> FormatMatch | None:
    """A JSON file, or a folder with one, that holds `segments_info`."""
    return document_clue(files.root, "panoptic")


def list_documents(root: Path) -> list[Path]:
    """The documents in a folder: ``instances_train2017.json`` and ``instances_val2017.json`` are one dataset."""
    return find_documents(root, "panoptic")


read = ImportedOnCall("segdata.formats.coco.panoptic_reader:open_panoptic")


write = ImportedOnCall("segdata.formats.coco.writer:write_panoptic")
