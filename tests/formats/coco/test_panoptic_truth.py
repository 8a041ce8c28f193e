"""Panoptic predictions: without images and categories of their own, checked against their masks like any labels."""

import json
from pathlib import Path
from typing import Any

import pytest

from segdata import read, validate
from segdata.core.config import Option
from tests.generators.traps.coco_panoptic import halves, info, scene, sound

KEPT = ("id", "category_id")


@pytest.fixture
def truth(tmp_path: Path) -> dict[str, Option]:
    """The option with a ground truth of one image."""
    (tmp_path / "gt").mkdir()
    scene(tmp_path / "gt", halves(), sound())
    return {"truth": str(tmp_path / "gt" / "labels.json")}


def predictions(folder: Path, infos: list[dict[str, Any]]) -> Path:
    """What panopticapi and detectron2 write: annotations alone, with neither areas nor boxes."""
    (folder / "pred").mkdir()
    scene(folder / "pred", halves(), infos)
    (folder / "pred" / "labels").rename(folder / "pred" / "predictions")
    content = json.loads((folder / "pred" / "labels.json").read_bytes())
    (folder / "pred" / "labels.json").unlink()
    path = folder / "pred" / "predictions.json"
    path.write_text(json.dumps({"annotations": content["annotations"]}))
    return path


def test_images_and_categories_are_the_truths(tmp_path: Path, truth: dict[str, Option]) -> None:
    infos = [{key: each[key] for key in KEPT} | {"score": 0.5, "isthing": True} for each in sound()]
    data = read(predictions(tmp_path, infos), options=truth, annotator="net")
    assert data.profile.format == "coco-panoptic"
    assert data.segments[["category", "area", "score"]].values.tolist() == [["sky", 15, 0.5], ["car", 15, 0.5]]
    assert data.annotations[["annotator", "source"]].values.tolist() == [["net", "model"]]
    assert [each.kind for each in data.taxonomy.categories] == ["stuff", "thing"]
    assert [each for each in validate(data).findings if each.severity == "error"] == []


def test_both_sides_are_checked(tmp_path: Path, truth: dict[str, Option]) -> None:
    """As the official evaluation does for predictions alone, and in words: phantom, unlisted, unknown."""
    infos = [sound()[0], info(5, 2, halves()[300]), info(6, 9, halves()[300])]
    findings = validate(read(predictions(tmp_path, infos), options=truth)).findings
    found = [(each.code, each.segments) for each in findings if each.severity == "error"]
    assert sorted(found) == [("SEG014", (5,)), ("SEG014", (6,)), ("SEG014", (300,))]


def test_images_that_were_not_predicted_are_named(tmp_path: Path, truth: dict[str, Option]) -> None:
    path = predictions(tmp_path, sound())
    content = json.loads(Path(str(truth["truth"])).read_bytes())
    content["images"].append({"id": 2, "file_name": "b.png", "width": 6, "height": 5})
    Path(str(truth["truth"])).write_text(json.dumps(content))
    data = read(path, options=truth)
    assert data.annotations["image_id"].tolist() == ["a.png"]
    assert [(each.code, each.image, each.place) for each in data.source.defects if each.severity != "info"] == [
        ("SEG011", "b.png", "/images/1")
    ]


def test_without_the_truth_the_remedy_is_named(tmp_path: Path) -> None:
    defects = read(predictions(tmp_path, sound())).source.defects
    assert [each.code for each in defects] == ["SEG004", "SEG004"]
    assert all(each.message.endswith("for predictions give --read-option truth=FILE.json") for each in defects)


def test_real_predictions(real_data: Path, tmp_path: Path) -> None:
    """The two images of COCO's sample, as if predicted."""
    sample = real_data / "coco_panoptic_sample"
    content = json.loads((sample / "panoptic_examples.json").read_bytes())
    for entry in content["annotations"]:
        entry["segments_info"] = [{key: each[key] for key in KEPT} for each in entry["segments_info"]]
    (tmp_path / "predictions.json").write_text(json.dumps({"annotations": content["annotations"]}))
    (tmp_path / "predictions").symlink_to(sample / "panoptic_examples")
    data = read(tmp_path / "predictions.json", options={"truth": str(sample / "panoptic_examples.json")})
    assert sorted(data.segments.groupby("image_id").size()) == [18, 32]
    assert data.source.defects == ()
