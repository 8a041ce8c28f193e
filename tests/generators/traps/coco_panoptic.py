"""Traps of COCO panoptic: PNG and JSON that must say the same."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.generators.coco_documents import annotation, document, write_document
from tests.generators.traps.coco_instances import FILE, box, image, ring
from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap

SKY, CAR = 1, 2
_CATEGORIES = [{"id": SKY, "name": "sky", "isthing": 0}, {"id": CAR, "name": "car", "isthing": 1}]
_NAMES = {SKY: "sky", CAR: "car"}
_IDS = (70_000, 300)  # of the sky and of the car: all three channels matter


def halves() -> dict[int, Mask]:
    """The sky is the left half of the image, the car the right one."""
    return {_IDS[0]: box(0, 0, 3, 5), _IDS[1]: box(3, 0, 6, 5)}


def info(id_: int, category: int, mask: Mask, **keys: Any) -> dict[str, Any]:
    """An entry of `segments_info`."""
    y, x = mask.nonzero()
    bbox = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
    return {"id": id_, "category_id": category, "area": int(mask.sum()), "bbox": bbox, "iscrowd": 0, **keys}


def scene(folder: Path, masks: dict[int, Mask], infos: Sequence[dict[str, Any]], order: str = "RGB") -> Path:
    """Write the document, and the PNG with the ids in the order of channels; the PNG's path."""
    ids: NDArray[np.uint32] = np.zeros((5, 6), np.uint32)
    for id_, mask in masks.items():
        ids[mask] = id_
    channels = {"R": ids & 255, "G": ids >> 8 & 255, "B": ids >> 16, "A": np.full_like(ids, 255)}
    path = folder / "labels" / "a.png"
    path.parent.mkdir()
    Image.fromarray(np.stack([channels[name] for name in order], axis=2).astype(np.uint8)).save(path)
    entry = {"image_id": 1, "file_name": "a.png", "segments_info": list(infos)}
    content = {"images": [image(6, 5)], "annotations": [entry], "categories": _CATEGORIES}
    (folder / FILE).write_text(json.dumps(content), encoding="utf-8")
    return path


def sound() -> list[dict[str, Any]]:
    """What `segments_info` says of the two halves."""
    return [info(id_, category, mask) for (id_, mask), category in zip(halves().items(), (SKY, CAR), strict=True)]


def truth(**keys: Any) -> Truth:
    """That both halves come out."""
    segments = [TrueSegment("a.png", name, mask) for name, mask in zip(_NAMES.values(), halves().values(), strict=True)]
    return Truth(FILE, segments, **keys)


@trap("T17", format="coco-panoptic")
def red_and_blue_exchanged(folder: Path) -> Truth:
    """A PNG that was written with OpenCV from RGB, so that ids are B + 256 G + 65536 R.

    No id is found. Read in the order in which all fit, and said so.
    """
    scene(folder, halves(), sound(), "BGR")
    return truth(findings=["SEG014"])


@trap("T18", format="coco-panoptic")
def a_segment_without_pixels(folder: Path) -> Truth:
    """`segments_info` lists a car that is not in the PNG.

    Datumaro 1.13.12 imports it as a mask of no pixel; the official evaluation never checks the ground truth.
    """
    scene(folder, halves(), [*sound(), info(7, CAR, box(0, 0, 1, 1))])
    return truth(findings=["SEG014"])


@trap("T19", format="coco-panoptic")
def pixels_that_are_not_listed(folder: Path) -> Truth:
    """The PNG has an id that `segments_info` does not list.

    Tools that go through the list lose those pixels, and do not say so.
    """
    stray = box(3, 0, 6, 1)
    car = box(3, 1, 6, 5)
    scene(folder, {_IDS[0]: box(0, 0, 3, 5), _IDS[1]: car, 9: stray}, [sound()[0], info(_IDS[1], CAR, car)])
    sky = TrueSegment("a.png", "sky", box(0, 0, 3, 5))
    return Truth(FILE, [sky, TrueSegment("a.png", "car", car)], findings=["SEG014"])


@trap("T20", format="coco-panoptic")
def areas_that_are_stale(folder: Path) -> Truth:
    """`area` says 100 where the PNG has 15 pixels; no tool compares the two."""
    scene(folder, halves(), [sound()[0], sound()[1] | {"area": 100}])
    return truth(findings=["SEG013"])


@trap("T21", format="coco-instances")
def overlap_written_as_panoptic(folder: Path) -> Truth:
    """Two segments that share 4 pixels, to be written as panoptic, where a pixel has one id.

    Datumaro 1.13.12 wrote the areas of before, 400 and 400, for 300 and 400 pixels. What is hidden must be gone from
    the area, too.
    """
    under, over = annotation(segmentation=[ring(0, 0, 4, 4)]), annotation(id=2, segmentation=[ring(2, 2, 6, 5)])
    write_document(folder, document(annotations=[under, over]), FILE)
    hidden = box(0, 0, 4, 4) & ~box(2, 2, 6, 5)
    segments = [TrueSegment("a.png", "cat", hidden), TrueSegment("a.png", "cat", box(2, 2, 6, 5))]
    return Truth(FILE, segments, to="coco-panoptic")


@trap("T22", format="coco-panoptic")
def an_id_on_two_segments(folder: Path) -> Truth:
    """`segments_info` has the same id twice, for the sky and for a car.

    The pixels cannot be both. They go to the first, and the second is reported.
    """
    scene(folder, halves(), [*sound(), sound()[0] | {"category_id": CAR}])
    return truth(findings=["SEG008"])


@trap("T22", format="coco-instances")
def ids_that_repeat_written_as_panoptic(folder: Path) -> Truth:
    """Two annotations with the id 7, to be written as panoptic.

    Datumaro 1.13.12 writes both with the id 7, and one of them is lost.
    """
    two = [annotation(id=7), annotation(id=7, segmentation=[ring(4, 1, 6, 3)])]
    write_document(folder, document(annotations=two), FILE)
    segments = [TrueSegment("a.png", "cat", box(left, 1, left + 2, 3)) for left in (1, 4)]
    return Truth(FILE, segments, to="coco-panoptic")


@trap("T23", format="coco-panoptic")
def stuff_stays_stuff(folder: Path) -> Truth:
    """A sky, which is stuff, in two segments, written back as panoptic.

    Datumaro 1.13.12 writes `isthing: 0` for every category. Here one can see what is kept: stuff in two segments is a
    finding, two cars are none.
    """
    masks = {1: box(0, 0, 1, 5), 2: box(1, 0, 3, 5), 3: box(3, 0, 4, 5), 4: box(4, 0, 6, 5)}
    categories = (SKY, SKY, CAR, CAR)
    scene(folder, masks, [info(id_, each, masks[id_]) for id_, each in zip(masks, categories, strict=True)])
    segments = [TrueSegment("a.png", _NAMES[each], mask) for each, mask in zip(categories, masks.values(), strict=True)]
    return Truth(FILE, segments, findings=["SEG206"], to="coco-panoptic")


@trap("T24", format="coco-panoptic")
def an_opaque_alpha_channel(folder: Path) -> Truth:
    """A PNG with a fourth channel that is 255 everywhere: the ids are what they were."""
    scene(folder, halves(), sound(), "RGBA")
    return truth()


@trap("T24", format="coco-panoptic")
def ids_in_a_palette(folder: Path) -> Truth:
    """A PNG that some program saved with a palette: the indices are no ids."""
    path = scene(folder, halves(), sound())
    with Image.open(path) as picture:
        picture.convert("P").save(path)
    return Truth(FILE, [], findings=["SEG014"])


@trap("T24", format="coco-panoptic")
def ids_in_a_jpeg(folder: Path) -> Truth:
    """A mask that was saved as JPEG under a name that ends in .png: compression changes ids."""
    path = scene(folder, halves(), sound())
    with Image.open(path) as picture:
        picture.save(path, "JPEG")
    return Truth(FILE, [], findings=["SEG010"])
