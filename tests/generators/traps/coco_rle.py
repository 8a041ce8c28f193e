"""Traps of COCO's RLE, and of masks that become polygons."""

from pathlib import Path

import numpy as np

from tests.generators.coco_documents import annotation, document, write_document
from tests.generators.traps.coco_instances import FILE, box, image, ring
from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap


def counts_of(values: Mask) -> list[int]:
    """The lengths of the runs of a flat mask, first of what is False."""
    bounds = np.flatnonzero(np.diff(values.astype(np.int8), prepend=0, append=-1 if values[-1] else 0))
    edges = np.concatenate([[0], bounds, [len(values)]])
    counts: list[int] = np.diff(edges).tolist()
    return counts[:-1] if counts[-1] == 0 and len(counts) > 1 else counts


def rle(mask: Mask, **keys: object) -> dict[str, object]:
    """The uncompressed RLE of a mask, with `keys` instead."""
    return {"size": list(mask.shape), "counts": counts_of(mask.T.ravel()), **keys}


def window() -> Mask:
    """A square of 50 x 50 pixels with a hole of 20 x 20."""
    mask = box(1, 1, 51, 51, 60, 60)
    mask[16:36, 16:36] = False
    return mask


@trap("T02", format="coco-instances")
def a_hole_written_as_polygons(folder: Path) -> Truth:
    """An RLE with a hole, which is no crowd, to be written as COCO polygons.

    Datumaro 1.13.12 wrote 2401 pixels for 2100; supervision 0.31.2 and FiftyOne write the hole as a second ring, which
    COCO unites with the first to 2401.
    """
    write_document(folder, document(images=[image(60, 60)], annotations=[annotation(segmentation=rle(window()))]), FILE)
    segments = [TrueSegment("a.png", "cat", window(), iscrowd=False)]
    return Truth(FILE, segments, to="coco-instances", write={"polygons": "exact"})


@trap("T03", format="coco-instances")
def a_mask_written_as_polygons(folder: Path) -> Truth:
    """A square of 50 x 50 pixels, a line of one pixel and a single pixel, to be written as COCO polygons.

    Through cv2.findContours the square loses its last row and column (2401 pixels: Datumaro, ultralytics,
    supervision), and the other two are dropped, for they have fewer than three points.
    """
    masks = [box(1, 1, 51, 51, 60, 60), box(53, 1, 54, 51, 60, 60), box(57, 57, 58, 58, 60, 60)]
    segments = [annotation(id=1 + k, segmentation=rle(mask)) for k, mask in enumerate(masks)]
    write_document(folder, document(images=[image(60, 60)], annotations=segments), FILE)
    shapes = [TrueSegment("a.png", "cat", mask) for mask in masks]
    return Truth(FILE, shapes, to="coco-instances", write={"polygons": "exact"})


@trap("T04", format="coco-instances")
def an_rle_that_is_no_crowd(folder: Path) -> Truth:
    """An RLE that is one object, and a polygon that is a crowd, written back as COCO.

    Datumaro writes iscrowd = 1 for every RLE, and supervision for every hole, and training ignores those objects
    (mmdetection#8751). How a mask is coded says nothing about crowds.
    """
    one = annotation(segmentation=rle(box(0, 0, 2, 2)))
    crowd = annotation(id=2, segmentation=[ring(3, 0, 5, 4)], iscrowd=1)
    write_document(folder, document(annotations=[one, crowd]), FILE)
    segments = [
        TrueSegment("a.png", "cat", box(0, 0, 2, 2), iscrowd=False),
        TrueSegment("a.png", "cat", box(3, 0, 5, 4), iscrowd=True),
    ]
    return Truth(FILE, segments, to="coco-instances")


@trap("T07", format="coco-instances")
def height_and_width_exchanged(folder: Path) -> Truth:
    """An RLE whose size is [width, height], beside a sound one.

    Its counts have the right sum, so that it decodes to a transposed shape of the right area.
    """
    exchanged = rle(box(1, 1, 3, 4), size=[6, 5])
    write_document(folder, document(annotations=[annotation(), annotation(id=2, segmentation=exchanged)]), FILE)
    return Truth(FILE, [TrueSegment("a.png", "cat", box(1, 1, 3, 3))], findings=["SEG005"])


@trap("T08", format="coco-instances")
def counts_that_fall_short(folder: Path) -> Truth:
    """An RLE whose counts add up to 10 of 30 pixels, and one beyond them, beside a sound one.

    pycocotools decodes the rest from memory that nobody wrote: another picture every time.
    """
    wrong = [annotation(id=2 + k, segmentation={"size": [5, 6], "counts": [4, last]}) for k, last in enumerate((6, 40))]
    write_document(folder, document(annotations=[annotation(), *wrong]), FILE)
    return Truth(FILE, [TrueSegment("a.png", "cat", box(1, 1, 3, 3))], findings=["SEG005"])


@trap("T09", format="coco-instances")
def an_rle_of_another_image_size(folder: Path) -> Truth:
    """An RLE made on an image of half the size, beside a sound one.

    Merged with others pycocotools gives back size [0, 0], an empty mask, and no error.
    """
    half = rle(box(0, 0, 2, 2, 3, 2))
    write_document(folder, document(annotations=[annotation(), annotation(id=2, segmentation=half)]), FILE)
    return Truth(FILE, [TrueSegment("a.png", "cat", box(1, 1, 3, 3))], findings=["SEG005"])


@trap("T10", format="coco-instances")
def counts_that_go_row_by_row(folder: Path) -> Truth:
    """An RLE made by flattening a mask row by row, as NumPy does, with the right bbox; beside a sound one.

    Column by column it is stripes all over the image, with the right area, and nobody notices.
    """
    mask = box(20, 5, 30, 25, 60, 40)
    by_rows = {"size": [40, 60], "counts": counts_of(mask.ravel())}
    wrong = annotation(id=2, segmentation=by_rows, bbox=[20, 5, 10, 20], area=200)
    write_document(folder, document(images=[image(60, 40)], annotations=[annotation(), wrong]), FILE)
    return Truth(FILE, [TrueSegment("a.png", "cat", box(1, 1, 3, 3, 60, 40))], findings=["SEG005"])
