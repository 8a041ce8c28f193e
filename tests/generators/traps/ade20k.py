"""Traps of ADE20K and of SceneParse, which is made of it: numbers that are none, hidden pixels, and the class 0."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.formats.ade.regions import encode_rle
from segdata.testing.pictures import runs_of_masks
from tests.generators.traps.trap import TrueSegment, Truth, trap

_CAR, _PERSON = 401, 1831
_NAMES = {_CAR: "car, auto", _PERSON: "person, individual"}
_STEM = "training/street/ADE_train_00000001"
_IMAGE = f"{_STEM}.jpg"
Values = NDArray[np.integer]


def _save(path: Path, pixels: Values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def _coded(classes: Values, blue: Values) -> Values:
    """The colours of a mask."""
    return np.stack([classes // 256 * 10, classes % 256, blue], axis=2)


def _scene(folder: Path, classes: Values, blue: Values, objects: dict[int, tuple[int, Values]]) -> None:
    """A mask of objects, the JSON file, and the masks of single ones: id -> class, and 255 or 128 where it is."""
    _save(folder / f"{_STEM}_seg.png", _coded(classes, blue))
    _save(folder / _IMAGE, np.zeros((*classes.shape, 3), np.uint8))
    listed = []
    for id_, (category, pixels) in objects.items():
        name = f"ADE_train_00000001/instance_{id_:03d}_ADE_train_00000001.png"
        _save(folder / f"training/street/{name}", pixels)
        listed.append({"id": id_, "name": _NAMES[category], "name_ndx": category, "instance_mask": name})
    document = {"annotation": {"filename": Path(_IMAGE).name, "object": listed}}
    (folder / f"{_STEM}.json").write_text(json.dumps(document), encoding="utf-8")


@trap("T32", format=None)
def blue_is_no_number(folder: Path) -> Truth:
    """Three cars with blue 85, 170 and 255; in the JSON file the first in the picture is object 7, then come 3 and 5.

    Neither the value of blue nor its rank is the id of an object or its place in the file. A region is the object whose
    own mask lies there.
    """
    classes, blue = np.full((2, 3), _CAR), np.array([[85, 170, 255]] * 2)
    where = {7: 85, 3: 170, 5: 255}
    objects = {id_: (_CAR, np.where(blue == where[id_], 255, 0)) for id_ in (3, 5, 7)}
    _scene(folder, classes, blue, objects)
    document = json.loads((folder / f"{_STEM}.json").read_text(encoding="utf-8"))
    for each in document["annotation"]["object"]:
        each["raw_name"] = f"car {each['id']}"
    (folder / f"{_STEM}.json").write_text(json.dumps(document), encoding="utf-8")
    return Truth(
        "",
        [
            TrueSegment(_IMAGE, "car, auto", blue == key, attributes={"raw_name": f"car {id_}"})
            for id_, key in where.items()
        ],
    )


@trap("T33", format=None)
def hidden_pixels_are_no_mask(folder: Path) -> Truth:
    """A car half behind a person: its own mask is 255 where it can be seen and 128 where it is hidden.

    Datumaro takes the second of the values that occur, and so only the hidden part (64 of 139 masks in ADE20K's own
    samples). What can be seen is the segment, both together its amodal mask.
    """
    person = np.array([[False, True, True, False]] * 2)
    car = np.array([[True, False, False, False]] * 2)
    hidden = np.array([[False, True, False, False]] * 2)
    classes = np.select([person, car], [_PERSON, _CAR], 0)
    objects = {
        0: (_CAR, np.select([car, hidden], [255, 128], 0)),
        1: (_PERSON, np.where(person, 255, 0)),
    }
    _scene(folder, classes, np.select([person, car], [255, 128], 0), objects)
    amodal = json.loads(encode_rle(runs_of_masks([car | hidden]), car.shape))
    return Truth(
        "",
        [
            TrueSegment(_IMAGE, "car, auto", car, attributes={"amodal": amodal}),
            TrueSegment(_IMAGE, "person, individual", person, attributes={}),
        ],
    )


@trap("T34", format=None)
def red_and_blue_are_swapped(folder: Path) -> Truth:
    """A mask that was opened by OpenCV as BGR and saved as RGB: classes and instances have changed places.

    The class formula then gives numbers that look like others. Red is a multiple of 10 in every true mask, and here
    blue is: nothing of it is read.
    """
    classes, blue = np.array([[_CAR, _PERSON, 0]]), np.array([[128, 255, 0]])
    objects = {0: (_CAR, np.array([[255, 0, 0]])), 1: (_PERSON, np.array([[0, 255, 0]]))}
    _scene(folder, classes, blue, objects)
    _save(folder / f"{_STEM}_seg.png", _coded(classes, blue)[:, :, ::-1])
    return Truth("", [], findings=["SEG010"])


@trap("T34", format=None)
def a_resized_mask_has_classes_between(folder: Path) -> Truth:
    """A mask that was enlarged with interpolation: between a car and a person lie pixels whose red is 40.6, cut to 41.

    The class formula takes it for one of ADE20K's 3,688. What no class has is reported, and left out.
    """
    classes, blue = np.array([[_CAR, 0, _PERSON]]), np.array([[128, 0, 255]])
    objects = {0: (_CAR, np.array([[255, 0, 0]])), 1: (_PERSON, np.array([[0, 0, 255]]))}
    _scene(folder, classes, blue, objects)
    colors = _coded(classes, blue)
    colors[0, 1] = (colors[0, 0] + colors[0, 2]) // 2 + [1, 0, 0]
    _save(folder / f"{_STEM}_seg.png", colors)
    sides = [TrueSegment(_IMAGE, _NAMES[each], classes == each) for each in (_CAR, _PERSON)]
    return Truth("", sides, findings=["SEG010"])


@trap("T35", format=None)
def zero_is_everything_else(folder: Path) -> Truth:
    """SceneParse's masks: 1 is wall, 2 building, and 0 all objects beside its 150 classes.

    Loaders shift the classes by one, or train on 0 as if it were one. It is to be ignored.
    """
    values = np.array([[0, 1, 1], [2, 2, 0]])
    _save(folder / "annotations/validation/ADE_val_00000001.png", values)
    _save(folder / "images/validation/ADE_val_00000001.jpg", np.zeros((2, 3, 3), np.uint8))
    names = ("other objects", "wall", "building, edifice")
    image = "validation/ADE_val_00000001.jpg"
    return Truth("", [TrueSegment(image, name, values == value) for value, name in enumerate(names)])
