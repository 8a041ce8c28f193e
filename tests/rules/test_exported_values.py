"""SEG316, SEG132 and SEG312: numbers that stop, layers that are inverted, and work that was lost."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.config import Config, InstanceIds, Layers
from segdata.core.finding import Finding
from tests.rules.test_by_part import check_all
from tests.rules.test_copied_and_cut import SIDE, coco, stones

CELLS = Config(instance_ids=InstanceIds(category="cell"))


def write_ids(folder: Path, images: list[np.ndarray]) -> Path:
    (folder / "masks").mkdir(parents=True)
    for number, ids in enumerate(images):
        Image.fromarray(ids.astype(np.uint16)).save(folder / f"masks/{number}.png")
    return folder


def squares(rng: np.random.Generator, n: int) -> np.ndarray:
    """Ids of n squares of 6 px in a grid."""
    ids = np.zeros((80, 80), np.int64)
    for number, place in enumerate(rng.permutation(64)[:n].tolist(), 1):
        y, x = divmod(place, 8)
        ids[10 * y + 2 : 10 * y + 8, 10 * x + 2 : 10 * x + 8] = number
    return ids


@pytest.mark.parametrize(("last", "is_told"), [(9, True), (99, False)])
def test_a_tool_that_counts_no_further(tmp_path: Path, last: int, is_told: bool) -> None:
    rng = np.random.default_rng(1)
    images = [np.minimum(squares(rng, 14 + number), last) for number in range(8)]
    data = segdata.read(write_ids(tmp_path, images), config=CELLS)
    messages = [one.message for one in data.validate(select=["SEG316"]).findings]
    assert [message[:55] for message in messages] == [
        "segment 9 is in 3 parts or more in 8 of 8 images that h"
    ] * is_told
    assert check_all(data, (1, 3), frozenset({"SEG316"})) == ({"SEG316"} if is_told else set())


def test_where_all_objects_are_in_parts_the_last_number_tells_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    images = [(squares(rng, 36) + 3) // 4 for _ in range(8)]
    assert not segdata.read(write_ids(tmp_path, images), config=CELLS).validate(select=["SEG316"]).findings


@pytest.mark.parametrize(("number", "is_told"), [(0, True), (1, False)])
def test_things_without_a_number(tmp_path: Path, number: int, is_told: bool) -> None:
    """Cityscapes: class * 1000 + number; objects from 0 are usual, but not all of them."""
    rng = np.random.default_rng(2)
    for k in range(10):
        classes = np.array([7, 26, 24])[squares(rng, 30) % 3]
        ids = np.where(classes > 7, classes.astype(np.int64) * 1000, classes)
        ids[ids == 24000] += number
        stem = f"aachen_{k:06d}_000019"
        for name, values in (("leftImg8bit", classes), ("gtFine_labelIds", classes), ("gtFine_instanceIds", ids)):
            path = tmp_path / name.split("_")[0] / f"train/aachen/{stem}_{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.astype(np.uint16 if values.max() > 255 else np.uint8)).save(path)
    findings = segdata.validate(tmp_path, select="SEG316").findings
    assert ["have the number 0, as 26000" in one.message for one in findings] == [True] * is_told


def layers(folder: Path, is_inverted: bool) -> list[Finding]:
    """Masks of two categories, of which the one is the complement of its objects."""
    rng = np.random.default_rng(3)
    for k in range(8):
        ids = squares(rng, 20)
        for name, mask in (("crab", (ids % 2 == 1) & (ids > 0)), ("shell", (ids % 2 == 0) & (ids > 0))):
            path = folder / f"masks/{name}/{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((mask ^ (is_inverted and name == "shell")).astype(np.uint8) * 255).save(path)
    config = Config(layers=Layers(pattern="masks/{category}/{stem}.png"))
    data = segdata.read(folder, config=config)
    assert check_all(data, (1, 3), frozenset({"SEG132"})) == ({"SEG132"} if is_inverted else set())
    return list(data.validate(select=["SEG132"]).findings)


def test_a_layer_whose_black_and_white_are_exchanged(tmp_path: Path) -> None:
    assert layers(tmp_path / "sound", False) == []
    (finding,) = layers(tmp_path / "inverted", True)
    assert finding.message.startswith("shell is all but empty holes in 8 of 8 masks")
    assert (finding.severity, finding.category) == ("info", "shell")


@pytest.mark.parametrize(("seconds", "is_told"), [(1178.6, True), (12.0, False)])
def test_annotations_that_took_long_and_are_empty(tmp_path: Path, seconds: float, is_told: bool) -> None:
    region = {
        "id": "r", "type": "polygonlabels", "from_name": "label", "to_name": "image", "original_width": 80,
        "original_height": 60, "value": {"points": [[10, 10], [40, 10], [40, 50]], "polygonlabels": ["crab"]},
    }  # fmt: skip
    tasks = []
    for k in range(10):
        spent, result = (seconds, []) if k in (2, 5) else (100.0 + k, [region])
        own = {"id": k, "completed_by": 1, "lead_time": spent, "result": result}
        tasks.append({"id": k, "data": {"image": f"{k}.jpg"}, "annotations": [own]})
        Image.new("RGB", (80, 60), (k, 0, 0)).save(tmp_path / f"{k}.jpg")
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    data = segdata.read(tmp_path)
    messages = [one.message for one in data.validate(select=["SEG312"]).findings if "took" in one.message]
    assert [message[-39:] for message in messages] == ["onger: 2.jpg, 5.jpg; was the work lost?"] * is_told
    assert check_all(data, (1, 3), frozenset({"SEG312"})) == {"SEG312"}


@pytest.mark.parametrize(("filling", "is_told"), [(24, True), (8, False)])
def test_points_as_shares_of_their_objects_box(tmp_path: Path, filling: int, is_told: bool) -> None:
    rng = np.random.default_rng(4)
    images = [stones(rng, 3) for _ in range(8)]
    for rings in [rings for image in images for rings in image][:filling]:
        points = np.reshape(rings[0], (-1, 2))
        low, high = points.min(0), points.max(0)
        rings[0] = ((points - low) / (high - low) * SIDE).reshape(-1).tolist()
    findings = segdata.validate(coco(tmp_path, images), select="SEG317").findings
    assert [one.message[:43] for one in findings] == ["24 of 24 objects reach all four sides of th"] * is_told
