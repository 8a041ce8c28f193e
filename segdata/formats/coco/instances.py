"""COCO instances: one JSON of images and annotations, each annotation polygons or an RLE.

Specification: https://cocodataset.org/#format-data; pixels as pycocotools makes them.

Read: `segmentation` as rings (united, COCO's even-odd scan conversion), compressed and uncompressed RLE; `iscrowd`,
`area`, `bbox`; the widely used keys `score`, `track_id` and `attributes`; `also`, ids of secondary categories. Every
other key of an annotation becomes an attribute, and of an image metadata. If you list an image, it counts as annotated,
even without annotations.

Read, in a folder: the document in it or in its folder ``annotations``. Documents that differ in the name of the split
alone (``instances_train2017.json``, ``instances_val2017.json``), and folders that are called as splits with a document
each (Roboflow's ``train|valid|test/_annotations.coco.json``), are one dataset. Its images have a split; those of one
name in two splits stay two images. If ids and names of categories contradict each other, names decide, and you get
SEG202.

Written: the source's rings, number for number, if they rasterise to exactly the segment's pixels, else compressed RLE,
so that holes stay holes. With `polygons` exact, other segments become outlines along the edges of the pixels: one ring
for each part, or, for a segment with holes, one ring for all, joined by bridges that go there and back, so that they
count for nothing in COCO's even-odd rule (`segdata_keyhole` is 1 then; programs that also draw edges, as OpenCV does,
show the bridges as lines); crowds become RLE. With `polygons` never, all segments become RLE: supervision reads that as
the same pixels, while it rounds the corners of polygons and draws them by OpenCV, with their edges.

`area` and `bbox` come from the pixels. `iscrowd` is written, and `score`, `track_id`, `attributes` and `also` if there
are any; categories also have `isthing` and `color`, which are COCO panoptic's keys. `file_name` is the image_id: images
are referenced, not copied. If an image has several annotators, the first is written. COCO has no kind for void: such
segments are left out and counted.
"""

from pathlib import Path

from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.coco import POLYGONS_OPTION, document_clue, find_documents
from segdata.formats.shared import COCO_LOSSES

ALIASES = ("coco", "mscoco", "coco-json", "coco-seg", "coco-detection")
NAMES = DOCUMENT_NAMES
LOSSES: frozenset[LossKind] = COCO_LOSSES | {"empty-annotation"}
CHECKED = ("pycocotools", "supervision 0.31 (reads what is written, and what it writes is read)")
FILE_SUFFIXES = (".json",)
WRITE_OPTIONS = POLYGONS_OPTION


def detect(files: FileProbe) -> FormatMatch | None:
    """A JSON file, or a folder with one, that holds images, annotations and categories."""
    return document_clue(files.root, "instances")


def list_documents(root: Path) -> list[Path]:
    """The documents in a folder: ``instances_train2017.json`` and ``instances_val2017.json`` are one dataset."""
    return find_documents(root, "instances")


read = ImportedOnCall("segdata.formats.coco.instances_reader:open_instances")


write = ImportedOnCall("segdata.formats.coco.writer:write_instances")
