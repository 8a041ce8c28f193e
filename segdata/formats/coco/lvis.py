"""LVIS: COCO instances with more than a thousand categories, of which only a few were searched in each image.

Specification: lvis-dataset/lvis-api (lvis/lvis.py, lvis/eval.py) on GitHub; pixels as pycocotools makes them.

Read: as COCO instances. `neg_category_ids` and `not_exhaustive_category_ids` of images become the coverage of their
annotations: a category is exhaustive in an image if it is known to be absent, or if all its instances were drawn. An
image without `file_name` (LVIS 1.0 has none) is named by the last two parts of its `coco_url`
(``train2017/000000391895.jpg``), as detectron2 does. `def` of categories is their definition; `synset`, `synonyms`,
`frequency` and their counts are kept.

Written: as COCO instances, with the two lists of each image, and the `frequency` of categories that LVIS' evaluation
needs (r: in at most 10 images, c: in at most 100, f: in more), counted if your source does not have it. In datasets of
sparse coverage, all categories of an image are in `not_exhaustive_category_ids` and none is negative; if coverage is
exhaustive, it is the reverse. LVIS has no crowds: the flag is kept as COCO's `iscrowd`, which its evaluation ignores.
Not checked against the published files, which are not here, but against what lvis-api reads.
"""

from pathlib import Path

from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.formats.coco import POLYGONS_OPTION, document_clue, find_documents, instances

ALIASES = ("lvis-v1",)
FAMILY = "coco"  # `--from coco` reads this format, too
NAMES = DOCUMENT_NAMES
LOSSES = instances.LOSSES
CHECKED = ("pycocotools", "lvis/lvis.py and lvis/eval.py of lvis-dataset/lvis-api (what they ask for)")
FILE_SUFFIXES = (".json",)
WRITE_OPTIONS = POLYGONS_OPTION


def detect(files: FileProbe) -> FormatMatch | None:
    """A JSON file, or a folder with one, whose images have negative categories, or whose categories have synsets."""
    return document_clue(files.root, "lvis")


def list_documents(root: Path) -> list[Path]:
    """The documents in a folder: ``instances_train2017.json`` and ``instances_val2017.json`` are one dataset."""
    return find_documents(root, "lvis")


read = ImportedOnCall("segdata.formats.coco.lvis_coverage:open_lvis")


write = ImportedOnCall("segdata.formats.coco.lvis_coverage:write_lvis")
