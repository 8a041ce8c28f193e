"""The JSON report: the contract's keys, whatever a finding holds."""

import dataclasses
import json
import math
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from segdata.core.errors import SegdataError
from segdata.core.finding import Correction, Finding
from segdata.core.validation import Validation
from segdata.report.findings_json import FindingRow, baseline_json, findings_schema, read_baseline, to_json, to_jsonl

FULL = Finding(
    code="SEG106", rule="speck", severity="warning", message='"quoted" 汽车', image="a.png", annotator="anna",
    segments=(7, "seven"), category="car", bbox=(1, 2, 3, 4), pixels=12, score=0.5, file="f.json", line=3,
    place="/annotations/0", fix="unsafe",
    correction=Correction(action="split", category="car", size=(9, 8), counts=("03", "12"), joins=8, iou=0.5),
    kind="offset",
)  # fmt: skip
BARE = Finding(code="SEG001", rule="unreadable-file", severity="error", message="m")


def test_every_field_arrives() -> None:
    report = json.loads(to_json(Validation("d", 1, 2, (FULL, BARE))))
    jsonschema.validate(report, findings_schema())
    lists = {
        "segments": [7, "seven"],
        "bbox": [1, 2, 3, 4],
        "correction": msgspec.json.decode(msgspec.json.encode(FULL.correction)),
    }
    assert report["findings"][0] == dataclasses.asdict(FULL) | lists
    assert "correction" not in report["findings"][1]
    assert {name for name, value in report["findings"][1].items() if value is None} == {
        "image", "annotator", "category", "bbox", "pixels", "score", "file", "line", "place", "fix",
    }  # fmt: skip


def test_the_keys_come_in_the_order_of_the_contract() -> None:
    text = to_json(Validation("d", 1, 2, (FULL,)))
    assert list(json.loads(text)["findings"][0]) == list(FindingRow.__struct_fields__)
    assert set(FindingRow.__struct_fields__) == set(Finding.__dataclass_fields__)


def test_an_undefined_score_is_null() -> None:
    report = json.loads(to_json(Validation("d", 1, 2, (dataclasses.replace(FULL, score=math.nan),))))
    assert report["findings"][0]["score"] is None


def test_a_line_per_finding() -> None:
    text = to_json(Validation("d", 1, 2, (FULL, BARE)))
    assert len(re.findall(r'^    \{"code"', text, re.MULTILINE)) == 2


def test_no_findings_are_a_report_too() -> None:
    report = json.loads(to_json(Validation("d", 0, 0, (), suppressed=7)))
    jsonschema.validate(report, findings_schema())
    assert report["findings"] == []
    assert (report["summary"]["by_code"], report["summary"]["suppressed"]) == ({}, 7)


def test_names_that_are_no_text_survive_as_escapes() -> None:
    """A file name that is not UTF-8 reaches Python as lone surrogates; the output writes them as JSON escapes."""
    odd = dataclasses.replace(BARE, file="a\udcff.png")
    data = to_json(Validation("d", 0, 0, (odd,))).encode("utf-8", "backslashreplace")
    assert json.loads(data)["findings"][0]["file"] == "a\udcff.png"


def test_a_report_is_read_back_as_the_findings_that_it_lists(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    path.write_text(to_json(Validation("d", 1, 2, (FULL, BARE))), encoding="utf-8")
    assert read_baseline(path) == (FULL, BARE)


def test_with_a_baseline_there_are_new_known_and_fixed_ones(tmp_path: Path) -> None:
    gone = dataclasses.replace(FULL, image="gone.png")
    compared = Validation("d", 1, 2, (BARE, FULL)).against([gone, FULL])
    report = json.loads(to_json(compared))
    jsonschema.validate(report, findings_schema())
    assert [each["code"] for each in report["findings"]] == ["SEG001"]
    assert [each["image"] for each in (*report["known"], *report["fixed"])] == ["a.png", "gone.png"]
    assert (report["summary"]["errors"], report["summary"]["known"], report["summary"]["fixed"]) == (1, 1, 1)
    path = tmp_path / "known.json"
    for text in (to_json(compared), baseline_json(compared)):
        path.write_text(text, encoding="utf-8")
        assert set(read_baseline(path)) == {BARE, FULL}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot be read"),
        ("", "is not a report of findings"),
        ("[]", "is not a report of findings"),
        ('{"version": 2}', "is not a report of findings"),
        (to_json(Validation("d", 1, 2, (FULL, BARE)), 1), "leaves out 1 finding; create it without --max-findings"),
    ],
)
def test_what_is_no_whole_report_is_no_baseline(tmp_path: Path, text: str | None, problem: str) -> None:
    path = tmp_path / "known.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(SegdataError, match=problem):
        read_baseline(path)


def test_jsonl_is_a_finding_a_line() -> None:
    lines = to_jsonl(Validation("d", 1, 2, (FULL, BARE))).splitlines()
    assert [json.loads(line)["code"] for line in lines] == ["SEG106", "SEG001"]
