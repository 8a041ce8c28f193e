"""COCO instances: one JSON of images and annotations, each annotation polygons or an RLE.

Specification: https://cocodataset.org/#format-data; pixels as pycocotools makes them.

Read: `segmentation` as rings (united, COCO's even-odd scan conversion), compressed and uncompressed RLE; `iscrowd`,
`area`, `bbox`; the widely used keys `score`, `track_id` and `attributes`; `also`, ids of secondary categories; every
other key of an annotation as an attribute and of an image as metadata. An image that is listed is annotated, also when
it has no annotation.

Written: the source's rings, number for number, where they rasterise to exactly the segment's pixels, else compressed
RLE, so that holes stay holes. With `polygons` exact, else outlines along the edges of the pixels: a ring for each part,
or, where there are holes, one ring for all, joined by bridges that are gone there and back, so that they count for
nothing in COCO's even-odd rule (`segdata_keyhole` is 1 then; programs that draw edges too, as OpenCV does, show the
bridges as lines); crowds become RLE. With `polygons` never, RLE always: supervision too reads that as the same pixels,
while it rounds the corners of polygons and draws them by OpenCV, with their edges. `area` and `bbox` are from the
pixels; `iscrowd`; `score`, `track_id`, `attributes` and `also` where there are any; `isthing` and `color` of
categories, which are COCO panoptic's keys. `file_name` is the image_id: images are referenced, not copied. Of several
annotators of an image the first is written. COCO has no kind for void: such segments are left out, and counted.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.format import FileProbe, FormatMatch, LossCounter, LossKind, ReadRequest
from segdata.core.profile import Profile
from segdata.formats.coco.probe import POLYGONS_OPTION, choose_document, document_clue
from segdata.formats.shared.declared_losses import COCO_LOSSES

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.formats.coco.instances_reader import InstancesSource


LOSSES: frozenset[LossKind] = COCO_LOSSES | {"empty-annotation"}
CHECKED = ("pycocotools", "supervision 0.31 (reads what is written, and what it writes is read)")
FILE_SUFFIXES = (".json",)
WRITE_OPTIONS = POLYGONS_OPTION


def detect(seen: FileProbe) -> FormatMatch | None:
    """A JSON file, or a folder with one, that holds images, annotations and categories."""
    return document_clue(seen.root, "instances")


def read(request: ReadRequest) -> "InstancesSource":
    """Open a document; raises SegdataError where there is none, or several to choose from."""
    from segdata.formats.coco.instances_reader import open_instances

    return open_instances(request, *choose_document(request.root, "instances"))


def write(
    profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter, *, polygons: str = "source"
) -> None:
    """Write one document: `target` itself where it ends in .json, else annotations.json in that folder.

    Raises SegdataError where `polygons` is none of the choices.
    """
    from segdata.formats.coco.instances_writer import write_instances

    path = target if target.suffix.lower() == ".json" else target / "annotations.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_instances(profile, batches, path, losses, LOSSES, polygons=polygons)
