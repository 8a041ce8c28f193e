"""Seeded defects of COCO files, verified against the files as written."""

import json
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError
from pycocotools import mask as coco
from scipy import ndimage

from tests.generators.sample.dataset import Truth
from tests.generators.sample.defects.seeding import SeededDefect

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools


def of(seeded_data: Truth, code: str, dataset: str) -> list[SeededDefect]:
    """The defects of a code in a dataset: there is at least one."""
    found = [defect for defect in seeded_data.defects if (defect.code, defect.dataset) == (code, dataset)]
    assert found
    return found


def document(seeded_data: Truth, dataset: str, name: str = "instances.json") -> dict[str, Any]:
    return dict(json.loads((seeded_data.folder / "defects" / dataset / name).read_text()))


def annotation(data: dict[str, Any], number: int) -> dict[str, Any]:
    return dict(next(a for a in data["annotations"] if a["id"] == number))


def image_of(data: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    return dict(next(image for image in data["images"] if image["id"] == one["image_id"]))


def raster(data: dict[str, Any], one: dict[str, Any]) -> np.ndarray:
    image, shape = image_of(data, one), one["segmentation"]
    packed = shape if isinstance(shape, dict) and isinstance(shape["counts"], str) else None
    packed = packed or coco.frPyObjects(shape, image["height"], image["width"])
    return np.asarray(coco.decode(coco.merge(packed) if isinstance(packed, list) else packed), dtype=bool)


def box(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask)
    return [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]


def holds(defect: SeededDefect, mask: np.ndarray) -> None:
    """The defect's box and pixels are those of a mask."""
    assert (defect.bbox, defect.pixels) == (box(mask), int(mask.sum()))


def test_unreadable_missing_and_unsafe_files(seeded_data: Truth) -> None:
    root = seeded_data.folder / "defects"
    for defect in of(seeded_data, "SEG001", "coco_reading"):
        with (
            pytest.raises((UnidentifiedImageError, OSError)),
            Image.open(root / "coco_reading" / str(defect.file)) as image,
        ):
            image.load()
    with pytest.raises(json.JSONDecodeError):
        document(seeded_data, "broken_json")
    gone, renamed = of(seeded_data, "SEG002", "coco_reading")
    folder = root / "coco_reading" / "images"
    names = {path.name for path in folder.iterdir()}
    assert gone.image not in names
    assert renamed.image not in names
    assert str(renamed.image).replace(".jpg", ".JPG") in names
    listed = {image["file_name"] for image in document(seeded_data, "coco_reading")["images"]}
    (orphan,) = of(seeded_data, "SEG011", "coco_reading")
    assert orphan.image in names - listed
    (unsafe,) = of(seeded_data, "SEG015", "coco_reading")
    (leaving,) = (name for name in listed if name.endswith(f"/{unsafe.image}"))
    assert not (folder / leaving).resolve().is_relative_to(root / "coco_reading")


def test_sizes_and_orientation(seeded_data: Truth) -> None:
    data, folder = document(seeded_data, "coco_reading"), seeded_data.folder / "defects" / "coco_reading" / "images"
    (wrong,), (turned,) = of(seeded_data, "SEG003", "coco_reading"), of(seeded_data, "SEG012", "coco_reading")
    unreadable = {defect.image for defect in of(seeded_data, "SEG001", "coco_reading")}
    for image in data["images"]:
        path = folder / image["file_name"]
        if path.exists() and image["file_name"] not in unreadable:
            with Image.open(path) as opened:
                assert (opened.size == (image["width"], image["height"])) == (image["file_name"] != wrong.image)
                assert opened.getexif().get(0x0112, 1) == (3 if image["file_name"] == turned.image else 1)


def is_sound(data: dict[str, Any], one: dict[str, Any]) -> bool:
    """Whether nothing is wrong with an annotation of the reading set, by the plainest possible tests."""
    images = [image for image in data["images"] if image["id"] == one["image_id"]]
    categories = {category["id"] for category in data["categories"]}
    if not images or one.get("category_id") not in categories or one["iscrowd"] not in (0, 1):
        return False
    if any(math.isnan(value) for value in one["bbox"]):
        return False
    shape = one["segmentation"]
    if isinstance(shape, dict) and isinstance(shape["counts"], list):
        return min(shape["counts"]) >= 0 and sum(shape["counts"]) == images[0]["height"] * images[0]["width"]
    if isinstance(shape, dict) and not all(48 <= ord(letter) < 112 for letter in shape["counts"]):
        return False
    if isinstance(shape, str):
        return False
    for ring in shape if isinstance(shape, list) else []:
        points = np.array(ring[: len(ring) // 2 * 2], float).reshape(-1, 2)
        twice_area = np.cross(points, np.roll(points, -1, axis=0)).sum() if len(points) else 0
        if len(ring) < 6 or len(ring) % 2 or np.isnan(points).any() or not twice_area:
            return False
    mask = raster(data, one)
    return bool(one["area"] == mask.sum() and one["bbox"] == box(mask))


@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")
def test_exactly_the_listed_annotations_are_broken(seeded_data: Truth) -> None:
    data = document(seeded_data, "coco_reading")
    codes = ("SEG004", "SEG005", "SEG006", "SEG007", "SEG013")
    listed = [
        number for code in codes for defect in of(seeded_data, code, "coco_reading") for number in defect.segments or []
    ]
    broken = [one["id"] for one in data["annotations"] if not is_sound(data, one)]
    assert sorted(broken) == sorted(listed)


def test_ids_that_are_there_twice(seeded_data: Truth) -> None:
    data = document(seeded_data, "coco_reading")
    of_image, of_annotation = of(seeded_data, "SEG008", "coco_reading")
    for entries, twice in (
        (data["images"], [image["id"] for image in data["images"] if image["file_name"] == of_image.image][:1]),
        (data["annotations"], of_annotation.segments),
    ):
        ids = [entry["id"] for entry in entries]
        assert [number for number in sorted(set(ids)) if ids.count(number) > 1] == twice


def test_stale_measures_state_the_true_ones(seeded_data: Truth) -> None:
    data = document(seeded_data, "coco_reading")
    for defect in of(seeded_data, "SEG013", "coco_reading"):
        holds(defect, raster(data, annotation(data, (defect.segments or [0])[0])))


def test_shapes(seeded_data: Truth) -> None:
    """Filled hole, empty, speck, pinhole, crossing ring, over the edge, box masks."""
    data = document(seeded_data, "coco_shapes")

    def only(code: str) -> tuple[SeededDefect, dict[str, Any], np.ndarray]:
        (defect,) = of(seeded_data, code, "coco_shapes")
        one = annotation(data, (defect.segments or [0])[0])
        return defect, one, raster(data, one)

    defect, one, mask = only("SEG018")
    outer, inner = (raster(data, one | {"segmentation": [ring]}) for ring in one["segmentation"])
    assert (inner & ~outer).sum() == 0
    assert (mask == outer).all()
    holds(defect, inner)
    defect, one, mask = only("SEG105")
    assert not mask.any()
    defect, one, mask = only("SEG106")
    parts, n = ndimage.label(mask)
    assert n == 2
    holds(defect, parts == 1 + np.bincount(parts.ravel())[1:].argmin())
    defect, one, mask = only("SEG107")
    holds(defect, ndimage.binary_fill_holes(mask) & ~mask)
    defect, one, mask = only("SEG114")
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = np.array(one["segmentation"][0]).reshape(-1, 2)
    assert (x0, x1, y0, y1) == (x3, x2, y2, y3), "the two diagonals of one box"
    holds(defect, mask)
    defect, one, mask = only("SEG115")
    wide = raster({"images": [image_of(data, one) | {"width": 2 * mask.shape[1]}]}, one)
    assert max(one["segmentation"][0][::2]) > mask.shape[1]
    assert defect.pixels == wide[:, mask.shape[1] :].sum() > 0
    defect, one, mask = only("SEG113")
    assert len(one["segmentation"][0]) // 2 <= 8
    defect, one, mask = only("SEG117")
    assert 0.95 < mask.mean() < 1
    (defect,) = of(seeded_data, "SEG112", "coco_shapes")
    signs = [one for one in data["annotations"] if one["category_id"] == 8]
    assert sorted(one["id"] for one in signs) == sorted(defect.segments or [])
    assert all(raster(data, one).sum() == one["bbox"][2] * one["bbox"][3] for one in signs)
    assert defect.pixels == sum(raster(data, one).sum() for one in signs)


def test_pairs(seeded_data: Truth) -> None:
    """Duplicates, a nested segment; an overlap and a hairline."""
    data = document(seeded_data, "coco_shapes")
    for defect in of(seeded_data, "SEG104", "coco_shapes"):
        a, b = (annotation(data, number) for number in defect.segments or [])
        assert (raster(data, a) == raster(data, b)).all()
        holds(defect, raster(data, a))
    (defect,) = of(seeded_data, "SEG110", "coco_shapes")
    outer, inner = (raster(data, annotation(data, number)) for number in defect.segments or [])
    assert not (inner & ~outer).any()
    assert inner.sum() < 0.5 * outer.sum()
    holds(defect, inner)
    data = document(seeded_data, "coco_overlap")
    (defect,) = of(seeded_data, "SEG102", "coco_overlap")
    first, second = (raster(data, annotation(data, number)) for number in defect.segments or [])
    holds(defect, first & second)
    (line,) = of(seeded_data, "SEG111", "coco_overlap")
    first, second = (raster(data, annotation(data, number)) for number in line.segments or [])
    holds(line, first & second)
    assert not ndimage.binary_erosion(first & second, np.ones((2, 2))).any(), "one pixel wide, but for corners"
    for one in data["annotations"]:
        for other in data["annotations"]:
            if one["id"] < other["id"] and one["image_id"] == other["image_id"]:
                shared = (raster(data, one) & raster(data, other)).any()
                assert shared == ([one["id"], other["id"]] in (defect.segments, line.segments))


def test_relations(seeded_data: Truth) -> None:
    data = document(seeded_data, "relations")
    (defect,) = of(seeded_data, "SEG207", "relations")
    cars = [raster(data, one) for one in data["annotations"] if one["category_id"] == 10]
    for plate in (one for one in data["annotations"] if one["category_id"] == 15):
        mask = raster(data, plate)
        image_cars = [
            raster(data, one)
            for one in data["annotations"]
            if (one["image_id"], one["category_id"]) == (plate["image_id"], 10)
        ]
        inside = any(not (mask & ~car).any() for car in image_cars)
        assert inside == (plate["id"] not in (defect.segments or []))
    assert cars
    wrong = {number for d in of(seeded_data, "SEG209", "relations") for number in d.segments or []}
    for one in data["annotations"]:
        if one["category_id"] == 10:
            assert (one["attributes"].get("driven") in ("parked", "moving")) == (one["id"] not in wrong)


def test_splits(seeded_data: Truth) -> None:
    data, folder = document(seeded_data, "splits"), seeded_data.folder / "defects" / "splits" / "images"
    files = {image["id"]: image["file_name"] for image in data["images"]}
    bytes_of = {name: (folder / name).read_bytes() for name in files.values()}
    in_val = {one["category_id"] for one in data["annotations"] if files[one["image_id"]].startswith("val/")}
    assert {defect.category for defect in of(seeded_data, "SEG303", "splits")} == {"bus", "sign"}
    assert in_val == {9, 10}
    (few,) = of(seeded_data, "SEG302", "splits")
    (sign,) = (one for one in data["annotations"] if one["category_id"] == 8)
    assert [sign["id"]] == few.segments
    holds(few, raster(data, sign))
    same, near = of(seeded_data, "SEG304", "splits")
    twins = [name for name, content in bytes_of.items() if content == bytes_of[str(same.image)]]
    assert {name.partition("/")[0] for name in twins} == {"train", "val"}
    original = near.what.rpartition(" ")[2]
    assert bytes_of[original] != bytes_of[str(near.image)]
    pixels = [np.array(Image.open(folder / name)).astype(int) for name in (original, str(near.image))]
    assert np.abs(pixels[0] - pixels[1]).mean() < 12
    (conflict,) = of(seeded_data, "SEG305", "splits")
    (other,) = (name for name in bytes_of if name != conflict.image and bytes_of[name] == bytes_of[str(conflict.image)])
    areas = [
        sum(one["area"] for one in data["annotations"] if files[one["image_id"]] == name)
        for name in (other, conflict.image)
    ]
    assert areas[0] - areas[1] == conflict.pixels
    (bare,) = of(seeded_data, "SEG312", "splits")
    assert set(files.values()) - {files[one["image_id"]] for one in data["annotations"]} == {bare.image}


def test_imbalance(seeded_data: Truth) -> None:
    data = document(seeded_data, "imbalance")
    (defect,) = of(seeded_data, "SEG301", "imbalance")
    signs = [one for one in data["annotations"] if one["category_id"] == 8]
    people = [one for one in data["annotations"] if one["category_id"] == 9 and not one["iscrowd"]]
    assert sorted(one["id"] for one in signs) == defect.segments
    assert defect.pixels == sum(raster(data, one).sum() for one in signs)
    assert len(people) > 100 * len(signs)
    assert defect.what == f"{len(signs)} signs, {len(people)} people"
