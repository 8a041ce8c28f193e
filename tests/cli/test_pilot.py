"""`segdata pilot`: the report as text and JSON, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
from click.testing import Result

import segdata
from tests.generators.schemas import json_schemas

Run = Callable[..., Result]


def test_the_text_fits_80_columns_and_ends_with_the_verdict(run: Run, coco: Path) -> None:
    result = run("pilot", coco, "--campaign", "500", "--minutes-per-segment", "0.5", "--rate", "20")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert max(map(len, lines[1:])) <= 80
    assert lines[-1].startswith("not ready: 2 reasons: small-pilot, no-definition")
    assert "campaign   500 images" in lines
    assert any(line.startswith("cost") for line in lines)


def test_many_categories_without_an_image_are_one_line(run: Run, tmp_path: Path) -> None:
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 0, "segmentation": [[0, 0, 5, 0, 5, 5]], "iscrowd": 0}],
        "categories": [{"id": number, "name": f"c{number}"} for number in range(10)],
    }
    (tmp_path / "coco.json").write_text(json.dumps(document))
    text = run("pilot", tmp_path / "coco.json").stdout
    assert "and 9 categories that no image of the pilot has (--format json lists them)" in text
    assert "\nc0 " in text
    assert "\nc1 " not in text


def test_the_json_fits_its_schema_and_is_the_same_each_time(run: Run, masks: Path) -> None:
    words = ("pilot", masks, "--campaign", "500", "--format", "json")
    result = run(*words)
    assert (result.exit_code, result.stdout) == (1, run(*words, "--jobs", "2").stdout)
    found = json.loads(result.stdout)
    jsonschema.validate(found, json_schemas()["pilot"])
    assert (found["version"], found["ready"], found["pilot"]) == (1, False, {"images": 2, "units": 2})
    assert [each["name"] for each in found["categories"]] == ["road", "car"]


def test_undefined_numbers_are_null(run: Run, coco: Path) -> None:
    found = json.loads(run("pilot", coco, "--format", "json").stdout)
    jsonschema.validate(found, json_schemas()["pilot"])
    assert found["totals"]["instances"] == {"value": 60000.0, "low": None, "high": None}  # one image has no variance


def test_ready(run: Run, masks: Path) -> None:
    result = run("pilot", masks, "--ignore", "small-pilot,no-definition", "--ignore", "unlabelled")
    assert result.exit_code == 0
    told = "ready: nothing speaks against the campaign (ignored: small-pilot, unlabelled, no-definition)"
    assert " ".join(result.stdout.split()).endswith(told)


def test_a_report_in_a_file(run: Run, masks: Path, tmp_path: Path) -> None:
    result = run("pilot", masks, "--output", tmp_path / "pilot.txt")
    assert result.exit_code == 1
    assert result.stderr == f"segdata: not ready, see {tmp_path / 'pilot.txt'}\n"
    assert (tmp_path / "pilot.txt").read_text(encoding="utf-8").startswith("segdata pilot")


def test_misuse_ends_with_2(run: Run, masks: Path) -> None:
    for words, said in (
        (("--campaign", "1"), "the campaign has 1 images, and its pilot 2"),
        (("--campaign", "0"), "0 is not in the range"),
        (("--ignore", "void-void"), "no kind of reason is called 'void-void'"),
        (("--minutes-per-image", "1", "--minutes-per-segment", "1"), "both per image and per segment"),
    ):
        result = run("pilot", masks, *words)
        assert result.exit_code == 2
        assert said in result.stderr


def test_coco_tiny(run: Run, real_data: Path) -> None:
    result = run("pilot", real_data / "coco_tiny", "--campaign", "5000", "--format", "json")
    found = json.loads(result.stdout)
    kinds = [reason["kind"] for reason in found["reasons"]]
    assert kinds.count("unused-category") == 31
    assert found["totals"]["instances"]["value"] == 46500  # 465 segments that are no crowds in 50 images
    twice = [(pair["a"], pair["b"]) for pair in found["confusable"] if pair["twice"]]
    assert twice == [("bowl", "cup")]


def test_the_report_does_not_replace_the_data(run: Run, coco: Path) -> None:
    before = coco.read_bytes()
    assert run("pilot", coco, "--output", coco).exit_code == 2
    assert coco.read_bytes() == before


def test_several_annotators(run: Run, masks: Path, tmp_path: Path) -> None:
    """Equal work agrees; with one annotator there is nothing to say."""
    segdata.merge([segdata.read(masks, annotator=name) for name in ("anna", "ben", "carl")], tmp_path / "all")
    found = json.loads(run("pilot", tmp_path / "all", "--format", "json").stdout)
    jsonschema.validate(found, json_schemas()["pilot"])
    assert found["agreement"]["annotators"] == ["anna", "ben", "carl"]
    values = [(each["category"], each["value"]["value"], each["low"]) for each in found["agreement"]["categories"]]
    assert values == [("road", 1.0, False), ("car", 1.0, False)]
    assert found["agreement"]["confused"] == []
    lines = run("pilot", tmp_path / "all").stdout.splitlines()
    assert "agreement on 2 images of anna, ben and carl" in lines
    assert max(map(len, lines[1:])) <= 80
    assert json.loads(run("pilot", masks, "--format", "json").stdout)["agreement"] is None
