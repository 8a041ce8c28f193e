"""SEG020: an export without images or segments is an error, one that cannot be read says so itself."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import segdata
from segdata.cli.main import main

IMAGE = {"id": 1, "file_name": "a.png", "width": 8, "height": 8}
CAR = {"id": 1, "name": "car"}


def written(path: Path, images: list[dict[str, object]]) -> Path:
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": [CAR]}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("images", "message"),
    [([], "no image and no segment: the dataset is empty"), ([IMAGE], "1 image, 1 of them annotated, and not one")],
    ids=["no images", "no annotations"],
)
def test_an_empty_export_fails(tmp_path: Path, images: list[dict[str, object]], message: str) -> None:
    source = written(tmp_path / "instances.json", images)
    (finding,) = [each for each in segdata.validate(source).findings if each.code == "SEG020"]
    assert finding.severity == "error"
    assert finding.message.startswith(message)
    assert CliRunner().invoke(main, ["validate", str(source)]).exit_code == 1


def test_a_file_that_cannot_be_read_is_no_empty_dataset(tmp_path: Path) -> None:
    source = tmp_path / "instances.json"
    source.write_text('{"images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}], "annotations": [{"id"')
    codes = {each.code for each in segdata.validate(source, format="coco-instances").findings}
    assert "SEG020" not in codes
    assert codes & {"SEG001", "SEG004"}
