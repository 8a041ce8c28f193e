"""Traps of COCO instances files: polygons, ids, measures, categories."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.generators.coco_documents import SQUARE, annotation, document, write_document
from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap

FILE = "labels.json"


def box(left: int, top: int, right: int, bottom: int, width: int = 6, height: int = 5) -> Mask:
    """A mask that is True from (left, top) up to, not with, (right, bottom)."""
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


def ring(left: float, top: float, right: float, bottom: float) -> list[float]:
    """The corners of a box, clockwise."""
    return [left, top, right, top, right, bottom, left, bottom]


def image(width: int, height: int, **keys: Any) -> dict[str, Any]:
    """The entry of image 1, `a.png`."""
    return {"id": 1, "file_name": "a.png", "width": width, "height": height, **keys}


@trap("T01", format="coco-instances")
def a_ring_inside_a_ring(folder: Path) -> Truth:
    """A ring for a window, and within it a second one for its pane, meant as a hole.

    COCO unites the rings of an annotation, so the hole is filled: 2500 pixels where 2100 were meant (detectron2#489,
    Datumaro#168). Read as COCO says, and said to the user.
    """
    rings = [ring(1, 1, 51, 51), ring(16, 16, 36, 36)]
    write_document(folder, document(images=[image(60, 60)], annotations=[annotation(segmentation=rings)]), FILE)
    return Truth(FILE, [TrueSegment("a.png", "cat", box(1, 1, 51, 51, 60, 60))], findings=["SEG018"])


@trap("T05", format="coco-instances")
def a_ring_of_four_numbers(folder: Path) -> Truth:
    """A "polygon" of 4 numbers, a box in truth, behind a sound ring.

    pycocotools 2.0.11 reads no pixels from it and says nothing, and raises TypeError where it comes first. The sound
    ring must stay.
    """
    content = document(annotations=[annotation(segmentation=[SQUARE, [4, 1, 5, 3]])])
    write_document(folder, content, FILE)
    return Truth(FILE, [TrueSegment("a.png", "cat", box(1, 1, 3, 3))], findings=["SEG006"])


@trap("T06", format="coco-instances")
def numbers_that_are_no_coordinates(folder: Path) -> Truth:
    """Rings with an odd count of numbers, NaN, infinity, and a coordinate of 100 million, beside a sound one.

    pycocotools drops the last number of an odd count in silence, and does not return from the others.
    """
    nan, infinite, far = ([1, 1, value, 1, 3, 3] for value in (float("nan"), float("inf"), 1e8))
    rings = [[1, 1, 3, 1, 3, 3, 9], nan, infinite, far]
    broken = [annotation(id=2 + k, segmentation=[each]) for k, each in enumerate(rings)]
    write_document(folder, document(annotations=[annotation(), *broken]), FILE)
    return Truth(FILE, [TrueSegment("a.png", "cat", box(1, 1, 3, 3))], findings=["SEG006"])


@trap("T11", format="coco-instances")
def a_box_that_the_pixels_contradict(folder: Path) -> Truth:
    """A segment of 40 x 40 pixels, whose `bbox` covers a quarter of it.

    FiftyOne crops the decoded mask to the box (voxel51/fiftyone#2847). The pixels are the truth, the box is stale.
    """
    one = annotation(segmentation=[ring(10, 10, 50, 50)], bbox=[10, 10, 20, 20], area=1600)
    write_document(folder, document(images=[image(60, 60)], annotations=[one]), FILE)
    return Truth(FILE, [TrueSegment("a.png", "cat", box(10, 10, 50, 50, 60, 60))], findings=["SEG013"])


@trap("T12", format="coco-instances")
def the_area_of_the_box(folder: Path) -> Truth:
    """A triangle whose `area` is that of its box, as VIA writes it for circles.

    COCO's evaluation sorts segments into small, medium and large by that number.
    """
    corners = [0, 0, 40, 0, 40, 40]
    one = annotation(segmentation=[corners], bbox=[0, 0, 40, 40], area=1600)
    write_document(folder, document(images=[image(40, 40)], annotations=[one]), FILE)
    triangle = np.arange(40)[:, None] < np.arange(40)[None, :]
    return Truth(FILE, [TrueSegment("a.png", "cat", triangle)], findings=["SEG013"])


@trap("T13", format="coco-instances")
def categories_with_gaps_between_ids(folder: Path) -> Truth:
    """Categories 1, 13 and 90, written back as COCO.

    Who takes `category_id - 1` for an index shifts all classes after the first gap.
    """
    names = {1: "person", 13: "stop sign", 90: "toothbrush"}
    content = document(
        categories=[{"id": id_, "name": name} for id_, name in reversed(names.items())],
        annotations=[
            annotation(id=k, category_id=id_, segmentation=[ring(k, 0, k + 1, 2)]) for k, id_ in enumerate(names)
        ],
    )
    write_document(folder, content, FILE)
    segments = [TrueSegment("a.png", name, box(k, 0, k + 1, 2)) for k, name in enumerate(names.values())]
    return Truth(FILE, segments, to="coco-instances")


@trap("T14", format="coco-instances")
def an_id_on_two_annotations(folder: Path) -> Truth:
    """Two annotations with the id 1.

    pycocotools keeps annotations by id, so that the first is gone (TACO#46). Both are read, and the id is reported.
    """
    write_document(folder, document(annotations=[annotation(), annotation(segmentation=[ring(4, 1, 6, 3)])]), FILE)
    both = [TrueSegment("a.png", "cat", box(left, 1, left + 2, 3)) for left in (1, 4)]
    return Truth(FILE, both, findings=["SEG008"])


@trap("T15", format="coco-instances")
def two_categories_of_one_name(folder: Path) -> Truth:
    """Categories 1 and 2, both called cat.

    Tools that look up names lose one of them; hotcoco 1.3.0's healthcheck says nothing.
    """
    twins = [{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}]
    right = annotation(id=2, category_id=2, segmentation=[ring(4, 1, 6, 3)])
    write_document(folder, document(categories=twins, annotations=[annotation(), right]), FILE)
    both = [TrueSegment("a.png", "cat", box(left, 1, left + 2, 3)) for left in (1, 4)]
    return Truth(FILE, both, findings=["SEG208"])


@trap("T16", format="coco-instances")
def an_image_id_that_is_a_text(folder: Path) -> Truth:
    """An annotation of the image "1", where the image is 1, and the same file listed a second time.

    The one is an orphan that most tools drop in silence (yolact#156); the annotations of the other belong together.
    """
    images = [image(6, 5), image(6, 5, id=2)]
    others = [annotation(id=2, image_id="1"), annotation(id=3, image_id=2, segmentation=[ring(4, 1, 6, 3)])]
    write_document(folder, document(images=images, annotations=[annotation(), *others]), FILE)
    both = [TrueSegment("a.png", "cat", box(left, 1, left + 2, 3)) for left in (1, 4)]
    return Truth(FILE, both, findings=["SEG007", "SEG008"])


@trap("T54", format="coco-instances")
def a_polygon_that_leaves_the_image(folder: Path) -> Truth:
    """A polygon with corners at -20 and 20 beyond an image of 60 x 60 pixels.

    Most tools clip it and say nothing. Clipped on the raster alone: the vertices stay, the outside is reported.
    """
    write_document(
        folder, document(images=[image(60, 60)], annotations=[annotation(segmentation=[ring(-20, 10, 80, 50)])]), FILE
    )
    return Truth(FILE, [TrueSegment("a.png", "cat", box(0, 10, 60, 50, 60, 60))], findings=["SEG115"])


@trap("T55", format="coco-instances")
def a_polygon_that_misses_every_pixel(folder: Path) -> Truth:
    """A polygon of 0.3 x 0.3 pixels beside a sound one.

    It rasterises to nothing, and where masks are made the object is gone. It stays, and is reported.
    """
    tiny = annotation(id=2, segmentation=[ring(2.1, 2.1, 2.4, 2.4)])
    write_document(folder, document(annotations=[annotation(), tiny]), FILE)
    nothing = TrueSegment("a.png", "cat", box(0, 0, 0, 0))
    return Truth(FILE, [TrueSegment("a.png", "cat", box(1, 1, 3, 3)), nothing], findings=["SEG105"])
