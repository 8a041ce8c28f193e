"""Traps of PASCAL VOC: borders, palettes, and more objects than a byte can number."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.formats.voc.classes import OBJECT_PALETTE, palette_image
from tests.generators.coco_documents import annotation, document, write_document
from tests.generators.traps.trap import TrueSegment, Truth, trap

_VOID, _CAR, _PERSON = 255, 7, 15


def _save(path: Path, values: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    palette_image(values, OBJECT_PALETTE).save(path)


def _scene(folder: Path, classes: NDArray[np.uint8], objects: NDArray[np.uint8], stem: str = "2007_000001") -> str:
    """A pair of palette masks and their image; the image's id."""
    _save(folder / f"SegmentationClass/{stem}.png", classes)
    _save(folder / f"SegmentationObject/{stem}.png", objects)
    (folder / "JPEGImages").mkdir(exist_ok=True)
    Image.new("RGB", classes.shape[::-1]).save(folder / f"JPEGImages/{stem}.jpg")
    return f"{stem}.jpg"


@trap("T36", format=None)
def a_border_is_void(folder: Path) -> Truth:
    """Two cars with VOC's border, the value 255 in both masks, around and between them.

    Taken for a class the border is a 21st of VOC's categories, taken for nothing it is a gap between all objects. It is
    a region to be ignored, and no finding.
    """
    objects = np.array([[0, 0, 255, 255, 255, 0], [0, 255, 255, 1, 255, 255], [0, 255, 1, 1, 255, 2]], np.uint8)
    image = _scene(folder, np.where(objects % _VOID, np.uint8(_CAR), objects), objects)
    cars = [TrueSegment(image, "car", objects == number) for number in (1, 2)]
    return Truth("", [*cars, TrueSegment(image, "void", objects == _VOID)])


@trap("T38", format=None)
def indices_not_their_luminance(folder: Path) -> Truth:
    """A palette mask whose index 15, person, is shown as (192, 128, 128).

    Read in grey by OpenCV, or converted to grey by Pillow, index 15 becomes 147 and the border 220. The index is the
    class.
    """
    values = np.array([[0, _PERSON, _PERSON], [255, 0, _CAR]], np.uint8)
    image = _scene(folder, values, np.where(values % _VOID, np.uint8(1) + (values == _CAR), values))
    names = {"person": _PERSON, "car": _CAR, "void": _VOID}
    return Truth("", [TrueSegment(image, name, values == value) for name, value in names.items()])


@trap("T38", format=None)
def palettes_saved_as_colours(folder: Path) -> Truth:
    """The same mask after `convert("RGB")`, as Datumaro writes it: each index in the colour of VOC's palette.

    A reader of indices sees three channels of 192, 128 and 128 and finds class 192. The colours stand for the classes.
    """
    values = np.array([[0, _PERSON, _PERSON], [255, 0, _CAR]], np.uint8)
    image = _scene(folder, values, np.where(values % _VOID, np.uint8(1) + (values == _CAR), values))
    for path in folder.glob("Segmentation*/*.png"):
        Image.open(path).convert("RGB").save(path)
    names = {"person": _PERSON, "car": _CAR, "void": _VOID}
    return Truth("", [TrueSegment(image, name, values == value) for name, value in names.items()])


@trap("T37", format="coco-instances")
def three_hundred_objects(folder: Path) -> Truth:
    """300 objects in one image, to be written as VOC, whose masks have a byte for the number.

    Datumaro 1.13.12 writes 300 and gives back 255, with 598 of their 600 pixels: numbers wrap. They must be refused.
    """
    ring = np.array([0, 0, 1, 0, 1, 2, 0, 2])
    annotations = [annotation(id=k + 1, segmentation=[(ring + [k, 0] * 4).tolist()]) for k in range(300)]
    images = [{"id": 1, "file_name": "a.png", "width": 300, "height": 2}]
    write_document(folder, document(images=images, annotations=annotations), "labels.json")
    return Truth("labels.json", to="pascal-voc", refused="has 300 objects, VOC's masks number 254 at most")
