"""SEG319, SEG320 and SEG315: what some images have otherwise than the others, told by counts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.finding import Finding
from tests.rules.test_by_part import check_all

SIDE = 200
Ring = list[tuple[float, float]]


def ring(x: float, y: float, dent: bool = True) -> list[float]:
    """A round outline of twelve points about a place; one of them lies within the others' hull."""
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    radius = np.where((np.arange(12) == 5) & dent, 2.0, 6.0)
    points = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1)
    return [round(value, 2) for value in points.reshape(-1).tolist()]


def write(folder: Path, drawn: list[list[tuple[int, list[float]]]], n_categories: int = 1) -> Path:
    """A COCO file with the category and the ring of each object of each image."""
    images = [{"id": k, "file_name": f"{k:03d}.png", "width": SIDE, "height": SIDE} for k in range(1, len(drawn) + 1)]
    annotations = [
        {"image_id": k, "category_id": category, "segmentation": [points], "iscrowd": 0, "area": 90}
        for k, objects in enumerate(drawn, 1)
        for category, points in objects
    ]
    content: Any = {
        "images": images,
        "annotations": [one | {"id": number} for number, one in enumerate(annotations, 1)],
        "categories": [{"id": k, "name": f"kind {'abcdefghijkl'[k - 1]}"} for k in range(1, n_categories + 1)],
    }
    path = folder / "annotations.json"
    path.write_text(json.dumps(content))
    return path


def found(path: Path, code: str) -> list[Finding]:
    """The findings of a rule, which are the same on parts of the dataset."""
    check_all(segdata.read(path), (1, 7), frozenset({code}))
    return list(segdata.validate(path, select=[code], jobs=1).findings)


def places(rng: np.random.Generator, n: int = 30) -> list[tuple[float, float]]:
    """Places on a grid that reaches to the sides of the image, where the border cuts what lies there."""
    spots = [(float(x), float(y)) for x in range(2, SIDE, 28) for y in range(2, SIDE, 28)]
    return [spots[k] for k in rng.permutation(len(spots))[:n].tolist()]


@pytest.mark.parametrize(("n_convex", "flagged"), [(8, True), (3, False), (0, False), (16, False)])
def test_outlines_that_are_convex_in_some_images(tmp_path: Path, n_convex: int, flagged: bool) -> None:
    rng = np.random.default_rng(3)
    drawn = [[(1, ring(x, y, dent=k >= n_convex)) for x, y in places(rng)] for k in range(16)]
    findings = [one for one in found(write(tmp_path, drawn), "SEG319") if "convex" in one.message]
    assert bool(findings) == flagged
    if flagged:
        (finding,) = findings
        assert finding.severity == "info"
        assert finding.message.startswith(
            "in 8 of 16 images (001.png, 002.png, 003.png, …) all 240 outlines are convex"
        )


def test_a_continuum_of_convex_outlines_is_no_habit(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    drawn = [[(1, ring(x, y, dent=rng.random() < k / 20)) for x, y in places(rng)] for k in range(20)]
    drawn += [[(1, ring(x, y, dent=False)) for x, y in places(rng)] for _ in range(5)]
    assert not found(write(tmp_path, drawn), "SEG319")


def test_objects_that_the_border_cuts_are_missing_in_some_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    drawn = []
    for k in range(14):
        spots = places(rng, 40)
        inside = [(x, y) for x, y in spots if min(x, y) > 6 and max(x, y) < SIDE - 6]
        drawn.append([(1, ring(x, y)) for x, y in (inside if k % 2 else spots)])
    (finding,) = found(write(tmp_path, drawn), "SEG319")
    assert "objects reaches the border of its image" in finding.message
    assert finding.message.startswith("in 7 of 14 images (002.png, 004.png, 006.png, …)")


def fields(folder: Path, n_specks: list[int]) -> Path:
    """Masks of eight categories in fields of 20 x 20 px, of which some have a speck of 3 x 3 px in the field beside."""
    (folder / "masks").mkdir()
    for k, n in enumerate(n_specks):
        values = np.kron(np.arange(1, 9).reshape(2, 4), np.ones((20, 20), int)).astype(np.uint8)
        for place in range(n):
            x, y = 20 * (place % 4) + 8, 20 * (place // 4) + 8
            values[y : y + 3, x : x + 3] = 1 + (place + 4) % 8
        Image.fromarray(values).save(folder / f"masks/{k:02d}.png")
    listed = "".join(f"  - {{id: {k}, name: c{k}}}\n" for k in range(1, 9))
    (folder / "taxonomy.yaml").write_text(f"categories:\n{listed}")
    return folder


@pytest.mark.parametrize(
    ("specks", "is_told"),
    [
        ([0] * 10 + [5, 6, 7, 5] * 3, True),
        ([0] * 5 + [5, 6, 7, 5] * 3, False),  # few images without what few would be expected of
        ([0] * 10 + [1, 2] + [5, 6, 7, 5] * 3, False),  # some lie in between
    ],
)
def test_thin_parts_that_some_masks_lack(tmp_path: Path, specks: list[int], is_told: bool) -> None:
    findings = [one for one in found(fields(tmp_path, specks), "SEG319") if "narrower" in one.message]
    assert bool(findings) == is_told
    if is_told:
        assert findings[0].message.startswith("in 10 of 22 images (00.png, 01.png, 02.png, …) none of 80 segments")


@pytest.mark.parametrize(("n_val", "n_lacking", "is_told"), [(6, 1, True), (4, 0, False), (6, 3, False)])
def test_void_that_one_split_lacks(tmp_path: Path, n_val: int, n_lacking: int, is_told: bool) -> None:
    """Objects have a rim of 255 in train and none in val."""
    for split, n, n_without in (("train", 20, n_lacking), ("val", n_val, n_val)):
        for k in range(n):
            mask = np.zeros((20, 20), np.uint8)
            mask[4:16, 4:16] = 0 if k < n_without else 255
            mask[6:14, 6:14] = 1
            path = tmp_path / "masks" / split / f"{split}{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)
    (tmp_path / "taxonomy.yaml").write_text(
        "categories:\n- {id: 1, name: cat}\n- {id: 255, name: void, kind: void}\nunlabelled: 0\n"
    )
    told = [one for one in found(tmp_path, "SEG319") if "void" in one.message]
    assert [one.message[:47] for one in told] == ["none of the 6 annotations of 'val' has void; 19"] * is_told


@pytest.mark.parametrize("step", [1, -1])
def test_numbers_that_move_by_one_in_the_second_half(tmp_path: Path, step: int) -> None:
    rng = np.random.default_rng(1)
    shares = np.array([30, 2, 12, 1, 8, 3, 5, 2]) / 63
    kinds = rng.choice(8, (40, 8), p=shares)
    kinds[20:] = (kinds[20:] + step) % 8
    drawn = [[(int(kind) + 1, ring(20 + 20 * n, 20)) for n, kind in enumerate(own)] for own in kinds]
    (finding,) = found(write(tmp_path, drawn, 8), "SEG320")
    assert finding.severity == "warning"
    assert f"if their numbers are one {'lower' if step > 0 else 'higher'} (kind" in finding.message
    kinds[20:] = (kinds[20:] - step) % 8
    drawn = [[(int(kind) + 1, ring(20 + 20 * n, 20)) for n, kind in enumerate(own)] for own in kinds]
    assert not found(write(tmp_path, drawn, 8), "SEG320")


def test_a_list_in_the_order_of_what_images_show_is_not_renumbered(tmp_path: Path) -> None:
    """Each image has two categories that follow each other; those of the second half follow those of the first."""
    kinds = np.stack([np.arange(40) // 6 + n % 2 for n in range(8)], axis=1)
    assert not found(write(tmp_path, _row(kinds), 8), "SEG320")


@pytest.mark.parametrize("n_images", [1, 9, 10, 11, 19, 20])
def test_few_images_tell_nothing_of_numbers(tmp_path: Path, n_images: int) -> None:
    kinds = np.random.default_rng(5).integers(0, 6, (n_images, 12))
    assert not found(write(tmp_path, _row(kinds), 6), "SEG320")


def test_one_category_for_all_from_some_image_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    kinds = rng.integers(0, 6, (30, 5))
    assert not found(write(tmp_path, _row(kinds), 6), "SEG320")
    kinds[18:] = 2
    (finding,) = found(write(tmp_path, _row(kinds), 6), "SEG320")
    assert finding.message.startswith("all 60 segments of the last 12 images, from 019.png, are kind c; the others")
    assert (finding.severity, finding.category) == ("info", "kind c")
    sorted_by_kind = np.repeat(np.arange(6), 25).reshape(30, 5)
    assert not found(write(tmp_path, _row(sorted_by_kind), 6), "SEG320"), "a list in the order of its categories"


def _row(kinds: Any) -> list[list[tuple[int, list[float]]]]:  # Any: (n_images, n_objects)
    return [[(int(kind) + 1, ring(20 + 20 * n, 20)) for n, kind in enumerate(own)] for own in kinds]


def _masks(folder: Path, masks: list[Any], n_categories: int) -> Path:  # Any: arrays
    names = "".join(f"  - {{id: {k}, name: kind {k}}}\n" for k in range(n_categories))
    (folder / "masks").mkdir(exist_ok=True)
    (folder / "taxonomy.yaml").write_text(f"categories:\n{names}")
    for k, values in enumerate(masks):
        Image.fromarray(values.astype(np.uint8)).save(folder / f"masks/{k:02d}.png")
    return folder


def test_a_legend_in_many_masks(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    masks = []
    for _ in range(20):
        values = np.zeros((90, 90), np.uint8)
        for value in (1, 2):
            x, y, size = rng.integers(20, 50, 3).tolist()
            values[y : y + size, x : x + size] = value
        masks.append(values)
    assert not found(_masks(tmp_path, masks, 3), "SEG315")
    for values in masks[::2]:
        values[4:10, 4:10] = 1
    (finding,) = [one for one in found(_masks(tmp_path, masks, 3), "SEG315") if "legend" in one.message]
    assert finding.message.startswith("a part of 36 px, 6 x 6 px at x = 4, y = 4, is in 9 of 20 images, pixel by pixel")
    assert (finding.severity, finding.category) == ("info", "kind 1")


@pytest.mark.parametrize(("n_images", "n"), [(9, 0), (10, 1)])
def test_a_pixel_that_most_masks_have(tmp_path: Path, n_images: int, n: int) -> None:
    """Alone in its category in some of them, a stray part of it in the others."""
    rng = np.random.default_rng(6)
    masks = []
    for k in range(20):
        values = np.zeros((90, 90), np.uint8)
        x, y, size = rng.integers(20, 50, 3).tolist()
        values[y : y + size, x : x + size] = 1 + k % 2
        values[4, 5] = k < n_images
        masks.append(values)
    told = [one for one in found(_masks(tmp_path, masks, 3), "SEG315") if "legend" in one.message]
    assert [one.message.split(", pixel")[0] for one in told] == [
        f"a part of 1 px, 1 x 1 px at x = 5, y = 4, is in {n_images} of 20 images"
    ] * n


def boxes(x: int, y: int) -> list[float]:
    """A square of 20 pixels."""
    return [float(v) for v in (x, y, x + 20, y, x + 20, y + 20, x, y + 20)]


@pytest.mark.parametrize(
    ("n_parts", "n_images", "change", "is_told"),
    [
        (2, 10, "", True), (1, 10, "", False), (2, 6, "", False), (2, 10, "again", False), (2, 10, "all", False),
        (2, 10, "cover", False),
    ],
)  # fmt: skip
def test_each_category_is_one_object_in_several_parts(
    tmp_path: Path, n_parts: int, n_images: int, change: str, is_told: bool
) -> None:
    """Masks of classes were exported as masks of objects; an image with two objects of a category refutes it.

    So do images that all have one of each category, and things that cover the images.
    """
    objects = [(1, boxes(10, 10)), (2, boxes(60, 10))]
    path = write(tmp_path, [objects[: 1 + (change == "all" or k % 3 > 0)] for k in range(n_images)], n_categories=2)
    content = json.loads(path.read_text())
    for one in content["annotations"]:
        one["segmentation"] += [boxes(10 + 50 * (one["category_id"] - 1), 100)] * (n_parts - 1)
        if change == "cover":
            one["segmentation"] = [[0.0, 0.0, SIDE, 0, SIDE, 95, 0, 95], [0.0, 105, SIDE, 105, SIDE, SIDE, 0, SIDE]]
    if change == "again":
        content["annotations"].append(content["annotations"][0] | {"id": 10**4, "segmentation": [boxes(150, 150)]})
    path.write_text(json.dumps(content))
    told = [one for one in found(path, "SEG108") if "is one object in every image" in one.message]
    assert [one.severity for one in told] == ["info"] * is_told


@pytest.mark.parametrize(
    ("case", "n_objects", "flagged"),
    [
        ("second half", 8, "in 12 of 24 images"),
        ("second half", 30, "in 12 of 24 images"),
        ("every other", 40, "in 12 of 24 images"),
        ("every other", 4, None),
        ("of the image", 30, None),
        ("in all images", 30, None),
        ("never", 30, None),
        ("words", 30, None),
    ],
)
def test_an_attribute_that_nobody_set_in_some_images(
    tmp_path: Path, case: str, n_objects: int, flagged: str | None
) -> None:
    """What is true for all objects of an image is about the image, as that it was taken by night."""
    rng = np.random.default_rng(4)
    path = write(tmp_path, [[(1, ring(x, y)) for x, y in places(rng, n_objects)] for _ in range(24)])
    content = json.loads(path.read_text())
    for one in content["annotations"]:
        k = one["image_id"] - 1
        is_set = {"second half": k < 12, "every other": k % 2 == 0}.get(case, True)
        value = k % 2 == 0 if case == "of the image" else bool(is_set and rng.uniform() < 0.35 * (case != "never"))
        one["attributes"] = {"occluded": f"part {value}" if case == "words" else value}
    path.write_text(json.dumps(content))
    told = [one.message for one in found(path, "SEG319") if "occluded" in one.message]
    assert [message.partition(" (")[0] for message in told] == [flagged] * (flagged is not None)
    assert all("'occluded' is true for none of" in message for message in told)
