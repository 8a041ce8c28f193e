"""segdata report: the conclusions of everything that is known, as text, JSON and a page that needs no other file."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from click.testing import Result

import segdata
from segdata.core.finding import Decision
from tests.generators.schemas import json_schemas

Run = Callable[..., Result]


@pytest.fixture
def reviewed(run: Run, masks: Path, tmp_path: Path) -> Path:
    """A canonical dataset with findings, of which anna has decided one, and the cost of an hour."""
    segdata.convert(masks, tmp_path / "data")
    (tmp_path / "data/segdata.yaml").write_text(
        "coverage: exhaustive\nseverity: {speck: warning}\n"
        "cost: {rate: 30, currency: EUR, minutes_per_image: 40, seconds_per_decision: 60}\n"
    )
    finding = segdata.validate(tmp_path / "data").findings[0]
    decision = Decision(
        verdict="fix", reviewer="anna", time="2026-01-01T10:00:00Z", via="python", image=finding.image, finding=finding
    )
    segdata.decide(tmp_path / "data", [decision])
    return tmp_path / "data"


def test_the_conclusions_of_each_part(run: Run, reviewed: Path) -> None:
    text = run("report", reviewed).stdout
    for words in ("validation", "No errors, 1 warning", "review", "cost", "EUR"):
        assert words in text  # anna's error is decided, so it is no longer told
    assert "1 finding decided" in text
    assert max(map(len, text.splitlines()[:-2])) <= 80
    assert "--format html" in text.splitlines()[-1]


def test_the_report_as_json_keeps_to_its_schema(run: Run, reviewed: Path) -> None:
    report = json.loads(run("report", reviewed, "--format", "json").stdout)
    jsonschema.validate(report, json_schemas()["report"])
    assert report["cost"]["annotation_hours"] == pytest.approx(2 * 40 / 60)
    assert report["cost"]["review_hours"] == pytest.approx(1 / 60)
    assert report["cost"]["errors"] == 1
    assert {each["part"] for each in report["points"]} >= {"validation", "review", "cost"}


def test_the_page_links_its_parts_and_loads_nothing(run: Run, reviewed: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert run("report", reviewed, "--format", "html", "--output", out).exit_code == 0
    page = out.read_text()
    for part in ("validation", "balance", "review", "cost"):
        assert f'href="#{part}"' in page
        assert f'<section id="{part}">' in page
    assert 'id="agreement"' not in page
    assert "<span>segdata</span> <span>agreement</span>" in page  # as what was not looked at
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_file_that_is_no_report_of_flag(run: Run, masks: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    found = run("report", masks, "--flagged", tmp_path / "x.json")
    assert found.exit_code == 2
    assert "is not a report of segdata flag" in found.output


def test_a_long_list_ends_with_the_number_of_others(run: Run, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(9)]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 0, "segmentation": [[0, 0, 5, 0, 5, 5]], "iscrowd": 0}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
    }
    (tmp_path / "coco.json").write_text(json.dumps(document))
    text = run("report", tmp_path / "coco.json").stdout
    assert "8 categories without segments\n    c1, c2, c3, c4, c5, c6 and 2 more." in text


def test_an_info_is_counted_beside_no_errors(run: Run, masks: Path) -> None:
    config = masks.parent / "infos.yaml"
    config.write_text("select: [speck]\nseverity: {speck: info}\n")
    assert len(segdata.validate(masks, config=config).findings) == 1
    assert "No errors or warnings, 1 info" in run("report", masks, "--config", config).stdout


def test_without_a_review_or_seconds_nothing_is_said_of_them(run: Run, masks: Path) -> None:
    report = json.loads(run("report", masks, "--format", "json").stdout)
    assert {each["part"] for each in report["points"]} <= {"validation", "balance"}


def test_the_number_of_errors_that_a_fix_corrects_is_told(run: Run, tmp_path: Path) -> None:
    """A segment twice has a safe fix; one error is `it`, and without a safe fix none is promised."""
    segment = {"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 5, 0, 5, 5, 0, 5]], "iscrowd": 0}
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
        "annotations": [{"id": 1, **segment}, {"id": 2, **segment}],
        "categories": [{"id": 1, "name": "car"}],
    }
    path, config = tmp_path / "coco.json", tmp_path / "one.yaml"
    path.write_text(json.dumps(document))
    config.write_text("select: [duplicate-segment]\nseverity: {duplicate-segment: error}\n")
    text = " ".join(run("report", path, "--config", config).stdout.split())
    assert "Look at it first; `segdata validate --fix` can correct 1 of 1." in text
    document["annotations"] = [{"id": 1, **segment}, {"id": 1, **segment}, {"id": 2, **segment}, {"id": 2, **segment}]
    path.write_text(json.dumps(document))
    config.write_text("select: [duplicate-id]\n")
    assert "Look at them first." in run("report", path, "--config", config).stdout
