"""Traps of Cityscapes and KITTI: what the values of their masks mean."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap

_BASE = "aachen_000000_000019"
_LABELS = f"gtFine/train/aachen/{_BASE}_gtFine"
_IMAGE = f"train/aachen/{_BASE}_leftImg8bit.png"


def _save(path: Path, values: object, dtype: type = np.uint16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype)).save(path)


def _scene(folder: Path, what: str, values: object, dtype: type = np.uint16) -> None:
    """A mask of Cityscapes and its image."""
    _save(folder / f"{_LABELS}_{what}.png", values, dtype)
    height, width = np.array(values).shape[:2]
    _save(folder / "leftImg8bit" / _IMAGE, np.zeros((height, width, 3)), np.uint8)


def _at(column: int, width: int) -> Mask:
    """A mask of one row whose pixel in a column is True."""
    mask = np.zeros((1, width), bool)
    mask[0, column] = True
    return mask


@trap("T25", format=None)
def cars_beside_a_group_of_cars(folder: Path) -> Truth:
    """Instance ids with two cars (26000, 26001) and a group of cars (26).

    Datumaro 1.13.12 gave back the group alone, and no warning: it asked whether 26000 is a class. Below 1000 a value is
    a class, above it is class * 1000 + number.
    """
    _scene(folder, "instanceIds", [[26, 26000, 26001, 7]])
    cars = [TrueSegment(_IMAGE, "car", _at(k, 4), iscrowd=k == 0) for k in range(3)]
    return Truth("", [*cars, TrueSegment(_IMAGE, "road", _at(3, 4), iscrowd=False)])


@trap("T28", format="cityscapes")
def a_group_is_no_person(folder: Path) -> Truth:
    """A polygon of `persongroup`, of which a polygon of `person` covers a part.

    Taken for one person a group spoils every measure of instances. It is a crowd.
    """
    group, person = [[0, 0], [5, 0], [5, 0]], [[1, 0], [2, 0], [2, 0]]
    objects = [{"label": "persongroup", "polygon": group}, {"label": "person", "polygon": person}]
    path = folder / f"{_LABELS}_polygons.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"imgHeight": 1, "imgWidth": 6, "objects": objects}), encoding="utf-8")
    covered = np.array([[False, True, True, False, False, False]])
    return Truth(
        "",
        [TrueSegment(_IMAGE, "person", ~covered, iscrowd=True), TrueSegment(_IMAGE, "person", covered, iscrowd=False)],
    )


def _instances(folder: Path, values: np.ndarray[tuple[int, int], np.dtype[np.uint16]]) -> None:
    """Instance-ID masks of cars."""
    _save(folder / "masks/a.png", values)
    (folder / "segdata.yaml").write_text("instance_ids: {category: car}\n", encoding="utf-8")


@trap("T26", format="instance-ids")
def instances_are_written_as_such(folder: Path) -> Truth:
    """Two cars, to be written as Cityscapes.

    The line that makes value = class * 1000 + number of them is commented out in Datumaro's exporter.
    """
    _instances(folder, np.array([[0, 1, 2, 2]], np.uint16))
    cars = [TrueSegment("a.png", "car", mask) for mask in (_at(1, 4), _at(2, 4) | _at(3, 4))]
    return Truth("", cars, to="cityscapes")


@trap("T27", format="instance-ids")
def more_instances_than_numbers(folder: Path) -> Truth:
    """1001 cars in one image, to be written as Cityscapes: the last would be 27000, the first truck."""
    _instances(folder, np.arange(1, 1002, dtype=np.uint16).reshape(7, 143))
    return Truth("", to="cityscapes", refused="1,001 instances of label 26")


@trap("T29", format=None)
def colours_alone(folder: Path) -> Truth:
    """Only `*_color.png`: pole and polegroup, car and license plate, and the labels 0 to 4 share a colour each."""
    _scene(folder, "color", [[[153, 153, 153], [0, 0, 142]]], np.uint8)
    return Truth("", refused="colours cannot be turned back into labels")


@trap("T30", format=None)
def train_ids_called_label_ids(folder: Path) -> Truth:
    """A mask of train ids (road 0, car 13, ignored 255) under the name of label ids: 13 would be a fence."""
    _scene(folder, "labelIds", [[0, 13, 7, 255]], np.uint8)
    return Truth("", findings=["SEG009"])


@trap("T30", format=None)
def label_ids_called_train_ids(folder: Path) -> Truth:
    """A mask of label ids (road 7, car 26) under the name of train ids: 7 would be a traffic sign."""
    _scene(folder, "labelTrainIds", [[0, 7, 26, 23]], np.uint8)
    return Truth("", findings=["SEG009"])


@trap("T31", format="coco-panoptic")
def names_of_images_that_are_not_there(folder: Path) -> Truth:
    """Cityscapes' createPanopticImgs.py names images `..._gtFine_leftImg8bit.png`; they are `..._leftImg8bit.png`."""
    _save(folder / "leftImg8bit" / _IMAGE, np.zeros((1, 3, 3)), np.uint8)
    mask = np.zeros((1, 3, 3))
    mask[0, :, 0] = [7, 7, 0]
    name = f"{_BASE}_gtFine_leftImg8bit.png"
    _save(folder / f"gtFine/cityscapes_panoptic_train/{_BASE}_gtFine_panoptic.png", mask, np.uint8)
    document = {
        "images": [{"id": _BASE, "width": 3, "height": 1, "file_name": name}],
        "annotations": [
            {
                "image_id": _BASE,
                "file_name": f"{_BASE}_gtFine_panoptic.png",
                "segments_info": [{"id": 7, "category_id": 7, "area": 2, "bbox": [0, 0, 2, 1], "iscrowd": 0}],
            }
        ],
        "categories": [{"id": 7, "name": "road", "color": [128, 64, 128], "supercategory": "flat", "isthing": 0}],
    }
    (folder / "gtFine/cityscapes_panoptic_train.json").write_text(json.dumps(document), encoding="utf-8")
    road = np.array([[True, True, False]])
    return Truth("gtFine/cityscapes_panoptic_train.json", [TrueSegment(name, "road", road)], findings=["SEG002"])


@trap("T39", format=None)
def instance_ids_in_8_bits(folder: Path) -> Truth:
    """Cityscapes' instance ids read and saved with 8 bits: 26001 has become 145, or 255."""
    _scene(folder, "instanceIds", [[7, 26001 % 256, 255]], np.uint8)
    return Truth("", findings=["SEG010"])


@trap("T39", format="kitti")
def instances_of_kitti_in_8_bits(folder: Path) -> Truth:
    """KITTI's instance masks (label * 256 + number) in 8 bits: the labels are gone, the numbers look like labels."""
    _save(folder / "training/instance/000000_10.png", [[1, 2, 0]], np.uint8)
    return Truth("", findings=["SEG010"])
